"""What quantizers are compared on: real models, data to calibrate on, other data to judge by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgec.ir import Array
from edgec.tools.images import ImageInput

PAGES = 16  # composed for calibration, and as many others for judging
PAGE = (480, 640)  # height and width: nine rows of two lines
LINE = (48, 320)
PAPER = 255


@dataclass(frozen=True)
class Case:
    """A model with its data.

    Attributes:
        model: the file.
        input: name of its input.
        calibration: one array per sample, batch dimension included.
        evaluation: the same, of other pictures.
        labels: of the evaluation samples; None where there are none.
    """

    model: Path
    input: str
    calibration: Sequence[Array]
    evaluation: Sequence[Array]
    labels: Array | None = None

    @property
    def name(self) -> str:
        return self.model.stem


def cases_in(folder: Path) -> dict[str, Callable[[], Case]]:
    """The cases whose files lie in the folder, by name; made when they are called."""
    made: dict[str, Callable[[], Case]] = {
        "lite0": lambda: _lite0(folder),
        "digits-mbv2": lambda: _digits(folder, "mnist_mbv2.raw17.onnx"),
        "digits-resnet8": lambda: _digits(folder, "mnist_resnet8.raw17.onnx"),
        "detector": lambda: _detector(folder),
    }
    return made


def _lite0(folder: Path) -> Case:
    wanted = ImageInput(mean=(127.0,), std=(128.0,))
    return Case(
        folder / "efficientnet_lite0.ts17.onnx",
        "input",
        _samples(folder / "natural_calib_128.npz", wanted),
        _samples(folder / "natural_eval_128.npz", wanted),
    )


def _digits(folder: Path, model: str) -> Case:
    wanted = ImageInput(divide=255, mean=(0.1307,), std=(0.3081,), channels="gray")
    with np.load(folder / "mnist_test_2k.npz") as arrays:
        labels = arrays["y"]
    return Case(
        folder / model,
        "input",
        _samples(folder / "mnist_calib_500.npz", wanted),
        _samples(folder / "mnist_test_2k.npz", wanted),
        labels,
    )


def _samples(path: Path, wanted: ImageInput) -> list[Array]:
    with np.load(path) as arrays:
        return [wanted.array(pixels) for pixels in arrays["x"]]


def _detector(folder: Path) -> Case:
    """A detector of text: pages with lines of words here and there."""
    wanted = ImageInput(
        divide=255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), channels="bgr"
    )
    with np.load(folder / "text_lines_100.npz") as arrays:
        lines = arrays["x"]
    half = len(lines) // 2
    return Case(
        folder / "ch_PP-OCRv4_det_infer.onnx",
        "x",
        [wanted.array(page) for page in _pages(lines[:half], seed=1)],
        [wanted.array(page) for page in _pages(lines[half:], seed=2)],
    )


def _pages(lines: Array, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    pages = []
    for _ in range(PAGES):
        page = np.full((*PAGE, 3), PAPER, np.uint8)
        for row in range(PAGE[0] // (LINE[0] + 4)):
            for column in range(PAGE[1] // LINE[1]):
                if rng.random() < 0.7:
                    top, left = 4 + row * (LINE[0] + 4), column * LINE[1]
                    line = lines[rng.integers(len(lines))]
                    page[top : top + LINE[0], left : left + LINE[1]] = line
        pages.append(page)
    return pages
