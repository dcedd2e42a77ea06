"""The arena, the order and the work of the real models.

All but those in ``GAINS`` are in the best order as they come: one op alone makes their peak.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import edgec
from edgec.ir import Graph
from edgec.kernels import SHARING, Memory, default_shapes, peak_of, plan_buffers
from edgec.passes import memory_report, reordered

LARGEST_RATIO = 1.02
GAINS = {"ch_PP-OCRv4_det_infer"}
MACS = {  # as published, in millions
    "mobilenet_v2.raw17": 301,
    "mobilenet_v3_small.dyn18": 56.5,
    "shufflenet_v2_x1_0.raw17": 145,
}
NAMES = (
    "ch_PP-OCRv4_det_infer", "ch_ppocr_mobile_v2.0_cls_infer", "efficientnet_lite0.raw17",
    "efficientnet_lite0.ts17", "kws_crnn.ts17", "mnist_mbv2.raw17", "mnist_resnet8.raw17",
    "mobilenet_v2.raw17", "mobilenet_v3_small.dyn18", "mobilevit_xxs.ts17",
    "shufflenet_v2_x1_0.raw17", "silero_vad_16k_op15", "ssdlite320_nonms.ts17",
    "yolox_nano_like.ts17",
)  # fmt: skip


def graphs_of(models: Path, name: str) -> list[Graph]:
    """The model as read, and optimized."""
    plain = edgec.load(models / f"{name}.onnx")
    optimized = plain.clone()
    edgec.optimize(optimized)
    return [plain, optimized]


@pytest.mark.parametrize("name", NAMES)
def test_the_arena_is_hardly_larger_than_what_is_alive(models: Path, name: str) -> None:
    for graph in graphs_of(models, name):
        symbols = default_shapes(graph)
        for sharing in SHARING:
            plan = plan_buffers(graph, symbols, Memory(sharing), search=True)
            assert plan.arena_bytes <= LARGEST_RATIO * plan.peak_bytes


@pytest.mark.parametrize("name", NAMES)
def test_reordering_lowers_the_peak_or_proves_that_nothing_does(models: Path, name: str) -> None:
    _, graph = graphs_of(models, name)
    found = reordered(graph)
    assert all(found.after[one] <= found.before[one] for one in SHARING)
    assert found.proven["all"]
    if name in GAINS:
        assert found.after["all"] <= 0.975 * found.before["all"]
        alone = reordered(graph, "none")
        assert alone.after["none"] <= 0.93 * alone.before["none"]


@pytest.mark.parametrize("name", MACS)
def test_the_work_of_known_networks_is_the_published_one(models: Path, name: str) -> None:
    plain, optimized = (sum(op.work().macs for op in g.ops) for g in graphs_of(models, name))
    assert plain == pytest.approx(1e6 * MACS[name], rel=0.01)
    assert optimized <= plain


def test_an_executor_takes_no_more_than_a_runtime_that_shares_reshapes(models: Path) -> None:
    graph = edgec.load(models / "mobilevit_xxs.ts17.onnx")
    plan = plan_buffers(graph, {})
    outside = Memory("reshape", 64, holds_inputs=False, packed=False)
    assert plan.peak_bytes == peak_of(graph, {}, outside)


def test_the_ten_tensors_of_a_detector_are_named(models: Path) -> None:
    _, graph = graphs_of(models, "yolox_nano_like.ts17")
    report = memory_report(graph)
    assert sum(one.bytes for one in report.tensors) == report.peak_bytes
    assert report.peak_op.startswith("nn.conv /stem")
