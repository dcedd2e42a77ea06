"""edgec reduce"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgec.ir import Error, Graph, Kind, print_graph
from edgec.lowering import Target, target_named
from edgec.passes import Pass, parse_pipeline
from edgec.tools import driver, report
from edgec.tools.arguments import add_check, add_model, check_of, load_model, natural
from edgec.tools.checks import ArtifactCheck, Check, CompileCheck, PipelineCheck
from edgec.tools.progress import compiling_kernels
from edgec.tools.reduce import Reduced, reduce_graph

NAME = "reduce"
SUMMARY = "shrink a model to the smallest one that fails a check in the same way"
EXAMPLES = """\
  edgec reduce model.onnx --check './fails.sh {}' -o small
  edgec reduce model.onnx -p O2 -o small
  edgec reduce model.onnx -t openvino -o small"""
SUFFIXES = (".eir", ".onnx")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_check(parser)
    parser.add_argument("-p", "--pipeline", help="without CMD: these passes break their promise")
    parser.add_argument("-t", "--target", help="without CMD: what it writes computes other numbers")
    parser.add_argument(
        "-o", "--output", metavar="NAME", default="reduced",
        help="write NAME.eir and NAME.onnx (default: reduced)",
    )  # fmt: skip
    parser.add_argument(
        "--max-tries", type=natural, default=2000, metavar="N", help="run the check N times at most"
    )


def run(chosen: argparse.Namespace) -> int:
    graph = load_model(chosen.model, chosen.input_shape)
    target = target_named(chosen.target) if chosen.target else None
    pipeline = chosen.pipeline or (target.pipeline if target else None)
    passes = parse_pipeline(pipeline) if pipeline is not None else None
    check = check_of(chosen, passes or ()) or _numbers(target, passes)
    with compiling_kernels():
        found = reduce_graph(graph, check, max_tries=chosen.max_tries, note=_note)
    files, unwritten = _write(found.graph, chosen.output)
    if chosen.json:
        report.print_json(_as_json(graph, found, files))
    else:
        _print(graph, found, files, unwritten)
    return 0


def _numbers(target: Target | None, passes: list[Pass] | None) -> Check:
    """The check when there is no command: promises of passes, then numbers of an artifact."""
    if passes is None:
        raise Error(Kind.USAGE, "there is nothing to check", instead="--check CMD, -p O2, -t onnx")
    if target is None:
        return PipelineCheck(passes)
    target.runtime.require()
    return CompileCheck(PipelineCheck(passes), ArtifactCheck(target))


def _note(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def _write(graph: Graph, name: str) -> tuple[list[str], str]:
    """Both forms, and why the .onnx is missing where it cannot be written."""
    base = Path(name).with_suffix("") if Path(name).suffix in SUFFIXES else Path(name)
    written: list[str] = []
    for suffix in SUFFIXES:
        path = base.with_name(base.name + suffix)
        try:
            driver.save(graph, path)
        except Error as error:
            if error.kind is not Kind.UNSUPPORTED:
                raise
            return written, str(error)
        written.append(str(path))
    return written, ""


def _as_json(graph: Graph, found: Reduced, files: list[str]) -> dict[str, object]:
    return {
        "ops_before": len(graph), "ops_after": len(found.graph), "failure": found.failure,
        "message": found.message, "tried": found.tried, "taken": found.taken, "files": files,
    }  # fmt: skip


def _print(graph: Graph, found: Reduced, files: list[str], unwritten: str) -> None:
    _note("")
    print(f"{len(graph)} ops → {len(found.graph)}, after {found.tried} runs of the check")
    print(print_graph(found.graph, brief=True))
    print(f"fails as before ({found.failure}): {found.message}")
    print(f"written: {', '.join(files)}")
    if unwritten:
        print(f"not as .onnx: {unwritten}")
