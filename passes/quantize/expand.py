"""What a target does on integers only in pieces is spelled out in them (role EXPANDED).

Where the scheme reads one stored tensor on several grids, a factor in front of an op is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from edgec.ir import Constant, Graph, Op, QuantScheme, Range, Rewriter, Role, Value
from edgec.ir.ops import (
    Add,
    Clip,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Dequantize,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    MatMul,
    Mul,
    Relu,
    Reshape,
    Sigmoid,
    Silu,
    SpaceToDepth,
    Tanh,
    Transpose,
)
from edgec.ir.ops.common import product
from edgec.ir.ops.quant import is_per_tensor
from edgec.passes.quantize.clamps import clamp_after
from edgec.passes.quantize.separate import with_range
from edgec.passes.quantize.slots import is_stored_constant

_Expansion: TypeAlias = Callable[[Any, Rewriter], "Op | None"]


def expand(graph: Graph, scheme: QuantScheme, keep: frozenset[str] = frozenset()) -> None:
    """Rewrite every op whose role is EXPANDED, and every product with weights to one form; but for
    EXPANDED ones with a result whose name is in ``keep``."""
    for product_of in tuple(graph.ops_of(MatMul)):
        if isinstance(product_of.b, Constant) and product_of.b.type.rank > 1:
            _make_plain(product_of)
        elif product_of.transpose_b and is_stored_constant(product_of.b):
            _transpose_stored(product_of)
    for op in tuple(graph.ops):
        if scheme.role(op) is not Role.EXPANDED or _is_absorbed(op, scheme):
            continue
        if op.result.hint in keep:
            continue
        last = _EXPANSIONS[type(op)](op, Rewriter(graph).at(op))
        if last is not None:
            Rewriter(graph).replace_with(op, last)


def _is_absorbed(op: Op, scheme: QuantScheme) -> bool:
    """True for a clamp that the op before it takes in."""
    source = next(op.present_operands).producer
    return source is not None and clamp_after(source, scheme) is op


def _make_plain(op: MatMul) -> None:
    """A right operand that is not transposed, no factor, and a bias of one dimension."""
    assert op.graph is not None
    assert isinstance(op.b, Constant)
    changes: dict[str, Any] = {}
    data = op.b.array
    if op.transpose_b:
        data = np.ascontiguousarray(np.swapaxes(data, -1, -2))
    if op.alpha != 1:
        data = (data.astype(np.float64) * op.alpha).astype(data.dtype)
    if data is not op.b.array:
        changes["b"] = Constant(data, hint=op.b.hint)
    bias = op.bias
    if (
        isinstance(bias, Constant)
        and bias.type.dims == (1,) * (bias.type.rank - 1) + data.shape[-1:]
    ):
        changes["bias"] = Constant(bias.array.reshape(-1), hint=bias.hint)
    if changes:
        Rewriter(op.graph).replace_with(op, op.copy(transpose_b=False, alpha=1.0, **changes))


def _transpose_stored(op: MatMul) -> None:
    """Weights that are stored in integers, with rows and columns swapped: the same integers."""
    read = op.b.producer
    assert op.graph is not None
    assert isinstance(read, Dequantize)
    assert isinstance(read.x, Constant)
    rank = read.x.type.rank
    if read.block or not (is_per_tensor(read.scale) or read.axis >= rank - 2):
        return
    rw = Rewriter(op.graph).at(op)
    data = Constant(np.ascontiguousarray(np.swapaxes(read.x.array, -1, -2)), hint=read.x.hint)
    axis = read.axis if is_per_tensor(read.scale) else 2 * rank - 3 - read.axis
    swapped: Any = rw.add(read.copy(x=data, axis=axis))
    swapped.result.hint = read.result.hint
    rw.replace_with(op, op.copy(b=swapped.result, transpose_b=False))


def _relu(op: Relu, rw: Rewriter) -> Op:
    """A leaky ReLU that does not leak."""
    return LeakyRelu(op.x, alpha=0.0)


def _hard_swish(op: HardSwish, rw: Rewriter) -> Op | None:
    """x * clip(x / 6 + 1/2, 0, 1)"""
    gate = _ramp(op.x, 1 / 6, 0.5, rw)
    return None if gate is None else Mul(op.x, rw.add(gate).result)


def _hard_sigmoid(op: HardSigmoid, rw: Rewriter) -> Op | None:
    """clip(alpha * x + beta, 0, 1)"""
    return _ramp(op.x, op.alpha, op.beta, rw)


def _ramp(x: Value, alpha: float, beta: float, rw: Rewriter) -> Op | None:
    if alpha <= 0:
        return None
    sloped = _scaled(x, alpha, rw)
    shifted = rw.add(Add(sloped, _number(beta, x))).result
    if x.range is not None:
        low, high = (alpha * bound + beta for bound in (x.range.low, x.range.high))
        with_range(shifted, low, high, f"{x.hint}.shifted")
    clipped = Clip(shifted, low=0.0, high=1.0)
    with_range(clipped.result, 0.0, 1.0, f"{x.hint}.gate")
    return clipped


def _silu(op: Silu, rw: Rewriter) -> Op | None:
    """x * sigmoid(alpha * x)"""
    if op.alpha <= 0:
        return None
    gate = rw.add(Sigmoid(_scaled(op.x, op.alpha, rw)))
    with_range(gate.result, 0.0, 1.0, f"{op.x.hint}.gate")
    return Mul(op.x, gate.result)


def _tanh(op: Tanh, rw: Rewriter) -> Op:
    """2 * sigmoid(2 * x) - 1"""
    half = rw.add(Sigmoid(_scaled(op.x, 2.0, rw))).result
    with_range(half, 0.0, 1.0, f"{op.x.hint}.half")
    return Add(_scaled(half, 2.0, rw), _number(-1.0, op.x))


def _conv(op: Conv, rw: Rewriter) -> Op:
    """With strides that divide the kernel, from pixels of few channels: blocks of pixels become
    channels first, so that a window is a few long runs instead of many short ones."""
    assert isinstance(op.w, Constant)
    step = op.window.strides[0]
    blocks = rw.add(SpaceToDepth(op.x, block=step)).result
    blocks.range, blocks.hint = op.x.range, f"{op.x.hint}.blocks"
    outputs, channels, rows, columns = op.w.array.shape
    kernel = op.w.array.reshape(outputs, channels, rows // step, step, columns // step, step)
    weights = kernel.transpose(0, 3, 5, 1, 2, 4)
    weights = weights.reshape(outputs, -1, rows // step, columns // step)
    return op.copy(
        x=blocks,
        w=rw.constant(np.ascontiguousarray(weights), op.w.hint),
        stride=(),
        pads=tuple(pad // step for pad in op.pads),
    )


def _conv_transpose(op: ConvTranspose, rw: Rewriter) -> Op:
    """Where windows do not overlap: a pointwise convolution, whose channels become pixels."""
    assert isinstance(op.w, Constant)
    data = op.w.array
    inputs, outputs, size, _ = data.shape
    weights = np.moveaxis(data, 0, -1).reshape(outputs * size * size, inputs, 1, 1)
    bias = None
    if isinstance(op.bias, Constant):
        bias = rw.constant(np.repeat(op.bias.array, size * size), op.bias.hint)
    conv = Conv(
        op.x, rw.constant(np.ascontiguousarray(weights), op.w.hint), bias,
        act=op.act, act_params=op.act_params,
    )  # fmt: skip
    rw.add(conv).result.range = op.result.range
    conv.result.hint = f"{op.result.hint}.pixels"
    return DepthToSpace(conv.result, block=size, mode="crd")


def _matmul(op: MatMul, rw: Rewriter) -> Op:
    """One part at a time: transposed operands, the factor, the rows of all matrices as one."""
    a, b = op.a, op.b
    if op.transpose_a:
        a = _swapped(a, rw)
    if op.transpose_b and not isinstance(b, Constant):
        b = _swapped(b, rw)
    if op.alpha != 1 and not isinstance(b, Constant):
        a = _scaled(a, op.alpha, rw)
    if not isinstance(b, Constant):
        return MatMul(a, b)
    rows = product(a.type.dims[:-1])
    flat = rw.add(Reshape(a, to=(rows, a.type.dims[-1]))).result
    flat.range, flat.hint = a.range, f"{a.hint}.rows"
    made: Any = rw.add(op.copy(a=flat))
    made.result.range = op.result.range
    made.result.hint = f"{op.result.hint}.rows"
    return Reshape(made.result, to=op.result.type.dims)


def _swapped(x: Value, rw: Rewriter) -> Value:
    rank = x.type.rank
    made = rw.add(Transpose(x, perm=(*range(rank - 2), rank - 1, rank - 2))).result
    made.range, made.hint = x.range, f"{x.hint}.transposed"
    return made


def _scaled(x: Value, factor: float, rw: Rewriter) -> Value:
    if factor == 1:
        return x
    made = rw.add(Mul(x, _number(factor, x))).result
    made.hint = f"{x.hint}.scaled"
    if x.range is not None:
        ends = sorted((x.range.low * factor, x.range.high * factor))
        made.range = Range(*ends)
    return made


def _number(value: float, like: Value) -> Constant:
    return Constant(np.asarray(value, like.type.dtype.numpy))


_EXPANSIONS: Mapping[type[Op], _Expansion] = {
    Relu: _relu,
    HardSwish: _hard_swish,
    HardSigmoid: _hard_sigmoid,
    Silu: _silu,
    Tanh: _tanh,
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    MatMul: _matmul,
}
