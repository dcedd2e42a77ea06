"""Generated tests: every op, drawn by its own ``samples``, against every table."""

from __future__ import annotations

import pytest

from edgec.ir import (
    Array,
    Effect,
    Graph,
    Op,
    Refusal,
    Return,
    op_classes,
    parse_graph,
    print_graph,
    sample_graph,
    verify,
)
from edgec.ir import ops as _all_ops  # noqa: F401  (declares them)
from edgec.kernels import KERNELS, Judge, run
from edgec.lowering import TARGETS
from edgec.lowering.onnx import READERS, read_onnx, to_model
from edgec.lowering.registry import ONNX

SEEDS = range(12)
CLASSES = [cls for cls in op_classes().values() if cls is not Return]
WRITTEN = [cls for cls in CLASSES if not isinstance(ONNX.rules.get(cls), Refusal)]
DETERMINISTIC = [cls for cls in WRITTEN if not cls.has(Effect)]


def weights(graph: Graph) -> dict[str, Array]:
    return {c.weight.digest: c.array for c in graph.constants}


def name(cls: type[Op]) -> str:
    return cls.op_name


@pytest.mark.parametrize("cls", CLASSES, ids=name)
def test_the_kernel_computes_what_infer_says(cls: type[Op]) -> None:
    for seed in SEEDS:
        graph, data = sample_graph(cls, seed)
        verify(graph)
        for value, array in zip(graph.outputs, run(graph, data).values(), strict=True):
            assert array.dtype == value.type.dtype.numpy
            known = [d if isinstance(d, int) else n for d, n in
                     zip(value.type.dims, array.shape, strict=True)]  # fmt: skip
            assert tuple(known) == array.shape, f"seed {seed}: {value.type}"


@pytest.mark.parametrize("cls", CLASSES, ids=name)
def test_the_text_form_reads_back(cls: type[Op]) -> None:
    for seed in SEEDS:
        graph, _ = sample_graph(cls, seed)
        text = print_graph(graph)
        assert print_graph(parse_graph(text, weights(graph))) == text, f"seed {seed}"
        verify(graph.clone())


@pytest.mark.parametrize("cls", DETERMINISTIC, ids=name)
def test_onnx_keeps_the_meaning(cls: type[Op]) -> None:
    """Written and read again, the kernels compute the same numbers from it."""
    for seed in SEEDS:
        graph, data = sample_graph(cls, seed)
        again = read_onnx(to_model(graph))
        verify(again)
        judge = Judge(graph, dict(zip(graph.input_names, data, strict=True)))
        for key, array in run(again, data).items():
            assert judge.compare(key, array), f"seed {seed}: {judge.compare(key, array)}"


def test_every_cell_is_filled_or_refused() -> None:
    for table in (KERNELS, *(target.rules for target in TARGETS.values())):
        empty = [cls.op_name for cls, rule in table.cells() if rule is None and cls is not Return]
        assert not empty, f"{table.name} says nothing of {empty}"
    assert ONNX.name in TARGETS
    assert READERS.op_types()
