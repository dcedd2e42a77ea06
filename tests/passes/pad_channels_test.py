"""Channels that are put beside others compute what was computed without them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quantized import quantized, record_ranges

from edgec.ir import Array, Builder, Graph, Value, dtypes
from edgec.ir.ops import Add, Conv, HardSwish, Mul, Pad, ReduceMean, Relu, Sigmoid
from edgec.kernels import Executor
from edgec.passes import PassManager, PassReport, Settings, make_pass


def depthwise_block(
    channels: int, gate: bool, skip: bool, inputs: int = 3, seed: int = 0
) -> tuple[Graph, dict[str, Array]]:
    """A pointwise, a depthwise and a pointwise convolution, quantized; with a gate on what lies
    between, or the block's operand added to what the depthwise one gives."""
    rng = np.random.default_rng(seed)
    b = Builder("block")

    def conv(x: Value, out: int, into: int, size: int, groups: int = 1) -> Value:
        weights = b.const(rng.normal(size=(out, into, size, size)), dtypes.f32)
        bias = b.const(rng.normal(size=out), dtypes.f32)
        pads = (size // 2,) * 4
        return b.add(Conv(x, weights, bias, pads=pads, groups=groups)).result

    x = b.input("x", dtypes.f32, (1, inputs, 6, 6))
    first = conv(x, channels, inputs, 3)
    inner = b.add(HardSwish(conv(first, channels, 1, 3, channels))).result
    if gate:
        mean = b.add(ReduceMean(inner, axes=(2, 3), keepdims=True)).result
        inner = b.add(Mul(inner, b.add(Sigmoid(conv(mean, channels, channels, 1))).result)).result
    if skip:
        inner = b.add(Add(inner, first)).result
    graph = b.output(y=b.add(Relu(conv(inner, 5, channels, 1))).result)
    found = {"x": rng.normal(size=(1, inputs, 6, 6)).astype(np.float32)}
    record_ranges(graph, [found])
    quantized(graph)
    return graph, found


def padded(graph: Graph) -> PassReport:
    passes = [make_pass("pad-channels", {"scheme": "onnx"})]
    (report,) = PassManager(passes, Settings(verify_each=True)).run(graph)
    return report


def groups(graph: Graph) -> list[int]:
    return [op.groups for op in graph.ops_of(Conv) if op.groups > 1]


@given(
    st.sampled_from([11, 12, 15, 24, 30, 33, 58]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 5),
    st.integers(0, 5),
)
def test_padding_changes_no_number(
    channels: int, gate: bool, skip: bool, inputs: int, seed: int
) -> None:
    graph, found = depthwise_block(channels, gate, skip, inputs, seed)
    before = Executor(graph).run(found)
    padded(graph)
    assert groups(graph) == [-(-channels // 16) * 16]
    np.testing.assert_array_equal(Executor(graph).run(found)["y"], before["y"])


@pytest.mark.parametrize("channels", [6, 16, 32])
def test_no_channel_is_added_where_none_is_missing_or_too_many_are(channels: int) -> None:
    graph, _ = depthwise_block(channels, gate=True, skip=True)
    padded(graph)
    assert groups(graph) == [channels]


@pytest.mark.parametrize("inputs", [1, 3, 4, 7])
def test_a_first_layer_reads_four_channels(inputs: int) -> None:
    graph, _ = depthwise_block(16, gate=False, skip=False, inputs=inputs)
    padded(graph)
    first = next(iter(graph.ops_of(Conv)))
    assert first.x.type.dims[1] == max(inputs, 4)
    assert len(list(graph.ops_of(Pad))) == (inputs < 4)


def test_what_the_model_gives_keeps_its_channels() -> None:
    rng = np.random.default_rng(0)
    b = Builder("last")
    x = b.input("x", dtypes.f32, (1, 12, 5, 5))
    weights = b.const(rng.normal(size=(12, 1, 3, 3)), dtypes.f32)
    graph = b.output(y=b.add(Conv(x, weights, groups=12)).result)
    record_ranges(graph, [{"x": rng.normal(size=(1, 12, 5, 5)).astype(np.float32)}])
    quantized(graph)
    padded(graph)
    assert groups(graph) == [12]


def test_other_targets_are_left_alone() -> None:
    graph, _ = depthwise_block(12, gate=False, skip=False)
    PassManager([make_pass("pad-channels", {"scheme": "tflite"})], Settings()).run(graph)
    assert groups(graph) == [12]
    assert not list(graph.ops_of(Pad))
