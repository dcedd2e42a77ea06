"""Random integers are those that the graph tells apart."""

from __future__ import annotations

import pytest

from edgec.ir import parse_graph
from edgec.kernels import seeded_inputs

TABLE = "f32[5,1](0, 1, 2, 3, 4)"


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (f"%y = index.gather {TABLE}, indices=%x, axis=0 : f32[40,1]", 5),
        (
            "%c = math.cast %x, to=i32 : i32[40]\n%r = move.reshape %c, to=[8,5] : i32[8,5]\n"
            f"%y = index.gather {TABLE}, indices=%r, axis=0 : f32[8,5,1]",
            5,
        ),
        ("%y = math.equal %x, y=i64[1](3) : bool[40]", 4),
        (
            f"%e = math.equal %x, y=i64[1](8) : bool[40]\n"
            f"%g = index.gather {TABLE}, indices=%x, axis=0 : f32[40,1]\n"
            "%y = move.reshape %g, to=[40] : f32[40]",
            5,
        ),
        ("%y = math.neg %x : i64[40]", 2),
    ],
)
def test_integers_up_to_the_last_row_or_class(body: str, count: int) -> None:
    graph = parse_graph(f"graph(%x: i64[40]) {{\n{body}\nreturn y=%y\n}}")
    assert set(seeded_inputs(graph)["x"].tolist()) == set(range(count))
