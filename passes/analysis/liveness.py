"""How much memory a graph's activations need, when, and which tensors make the peak.

Lives, sharing and placement are worked out in ``kernels/planner.py``, where the executor uses them
too; here they become a report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgec.ir import Graph, Op, Value
from edgec.kernels import Memory, Plan, default_shapes, plan_buffers

LISTED = 10


@dataclass(frozen=True)
class PeakTensor:
    """One tensor that is alive at the peak.

    Attributes:
        bytes: that it adds to those listed before it.
        made: the op that makes it; read: the op that reads it last.
        also: names of tensors that lie in the same place at that step.
    """

    name: str
    type: str
    bytes: int
    made: str
    read: str
    also: tuple[str, ...]


@dataclass(frozen=True)
class Rectangle:
    """A tensor in the arena: bytes from ``offset``, steps from ``begin`` to ``end``."""

    name: str
    offset: int
    size: int
    begin: int
    end: int


@dataclass(frozen=True)
class MemoryReport:
    """Memory of activations, in bytes; step -1 is the call, step k the op number k.

    Attributes:
        sharing: how values share memory (see ``kernels/liveness.py``).
        peak_bytes: most bytes alive at once; no arena can be smaller in this order.
        peak_step: the step at which that is, and ``peak_op``, the op that runs then.
        arena_bytes: the arena that the planner found.
        without_sharing: the peak where every result has a place of its own.
        curve: bytes alive at each step.
        tensors: those that make the peak, largest first.
        unsized: tensors whose size only a run tells; they are not counted.
        places: every tensor in the arena.
    """

    sharing: str
    alignment: int
    peak_bytes: int
    peak_step: int
    peak_op: str
    arena_bytes: int
    without_sharing: int
    curve: tuple[int, ...]
    tensors: tuple[PeakTensor, ...]
    unsized: int
    places: tuple[Rectangle, ...]


def memory_report(
    graph: Graph, memory: Memory | None = None, shapes: Mapping[str, int] | None = None
) -> MemoryReport:
    """The report for one graph in its order.

    Args:
        memory: what the runtime shares; all that is legal when None.
        shapes: values of dimension symbols, over those of ``default_shapes``.
    """
    memory = memory or Memory()
    symbols = default_shapes(graph) | dict(shapes or {})
    plan = plan_buffers(graph, symbols, memory, search=True)
    plain = plan_buffers(graph, symbols, Memory("none", memory.alignment))
    ops = list(graph.ops)
    names = _Names(graph, ops)
    values = [*graph.inputs, *(result for op in ops for result in op.results)]
    known = plan.slots.keys() | plan.views
    return MemoryReport(
        sharing=memory.sharing,
        alignment=memory.alignment,
        peak_bytes=plan.peak_bytes,
        peak_step=plan.peak_step,
        peak_op=names.step(plan.peak_step),
        arena_bytes=plan.arena_bytes,
        without_sharing=plain.peak_bytes,
        curve=plan.curve,
        tensors=tuple(_tensors(plan, names))[:LISTED],
        unsized=sum(value not in known for value in values),
        places=tuple(
            Rectangle(names.value(value), slot.offset, slot.size, slot.begin, slot.end)
            for value, slot in plan.slots.items()
        ),
    )


def _tensors(plan: Plan, names: _Names) -> list[PeakTensor]:
    """What is alive at the peak, each byte of the arena counted for the largest tensor there."""
    step = plan.peak_step
    alive = [(v, s) for v, s in plan.slots.items() if s.begin <= step <= s.end and s.size]
    alive.sort(key=lambda pair: -pair[1].size)
    found: list[PeakTensor] = []
    counted: list[tuple[int, int, int]] = []  # begin, end, which of those found
    others: dict[int, list[str]] = {}
    for value, slot in alive:
        taken = _overlaps(counted, slot.offset, slot.offset + slot.size)
        own = slot.size - sum(size for size, _ in taken)
        if own <= 0:
            others.setdefault(taken[0][1], []).append(names.value(value))
            continue
        counted.append((slot.offset, slot.offset + slot.size, len(found)))
        made, read = names.step(slot.begin), names.step(slot.end)
        found.append(PeakTensor(names.value(value), str(value.type), own, made, read, ()))
    for op, (_, size) in plan.inner.items():
        if op is names.op(step):
            found.append(PeakTensor("its regions", "", size, names.step(step), "", ()))
    shared = [
        PeakTensor(one.name, one.type, one.bytes, one.made, one.read, tuple(others.get(index, ())))
        for index, one in enumerate(found)
    ]
    return sorted(shared, key=lambda one: -one.bytes)


def _overlaps(counted: list[tuple[int, int, int]], begin: int, end: int) -> list[tuple[int, int]]:
    """Bytes of begin…end that are counted already, and for which tensor."""
    return [
        (min(end, high) - max(begin, low), which)
        for low, high, which in counted
        if low < end and begin < high
    ]


class _Names:
    """What values and ops are called in a report: by the user's own names where there are any."""

    def __init__(self, graph: Graph, ops: list[Op]) -> None:
        self._ops = ops
        self._numbers = {op: number for number, op in enumerate(ops)}
        self._inputs = set(graph.inputs)

    def op(self, step: int) -> Op | None:
        return self._ops[step] if 0 <= step < len(self._ops) else None

    def step(self, step: int) -> str:
        op = self.op(step)
        if op is None:
            return "the caller"
        source = op.loc[-1] if op.loc else op.results[0].hint if op.results else ""
        return f"{op.op_name} {source}".rstrip()

    def value(self, value: Value) -> str:
        if value.hint or value.producer is None:
            return value.hint
        return f"result {value.index} of {self.step(self._numbers[value.producer])}"
