"""Small models with symbols: read once, run at several sizes, in one executor and one session."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from onnx import parser

import edgec
from edgec.ir import Array, Graph, symbol, verify
from edgec.kernels import Executor, compare, tolerance_of
from edgec.lowering.onnx import OnnxRunner, read_onnx, to_model
from edgec.tools.commands.inspect import open_dims

HEADER = '<ir_version: 9, opset_import: ["" : 19]>'
pytest.importorskip("onnxruntime")


class Compiled:
    """A graph, optimized, in one executor, and written, in one session."""

    def __init__(self, body: str) -> None:
        model = parser.parse_model(f"{HEADER}\n{body}")
        self.original = OnnxRunner(model)
        self.graph: Graph = read_onnx(model)
        edgec.optimize(self.graph)
        verify(self.graph)
        self.executor = Executor(self.graph)
        self.runner = OnnxRunner(to_model(self.graph))

    def run(self, **inputs: Array) -> Mapping[str, Array]:
        """What the model as it was given, the executor, and the written model agree on."""
        expected = self.original.run(inputs)
        tolerance = tolerance_of(self.graph)
        for found in (self.executor.run(inputs), self.runner.run(inputs)):
            for name, array in expected.items():
                comparison = compare(found[name], array, tolerance)
                assert comparison, f"{name}: {comparison}"
        return expected


def numbers(*dims: int) -> Array:
    return np.random.default_rng(sum(dims)).standard_normal(dims).astype(np.float32)


def test_a_loop_with_carried_and_scanned_values() -> None:
    """Its length, its width and the value from outside are other ones at each call."""
    compiled = Compiled("""g (float[N] x, int64 n) => (float[N] last, float[T,N] all) {
        last, all = Loop (n, , x) <body = body
            (int64 i, bool go, float[k] state) => (bool going, float[k] after, float[k] each)
            <float half = {0.5}> {
                going = Identity(go)
                scaled = Mul(state, half)
                after = Add(scaled, x)
                each = Neg(after)
            }>
    }""")
    assert compiled.graph.outputs[0].type.dims == (symbol("N"),)
    for trips, width in ((3, 4), (0, 2), (5, 1), (3, 4)):
        found = compiled.run(x=numbers(width), n=np.asarray(trips))
        assert found["last"].shape == (width,)
        assert len(found["all"]) == trips


def test_a_loop_that_stops_early() -> None:
    compiled = Compiled("""g (float[N] x, float limit) => (float[N] y, float[T] sums) {
        many = Constant<value_int=100>()
        yes = Constant<value = bool {1}>()
        y, sums = Loop (many, yes, x) <body = body
            (int64 i, bool go, float[k] state) => (bool going, float[k] after, float sum) {
                after = Add(state, x)
                sum = ReduceSum<keepdims=0>(after)
                going = Less(sum, limit)
            }>
    }""")
    for width, limit in ((2, 7.0), (5, 31.0), (1, 0.0)):
        x = np.ones(width, dtype=np.float32)
        found = compiled.run(x=x, limit=np.asarray(limit, dtype=np.float32))
        assert found["sums"].shape == (max(1, int(limit // width)) if limit else 1,)


def test_a_scan_of_another_length_each_time() -> None:
    compiled = Compiled("""g (float[B] start, float[T,B] xs) => (float[B] end, float[T,B] sums) {
        end, sums = Scan <num_scan_inputs=1, body = body
            (float[B] state, float[B] x) => (float[B] after, float[B] sum) {
                after = Add(state, x)
                sum = Identity(after)
            }> (start, xs)
    }""")
    for steps, batch in ((4, 2), (1, 3), (7, 1)):
        xs = numbers(steps, batch)
        found = compiled.run(start=numbers(batch), xs=xs)
        assert found["sums"].shape == (steps, batch)


def test_subgraphs_in_subgraphs_read_values_from_outside() -> None:
    compiled = Compiled("""g (float[N] x, bool c, int64 n) => (float[N] y) {
        outer = Neg(x)
        y = If (c) <
            then_branch = then () => (float[N] a) {
                inner = Mul(outer, outer)
                a = Loop (n, , inner) <body = body
                    (int64 i, bool go, float[k] s) => (bool going, float[k] t) {
                        going = Identity(go)
                        u = Add(s, inner)
                        t = Sub(u, outer)
                    }>
            },
            else_branch = other () => (float[N] b) { b = Add(outer, x) }
        >
    }""")
    for width in (1, 4):
        for condition in (True, False):
            for trips in (0, 3):
                compiled.run(x=numbers(width), c=np.asarray(condition), n=np.asarray(trips))


def test_images_of_any_batch_and_size() -> None:
    compiled = Compiled("""g (float[N,3,H,W] x, float[4,3,3,3] w) => (float[N,4] y) {
        c = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w)
        r = Relu(c)
        p = GlobalAveragePool(r)
        y = Flatten(p)
    }""")
    assert [str(value.type) for value in compiled.graph.outputs] == ["f32[N,4]"]
    weights = numbers(4, 3, 3, 3)
    for dims in ((1, 3, 8, 8), (2, 3, 5, 9), (1, 3, 1, 1)):
        compiled.run(x=numbers(*dims), w=weights)


# -- dims that only a run tells --------------------------------------------------------------------


def test_a_lost_dim_is_named_with_its_op_and_the_rest_is_kept() -> None:
    graph = read_onnx(parser.parse_model(f"""{HEADER}
        g (float[N,3] x, bool[N] keep) => (float[M,3] y) {{
            cut = Compress<axis=0>(x, keep)
            y = Neg(cut)
        }}"""))  # fmt: skip
    first, last = graph.outputs[0].type.dims
    assert first != symbol("N")
    assert last == 3
    (line,) = open_dims(graph)
    assert "index.compress" in line
    assert "cut" in line
    assert str(first) in line


def test_a_graph_that_loses_no_dim_has_nothing_to_say() -> None:
    graph = read_onnx(parser.parse_model(f"""{HEADER}
        g (float[N,H] x) => (float[M,H] y) {{ y = Concat<axis=0>(x, x) }}"""))  # fmt: skip
    assert not list(open_dims(graph))
