"""Random graphs of what shares memory: splits, slices, concats, reshapes, elementwise ops.

Values are ``f32[1,c,4]`` or ``f32[2,c,4]`` (parts along the channels are contiguous in the first
only) and their reshapes. Earlier values are read again, so that lives overlap.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from edgec.ir import Builder, Graph, Op, Value, dtypes
from edgec.ir.ops import (
    Add,
    Concat,
    Greater,
    If,
    Mul,
    ReduceSum,
    Relu,
    Reshape,
    Slice,
    Softmax,
    Split,
    Tanh,
    Transpose,
)

WIDTH = 4
Integer = Callable[[int, int], int]


def random_graph(integer: Integer, steps: int) -> Graph:
    """A graph of that many ops or a few more; ``integer(low, high)`` draws."""
    b = Builder()
    batch = integer(1, 2)
    count = integer(1, 2)
    values = [
        b.input(name, dtypes.f32, (batch, 4 * integer(1, 3), WIDTH)) for name in ("x", "y")[:count]
    ]
    for _ in range(steps):
        op = b.add(_STEPS[integer(0, len(_STEPS) - 1)](b, values, integer))
        values += [result for result in op.results if result.type.rank == 3]
    outputs = [value for value in values if not value.is_used] or values[-1:]
    return b.output(**{f"out{number}": value for number, value in enumerate(outputs)})


@st.composite
def memory_graphs(draw: st.DrawFn, max_steps: int = 12) -> Graph:
    """``random_graph`` as a strategy."""
    steps = draw(st.integers(1, max_steps))
    return random_graph(lambda low, high: draw(st.integers(low, high)), steps)


def _pick(values: list[Value], integer: Integer) -> Value:
    return values[-1 - min(integer(0, 6), len(values) - 1)]


def _like(values: list[Value], one: Value, integer: Integer) -> Value:
    found = [value for value in values if value.type == one.type]
    return found[integer(0, len(found) - 1)]


def _unary(b: Builder, values: list[Value], integer: Integer) -> Op:
    return (Relu, Tanh)[integer(0, 1)](_pick(values, integer))


def _binary(b: Builder, values: list[Value], integer: Integer) -> Op:
    x = _pick(values, integer)
    return (Add, Mul)[integer(0, 1)](x, _like(values, x, integer))


def _broadcast(b: Builder, values: list[Value], integer: Integer) -> Op:
    """x + one of its channels: read at every position, so it must not be written over."""
    x = _pick(values, integer)
    ends = b.const(np.array([1]))
    part = b.add(Slice(x, b.const(np.array([0])), ends, axes=(1,))).result
    return Add(x, part)


def _softmax(b: Builder, values: list[Value], integer: Integer) -> Op:
    return Softmax(_pick(values, integer), axis=1)


def _reshape(b: Builder, values: list[Value], integer: Integer) -> Op:
    x = _pick(values, integer)
    batch, channels, width = x.type.static_dims or (1, 1, 1)
    if integer(0, 1) or channels % 2:
        flat = b.add(Reshape(x, to=(batch * channels * width,))).result
        return Reshape(b.add(Relu(flat)).result, to=(batch, channels, width))
    return Reshape(x, to=(batch, channels * width // WIDTH, WIDTH))


def _twisted(b: Builder, values: list[Value], integer: Integer) -> Op:
    """x + its own bytes seen in another order."""
    x = _pick(values, integer)
    batch, channels, width = x.type.static_dims or (1, 1, 1)
    turned = b.add(Transpose(x, perm=(0, 2, 1))).result
    return Add(x, b.add(Reshape(turned, to=(batch, channels, width))).result)


def _split(b: Builder, values: list[Value], integer: Integer) -> Op:
    x = _pick(values, integer)
    channels = (x.type.static_dims or (1, 1))[1]
    first = integer(0, channels)
    return Split(x, axis=1, sizes=(first, channels - first))


def _slice(b: Builder, values: list[Value], integer: Integer) -> Op:
    x = _pick(values, integer)
    channels = (x.type.static_dims or (1, 1))[1]
    start = integer(0, max(channels - 1, 0))
    steps = b.const(np.array([integer(1, 2)]))
    ends = b.const(np.array([integer(start + 1, channels + 1)]))
    return Slice(x, b.const(np.array([start])), ends, steps, axes=(1,))


def _concat(b: Builder, values: list[Value], integer: Integer) -> Op:
    parts = [_pick(values, integer) for _ in range(integer(1, 3))]
    if integer(0, 4) == 0:
        batch = parts[0].type.dims[0]
        assert isinstance(batch, int)
        parts.append(b.const(np.ones((batch, 4, WIDTH), np.float32)))
    return Concat(tuple(parts), axis=1)


def _branches(b: Builder, values: list[Value], integer: Integer) -> Op:
    x = _pick(values, integer)
    total = b.add(ReduceSum(x, axes=(0, 1, 2), keepdims=False)).result
    condition = b.add(_positive(b, total)).result
    graphs = []
    for cls in (Relu, Tanh):
        inner = Builder(cls.op_name, enclosing=b.graph)
        graphs.append(inner.output(y=inner.add(cls(inner.add(Tanh(x)).result)).result))
    return If(condition, regions=tuple(graphs))


def _positive(b: Builder, value: Value) -> Op:
    return Greater(value, b.const(np.float32(0)))


_STEPS: tuple[Callable[[Builder, list[Value], Integer], Op], ...] = (
    _unary, _unary, _binary, _binary, _broadcast, _softmax, _reshape, _twisted, _split, _split,
    _slice, _concat, _concat, _concat, _branches,
)  # fmt: skip
