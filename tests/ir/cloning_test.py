"""Clones share nothing mutable; with bindings their types are inferred anew."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from edgec.ir import (
    Builder,
    Error,
    Graph,
    Rewriter,
    dtypes,
    parse_graph,
    print_graph,
    symbol,
    verify,
)
from edgec.ir.collector import collector_paused
from edgec.ir.ops import Add, Concat, Neg, NonZero, Relu, Reshape

DYNAMIC = """graph g(%x: f32[N,4], %c: bool[]) {
  meta "a" = "b"
  %r = act.relu %x : f32[N,4] loc("n")
  %y = control.if %c {
    graph then() {
      %p = move.concat [%r, %x], axis=1 : f32[N,8]
      return %p
    }
    graph else() {
      %q = move.concat [%x, %x], axis=1 : f32[N,8]
      return %q
    }
  } : f32[N,8]
  %z = move.reshape %y, to=[<N*8>] : f32[N*8]
  return z=%z
}"""


def test_a_clone_prints_the_same() -> None:
    graph = parse_graph(DYNAMIC)
    copied = graph.clone()
    verify(copied)
    assert print_graph(copied) == print_graph(graph)


def test_an_edit_of_the_clone_does_not_show_in_the_original() -> None:
    graph = parse_graph(DYNAMIC)
    before = print_graph(graph), graph.version
    copied = graph.clone()
    copied.metadata["a"] = "c"
    relu = copied.first
    assert relu is not None
    Rewriter(copied).replace_with(relu, Neg(copied.inputs[0]))
    verify(copied)
    assert (print_graph(graph), graph.version) == before


def test_clones_share_weights() -> None:
    b = Builder()
    graph = b.output(y=b.const(np.zeros(100, np.float32)))
    (first,), (second,) = graph.constants, graph.clone().constants
    assert first is not second
    assert first.weight is second.weight


def test_bindings_pin_symbols_everywhere() -> None:
    copied = parse_graph(DYNAMIC).clone({"N": 3})
    verify(copied)
    assert "N" not in print_graph(copied).replace("graph", "")
    assert [str(value.type) for value in copied.outputs] == ["f32[24]"]


def test_bindings_may_be_expressions() -> None:
    copied = parse_graph(DYNAMIC).clone({"N": symbol("M") * 2})
    verify(copied)
    assert str(copied.inputs[0].type) == "f32[2*M,4]"


def test_bindings_that_contradict_the_graph_are_refused_by_the_name_of_the_layer() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, ("N",))
    y = b.input("y", dtypes.f32, ("M",))
    graph = b.output(z=b.add(Add(x, y, loc=("sum",))).result)
    with pytest.raises(Error, match=r"with N=2, M=3\n.*math.add from sum: .*do not broadcast"):
        graph.clone({"N": 2, "M": 3})


def unknown_sizes() -> Graph:
    """A graph with sizes that only the run knows, the first of which nobody needs any more."""
    b = Builder()
    x = b.input("x", dtypes.f32, ("N",))
    dead = b.add(NonZero(x))
    kept = b.add(NonZero(x))
    n = kept.result.type.dims[1]
    flat = b.add(Reshape(kept.result, to=(n, 1)))
    graph = b.output(y=flat.result)
    b.erase(dead)
    return graph


def test_symbols_that_inference_made_up_keep_their_names() -> None:
    graph = unknown_sizes()
    copied = graph.clone({"N": 7})
    verify(copied)
    assert str(copied.outputs[0].type) == "i64[d1,1]"
    assert [str(op.result.type) for op in copied.ops] == ["i64[1,d1]", "i64[d1,1]"]


def test_a_clone_never_gives_a_symbol_twice() -> None:
    copied = unknown_sizes().clone({"N": 7})
    fresh = Rewriter(copied).add(NonZero(copied.inputs[0]))
    assert str(fresh.result.type) == "i64[1,d2]"


def test_values_from_outside_a_region_are_not_copied_with_it() -> None:
    copied = parse_graph(DYNAMIC).clone()
    branch = next(region for op in copied.ops for region in op.regions)
    assert set(branch.free_values) <= {
        copied.inputs[0],
        *(r for o in copied.ops for r in o.results),
    }


def test_the_collector_is_paused_and_goes_on_as_before() -> None:
    assert gc.isenabled()
    with collector_paused(), collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), collector_paused():
        print(1 // 0)
    assert gc.isenabled()


def test_ops_keep_their_places_in_a_clone_of_many() -> None:
    b = Builder()
    values = [b.input("x", dtypes.f32, (1,))]
    for index in range(50):
        values.append(b.add(Relu(values[index // 2])).result)
    graph = b.output(y=b.add(Concat(values, axis=0)).result)
    assert print_graph(graph.clone()) == print_graph(graph)
