"""``make bench``: the tables of docs/benchmarks.md, and the same as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgec.ir import write_atomically
from edgec.tools.bench import page
from edgec.tools.bench.cost import cost_row
from edgec.tools.bench.footprint import footprint_row, growth_rows
from edgec.tools.bench.integers import integer_row
from edgec.tools.bench.memory import memory_row
from edgec.tools.bench.models import kernel_row, model_row, models_in
from edgec.tools.bench.scale import scale_rows
from edgec.tools.devices import load_device

ROOT = Path(__file__).resolve().parent.parent.parent
KERNEL_MODELS = ("efficientnet_lite0.ts17", "mobilenet_v2.raw17")
DEVICE = "zen4-core"  # what this project's machine is


@dataclass(frozen=True)
class Task:
    """What the sections are made from."""

    paths: Sequence[Path]
    rounds: int
    device: str


Section = Callable[[Task], tuple[list[Any], str]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edgec.tools.bench")
    default = Path(os.environ.get("EDGEC_MODELS", ROOT.parent / "shared" / "models"))
    parser.add_argument("--models", type=Path, default=default, help="a folder of .onnx files")
    parser.add_argument("--match", default="", help="only models whose names contain this")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--only", choices=tuple(SECTIONS), action="append")
    parser.add_argument("--device", default=DEVICE, help="this machine's, for --only cost")
    parser.add_argument("--markdown", type=Path, help="write the page there")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    chosen = parser.parse_args()
    wanted = chosen.only or list(SECTIONS)
    paths = [path for path in models_in(chosen.models) if chosen.match in path.stem]
    if not paths and not set(wanted) <= WITHOUT_MODELS:
        print(f"no .onnx files in {chosen.models}; say --models FOLDER", file=sys.stderr)
        return 2
    texts = [page.head()]
    numbers: dict[str, Any] = {}
    for name in wanted:
        rows, text = SECTIONS[name](Task(paths, chosen.rounds, chosen.device))
        numbers[name] = [asdict(row) for row in rows]
        texts.append(text)
    whole = "\n".join(texts)
    print(whole)
    if chosen.markdown:
        write_atomically(chosen.markdown, lambda path: _write(path, whole))
    if chosen.json:
        write_atomically(chosen.json, lambda path: _write(path, json.dumps(numbers, indent=1)))
    return 0


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _models(task: Task) -> tuple[list[Any], str]:
    rows = [model_row(path, task.rounds) for path in _noted(task)]
    return rows, "\n".join((page.nodes(rows), page.seconds(rows), page.latency(rows)))


def _kernels(task: Task) -> tuple[list[Any], str]:
    rows = [kernel_row(path, task.rounds) for path in task.paths if path.stem in KERNEL_MODELS]
    return rows, page.kernels(rows)


def _integers(task: Task) -> tuple[list[Any], str]:
    rows = [integer_row(path, task.rounds) for path in task.paths if path.stem in KERNEL_MODELS]
    return rows, page.integers(rows)


def _scale(task: Task) -> tuple[list[Any], str]:
    rows = list(scale_rows())
    return rows, page.scale(rows)


def _footprint(task: Task) -> tuple[list[Any], str]:
    rows = [footprint_row(path) for path in _noted(task)]
    return rows, page.footprints(rows)


def _growth(task: Task) -> tuple[list[Any], str]:
    rows = list(growth_rows())
    return rows, page.growth(rows)


def _memory(task: Task) -> tuple[list[Any], str]:
    rows = [memory_row(path) for path in _noted(task)]
    return rows, page.memory(rows)


def _cost(task: Task) -> tuple[list[Any], str]:
    device = load_device(task.device)
    rows = [cost_row(path, device, task.rounds) for path in _noted(task)]
    return rows, page.cost(rows, device.name)


def _noted(task: Task) -> Iterator[Path]:
    """The models; which one it is at is said on standard error."""
    for path in task.paths:
        print(path.stem, file=sys.stderr)
        yield path


SECTIONS: dict[str, Section] = {
    "models": _models,
    "kernels": _kernels,
    "integers": _integers,
    "scale": _scale,
    "footprint": _footprint,
    "growth": _growth,
    "memory": _memory,
    "cost": _cost,
}
WITHOUT_MODELS = {"scale", "growth"}


if __name__ == "__main__":
    sys.exit(main())
