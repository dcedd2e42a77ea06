"""Constant folding: what is known at compile time is computed by the reference kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import (
    Array,
    Constant,
    Effect,
    Graph,
    Op,
    Refusal,
    Return,
    Rewriter,
    TensorType,
    Value,
    known_ints,
)
from edgec.ir.ops import Dequantize
from edgec.kernels import KERNELS
from edgec.passes.base import Pass
from edgec.passes.bound_sizes import Sizes
from edgec.passes.context import current
from edgec.passes.promise import Exact

# Operations that one op may cost at compile time: a quarter of a second or so.
_MOST_WORK = 1 << 28
_LARGEST_NUMBER = 1 << 24  # of an attribute: pads and kernels beyond it are no network's
# What kernels raise when numbers of the model make no sense (an index out of range, a size beyond
# memory): the op is left as it is, to fail where it is run, if it ever is.
_SENSELESS = (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, MemoryError)
# Results of unknown size (the positions of non-zero elements) are computed for operands up to this.
_UNKNOWN_SIZE_OPERANDS = 1 << 16


@dataclass(frozen=True)
class Fold(Pass):
    """Compute ops on constants, and shape arithmetic on known dims, at compile time.

    ``max_growth`` is the number of bytes by which folding may enlarge the model in all; an op whose
    result is larger than the constants that it makes needless spends the difference.
    """

    name = "fold"
    promise = Exact()

    max_growth: int = 1 << 20

    def run(self, graph: Graph, rw: Rewriter) -> None:
        fuel = current().fuel
        statistics = current().statistics
        left = self.max_growth
        sizes = Sizes(graph)
        for part in graph.graphs:
            sizes.enter(part)
            for each in part.ops:
                op = sizes.applied(each)
                found = _known_results(op, left)
                if found is None or not fuel.spend(self.name, op):
                    continue
                left -= max(_growth(op), 0)
                statistics.applied[f"fold {op.op_name}"] += 1
                constants = [
                    Constant(array, hint=result.hint, type=_known_type(result, array))
                    for array, result in zip(found, op.results, strict=True)
                ]
                sizes.learn(op, found)
                Rewriter(part).replace(op, *constants)


def _known_type(result: Value, array: Array) -> TensorType:
    """The type of a result with the dims that the array has."""
    return result.type.with_dims(tuple(array.shape))


def _known_results(op: Op, left: int) -> Sequence[Array] | None:
    """The arrays that the op computes, None when they are not known or too large."""
    if isinstance(op, Return) or op.has(Effect) or op.regions or not op.results:
        return None
    if isinstance(op, Dequantize):
        return None  # weights that are stored in integers are to stay so
    if all(isinstance(value, Constant) for value in op.present_operands):
        return _executed(op, left)
    return _from_shapes(op)


def _executed(op: Op, left: int) -> Sequence[Array] | None:
    static = all(result.type.is_static for result in op.results)
    if static and _growth(op) > left:
        return None
    if not static and sum(v.type.elements() for v in op.present_operands) > _UNKNOWN_SIZE_OPERANDS:
        return None
    kernel = KERNELS.get(type(op))
    if isinstance(kernel, Refusal) or not _is_modest(op):
        return None
    arrays = [v.array if isinstance(v, Constant) else None for v in op.operands]
    try:
        with np.errstate(all="ignore"):  # what overflows here would do so where it is run
            found = kernel(op, *arrays, **({"out": None} if _takes_out(kernel) else {}))
    except _SENSELESS:
        return None
    results = found if isinstance(found, tuple) else (found,)
    return [np.ascontiguousarray(r) if r.ndim else r for r in map(np.asarray, results)]


def _is_modest(op: Op) -> bool:
    """True when computing the op takes neither long nor much memory besides its results."""
    work = op.work()
    return work.macs + work.flops <= _MOST_WORK and all(
        number <= _LARGEST_NUMBER for value in op.attributes.values() for number in _ints(value)
    )


def _ints(value: object) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, tuple):
        yield from (number for number in value if isinstance(number, int))


def _from_shapes(op: Op) -> Sequence[Array] | None:
    """An integer result all of whose elements follow from dims that are known."""
    if len(op.results) != 1:
        return None
    result = op.results[0]
    elements = known_ints(result)
    dims = result.type.static_dims
    if elements is None or dims is None:
        return None
    return [np.array(elements, dtype=result.type.dtype.numpy).reshape(dims)]


def _growth(op: Op) -> int:
    """Bytes that folding adds: the results, less the constants that nothing else reads."""
    freed = {v for v in op.present_operands if isinstance(v, Constant) and v.users == (op,)}
    return sum(r.type.nbytes() for r in op.results) - sum(v.type.nbytes() for v in freed)


def _takes_out(kernel: object) -> bool:
    code = getattr(kernel, "__code__", None)
    return (
        code is not None and "out" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    )
