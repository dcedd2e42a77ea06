"""Softmax and its kin: the builtins run along the last axis."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.ops import Hardmax, LogSoftmax, Softmax, SoftmaxLike
from edgec.lowering.tflite.shapes import transposed
from edgec.lowering.tflite.table import TFLITE, static_dim
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


def _swapped(op: SoftmaxLike) -> list[int]:
    """The permutation that exchanges the axis with the last one: its own inverse."""
    perm = list(range(op.x.type.rank))
    perm[op.axis], perm[-1] = perm[-1], perm[op.axis]
    return perm


@TFLITE.rule(Softmax)
def softmax(op: Softmax, w: Writer) -> Tensor:
    x = transposed(w[op.x], _swapped(op), w)
    return transposed(soft_max(x, w), _swapped(op), w)


def soft_max(x: Tensor, w: Writer) -> Tensor:
    """Over the last axis."""
    return w.op("SOFTMAX", x, beta=1.0)


@TFLITE.rule(LogSoftmax)
def log_softmax(op: LogSoftmax, w: Writer) -> Tensor:
    x = transposed(w[op.x], _swapped(op), w)
    return transposed(w.op("LOG_SOFTMAX", x), _swapped(op), w)


@TFLITE.rule(Hardmax)
def hardmax(op: Hardmax, w: Writer) -> Tensor:
    x = transposed(w[op.x], _swapped(op), w)
    depth = static_dim(x.dims[-1], "number of classes")
    best = w.op("ARG_MAX", x, w.const(x.rank - 1, dtypes.i32), dims=x.dims[:-1],
                dtype=dtypes.i32, output_type=2)  # fmt: skip
    y = w.op("ONE_HOT", best, w.const(depth, dtypes.i32), w.like(1, x), w.like(0, x),
             dims=x.dims, dtype=x.dtype, axis=-1)  # fmt: skip
    return transposed(y, _swapped(op), w)
