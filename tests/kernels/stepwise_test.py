"""Samples on their way through a graph: files give what memory gives, and memory stays bounded."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgec.ir import Array, parse_graph
from edgec.kernels import Sample, Stepwise, Streamed
from edgec.passes import PassManager, Settings, parse_pipeline

TEXT = """graph g(%x: f32[1,4,32,32]) {
  %a = nn.conv %x, w=@w[8,4,3,3], pads=[1, 1, 1, 1]
  %b = act.relu %a
  %c = nn.conv %b, w=@v[8,8,1,1]
  %d = math.add %c, %b
  %e = nn.conv %d, w=@u[8,8,1,1]
  return y=%e
}"""
VALUE = 8 * 32 * 32 * 4  # bytes
LIMIT = 8 * VALUE


def sample(index: int) -> Sample:
    drawn = np.random.default_rng(index).standard_normal((1, 4, 32, 32))
    return {"x": drawn.astype(np.float32)}


def stepped(limit: int) -> list[Array]:
    steps = Stepwise(parse_graph(TEXT), [sample(i) for i in range(6)], limit=limit)
    found: list[Array] = []
    for op in steps.ops():
        found += steps.arrays(op.results[0])
        found += steps.evaluate(op)
    return found


def test_files_give_what_memory_gives() -> None:
    held, spilled = stepped(1 << 30), stepped(0)
    assert all(np.array_equal(a, b) for a, b in zip(held, spilled, strict=True))


def test_a_value_is_dropped_after_its_last_reader() -> None:
    steps = Stepwise(parse_graph(TEXT), [sample(0)], limit=0)
    values = {op.results[0].hint: op.results[0] for op in steps.graph.ops}
    held = [{name for name, value in values.items() if steps.holds(value)} for _ in steps.ops()]
    assert held == [{"a"}, {"a", "b"}, {"b", "c"}, {"b", "c", "d"}, {"d", "e"}]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.kernels.stepwise.HELD", LIMIT)


@pytest.mark.usefixtures("small")
def test_recovery_takes_no_more_memory_for_more_samples() -> None:
    further = 144 * 2 * VALUE  # one value of each sample in both graphs; two or three are held
    assert peak_of(160) - peak_of(16) < further / 20  # where they lie is noted for each sample


def peak_of(count: int) -> int:
    samples = Streamed(count, sample, "drawn")
    manager = PassManager(
        parse_pipeline(f"sparsify{{ratio=0.5,samples={count}}}"), Settings(data=samples)
    )
    manager.run(parse_graph(TEXT))  # compiles kernels
    graph = parse_graph(TEXT)
    tracemalloc.start()
    try:
        manager.run(graph)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
