"""The tables of docs/benchmarks.md, one function per section."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

from edgec.tools.bench.cost import CostRow
from edgec.tools.bench.footprint import SECONDS_ALLOWED, Footprint, FootprintRow
from edgec.tools.bench.integers import IntegerRow
from edgec.tools.bench.memory import MemoryRow
from edgec.tools.bench.models import KernelRow, ModelRow, geometric_mean, machine
from edgec.tools.bench.peers import OPTIMIZERS
from edgec.tools.bench.scale import ScaleRow

PACKAGES = (
    "edgec", "onnx", "onnxruntime", "onnxsim", "onnxslim", "onnx-ir", "numpy", "numba",
)  # fmt: skip
FAILED = "failed"


def versions(packages: Sequence[str]) -> str:
    """The versions of these packages, as far as they are installed."""
    found = {
        d.name.lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()
    }
    return ", ".join(f"{name} {found[name]}" for name in packages if name in found)


def head() -> str:
    """The title, and what the numbers were made with."""
    return (
        "# Benchmarks\n\nMade by `make bench` "
        "(`python -m edgec.tools.bench --markdown docs/benchmarks.md`).\n"
        f"Machine: {machine()}. Versions: {versions(PACKAGES)}.\n"
        "One thread everywhere. Ratios are medians of paired ratios, in a fresh random order each "
        "round, a warm call before each timed one; 'original again' is the null control.\n"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table, numbers set right."""
    lines = [f"| {' | '.join(columns)} |", "| --- |" + " ---: |" * (len(columns) - 1)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"


def nodes(rows: Sequence[ModelRow]) -> str:
    names = list(OPTIMIZERS)
    body = [[row.name, *(_text(row.nodes[name]) for name in names)] for row in rows]
    return "## Nodes left, as onnxruntime would load them\n\n" + table(["model", *names], body)


def seconds(rows: Sequence[ModelRow]) -> str:
    names = [name for name in OPTIMIZERS if name != "original"]
    body = [
        [row.name, *(FAILED if (s := row.seconds[n]) is None else f"{s:.3f}" for n in names)]
        for row in rows
    ]
    return "## Seconds from file to optimized model\n\n" + table(["model", *names], body)


def latency(rows: Sequence[ModelRow]) -> str:
    names = [*OPTIMIZERS, "original again"]
    body = [[row.name, *(_ratio(row, name) for name in names)] for row in rows]
    ours = [row.latency["edgec"].ratio for row in rows]
    text = "## onnxruntime's time on each result, against the best of the others\n\n"
    text += table(["model", *names], body)
    return text + f"\nGeometric mean of edgec's ratios: {geometric_mean(ours):.3f}.\n"


def kernels(rows: Sequence[KernelRow]) -> str:
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
    return "## Reference kernels on whole networks\n\n" + table(columns, body)


def integers(rows: Sequence[IntegerRow]) -> str:
    names = ["reference", "optimized", "XNNPACK", "edgec"]
    body = [
        [
            row.name,
            *(f"{row.timing[name].milliseconds:.2f}" for name in names),
            f"{row.timing['edgec'].ratio:.2f}",
            f"{row.timing['reference'].milliseconds / row.timing['edgec'].milliseconds:.1f}",
        ]
        for row in rows
    ]
    columns = [
        "int8 network, 1 thread",
        *(f"LiteRT {name} ms" for name in names[:-1]),
        "integer kernels ms",
        "× XNNPACK's time",
        "× faster than LiteRT's reference",
    ]
    return "## Integer kernels on whole networks\n\n" + table(columns, body)


def scale(rows: Sequence[ScaleRow]) -> str:
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
    return "## Microseconds per op on chains\n\n" + table(columns, body)


def footprints(rows: Sequence[FootprintRow]) -> str:
    text = (
        "## Memory of a whole compilation\n\nMost megabytes of a process that reads a file, "
        "optimizes it and writes it; in parentheses those beyond a process that is given a model "
        "of one node, as a multiple of the file.\n\n"
    )
    names = list(rows[0].found)
    body = [
        [
            row.name,
            f"{row.file_bytes / 1e6:.1f}",
            *(_memory(row.found[name], row.file_bytes) for name in names),
        ]
        for row in rows
    ]
    return text + table(["model", "file MB", *names], body)


def growth(rows: Sequence[FootprintRow]) -> str:
    text = (
        "## Chains of many nodes\n\nSeconds from file to file, most megabytes of the process, and "
        "nodes left. What did not finish one size is not tried on the next.\n\n"
    )
    names = list(rows[0].found)
    body = [[row.name, *(_growth(row.found[name]) for name in names)] for row in rows]
    return text + table(["chain", *names], body)


def memory(rows: Sequence[MemoryRow]) -> str:
    text = (
        "## Arenas and orders\n\nAfter the default pipeline, in bytes. The peak is the most that "
        "is alive at one step: with a place of its own for each result, and with all legal "
        "sharing; the arena is set against the latter. `reorder` gives the peaks of the best order "
        "found, with a ✓ where no order has a lower one. The last column is the median peak of "
        "random legal orders, nothing shared.\n\n"
    )
    columns = [
        "model", "peak, none shared", "peak, all shared", "arena / peak", "reordered, none shared",
        "reordered, all shared", "random orders",
    ]  # fmt: skip
    body = [
        [
            row.name,
            f"{row.peak['none']:,}",
            f"{row.peak['all']:,}",
            f"{row.arena['all'] / max(row.peak['all'], 1):.4f}",
            _reordered(row, "none"),
            _reordered(row, "all"),
            f"{row.shuffled:,}",
        ]
        for row in rows
    ]
    return text + table(columns, body)


def cost(rows: Sequence[CostRow], device: str) -> str:
    text = (
        "## The cost model against onnxruntime\n\nMilliseconds on one thread; the estimate is "
        f"that of `{device}`. ρ is Spearman's rank correlation over the ops; 'within 2 x' is the "
        "share of the measured time in ops whose estimate is off by less than a factor of 2.\n\n"
    )
    columns = ["model", "ops", "estimated", "measured", "ratio", "ρ", "within 2 x"]
    body = [
        [
            row.name,
            str(row.ops),
            f"{row.estimated:.2f}",
            f"{row.measured:.2f}",
            f"{row.estimated / row.measured:.2f}",
            f"{row.correlation:.2f}",
            f"{row.within:.0%}",
        ]
        for row in rows
    ]
    ratios = [row.estimated / row.measured for row in rows]
    mean = sum(row.correlation for row in rows) / len(rows)
    text += table(columns, body)
    text += f"\nGeometric mean of the ratios: {geometric_mean(ratios):.2f}; mean ρ: {mean:.2f}.\n"
    return text + "\n" + _kinds(rows)


def _kinds(rows: Sequence[CostRow]) -> str:
    totals: dict[str, tuple[float, float]] = {}
    for row in rows:
        for kind, (estimated, measured) in row.kinds.items():
            before = totals.get(kind, (0.0, 0.0))
            totals[kind] = (before[0] + estimated, before[1] + measured)
    largest = sorted(totals.items(), key=lambda pair: -pair[1][1])[:12]
    body = [
        [kind, f"{estimated:.2f}", f"{measured:.2f}", f"{estimated / max(measured, 1e-9):.2f}"]
        for kind, (estimated, measured) in largest
    ]
    return table(["kind of op, over all models", "estimated", "measured", "ratio"], body)


def _ratio(row: ModelRow, name: str) -> str:
    found = row.latency.get(name)
    return FAILED if found is None else f"{found.ratio:.3f} ({found.milliseconds:.2f} ms)"


def _text(count: int | None) -> str:
    return FAILED if count is None else str(count)


def _memory(found: Footprint | None, size: int) -> str:
    if found is None:
        return FAILED
    return f"{found.peak_bytes / 1e6:.0f} ({(found.peak_bytes - found.idle_bytes) / size:.1f})"


def _growth(found: Footprint | None) -> str:
    if found is None:
        return f"failed, or over {SECONDS_ALLOWED} s"
    return f"{found.seconds:.2f} s, {found.peak_bytes / 1e6:.0f} MB, {found.nodes}"


def _reordered(row: MemoryRow, sharing: str) -> str:
    mark = " ✓" if row.proven[sharing] else ""
    gain = 1 - row.reordered[sharing] / max(row.peak[sharing], 1)
    return f"{row.reordered[sharing]:,}" + (f" (−{gain:.1%})" if gain else "") + mark
