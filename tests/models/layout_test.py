"""Which transposes ``layout{to=nhwc}`` leaves in the real models.

``INSERTED`` are the tensors that the pass transposes, ``OWN`` is the number of transposes of the
models themselves that do more than swap layouts (attention, patches, channel shuffles).
"""

from __future__ import annotations

from pathlib import Path

import pytest

import edgec
from edgec.ir import Graph, LayoutSensitive, Op
from edgec.ir.ops import Transpose
from edgec.passes import Move, PassManager, Settings, parse_pipeline

AT_INPUT = {
    "ch_PP-OCRv4_det_infer": "x",
    "ch_ppocr_mobile_v2.0_cls_infer": "x",
    "efficientnet_lite0.raw17": "input",
    "efficientnet_lite0.ts17": "input",
    "mobilenet_v2.raw17": "input",
    "mobilenet_v3_small.dyn18": "input",
    "mobilevit_xxs.ts17": "input",
    "shufflenet_v2_x1_0.raw17": "input",
    "ssdlite320_nonms.ts17": "input",
    "yolox_nano_like.ts17": "input",
}
INSERTED = AT_INPUT | {
    "kws_crnn.ts17": None,  # one channel: its transpose is a reshape
    "mnist_mbv2.raw17": None,
    "mnist_resnet8.raw17": None,
    "silero_vad_16k_op15": "/model/encoder/3/activation/Relu_output_0",
}
OWN = {"kws_crnn.ts17": 1, "mobilevit_xxs.ts17": 24, "shufflenet_v2_x1_0.raw17": 16}
READ_BY_BRANCHES = "silero_vad_16k_op15"  # an If stands between its convolutions
OWN_REASON = "the model: other axes than channels move, too"


def laid_out(models: Path, name: str) -> tuple[Graph, list[Move]]:
    graph = edgec.load(models / f"{name}.onnx")
    edgec.optimize(graph)
    settings = Settings(verify_each=True, check_numerics=True)
    report, *_ = PassManager(parse_pipeline("layout{to=nhwc},cleanup"), settings).run(graph)
    return graph, report.statistics.moves


@pytest.mark.parametrize("name", INSERTED)
def test_the_transposes_that_remain(models: Path, name: str) -> None:
    graph, moves = laid_out(models, name)
    inserted = [move for move in moves if move.wanted != OWN_REASON]
    wanted = INSERTED[name]
    assert [move.value for move in inserted] == ([] if wanted is None else [wanted])
    assert len(moves) - len(inserted) == OWN.get(name, 0)
    assert len(list(graph.ops_of(Transpose))) == len(moves)
    layouts = {op.attribute("layout") for op in graph.walk if op.has(LayoutSensitive)}
    assert layouts == {"nhwc"}


@pytest.mark.parametrize("name", sorted({*INSERTED} - {*OWN, READ_BY_BRANCHES}))
def test_none_between_the_first_convolution_and_the_last(models: Path, name: str) -> None:
    graph, _ = laid_out(models, name)
    before = ancestors([op for op in graph.ops if op.has(LayoutSensitive)])
    between = [op for op in before if isinstance(op, Transpose) and ancestors_run(op)]
    assert not between


def ancestors(ops: list[Op]) -> list[Op]:
    """Everything that some of these ops depends on."""
    seen: dict[Op, None] = {}
    pending = list(ops)
    while pending:
        for value in pending.pop().present_operands:
            op = value.producer
            if op is not None and op not in seen:
                seen[op] = None
                pending.append(op)
    return list(seen)


def ancestors_run(op: Op) -> bool:
    """True when a layout-sensitive op comes before it."""
    return any(other.has(LayoutSensitive) for other in ancestors([op]))


def test_the_report_names_the_branches_that_read_a_value(models: Path) -> None:
    [move] = laid_out(models, READ_BY_BRANCHES)[1]
    assert "control.if" in move.wanted


def test_channels_last_and_back(models: Path) -> None:
    """After a trip to the other layout, the model is what it was."""
    name = "mobilenet_v2.raw17"
    graph, _ = laid_out(models, name)
    settings = Settings(check_numerics=True)
    PassManager(parse_pipeline("layout{to=nchw},cleanup"), settings).run(graph)
    assert not any(graph.ops_of(Transpose))
