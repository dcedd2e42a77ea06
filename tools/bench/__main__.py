"""``make bench``: the tables of docs/benchmarks.md, and the same as JSON."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgec.ir import write_atomically
from edgec.tools.bench.models import (
    KernelRow,
    ModelRow,
    geometric_mean,
    kernel_row,
    machine,
    model_row,
    models_in,
)
from edgec.tools.bench.peers import OPTIMIZERS
from edgec.tools.bench.scale import ScaleRow, scale_rows

ROOT = Path(__file__).resolve().parent.parent.parent
KERNEL_MODELS = ("efficientnet_lite0.ts17", "mobilenet_v2.raw17")
PACKAGES = ("edgec", "onnx", "onnxruntime", "onnxsim", "onnxslim", "numpy", "numba")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edgec.tools.bench")
    default = Path(os.environ.get("EDGEC_MODELS", ROOT.parent / "shared" / "models"))
    parser.add_argument("--models", type=Path, default=default, help="a folder of .onnx files")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--only", choices=("models", "kernels", "scale"), action="append")
    parser.add_argument("--markdown", type=Path, help="write the page there")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    chosen = parser.parse_args()
    wanted = chosen.only or ["models", "kernels", "scale"]
    paths = models_in(chosen.models)
    if not paths and wanted != ["scale"]:
        print(f"no .onnx files in {chosen.models}; say --models FOLDER", file=sys.stderr)
        return 2
    sections: list[str] = [_head()]
    numbers: dict[str, Any] = {}
    if "models" in wanted:
        rows = [_noted(model_row(path, chosen.rounds)) for path in paths]
        numbers["models"] = [asdict(row) for row in rows]
        sections += [_nodes(rows), _seconds(rows), _latency(rows)]
    if "kernels" in wanted:
        kernels = [kernel_row(p, chosen.rounds) for p in paths if p.stem in KERNEL_MODELS]
        numbers["kernels"] = [asdict(row) for row in kernels]
        sections.append(_kernels(kernels))
    if "scale" in wanted:
        scale = list(scale_rows())
        numbers["scale"] = [asdict(row) for row in scale]
        sections.append(_scale(scale))
    page = "\n".join(sections)
    print(page)
    if chosen.markdown:
        write_atomically(chosen.markdown, lambda path: _write(path, page))
    if chosen.json:
        write_atomically(chosen.json, lambda path: _write(path, json.dumps(numbers, indent=1)))
    return 0


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _noted(row: ModelRow) -> ModelRow:
    print(f"{row.name}: {dict(row.nodes)}", file=sys.stderr)
    return row


def _head() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return (
        "# Benchmarks\n\nMade by `make bench` "
        "(`python -m edgec.tools.bench --markdown docs/benchmarks.md`).\n"
        f"Machine: {machine()}. Versions: {versions}.\n"
        "One thread everywhere. Ratios are medians of paired ratios, in a fresh random order each "
        "round, a warm call before each timed one; 'original again' is the null control.\n"
    )


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "| --- |" + " ---: |" * (len(columns) - 1)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"


def _nodes(rows: list[ModelRow]) -> str:
    names = list(OPTIMIZERS)
    body = [[row.name, *(_text(row.nodes[name]) for name in names)] for row in rows]
    return "## Nodes left, as onnxruntime would load them\n\n" + _table(["model", *names], body)


def _seconds(rows: list[ModelRow]) -> str:
    names = [name for name in OPTIMIZERS if name != "original"]
    body = [
        [row.name, *("failed" if (s := row.seconds[n]) is None else f"{s:.3f}" for n in names)]
        for row in rows
    ]
    return "## Seconds from file to optimized model\n\n" + _table(["model", *names], body)


def _latency(rows: list[ModelRow]) -> str:
    names = [*OPTIMIZERS, "original again"]
    body = [[row.name, *(_ratio(row, name) for name in names)] for row in rows]
    ours = [row.latency["edgec"].ratio for row in rows]
    text = "## onnxruntime's time on each result, against the best of the others\n\n"
    text += _table(["model", *names], body)
    return text + f"\nGeometric mean of edgec's ratios: {geometric_mean(ours):.3f}.\n"


def _ratio(row: ModelRow, name: str) -> str:
    found = row.latency.get(name)
    return "failed" if found is None else f"{found.ratio:.3f} ({found.milliseconds:.2f} ms)"


def _kernels(rows: list[KernelRow]) -> str:
    body = [
        [
            row.name,
            f"{row.timing['onnxruntime'].milliseconds:.2f}",
            f"{row.timing['edgec'].milliseconds:.2f}",
            f"{row.timing['edgec'].ratio:.2f}",
            f"{row.evaluator_ratio:.0f}",
        ]
        for row in rows
    ]
    columns = [
        "network",
        "onnxruntime ms",
        "reference kernels ms",
        "ratio",
        "× faster than onnx.reference",
    ]
    return "## Reference kernels on whole networks\n\n" + _table(columns, body)


def _scale(rows: list[ScaleRow]) -> str:
    sizes = sorted({row.ops for row in rows})
    operations = list(dict.fromkeys(row.operation for row in rows))
    found = {(row.operation, row.ops): row.microseconds for row in rows}
    body = [
        [
            operation,
            *(f"{found[operation, size]:.2f}" for size in sizes),
            f"{found[operation, sizes[-1]] / found[operation, sizes[0]]:.2f}",
        ]
        for operation in operations
    ]
    columns = ["operation", *(f"{size:,} ops" for size in sizes), "last / first"]
    return "## Microseconds per op on chains\n\n" + _table(columns, body)


def _text(count: int | None) -> str:
    return "failed" if count is None else str(count)


if __name__ == "__main__":
    sys.exit(main())
