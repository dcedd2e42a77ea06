"""Between real numbers and the small integers that stand for them, in float arithmetic."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Movement, Value, dtypes
from edgec.ir.ops import Concat, Dequantize, Quantize, Split
from edgec.ir.ops.quant import is_per_tensor
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.weights import expanded
from edgec.lowering.openvino.writer import Writer

_LEVELS = 256
_MOST_MOVES = 8


@limit(Quantize, Dequantize)
def quant_limit(op: Quantize | Dequantize) -> str | None:
    if op.block and not _is_constant(op):
        return "one scale per block of an axis is written for constants only"
    if op.scale.type.dtype is not dtypes.f32:
        return f"scales want float32, found {op.scale.type}"
    return None


@OPENVINO.rule(Quantize)
def quantize(op: Quantize, w: Writer) -> Output:
    x = w[op.x] if op.x.type.dtype is dtypes.f32 else w.convert(w[op.x], dtypes.f32)
    y = w.ops.round(w.ops.divide(x, _along(op, op.scale, w)))
    if op.zero_point is not None:
        y = w.ops.add(y, w.convert(_along(op, op.zero_point, w), dtypes.f32))
    return w.convert(w.ops.clamp(y, *map(float, op.to.limits)), op.to)


@OPENVINO.rule(Dequantize)
def dequantize(op: Dequantize, w: Writer) -> Output:
    """With the quantize before it one FakeQuantize, in which the plugin sees integers."""
    if _is_constant(op):
        return expanded(op, w)
    ends = _ends(op)
    if ends is not None:
        stored = op.x.producer
        assert isinstance(stored, Quantize), "asked by _ends"
        if _is_on_grid(stored.x, stored):
            return w[stored.x]
        bounds = [w.const(np.asarray(end, np.float32)) for end in ends]
        return w.ops.fake_quantize(w[stored.x], *bounds, _LEVELS)
    y = w.convert(w[op.x], dtypes.f32)
    if op.zero_point is not None:
        y = w.ops.subtract(y, w.convert(_along(op, op.zero_point, w), dtypes.f32))
    y = w.ops.multiply(y, _along(op, op.scale, w))
    return y if op.to is dtypes.f32 else w.convert(y, op.to)


def _is_constant(op: Quantize | Dequantize) -> bool:
    """True for integers that are known now, whatever holds them."""
    return isinstance(op, Dequantize) and all(
        isinstance(value, Constant) for value in op.present_operands
    )


def _is_on_grid(value: Value, grid: Quantize, steps: int = _MOST_MOVES) -> bool:
    """True for values that were read from that grid and only moved since: to round them again
    changes nothing, and would keep the plugin from seeing the moves as one."""
    op = value.producer
    if op is None or not steps:
        return False
    if isinstance(op, Dequantize):
        same = _same(op.scale, grid.scale) and _same(op.zero_point, grid.zero_point)
        return same and op.x.type.dtype is grid.to and is_per_tensor(op.scale)
    if isinstance(op, Concat):
        return all(_is_on_grid(x, grid, steps - 1) for x in op.xs)
    if not (op.has(Movement) or isinstance(op, Split)):
        return False
    source = op.operands[0]
    return source is not None and _is_on_grid(source, grid, steps - 1)


def _ends(op: Dequantize) -> tuple[float, ...] | None:
    """The least and the greatest number that a tensor of bytes can hold as it is stored, and as it
    is read, where the op only reads back with the same scale what was just stored; else None."""
    stored = op.x.producer
    if not isinstance(stored, Quantize) or stored.x.type.dtype is not dtypes.f32:
        return None
    if op.x.type.dtype not in (dtypes.i8, dtypes.u8) or op.to is not dtypes.f32:
        return None
    if not (is_per_tensor(op.scale) and _same(op.scale, stored.scale)):
        return None
    written, read = _point(stored), _point(op)
    if op.block or written is None or read is None:
        return None
    assert isinstance(op.scale, Constant), "asked by _same"
    scale = float(op.scale.array.reshape(()))
    ends = op.x.type.dtype.limits
    return tuple(scale * (end - point) for point in (written, read) for end in ends)


def _point(op: Quantize | Dequantize) -> int | None:
    """The one zero point of a tensor; None where there are several, or the model computes it."""
    if op.zero_point is None:
        return 0
    if not isinstance(op.zero_point, Constant) or not is_per_tensor(op.zero_point):
        return None
    return int(op.zero_point.array.reshape(()))


def _same(a: Value | None, b: Value | None) -> bool:
    if a is None or b is None:
        return a is b
    if not (isinstance(a, Constant) and isinstance(b, Constant)):
        return False
    return a is b or np.array_equal(a.array.reshape(-1), b.array.reshape(-1))


def _along(op: Quantize | Dequantize, parameter: Value, w: Writer) -> Output:
    """A scalar, or one number per slice, so that it broadcasts to x."""
    if is_per_tensor(parameter):
        return w.reshaped(parameter, ())
    dims = [1] * op.x.type.rank
    dims[op.axis] = -1
    return w.reshaped(parameter, dims)
