"""What ``contents`` says of shape arithmetic is what the kernels compute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.ir import Builder, Op, Value, contents, dtypes, evaluate, symbols
from edgec.ir.ops import (
    Abs,
    Add,
    And,
    Cast,
    Ceil,
    DimsOf,
    Div,
    Equal,
    Floor,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Maximum,
    Minimum,
    Mod,
    Mul,
    Neg,
    Not,
    Or,
    ReduceMax,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    Sub,
    Where,
    Xor,
)
from edgec.kernels import run

SIZES = st.integers(1, 40)
ARITHMETIC = (Add, Sub, Mul, Div, Mod, Minimum, Maximum)
COMPARISONS = (Equal, Less, LessEqual, Greater, GreaterEqual)


def agrees(build: Callable[[Builder, Value], Op], n: int, m: int, *, known: bool = True) -> None:
    """The contents of an op on the dims [N, M] of a tensor, at N = n, M = m, are its result."""
    b = Builder()
    x = b.input("x", dtypes.f32, ("N", "M"))
    op = build(b, b.add(DimsOf(x)).result)
    graph = b.output(y=op.result)
    found = contents(op.result)
    assert (found is not None) or not known
    if found is None:
        return
    computed = run(graph, [np.zeros((n, m), np.float32)])["y"]
    at = [evaluate(dim, {"N": n, "M": m}) for dim in found.reshape(-1)]
    assert at == [int(element) for element in computed.reshape(-1)]


@settings(deadline=None, max_examples=15)
@given(n=SIZES, m=SIZES, k=st.integers(1, 9))
@pytest.mark.parametrize("cls", ARITHMETIC)
def test_integer_arithmetic(cls: type[Op], n: int, m: int, k: int) -> None:
    agrees(lambda b, dims: b.add(cls(dims, b.const(k, dtypes.i64))), n, m)


@settings(deadline=None, max_examples=15)
@given(n=SIZES, m=SIZES, k=st.integers(-3, 9))
@pytest.mark.parametrize("cls", COMPARISONS)
def test_comparisons_are_known_only_when_they_are_true_for_every_size(
    cls: type[Op], n: int, m: int, k: int
) -> None:
    agrees(lambda b, dims: b.add(cls(dims, b.const(k, dtypes.i64))), n, m, known=k < 0)


@settings(deadline=None, max_examples=15)
@given(n=SIZES, m=SIZES)
@pytest.mark.parametrize("cls", [ReduceSum, ReduceProd, ReduceMax, ReduceMin])
def test_reductions(cls: type[Op], n: int, m: int) -> None:
    agrees(lambda b, dims: b.add(cls(dims, axes=(0,), keepdims=False)), n, m)


@pytest.mark.parametrize("rounding", [None, Floor, Ceil])
@settings(deadline=None, max_examples=15)
@given(n=SIZES, m=SIZES, scale=st.sampled_from((0.25, 0.5, 1.5, 2.0)), d=st.integers(1, 7))
def test_float_arithmetic_between_two_casts(
    rounding: type[Op] | None, n: int, m: int, scale: float, d: int
) -> None:
    def build(b: Builder, dims: Value) -> Op:
        real = b.add(Cast(dims, to=dtypes.f32)).result
        scaled = b.add(Mul(real, b.const(scale, dtypes.f32))).result
        whole = b.add(Div(scaled, b.const(float(d), dtypes.f32))).result
        moved = b.add(Add(whole, b.const(1.0, dtypes.f32))).result
        back = b.add(Sub(moved, b.const(1.0, dtypes.f32))).result
        last = back if rounding is None else b.add(rounding(back)).result
        return b.add(Cast(last, to=dtypes.i64))

    agrees(build, n, m)


def test_half_a_height_reads_as_a_quotient() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, ("H",))
    real = b.add(Cast(b.add(DimsOf(x)).result, to=dtypes.f32)).result
    half = b.add(Floor(b.add(Mul(real, b.const(0.5, dtypes.f32))).result)).result
    found = contents(b.add(Cast(half, to=dtypes.i64)).result)
    assert found is not None
    assert [str(dim) for dim in found] == ["H//2"]


def test_a_factor_that_is_no_short_fraction_is_not_followed() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, ("H",))
    real = b.add(Cast(b.add(DimsOf(x)).result, to=dtypes.f32)).result
    tenth = b.add(Mul(real, b.const(0.1, dtypes.f32))).result
    assert contents(b.add(Cast(tenth, to=dtypes.i64)).result) is None


def test_a_negative_or_unknown_number_is_not_divided_by() -> None:
    for divisor in (0, -2):
        b = Builder()
        dims = b.add(DimsOf(b.input("x", dtypes.f32, ("N",)))).result
        assert contents(b.add(Div(dims, b.const(divisor, dtypes.i64))).result) is None
        assert contents(b.add(Mod(dims, b.const(divisor, dtypes.i64))).result) is None


@settings(deadline=None, max_examples=15)
@given(n=SIZES, m=SIZES)
def test_choices_and_logic(n: int, m: int) -> None:
    def build(b: Builder, dims: Value) -> Op:
        positive = b.add(Greater(dims, b.const(-1, dtypes.i64))).result
        negative = b.add(Not(positive)).result
        one = b.add(Or(positive, negative)).result
        zero = b.add(And(one, negative)).result
        cond = b.add(Xor(zero, one)).result
        flipped = b.add(Neg(dims)).result
        back = b.add(Abs(flipped)).result
        return b.add(Where(cond, back, flipped))

    agrees(build, n, m)


def test_a_cast_that_does_not_fit_is_not_followed() -> None:
    b = Builder()
    assert contents(b.add(Cast(b.const(300, dtypes.i64), to=dtypes.i8)).result) is None
    small = contents(b.add(Cast(b.const(-3, dtypes.i64), to=dtypes.i8)).result)
    assert small is not None
    assert small[()] == -3
    dims = b.add(DimsOf(b.input("x", dtypes.f32, ("N",)))).result
    assert contents(b.add(Cast(dims, to=dtypes.i8)).result) is None


def test_symbols_survive() -> None:
    b = Builder()
    dims = b.add(DimsOf(b.input("x", dtypes.f32, ("N", "M")))).result
    total = contents(b.add(ReduceProd(dims, axes=(0,), keepdims=False)).result)
    assert total is not None
    assert set(symbols(total[()])) == {"N", "M"}


def test_what_would_wrap_is_not_followed() -> None:
    b = Builder()
    small, big = b.const(100, dtypes.i8), b.const(2**31 - 1, dtypes.i32)
    assert contents(b.add(Add(small, small)).result) is None
    assert contents(b.add(Mul(big, big)).result) is None
    assert contents(b.add(Sub(b.const(1, dtypes.u8), b.const(2, dtypes.u8))).result) is None
    assert contents(b.add(Neg(b.const(-128, dtypes.i8))).result) is None
