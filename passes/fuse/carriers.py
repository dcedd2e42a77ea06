"""Linear ops and normalizations that take a scale and a shift per channel into their constants.

``after(op, affine)``: the op whose result is ``op``'s result, scaled and shifted.
``before(op, affine)``: the op that does to x what ``op`` does to the scaled and shifted x.
Both give the new op, not yet inserted, or the reason why there is none.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from edgec.ir import Array, Constant, Op, Value
from edgec.ir.ops import BatchNorm, Conv, ConvTranspose, GroupNorm, InstanceNorm, MatMul
from edgec.ir.ops.common import channel_axis
from edgec.passes.fuse.channels import ZERO, Affine, Vector, float64, is_plain_float, rounded

Linear: TypeAlias = Conv | ConvTranspose | MatMul
Norm: TypeAlias = BatchNorm | InstanceNorm | GroupNorm
Carrier: TypeAlias = Linear | Norm
CONVOLUTIONS: tuple[type[Op], ...] = (Conv, ConvTranspose)
LINEAR: tuple[type[Op], ...] = (*CONVOLUTIONS, MatMul)
NORMS: tuple[type[Op], ...] = (BatchNorm, InstanceNorm, GroupNorm)
CARRIERS: tuple[type[Op], ...] = (*LINEAR, *NORMS)

OVERFLOW = "the weights would overflow their element type"
_NOT_CONSTANT = "the weights or the bias are not constant floats"
_CHANNEL_COUNT = "the constant and the weights have different numbers of channels"


def result_axis(op: Carrier) -> int:
    """The axis of the result that holds the output channels."""
    if isinstance(op, BatchNorm):
        return op.axis
    if isinstance(op, GroupNorm):
        return 1
    rank = op.result.type.rank
    return rank - 1 if isinstance(op, MatMul) else channel_axis(op.layout) % rank


def source_axis(op: Linear) -> int:
    """The axis of the first operand that holds the input channels."""
    source = op.a if isinstance(op, MatMul) else op.x
    rank = source.type.rank
    return rank - 1 if isinstance(op, MatMul) else channel_axis(op.layout) % rank


def after(op: Carrier, affine: Affine) -> Op | str:
    """``op``, then ``affine`` along ``result_axis``."""
    if isinstance(op, (BatchNorm, InstanceNorm, GroupNorm)):
        return _after_norm(op, affine)
    if op.act != "none":
        return f"{op.op_name} carries the activation {op.act}"
    if not _constant_floats(op.bias, _weight(op) if affine.scales else None):
        return _NOT_CONSTANT
    if isinstance(op, MatMul) and op.b.type.rank < 2:
        return "b is a vector"
    factor = _along_outputs(op, affine.scale)
    if factor is None:
        return _CHANNEL_COUNT
    bias: Vector | None = None
    if op.bias is not None or affine.shifts:
        old = ZERO if op.bias is None else float64(op.bias)
        bias = _full_bias(op, old * affine.scale + affine.shift)
    return _rebuilt(op, factor, bias)


def before(op: Linear, affine: Affine) -> Op | str:
    """``affine`` along ``source_axis``, then ``op``."""
    if not _constant_floats(_weight(op), op.bias if affine.shifts else None):
        return _NOT_CONSTANT
    factor = _along_inputs(op, affine.scale)
    if factor is None:
        return _CHANNEL_COUNT
    if not affine.shifts:
        return _rebuilt(op, factor, op.bias)
    reason = _why_not_shifted(op)
    if reason is not None:
        return reason
    shift = _along_inputs(op, affine.shift)
    if shift is None:
        return _CHANNEL_COUNT
    bias = _response(op, shift)
    return _rebuilt(op, factor, bias if op.bias is None else bias + float64(op.bias))


def _after_norm(op: Norm, affine: Affine) -> Op | str:
    if not _constant_floats(op.gamma, op.beta):
        return _NOT_CONSTANT
    if affine.scale.size not in (1, op.gamma.type.elements()):
        return _CHANNEL_COUNT
    gamma = rounded(float64(op.gamma) * affine.scale, op.gamma)
    beta = rounded(float64(op.beta) * affine.scale + affine.shift, op.beta)
    if gamma is None or beta is None:
        return OVERFLOW
    return op.copy(gamma=gamma, beta=beta)


def _weight(op: Linear) -> Value:
    return op.b if isinstance(op, MatMul) else op.w


def _constant_floats(*values: Value | None) -> bool:
    present = [value for value in values if value is not None]
    return all(isinstance(value, Constant) for value in present) and is_plain_float(*present)


def _along_outputs(op: Linear, vector: Vector) -> Array | None:
    """One number per output channel, shaped to broadcast to the weights; None when their number is
    another."""
    dims = _weight(op).type.static_dims or ()
    if vector.size == 1:
        return vector
    if isinstance(op, MatMul):
        return _along_matrix(op, vector, -2 if op.transpose_b else -1)
    per_group = dims[0] // op.groups if isinstance(op, Conv) else dims[1]
    if vector.size != per_group * op.groups:
        return None
    if isinstance(op, Conv):
        return vector.reshape(-1, *(1,) * (len(dims) - 1))
    rows = np.repeat(vector.reshape(op.groups, per_group), dims[0] // op.groups, axis=0)
    return rows.reshape(*rows.shape, *(1,) * (len(dims) - 2))


def _along_inputs(op: Linear, vector: Vector) -> Array | None:
    """One number per input channel, shaped to broadcast to the weights."""
    dims = _weight(op).type.static_dims or ()
    if vector.size == 1:
        return vector
    if isinstance(op, MatMul):
        if op.transpose_a:
            return None
        return _along_matrix(op, vector, -1 if op.transpose_b or len(dims) == 1 else -2)
    per_group = dims[1] if isinstance(op, Conv) else dims[0] // op.groups
    if vector.size != per_group * op.groups:
        return None
    if not isinstance(op, Conv):
        return vector.reshape(-1, *(1,) * (len(dims) - 1))
    rows = np.repeat(vector.reshape(op.groups, per_group), dims[0] // op.groups, axis=0)
    return rows.reshape(*rows.shape, *(1,) * (len(dims) - 2))


def _along_matrix(op: MatMul, vector: Vector, axis: int) -> Array | None:
    dims = op.b.type.static_dims or ()
    if len(dims) < -axis or vector.size != dims[axis]:
        return None
    return vector if axis == -1 else vector[:, np.newaxis]


def _full_bias(op: Linear, bias: Vector) -> Vector:
    """A bias that has one element per output channel at least."""
    channels = op.result.type.dims[result_axis(op)]
    assert isinstance(channels, int)
    return np.broadcast_to(bias, np.broadcast_shapes(bias.shape, (channels,)))


def _why_not_shifted(op: Linear) -> str | None:
    """Why what is added to x is not the same number everywhere in the result."""
    if isinstance(op, ConvTranspose):
        return "the results of conv_transpose see different numbers of samples"
    if isinstance(op, Conv) and (any(op.pads) or op.auto_pad != "explicit"):
        return "the zero padding of conv is not shifted"
    if isinstance(op, MatMul) and op.b.type.rank < 2:
        return "b is a vector"
    if isinstance(op, MatMul) and op.bias is None and op.result.type.rank != 2:
        return "matmul would need a bias, which costs what it saves"
    return None


def _response(op: Linear, shift: Array) -> Vector:
    """What the op computes, without its bias, where x holds ``shift`` everywhere."""
    products = float64(_weight(op)) * shift
    if not isinstance(op, MatMul):
        return np.asarray(products.sum(axis=tuple(range(1, products.ndim))))
    inner = -1 if op.transpose_b else -2
    summed = products.sum(axis=inner)
    return op.alpha * (summed if products.ndim == 2 else np.expand_dims(summed, -2))


def _rebuilt(op: Linear, factor: Array, bias: Vector | Value | None) -> Op | str:
    """The op with its weights times ``factor``, and that bias."""
    weight: Value | None = _weight(op)
    assert weight is not None
    if isinstance(bias, np.ndarray):
        hint = f"{weight.hint}.bias" if op.bias is None else op.bias.hint
        bias = rounded(bias, weight, hint)
        if bias is None:
            return OVERFLOW
    if np.any(factor != 1):
        weight = rounded(float64(weight) * factor, weight)
    if weight is None:
        return OVERFLOW
    return op.copy(operands=[op.operands[0], weight, bias])
