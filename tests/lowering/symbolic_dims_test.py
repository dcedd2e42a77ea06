"""Any dim of any op may be known only when the model runs: it is written, or refused in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from edgec.ir import (
    Array,
    Builder,
    Constant,
    Dim,
    Error,
    Graph,
    Op,
    OpError,
    Return,
    Value,
    op_classes,
    sample_graph,
    symbol,
)
from edgec.ir import ops as _all_ops  # noqa: F401  (declares them)
from edgec.ir.ops.recurrent import Recurrent
from edgec.lowering import TARGETS

CHECKED = [TARGETS[n] for n in ("onnx", "tflite", "openvino", "tensorrt")]
# The width of a recurrent layer's input is that of its weights; no type says so.
CLASSES = [c for c in op_classes().values() if c is not Return and not issubclass(c, Recurrent)]


def opened(graph: Graph, data: Sequence[Array], *, constants: bool) -> Iterator[Graph]:
    """The graph of one op with each size of its inputs in turn as a symbol, then with all of them;
    its later operands may be constants, as weights and tables are."""
    sizes = sorted({dim for value in graph.inputs for dim in value.type.dims}, key=str)
    for chosen in (*({size} for size in sizes), set(sizes)):
        b = Builder("opened")
        values: dict[Value | None, Value] = {}
        for i, value in enumerate(graph.inputs):
            dims: list[Dim] = [symbol(f"s{d}") if d in chosen else d for d in value.type.dims]
            values[value] = (
                Constant(data[i])
                if constants and i
                else b.add_input(f"x{i}", replace(value.type, dims=tuple(dims)))
            )
        [op] = graph.ops
        try:
            made = b.add(op.copy(operands=[values.get(v, v) for v in op.operands]))
        except (Error, OpError):
            continue  # of this op those dims must be known
        yield b.output(**{f"y{i}": result for i, result in enumerate(made.results)})


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.op_name)
def test_open_dims_are_written_or_refused(cls: type[Op]) -> None:
    for seed in range(3):
        for constants in (False, True):
            graph, data = sample_graph(cls, seed)
            if any(op.regions for op in graph.ops):
                continue
            for each in opened(graph, data, constants=constants):
                for target in CHECKED:
                    if not target.runtime.is_installed:
                        continue
                    for finding in target.refused(each):
                        assert len(finding.message.split()) > 2, f"seed {seed}: {finding}"
