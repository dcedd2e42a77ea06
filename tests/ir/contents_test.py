"""Following the elements of small integer tensors as dims."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.ir import Builder, Constant, as_contents, contents, dtypes, known_ints, symbol
from edgec.ir.contents import MAX_ELEMENTS, is_symbolic
from edgec.ir.ops import Add, CountOf, DimsOf, Reshape

N = symbol("N")


def test_a_constants_elements_are_known() -> None:
    assert known_ints(Constant(np.array([[1, -2], [3, 4]]))) == (1, -2, 3, 4)
    assert known_ints(Constant(np.array([True, False]))) == (1, 0)


def test_floats_are_no_contents() -> None:
    assert contents(Constant(np.array([1.0]))) is None
    assert known_ints(Constant(np.array([1.0]))) is None


def test_an_input_is_not_known() -> None:
    b = Builder()
    assert contents(b.input("x", dtypes.i64, (2,))) is None
    assert known_ints(None) is None


def test_dims_are_followed_through_arithmetic() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, ("N", 4))
    dims = b.add(DimsOf(x)).result
    total = b.add(Add(dims, b.const([1, 10]))).result
    found = contents(total)
    assert found is not None
    assert found.tolist() == [N + 1, 14]
    assert is_symbolic(found)
    assert known_ints(total) is None


def test_a_count_is_a_scalar() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, (2, 3))
    found = contents(b.add(CountOf(x)).result)
    assert found is not None
    assert (found.shape, found.item()) == ((), 6)


def test_a_computed_shape_becomes_dims() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, ("N", 4))
    shape = b.add(Add(b.add(DimsOf(x)).result, b.const([0, 0]))).result
    y = b.add(Reshape(x, shape)).result
    assert y.type.dims == (N, 4)


def test_a_table_of_indices_is_no_shape() -> None:
    assert contents(Constant(np.zeros(MAX_ELEMENTS, np.int64))) is not None
    assert contents(Constant(np.zeros(MAX_ELEMENTS + 1, np.int64))) is None


@pytest.mark.parametrize("elements", [[], [1, N], [[1, 2], [N, 4]], 7])
def test_contents_hold_dims_as_they_are(elements: object) -> None:
    assert as_contents(elements).tolist() == elements
