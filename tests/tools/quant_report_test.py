"""The report on a quantized model: it finds the layer that was spoilt."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.ir import Constant, Error, Graph, Rewriter
from edgec.ir.ops import Conv, Dequantize, Quantize
from edgec.kernels import InMemory
from edgec.tools import cli
from edgec.tools.demo import normalized
from edgec.tools.quant_report import QuantReport, report_on


@pytest.fixture(scope="module")
def data(digits: Path, digits_test: Path) -> InMemory:
    name = edgec.load(digits).input_names[0]
    with np.load(digits_test) as arrays:
        inputs = normalized(arrays["x"][:16])
    return InMemory([{name: inputs[i : i + 1]} for i in range(16)], "digits")


@pytest.fixture(scope="module")
def pair(digits: Path, data: InMemory) -> tuple[Graph, Graph]:
    """The float model and the quantized one."""
    settings = edgec.Settings(data=data)
    reference = edgec.load(digits)
    edgec.optimize(reference, "O2,calibrate", settings)
    quantized = reference.clone()
    edgec.optimize(quantized, "quantize", settings)
    return reference, quantized


def reported(reference: Graph, quantized: Graph, data: InMemory) -> QuantReport:
    from edgec.tools.progress import tracked

    return report_on(reference, quantized, data, tracked, {})


def conv_of(graph: Graph, which: int) -> Conv:
    return list(graph.ops_of(Conv))[which]


def test_every_layer_is_measured(pair: tuple[Graph, Graph], data: InMemory) -> None:
    reference, quantized = pair
    found = reported(reference, quantized, data)
    layers = {one.layer.value: one for one in found.measured.layers}
    for conv in reference.ops_of(Conv):
        one = layers[conv.result.hint]
        assert one.layer.weight_bits == 8
        assert one.layer.macs > 0
        assert one.so_far_db is not None
        assert 10 < one.so_far_db < 60
        assert one.alone_db > 20
        assert sum(one.histogram) > 0
    assert reference.input_names[0] in layers
    blames = [one.blame for one in found.measured.layers]
    assert blames == sorted(blames, reverse=True)
    assert sum(blames) == pytest.approx(1)
    [output] = found.measured.outputs.values()
    assert output > 20


@pytest.mark.parametrize("which", [0, 4, 9])
def test_a_coarse_grid_is_blamed_on_its_layer(
    pair: tuple[Graph, Graph], data: InMemory, which: int
) -> None:
    reference, quantized = pair[0], pair[1].clone()
    conv = conv_of(quantized, which)
    [grid] = [user for user in conv.result.users if isinstance(user, Quantize)]
    rewriter = Rewriter(quantized)
    for op in (grid, *(u for u in grid.result.users if isinstance(u, Dequantize))):
        assert isinstance(op.scale, Constant)
        rewriter.set_operand(op, 1, Constant(np.asarray(op.scale.array * np.float32(12))))
    found = reported(reference, quantized, data)
    worst = found.measured.layers[0]
    assert worst.layer.value == conv.result.hint
    assert worst.blame > 0.5
    assert worst.layer.name in found.advice[0].layer
    assert f"quantize{{keep={conv.result.hint}}}" in found.advice[0].what


def test_a_narrow_range_shows_as_clipping(pair: tuple[Graph, Graph], data: InMemory) -> None:
    from edgec.ir import Range

    reference, quantized = pair[0].clone(), pair[1].clone()
    conv = conv_of(quantized, 4)
    twin = next(op for op in reference.ops_of(Conv) if op.result.hint == conv.result.hint)
    [grid] = [user for user in conv.result.users if isinstance(user, Quantize)]
    rewriter = Rewriter(quantized)
    for op in (grid, *(u for u in grid.result.users if isinstance(u, Dequantize))):
        assert isinstance(op.scale, Constant)
        rewriter.set_operand(op, 1, Constant(np.asarray(op.scale.array * np.float32(0.2))))
    assert twin.result.range is not None
    twin.result.range = Range(twin.result.range.low / 5, twin.result.range.high / 5)
    found = reported(reference, quantized, data)
    worst = found.measured.layers[0]
    assert worst.layer.value == conv.result.hint
    assert worst.clipped > 0.01
    assert worst.saturated >= worst.clipped
    assert "another estimator" in found.advice[0].what


def test_dead_channels_are_counted(pair: tuple[Graph, Graph], data: InMemory) -> None:
    reference, quantized = pair[0], pair[1].clone()
    conv = conv_of(quantized, 3)
    source = conv.w.producer
    assert isinstance(source, Dequantize)
    assert isinstance(source.x, Constant)
    weights = source.x.array.copy()
    weights[:3] = 0
    Rewriter(quantized).set_operand(source, 0, Constant(weights))
    found = reported(reference, quantized, data)
    one = next(f for f in found.measured.layers if f.layer.value == conv.result.hint)
    assert one.layer.dead == 3
    assert one.layer.channels == len(weights)


def test_nothing_quantized_is_nothing_to_report(pair: tuple[Graph, Graph], data: InMemory) -> None:
    with pytest.raises(Error, match="no layer is quantized"):
        reported(pair[0], pair[0].clone(), data)


class Page(HTMLParser):
    """Counts elements, and notes what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "rect", "br"):
            self.open.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "rect", "br"):
            assert self.open.pop() == tag


def test_the_command_writes_both_forms(
    digits: Path, digits_test: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compile", str(digits), "-o", str(tmp_path / "q.onnx"), "--precision", "int8-fast"]
    arguments += ["--calibration", str(digits_test), "--channels", "gray", "--divide", "255"]
    arguments += ["--mean", "0.1307", "--std", "0.3081"]
    arguments += ["--report", str(tmp_path / "q.json"), "--report", str(tmp_path / "q.html")]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "alone dB" in shown
    assert "dB SQNR on" in shown
    found = json.loads((tmp_path / "q.json").read_text())
    assert len(found["layers"]) > 10
    assert set(found["layers"][0]) >= {
        "layer", "alone_sqnr_db", "so_far_sqnr_db", "clipped", "saturated", "dead_channels",
        "scale", "bits", "macs", "blame", "histogram",
    }  # fmt: skip
    page = Page()
    page.feed((tmp_path / "q.html").read_text())
    assert not page.open
    assert not page.loads
    assert page.tags.count("tr") > len(found["layers"])
    assert page.tags.count("svg") > 10
    assert "script" not in page.tags


def test_a_report_needs_quantization(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compile", str(digits), "-o", str(tmp_path / "q.onnx"), "--report", "q.html"]
    assert cli.main(arguments) != 0
    assert "nothing was quantized" in capsys.readouterr().err
