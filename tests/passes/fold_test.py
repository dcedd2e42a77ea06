"""What folding computes at compile time, and what it leaves to the device."""

from __future__ import annotations

import time

import pytest

from edgec.ir import parse_graph, verify
from edgec.passes import PassManager, parse_pipeline


def folded(body: str) -> list[str]:
    """The ops that are left after folding."""
    graph = parse_graph(f"graph() {{ {body} return y=%y }}")
    begin = time.perf_counter()
    PassManager(parse_pipeline("fold")).run(graph)
    assert time.perf_counter() - begin < 2.0
    verify(graph)
    return [op.op_name for op in graph.ops]


@pytest.mark.parametrize(
    "body",
    [
        "%y = move.tile f32[1](1.0), repeats=i64[1](1000)",
        "%y = nn.max_pool f32[1,1,3](1,2,3), kernel=[3]",
        "%y = nn.roi_align f32[1,1,2,2](1,2,3,4), rois=f32[1,4](0,0,1,1), batch_indices=i64[1](0)",
    ],
)
def test_modest_ops_are_computed(body: str) -> None:
    assert folded(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "%y = move.tile f32[1](1.0), repeats=i64[1](10000000)",
        "%y = shape.fill i64[1](10000000), value=1.0",
        "%y = nn.max_pool f32[1,1,3](1,2,3), kernel=[40000000], pads=[39999999,39999999],"
        " stride=[90000000]",
        "%y = norm.lrn f32[1,1,3,1](1,2,3), size=4611686018427387904",
        "%y = nn.roi_align f32[1,1,2,2](1,2,3,4), rois=f32[1,4](0,0,9,9), batch_indices=i64[1](0),"
        " ratio=1000000",
        "%y = nn.roi_align f32[1,1,2,2](1,2,3,4), rois=f32[1,4](0,0,1e6,1e6),"
        " batch_indices=i64[1](0)",
    ],
)  # fmt: skip
def test_an_op_that_takes_long_or_grows_the_model_is_left(body: str) -> None:
    assert len(folded(body)) == 1


@pytest.mark.parametrize(
    "body",
    [
        "%y = index.scatter_nd f32[2](1,2), indices=i64[1,1](7), updates=f32[1](1)",
        "%y = signal.dft f32[2,1](1,2), length=i64[](0), axis=0",
        "%y = nn.roi_align f32[1,1,2,2](1,2,3,4), rois=f32[1,4](0,0,9,9), batch_indices=i64[1](7)",
        "%y = nn.max_unpool f32[1,1,1](1), indices=i64[1,1,1](9), kernel=[2]",
        "%y = move.pad f32[1](1.0), pads=i64[2](-9223372036854775808,9223372036854775807)",
    ],
)
def test_an_op_that_cannot_be_computed_is_left_to_fail_where_it_is_run(body: str) -> None:
    assert len(folded(body)) == 1


def test_a_size_that_becomes_known_is_known_to_all_that_named_it() -> None:
    """As the grid of a detector exported for any image, read with the image pinned."""
    graph = parse_graph("""graph(%x: f32[1,1,3]) {
        %shape = shape.dims_of %x : i64[3]
        %last = index.gather %shape, indices=i64[](2), axis=0 : i64[]
        %count = math.cast %last, to=f32 : f32[]
        %steps = shape.range f32[](0.0), limit=%count, delta=f32[](1.0) : f32[d0]
        %wide = move.reshape %steps, to=[1,<d0>,1] : f32[1,d0,1]
        %y = math.mul %wide, y=%x : f32[1,d0,3]
        return y=%y
    }""")
    PassManager(parse_pipeline("fold")).run(graph)
    verify(graph)
    assert [op.op_name for op in graph.ops] == ["math.mul"]
    assert graph.outputs[0].type.static_dims == (1, 3, 3)
