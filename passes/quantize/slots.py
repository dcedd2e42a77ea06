"""Which operands of an op are numbers on a grid, and which are weights, biases or sizes."""

from __future__ import annotations

from edgec.ir import Constant, Elementwise, Op, Role, Value, dtypes
from edgec.ir.ops import Concat, Dequantize, MatMul

BIAS_SLOT = 2
WEIGHT_SLOT = 1


def activation_slots(op: Op, role: Role) -> tuple[int, ...]:
    """The operands that are read as integers beside the weights."""
    if role in (Role.WEIGHTED, Role.SAME):
        return (0,)
    if isinstance(op, MatMul):
        return (0, 1)
    if isinstance(op, Concat) or op.has(Elementwise):
        return tuple(i for i, value in enumerate(op.operands) if value is not None)
    return (0,)


def is_stored_constant(value: Value | None) -> bool:
    """True for a constant that is stored in integers."""
    producer = None if value is None else value.producer
    return isinstance(producer, Dequantize) and isinstance(producer.x, Constant)


def is_known(value: Value | None) -> bool:
    """True for a constant, stored in floats or in integers."""
    return isinstance(value, Constant) or is_stored_constant(value)


def is_real(value: Value) -> bool:
    return value.type.dtype is dtypes.f32
