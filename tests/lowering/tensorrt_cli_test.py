"""The command line's part of TensorRT: options, exit codes, the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.kernels import Executor
from edgec.lowering.onnx import read_onnx
from edgec.lowering.tensorrt.runtime import gpu_count
from edgec.tools.cli import main

pytest.importorskip(
    "tensorrt_rtx", reason="tensorrt-rtx is not installed: pip install 'edgec[tensorrt]'"
)


def compiled(model: Path, *options: str) -> int:
    return main(["compile", str(model), "-t", "tensorrt", *options])


def test_engine_options_reach_the_builder(digits: Path, tmp_path: Path) -> None:
    sizes = []
    for index, options in enumerate(
        ((), ("--sm", "86,8.9"), ("--shapes", "input:1x1x28x28/8x1x28x28/8x1x28x28"))
    ):
        path = tmp_path / f"{index}.engine"
        assert compiled(digits, "-o", str(path), *options) == 0
        sizes.append(path.read_bytes())
    assert len(set(sizes)) == 3


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        (("--sm", "87"), 2, "compute capability [87]"),
        (("--shapes", "input:1x1"), 2, "does not bound"),
        (("--shapes", "input"), 2, "not name:least/usual/most"),
        (("--timing-cache", "t.cache"), 2, "timing cache is for TensorRT on a GPU"),
        (("--precision", "int8"), 3, "calibration"),
    ],
)
def test_options_that_cannot_be_met(
    digits: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    code: int,
    part: str,
) -> None:
    assert compiled(digits, "-o", str(tmp_path / "m.engine"), *options) == code
    assert part in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_engine_options_are_for_engines(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in (["--sm", "86", "-o", str(tmp_path / "m.onnx")], ["--package", str(tmp_path)]):
        assert main(["compile", str(digits), "-t", "onnx", *option]) == 2
        assert "is for engines" in capsys.readouterr().err


@pytest.mark.skipif(gpu_count() > 0, reason="there is a GPU")
def test_verification_says_that_it_needs_a_gpu(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.engine"
    assert compiled(digits, "-o", str(path)) == 0
    for command in (["compile", str(digits), "-t", "tensorrt", "-o", str(path), "--verify"],
                    ["verify", str(digits), str(path)]):  # fmt: skip
        assert main(command) == 4
        assert "needs an NVIDIA GPU" in capsys.readouterr().err


def test_a_package_holds_what_the_written_model_computes(digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    options = ["--precision", "int8", "--calibration", "random", "--verify"]
    options += ["--shapes", "input:1x1x28x28/2x1x28x28/4x1x28x28"]
    assert compiled(digits, "--package", str(folder), *options) == 0
    about = json.loads((folder / "package.json").read_text())
    assert about["shapes"] == {"input": [[1, 1, 28, 28], [2, 1, 28, 28], [4, 1, 28, 28]]}
    line = (folder / "trtexec.sh").read_text()
    assert "--minShapes=input:1x1x28x28 --optShapes=input:2x1x28x28" in line
    graph = read_onnx(folder / "model.onnx")
    inputs, outputs = (np.load(folder / f"golden_{kind}.npz") for kind in ("inputs", "outputs"))
    assert inputs["input"].shape == (4, 2, 1, 28, 28)
    executor = Executor(graph)
    for sample, expected in zip(inputs["input"], outputs["logits"], strict=True):
        found = executor.run({"input": sample})["logits"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert edgec.load(folder / "model.onnx").output_names == ("logits",)
