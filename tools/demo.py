"""``make demo``: a really trained model, compiled for every target of this machine, and proved.

The model is a small MobileNetV2 for 28×28 digits; accuracy is measured on 2,000 labelled test
images, latency is the median of single images on one thread.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from edgec.ir import Array, Graph
from edgec.kernels import Executor
from edgec.lowering import TARGETS, Target
from edgec.tools import driver, report
from edgec.tools.progress import compiling_kernels, tracked

MEAN, DEVIATION = 0.1307, 0.3081  # of the pixels that the model was trained on
LATENCY_RUNS = 200
COMPARED = 64  # images on which outputs are compared with the reference
CALIBRATED = 32  # of the test images, for want of others in the package
COLUMNS = ("target", "precision", "file", "latency", "accuracy", "largest difference")

Predict = Callable[[Mapping[str, Array]], dict[str, Array]]


def main() -> None:
    data = files("edgec.tools") / "data"
    with as_file(data / "digits_mbv2.onnx") as model, as_file(data / "digits_test.npz") as images:
        graph = driver.load(
            model, input_shapes={"input": (1, 1, 28, 28)}
        )  # some targets plan ahead
        with np.load(images) as arrays:
            samples, labels = normalized(arrays["x"]), arrays["y"]
        size = model.stat().st_size
    with compiling_kernels():
        reference = Executor(graph)
        rows = [
            _row(
                "the model itself, on the reference kernels",
                "fp32",
                size,
                graph,
                reference.run,
                samples,
                labels,
                reference,
            )
        ]
        notes: list[str] = []
        for target in TARGETS.values():
            for precision in precisions(target):
                rows += _rows(target, precision, graph, samples, labels, reference, notes)
    report.print_table(COLUMNS, rows, title=f"digits, MobileNetV2, {len(samples):,} test images")
    for note in notes:
        print(f"note: {note}")


def precisions(target: Target) -> list[str]:
    """What the demo compiles for a target."""
    integers = ["int8"] if target.scheme is not None else []
    return (["fp32"] if "fp32" in target.precisions else []) + integers


def normalized(pixels: Array) -> Array:
    """u8[n,28,28] to the f32[n,1,28,28] that the model wants."""
    unit = pixels.astype(np.float32) / np.float32(255)
    return ((unit - np.float32(MEAN)) / np.float32(DEVIATION))[:, None]


def _rows(
    target: Target,
    precision: str,
    graph: Graph,
    samples: Array,
    labels: Array,
    reference: Executor,
    notes: list[str],
) -> list[tuple[str, ...]]:
    if not target.runtime.is_installed:
        hint = f"pip install 'edgec[{target.runtime.extra}]'"
        missing = f"{target.runtime.module} is not installed: {hint}"
        return [(target.name, precision, "", "", "", missing)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"digits{target.suffix}"
        runnable = target.runtime.is_runnable
        calibration = [{graph.input_names[0]: samples[i : i + 1]} for i in range(CALIBRATED)]
        compiled = driver.compile(
            graph,
            target.name,
            path,
            precision=precision,
            calibration=calibration if precision == "int8" else None,
            verify=runnable,
        )
        if compiled.caveat:
            notes.append(compiled.caveat)
        if not runnable:
            size = f"{compiled.size / 1000:.0f} kB"
            return [(f"{target.name} ({target.runtime.module})", precision, size, "", "",
                     "built, not run: no GPU")]  # fmt: skip
        runner = target.load(path, 1)
        return [
            _row(
                f"{target.name} ({target.runtime.module})",
                precision,
                compiled.size,
                graph,
                runner.run,
                samples,
                labels,
                reference,
            )
        ]


def _row(
    name: str,
    precision: str,
    size: int,
    graph: Graph,
    predict: Predict,
    samples: Array,
    labels: Array,
    reference: Executor,
) -> tuple[str, ...]:
    [input_name] = graph.input_names
    [output_name] = graph.output_names
    correct = 0
    difference = 0.0
    singles = range(len(samples))
    for index in tracked(singles, name, len(samples)):
        feed = {input_name: samples[index : index + 1]}
        scores = predict(feed)[output_name]
        correct += int(scores.argmax() == labels[index])
        if index < COMPARED:
            expected = reference.run(feed)[output_name]
            difference = max(difference, float(np.abs(scores - expected).max()))
    milliseconds = _latency(predict, {input_name: samples[:1]})
    return (
        name,
        precision,
        f"{size / 1000:.0f} kB",
        f"{milliseconds:.3f} ms",
        f"{100 * correct / len(samples):.2f} %",
        f"{difference:.1e}",
    )


def _latency(predict: Predict, feed: Mapping[str, Array]) -> float:
    """Median milliseconds of one call."""
    times = []
    for _ in range(LATENCY_RUNS):
        begin = time.perf_counter()
        predict(feed)
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times))


if __name__ == "__main__":
    main()
