"""The judge: what a graph's own rounding excuses, and what it never does."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.ir import Array, Graph, Op, parse_graph
from edgec.kernels import Executor, Judge, Mover, distance

PLAIN = """graph(%x: f32[1,64]) {
  %y = linalg.matmul %x, @w[64,8]
  return y=%y
}"""
# A relative error of 2^-24 in a sum of about 80 is one of 5e-6 in its exponential.
STEEP = """graph(%x: f32[1,64]) {
  %s = linalg.matmul %x, @w[64,8]
  %t = math.mul %s, f32[](40.0)
  %y = math.exp %t
  return y=%y
}"""
STEEP_INSIDE = """graph(%x: f32[1,64], %c: bool[]) {
  %y = control.if %c {
    graph then() {
      %s = linalg.matmul %x, @w[64,8]
      %t = math.mul %s, f32[](40.0)
      %u = math.exp %t
      return %u
    }
    graph else() {
      %v = linalg.matmul %x, @w[64,8]
      return %v
    }
  }
  return y=%y
}"""


def _inputs(graph: Graph) -> dict[str, Array]:
    x = np.random.default_rng(3).standard_normal((1, 64)).astype(np.float32) / 8
    known = {"x": x, "c": np.array(True)}
    return {name: known[name] for name in graph.input_names}


def _judge(text: str) -> Judge:
    graph = parse_graph(text)
    return Judge(graph, _inputs(graph))


def test_a_well_conditioned_graph_is_held_to_the_bound_of_its_reductions() -> None:
    judge = _judge(PLAIN)
    found = judge.compare("y", judge.expected["y"] * np.float32(1 + 1e-3))
    assert not found
    assert found.tolerance.relative == judge.tolerance.relative


@pytest.mark.parametrize("text", [STEEP, STEEP_INSIDE])
def test_a_graph_that_magnifies_rounding_is_asked_by_how_much(text: str) -> None:
    judge = _judge(text)
    expected = judge.expected["y"]
    moved = judge.movements()["y"]
    assert moved > judge.tolerance.relative, "else this graph shows nothing"
    assert judge.compare("y", expected * np.float32(1 + 2 * moved))
    assert not judge.compare("y", expected * np.float32(1 + 20 * moved))


def test_an_exact_judge_excuses_nothing() -> None:
    graph = parse_graph(STEEP)
    judge = Judge(graph, _inputs(graph), exact=True)
    assert not judge.compare("y", np.nextafter(judge.expected["y"], np.float32(0)))


def test_no_movement_excuses_another_answer() -> None:
    """However badly conditioned a graph is, an error of 6 % of the largest value is an error."""
    judge = _judge(STEEP.replace("40.0", "90.0"))
    expected = judge.expected["y"]
    assert np.isinf(expected).any(), "infinities are compared too, without a warning"
    assert not judge.compare("y", expected * np.float32(1.06))


def test_the_mover_moves_what_rounds_and_leaves_what_moves_elements() -> None:
    graph = parse_graph("""graph(%x: f32[1,64]) {
      %r = move.reshape %x, to=[64]
      %y = math.exp %r
      return y=%y
    }""")
    inputs = _inputs(graph)
    before: dict[str, Array] = {}
    Executor(graph).run(inputs, tap=lambda op, found: _keep(before, op, found))
    after: dict[str, Array] = {}
    mover = Mover()

    def move(op: Op, found: object) -> None:
        mover(op, found)  # type: ignore[arg-type]  # a tap's results
        _keep(after, op, found)

    Executor(graph).run(inputs, tap=move)
    assert np.array_equal(before["move.reshape"], after["move.reshape"])
    assert 0 < distance(after["math.exp"], before["math.exp"]) < 2**-20


def _keep(into: dict[str, Array], op: Op, found: object) -> None:
    assert isinstance(found, (list, tuple))
    into[op.op_name] = found[0].copy()
