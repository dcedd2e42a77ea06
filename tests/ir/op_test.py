"""Declaring ops, giving them operands and attributes, and types checked at birth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgec.ir import (
    ANY,
    Builder,
    Constant,
    Dims,
    DType,
    Elementwise,
    Error,
    Ints,
    Linear,
    Op,
    OpError,
    Quant,
    Strs,
    TensorType,
    Types,
    Value,
    attr,
    dtypes,
    op_classes,
    operand,
    parse_graph,
    symbol,
    variadic,
    verify,
)
from edgec.ir.op import Floats

N = symbol("N")
F32 = TensorType(dtypes.f32, (2,))


class Sample(Op, traits=(Elementwise, Linear("x"))):
    """An op of the tests; without a name it is not declared."""

    x: Value = operand()
    y: Value | None = operand(default=None)
    rest: tuple[Value, ...] = variadic()
    axis: int = attr()
    keep: bool = attr(default=True)
    alpha: float = attr(default=0.5)
    mode: str = attr(default="a")
    pads: Ints = attr(default=())
    scales: Floats = attr(default=())
    words: Strs = attr(default=())
    to: Dims | None = attr(default=None)
    dtype: DType = attr(default=dtypes.f32)

    def infer(self) -> Types:
        return (self.x.type,)


def x() -> Value:
    return Value(F32, hint="x")


# -- operands --------------------------------------------------------------------------------------


def test_operands_are_read_by_name() -> None:
    a, b, c = x(), x(), x()
    op = Sample(a, None, (b, c), axis=0)
    assert (op.x, op.y, op.rest) == (a, None, (b, c))
    assert list(op.operands) == [a, None, b, c]
    assert [op.operand_name(i) for i in range(4)] == ["x", "y", "rest", "rest"]


def test_operands_may_be_given_by_name() -> None:
    a, b = x(), x()
    assert Sample(x=a, rest=[b], axis=0).rest == (b,)


def test_a_missing_operand_is_named() -> None:
    with pytest.raises(OpError, match="wants operand 'x'"):
        Sample(axis=0)


def test_an_operand_too_many_is_counted() -> None:
    with pytest.raises(OpError, match="takes 3 operands, found 4"):
        Sample(x(), x(), (), x(), axis=0)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(OpError, match="no attribute or operand 'speed'"):
        Sample(x(), axis=0, speed=3)


# -- attributes ------------------------------------------------------------------------------------


def test_a_required_attribute_is_missed_even_when_others_are_given() -> None:
    with pytest.raises(OpError, match="wants attribute 'axis'"):
        Sample(x())
    with pytest.raises(OpError, match="wants attribute 'axis'"):
        Sample(x(), keep=False, mode="b")


def test_defaults_are_not_stored() -> None:
    op = Sample(x(), axis=0, keep=True, alpha=0.5, mode="a", pads=[], dtype=dtypes.f32)
    assert dict(op.attributes) == {"axis": 0}
    assert (op.keep, op.attribute("alpha"), op.pads) == (True, 0.5, ())


def test_lists_and_numpy_scalars_become_immutable_python() -> None:
    op = Sample(x(), axis=np.int64(1), pads=[np.int32(1), 2], alpha=np.float32(2.0), to=[N, 3])
    assert dict(op.attributes) == {"axis": 1, "pads": (1, 2), "alpha": 2.0, "to": (N, 3)}
    assert type(op.axis) is int
    assert all(type(pad) is int for pad in op.pads)


def test_ints_given_for_floats_become_floats() -> None:
    op = Sample(x(), axis=0, alpha=2, scales=(1, 2))
    assert [type(op.alpha), *map(type, op.scales)] == [float, float, float]


def test_minus_zero_is_another_value_than_zero() -> None:
    class Zero(Sample):
        bias: float = attr(default=0.0)

    assert "bias" in Zero(x(), axis=0, bias=-0.0).attributes
    assert "bias" not in Zero(x(), axis=0, bias=0.0).attributes


@pytest.mark.parametrize(
    ("name", "value"),
    [("axis", 1.0), ("axis", True), ("axis", None), ("keep", 1), ("alpha", "1"), ("alpha", True),
     ("mode", 3), ("pads", 1), ("pads", (1.5,)), ("pads", (True,)), ("scales", (True,)),
     ("words", ("a", 1)), ("words", "ab"), ("to", (1.5,)), ("dtype", "f32")],
)  # fmt: skip
def test_an_attribute_of_the_wrong_kind_is_refused(name: str, value: Any) -> None:
    fields = {"axis": 0, name: value}
    with pytest.raises(OpError, match=f"wants attribute '{name}' as"):
        Sample(x(), **fields)


# -- copies and traits -----------------------------------------------------------------------------


def test_a_copy_carries_everything_but_the_changes() -> None:
    op = Sample(x(), None, (x(),), axis=1, mode="b", loc=("n",))
    other = x()
    copy = op.copy(y=other, mode="c")
    assert (copy.x, copy.y, copy.rest) == (op.x, other, op.rest)
    assert (dict(copy.attributes), copy.loc) == ({"axis": 1, "mode": "c"}, ("n",))
    assert copy.graph is None


def test_a_copy_may_change_a_variadic_operand() -> None:
    a, b = x(), x()
    assert Sample(x(), None, (a,), axis=0).copy(rest=(b, a)).operands[2:] == [b, a]


def test_traits_are_asked_by_class() -> None:
    assert Sample.has(Elementwise)
    linear = Sample.trait(Linear)
    assert isinstance(linear, Linear)
    assert linear.operand == "x"


def test_an_op_without_a_name_is_not_declared() -> None:
    assert Sample not in op_classes().values()


def test_a_name_cannot_be_declared_twice() -> None:
    with pytest.raises(TypeError, match="declared twice"):
        type("Again", (Op,), {}, name="act.relu")


# -- types -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [(-1,), (2.0,), ("N",), (None,), (np.float32(1),)], ids=str)
def test_a_type_with_dims_that_are_none_is_refused(dims: Any) -> None:
    with pytest.raises(ValueError, match="a dimension is"):
        TensorType(dtypes.f32, dims)


def test_types_are_compared_by_what_they_say() -> None:
    assert TensorType(dtypes.f32, (N, 3)) == TensorType(dtypes.f32, (symbol("N"), 3))
    assert TensorType(dtypes.f32, (3,)) != TensorType(dtypes.f16, (3,))
    assert hash(TensorType(dtypes.f32, (N,))) == hash(TensorType(dtypes.f32, (N,)))


def test_static_dims_are_known_only_when_all_are() -> None:
    assert TensorType(dtypes.f32, (2, 3)).static_dims == (2, 3)
    assert TensorType(dtypes.f32, (2, N)).static_dims is None
    assert TensorType(dtypes.f32, ()).is_static


@pytest.mark.parametrize(
    ("a", "b", "compatible"),
    [((2, N), (2, 3), True), ((N,), (N * 2,), True), ((2,), (3,), False), ((N,), (N + 1,), False),
     ((2,), (2, 1), False), ((ANY,), (7,), True)],
)  # fmt: skip
def test_compatible_types_are_those_that_could_be_equal(a: Any, b: Any, compatible: bool) -> None:
    first, second = TensorType(dtypes.f32, a), TensorType(dtypes.f32, b)
    assert first.compatible(second) == second.compatible(first) == compatible


def test_sizes_count_packed_bytes() -> None:
    assert TensorType(dtypes.i4, (3, 3)).nbytes() == 5
    assert TensorType(dtypes.f32, (N, 3)).nbytes({"N": 2}) == 24
    assert TensorType(dtypes.f32, (N, 3)).elements() == 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [(((1.0, 1.0), (0,), 0, -8, 7), "zero point per scale"),
     (((1.0, 1.0), (0, 0), None, -8, 7), "exactly one scale"),
     (((0.0,), (0,), None, -8, 7), "positive and finite"),
     (((float("nan"),), (0,), None, -8, 7), "positive and finite"),
     (((1.0,), (9,), None, -8, 7), "must lie in")],
)  # fmt: skip
def test_a_quantization_that_means_nothing_is_refused(fields: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Quant(*fields)


@pytest.mark.parametrize(("axis", "count"), [(1, 2), (5, 3), (-1, 3)])
def test_a_quantization_axis_fits_the_dims(axis: int, count: int) -> None:
    with pytest.raises(ValueError, match="axis"):
        TensorType(dtypes.i8, (3, 3), Quant((1.0,) * count, (0,) * count, axis, -8, 7))


def test_a_constant_has_the_type_of_its_array() -> None:
    assert str(Constant(np.zeros((2, 3), np.float16)).type) == "f16[2,3]"


def test_an_element_type_that_edgec_lacks_is_refused() -> None:
    with pytest.raises(KeyError):
        Builder().const(np.zeros(2, np.complex64))


def test_dims_and_ranks_that_no_array_has_are_refused() -> None:
    TensorType(dtypes.f32, (2**63 - 1,) * 64)
    with pytest.raises(ValueError, match="too large"):
        TensorType(dtypes.f32, (2**63,))
    with pytest.raises(ValueError, match="64 dimensions at most"):
        TensorType(dtypes.f32, (1,) * 65)


def test_a_fill_wants_a_value_of_its_type() -> None:
    with pytest.raises(Error, match=r"0…255, found 256"):
        verify(parse_graph("graph() { %y = shape.fill i64[0](), value=256, dtype=u8 return y=%y }"))
