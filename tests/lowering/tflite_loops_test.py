"""Loops and scans as WHILE, through LiteRT, against the reference kernels."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.ir import Array, Graph, parse_graph
from edgec.kernels import run
from edgec.lowering.tflite import TfliteRunner, to_bytes, to_file

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'edgec[tflite]'")


def agree(graph: Graph, *arrays: Array) -> None:
    runner = TfliteRunner(to_bytes(graph))
    inputs = dict(zip(graph.input_names, arrays, strict=True))
    for _ in range(2):  # nothing is left of the first run
        found = runner.run(inputs)
    for name, expected in run(graph, list(arrays)).items():
        assert found[name].dtype == expected.dtype
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-6)


def builtins(graph: Graph) -> list[str]:
    return [o.builtin for each in to_file(graph).main.nested for o in each.operators]


# Doubles until the sum passes a limit, and keeps what it saw.
UNTIL = """graph g(%x: f32[3], %limit: f32[], %trip: i64[]) {
  %y, %seen, %numbers = control.loop TRIP, bool[](true), [%x] {
    graph body(%i: i64[], %c: bool[], %s: f32[3]) {
      %t = math.add %s, %s
      %sum = reduce.sum %t, axes=[0], keepdims=false
      %go = math.less %sum, %limit
      return %go, %t, %s, %i
    } }
  return y=%y, seen=%seen, numbers=%numbers
}"""


@pytest.mark.parametrize(
    ("trip", "way"),
    [
        ("i64[](9)", "DYNAMIC_UPDATE_SLICE"),
        ("%trip", "CONCATENATION"),
        ("i64[](9223372036854775807)", "CONCATENATION"),
    ],
)
@pytest.mark.parametrize("limit", [0.0, 20.0, 1e9])
def test_a_loop_that_ends_early(trip: str, way: str, limit: float) -> None:
    graph = parse_graph(UNTIL.replace("TRIP", trip))
    assert way in builtins(graph)
    given = [np.ones(3, np.float32), np.float32(limit), np.int64(7)]
    if trip.startswith("i64[](92") and limit == 1e9:
        given[1] = np.float32(1e3)
    agree(graph, *map(np.asarray, given))


def test_what_is_carried_may_grow() -> None:
    graph = parse_graph("""graph g(%x: f32[1,2], %first: f32[N,2], %n: i64[]) {
      %y = control.loop %n, carried=[%first] {
        graph body(%i: i64[], %c: bool[], %s: f32[?,2]) {
          %t = move.concat [%s, %x], axis=0
          %go = math.less %i, i64[](4)
          return %go, %t
        } }
      return y=%y
    }""")
    for rounds in (0, 1, 7):
        for given in (0, 1, 2):
            first = np.ones((given, 2), np.float32)
            agree(graph, np.float32([[1, -2]]), first, np.asarray(rounds))


def test_loops_in_loops_and_branches_in_them() -> None:
    """Each reads values of all the graphs around it."""
    graph = parse_graph("""graph g(%x: f32[2], %k: f32[2], %n: i64[]) {
      %y, %all = control.loop %n, carried=[%x] {
        graph outer(%i: i64[], %c: bool[], %s: f32[2]) {
          %u, %parts = control.loop i64[](3), carried=[%s] {
            graph inner(%j: i64[], %d: bool[], %r: f32[2]) {
              %p = math.mul %r, %k
              %odd = math.less %i, %j
              %q = control.if %odd {
                graph then() { %a = math.add %p, %x  return %a }
                graph else() { %b = math.sub %p, %s  return %b }
              }
              return %d, %q, %p
            } }
          return %c, %u, %parts
        } }
      return y=%y, all=%all
    }""")
    for rounds in (1, 4):
        agree(graph, np.float32([1, -2]), np.float32([0.5, -0.25]), np.asarray(rounds))


@pytest.mark.parametrize("steps", ["5", "T"])
@pytest.mark.parametrize("back", [0, 1])
def test_a_scan_of_any_length(steps: str, back: int) -> None:
    graph = parse_graph(f"""graph g(%x: f32[2,{steps},3], %h: f32[2,3]) {{
      %last, %all = control.scan [%h, %x], scan_inputs=1, input_axes=[1],
          output_axes=[-1], input_directions=[{back}],
          output_directions=[{back}] {{
        graph body(%s: f32[2,3], %part: f32[2,3]) {{
          %t = act.tanh %s
          %u = math.add %t, %part
          return %u, %u
        }} }}
      return last=%last, all=%all
    }}""")
    for length in (5,) if steps == "5" else (1, 5, 2):
        x = np.random.default_rng(length).standard_normal((2, length, 3)).astype(np.float32)
        agree(graph, x, np.ones((2, 3), np.float32))
