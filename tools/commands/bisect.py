"""edgec bisect"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from edgec.ir import Error, Graph, Kind
from edgec.lowering import Target, target_named
from edgec.passes import Pass, PassManager, Settings, parse_pipeline, pipeline_text
from edgec.tools import driver, report
from edgec.tools.arguments import (
    add_check,
    add_images,
    add_model,
    check_of,
    images_of,
    load_model,
)
from edgec.tools.bisect import Culprit, Miswritten, bisect_lowering, bisect_passes
from edgec.tools.data_sources import data_of
from edgec.tools.progress import compiling_kernels

NAME = "bisect"
SUMMARY = "find the first pass, then the first rewrite (or write rule), that breaks a check"
EXAMPLES = """\
  edgec bisect model.onnx -p O2
  edgec bisect model.onnx -t openvino
  edgec bisect model.onnx -p O2 --check './accuracy.sh {}' -o found"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("-p", "--pipeline", help="passes, or a named pipeline (default: -t's own)")
    parser.add_argument(
        "-t", "--target", help="look at what this target writes too, in its own runtime"
    )
    add_check(parser)
    parser.add_argument(
        "--data",
        metavar="DIR|X.NPZ|random",
        help="inputs for passes that run the model (calibrate): pictures, or arrays by input name",
    )
    add_images(parser)
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="write the graphs around the rewrite there, as .eir"
    )


def run(chosen: argparse.Namespace) -> int:
    target = target_named(chosen.target) if chosen.target else None
    passes = _passes(chosen.pipeline, target)
    graph = load_model(chosen.model, chosen.input_shape)
    settings = Settings()
    if chosen.data:
        images = images_of(chosen, chosen.model)
        settings = Settings(data=data_of(chosen.data, graph, images))
    with compiling_kernels():
        found: Culprit | Miswritten | None = bisect_passes(
            graph, passes, check_of(chosen), settings
        )
        if found is None and target is not None and not chosen.check:
            found = bisect_lowering(_optimized(graph, passes, settings), target)
    if found is None:
        _print_nothing(chosen, passes)
        return 0
    saved = _save(found, Path(chosen.output)) if chosen.output else ()
    if chosen.json:
        report.print_json(_as_json(found, saved))
    elif isinstance(found, Culprit):
        _print_culprit(found, len(passes), saved)
    else:
        _print_miswritten(found, saved)
    return Kind.MISMATCH.exit_code


def _passes(text: str | None, target: Target | None) -> list[Pass]:
    if text is None and target is None:
        raise Error(Kind.USAGE, "bisect wants passes, a target, or both", instead="-p O2, -t onnx")
    return parse_pipeline(text if text is not None else target.pipeline if target else "")


def _optimized(graph: Graph, passes: Sequence[Pass], settings: Settings) -> Graph:
    made = graph.clone()
    PassManager(passes, settings).run(made)
    return made


def _save(found: Culprit | Miswritten, folder: Path) -> Sequence[str]:
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(found, Culprit):
        graphs = {"start": found.start, "before": found.before, "after": found.after}
    else:
        graphs = {"op": found.alone}
    for name, graph in graphs.items():
        driver.save(graph, folder / f"{name}.eir")
    return [str(folder / f"{name}.eir") for name in graphs]


def _print_nothing(chosen: argparse.Namespace, passes: Sequence[Pass]) -> None:
    if chosen.json:
        report.print_json({"found": False, "passes": pipeline_text(list(passes))})
        return
    what = "the check passes" if chosen.check else "the promise of every pass holds"
    where = f", and the artifact for {chosen.target} agrees" if chosen.target else ""
    print(f"{what} after {pipeline_text(list(passes))}{where}: nothing to find")


def _as_json(found: Culprit | Miswritten, saved: Sequence[str]) -> dict[str, object]:
    common = {
        "found": True, "rule": found.rule, "layers": found.layers, "diff": found.diff,
        "why": found.why, "files": saved,
    }  # fmt: skip
    if isinstance(found, Miswritten):
        return {**common, "target": found.target.name, "op": found.op and found.op.op_name}
    place = {"pass": str(found.one), "pass_index": found.index}
    return {**common, **place, "rewrite": found.number, "edit": found.edit}


def _print_culprit(found: Culprit, passes: int, saved: Sequence[str]) -> None:
    print(f"pass {found.index + 1} of {passes}, {found.one}: {found.why}")
    if found.number is not None:
        print(f"rewrite {found.number} of that pass is the first that breaks it: {found.rule}")
    elif found.edit is not None:
        print(f"edit {found.edit} of that pass is the first that breaks it: {found.rule}")
    _print_layers(found.layers)
    print(found.diff)
    if saved:
        print(f"written: {', '.join(saved)}")
        if found.number is not None:
            limit = f"--rewrite-limit {found.number}"
            print(f"to repeat: edgec opt {saved[0]} -p '{found.one}' {limit} --check-numerics")


def _print_miswritten(found: Miswritten, saved: Sequence[str]) -> None:
    name = found.op.op_name if found.op else "legalize"
    alone = " (alone, too)" if found.fails_alone and found.op else ""
    print(f"{found.target.name} computes {name} differently{alone}: {found.why}")
    print(f"it is written by {found.rule}")
    _print_layers(found.layers)
    if found.diff:
        print(found.diff)
    if saved:
        print(f"written: {', '.join(saved)}")
        print(f"to repeat: edgec compile {saved[0]} -t {found.target.name} -p O0 -o out --verify")


def _print_layers(layers: Sequence[str]) -> None:
    if layers:
        print(f"from the layers {', '.join(layers)}")
