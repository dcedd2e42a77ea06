"""From which step to which each value is alive, for one order of the ops.

Step k is the op number k; step -1 is the call, at which the inputs arrive, and the step after the
last op is the return. A value is alive from the step that makes it to the last one that reads it,
both included: an op never writes over what it is reading, unless the two share a place on purpose
(``sharing.py``). What a region reads from around it is read by the op that holds the region.

This stands beside the executor, which plans its own buffers with it; passes may import it, whereas
kernels may not import passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgec.ir import DimError, Graph, Op, Value, evaluate

SHARING = ("none", "reshape", "all")


@dataclass(frozen=True)
class Memory:
    """How a runtime uses its arena.

    Attributes:
        sharing: which results may lie in the place of operands. ``none``: every result has its own
            place. ``reshape``: a reshape is a view. ``all``: also the parts of a split or slice
            and the operands of a concat where they are contiguous, and an elementwise op writes
            over an operand that dies.
        alignment: of every offset, in bytes.
        holds_inputs: graph inputs lie in the arena, until they are read last.
        packed: elements of less than a byte are packed.
    """

    sharing: str = "all"
    alignment: int = 16
    holds_inputs: bool = True
    packed: bool = True

    def __post_init__(self) -> None:
        if self.sharing not in SHARING or self.alignment < 1:
            raise ValueError(f"sharing is one of {SHARING}, alignment at least 1, found {self}")


EXECUTOR_MEMORY = Memory("reshape", 64, holds_inputs=False, packed=False)  # 64: a cache line


@dataclass(frozen=True, slots=True)
class Life:
    """A value of known size: its bytes, its dims, and its first and last step."""

    value: Value
    size: int
    shape: tuple[int, ...]
    begin: int
    end: int


def lives_of(
    graph: Graph, symbols: Mapping[str, int], memory: Memory, order: Sequence[Op]
) -> list[Life]:
    """The lives of inputs and results in order of birth; values of unknown size are left out."""
    last = last_reads(graph, order)
    births = [(value, -1) for value in graph.inputs] if memory.holds_inputs else []
    births += [(result, step) for step, op in enumerate(order) for result in op.results]
    found: list[Life] = []
    for value, begin in births:
        shape = shape_of(value, symbols)
        if shape is not None:
            size = bytes_of(value, shape, packed=memory.packed)
            found.append(Life(value, size, shape, begin, last.get(value, begin)))
    return found


def last_reads(graph: Graph, order: Sequence[Op]) -> dict[Value, int]:
    """The step that reads each value last."""
    last: dict[Value, int] = {}
    for step, op in enumerate(order):
        for value in reads_of(op):
            last[value] = step
    for value in graph.outputs:
        last[value] = len(order)
    return last


def reads_of(op: Op) -> Iterable[Value]:
    """The values that an op reads, its regions included, some of them several times."""
    yield from op.present_operands
    for region in op.regions:
        yield from region.free_values


def shape_of(value: Value, symbols: Mapping[str, int]) -> tuple[int, ...] | None:
    """The dims as numbers; None where they depend on symbols that are not given."""
    static = value.type.static_dims
    if static is not None:
        return static
    try:
        return tuple(evaluate(dim, symbols) for dim in value.type.dims)
    except DimError:
        return None


def bytes_of(value: Value, shape: tuple[int, ...], *, packed: bool) -> int:
    """Bytes of a value of these dims, elements of less than a byte packed or a byte each."""
    dtype = value.type.dtype
    count = 1
    for dim in shape:
        count *= dim
    return (count * dtype.bits + 7) // 8 if packed else count * dtype.numpy.itemsize
