"""Random graphs several ops deep, with inputs for them, as a hypothesis strategy.

Values are images ``f32[n,c,4,4]`` or rows ``f32[n,k]`` (n is 2, or the symbol N). Each step picks
values that are there and adds ops that read them, so that values are shared; what no later step
and no output picks is dead code. Steps that do nothing (x + 0, two transposes that cancel, a
reshape to the same dims) are there for the passes to find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st

from edgec.ir import Array, Builder, Constant, Dim, Graph, Op, Value, dtypes, symbol
from edgec.ir.ops import (
    Abs,
    Add,
    AvgPool,
    BatchNorm,
    Clip,
    Concat,
    Conv,
    Div,
    HardSwish,
    If,
    LeakyRelu,
    MatMul,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    Neg,
    Pad,
    ReduceMax,
    ReduceMean,
    ReduceSum,
    Relu,
    Reshape,
    Sigmoid,
    Slice,
    Softmax,
    Split,
    Sub,
    Tanh,
    Transpose,
)

SIZE = 4  # height and width of an image
MAX_STEPS = 12

Draw: TypeAlias = Callable[[st.SearchStrategy[int]], int]
Step: TypeAlias = "Callable[[Drawing], None]"


@dataclass
class Drawing:
    """A graph under construction and the values that a step may pick."""

    draw: Draw
    builder: Builder
    batch: Dim
    values: list[Value] = field(default_factory=list)
    condition: Value | None = None

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def pick(self, rank: int | None = None) -> Value:
        """A value that is there, of that rank; later ones come up more often."""
        found = [v for v in self.values if rank is None or v.type.rank == rank]
        return found[-1 - min(self.integer(0, 5), len(found) - 1)]

    def like(self, value: Value) -> Value:
        """A value of the same type, perhaps the same."""
        found = [v for v in self.values if v.type == value.type]
        return found[self.integer(0, len(found) - 1)]

    def add(self, op: Op) -> Value:
        """Insert an op; its results may be picked from now on."""
        self.builder.add(op)
        self.values.extend(op.results)
        return op.result

    def constant(self, *dims: int, low: float = -1.0, high: float = 1.0) -> Constant:
        rng = np.random.default_rng(self.integer(0, 3))
        data = rng.uniform(low, high, dims).astype(np.float32)
        return self.builder.const(data, hint=("w", "", "k")[self.integer(0, 2)])

    def scalar(self, number: float) -> Constant:
        return self.builder.const(np.float32(number))

    def ints(self, *numbers: int) -> Constant:
        return self.builder.const(np.array(numbers, dtype=np.int64))


def channels(value: Value) -> int:
    count = value.type.dims[1]
    assert isinstance(count, int)
    return count


# -- steps -----------------------------------------------------------------------------------------


def unary(d: Drawing) -> None:
    classes = (Relu, Sigmoid, Tanh, Neg, Abs, HardSwish, LeakyRelu)
    d.add(classes[d.integer(0, len(classes) - 1)](d.pick()))


def clip(d: Drawing) -> None:
    low, high = ((0.0, 6.0), (-1.0, 1.0), (0.0, np.inf))[d.integer(0, 2)]
    d.add(Clip(d.pick(), low=low, high=high))


def binary(d: Drawing) -> None:
    x = d.pick()
    d.add((Add, Sub, Mul, Maximum, Minimum)[d.integer(0, 4)](x, d.like(x)))


def with_constant(d: Drawing) -> None:
    x = d.pick()
    shape = (channels(x), 1, 1) if x.type.rank == 4 else (channels(x),)
    other = d.scalar(0.5) if d.integer(0, 1) else d.constant(*shape, low=0.25, high=2.0)
    kind = (Add, Sub, Mul, Div)[d.integer(0, 3)]
    d.add(kind(other, x) if kind is not Div and d.integer(0, 1) else kind(x, other))


def nothing(d: Drawing) -> None:
    """Ops that leave the value as it is."""
    x = d.pick()
    which = d.integer(0, 5)
    if which == 0:
        d.add(Add(x, d.scalar(0.0)))
    elif which == 1:
        d.add(Mul(d.scalar(1.0), x))
    elif which == 2:
        d.add(Neg(d.add(Neg(x))))
    elif which == 3:
        d.add(Reshape(x, to=x.type.dims))
    elif which == 4:
        d.add(Concat((x,), axis=1))
    else:
        d.add(Pad(x, d.ints(*(0,) * (2 * x.type.rank))))


def conv(d: Drawing) -> None:
    x = d.pick(4)
    kernel, out = (1, 3)[d.integer(0, 1)], (2, 4)[d.integer(0, 1)]
    groups = channels(x) if out % channels(x) == 0 and d.integer(0, 1) else 1
    weight = d.constant(out, channels(x) // groups, kernel, kernel)
    bias = d.constant(out) if d.integer(0, 1) else None
    pads = (kernel // 2,) * 4
    d.add(Conv(x, weight, bias, pads=pads, groups=groups))


def batch_norm(d: Drawing) -> None:
    x = d.pick(4)
    count = channels(x)
    d.add(BatchNorm(x, d.constant(count), d.constant(count), d.constant(count),
                    d.constant(count, low=0.5, high=2.0)))  # fmt: skip


def pool(d: Drawing) -> None:
    kind = (MaxPool, AvgPool)[d.integer(0, 1)]
    d.add(kind(d.pick(4), kernel=(3, 3), pads=(1, 1, 1, 1)))


def transposes(d: Drawing) -> None:
    """To channels last, something there, and back."""
    x = d.builder.add(Transpose(d.pick(4), perm=(0, 2, 3, 1))).result
    middle = d.builder.add((Relu, Neg)[d.integer(0, 1)](x)).result if d.integer(0, 1) else x
    d.add(Transpose(middle, perm=(0, 3, 1, 2)))


def to_rows(d: Drawing) -> None:
    x = d.pick(4)
    if d.integer(0, 1):
        d.add(ReduceMean(x, axes=(2, 3), keepdims=False))
    else:
        d.add(Reshape(x, to=(x.type.dims[0], channels(x) * SIZE * SIZE)))


def matmul(d: Drawing) -> None:
    x = d.pick(2)
    out = (3, 4)[d.integer(0, 1)]
    y = d.add(MatMul(x, d.constant(channels(x), out)))
    if d.integer(0, 1):
        d.add(Add(y, d.constant(out)))


def concat(d: Drawing) -> None:
    parts = [d.pick(4) for _ in range(d.integer(1, 3))]
    if sum(map(channels, parts)) <= 8:
        d.add(Concat(parts, axis=1))


def split(d: Drawing) -> None:
    x = d.pick(4)
    if channels(x) % 2 == 0:
        d.add(Split(x, axis=1, parts=2))


def cut(d: Drawing) -> None:
    x = d.pick()
    end = d.integer(1, channels(x))
    d.add(Slice(x, d.ints(0), d.ints(end), axes=(1,)))


def reduction(d: Drawing) -> None:
    x = d.pick()
    kind = (ReduceSum, ReduceMax, ReduceMean)[d.integer(0, 2)]
    d.add(Mul(x, d.builder.add(kind(x, axes=(1,))).result))


def softmax(d: Drawing) -> None:
    d.add(Softmax(d.pick(), axis=1))


def branch(d: Drawing) -> None:
    """An If whose branches read a value from outside."""
    if d.condition is None:
        return
    x = d.pick()
    then, other = (Builder(name, enclosing=d.builder.graph) for name in ("then", "else"))
    inner = then.add(Relu(x)).result
    kept = other.add(Neg(other.add(Add(x, d.like(x))).result)).result if d.integer(0, 1) else x
    d.add(If(d.condition, regions=[then.output(a=inner), other.output(a=kept)]))


STEPS: tuple[Step, ...] = (
    unary, clip, binary, binary, with_constant, nothing, conv, batch_norm, pool, transposes,
    to_rows, matmul, concat, split, cut, reduction, softmax, branch,
)  # fmt: skip


# -- graphs ----------------------------------------------------------------------------------------


@st.composite
def graphs(draw: Draw, max_steps: int = MAX_STEPS) -> Graph:
    """A verified graph with one to three outputs."""
    batch: Dim = symbol("N") if draw(st.integers(0, 2)) == 0 else 2
    builder = Builder("random")
    d = Drawing(draw, builder, batch)
    d.values.append(builder.input("x", dtypes.f32, (batch, 4, SIZE, SIZE)))
    d.values.append(builder.input("rows", dtypes.f32, (batch, 6)))
    if draw(st.integers(0, 3)) == 0:
        d.condition = builder.input("condition", dtypes.boolean, ())
    for _ in range(draw(st.integers(1, max_steps))):
        STEPS[d.integer(0, len(STEPS) - 1)](d)
    outputs = [d.pick() for _ in range(d.integer(1, 3))]
    return builder.output(**{f"y{i}": value for i, value in enumerate(outputs)})


def inputs_of(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """Numbers for the inputs; N is 2."""
    rng = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for value in graph.inputs:
        shape = tuple(dim if isinstance(dim, int) else 2 for dim in value.type.dims)
        numbers = rng.standard_normal(shape)
        found[value.hint] = np.asarray(
            numbers.astype(value.type.dtype.numpy)
            if value.type.dtype.is_float
            else rng.random(shape) < 0.5
        )
    return found
