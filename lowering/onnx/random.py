"""ONNX's random numbers, and Dropout, which draws them to train."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.ir import DType, Value, dtypes
from edgec.ir.ops import (
    Bernoulli,
    Cast,
    DimsOf,
    Div,
    Fill,
    GreaterEqual,
    Multinomial,
    RandomNormal,
    RandomTensor,
    RandomUniform,
    Sub,
    Where,
)
from edgec.lowering.onnx.node import READERS, Node, Read, Unsupported
from edgec.lowering.onnx.tensors import dtype_from_onnx, dtype_to_onnx
from edgec.lowering.onnx.typed import typed_node
from edgec.lowering.onnx.writer import WRITERS, Writer


def _seed(node: Node) -> float | None:
    return node.float("seed") if node.has("seed") else None


def _dtype(node: Node, default: DType) -> DType:
    return dtype_from_onnx(node.int("dtype")) if node.has("dtype") else default


@READERS.rule("RandomNormal", "RandomNormalLike")
def read_normal(node: Node) -> Value:
    op = RandomNormal(**_dims(node), mean=node.float("mean", 0.0), scale=node.float("scale", 1.0))
    return node.add(op).result


@READERS.rule("RandomUniform", "RandomUniformLike")
def read_uniform(node: Node) -> Value:
    op = RandomUniform(**_dims(node), low=node.float("low", 0.0), high=node.float("high", 1.0))
    return node.add(op).result


def _dims(node: Node) -> dict[str, Any]:
    """The shape, from the attribute or from the tensor that it is to be like; dtype and seed."""
    if not node.op_type.endswith("Like"):
        dims = node.ints("shape")
        return {"dims": dims, "dtype": _dtype(node, dtypes.f32), "seed": _seed(node)}
    x = node.input(0)
    given: dict[str, Any] = {"dtype": _dtype(node, x.type.dtype), "seed": _seed(node)}
    if x.type.static_dims is not None:
        return {"dims": x.type.static_dims, **given}
    return {"shape": node.add(DimsOf(x)).result, **given}


@WRITERS.rule(RandomNormal)
def write_normal(op: RandomNormal, w: Writer) -> None:
    _write_random("RandomNormal", op, w, mean=op.mean, scale=op.scale)


@WRITERS.rule(RandomUniform)
def write_uniform(op: RandomUniform, w: Writer) -> None:
    _write_random("RandomUniform", op, w, low=op.low, high=op.high)


def _write_random(op_type: str, op: RandomTensor, w: Writer, **parameters: Any) -> None:
    """A shape at run time becomes a tensor of it that the numbers are to be like."""
    drawn = op.result.type.dtype
    target = op.result if drawn is not dtypes.bf16 or w.opset >= 22 else w.temporary("wide")
    code = dtype_to_onnx(drawn if target is op.result else dtypes.f32)
    if op.dims is not None:
        w.node(op_type, [], [target], dtype=code, seed=op.seed, shape=op.dims, **parameters)
    else:
        like = w.temporary("like")
        w.node("ConstantOfShape", [op.shape], [like], value=np.zeros(1, np.float32))
        w.node(f"{op_type}Like", [like], [target], dtype=code, seed=op.seed, **parameters)
    if target is not op.result:
        w.node("Cast", [target], op.results, to=dtype_to_onnx(drawn))


@READERS.rule("Bernoulli")
def read_bernoulli(node: Node) -> Value:
    x = node.input(0)
    return node.add(Bernoulli(x, dtype=_dtype(node, x.type.dtype), seed=_seed(node))).result


@WRITERS.rule(Bernoulli)
def write_bernoulli(op: Bernoulli, w: Writer) -> None:
    typed_node(w, "Bernoulli", [op.x], op.result, dtype=dtype_to_onnx(op.dtype), seed=op.seed)


@READERS.rule("Multinomial")
def read_multinomial(node: Node) -> Value:
    op = Multinomial(
        node.input(0),
        samples_per_row=node.int("sample_size", 1),
        dtype=_dtype(node, dtypes.i32),
        seed=_seed(node),
    )
    return node.add(op).result


@WRITERS.rule(Multinomial)
def write_multinomial(op: Multinomial, w: Writer) -> None:
    typed_node(
        w, "Multinomial", [op.x], op.result,
        dtype=dtype_to_onnx(op.dtype), sample_size=op.samples_per_row, seed=op.seed,
    )  # fmt: skip


@READERS.rule("Dropout")
def read_dropout(node: Node) -> Read:
    """Inference: y = x, and the mask (a float before opset 10) is true everywhere. Training: an
    element is 0 with probability ``ratio``, else divided by 1 - ratio."""
    x = node.input(0)
    if node.opset < 7 and not node.int("is_test", 0):
        raise Unsupported("is_test=0 drops elements, to train", "is_test=1")
    if node.optional(2) is not None and any(node.constant_ints(2, "training_mode")):
        return _read_training(node, x)
    if not node.wants(1):
        return x
    dims = node.add(DimsOf(x)).result
    dtype = x.type.dtype if node.opset < 10 else dtypes.boolean
    return x, node.add(Fill(dims, value=1.0 if dtype.is_float else 1, dtype=dtype)).result


def _read_training(node: Node, x: Value) -> Read:
    ratio = node.optional(1) or node.const(0.5, np.float32)
    seed = float(node.int("seed")) if node.has("seed") else None
    shape = node.add(DimsOf(x)).result
    drawn = node.add(RandomUniform(shape, dtype=dtypes.f32, seed=seed)).result
    limit = node.add(Cast(ratio, to=dtypes.f32)).result
    mask = node.add(GreaterEqual(drawn, limit)).result
    own = node.add(Cast(ratio, to=x.type.dtype)).result
    kept = node.add(Sub(node.const(1, x.type.dtype.numpy), own)).result
    scaled = node.add(Div(x, kept)).result
    zero = node.const(0, x.type.dtype.numpy)
    return node.add(Where(mask, scaled, zero)).result, mask
