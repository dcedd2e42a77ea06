"""The Edge TPU: rewrites that keep integers, the partition, the check, its compiler, its device."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgec
from edgec.ir import Array, Builder, Constant, Error, Graph, Op, Quant, TensorType, Value, dtypes
from edgec.ir.ops import (
    Conv,
    Gelu,
    HardSwish,
    IntegerConv,
    IntegerLeakyRelu,
    IntegerLinear,
    IntegerMean,
    Resize,
    Sigmoid,
)
from edgec.kernels import run
from edgec.lowering.edgetpu import MISSING, ROWS, explained, parse_log, partition, pycoral_status
from edgec.lowering.edgetpu.rewrites import rewrite_graph, rewrite_operators
from edgec.lowering.tflite import TfliteRunner
from edgec.lowering.tflite.builtins import BUILTINS
from edgec.lowering.tflite.container import pack
from edgec.lowering.tflite.files import to_file
from edgec.lowering.tflite.tensors import File
from edgec.tools.cli import main as edgec_command

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'edgec[tflite]'")

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "tools" / "data" / "digits_mbv2.onnx"
GRID = Quant((0.0625,), (3,), None, -128, 127)
UNWRITTEN = {"EXPAND_DIMS", "L2_NORMALIZATION"}  # in Coral's table, never written here
WHOLE = ("mobilenet_v2.raw17", "efficientnet_lite0.ts17", "mnist_mbv2.raw17", "mnist_resnet8.raw17")


def stored(array: Array, quant: Quant) -> Constant:
    return Constant(array, type=TensorType(dtypes.i8, array.shape, quant))


def drawn(dims: tuple[int, ...], seed: int = 0) -> Array:
    integers: Array = np.random.default_rng(seed).integers(-128, 128, dims).astype(np.int8)
    return integers


def one(make: Callable[[Value], Op], dims: tuple[int, ...]) -> Graph:
    """A graph of one op on quantized integers."""
    b = Builder("one")
    x = b.add_input("x", TensorType(dtypes.i8, dims, GRID))
    return b.output(y=b.add(make(x)).result)


def rewritten(graph: Graph) -> Graph:
    changed = graph.clone()
    rewrite_graph(changed)
    return changed


def on_litert(file: File, x: Array) -> Array:
    return TfliteRunner(pack(file), resolver="reference").run_raw({"x": x})["y"]


def operators(file: File) -> list[str]:
    return [operator.builtin for operator in file.main.operators]


# -- data ------------------------------------------------------------------------------------------


def test_every_row_names_an_operator_and_a_source() -> None:
    assert set(ROWS) - UNWRITTEN <= set(BUILTINS)
    assert set(MISSING) <= set(BUILTINS)
    assert not set(ROWS) & set(MISSING)
    assert all(row.source for row in ROWS.values())


# -- rewrites --------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    st.floats(-1.5, 1.5, width=32).filter(lambda alpha: abs(alpha) > 1e-3),
    st.floats(2**-6, 0.25, width=32),
)
def test_prelu_gives_the_integers_of_leaky_relu(alpha: float, scale: float) -> None:
    graph = one(
        lambda x: IntegerLeakyRelu(x, alpha=alpha, scale=scale, zero_point=-5), (1, 16, 4, 4)
    )
    x = np.arange(-128, 128).astype(np.int8).reshape(1, 16, 4, 4)
    file = to_file(graph)
    expected = on_litert(file, x)
    rewrite_operators(file.main)
    assert operators(file) == ["PRELU"]
    np.testing.assert_array_equal(on_litert(file, x), expected)
    assert partition(file.main).subgraphs == 1


@pytest.mark.parametrize("factors", [(2, 2), (3, 1), (5, 7)])
def test_a_nearest_resize_of_whole_factors_is_version_2(factors: tuple[int, int]) -> None:
    b = Builder("one")
    x = b.add_input("x", TensorType(dtypes.i8, (1, 9, 6, 3), GRID))
    sizes = b.const([9 * factors[0], 6 * factors[1]], dtypes.i64)
    op = Resize(x, sizes=sizes, axes=(1, 2), mode="nearest", coordinates="half_pixel")
    file = to_file(b.output(y=b.add(op).result))
    data = drawn((1, 9, 6, 3))
    expected = on_litert(file, data)
    rewrite_operators(file.main)
    assert [o.version for o in file.main.operators] == [2]
    np.testing.assert_array_equal(on_litert(file, data), expected)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_a_large_mean_is_split_within_one_step(layout: str) -> None:
    dims = (1, 256, 128, 3) if layout == "nhwc" else (1, 3, 256, 128)
    axes = (1, 2) if layout == "nhwc" else (2, 3)
    graph = one(lambda x: IntegerMean(x, axes=axes, scale=0.0625, zero_point=3), dims)
    changed = rewritten(graph)
    assert [op.op_name for op in changed.ops][:2] == ["integer.avg_pool", "integer.mean"]
    x = drawn(dims)
    before, after = (run(g, [x])["y"].astype(int) for g in (graph, changed))
    assert np.abs(before - after).max() <= 1
    if layout == "nhwc":
        assert partition(to_file(graph).main).subgraphs == 0
        file = to_file(changed)
        assert partition(file.main).ending is None
        np.testing.assert_array_equal(on_litert(file, x), run(changed, [x])["y"])


def test_a_small_mean_stays() -> None:
    graph = one(lambda x: IntegerMean(x, axes=(1, 2), scale=0.0625, zero_point=3), (1, 64, 128, 3))
    assert [op.op_name for op in rewritten(graph).ops] == ["integer.mean"]


def weights(dims: tuple[int, ...]) -> Constant:
    scales = tuple(float(np.float32(0.01 + 0.001 * k)) for k in range(dims[0]))
    return stored(drawn(dims, 1), Quant(scales, (0,) * dims[0], 0, -128, 127))


def bias(count: int) -> Constant:
    return Constant(np.arange(count, dtype=np.int32) * 50)


@pytest.mark.parametrize("dims", [(7, 12), (1, 5, 12), (1, 3, 4, 12)])
def test_rows_through_a_linear_layer_become_pixels(dims: tuple[int, ...]) -> None:
    graph = one(
        lambda x: IntegerLinear(x, weights((8, 12)), bias(8), scale=0.375, zero_point=1), dims
    )
    changed = rewritten(graph)
    x = drawn(dims)
    before, after = (run(g, [x])["y"] for g in (graph, changed))
    assert np.abs(before.astype(int) - after.astype(int)).max() <= 1  # another rounding rule
    file = to_file(changed)
    assert "CONV_2D" in operators(file)
    np.testing.assert_array_equal(on_litert(file, x), after)
    assert partition(to_file(graph).main).refusals
    assert not partition(file.main).refusals


def test_one_row_stays_a_linear_layer() -> None:
    graph = one(
        lambda x: IntegerLinear(x, weights((8, 12)), bias(8), scale=0.375, zero_point=1), (1, 12)
    )
    assert len(rewritten(graph)) == 1


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_groups_of_a_convolution_come_apart_exactly(layout: str) -> None:
    dims = (1, 6, 6, 12) if layout == "nhwc" else (1, 12, 6, 6)
    graph = one(
        lambda x: IntegerConv(
            x, weights((6, 4, 3, 3)), bias(6), groups=3, pads=(1, 1, 1, 1), scale=0.5,
            zero_point=2, activation="relu", layout=layout,
        ),
        dims,
    )  # fmt: skip
    changed = rewritten(graph)
    x = drawn(dims)
    np.testing.assert_array_equal(run(changed, [x])["y"], run(graph, [x])["y"])
    if layout == "nhwc":
        assert partition(to_file(graph).main).refusals
        assert not partition(to_file(changed).main).refusals


# -- the partition ---------------------------------------------------------------------------------


def cut_by_gelu(tmp_path: Path) -> tuple[Graph, Path]:
    b = Builder("cut")
    x = b.input("x", dtypes.f32, (1, 3, 8, 8))
    kernel = b.const(np.random.default_rng(0).normal(size=(8, 3, 3, 3)), dtypes.f32)
    before = b.add(HardSwish(b.add(Conv(x, kernel)).result)).result
    middle = b.add(Gelu(before)).result
    graph = b.output(y=b.add(Sigmoid(middle)).result)
    path = tmp_path / "cut.onnx"
    edgec.save(graph, path)
    return graph, path


def test_the_check_names_the_op_that_ends_the_first_subgraph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    _, path = cut_by_gelu(tmp_path)
    assert edgec_command(["check", str(path), "-t", "edgetpu", "--json"]) != 0
    said = json.loads(capsys.readouterr().out)
    assert "(GELU)" in said["facts"]["first subgraph ends at"]
    assert said["facts"]["subgraphs"].startswith("1 (2 with")
    where = {one["operator"]: one for one in said["operators"]}
    assert where["GELU"]["where"] == "CPU"
    assert where["GELU"]["instead"]
    assert "More than one subgraph" in where["LOGISTIC"]["why"]
    assert where["MUL"]["where"] == "Edge TPU"
    assert "HARD_SWISH" not in where


@pytest.mark.parametrize("name", WHOLE)
def test_these_models_map_whole(
    models: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edgec_command(["check", str(models / f"{name}.onnx"), "-t", "edgetpu", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert all(one["where"] == "Edge TPU" for one in said["operators"])
    assert said["facts"]["subgraphs"].startswith("1 (1 with")
    assert "0.00 MiB streamed" in said["facts"]["parameters"]
    assert 0 < said["seconds"] < 0.05


def test_floats_are_refused_in_words(tmp_path: Path) -> None:
    graph = edgec.load(DIGITS, input_shapes={"input": (1, 1, 28, 28)})
    with pytest.raises(Error) as error:
        edgec.compile(graph, "edgetpu", tmp_path / "m.tflite")
    assert "--precision int8" in str(error.value)


def test_open_dims_are_refused_with_the_shape_to_give(tmp_path: Path) -> None:
    with pytest.raises(Error) as error:
        edgec.compile(edgec.load(DIGITS), "edgetpu", tmp_path / "m.tflite", precision="int8",
                      calibration="random")  # fmt: skip
    assert "--input-shape input:1x1x28x28" in str(error.value)


# -- its compiler ----------------------------------------------------------------------------------

GOOD = """Edge TPU Compiler version 16.0.384591198
Model compiled successfully in 100 ms.
Input model: digits.tflite
On-chip memory used for caching model parameters: 64.25KiB
On-chip memory remaining for caching model parameters: 7.45MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 24

Operator                       Count      Status

CONV_2D                        11         Mapped to Edge TPU
CONV_2D                        1          More than one subgraph is not supported
DEPTHWISE_CONV_2D              5          Mapped to Edge TPU
ADD                            3          Mapped to Edge TPU
PAD                            2          Mapped to Edge TPU
MEAN                           1          Mapped to Edge TPU
FULLY_CONNECTED                1          Mapped to Edge TPU
"""
BAD = """Edge TPU Compiler version 16.0.384591198
ERROR: Restored original execution plan after delegate application failure.
Compilation failed: Compilation failed due to large activation tensors in model.
Compilation failed!
"""


def install(folder: Path, output: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the compiler's name that prints, and writes a file where it is told to."""
    folder.mkdir()
    (folder / "said").write_text(output)
    program = folder / "edgetpu_compiler"
    program.write_text(
        f'#!/bin/sh\ncat {folder / "said"}\nname=$(basename "$4" .tflite)\n'
        f'[ {code} = 0 ] && cp "$4" "$3/${{name}}_edgetpu.tflite"\nexit {code}\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_log_is_read() -> None:
    log = parse_log(GOOD)
    assert (log.subgraphs, log.cached, log.streamed) == (1, 65792, 0)
    assert log.mapped("CONV_2D") == 11
    assert log.statuses["CONV_2D", "More than one subgraph is not supported"] == 1


def test_the_compiler_is_asked_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", GOOD, 0, monkeypatch)
    edgec_command(["check", str(DIGITS), "-t", "edgetpu"])
    said = capsys.readouterr().out
    assert "edgetpu_compiler: 1 subgraphs, 0.06 MiB cached" in said
    assert "maps 11 of 12 CONV_2D, predicted 12" in said


def test_compile_runs_it_and_keeps_what_it_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", GOOD, 0, monkeypatch)
    graph = edgec.load(DIGITS, input_shapes={"input": (1, 1, 28, 28)})
    made = edgec.compile(graph, "edgetpu", tmp_path / "m.tflite", precision="int8",
                         calibration="random", verify=True)  # fmt: skip
    assert sorted(made.files) == ["m.tflite", "m_edgetpu.tflite"]
    assert made.verification is not None
    assert made.verification.largest == 0


def test_its_errors_name_our_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "bin", BAD, 1, monkeypatch)
    graph = edgec.load(DIGITS, input_shapes={"input": (1, 1, 28, 28)})
    with pytest.raises(Error) as error:
        edgec.compile(graph, "edgetpu", tmp_path / "m.tflite", precision="int8",
                      calibration="random")  # fmt: skip
    assert "/2/m/m.1/m.1.0/Conv" in str(error.value)
    assert "smaller input" in str(error.value)
    assert not (tmp_path / "m.tflite").exists()


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("Internal compiler error. Aborting!", "do not fit on the chip"),
        ("Didn't find op for builtin opcode 'PRELU' version '9'", "version 9 of PRELU"),
        ("ERROR: something else", "something else"),
    ],
)
def test_cryptic_errors_are_explained(said: str, word: str) -> None:
    graph = one(lambda x: IntegerLeakyRelu(x, alpha=0.1, scale=0.125, zero_point=0), (1, 4, 4, 8))
    file = to_file(graph)
    rewrite_operators(file.main)
    assert any(word in str(finding) for finding in explained(said, file.main))


# -- the device ------------------------------------------------------------------------------------


def test_the_other_pycoral_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pycoral_status() == "missing"
    (tmp_path / "pycoral").mkdir()
    (tmp_path / "pycoral" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert "not Coral's" in pycoral_status()
    (tmp_path / "pycoral" / "utils").mkdir()
    (tmp_path / "pycoral" / "utils" / "edgetpu.py").write_text("")
    assert pycoral_status() == "real"
