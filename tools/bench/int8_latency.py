"""``python -m edgec.tools.bench.int8_latency``: int8 in onnxruntime against float, on every model.

Ours and onnxruntime's own quantizer (min-max, QDQ, u8 activations, s8 weights per channel) get the
same random samples: what is chosen from them has no part in how fast the integers are.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgec.ir import Array, Error, write_atomically
from edgec.kernels import seeded_inputs
from edgec.lowering.onnx import OnnxRunner
from edgec.tools import driver
from edgec.tools.bench.models import bench_shapes, machine, models_in
from edgec.tools.bench.page import versions
from edgec.tools.bench.quant_peers import edgec_quantizer, onnxruntime_quantizer
from edgec.tools.bench.quantization import PAGE, ROOT, inserted
from edgec.tools.bench.timing import Timing, paired

BEGIN, END = "<!-- int8 latency: made by the command above -->", "<!-- end of int8 latency -->"
PACKAGES = ("edgec", "onnxruntime", "numpy")
SAMPLES = 4
QUANTIZERS = {
    "edgec int8": edgec_quantizer("int8-fast"),
    "onnxruntime int8": onnxruntime_quantizer("MinMax"),
}
COLUMNS = ("float again", "edgec float", *QUANTIZERS)
LINE = {"ch_ppocr_mobile_v2.0_cls_infer": (48, 192)}  # height and width that a model is used with


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edgec.tools.bench.int8_latency")
    default = Path(os.environ.get("EDGEC_MODELS", ROOT.parent / "shared" / "models"))
    parser.add_argument("--models", type=Path, default=default, help="folder of models")
    parser.add_argument("--only", default="", metavar="WORD", help="models with WORD")
    parser.add_argument("--rounds", type=int, default=51, help="of paired calls")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    lines = [
        f"Machine: {machine()}. Versions: {versions(PACKAGES)}.\n",
        f"| model | float ms | {' | '.join(COLUMNS)} |",
        f"| --- | ---: |{' ---: |' * len(COLUMNS)}",
    ]
    for path in models_in(chosen.models):
        timings = latencies(path, chosen.rounds) if chosen.only in path.stem else {}
        if timings:
            lines.append(line(path.stem, timings))
            print(lines[-1], file=sys.stderr)
    text = "\n".join(lines) + "\n"
    print(text)
    if chosen.write:
        page = inserted(PAGE.read_text("utf-8"), text, BEGIN, END)
        write_atomically(PAGE, lambda out: _write(out, page))
    return 0


def latencies(path: Path, rounds: int) -> Mapping[str, Timing]:
    """Paired timings against the float model; nothing of a model with several inputs."""
    graph = driver.load(path)
    shapes = bench_shapes(graph)
    shapes |= dict(zip(shapes, LINE.get(path.stem, ()), strict=False))
    samples = [seeded_inputs(graph, seed=seed, shapes=shapes) for seed in range(SAMPLES)]
    if len(samples[0]) > 1:
        return {}
    [name] = samples[0]
    with tempfile.TemporaryDirectory() as folder:
        calls = {"float": _call(path, samples[0]), "float again": _call(path, samples[0])}
        plain = Path(folder) / "float.onnx"
        driver.compile(graph, "onnx", plain)
        calls["edgec float"] = _call(plain, samples[0])
        for title, quantizer in QUANTIZERS.items():
            out = Path(folder) / f"{title}.onnx"
            try:
                quantizer(path, name, [sample[name] for sample in samples], out)
            except Error:
                raise
            except Exception as error:  # noqa: BLE001  (a peer may fail in any way; it is said)
                print(f"{path.stem}: {title}: {error}", file=sys.stderr)
                continue
            calls[title] = _call(out, samples[0])
        return paired(calls, "float", rounds=rounds)


def line(name: str, timings: Mapping[str, Timing]) -> str:
    """One row: milliseconds of the float model, ratios of the others."""
    cells: Sequence[str] = [
        f"{timings[one].ratio:.2f}" if one in timings else "fails" for one in COLUMNS
    ]
    return f"| {name} | {timings['float'].milliseconds:.2f} | {' | '.join(cells)} |"


def _call(path: Path, feed: Mapping[str, Array]) -> Callable[[], object]:
    session = OnnxRunner(path).session
    return lambda: session.run(None, dict(feed))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
