"""ONNX normalization along axes."""

from __future__ import annotations

from edgec.ir import Value, dtypes
from edgec.ir.ops import LayerNorm, LpNorm, Lrn, RmsNorm
from edgec.ir.ops.common import normalized_axis
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.tensors import dtype_to_onnx
from edgec.lowering.onnx.typed import first_opset
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Operand, Writer

FIRST_OPSETS[LayerNorm] = lambda op: first_opset("LayerNormalization", op.operands)
FIRST_OPSETS[LpNorm] = lambda op: first_opset("LpNormalization", op.operands)
FIRST_OPSETS[Lrn] = lambda op: first_opset("LRN", op.operands)


@READERS.rule("LayerNormalization")
def read_layer_norm(node: Node) -> Value | None:
    if node.wants(1) or node.wants(2):
        return None
    x = node.input(0)
    op = LayerNorm(
        x,
        node.input(1),
        node.optional(2),
        axis=normalized_axis(node.int("axis", -1), x.type.rank),
        eps=node.float("epsilon", 1e-5),
    )
    return node.add(op).result


@WRITERS.rule(LayerNorm)
def write_layer_norm(op: LayerNorm, w: Writer) -> None:
    operands = [op.x, op.gamma, op.beta]
    w.node("LayerNormalization", operands, op.results, axis=op.axis, epsilon=op.eps)


@READERS.rule("RMSNormalization")
def read_rms_norm(node: Node) -> Value:
    x = node.input(0)
    op = RmsNorm(
        x,
        node.input(1),
        axis=normalized_axis(node.int("axis", -1), x.type.rank),
        eps=node.float("epsilon", 1e-5),
    )
    return node.add(op).result


@WRITERS.rule(RmsNorm)
def write_rms_norm(op: RmsNorm, w: Writer) -> None:
    """Before opset 23: by its formula, in float32 where x is narrower."""
    if w.opset >= 23:
        w.node("RMSNormalization", [op.x, op.gamma], op.results, axis=op.axis, epsilon=op.eps)
        return
    dtype = op.x.type.dtype
    wide = dtypes.f32 if dtype.bits < 32 else dtype
    x = op.x if wide is dtype else _cast(op.x, wide, w)
    square, mean, shifted, root, normal = (
        w.temporary(name) for name in ("square", "mean", "shifted", "root", "normal")
    )
    w.node("Mul", [x, x], [square])
    axes = tuple(range(op.axis, op.x.type.rank))
    if w.opset >= 18:
        w.node("ReduceMean", [square, w.ints(axes)], [mean])
    else:
        w.node("ReduceMean", [square], [mean], axes=axes)
    w.node("Add", [mean, w.const(op.eps, wide)], [shifted])
    w.node("Sqrt", [shifted], [root])
    w.node("Div", [x, root], [normal])
    rounded = normal if wide is dtype else _cast(normal, dtype, w)
    w.node("Mul", [rounded, op.gamma], op.results)


def _cast(value: Operand, dtype: dtypes.DType, w: Writer) -> Operand:
    made = w.temporary("cast")
    w.node("Cast", [value], [made], to=dtype_to_onnx(dtype))
    return made


@READERS.rule("LpNormalization")
def read_lp_norm(node: Node) -> Value:
    x = node.input(0)
    axis = normalized_axis(node.int("axis", -1), x.type.rank)
    return node.add(LpNorm(x, axis=axis, p=node.int("p", 2))).result


@WRITERS.rule(LpNorm)
def write_lp_norm(op: LpNorm, w: Writer) -> None:
    w.node("LpNormalization", [op.x], op.results, axis=op.axis, p=op.p)


@READERS.rule("LRN")
def read_lrn(node: Node) -> Value:
    op = Lrn(
        node.input(0),
        size=node.int("size"),
        alpha=node.float("alpha", 1e-4),
        beta=node.float("beta", 0.75),
        bias=node.float("bias", 1.0),
    )
    return node.add(op).result


@WRITERS.rule(Lrn)
def write_lrn(op: Lrn, w: Writer) -> None:
    w.node("LRN", [op.x], op.results, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.bias)
