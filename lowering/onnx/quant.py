"""ONNX quantization."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, DType, Value, dtypes
from edgec.ir.ops import Dequantize, Quantize
from edgec.ir.ops.common import normalized_axis
from edgec.ir.ops.quant import is_per_tensor
from edgec.lowering.onnx import quant_contrib as _contrib  # noqa: F401  (fills the read table)
from edgec.lowering.onnx import quant_integer as _integer  # noqa: F401  (fills the read table)
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.tensors import dtype_from_onnx, dtype_to_onnx
from edgec.lowering.onnx.typed import first_opset
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Operand, Writer

_UNDEFINED = 0


def _quantize_opset(op: Quantize) -> int:
    if op.precision is not None:
        return 23
    unstated = op.zero_point is None and op.to is not dtypes.u8 and not op.scale.type.is_static
    result = Value(op.x.type.with_dtype(op.to))
    typed = first_opset("QuantizeLinear", [op.x, op.scale, result])
    return max(typed, 21 if op.block or unstated else 0)


def _dequantize_opset(op: Dequantize) -> int:
    operands = [op.x, op.scale, op.zero_point]
    return max(first_opset("DequantizeLinear", operands), 21 if op.block else 0)


FIRST_OPSETS[Quantize] = _quantize_opset
FIRST_OPSETS[Dequantize] = _dequantize_opset


@READERS.rule("QuantizeLinear", "com.microsoft.QuantizeLinear")
def read_quantize(node: Node) -> Value:
    x, scale, zero_point = node.input(0), node.input(1), node.optional(2)
    stated = node.int("output_dtype", _UNDEFINED)
    to = dtypes.u8 if zero_point is None else zero_point.type.dtype
    op = Quantize(
        x,
        scale,
        zero_point,
        to=dtype_from_onnx(stated) if stated else to,
        axis=_read_axis(node, x, scale),
        block=node.int("block_size", 0),
        saturate=bool(node.int("saturate", 1)),
        precision=_read_dtype(node, "precision"),
    )
    return node.add(op).result


@READERS.rule("DequantizeLinear", "com.microsoft.DequantizeLinear")
def read_dequantize(node: Node) -> Value:
    x, scale = node.input(0), node.input(1)
    op = Dequantize(
        x,
        scale,
        node.optional(2),
        axis=_read_axis(node, x, scale),
        block=node.int("block_size", 0),
        to=_read_dtype(node, "output_dtype") or scale.type.dtype,
    )
    return node.add(op).result


def _read_dtype(node: Node, name: str) -> DType | None:
    code = node.int(name, _UNDEFINED)
    return dtype_from_onnx(code) if code else None


def _read_axis(node: Node, x: Value, scale: Value) -> int:
    """The axis where there is one: the attribute's default may be none of x."""
    if is_per_tensor(scale) and not node.int("block_size", 0):
        return 1
    return normalized_axis(node.int("axis", 1), x.type.rank)


@WRITERS.rule(Quantize)
def write_quantize(op: Quantize, w: Writer) -> None:
    zero_point: Operand = op.zero_point
    stated = None
    if zero_point is None and op.to is not dtypes.u8:
        if w.opset >= 21:
            stated = dtype_to_onnx(op.to)
        else:
            zero_point = _zeros(op, w)
    w.node(
        "QuantizeLinear",
        [op.x, op.scale, zero_point],
        op.results,
        axis=_axis(op),
        block_size=op.block or None,
        saturate=None if op.saturate else 0,
        output_dtype=stated,
        precision=None if op.precision is None else dtype_to_onnx(op.precision),
    )


def _zeros(op: Quantize, w: Writer) -> str:
    """A zero point that only states the type of the result."""
    dims = op.scale.type.static_dims
    assert dims is not None, "otherwise the opset is one that states the type"
    return w.const(np.zeros(dims, op.to.numpy), hint="zero_point")


def _stated_zero_point(op: Dequantize, w: Writer) -> Operand:
    """That of a constant, as onnxruntime wants it.

    Zeros of 8-bit constants and biases are spelled out: without them it keeps Gemm in floats. No
    two weights share theirs: under ``session.x64quantprecision``, which keeps x86 without VNNI from
    saturating, it rewrites each under a name that it may take only once.
    """
    if not isinstance(op.x, Constant) or op.x.type.dtype not in (dtypes.i8, dtypes.u8, dtypes.i32):
        return op.zero_point
    shared = op.x.type.dtype is dtypes.i32
    if isinstance(op.zero_point, Constant):
        return w.const(op.zero_point.array, hint=op.zero_point.hint or "zero_point", shared=shared)
    dims = op.scale.type.static_dims
    if op.zero_point is not None or dims is None or op.block:
        return op.zero_point
    return w.const(np.zeros(dims, op.x.type.dtype.numpy), hint="zero_point", shared=shared)


def _axis(op: Quantize | Dequantize) -> int | None:
    return None if is_per_tensor(op.scale) and not op.block else op.axis


@WRITERS.rule(Dequantize)
def write_dequantize(op: Dequantize, w: Writer) -> None:
    """Before opset 23 the result has the type of the scale: what is wider or narrower is cast."""
    own, stated = op.scale.type.dtype, None
    scale: Operand = op.scale
    result: Operand = op.result
    if op.to is not own and w.opset >= 23:
        stated = dtype_to_onnx(op.to)
    elif op.to.bits > own.bits:
        scale = w.temporary("scale")
        w.node("Cast", [op.scale], [scale], to=dtype_to_onnx(op.to))
    elif op.to is not own:
        result = w.temporary("real")
    w.node(
        "DequantizeLinear",
        [op.x, scale, _stated_zero_point(op, w)],
        [result],
        axis=_axis(op),
        block_size=op.block or None,
        output_dtype=stated,
    )
    if result is not op.result:
        w.node("Cast", [result], op.results, to=dtype_to_onnx(op.to))
