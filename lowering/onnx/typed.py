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

_WIDER = (dtypes.f32, dtypes.i32, dtypes.u32, dtypes.i64)


def typed_node(
    w: Writer,
    op_type: str,
    operands: Sequence[Value | None],
    result: Value,
    *,
    dtype: DType | None = None,
    output: Operand = None,
    **attributes: Any,
) -> None:
    """Append a node that computes ``result``, with Casts around it where they are needed.

    Args:
        dtype: the element type that the operator gives, where it is not the result's own
            (that of the comparisons is bool whatever they compare).
        output: where the node writes instead of ``result``.

    Raises:
        CannotWrite: the operator takes no element type that holds the one at hand.
    """
    formal = _accepted(op_type, w.opset)
    cast: dict[DType, DType] = {}
    inputs: list[Operand] = []
    for index, value in enumerate(operands):
        accepted = formal[min(index, len(formal) - 1)]
        if value is None or value.type.dtype in accepted:
            inputs.append(value)
            continue
        own = value.type.dtype
        cast[own] = _wider(own, accepted, op_type, w.opset)
        inputs.append(_cast(w, value, cast[own]))
    target = result if output is None else output
    given = (dtype or result.type.dtype) in cast
    y = w.temporary("wide") if given and cast else target
    w.node(op_type, inputs, [y], **attributes)
    if y is not target:
        w.node("Cast", [y], [target], to=dtype_to_onnx(result.type.dtype))


def _cast(w: Writer, value: Value, dtype: DType) -> str:
    name = w.temporary("wide")
    w.node("Cast", [value], [name], to=dtype_to_onnx(dtype))
    return name


def _wider(own: DType, accepted: frozenset[DType], op_type: str, opset: int) -> DType:
    family = ("float",) if own.is_float else ("int", "uint")
    for wide in _WIDER:
        if wide in accepted and wide.family in family and wide.bits >= own.bits:
            return wide
    raise CannotWrite(f"{op_type} takes no {own.name} in opset {opset}")


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
