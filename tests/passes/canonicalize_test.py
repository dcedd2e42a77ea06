"""Canonicalization keeps every bit, comes to an end, and has nothing left to do afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.ir import (
    Array,
    Constant,
    Effect,
    Graph,
    Op,
    Rewriter,
    TensorType,
    Terminator,
    Value,
    dtypes,
    op_classes,
    print_graph,
    sample_graph,
    verify,
)
from edgec.ir.ops import (
    Abs,
    Add,
    Cast,
    Clip,
    Concat,
    Div,
    Expand,
    Gather,
    Less,
    Maximum,
    Minimum,
    Mul,
    Neg,
    Not,
    Pad,
    ReduceMax,
    ReduceSum,
    Relu,
    Reshape,
    Slice,
    Split,
    Sub,
    Tile,
    Transpose,
    Where,
)
from edgec.kernels import EXACT, Executor, compare
from edgec.passes import PassManager, parse_pipeline

MAX_ELEMENTS = 256
ARITHMETIC = (Add, Sub, Mul, Div, Minimum, Maximum)


class Program:
    """A random graph of a few kinds of steps (so that rules of two ops meet their ops): each reads
    values that are there, often the last one, and constants that often change nothing."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph("random")
        self.rewriter = Rewriter(self.graph)
        self.values = [self.rewriter.add_input(f"x{i}", self.type()) for i in range(2)]
        self.steps = self.rng.choice(len(STEPS), size=self.integer(1, 4))
        self.arithmetic = self.rng.permutation(len(ARITHMETIC))[: self.integer(1, 2)]
        for _ in range(self.integer(1, 13)):
            self.step()
        outputs = self.values[-int(self.rng.integers(1, 4)) :]
        self.rewriter.finish(outputs, [f"y{i}" for i in range(len(outputs))])

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def type(self) -> TensorType:
        sizes = (1, 2, 3, 3, 4)
        dims = tuple(sizes[self.integer(0, 4)] for _ in range(self.integer(1, 4)))
        return TensorType(dtypes.f32 if self.rng.random() < 0.7 else dtypes.i32, dims)

    def value(self) -> Value:
        """Some value; late ones more often."""
        back = min(int(self.rng.geometric(0.6)), len(self.values))
        return self.values[-back]

    def ints(self, *numbers: int) -> Constant:
        return Constant(np.array(numbers, dtype=np.int64))

    def number(self, like: Value) -> Constant:
        """A constant that broadcasts into that value: 0, 1, a power of two, or anything."""
        dims = tuple(d if self.rng.random() < 0.3 else 1 for d in like.type.static_dims or ())
        chosen = self.rng.choice([0.0, 1.0, -1.0, 2.0, 0.5, 0.1])
        kept = dims[self.integer(0, len(dims)) :]
        return Constant(np.full(kept, chosen).astype(like.type.dtype.numpy))

    def partner(self, x: Value) -> Value:
        """A value of the same type, possibly x itself."""
        fitting = [value for value in self.values if value.type == x.type]
        return fitting[self.integer(0, len(fitting) - 1)]

    def step(self) -> None:
        x = self.value()
        made = self.rewriter.add(STEPS[self.rng.choice(self.steps)](self, x))
        self.values += [r for r in made.results if r.type.elements() <= MAX_ELEMENTS]

    def inputs(self) -> dict[str, Array]:
        return {value.hint: self.array(value.type) for value in self.graph.inputs}

    def array(self, type: TensorType) -> Array:
        """Numbers of which some are whole, some equal."""
        fine = self.rng.uniform(-4, 4, type.static_dims)
        coarse = np.round(fine)
        return np.where(coarse % 2 == 0, fine, coarse).astype(type.dtype.numpy)


def unary(p: Program, x: Value) -> Op:
    classes = (Relu, Neg, Abs) if x.type.dtype.is_float else (Neg, Abs)
    return classes[p.integer(0, len(classes) - 1)](x)


def clip(p: Program, x: Value) -> Op:
    low, high = (float(p.integer(-3, 3)) for _ in range(2))
    return Clip(x, low=low if p.integer(0, 1) else -math.inf, high=high if p.integer(0, 2) else 0.0)


def cast(p: Program, x: Value) -> Op:
    return Cast(x, to=(dtypes.f32, dtypes.i32, dtypes.f64, dtypes.i64)[p.integer(0, 3)])


def binary(p: Program, x: Value) -> Op:
    operands = [x, p.number(x) if p.integer(0, 1) else p.partner(x)]
    cls = ARITHMETIC[p.rng.choice(p.arithmetic)]
    if cls is Div or p.integer(0, 2):  # dividing by x would show the sign of its zeros
        return cls(*operands)
    return cls(*reversed(operands))


def where(p: Program, x: Value) -> Op:
    cond: Value = Constant(np.array(bool(p.integer(0, 1))))
    if p.integer(0, 1):
        cond = p.rewriter.add(Less(x, p.number(x))).result
        for _ in range(p.integer(0, 2)):
            cond = p.rewriter.add(Not(cond)).result
    return Where(cond, x, p.number(x) if p.integer(0, 1) else p.partner(x))


def reshape(p: Program, x: Value) -> Op:
    dims = list(x.type.static_dims or ())
    to = {
        0: [math.prod(dims)],
        1: [*dims, 1],
        2: [d for d in dims if d != 1],
        3: dims[::-1],
    }[p.integer(0, 3)]
    return Reshape(x, to=tuple(to)) if p.integer(0, 1) else Reshape(x, p.ints(*to))


def transpose(p: Program, x: Value) -> Op:
    return Transpose(x, perm=tuple(int(i) for i in p.rng.permutation(x.type.rank)))


def cut(p: Program, x: Value) -> Op:
    if x.type.rank == 0:
        return Relu(x) if x.type.dtype.is_float else Abs(x)
    axis = p.integer(0, x.type.rank - 1)
    starts, ends = p.ints(p.integer(-4, 2)), p.ints(p.integer(-1, 6))
    steps = None if p.integer(0, 2) else p.ints((-1, 1, 2)[p.integer(0, 2)])
    return Slice(x, starts, ends, steps, axes=(axis,))


def join(p: Program, x: Value) -> Op:
    last = p.values[-1].producer
    if isinstance(last, (Split, Concat)) and p.integer(0, 1):
        return Concat(last.results, axis=last.axis)
    axis = p.integer(0, max(x.type.rank - 1, 0))
    joined = [x, p.partner(x), p.partner(x)][: p.integer(1, 3)]
    return Concat(joined, axis=axis) if x.type.rank else Neg(x)


def parts(p: Program, x: Value) -> Op:
    dims = x.type.static_dims or ()
    if not dims:
        return Neg(x)
    concat = x.producer
    if isinstance(concat, Concat) and p.integer(0, 1):
        sizes = [int(str(part.type.dims[concat.axis])) for part in concat.xs]
        return Split(x, axis=concat.axis, sizes=tuple(sizes))
    axis = p.integer(0, len(dims) - 1)
    first = p.integer(0, dims[axis])
    return Split(x, axis=axis, sizes=(first, dims[axis] - first) if first else (dims[axis],))


def spread(p: Program, x: Value) -> Op:
    dims = x.type.static_dims or ()
    if not p.integer(0, 2):
        return Tile(x, p.ints(*(p.integer(1, 2) if d < 3 else 1 for d in dims)))
    wanted = [p.integer(1, 2) if d == 1 else d for d in dims]
    return Expand(x, p.ints(*wanted))


def edge(p: Program, x: Value) -> Op:
    pads = [p.integer(0, 1) if p.integer(0, 1) else 0 for _ in range(2 * x.type.rank)]
    return Pad(x, p.ints(*pads))


def pick(p: Program, x: Value) -> Op:
    dims = x.type.static_dims or ()
    if not dims or 0 in dims:
        return Neg(x)
    axis = p.integer(0, len(dims) - 1)
    first = p.integer(0, dims[axis] - 1)
    run = Constant(np.arange(first, p.integer(first, dims[axis] - 1) + 1))
    return Gather(x, run if p.integer(0, 2) else Constant(np.array(first)), axis=axis)


def reduce(p: Program, x: Value) -> Op:
    axes = tuple(axis for axis in range(x.type.rank) if p.integer(0, 1))
    return (ReduceSum, ReduceMax)[p.integer(0, 1)](x, axes=axes, keepdims=bool(p.integer(0, 1)))


STEPS: list[Callable[[Program, Value], Op]] = [
    unary, clip, cast, binary, binary, where, reshape, reshape, transpose, cut, cut, join, join,
    parts, spread, edge, pick, reduce,
]  # fmt: skip


def run_pipeline(graph: Graph, text: str) -> Graph:
    changed = graph.clone()
    PassManager(parse_pipeline(text)).run(changed)
    verify(changed)
    return changed


def assert_same(before: Graph, after: Graph, inputs: dict[str, Array]) -> None:
    with np.errstate(all="ignore"):
        expected = Executor(before).run(inputs)
        actual = Executor(after).run(inputs)
    for name, array in expected.items():
        found = compare(actual[name], array, EXACT)
        assert found, f"{name}: {found}\n{print_graph(before)}\n{print_graph(after)}"


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_programs_keep_every_bit(seed: int) -> None:
    program = Program(seed)
    verify(program.graph)
    cleaned = run_pipeline(program.graph, "cleanup")
    assert_same(program.graph, cleaned, program.inputs())
    assert len(cleaned) <= len(program.graph)
    again = run_pipeline(cleaned, "canonicalize")
    assert print_graph(again) == print_graph(cleaned)


REPEATABLE = [
    cls for cls in op_classes().values() if not cls.has(Effect) and not cls.has(Terminator)
]


@pytest.mark.parametrize("cls", REPEATABLE, ids=lambda cls: cls.op_name)
def test_samples_of_every_op_keep_every_bit(cls: type[Op]) -> None:
    for seed in range(6):
        graph, data = sample_graph(cls, seed)
        inputs = dict(zip(graph.input_names, data, strict=True))
        assert_same(graph, run_pipeline(graph, "cleanup"), inputs)
