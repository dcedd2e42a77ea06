"""The symbolic length of a slice is its length at every size."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from edgec.ir import ANY, Dim, evaluate, symbol
from edgec.ir.ops.movement_parts import sliced_dim, slices

N = symbol("N")
FAR = (2**31 - 1, 2**63 - 1, -(2**31), -(2**63))
BOUNDS = st.one_of(st.integers(-12, 12), st.sampled_from(FAR))


def length(size: int, start: int, end: int, step: int) -> int:
    (found,) = slices((size,), (0,), (start,), (end,), (step,))
    return len(np.arange(size)[found])


@given(
    n=st.integers(0, 6),
    dim=st.sampled_from([N, N + 2, 2 * N, 8 * (N // 2)]),
    start=BOUNDS,
    end=BOUNDS,
    step=st.sampled_from([1, 2, 3, -1, -2]),
)
@example(n=3, dim=2 * N, start=1, end=FAR[1], step=2)
@example(n=0, dim=N, start=1, end=FAR[1], step=2)
@example(n=4, dim=N, start=-1, end=FAR[3], step=-1)
def test_a_symbolic_length_is_exact(n: int, dim: Dim, start: int, end: int, step: int) -> None:
    found = sliced_dim(dim, start, end, step)
    if found is ANY:
        assert step < 0, "a forward slice with known bounds has a known length"
        return
    assert evaluate(found, {"N": n}) == length(evaluate(dim, {"N": n}), start, end, step)


@given(n=st.integers(0, 6), start=st.integers(-8, 8), end=st.integers(-8, 8))
def test_forward_slices_are_those_of_python(n: int, start: int, end: int) -> None:
    assert length(n, start, end, 1) == len(range(n)[start:end])


def test_every_second_of_an_even_number() -> None:
    assert sliced_dim(2 * N, 0, FAR[1], 2) == N
    assert sliced_dim(2 * N, 1, FAR[1], 2) == N


def test_a_backward_slice_starts_in_range() -> None:
    """ONNX clamps the start of a backward slice to 0 at least, where Python finds nothing."""
    assert length(5, -100, FAR[3], -1) == 1
