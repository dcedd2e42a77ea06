"""Attention's masks are no activations to choose a grid for."""

from __future__ import annotations

import pytest

from edgec.ir import Builder, Op, Range, dtypes
from edgec.ir.ops import Add, Softmax
from edgec.passes.quantize.plan import hides


def total(low: float, small: float) -> Op:
    """A sum of numbers in ±small and of a mask from ``low`` to 0."""
    b = Builder("masked")
    x, mask = (b.input(name, dtypes.f32, (1, 4)) for name in ("x", "mask"))
    x.range, mask.range = Range(-small, small), Range(low, 0.0)
    op = b.add(Add(x, mask))
    op.result.range = Range(low - small, small)
    b.output(y=b.add(Softmax(op.result, axis=1)).result)
    return op


@pytest.mark.parametrize(
    ("low", "small", "hidden"),
    [
        (-3.4e38, 5.0, True),
        (-1e9, 5.0, True),
        (-1e4, 5.0, True),
        (-1e4, 500.0, False),  # 12 steps are left
        (-100.0, 0.1, False),  # a small branch beside a large one
    ],
)
def test_a_mask_hides_what_it_is_added_to(low: float, small: float, hidden: bool) -> None:
    assert hides(total(low, small)) is hidden
