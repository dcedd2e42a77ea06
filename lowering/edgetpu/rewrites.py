"""What the Edge TPU cannot do, as what it can, without giving up an integer where that is possible.

On the graph: large means in two steps, rows through a linear layer as a 1x1 convolution, groups of
a convolution apart. In the file: forms of operators that the compiler knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgec.ir import Constant, Graph, Quant, Rewriter, TensorType, Value, dtypes
from edgec.ir.ops import (
    Concat,
    IntegerAvgPool,
    IntegerConv,
    IntegerLinear,
    IntegerMean,
    Reshape,
    Slice,
)
from edgec.lowering.edgetpu.ops import LARGEST_MEAN
from edgec.lowering.tflite.tensors import Operator, Subgraph, Tensor

LARGEST_WINDOW = 16  # of a mean's first step; more steps follow where an image is larger


def rewrite_graph(graph: Graph) -> None:
    """The rewrites of ops, in place."""
    for mean in tuple(graph.ops_of(IntegerMean)):
        _split_mean(mean, Rewriter(graph))
    for linear in tuple(graph.ops_of(IntegerLinear)):
        _as_convolution(linear, Rewriter(graph))
    for conv in tuple(graph.ops_of(IntegerConv)):
        _split_groups(conv, Rewriter(graph))


def _split_mean(op: IntegerMean, rw: Rewriter) -> None:
    """The mean of the means of windows that divide the image: one more rounding, of a half step of
    the operand at most."""
    dims = op.x.type.static_dims
    if dims is None or len(dims) != 4 or op.axes not in ((1, 2), (2, 3)):
        return
    first = op.axes[0]
    sizes = dims[first : first + 2]
    if math.prod(sizes) <= LARGEST_MEAN:
        return
    window = tuple(max(_divisors(size)) for size in sizes)
    if math.prod(window) == 1:
        return
    layout = "nhwc" if first == 1 else "nchw"
    pool = IntegerAvgPool(op.x, kernel=window, stride=window, layout=layout)
    made = rw.at(op).add(pool).result
    made.hint = f"{op.result.hint}.windows"
    smaller: Any = op.copy(x=made)
    rw.replace_with(op, smaller)
    _split_mean(smaller, rw)


def _divisors(size: int) -> list[int]:
    return [k for k in range(1, LARGEST_WINDOW + 1) if size % k == 0]


def _as_convolution(op: IntegerLinear, rw: Rewriter) -> None:
    """Many rows through one linear layer are the pixels of a 1x1 convolution: the same sums, which
    a convolution's fixed-point multiplier rescales."""
    dims = op.x.type.static_dims
    if dims is None or not isinstance(op.w, Constant):
        return
    rows = math.prod(dims[:-1])
    if rows == 1:
        return
    at = rw.at(op)
    pixels = at.add(Reshape(op.x, to=(1, rows, 1, dims[-1]))).result
    pixels.hint = f"{op.result.hint}.pixels"
    data = op.w.array
    kernel = Constant(
        data.reshape(*data.shape, 1, 1),
        hint=op.w.hint,
        type=TensorType(dtypes.i8, (*data.shape, 1, 1), op.w.type.quant),
    )
    conv = IntegerConv(
        pixels, kernel, op.bias, scale=op.scale, zero_point=op.zero_point,
        activation=op.activation, layout="nhwc",
    )  # fmt: skip
    made = at.add(conv).result
    made.hint = f"{op.result.hint}.rows"
    rw.replace_with(op, Reshape(made, to=(*dims[:-1], data.shape[0])))


def _split_groups(op: IntegerConv, rw: Rewriter) -> None:
    """Each group as a convolution of its own, of its slice of the channels."""
    axis = op.x.type.rank - 1 if op.layout == "nhwc" else 1
    channels = op.x.type.dims[axis]
    depthwise = op.groups == channels
    if op.groups == 1 or depthwise or not isinstance(op.w, Constant):
        return
    at = rw.at(op)
    inputs, outputs = op.w.array.shape[1], op.w.array.shape[0] // op.groups
    parts = []
    for group in range(op.groups):
        begin = group * inputs
        ends = at.constant(np.array([begin + inputs]))
        part = Slice(op.x, at.constant(np.array([begin])), ends, axes=(axis,))
        rows = range(group * outputs, (group + 1) * outputs)
        conv = op.copy(
            x=at.add(part).result, w=_rows(op.w, rows),
            bias=None if op.bias is None else _rows(op.bias, rows), groups=1,
        )  # fmt: skip
        made = at.add(conv).results[0]
        made.hint = f"{op.result.hint}.{group}"
        parts.append(made)
    rw.replace_with(op, Concat(tuple(parts), axis=axis))


def _rows(value: Value, rows: range) -> Constant:
    """Some output channels of weights or a bias, with their scales."""
    assert isinstance(value, Constant)
    quant = value.type.quant
    if quant is not None and quant.axis is not None:
        scale = quant.scale[rows.start : rows.stop]
        quant = replace(quant, scale=scale, zero_point=quant.zero_point[rows.start : rows.stop])
    data = np.ascontiguousarray(value.array[rows.start : rows.stop])
    return Constant(data, hint=value.hint, type=TensorType(value.type.dtype, data.shape, quant))


def rewrite_operators(subgraph: Subgraph) -> None:
    """The rewrites of what was written, in place: the same integers."""
    for operator in subgraph.operators:
        if operator.builtin == "LEAKY_RELU":
            _to_prelu(operator)
        elif operator.builtin == "RESIZE_NEAREST_NEIGHBOR":
            _to_oldest_resize(operator)


def _to_prelu(operator: Operator) -> None:
    """alpha x is (alpha in steps of alpha: 1) x, on the same multiplier."""
    x = operator.operands[0]
    alpha = float(np.float32(operator.options["alpha"]))
    if x is None or x.dtype is not dtypes.i8 or alpha == 0:
        return
    channels = x.dims[-1] if x.rank else 1
    if not isinstance(channels, int):
        return
    shape = (1,) * max(x.rank - 2, 0) + (channels,)
    step = Quant((abs(alpha),), (0,), None, -128, 127)
    stored = np.full(shape, 1 if alpha > 0 else -1, np.int8)
    name = f"{operator.results[0].name}/alpha"
    tensor = Tensor(dtypes.i8, shape, stored, name, quant=step)
    operator.builtin, operator.options, operator.version = "PRELU", {}, 1
    operator.operands.append(tensor)


def _to_oldest_resize(operator: Operator) -> None:
    """Of whole factors, the centre of a pixel lies in the same sample as its corner: version 3 of
    the operator, which says half_pixel_centers and which the compiler does not know, says nothing
    more than version 2."""
    x, y = operator.operands[0], operator.results[0]
    if x is None or not operator.options.get("half_pixel_centers"):
        return
    if all(_is_multiple(y.dims[axis], x.dims[axis]) for axis in (1, 2)):
        operator.options = {**operator.options, "half_pixel_centers": False}
        operator.version = 2


def _is_multiple(size: object, of: object) -> bool:
    return isinstance(size, int) and isinstance(of, int) and size % of == 0


SUMMARIES: Sequence[tuple[str, str]] = (
    ("large means", "AVERAGE_POOL_2D of windows that divide the image, then MEAN of those"),
    ("linear layers of several rows", "a 1x1 CONV_2D over the rows as pixels"),
    ("grouped convolutions", "SLICE, CONV_2D of each group, CONCATENATION"),
    ("leaky ReLU", "PRELU with alpha as 1 in steps of alpha: the same integers"),
    (
        "nearest resizes of whole factors",
        "version 2, without half_pixel_centers: the same integers",
    ),
    ("hard-swish, hard-sigmoid", "MUL, ADD with its grid as the clamp, MUL"),
    ("SiLU", "LOGISTIC and MUL"),
)
