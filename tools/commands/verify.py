"""edgec verify"""

from __future__ import annotations

import argparse
from pathlib import Path

from edgec.ir import Code, Error, Kind
from edgec.lowering import TARGETS, Partitioned, Target, Verification, check_artifact
from edgec.tools import report
from edgec.tools.arguments import add_model, load_model, natural, samples_of
from edgec.tools.progress import compiling_kernels
from edgec.tools.provenance import of_artifact

NAME = "verify"
SUMMARY = "compare an artifact, run by its real runtime, with the reference kernels on the model"
EXAMPLES = """\
  edgec verify model.onnx out.onnx
  edgec verify model.onnx out.onnx --data x.npz --per-layer"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("artifact", metavar="ARTIFACT", help="what edgec compile wrote")
    parser.add_argument(
        "--data",
        metavar="X.NPZ",
        help="inputs by name, samples along the first axis; random if absent",
    )
    parser.add_argument(
        "--per-layer",
        action="store_true",
        help="name the first layer that the runtime computes differently",
    )
    parser.add_argument("--threads", type=natural, default=1)
    parser.add_argument(
        "--device", help="where it runs: CPU, GPU, NPU, AUTO or HETERO:GPU,CPU (openvino)"
    )
    parser.add_argument(
        "--hint", choices=("latency", "throughput"), help="what the runtime aims at (openvino)"
    )


def run(chosen: argparse.Namespace) -> int:
    artifact = Path(chosen.artifact)
    target = target_of(artifact)
    target.runtime.require()
    graph = load_model(chosen.model, chosen.input_shape)
    samples = samples_of(chosen, graph)
    given = {"device": chosen.device, "hint": chosen.hint}
    options = {name: value for name, value in given.items() if value is not None}
    runner = target.loaded(artifact, chosen.threads, options)
    with compiling_kernels():
        found = check_artifact(
            graph,
            runner,
            samples=samples,
            per_layer=chosen.per_layer,
            threads=chosen.threads,
        )
    if chosen.json:
        report.print_json(found.as_json())
    else:
        _print(found, chosen.per_layer)
        if not found.ok:
            _explain_precision(artifact)
        if isinstance(runner, Partitioned) and chosen.device:
            for name, count in runner.partition().items():
                print(f"{count} operators run on {name}")
    return 0 if found.ok else Kind.MISMATCH.exit_code


def _explain_precision(artifact: Path) -> None:
    """Say so where the artifact rounds on purpose: this command compares with the float model."""
    precision = of_artifact(artifact).get("precision", "fp32")
    if precision != "fp32":
        print(
            f"{artifact.name} was compiled with --precision {precision}, whose rounding counts as "
            "a difference here; edgec compile … --verify compares with the graph that was written"
        )


def target_of(artifact: Path) -> Target:
    """The target that writes files with this suffix. Raises Error when there is none."""
    for target in TARGETS.values():
        if artifact.suffix == target.suffix:
            return target
    raise Error(
        Code.SUFFIX,
        f"no target writes {artifact.suffix or 'such'} files",
        instead=f"one of {sorted(t.suffix for t in TARGETS.values())}",
    )


def _print(found: Verification, per_layer: bool) -> None:
    rows = [
        (
            name,
            "ok" if c else "DIFFERS",
            f"{c.normwise:.2e}",
            f"{c.tolerance.relative:.2e}",
            f"{c.max_abs:.2e}",
            f"{c.sqnr_db:.1f}",
            c.tolerance.why,
        )
        for name, c in found.outputs.items()
    ]
    columns = ("output", "", "normwise", "allowed", "max abs", "SQNR dB", "because of")
    report.print_table(columns, rows)
    needed = "none would" if found.needed is None else f"{found.needed:.2e}"
    print(f"smallest tolerance that would pass: {needed}")
    for name, comparison in found.outputs.items():
        if not comparison:
            print(f"output {name!r}:\n{comparison}")
    if per_layer:
        print(
            f"{found.layers_compared} intermediate values compared; first that differs: "
            f"{found.first_difference or 'none'}"
        )
