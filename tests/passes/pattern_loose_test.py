"""Patterns that are not closed, and products: what they match, and what keeps them from it."""

from __future__ import annotations

from itertools import permutations

import pytest

from edgec.ir import Return, parse_graph
from edgec.ir.ops import Add, Conv, Mul, Relu, Sigmoid
from edgec.passes import ANY, Match, Miss, Pattern, loose, node, try_match, var
from edgec.passes.fuse.product import product


def matched(pattern_of: object, text: str) -> Match | Miss:
    """The match of a pattern at the last op of a graph."""

    class Rule(Pattern):
        match = pattern_of  # type: ignore[assignment]

    graph = parse_graph(text)
    last = [op for op in graph.ops if not isinstance(op, Return)][-1]
    return try_match(Rule(), last)


CONV = "%c = nn.conv %x, w=@w[4,3,3,3], bias=@b[4], pads=[1,1,1,1] {} %y = act.relu %c  return y=%y"
RELU_OF_CONV = loose(Relu, loose(Conv, ANY @ "x") @ "conv")


def graph_text(body: str) -> str:
    return f"graph(%x: f32[1,3,5,5]) {{ {body} }}"


def test_a_loose_pattern_admits_operands_and_attributes() -> None:
    found = matched(RELU_OF_CONV, graph_text(CONV.format("")))
    assert isinstance(found, Match)
    assert isinstance(found.root, Relu)
    assert found.x is found.conv.x


def test_a_loose_pattern_wants_the_interior_for_itself() -> None:
    text = graph_text(CONV.format("").replace("y=%y", "y=%y, c=%c"))
    assert matched(RELU_OF_CONV, text) == Miss("the result of nn.conv has other uses", near=True)


def test_an_interior_value_that_the_pattern_also_captures_is_no_interior() -> None:
    pattern = node(Add, node(Relu, var("x")), ANY @ "kept")
    both = "graph(%x: f32[2]) { %r = act.relu %x %y = math.add %r, y=%r return y=%y }"
    assert matched(pattern, both) == Miss("the result of act.relu has other uses", near=True)


def test_an_op_that_the_pattern_reaches_twice_may_be_read_twice() -> None:
    pattern = node(Mul, node(Relu, var("x")), node(Sigmoid, node(Relu, var("x"))))
    text = (
        "graph(%x: f32[2]) { %r = act.relu %x %s = act.sigmoid %r %y = math.mul %r, y=%s "
        "return y=%y }"
    )
    assert isinstance(matched(pattern, text), Match)


GATED = product(node(Sigmoid, var("x")), var("x"), factor=1.5)


@pytest.mark.parametrize("order", list(permutations(("%x", "%s", "f32[](3.0)"))))
@pytest.mark.parametrize("left", [True, False])
def test_a_product_matches_in_every_order(order: tuple[str, str, str], left: bool) -> None:
    a, b, c = order
    inner, outer = ("%p", c) if left else (c, "%p")
    body = f"%s = act.sigmoid %x %p = math.mul {a}, y={b} %q = math.mul {inner}, y={outer}"
    text = f"graph(%x: f32[2]) {{ {body} %y = math.div %q, y=f32[](2.0) return y=%y }}"
    assert isinstance(matched(GATED, text), Match)


@pytest.mark.parametrize(
    "last",
    [
        "math.mul %p, y=f32[](1.25)",  # another number
        "math.div f32[](1.5), y=%p",  # a quotient
        "math.mul %p, y=%x",  # a further factor
    ],
)
def test_another_product_does_not_match(last: str) -> None:
    body = f"%s = act.sigmoid %x %p = math.mul %x, y=%s %y = {last}"
    found = matched(GATED, f"graph(%x: f32[2]) {{ {body} return y=%y }}")
    assert isinstance(found, Miss)


def test_a_partial_product_that_is_read_elsewhere_is_a_factor_of_its_own() -> None:
    body = "%s = act.sigmoid %x %p = math.mul %x, y=%s %y = math.mul %p, y=f32[](1.5)"
    found = matched(GATED, f"graph(%x: f32[2]) {{ {body} return y=%y, p=%p }}")
    assert isinstance(found, Miss)


def test_an_op_class_is_enough() -> None:
    text = "graph(%x: f32[2]) { %y = act.sigmoid %x return y=%y }"
    assert isinstance(matched(loose((Relu, Sigmoid)), text), Match)
