"""How the time per op grows with the graph: the same work at 1,000 and at 100,000 ops."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx

from edgec.ir import Builder, Graph, dtypes, parse_graph, print_graph, verify
from edgec.ir.ops import Add, Relu
from edgec.lowering.onnx import to_model
from edgec.passes import parse_pipeline
from edgec.tools import driver

SIZES = (1_000, 10_000, 100_000)
REPEATS = 5


@dataclass(frozen=True)
class ScaleRow:
    """Microseconds per op of one operation on a chain of that many ops."""

    operation: str
    ops: int
    microseconds: float


def scale_rows(sizes: Sequence[int] = SIZES, repeats: int = REPEATS) -> Iterator[ScaleRow]:
    """Build, verify, print, parse, clone, dce, and read + O2 + write, per op.

    The fastest of some runs in time of this process, the sizes in turn, so that neither a busy
    machine nor a busy minute looks like growth; garbage is collected between runs, not in them.
    """
    work = {size: _operations(size) for size in sizes}
    best: dict[tuple[str, int], float] = {}
    for _ in range(repeats):
        for size, operations in work.items():
            for name, operation in operations.items():
                seconds = min(best.get((name, size), float("inf")), _timed(operation))
                best[name, size] = seconds
    for (name, size), seconds in best.items():
        yield ScaleRow(name, size, 1e6 * seconds / size)


def chain(count: int) -> Graph:
    """Elementwise ops in a row: x + first, relu, x + first, …"""
    with Builder("chain") as b:
        x = first = b.input("x", dtypes.f32, (1, 8))
        for index in range(count):
            x = b.add(Relu(x) if index % 2 else Add(x, first)).result
        return b.output(y=x)


def _operations(size: int) -> Mapping[str, Callable[[], object]]:
    graph = chain(size)
    text = print_graph(graph)
    data = to_model(graph).SerializeToString()
    return {
        "build": lambda: chain(size),
        "verify": lambda: verify(graph),
        "print": lambda: print_graph(graph),
        "parse": lambda: parse_graph(text),
        "clone": graph.clone,
        "dce": lambda: driver.optimize(graph, parse_pipeline("dce")),
        "read + O2 + write": lambda: _through(data),
    }


def _timed(operation: Callable[[], object]) -> float:
    gc.collect()
    begin = time.process_time()
    made = operation()  # held until the clock is read: taking it apart is not the operation
    seconds = time.process_time() - begin
    del made
    return seconds


def _through(data: bytes) -> onnx.ModelProto:
    graph = driver.load(data)
    driver.optimize(graph)
    return to_model(graph)
