"""Every real model, through everything. Skipped, with the reason, where the models are absent."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import edgec
from edgec.ir import Graph, verify
from edgec.ir.ops import BatchNorm, Conv
from edgec.kernels import compare, seeded_inputs, tolerance_of
from edgec.lowering import check_artifact
from edgec.lowering.onnx import OnnxRunner, read_onnx, to_model

NAMES = (
    "ch_PP-OCRv4_det_infer",
    "ch_ppocr_mobile_v2.0_cls_infer",
    "efficientnet_lite0.raw17",
    "efficientnet_lite0.ts17",
    "kws_crnn.ts17",
    "mnist_mbv2.raw17",
    "mnist_resnet8.raw17",
    "mobilenet_v2.raw17",
    "mobilenet_v3_small.dyn18",
    "mobilevit_xxs.ts17",
    "shufflenet_v2_x1_0.raw17",
    "silero_vad_16k_op15",
    "ssdlite320_nonms.ts17",
    "yolox_nano_like.ts17",
)


def loaded(models: Path, name: str) -> Graph:
    return edgec.load(models / f"{name}.onnx")


@pytest.mark.parametrize("name", NAMES)
def test_reads_and_round_trips_through_text(models: Path, name: str, tmp_path: Path) -> None:
    graph = loaded(models, name)
    verify(graph)
    edgec.save(graph, tmp_path / "m.eir")
    again = edgec.load(tmp_path / "m.eir")
    verify(again)
    assert edgec.print_graph(again) == edgec.print_graph(graph)


@pytest.mark.parametrize("name", NAMES)
def test_compiles_and_verifies_against_onnxruntime(models: Path, name: str, tmp_path: Path) -> None:
    graph = loaded(models, name)
    compiled = edgec.compile(graph, "onnx", tmp_path / "out.onnx")
    assert not any(compiled.graph.ops_of(BatchNorm)) or name.startswith("ch_PP")
    onnx.checker.check_model(str(tmp_path / "out.onnx"), full_check=True)
    found = check_artifact(graph, OnnxRunner(tmp_path / "out.onnx"))
    assert found.ok, found


@pytest.mark.parametrize("name", NAMES)
def test_every_pass_keeps_its_promise(models: Path, name: str) -> None:
    graph = loaded(models, name)
    settings = edgec.Settings(verify_each=True, check_numerics=True)
    edgec.optimize(graph, "O2", settings)


@pytest.mark.parametrize("name", NAMES)
def test_our_own_output_reads_back_equal(models: Path, name: str) -> None:
    graph = loaded(models, name)
    edgec.optimize(graph)
    again = read_onnx(to_model(graph))
    edgec.optimize(again)
    first, second = to_model(graph), to_model(again)
    assert [n.op_type for n in first.graph.node] == [n.op_type for n in second.graph.node]


def test_output_bytes_are_the_same_twice(models: Path) -> None:
    made = []
    for _ in range(2):
        graph = loaded(models, "mobilenet_v2.raw17")
        edgec.optimize(graph)
        made.append(to_model(graph).SerializeToString(deterministic=True))
    assert made[0] == made[1]


def test_raw_and_folded_exports_of_one_network_end_alike(models: Path) -> None:
    """The exporter that folds and the one that does not: same convolutions, no BatchNorm, equal
    outputs."""
    ends = []
    for suffix in ("raw17", "ts17"):
        graph = loaded(models, f"efficientnet_lite0.{suffix}")
        edgec.optimize(graph)
        ends.append(graph)
    assert len({len(list(graph.ops_of(Conv))) for graph in ends}) == 1
    assert not any(any(graph.ops_of(BatchNorm)) for graph in ends)
    inputs = seeded_inputs(ends[0])
    [first], [second] = (edgec.run(graph, inputs).values() for graph in ends)
    assert compare(first, second, tolerance_of(ends[0]))
