"""Grids without a zero point, for targets that take none, of a model that came with others.

``lift`` and ``retype`` ran before: what is stored is i8, and is read where it is stored.
"""

from __future__ import annotations

from edgec.ir import Constant, Graph, QuantScheme, Range, Rewriter, dtypes
from edgec.ir.ops import Dequantize, Quantize, Relu
from edgec.passes.quantize.existing import as_floats, grid_in, same_numbers
from edgec.passes.quantize.grids import grid_of, scale_array

_LEAST, _GREATEST = -128, 127


def center(graph: Graph, scheme: QuantScheme) -> int:
    """Store values on the scheme's symmetric grid of the range that their own grid covers, which
    may be twice as coarse; constants that have a zero point, or 32 bits, become the real numbers
    that they stand for. Weights without one keep their integers. Returns how many changed.

    A grid that begins at 0 was its model's ReLU, which it gets back. Numbers beyond the nearer end
    of any other are no longer cut off there.
    """
    if not scheme.symmetric:
        return 0
    changed = 0
    for op in tuple(graph.ops):
        if isinstance(op, Quantize):
            changed += _center_value(op, scheme)
        elif isinstance(op, Dequantize) and isinstance(op.x, Constant):
            changed += _read_constant(op)
    return changed


def _center_value(op: Quantize, scheme: QuantScheme) -> int:
    grid = grid_in(op, dtypes.i8) if op.to is dtypes.i8 else None
    if grid is None or not grid.zero_point or op.graph is None:
        return 0
    readers = [user for user in op.result.users if isinstance(user, Dequantize)]
    if len(readers) != len(op.result.users) or not all(
        same_numbers(reader.scale, op.scale) and same_numbers(reader.zero_point, op.zero_point)
        for reader in readers
    ):
        return 0
    low, high = (grid.scale * (end - grid.zero_point) for end in (_LEAST, _GREATEST))
    scale = Constant(scale_array(grid_of(Range(low, high), scheme)), hint=op.scale.hint)
    rw = Rewriter(op.graph)
    here = rw.at(op)
    x = here.add(Relu(op.x)).result if low == 0 and not isinstance(op.x.producer, Relu) else op.x
    stored = here.add(op.copy(x=x, scale=scale, zero_point=None)).result
    stored.hint, stored.range = op.result.hint, op.result.range
    for reader in readers:
        rw.replace_with(reader, reader.copy(x=stored, scale=scale, zero_point=None))
    rw.erase(op)
    return 1


def _read_constant(op: Dequantize) -> int:
    point = op.zero_point
    if point is not None and not isinstance(point, Constant):
        return 0
    if not isinstance(op.scale, Constant) or op.graph is None:
        return 0
    pointed = point is not None and bool(point.array.any())
    if op.x.type.dtype is not dtypes.i32 and not pointed:
        return 0
    Rewriter(op.graph).replace(op, as_floats(op.result))
    return 1
