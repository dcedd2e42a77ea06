"""Nodes whose operator, in the opset being written, does not take the element type at hand: they
are written between Casts to one that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import onnx.defs
from onnx import TensorProto

from edgec.ir import DType, Value, dtypes
from edgec.lowering.onnx.tensors import dtype_to_onnx
from edgec.lowering.onnx.writer import CannotWrite, Operand, Writer

OLDEST = 17  # the first opset that is written
_WIDER = (dtypes.f32, dtypes.i32, dtypes.u32, dtypes.i64)


def typed_node(
    w: Writer,
    op_type: str,
    operands: Sequence[Operand],
    result: Value,
    **attributes: Any,
) -> None:
    """Append a node that computes ``result``, with Casts around it where they are needed.

    Args:
        operands: values, or names of constants that the operator takes as they are.

    Raises:
        CannotWrite: the operator takes no element type that holds the one at hand.
    """
    formal = _accepted(op_type, w.opset)
    cast: dict[DType, DType] = {}
    inputs: list[Operand] = []
    for index, value in enumerate(operands):
        accepted = formal[min(index, len(formal) - 1)]
        if not isinstance(value, Value) or value.type.dtype in accepted:
            inputs.append(value)
            continue
        own = value.type.dtype
        cast[own] = _wider(own, accepted, op_type, w.opset)
        inputs.append(_cast(w, value, cast[own]))
    if result.type.dtype not in cast:
        w.node(op_type, inputs, [result], **attributes)
        return
    y = w.temporary("wide")
    w.node(op_type, inputs, [y], **attributes)
    w.node("Cast", [y], [result], to=dtype_to_onnx(result.type.dtype))


def step(w: Writer, op_type: str, inputs: Sequence[Operand], **attributes: Any) -> str:
    """Append a node between two others of one rule; the name of what it computes."""
    name = w.temporary(op_type.lower())
    w.node(op_type, inputs, [name], **attributes)
    return name


def _cast(w: Writer, value: Value, dtype: DType) -> str:
    return step(w, "Cast", [value], to=dtype_to_onnx(dtype))


def _wider(own: DType, accepted: frozenset[DType], op_type: str, opset: int) -> DType:
    for wide in _WIDER:
        if wide in accepted and wide.is_float == own.is_float and wide.bits >= own.bits:
            return wide
    raise CannotWrite(f"{op_type} takes no {own.name} in opset {opset}")


def first_opset(op_type: str, operands: Sequence[Value | None]) -> int:
    """The first opset whose operator takes the element types of these operands; 0 if none does."""
    return _first_opset(op_type, tuple(v.type.dtype if v else None for v in operands))


@cache
def _first_opset(op_type: str, given: tuple[DType | None, ...]) -> int:
    for opset in range(OLDEST, onnx.defs.onnx_opset_version() + 1):
        try:
            formal = _accepted(op_type, opset)
        except onnx.defs.SchemaError:
            continue
        if all(dtype is None or dtype in formal[i] for i, dtype in enumerate(given)):
            return opset
    return 0


@cache
def _accepted(op_type: str, opset: int) -> tuple[frozenset[DType], ...]:
    """The element types that each input of the operator may have."""
    schema = onnx.defs.get_schema(op_type, opset, "")
    return tuple(
        frozenset(dtype for dtype in dtypes.ALL if _type_name(dtype) in formal.types)
        for formal in schema.inputs
    )


def _type_name(dtype: DType) -> str:
    return f"tensor({TensorProto.DataType.Name(dtype_to_onnx(dtype)).lower()})"
