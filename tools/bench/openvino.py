"""Latency in OpenVINO: what edgec writes against ``openvino.convert_model`` and NNCF.

    python -m edgec.tools.bench.openvino --models FOLDER

On the CPU, one stream and one thread, shapes fixed in both models, float32 wherever floats are
computed. NNCF quantizes what ``convert_model`` made, by its defaults, on the samples that edgec
calibrates on.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openvino
from openvino.frontend import OpConversionFailure

from edgec.ir import Array, Error
from edgec.kernels import seeded_inputs
from edgec.lowering.openvino import OpenvinoRunner
from edgec.tools import driver
from edgec.tools.bench.models import bench_shapes, machine, models_in
from edgec.tools.bench.quant_cases import cases_in
from edgec.tools.bench.timing import Timing, paired

Inputs = Mapping[str, Array]
Layer = tuple[str, str]  # type and precision
CONVERTED, OURS, AGAIN = "convert_model", "edgec", "the same again"
NNCF, OURS_INT8 = "NNCF int8", "edgec int8"
SAMPLES = 8  # of calibration: the numbers hardly matter for the time
_CASES = {
    "efficientnet_lite0": "lite0",
    "mnist_mbv2": "digits-mbv2",
    "mnist_resnet8": "digits-resnet8",
    "ch_PP-OCRv4_det": "detector",
}


@dataclass(frozen=True)
class Row:
    """One model: float32 against ``convert_model``, int8 against NNCF; None where one failed.

    Attributes:
        layers: number of layers by type and precision in each of the int8 models, as they run.
        why_not: int8 failed.
    """

    name: str
    floats: Mapping[str, Timing]
    integers: Mapping[str, Timing] | None
    layers: Mapping[str, Counter[Layer]] = field(default_factory=dict)
    why_not: str = ""


def row(path: Path, rounds: int) -> Row:
    """Time one model in every form.

    Raises:
        OpConversionFailure: ``convert_model`` cannot read it, so that there is nothing to compare.
    """
    graph = driver.load(path)
    samples = samples_of(path) or [
        seeded_inputs(graph, seed=seed, shapes=bench_shapes(graph)) for seed in range(SAMPLES)
    ]
    inputs = samples[0]
    with tempfile.TemporaryDirectory() as folder:
        models = {
            CONVERTED: converted(path, inputs),
            OURS: ours(path, Path(folder), "fp32", samples),
            AGAIN: converted(path, inputs),
        }
        floats = timed(models, inputs, CONVERTED, rounds)
        try:
            integers = {
                CONVERTED: models[CONVERTED],
                NNCF: by_nncf(path, samples),
                OURS_INT8: ours(path, Path(folder), "int8", samples),
            }
        except (Error, RuntimeError) as error:
            return Row(path.stem, floats, None, why_not=str(error).splitlines()[0])
        counted = {name: layers(integers[name]) for name in (NNCF, OURS_INT8)}
        return Row(path.stem, floats, timed(integers, inputs, NNCF, rounds), counted)


def samples_of(path: Path) -> list[Inputs]:
    """Real pictures for the models that have some; one size throughout, as the model is fixed."""
    name = next((case for stem, case in _CASES.items() if path.stem.startswith(stem)), None)
    if name is None:
        return []
    case = cases_in(path.parent)[name]()
    return [{case.input: sample} for sample in case.calibration[:SAMPLES]]


def ours(path: Path, folder: Path, precision: str, samples: Sequence[Inputs]) -> Any:
    """What edgec writes, read back."""
    out = folder / f"{precision}.xml"
    calibration = samples if precision == "int8" else None
    driver.compile(driver.load(path), "openvino", out, precision=precision, calibration=calibration)
    return fixed(openvino.Core().read_model(out), samples[0])


def converted(path: Path, inputs: Inputs) -> Any:
    """What OpenVINO's own reader makes of the model."""
    return fixed(openvino.convert_model(path), inputs)


def by_nncf(path: Path, samples: Sequence[Inputs]) -> Any:
    """What NNCF makes of that."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    model = converted(path, samples[0])
    names = [port.get_any_name() for port in model.inputs]
    dataset = nncf.Dataset([[sample[name] for name in names] for sample in samples])
    return nncf.quantize(model, dataset, subset_size=len(samples))


def fixed(model: Any, inputs: Inputs) -> Any:
    """With the shapes of these inputs."""
    model.reshape({port: inputs[port.get_any_name()].shape for port in model.inputs})
    return model


def timed(
    models: Mapping[str, Any], inputs: Inputs, baseline: str, rounds: int
) -> dict[str, Timing]:
    calls = {
        name: _call(OpenvinoRunner(model, exact=False), inputs) for name, model in models.items()
    }
    return paired(calls, baseline, rounds=rounds)


def _call(runner: OpenvinoRunner, inputs: Inputs) -> Callable[[], object]:
    feed = {index: inputs[name] for index, name in enumerate(runner.input_names)}
    return lambda: runner.request.infer(feed)


def layers(model: Any) -> Counter[Layer]:
    """Number of layers by type and precision, as the plugin runs the model."""
    found: Counter[Layer] = Counter()
    for node in OpenvinoRunner(model, exact=False).compiled.get_runtime_model().get_ops():
        about = node.get_rt_info()
        found[about["layerType"].astype(str), about["runtimePrecision"].astype(str)] += 1
    return found


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| model | `convert_model`, ms | edgec fp32, ms | ratio | null | NNCF int8, ms "
        "| edgec int8, ms | ratio | edgec int8 / fp32 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in rows:
        cells = [
            f"{one.floats[CONVERTED].milliseconds:.2f}",
            f"{one.floats[OURS].milliseconds:.2f}",
            f"{one.floats[OURS].ratio:.3f}",
            f"{one.floats[AGAIN].ratio:.3f}",
        ]
        if one.integers is None:
            cells += [one.why_not, "", "", ""]
        else:
            floats, integers = one.integers[CONVERTED], one.integers[OURS_INT8]
            cells += [
                f"{one.integers[NNCF].milliseconds:.2f}",
                f"{integers.milliseconds:.2f}",
                f"{integers.ratio:.3f}",
                f"{integers.ratio / floats.ratio:.3f}",
            ]
        lines.append(f"| {one.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=Path, required=True, help="a folder of .onnx files")
    parser.add_argument("--only", default="", help="models whose names match this expression")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--layers", action="store_true", help="also count the layers that run")
    chosen = parser.parse_args()
    rows = []
    for path in models_in(chosen.models):
        if re.search(chosen.only, path.stem):
            try:
                rows.append(row(path, chosen.rounds))
            except OpConversionFailure as error:
                print(f"{path.stem}: convert_model refuses it: {str(error).splitlines()[0]}")
                continue
            print(table(rows[-1:]).splitlines()[-1], flush=True)
            if chosen.layers:
                print_differences(rows[-1].layers)
    print(f"\n{machine()}, load {os.getloadavg()[0]:.1f}, {chosen.rounds} rounds\n")
    print(table(rows))


def print_differences(counted: Mapping[str, Counter[Layer]]) -> None:
    """The kinds of layers of which the two int8 models run different numbers."""
    if not counted:
        return
    mine, theirs = counted[OURS_INT8], counted[NNCF]
    for key in sorted(mine.keys() | theirs.keys()):
        if mine[key] != theirs[key]:
            print(f"  {key[0]} {key[1]}: edgec {mine[key]}, NNCF {theirs[key]}", flush=True)


if __name__ == "__main__":
    main()
