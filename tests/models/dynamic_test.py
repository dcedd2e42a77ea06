"""Real models whose sizes are symbols: compiled once, run at several sizes, by our kernels and by
ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.ir import Array, Graph
from edgec.kernels import Executor, Judge, seeded_inputs
from edgec.lowering.onnx import OnnxRunner, to_model

Size = tuple[int, int, int]
SIZES: Sequence[Size] = ((1, 64, 64), (2, 96, 160), (1, 224, 224))


class Compiled:
    """One optimized graph in one executor, and one written model in one session."""

    def __init__(self, graph: Graph) -> None:
        edgec.optimize(graph)
        self.graph = graph
        self.executor = Executor(graph)
        self.runner = OnnxRunner(to_model(graph))

    def agree(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """Both compute the same, of the same shapes; returns what the runtime computes."""
        judge = Judge(self.graph, inputs, executor=self.executor)
        actual = self.runner.run(inputs)
        for name in judge.expected:
            found = judge.compare(name, actual[name])
            assert found, f"{name}: {found}"
        return actual


def with_symbols(path: Path, dims: Sequence[int | str]) -> Graph:
    """A model of one input whose declared dims are replaced by these."""
    (value,) = edgec.load(path).inputs
    return edgec.load(path, input_shapes={value.hint: dims})


def test_a_mobilenet_of_any_batch_height_and_width(models: Path) -> None:
    compiled = Compiled(with_symbols(models / "mobilenet_v2.raw17.onnx", ("N", 3, "H", "W")))
    assert [str(value.type) for value in compiled.graph.outputs] == ["f32[N,1000]"]
    for n, h, w in SIZES:
        inputs = seeded_inputs(compiled.graph, shapes={"N": n, "H": h, "W": w})
        (output,) = compiled.agree(inputs).values()
        assert output.shape == (n, 1000)


def test_a_mobilenet_exported_for_one_image_of_any_size(models: Path) -> None:
    """The exporter wrote the batch of one into a reshape; height and width it left open."""
    compiled = Compiled(with_symbols(models / "mobilenet_v3_small.dyn18.onnx", (1, 3, "H", "W")))
    for _, h, w in SIZES:
        compiled.agree(seeded_inputs(compiled.graph, shapes={"H": h, "W": w}))


def page(models: Path, height: int, width: int) -> Array:
    """Rendered words, one above the other, as the detector wants them."""
    with np.load(models / "text_lines_100.npz") as file:
        lines = file["x"][:20].reshape(-1, 320, 3)
    pixels = np.tile(lines, (1, -(-width // 320), 1))[:height, :width].astype(np.float32) / 255
    scaled = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return scaled.transpose(2, 0, 1)[None].astype(np.float32)


def test_a_text_detector_at_any_page_size(models: Path) -> None:
    compiled = Compiled(edgec.load(models / "ch_PP-OCRv4_det_infer.onnx"))
    for height, width in ((64, 64), (96, 160), (320, 320), (64, 64)):
        (output,) = compiled.agree({"x": page(models, height, width)}).values()
        assert output.shape == (1, 1, height, width)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("samples", [512, 576])
def test_a_voice_detector_that_carries_its_state(models: Path, batch: int, samples: int) -> None:
    compiled = Compiled(edgec.load(models / "silero_vad_16k_op15.onnx"))
    rng = np.random.default_rng(samples + batch)
    state = np.zeros((2, batch, 128), dtype=np.float32)
    rate = np.asarray(16000, dtype=np.int64)
    for _ in range(3):
        sound = (0.1 * rng.standard_normal((batch, samples))).astype(np.float32)
        found = compiled.agree({"input": sound, "state": state, "sr": rate})
        assert found["output"].shape == (batch, 1)
        assert not np.array_equal(found["stateN"], state)
        state = found["stateN"]


@pytest.mark.parametrize(
    "change", [lambda x: x[:, :, :-1], lambda x: x[:, :2]], ids=["width", "channels"]
)
def test_another_size_than_the_model_allows_is_refused(
    models: Path, change: Callable[[Array], Array]
) -> None:
    graph = with_symbols(models / "mobilenet_v2.raw17.onnx", ("N", 3, "S", "S"))
    image = np.zeros((1, 3, 64, 64), dtype=np.float32)
    Executor(graph).run([image])
    with pytest.raises(edgec.Error, match=r"wants f32|elsewhere"):
        Executor(graph).run([change(image)])
