"""The text form: what is printed reads back as the same graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.ir import (
    Array,
    Builder,
    Constant,
    DType,
    Error,
    Graph,
    Op,
    Quant,
    Range,
    Strs,
    TensorType,
    Types,
    Value,
    attr,
    dtypes,
    op_classes,
    operand,
    parse_graph,
    print_graph,
    print_op,
    symbol,
    verify,
)
from edgec.ir.op import Floats
from edgec.ir.ops import Add, If, Relu, Reshape
from edgec.ir.printer import INLINE_ELEMENTS

NAMES = st.text(min_size=1, max_size=12)
SYMBOLS = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda name: name.isprintable() and name == name.strip()
)
SPECIALS = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, 0.1, 1e-40]


class Tagged(Op):
    """An op of the tests, with attributes of many kinds."""

    x: Value = operand()
    label: str = attr(default="")
    labels: Strs = attr(default=())
    scale: float = attr(default=1.0)
    scales: Floats = attr(default=())
    flag: bool = attr(default=False)
    count: int | None = attr(default=0)
    dtype: DType = attr(default=dtypes.f32)

    def infer(self) -> Types:
        return (self.x.type,)


@pytest.fixture
def tagged(monkeypatch: pytest.MonkeyPatch) -> type[Tagged]:
    """``Tagged`` as a declared op, for one test."""
    monkeypatch.setattr(Tagged, "op_name", "test.tagged")
    monkeypatch.setitem(op_classes(), "test.tagged", Tagged)  # type: ignore[arg-type]
    return Tagged


def weights(graph: Graph) -> dict[str, Array]:
    return {constant.weight.digest: constant.array for constant in graph.constants}


def again(graph: Graph) -> Graph:
    """The graph read back from its own text, which prints the same."""
    text = print_graph(graph)
    found = parse_graph(text, weights(graph))
    assert print_graph(found) == text
    return found


def one_op(name: str = "x", hint: str = "", dims: Any = (2,)) -> Graph:
    b = Builder()
    made = b.add(Relu(b.input(name, dtypes.f32, dims), hints=[hint]))
    return b.output(y=made.result)


# -- names ----------------------------------------------------------------------------------------


@given(NAMES, NAMES, NAMES, NAMES)
def test_any_text_may_be_a_name(graph_name: str, name: str, output: str, node: str) -> None:
    b = Builder(graph_name)
    x = b.input(name, dtypes.f32, (2,))
    made = b.add(Relu(x, hints=[name], loc=(node, output)))
    b.finish([made.result], [output])
    b.graph.metadata[name] = output
    found = again(b.graph)
    verify(found)
    (op,) = found.ops
    assert (found.name, found.input_names, found.output_names) == (graph_name, (name,), (output,))
    assert (op.loc, found.metadata) == ((node, output), {name: output})


@pytest.mark.parametrize(
    "name",
    [
        "nan",
        "inf",
        "nan.1",
        "-inf",
        "q",
        "loc",
        "return",
        "meta",
        "f32",
        "graph",
        "_",
        "0",
        "1e5",
        "²",
        "a:0",
        "a=b",
        "%a",
        '"',
        "\\",
        "",
    ],
)
def test_names_that_look_like_syntax_read_back(name: str) -> None:
    b = Builder(name)
    x = b.input(name or "x", dtypes.f32, (2,))
    made = b.add(Relu(x, hints=[name]))
    b.finish([made.result, b.const(np.zeros(20, np.float32), hint=name)], [name or "y", "z"])
    found = again(b.graph)
    assert (found.name, found.input_names) == (name, (name or "x",))
    assert found.output_names == (name or "y", "z")


def test_an_input_whose_name_is_a_number_keeps_it() -> None:
    assert again(one_op(name="0")).input_names == ("0",)


def test_equal_hints_are_made_different() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, (2,))
    first = b.add(Relu(x, hints=["x"]))
    second = b.add(Relu(first.result, hints=["x"]))
    text = print_graph(b.output(y=second.result))
    assert "%x.1 = act.relu %x " in text
    assert "%x.2 = act.relu %x.1 " in text
    again(b.graph)


def test_a_made_name_does_not_meet_one_that_is_there() -> None:
    b = Builder()
    value = b.input("x.1", dtypes.f32, (2,))
    for _ in range(3):
        value = b.add(Relu(value, hints=["x"])).result
    again(b.output(y=value))


# -- types and dims -------------------------------------------------------------------------------


@given(SYMBOLS)
def test_any_printable_text_may_be_a_symbol(name: str) -> None:
    n = symbol(name)
    found = again(one_op(dims=(n, n * 2 + 1, (n + 7) // 4)))
    assert found.inputs[0].type.dims == (n, n * 2 + 1, (n + 7) // 4)


@pytest.mark.parametrize("name", ["a>b", "a<b", "it's", "back\\slash", "a]b", "a,b", "(", "a b"])
def test_symbols_that_look_like_syntax_read_back_in_attributes(name: str) -> None:
    n = symbol(name)
    b = Builder()
    x = b.input("x", dtypes.f32, (n, 4))
    again(b.output(y=b.add(Reshape(x, to=(4, n))).result))


@given(
    st.lists(st.floats(min_value=1e-30, max_value=1e30), min_size=3, max_size=3),
    st.integers(-128, 0),
    st.integers(0, 127),
    st.sampled_from([None, 0, 1]),
)
def test_quantized_types_read_back(scales: list[float], low: int, high: int, axis: Any) -> None:
    count = 3 if axis is not None else 1
    quant = Quant(tuple(scales[:count]), (low,) * count, axis, low, high)
    b = Builder()
    x = b.add_input("x", TensorType(dtypes.i8, (3, 3), quant))
    data = np.arange(9, dtype=np.int8).reshape(3, 3)
    weight = Constant(data, hint="w", type=TensorType(dtypes.i8, (3, 3), quant))
    found = again(b.output(y=x, w=weight))
    assert [value.type.quant for value in found.outputs] == [quant, quant]


# -- constants ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_inline_constants_keep_every_bit(dtype: DType) -> None:
    numbers = SPECIALS if dtype.is_float else [*dtype.limits, 0, 1]
    with np.errstate(all="ignore"):
        data = np.array(numbers, dtype=object).astype(dtype.numpy)
    b = Builder()
    graph = b.output(y=b.const(data.reshape(-1, 2)), scalar=b.const(data[0]))
    assert "sha256" not in print_graph(graph)
    for before, after in zip(graph.outputs, again(graph).outputs, strict=True):
        assert isinstance(before, Constant)
        assert isinstance(after, Constant)
        assert after.type == before.type
        known = ~np.isnan(before.array.astype(float))  # of a NaN, sign and payload are not kept
        assert before.array[known].tobytes() == after.array[known].tobytes()
        assert np.isnan(after.array[~known].astype(float)).all()


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_larger_constants_are_declared_by_digest(dtype: DType) -> None:
    data = np.arange(INLINE_ELEMENTS + 1).astype(dtype.numpy)
    b = Builder()
    graph = b.output(y=b.const(data, hint="w"), z=b.const(data, hint="w"))
    assert print_graph(graph).count("sha256:") == 2
    found = again(graph).outputs[0]
    assert isinstance(found, Constant)
    assert found.array.tobytes() == data.tobytes()


def test_an_empty_constant_reads_back() -> None:
    b = Builder()
    again(b.output(y=b.const(np.zeros((0, 3), np.int64))))


def test_a_placeholder_has_the_numbers_of_its_name() -> None:
    texts = ["graph g() { return y=@w[3,4] }", "graph g() { return y=@w[3,4] }",
             "graph g() { return y=@v[3,4] }"]  # fmt: skip
    first, second, other = (parse_graph(text).outputs[0] for text in texts)
    assert isinstance(first, Constant)
    assert isinstance(second, Constant)
    assert isinstance(other, Constant)
    assert first.weight.digest == second.weight.digest != other.weight.digest
    assert (np.abs(first.array) >= 0.25).all()


def test_one_placeholder_may_be_read_many_times() -> None:
    text = "graph g(%x: f32[4]) { %a = math.add %x, @w[4]  %b = math.add %a, @w[4]  return y=%b }"
    assert len(parse_graph(text).constants) == 1


def test_a_placeholder_may_have_another_type() -> None:
    (constant,) = parse_graph("graph g() { return y=@w:i64[2,9] }").constants
    assert str(constant.type) == "i64[2,9]"


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_the_brief_form_reads_as_placeholders(dtype: DType) -> None:
    b = Builder()
    graph = b.output(y=b.const(np.ones((3, 4)).astype(dtype.numpy), hint="w"))
    brief = print_graph(graph, brief=True)
    assert print_graph(parse_graph(brief), brief=True) == brief


# -- attributes -----------------------------------------------------------------------------------

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(
    label=st.text(max_size=8),
    labels=st.lists(st.text(max_size=8), max_size=3),
    scale=FLOATS,
    scales=st.lists(FLOATS, max_size=3),
    flag=st.booleans(),
    count=st.none() | st.integers(-(1 << 70), 1 << 70),
    dtype=st.sampled_from(dtypes.ALL),
)
def test_attributes_of_every_kind_read_back(**values: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tagged, "op_name", "test.tagged")
        patch.setitem(op_classes(), "test.tagged", Tagged)  # type: ignore[arg-type]
        b = Builder()
        made = b.add(Tagged(b.input("x", dtypes.f32, ()), **values))
        found = again(b.output(y=made.result)).first
        assert found is not None
        assert repr(dict(found.attributes)) == repr(dict(made.attributes))


def test_minus_zero_is_not_the_default_zero(tagged: type[Tagged]) -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, ())
    graph = b.output(y=b.add(tagged(x, scales=(-0.0, 0.0))).result)
    assert "scales=[-0.0,0.0]" in print_graph(graph)


# -- regions and hand-written text -----------------------------------------------------------------


def test_regions_read_back_and_see_the_values_around_them() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, ("N", 2))
    cond = b.input("c", dtypes.boolean, ())
    then, other = (Builder(name, enclosing=b.graph) for name in ("then", "else"))
    branches = [
        then.output(a=then.add(Relu(x, hints=["x"])).result),
        other.output(a=other.add(Add(x, other.const(np.ones((1, 2), np.float32)))).result),
    ]
    found = again(b.output(y=b.add(If(cond, regions=branches)).result))
    verify(found)
    assert [region.name for op in found.ops for region in op.regions] == ["then", "else"]


def test_two_regions_may_use_the_same_name() -> None:
    graph = parse_graph("""graph g(%c: bool[], %x: f32[2]) {
      %y = control.if %c {
        graph a() { %t = act.relu %x  return %t }
        graph b() { %t = math.neg %x  return %t }
      }
      return y=%y
    }""")
    verify(graph)
    assert print_graph(graph).count("%t.1") == 2


def test_an_output_without_a_name_gets_that_of_its_value() -> None:
    graph = parse_graph("graph g(%x: f32[2]) { %a = act.relu %x  return %a, x=%x }")
    assert graph.output_names == ("a", "x")


def test_types_may_be_left_out_and_comments_put_in() -> None:
    graph = parse_graph(
        "# a comment\ngraph g(%x: f32[2]) { # another\n %a = act.relu %x return %a }"
    )
    verify(graph)


def test_symbols_of_the_text_are_not_given_to_new_values() -> None:
    graph = parse_graph("""graph g(%x: f32[2]) {
      %n = index.non_zero %x : i64[1,d0]
      %m = index.non_zero %n
      return y=%n, z=%m
    }""")
    first, second = (str(value.type) for value in graph.outputs)
    assert (first, second) == ("i64[1,d0]", "i64[2,d1]")


def test_op_lines_are_printed_alone_for_messages() -> None:
    graph = one_op(hint="y")
    assert graph.first is not None
    assert print_op(graph.first) == "%y = act.relu %x : f32[2]"


def test_a_malformed_graph_can_still_be_printed() -> None:
    graph = one_op()
    graph.terminator._attributes = {"names": ("y", "z")}
    assert "return %" in print_graph(graph)


def test_a_declared_constant_may_be_the_last_operand_before_the_types() -> None:
    """The colon after it begins the types of the results, not that of the constant."""
    numbers = np.arange(100, dtype=np.float32)
    text = """graph(%x: f32[1]) {{
  @c: f32[100] = sha256:{}
  %0, %1 = move.split @c, axis=0, parts=2 : f32[50], f32[50]
  return y=%0, z=%1
}}"""
    digest = Constant(numbers).weight.digest
    graph = parse_graph(text.format(digest), {digest: numbers})
    assert [str(value.type) for value in graph.outputs] == ["f32[50]", "f32[50]"]


def test_the_type_of_a_declared_constant_is_not_given_again() -> None:
    numbers = np.arange(100, dtype=np.float32)
    digest = Constant(numbers).weight.digest
    text = f"""graph(%x: f32[N]) {{
  @c: f32[100] = sha256:{digest}
  %0 = math.add %x, y=@c : f32[100]
  return y=%0
}}"""
    (output,) = parse_graph(text, {digest: numbers}).outputs
    assert output.type.dims == (100,)


def test_ranges_are_written_and_read() -> None:
    text = """graph g(%x: f32[1,3] in(-1.0,2.5)) {
  %y = act.relu %x : f32[1,3] in(0.0,2.5)
  return y=%y
}"""
    graph = parse_graph(text)
    assert graph.inputs[0].range == Range(-1.0, 2.5)
    assert print_graph(graph) == text
    assert print_graph(graph.clone()) == text


@pytest.mark.parametrize("bounds", ["2.0,1.0", "0.0,inf", "nan,1.0"])
def test_a_range_is_finite_and_in_order(bounds: str) -> None:
    with pytest.raises(Error, match="a range is finite and in order"):
        parse_graph(f"graph g(%x: f32[1] in({bounds})) {{ return y=%x }}")
