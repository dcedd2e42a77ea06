"""Weights of 8 and 4 bits in OpenVINO: they stay small in the file and in the plugin, and mean what
ours mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgec
from edgec.ir import Builder, Constant, Graph, dtypes, parse_graph
from edgec.ir.ops import Dequantize, Lstm, MatMul, Relu
from edgec.kernels import Judge, seeded_inputs
from edgec.lowering.openvino import OpenvinoRunner, check_expressible, to_model

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'edgec[openvino]'")


def product(
    stored: Any, inner: int, outer: int, block: int, *, transposed: bool, pointed: bool
) -> Graph:
    """x times a matrix of small integers with a scale per output, or per block of inputs."""
    rng = np.random.default_rng(inner + outer)
    low, high = map(int, stored.limits)
    axis, dims = (1, (outer, inner)) if transposed else (0, (inner, outer))
    scales = list(dims)
    if block:
        scales[axis] = -(-inner // block)
    else:
        axis, scales = 1 - axis, [outer]
    b = Builder("product")
    x = b.input("x", dtypes.f32, (3, inner))
    weights = b.const(rng.integers(low, high + 1, dims), stored)
    scale = b.const(rng.uniform(0.01, 0.1, scales), dtypes.f32)
    point = b.const(rng.integers(low, high + 1, scales), stored) if pointed else None
    real = b.add(Dequantize(weights, scale, point, axis=axis, block=block)).result
    return b.output(y=b.add(MatMul(x, real, transpose_b=transposed)).result)


@settings(max_examples=20)
@given(
    stored=st.sampled_from([dtypes.i8, dtypes.u8, dtypes.i4, dtypes.u4]),
    inner=st.sampled_from([16, 33, 40, 64, 96]),
    outer=st.sampled_from([8, 17, 64]),
    block=st.sampled_from([0, 16, 32]),
    transposed=st.booleans(),
    pointed=st.booleans(),
)
def test_products_with_small_weights(stored: Any, block: int, **options: Any) -> None:
    graph = product(stored, block=block, **options)
    assert not check_expressible(graph)
    inputs = seeded_inputs(graph)
    found = Judge(graph, inputs, factor=4).compare(
        "y", OpenvinoRunner(to_model(graph)).run(inputs)["y"]
    )
    assert found, found


def perceptron() -> Graph:
    rng = np.random.default_rng(0)
    b = Builder("perceptron")
    x = b.input("x", dtypes.f32, ("N", 256))
    hidden = b.add(MatMul(x, b.const(rng.standard_normal((256, 512)), dtypes.f32))).result
    hidden = b.add(Relu(hidden)).result
    other = b.const(rng.standard_normal((96, 512)), dtypes.f32)
    return b.output(y=b.add(MatMul(hidden, other, transpose_b=True)).result)


@pytest.mark.parametrize(("precision", "share"), [("w8", 0.27), ("w4", 0.19)])
def test_the_plugin_keeps_them_small(precision: str, share: float, tmp_path: Path) -> None:
    edgec.compile(perceptron(), "openvino", tmp_path / "whole.xml")
    path = tmp_path / "small.xml"
    edgec.compile(perceptron(), "openvino", path, precision=precision, verify=True)
    sizes = [p.with_suffix(".bin").stat().st_size for p in (path, tmp_path / "whole.xml")]
    assert sizes[0] < share * sizes[1]
    nodes = OpenvinoRunner(path).compiled.get_runtime_model().get_ops()
    about = [node.get_rt_info() for node in nodes]
    layers = [
        a["runtimePrecision"].astype(str)
        for a in about
        if a["layerType"].astype(str) == "FullyConnected"
    ]
    assert layers == ["i8" if precision == "w8" else "i4"] * 2


def test_recurrent_weights_stay_small(tmp_path: Path) -> None:
    """Their gates stand in another order there."""
    rng = np.random.default_rng(0)
    b = Builder("recurrent")
    x = b.input("x", dtypes.f32, (5, 2, 24))
    w = b.const(rng.standard_normal((1, 4 * 32, 24)), dtypes.f32)
    r = b.const(rng.standard_normal((1, 4 * 32, 32)), dtypes.f32)
    op = b.add(Lstm(x, w, r, hidden=32))
    graph = b.output(y=op.results[0])
    path = tmp_path / "m.xml"
    edgec.compile(graph, "openvino", path, precision="w8", verify=True)
    floats = sum(c.array.nbytes for c in (w, r) if isinstance(c, Constant))
    assert path.with_suffix(".bin").stat().st_size < 0.5 * floats


def test_blocks_of_what_is_computed_are_refused() -> None:
    graph = parse_graph("""graph g(%x: i8[4,8], %s: f32[4,2]) {
      %y = quant.dequantize %x, scale=%s, axis=1, block=4
      return y=%y
    }""")
    [found] = check_expressible(graph)
    assert "for constants only" in found.message
