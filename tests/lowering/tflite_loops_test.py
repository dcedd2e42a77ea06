"""Loops and scans as WHILE, through LiteRT, against the reference kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgec.ir import Array, Builder, Graph, Value, dtypes, parse_graph, sample_graph
from edgec.ir.ops import Gru, Lstm, Rnn
from edgec.ir.ops.recurrent import Recurrent
from edgec.kernels import Judge, run
from edgec.lowering.tflite import TfliteRunner, check_expressible, recurrent, to_bytes, to_file

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


@pytest.mark.parametrize("cls", [Lstm, Gru, Rnn])
def test_recurrent_layers_of_many_steps(
    cls: type[Recurrent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The samples have few: here every one of them is a WHILE."""
    monkeypatch.setattr(recurrent, "MOST_STEPS", 0)
    compared = 0
    for seed in range(30):
        graph, data = sample_graph(cls, seed)
        if check_expressible(graph):
            continue
        assert "WHILE" in builtins(graph)
        inputs = dict(zip(graph.input_names, data, strict=True))
        found = TfliteRunner(to_bytes(graph)).run(inputs)
        judge = Judge(graph, inputs, factor=4)  # as in tflite_test.py
        assert all(judge.compare(output, found[output]) for output in judge.expected), seed
        compared += 1
    assert compared >= 10


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_steps_and_batch_that_are_not_known(direction: str) -> None:
    b = Builder("open")
    x = b.input("x", dtypes.f32, ("T", "B", 3))
    weights, more = _lstm_weights(b, direction)
    op = b.add(Lstm(x, *weights, direction=direction, **more))
    graph = b.output(y=op.results[0], h=op.results[1], c=op.results[2])
    for steps, batch in ((1, 1), (9, 2), (4, 3)):
        agree(graph, np.random.default_rng(0).standard_normal((steps, batch, 3)).astype("float32"))


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("peepholes", [False, True])
def test_the_builtin_lstm_starts_from_zero_each_time(direction: str, peepholes: bool) -> None:
    b = Builder("lstm")
    x = b.input("x", dtypes.f32, (5, 2, 3))
    weights, more = _lstm_weights(b, direction, peepholes=peepholes)
    op = b.add(Lstm(x, *weights, direction=direction, **more))
    graph = b.output(y=op.results[0], h=op.results[1])
    assert {o.builtin for o in to_file(graph, builtin_lstm=True).main.operators} <= {
        "UNIDIRECTIONAL_SEQUENCE_LSTM", "REVERSE_V2", "STRIDED_SLICE", "PACK", "RESHAPE"
    }  # fmt: skip
    x_given = np.random.default_rng(0).standard_normal((5, 2, 3)).astype(np.float32)
    expected = run(graph, [x_given])
    for resolver in ("builtin", "reference"):
        runner = TfliteRunner(to_bytes(graph, builtin_lstm=True), resolver=resolver)
        for _ in range(3):
            found = runner.run({"x": x_given})
            for name, array in expected.items():
                np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6)


def _lstm_weights(
    b: Builder, direction: str, hidden: int = 4, peepholes: bool = False
) -> tuple[list[Value], dict[str, Any]]:
    rng = np.random.default_rng(1)
    count = 2 if direction == "bidirectional" else 1
    shapes = [(count, 4 * hidden, 3), (count, 4 * hidden, hidden), (count, 8 * hidden)]
    weights = [b.const(rng.standard_normal(shape).astype(np.float32)) for shape in shapes]
    p = b.const(rng.standard_normal((count, 3 * hidden)).astype(np.float32)) if peepholes else None
    return weights, {"hidden": hidden, "p": p}
