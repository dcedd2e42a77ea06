"""What ``edgec inspect`` prints of memory over time and of cost on a device."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgec.passes import COMPUTE, MEMORY, START, Estimate, MemoryReport
from edgec.tools import report

LEVELS = " ▁▂▃▄▅▆▇█"
COLUMNS = 100
LISTED = 15


def print_memory(found: MemoryReport, name: str) -> None:
    """The peak, the arena, the curve in one line, and the tensors that make the peak."""
    print(
        f"{name}: peak {found.peak_bytes:,} bytes at {found.peak_op} (step {found.peak_step} of "
        f"{len(found.curve) - 2}), {found.without_sharing:,} if every result had its own place"
    )
    ratio = found.arena_bytes / max(found.peak_bytes, 1)
    print(
        f"arena {found.arena_bytes:,} bytes, {ratio:.3f} x the peak "
        f"(sharing {found.sharing}, aligned to {found.alignment} bytes)"
    )
    print(f"over time: {spark_line(found.curve)}")
    rows = [
        [f"{one.bytes:,}", one.name, one.type, one.made, one.read, ", ".join(one.also)]
        for one in found.tensors
    ]
    columns = ["bytes", "alive at the peak", "type", "made by", "last read by", "in the same place"]
    report.print_table(columns, rows)
    if found.unsized:
        print(f"{found.unsized} tensors have a size that only a run tells; they are not counted")


def spark_line(curve: tuple[int, ...], columns: int = COLUMNS) -> str:
    """The curve as a line of blocks; a column shows the highest of its steps."""
    group = -(-len(curve) // columns)
    heights = [max(curve[first : first + group]) for first in range(0, len(curve), group)]
    top = max(max(heights), 1)
    return "".join(LEVELS[-(-height * (len(LEVELS) - 1) // top)] for height in heights)


def memory_json(found: MemoryReport) -> dict[str, Any]:
    """The report as plain data."""
    return asdict(found)


def print_estimate(found: Estimate, name: str, title: str) -> None:
    """The total, what bounds it, and the ops that take longest."""
    work = found.work
    print(f"{name} on {title}: {_milliseconds(found.seconds)} at peak rates")
    print(
        f"{work.macs:,} MACs, {work.bytes:,} bytes touched, {found.intensity:.1f} MACs per byte; "
        f"bound by compute {found.bound_by(COMPUTE):.0%}, memory {found.bound_by(MEMORY):.0%}, "
        f"starting ops {found.bound_by(START):.0%} of the time"
    )
    slowest = sorted(found.ops, key=lambda op: -op.seconds)[:LISTED]
    rows = [
        [
            _milliseconds(op.seconds),
            f"{op.seconds / max(found.seconds, 1e-30):.1%}",
            op.kind,
            op.name,
            f"{op.macs:,}",
            f"{op.bytes:,}",
            op.bound,
        ]
        for op in slowest
    ]
    report.print_table(["time", "share", "op", "from", "MACs", "bytes", "bound by"], rows)
    if found.foreign:
        print(
            f"{len(found.foreign)} products are of a type that {found.device} does not multiply, "
            f"counted at its lowest rate; the first is {found.foreign[0]}"
        )


def estimate_json(found: Estimate) -> dict[str, Any]:
    """The estimate as plain data, totals included."""
    return {
        **asdict(found),
        "seconds": found.seconds,
        "macs": found.work.macs,
        "bytes": found.work.bytes,
        "intensity": found.intensity,
        "bound_by": {limit: found.bound_by(limit) for limit in (COMPUTE, MEMORY, START)},
    }


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3f} ms"
