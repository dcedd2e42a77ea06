"""Whoever exported a network, it ends as the same graph: isomorphic, by its canonical hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgec.ir import Graph, canonical_hash, parse_graph
from edgec.kernels import Executor, seeded_inputs
from edgec.lowering.onnx import read_onnx
from edgec.passes import PIPELINES, PassManager

DATA = Path(__file__).parent.parent / "data" / "exporters"
EXPORTERS = ("ts17", "raw17", "dyn18")
NETWORKS = sorted({path.name.partition(".")[0] for path in DATA.glob("*.onnx")})

# conv, batch norm, hard swish, squeeze and excite, mean over the plane, linear: in the words of an
# exporter that folds, of one that keeps what it is given, and of one that has an op for each idea.
FOLDED = """graph folded(%input: f32[N,2,4,4]) {
  %c = nn.conv %input, w=f32[2,2,1,1](1, 2, 3, 4.0), bias=f32[2](0.5, 0.25)
  %h = act.hard_sigmoid %c, alpha=0.1666666716337204
  %a = math.mul %c, %h
  %m = nn.avg_pool %a, kernel=[4,4]
  %s = nn.conv %m, w=f32[2,2,1,1](1, 2, 3, 4.0), bias=f32[2](0.5, 0.25)
  %g = act.sigmoid %s
  %e = math.mul %a, %g
  %p = reduce.mean %e, axes=[2,3]
  %f = move.reshape %p, to=[<N>,2]
  %y = linalg.matmul %f, f32[2,3](1, 2, 3, 4, 5, 6.0), bias=f32[3](1, 2, 3.0)
  return output=%y
}"""

KEPT = """graph kept(%x: f32[batch,2,4,4]) {
  %c = nn.conv %x, w=f32[2,2,1,1](1, 2, 3, 4.0), stride=[1,1], pads=[0,0,0,0], dilation=[1,1]
  %b = norm.batch_norm %c, f32[2](1, 1.0), f32[2](0.5, 0.25), f32[2](0, 0.0), f32[2](1, 1.0)
  %t = math.add %b, f32[1](3.0)
  %r = act.relu %t
  %q = math.minimum %r, f32[](6.0)
  %w = math.mul %b, %q
  %a = math.div %w, f32[](6.0)
  %m = reduce.sum %a, axes=[2,3]
  %n = math.div %m, f32[1,1,1,1](16.0)
  %s = nn.conv %n, w=f32[2,2,1,1](1, 2, 3, 4.0)
  %t2 = math.add %s, f32[2,1,1](0.5, 0.25)
  %i = math.neg %t2
  %j = math.exp %i
  %k = math.add f32[](1.0), %j
  %g = math.div f32[](1.0), %k
  %e = math.mul %g, %a
  %p = nn.avg_pool %e, kernel=[4,4]
  %f = move.reshape %p, to=[<batch>,2]
  %o = linalg.matmul %f, f32[3,2](1, 4, 2, 5, 3, 6.0), transpose_b=true
  %y = math.add f32[3](1, 2, 3.0), %o
  return logits=%y
}"""

NAMED = """graph named(%image: f32[s0,2,4,4]) {
  %c = nn.conv %image, w=f32[2,2,1,1](1, 2, 3, 4.0), bias=f32[2](0.5, 0.25)
  %a = act.hard_swish %c
  %m = reduce.mean %a, axes=[2,3], keepdims=false
  %v = move.reshape %m, to=[<s0>,2,1,1]
  %s = nn.conv %v, w=f32[2,2,1,1](1, 2, 3, 4.0), bias=f32[2](0.5, 0.25)
  %g = act.sigmoid %s
  %e = math.mul %a, %g
  %p = reduce.mean %e, axes=[2,3], keepdims=false
  %y = linalg.matmul %p, f32[2,3](1, 2, 3, 4, 5, 6.0), bias=f32[3](1, 2, 3.0)
  return out=%y
}"""


def optimized(graph: Graph) -> Graph:
    PassManager(PIPELINES["O2"].passes()).run(graph)
    return graph


def test_three_spellings_of_one_network_end_as_one_graph() -> None:
    graphs = [optimized(parse_graph(text)) for text in (FOLDED, KEPT, NAMED)]
    assert len({canonical_hash(graph, weights=False) for graph in graphs}) == 1
    assert len(graphs[0]) < len(parse_graph(NAMED))


@pytest.mark.parametrize("network", NETWORKS)
def test_exports_of_one_network_end_as_isomorphic_graphs(network: str) -> None:
    read = [read_onnx(DATA / f"{network}.{exporter}.onnx") for exporter in EXPORTERS]
    before = {canonical_hash(graph, weights=False) for graph in read}
    after = {canonical_hash(optimized(graph), weights=False) for graph in read}
    assert len(after) == 1
    assert len(before) > 1, "the exporters agreed from the start"


@pytest.mark.parametrize("network", NETWORKS)
def test_the_one_graph_computes_what_was_exported(network: str) -> None:
    for exporter in EXPORTERS:
        graph = read_onnx(DATA / f"{network}.{exporter}.onnx")
        feed = seeded_inputs(graph)
        (expected,) = Executor(graph).run(feed).values()
        (found,) = Executor(optimized(graph)).run(feed).values()
        assert abs(found - expected).max() <= 1e-5 * abs(expected).max()


def test_exports_of_a_real_network_end_as_isomorphic_graphs(models: Path) -> None:
    shapes = {"input": (1, 3, 224, 224)}
    graphs = [
        optimized(read_onnx(models / f"efficientnet_lite0.{exporter}.onnx", input_shapes=shapes))
        for exporter in ("raw17", "ts17")
    ]
    assert len({canonical_hash(graph, weights=False) for graph in graphs}) == 1
    assert len({canonical_hash(graph) for graph in graphs}) == 2, "batch norms round differently"
