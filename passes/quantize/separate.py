"""Activations that a target's integer ops do not carry become ops of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from edgec.ir import Constant, Graph, Op, QuantScheme, Range, Rewriter, Value
from edgec.ir.ops import (
    Add,
    Clip,
    Conv,
    ConvTranspose,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    MatMul,
    Relu,
    Sigmoid,
    Silu,
    Tanh,
)
from edgec.passes.quantize.preimages import before_activation

Carrier: TypeAlias = Conv | ConvTranspose | MatMul

_MADE: Mapping[str, Callable[..., Op]] = {
    "relu": Relu,
    "clip": lambda x, low, high: Clip(x, low=low, high=high),
    "leaky_relu": lambda x, alpha: LeakyRelu(x, alpha=alpha),
    "hard_swish": HardSwish,
    "hard_sigmoid": lambda x, alpha, beta: HardSigmoid(x, alpha=alpha, beta=beta),
    "sigmoid": Sigmoid,
    "silu": lambda x, alpha: Silu(x, alpha=alpha),
    "tanh": Tanh,
}


def separate_activations(
    graph: Graph, scheme: QuantScheme, keep: frozenset[str] = frozenset()
) -> None:
    """Split off every carried activation but those that the scheme absorbs, and those of results
    whose name is in ``keep``."""
    for op in tuple(graph.ops):
        if not isinstance(op, Carrier) or op.act == "none" or op.result.range is None:
            continue
        if op.result.hint in keep:
            continue
        rw = Rewriter(graph).at(op)
        made = _separated_where_needed(op, scheme, rw)
        if made is not None:
            rw.replace_with(op, made)


def _separated_where_needed(op: Carrier, scheme: QuantScheme, rw: Rewriter) -> Op | None:
    if op.act == "clip" and op.act in scheme.absorbed:
        return _shifted(op, rw)
    if op.act in scheme.absorbed:
        return None
    ramp = _as_ramp(op) if op.act == "hard_sigmoid" and "clip" in scheme.absorbed else None
    return ramp if ramp is not None else _separated(op, rw)


def _shifted(op: Carrier, rw: Rewriter) -> Op | None:
    """clip(op(x) - s, low - s, high - s) + s, where 0 is none of the numbers from low to high: a
    grid always holds 0, so that only a clip that begins or ends there is free."""
    low, high = op.act_params
    nearest = max(low, min(high, 0.0))
    bias, weight = op.operands[2], op.operands[1]
    if nearest == 0 or not (bias is None or isinstance(bias, Constant)) or weight is None:
        return None
    old: Any = 0.0 if bias is None else bias.array
    shifted = np.broadcast_to(old - nearest, _bias_shape(op) if bias is None else bias.array.shape)
    dtype = op.result.type.dtype.numpy
    hint = f"{weight.hint}.bias" if bias is None else bias.hint
    made: Any = rw.add(
        op.copy(
            operands=[*op.operands[:2], Constant(shifted.astype(dtype), hint=hint)],
            act_params=(low - nearest, high - nearest),
        )
    )
    assert op.result.range is not None
    ends = (op.result.range.low - nearest, op.result.range.high - nearest)
    with_range(made.result, *ends, f"{op.result.hint}.shifted")
    return Add(made.result, Constant(np.asarray(nearest, dtype)))


def _separated(op: Carrier, rw: Rewriter) -> Op:
    """The activation alone, after the op without it. It is not inserted yet."""
    plain: Any = rw.add(op.copy(act="none", act_params=()))
    plain.result.hint = f"{op.result.hint}.linear"
    assert op.result.range is not None
    plain.result.range = before_activation(op.act, op.act_params, op.result.range)
    return _MADE[op.act](plain.result, *op.act_params)


def _as_ramp(op: Carrier) -> Op | None:
    """clip(alpha * op(x) + beta, 0, 1), with alpha and beta in the weights: a clip is free."""
    alpha, beta = op.act_params
    slot = 1
    weight, bias = op.operands[slot], op.operands[slot + 1]
    if not (isinstance(weight, Constant) and (bias is None or isinstance(bias, Constant))):
        return None
    old: Any = 0.0 if bias is None else bias.array.astype(np.float64)
    shape = _bias_shape(op) if bias is None else bias.array.shape
    shifted = np.broadcast_to(old * alpha + beta, shape)
    scaled = weight.array.astype(np.float64) * alpha
    dtype = weight.array.dtype
    return op.copy(
        operands=[
            op.operands[0],
            Constant(scaled.astype(dtype), hint=weight.hint),
            Constant(shifted.astype(dtype), hint="" if bias is None else bias.hint),
        ],
        act="clip",
        act_params=(0.0, 1.0),
    )


def _bias_shape(op: Carrier) -> tuple[int, ...]:
    dims = op.operands[1].type.dims  # type: ignore[union-attr]  # the weights are present
    if isinstance(op, MatMul):
        channels = dims[-2] if op.transpose_b else dims[-1]
    else:
        channels = dims[0] if isinstance(op, Conv) else dims[1]
    assert isinstance(channels, int)
    return (channels * (op.groups if isinstance(op, ConvTranspose) else 1),)


def with_range(value: Value, low: float, high: float, hint: str) -> Value:
    """The value, with the numbers that it takes and a name."""
    value.range = Range(low, high)
    value.hint = hint
    return value
