"""The canonical hash: equal for isomorphic graphs, different for any other difference."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.ir import Constant, Graph, Range, Rewriter, canonical_hash, parse_graph
from edgec.ir.ops import Add, Relu

NET = """graph net(%x: f32[N,3,8,8]) {
  %c = nn.conv %x, w=f32[2,3,1,1](1, 2, 3, 4, 5, 6.0), bias=f32[2](0.5, 0.25) loc("first")
  %r = act.relu %c loc("second")
  %s = act.sigmoid %c loc("third")
  %y = math.mul %r, y=%s loc("last")
  %z = move.reshape %y, to=[<N>,128]
  return y=%y, z=%z
}"""

# The same under other names, with independent ops and commutative operands the other way round.
SAME = """graph other(%image: f32[batch,3,8,8]) {
  %a = nn.conv %image, w=f32[2,3,1,1](1, 2, 3, 4, 5, 6.0), bias=f32[2](0.5, 0.25)
  %gate = act.sigmoid %a
  %b = act.relu %a
  %m = math.mul %gate, y=%b
  %flat = move.reshape %m, to=[<batch>,128]
  return out=%m, flat=%flat
}"""

DIFFERENT = {
    "another op": ("act.relu", "math.abs"),
    "another attribute": ("move.reshape %y, to=[<N>,128]", "move.reshape %y, to=[<N*2>,64]"),
    "another operand": ("math.mul %r, y=%s", "math.mul %r, y=%r"),
    "another input": ("f32[N,3,8,8])", "f32[N,3,8,8], %unused: f32[])"),
    "another size": ("f32[N,3,8,8])", "f32[2,3,8,8])"),
    "another order of outputs": ("return y=%y, z=%z", "return z=%z, y=%y"),
}


def graph(text: str) -> Graph:
    return parse_graph(text)


def test_names_locations_ranges_and_order_do_not_count() -> None:
    first, second = graph(NET), graph(SAME)
    assert canonical_hash(first) == canonical_hash(second)
    for op in second.ops:
        op.result.range = Range(0.0, 1.0)
    assert canonical_hash(first) == canonical_hash(second)
    assert canonical_hash(first.clone()) == canonical_hash(first)


@pytest.mark.parametrize("what", DIFFERENT)
def test_everything_else_counts(what: str) -> None:
    old, new = DIFFERENT[what]
    changed = NET.replace(old, new)
    if "[N*2,64]" in new:
        changed = changed.replace("f32[N,128]", "f32[<N*2>,64]")
    changed = changed.replace("[N,", "[M,") if "[M," in new else changed
    for weights in (True, False):
        assert canonical_hash(graph(changed), weights=weights) != canonical_hash(
            graph(NET), weights=weights
        )


def test_the_elements_of_float_constants_count_with_weights_only() -> None:
    changed = graph(NET.replace("6.0)", "6.5)"))
    assert canonical_hash(changed) != canonical_hash(graph(NET))
    assert canonical_hash(changed, weights=False) == canonical_hash(graph(NET), weights=False)
    unbiased = graph(NET.replace(", bias=f32[2](0.5, 0.25)", ""))
    assert canonical_hash(unbiased, weights=False) != canonical_hash(graph(NET), weights=False)


def test_indices_count_without_weights() -> None:
    text = "graph g(%x: f32[4,2]) { %y = index.gather %x, indices=i64[1](INDEX)  return y=%y }"
    one, two = (graph(text.replace("INDEX", index)) for index in "12")
    assert canonical_hash(one, weights=False) != canonical_hash(two, weights=False)


def test_a_value_that_is_computed_twice_is_not_one_that_is_shared() -> None:
    once = graph("graph g(%x: f32[2]) { %a = act.relu %x  %y = math.add %a, y=%a  return y=%y }")
    twice = graph(
        "graph g(%x: f32[2]) { %a = act.relu %x  %b = act.relu %x  %y = math.add %a, y=%b"
        "  return y=%y }"
    )
    assert canonical_hash(once) != canonical_hash(twice)


def test_who_reads_which_of_two_equal_ops_counts() -> None:
    def net(first: str, second: str) -> str:
        return canonical_hash(
            graph(
                "graph g(%x: f32[2]) { %a = act.relu %x  %b = act.relu %x"
                f"  %y = math.sub %a, y={first}  %z = math.div %b, y={second}  return y=%y, z=%z }}"
            )
        )

    assert net("%a", "%b") != net("%b", "%a")
    assert net("%a", "%b") != net("%a", "%a")


def test_regions_count() -> None:
    text = """graph g(%x: f32[2], %c: bool[]) {
      %y = control.if %c {
        graph then() { %p = act.relu %x : f32[2]  return %p }
        graph else() { %q = math.neg %x : f32[2]  return %q }
      } : f32[2]
      return y=%y
    }"""
    swapped = text.replace("act.relu", "math.tmp").replace("math.neg", "act.relu")
    assert canonical_hash(graph(text)) == canonical_hash(graph(text))
    assert canonical_hash(graph(text)) != canonical_hash(
        graph(swapped.replace("math.tmp", "math.neg"))
    )


def test_long_chains_are_hashed_and_their_length_counts() -> None:
    def chain(length: int) -> Graph:
        found = Graph("chain", [("x", graph(NET).inputs[0].type)])
        rewriter, value = Rewriter(found), found.inputs[0]
        for index in range(length):
            made = Relu(value) if index % 2 else Add(value, Constant(np.ones(1, np.float32)))
            value = rewriter.add(made).result
        rewriter.finish([value], ["y"])
        return found

    assert canonical_hash(chain(5000)) == canonical_hash(chain(5000))
    assert canonical_hash(chain(5000)) != canonical_hash(chain(5002))
