"""What integer runtimes have in common: how each op runs on 8-bit integers.

A target takes ``roles(…)`` with its own differences, and registers a ``QuantScheme``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edgec.ir import Constant, Grid, Op, Refusal, Role, RoleRule
from edgec.ir.ops import (
    Add,
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Dequantize,
    Expand,
    Gather,
    LeakyRelu,
    MatMul,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    Pad,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Slice,
    Softmax,
    SpaceToDepth,
    Split,
    Sub,
    Tanh,
    Tile,
    Transpose,
)

WEIGHTED_OPS: frozenset[type[Op]] = frozenset({Conv, ConvTranspose, MatMul})

# The grids that these results always have, so that lookup tables need no calibration.
FIXED_GRIDS: Mapping[type[Op], Grid] = MappingProxyType(
    {
        Softmax: Grid(1 / 256, -128),
        Sigmoid: Grid(1 / 256, -128),
        Tanh: Grid(1 / 128, 0),
    }
)


def weights_are_constant(op: Conv | ConvTranspose) -> Role | Refusal:
    """A convolution's weights are quantized ahead of time."""
    if not is_constant(op.w):
        return Refusal("the weights are computed by the model")
    return Role.WEIGHTED


def matmul(op: MatMul) -> Role | Refusal:
    """With constant weights on the right like a convolution, else a product of two values."""
    if is_constant(op.b):
        if op.b.type.rank < 2:
            return Refusal("the right operand is a vector")
        if op.transpose_a:
            return Refusal("the left operand is transposed")
        return Role.WEIGHTED
    if is_constant(op.a):
        return Refusal("the left operand is constant")
    if op.bias is not None:
        return Refusal("a product of two values takes no bias")
    return Role.RESCALED


def max_pool(op: MaxPool) -> Role | Refusal:
    return Refusal("it also gives positions") if op.indices else Role.SAME


def resize(op: Resize) -> Role | Refusal:
    """Copies and weighted means of neighbours stay on the grid."""
    if op.mode not in ("nearest", "linear"):
        return Refusal(f"mode {op.mode} leaves the range of its operand")
    if op.coordinates == "tf_crop_and_resize":
        return Refusal("it crops and extrapolates")
    return Role.SAME


def pad(op: Pad) -> Role | Refusal:
    """The new elements must be on the operand's grid: 0 is."""
    if op.value is None or (isinstance(op.value, Constant) and not op.value.array.any()):
        return Role.SAME
    return Refusal("it pads with another number than 0")


def is_constant(value: object) -> bool:
    """True for a constant, and for one that is stored in integers."""
    producer = getattr(value, "producer", None)
    if isinstance(producer, Dequantize):
        return isinstance(producer.x, Constant)
    return isinstance(value, Constant)


_SHARED: Mapping[type[Op], RoleRule] = {
    Conv: weights_are_constant,
    ConvTranspose: weights_are_constant,
    MatMul: matmul,
    Add: Role.RESCALED,
    Sub: Role.RESCALED,
    Mul: Role.RESCALED,
    LeakyRelu: Role.RESCALED,
    Relu: Role.RESCALED,
    ReduceMean: Role.RESCALED,
    AvgPool: Role.SAME,
    MaxPool: max_pool,
    ReduceMax: Role.SAME,
    ReduceMin: Role.SAME,
    Reshape: Role.SAME,
    Transpose: Role.SAME,
    Slice: Role.SAME,
    Split: Role.SAME,
    Gather: Role.SAME,
    Expand: Role.SAME,
    Tile: Role.SAME,
    DepthToSpace: Role.SAME,
    SpaceToDepth: Role.SAME,
    Pad: pad,
    Resize: resize,
    Concat: Role.TIED,
    Maximum: Role.TIED,
    Minimum: Role.TIED,
    Softmax: Role.FIXED,
    Sigmoid: Role.FIXED,
    Tanh: Role.FIXED,
}


def roles(differences: Mapping[type[Op], RoleRule | None]) -> Mapping[type[Op], RoleRule]:
    """The shared roles with a target's differences; None takes an op out."""
    merged = {**_SHARED, **differences}
    return MappingProxyType({op: rule for op, rule in merged.items() if rule is not None})
