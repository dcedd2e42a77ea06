"""edgec golden"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from edgec.ir import Array, Error, Kind
from edgec.kernels import seeded_inputs
from edgec.lowering import load_samples
from edgec.passes import PRESETS
from edgec.tools import driver, report
from edgec.tools.arguments import add_common, natural
from edgec.tools.goldens import (
    ASPECTS,
    Golden,
    Report,
    Spec,
    Tolerances,
    check,
    load_golden,
    read_inputs,
    read_outputs,
    record,
    save_golden,
    write_inputs,
    write_outputs,
)
from edgec.tools.progress import compiling_kernels

NAME = "golden"
SUMMARY = "record what a compiled model computes, and hold later compilations to it"
EXAMPLES = """\
  edgec golden record model.onnx -t onnx -o goldens/model.json
  edgec golden check goldens/*.json
  edgec golden check goldens/model.json --update
  edgec golden export goldens/model.json --save-inputs in.json --save-outputs out.json
  edgec golden record model.onnx --load-inputs in.json --load-outputs out.json -o g.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, add, what in (
        ("record", _add_record, "compile, run, and write a golden"),
        ("check", _add_check, "compile again, and compare with goldens"),
        ("export", _add_export, "write a golden's arrays for Polygraphy"),
    ):
        action = actions.add_parser(name, help=what, description=what)
        add(action)
        add_common(action)


def _add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=".onnx or .eir")
    parser.add_argument("-t", "--target", default="onnx", help="default: onnx")
    parser.add_argument("-p", "--pipeline", help="default: the target's own")
    parser.add_argument("--precision", choices=list(PRESETS), default="fp32")
    parser.add_argument("--calibration", metavar="DIR|X.NPZ|random")
    parser.add_argument("-o", "--output", metavar="X.JSON", required=True, help="X.npz lies beside")
    parser.add_argument("--seeds", type=natural, default=1, metavar="N", help="sets of inputs")
    parser.add_argument("--data", metavar="X.NPZ", help="inputs by name, in place of random ones")
    parser.add_argument("--latency", action="store_true", help="note the ratio to the model itself")
    parser.add_argument("--load-inputs", metavar="X.JSON", help="inputs, as Polygraphy saves them")
    parser.add_argument(
        "--load-outputs", metavar="X.JSON", help="expected outputs, as Polygraphy saves them"
    )
    parser.set_defaults(act=_record)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("goldens", nargs="+", metavar="X.JSON")
    parser.add_argument(
        "--compare", default="numbers,ops,size", help=f"some of {','.join(ASPECTS)}"
    )
    parser.add_argument("--relative", type=float, help="tolerance of outputs (default: rounding)")
    parser.add_argument("--size-growth", type=float, default=Tolerances.size, metavar="SHARE")
    parser.add_argument("--latency-growth", type=float, default=Tolerances.latency, metavar="SHARE")
    parser.add_argument("--update", action="store_true", help="accept what is computed now")
    parser.set_defaults(act=_check)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("golden", metavar="X.JSON")
    parser.add_argument("--save-inputs", metavar="X.JSON")
    parser.add_argument("--save-outputs", metavar="X.JSON")
    parser.set_defaults(act=_export)


def run(chosen: argparse.Namespace) -> int:
    act: Callable[[argparse.Namespace], int] = chosen.act
    with compiling_kernels():
        return act(chosen)


def _record(chosen: argparse.Namespace) -> int:
    path = Path(chosen.output)
    spec = Spec(
        model=chosen.model,
        target=chosen.target,
        pipeline=chosen.pipeline,
        precision=chosen.precision,
        seeds=tuple(range(chosen.seeds)),
        inputs=_inputs(chosen),
        calibration=chosen.calibration,
    )
    golden = record(spec, path, latency=chosen.latency)
    if chosen.load_outputs:
        golden = _with_outputs(golden, read_outputs(Path(chosen.load_outputs)))
    save_golden(golden, path)
    size = sum(p.stat().st_size for p in (path, path.with_suffix(".npz")))
    if chosen.json:
        report.print_json({"golden": str(path), "bytes": size, "model": golden.model_hash})
    else:
        sets = len(golden.outputs)
        print(f"{path}: {sets} set(s) of inputs, {sum(golden.ops.values())} ops, {size} bytes")
    return 0


def _inputs(chosen: argparse.Namespace) -> list[Mapping[str, Array]]:
    if chosen.load_inputs:
        return list(read_inputs(Path(chosen.load_inputs)))
    if chosen.data:
        return list(load_samples(Path(chosen.data), driver.load(chosen.model)))
    return []


def _with_outputs(golden: Golden, outputs: list[dict[str, Array]]) -> Golden:
    """The golden with outputs that somebody else computed."""
    if len(outputs) != len(golden.outputs):
        raise Error(
            Kind.USAGE,
            f"there are {len(outputs)} sets of outputs and {len(golden.outputs)} of inputs",
            instead="--load-inputs with the file that was saved beside",
        )
    return replace(golden, outputs=outputs)


def _check(chosen: argparse.Namespace) -> int:
    aspects = _aspects(chosen.compare)
    limits = Tolerances(chosen.relative, chosen.size_growth, chosen.latency_growth)
    reports: dict[str, Report] = {}
    for text in chosen.goldens:
        path = Path(text)
        found = check(load_golden(path), path, aspects=aspects, allowed=limits)
        reports[text] = found
        if chosen.update and not found.ok:
            save_golden(found.fresh, path)
    _print(chosen, reports)
    fine = chosen.update or all(found.ok for found in reports.values())
    return 0 if fine else Kind.MISMATCH.exit_code


def _aspects(text: str) -> tuple[str, ...]:
    chosen = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [aspect for aspect in chosen if aspect not in ASPECTS]
    if unknown or not chosen:
        raise Error(
            Kind.USAGE, f"cannot compare {', '.join(unknown) or 'nothing'}",
            instead=f"some of {','.join(ASPECTS)}",
        )  # fmt: skip
    return chosen


def _print(chosen: argparse.Namespace, reports: Mapping[str, Report]) -> None:
    if chosen.json:
        report.print_json(
            {text: {"ok": r.ok, "differences": [vars(d) for d in r.differences],
                    "notes": r.notes} for text, r in reports.items()}
        )  # fmt: skip
        return
    for text, found in reports.items():
        accepted = " (accepted)" if chosen.update and not found.ok else ""
        head = "ok" if found.ok else f"differs{accepted}"
        print(f"{text}: {head}")
        if not found.ok:
            print("\n".join(f"    {line}" for line in str(found).splitlines()))


def _export(chosen: argparse.Namespace) -> int:
    if not (chosen.save_inputs or chosen.save_outputs):
        raise Error(Kind.USAGE, "nothing to write", instead="--save-inputs, --save-outputs")
    path = Path(chosen.golden)
    golden = load_golden(path)
    written = []
    if chosen.save_inputs:
        graph = driver.load(path.parent / golden.spec.model)
        seeds = golden.spec.seeds
        sets = list(golden.spec.inputs) or [seeded_inputs(graph, seed=seed) for seed in seeds]
        write_inputs(sets, Path(chosen.save_inputs))
        written.append(chosen.save_inputs)
    if chosen.save_outputs:
        write_outputs(golden.outputs, Path(chosen.save_outputs))
        written.append(chosen.save_outputs)
    if chosen.json:
        report.print_json(written)
    else:
        print(f"wrote {', '.join(written)}")
    return 0
