"""Quantized models come in many spellings; afterwards there is one.

``lift``: what moves stored integers about moves the real numbers that they stand for; weights that
are stored in integers and transposed or reshaped when they are read are stored that way.
``retype``: u8 and i8 hold the same numbers, 128 apart: values are stored as the scheme has it,
weights as i8. Every integer stays the same but for these 128.
"""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, DType, Graph, Movement, Op, QuantScheme, Rewriter, Value, dtypes
from edgec.ir.ops import (
    Concat,
    Conv,
    ConvTranspose,
    Dequantize,
    MatMul,
    MaxPool,
    Quantize,
    Reshape,
    Transpose,
)
from edgec.ir.ops.quant import is_per_tensor
from edgec.passes.quantize.existing import grid_in, same_numbers
from edgec.passes.quantize.grids import offset
from edgec.passes.quantize.slots import WEIGHT_SLOT

_BYTES = (dtypes.i8, dtypes.u8)
_LAYERS = (Conv, ConvTranspose, MatMul)


def lift(graph: Graph) -> int:
    """Let copies and maxima of stored integers work on real numbers, which are stored after:
    ``op(q)`` becomes ``quantize(op(dequantize(q)))``, the same to the bit. Returns their number."""
    movers = [op for op in graph.ops if isinstance(op, Transpose | Reshape)]
    lifted = sum(map(_move_constant, movers))
    for op in tuple(graph.ops):
        storing = _storing_all(op)
        if storing is None:
            continue
        rw = Rewriter(graph).at(op)
        operands = list(op.operands)
        for slot, value in enumerate(operands):
            if value is not None and value.type.dtype in _BYTES:
                parameters = (storing.scale, storing.zero_point)
                operands[slot] = rw.add(Dequantize(value, *parameters)).result
        moved = rw.add(op.copy(operands=operands))
        rw.replace(op, *[rw.add(storing.copy(x=result)).result for result in moved.results])
        lifted += 1
    return lifted


def _move_constant(op: Transpose | Reshape) -> bool:
    """``move(dequantize(c))`` becomes ``dequantize(move(c))``, where one axis holds the scales."""
    read = op.x.producer
    if not isinstance(read, Dequantize) or not isinstance(read.x, Constant) or read.block:
        return False
    axis: int | None = read.axis
    dims = op.result.type.static_dims
    if dims is None:
        return False
    if isinstance(op, Transpose):
        data = np.ascontiguousarray(np.transpose(read.x.array, op.perm))
        axis = op.perm.index(axis) if not is_per_tensor(read.scale) else axis
    else:
        data = read.x.array.reshape(dims)
        kept = read.axis == 0 and dims[:1] == read.x.array.shape[:1]
        axis = axis if kept or is_per_tensor(read.scale) else None
    if axis is None:
        return False
    assert op.graph is not None
    moved = read.copy(x=Constant(data, hint=read.x.hint), axis=axis)
    Rewriter(op.graph).replace_with(op, moved)
    return True


def _storing_all(op: Op) -> Quantize | None:
    """The op that stored what this op moves; None where it is no such op, or several grids meet."""
    plain_pool = isinstance(op, MaxPool) and not op.indices
    if not (op.has(Movement) or isinstance(op, Concat) or plain_pool):
        return None
    moved = op.operands if isinstance(op, Concat) else op.operands[:1]
    found = [value.producer for value in moved if value is not None]
    first = found[0]
    if not isinstance(first, Quantize) or first.to not in _BYTES:
        return None
    if grid_in(first, first.to) is None:
        return None
    same = all(isinstance(other, Quantize) and _same_grid(first, other) for other in found)
    return first if same else None


def _same_grid(a: Quantize, b: Quantize) -> bool:
    return (
        a.to is b.to and same_numbers(a.scale, b.scale) and same_numbers(a.zero_point, b.zero_point)
    )


def retype(graph: Graph, scheme: QuantScheme) -> int:
    """Store values as the scheme does, and weights as i8; returns how many changed."""
    changed = 0
    for op in tuple(graph.ops):
        if isinstance(op, Quantize) and _is_other(op.to, scheme.activation):
            changed += _retype_value(op, scheme.activation)
        elif isinstance(op, Dequantize) and isinstance(op.x, Constant):
            wanted = dtypes.i8 if _holds_weights(op) else scheme.activation
            if _is_other(op.x.type.dtype, wanted):
                changed += _retype_constant(op, wanted)
    return changed


def _is_other(found: DType, wanted: DType) -> bool:
    return found in _BYTES and wanted in _BYTES and found is not wanted


def _holds_weights(op: Dequantize) -> bool:
    return all(
        isinstance(user, _LAYERS) and user.operands[WEIGHT_SLOT] is op.result
        for user in op.result.users
    )


def _retype_value(op: Quantize, to: DType) -> int:
    readers = [user for user in op.result.users if isinstance(user, Dequantize)]
    if grid_in(op, op.to) is None or len(readers) != len(op.result.users):
        return 0
    if any(grid_in(reader, op.to) is None for reader in readers):
        return 0
    assert op.graph is not None
    rw = Rewriter(op.graph)
    point = _shifted(op.zero_point, op.to, to, op.scale)
    stored = rw.at(op).add(op.copy(to=to, zero_point=point)).result
    stored.hint, stored.range = op.result.hint, op.result.range
    for reader in readers:
        point = _shifted(reader.zero_point, op.to, to, reader.scale)
        rw.replace_with(reader, reader.copy(x=stored, zero_point=point))
    rw.erase(op)
    return 1


def _retype_constant(op: Dequantize, to: DType) -> int:
    assert isinstance(op.x, Constant)
    assert op.graph is not None
    if op.zero_point is not None and not isinstance(op.zero_point, Constant):
        return 0
    if not op.scale.type.is_static:
        return 0
    held = op.x.array.astype(np.int16) + offset(to) - offset(op.x.type.dtype)
    data = Constant(held.astype(to.numpy), hint=op.x.hint)
    point = _shifted(op.zero_point, op.x.type.dtype, to, op.scale)
    Rewriter(op.graph).replace_with(op, op.copy(x=data, zero_point=point))
    return 1


def _shifted(point: Value | None, found: DType, to: DType, scale: Value) -> Constant | None:
    """The zero point of the other type; absent, it is 0 of the type that was found."""
    dims = scale.type.static_dims or ()
    held = point.array if isinstance(point, Constant) else np.zeros(dims, found.numpy)
    shifted = held.astype(np.int16) + offset(to) - offset(found)
    if not shifted.any():
        return None
    return Constant(shifted.astype(to.numpy), hint="zero_point")
