"""The published ONNX node tests of every op that the loops implement."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgec.kernels.loops.activations import activations
from edgec.kernels.loops.conv import conv
from edgec.kernels.loops.conv_transpose import conv_transpose
from edgec.kernels.loops.deform_conv import deform_conv
from edgec.kernels.loops.grid_sample import grid_sample
from edgec.kernels.loops.nms import non_max_suppression
from edgec.kernels.loops.pool import Pooling, average_pool, lp_pool, max_pool, max_unpool
from edgec.kernels.loops.recurrent import Sequences, gru, lstm, rnn
from edgec.kernels.loops.resize import resize
from edgec.kernels.loops.resize_axis import Axis, Sampling
from edgec.kernels.loops.roi import RoiAlign, roi_align
from edgec.kernels.loops.scratch import Scratch

with warnings.catch_warnings():
    # The generators of the published data overflow on purpose.
    warnings.simplefilter("ignore")
    from onnx.backend.test.loader import load_model_tests

    PUBLISHED: list[Any] = load_model_tests(kind="node")

Array = NDArray[Any]


@dataclass(frozen=True)
class Node:
    """One published node test: attributes, inputs by formal position, expected outputs."""

    op: str
    attributes: dict[str, Any]
    inputs: list[Array | None]
    outputs: list[Array | None]
    rtol: float
    atol: float

    def get(self, name: str, default: Any = None) -> Any:
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def input(self, position: int) -> Array | None:
        return self.inputs[position] if position < len(self.inputs) else None

    def required(self, position: int) -> Array:
        value = self.input(position)
        assert value is not None
        return value

    def axes(self, name: str, default: int, rank: int) -> tuple[int, ...]:
        return tuple(self.get(name, [default] * rank))


def _node(case: Any) -> Node:
    (proto,) = case.model.graph.node
    inputs, outputs = case.data_sets[0]
    named = dict(zip((i.name for i in case.model.graph.input), inputs, strict=True))
    results = dict(zip((o.name for o in case.model.graph.output), outputs, strict=True))
    return Node(
        proto.op_type,
        {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute},
        [named.get(name) for name in proto.input],
        [results.get(name) for name in proto.output],
        case.rtol,
        case.atol,
    )


def _pads(
    node: Node, size: Sequence[int], kernel: Sequence[int], out: Sequence[int], transpose: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank = len(kernel)
    auto = node.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID") and not (transpose and "output_shape" in node.attributes):
        pads = node.axes("pads", 0, 2 * rank)
        return pads[:rank], pads[rank:]
    begin, end = [], []
    strides, dilations = node.axes("strides", 1, rank), node.axes("dilations", 1, rank)
    extra = node.axes("output_padding", 0, rank)
    for i in range(rank):
        small, large = (size[i], out[i]) if transpose else (out[i], size[i])
        reach = (kernel[i] - 1) * dilations[i] + 1
        total = max(0, (small - 1) * strides[i] + reach - large + extra[i])
        less, more = total // 2, total - total // 2
        first_is_less = auto == "SAME_UPPER"
        begin.append(less if first_is_less else more)
        end.append(more if first_is_less else less)
    return tuple(begin), tuple(end)


def _run_conv(node: Node, out: Array) -> None:
    x, w, rank = node.required(0), node.required(1), out.ndim - 2
    begin, end = _pads(node, x.shape[2:], w.shape[2:], out.shape[2:], transpose=False)
    strides, dilations = node.axes("strides", 1, rank), node.axes("dilations", 1, rank)
    groups = node.get("group", 1)
    conv(x, w, node.input(2), strides, begin, end, dilations, groups, -inf, inf, out, Scratch())


def _run_conv_transpose(node: Node, out: Array) -> None:
    x, w, rank = node.required(0), node.required(1), out.ndim - 2
    begin, _ = _pads(node, x.shape[2:], w.shape[2:], out.shape[2:], transpose=True)
    strides, dilations = node.axes("strides", 1, rank), node.axes("dilations", 1, rank)
    groups = node.get("group", 1)
    conv_transpose(x, w, node.input(2), strides, begin, dilations, groups, out, Scratch())


def _run_deform_conv(node: Node, out: Array) -> None:
    rank = out.ndim - 2
    deform_conv(
        node.required(0), node.required(1), node.required(2), node.input(3), node.input(4),
        node.axes("strides", 1, rank), node.axes("pads", 0, 2 * rank)[:rank],
        node.axes("dilations", 1, rank), node.get("group", 1), node.get("offset_group", 1),
        out, Scratch(),
    )  # fmt: skip


def _pooling(node: Node, out: Array) -> Pooling:
    rank = out.ndim - 2
    kernel = tuple(node.get("kernel_shape"))
    begin, end = _pads(node, node.required(0).shape[2:], kernel, out.shape[2:], transpose=False)
    strides, dilations = node.axes("strides", 1, rank), node.axes("dilations", 1, rank)
    return Pooling(kernel, strides, begin, end, dilations)


def _run_max_pool(node: Node, out: Array, indices: Array | None = None) -> None:
    order = node.get("storage_order", 0)
    max_pool(node.required(0), _pooling(node, out), out, Scratch(), indices, order)


def _run_average_pool(node: Node, out: Array) -> None:
    include = bool(node.get("count_include_pad", 0))
    average_pool(node.required(0), _pooling(node, out), include, out, Scratch())


def _run_lp_pool(node: Node, out: Array) -> None:
    lp_pool(node.required(0), _pooling(node, out), node.get("p", 2), out, Scratch())


def _run_max_unpool(node: Node, out: Array) -> None:
    x, kernel = node.required(0), node.get("kernel_shape")
    rank = len(kernel)
    strides, pads = node.axes("strides", 1, rank), node.axes("pads", 0, 2 * rank)
    size = [
        (x.shape[2 + i] - 1) * strides[i] - pads[i] - pads[rank + i] + kernel[i]
        for i in range(rank)
    ]
    max_unpool(x, node.required(1), size, out)


def _run_resize(node: Node, out: Array) -> None:
    x, sizes = node.required(0), node.input(3)
    axes = node.get("axes", list(range(x.ndim)))
    scale = np.ones(x.ndim)
    if sizes is not None:
        ratios = sizes / np.array([x.shape[a] for a in axes])
        policy = node.get("keep_aspect_ratio_policy", "stretch")
        common = {"not_larger": min(ratios), "not_smaller": max(ratios)}
        scale[axes] = common.get(policy, ratios)
    else:
        scale[axes] = node.required(2)
    starts, ends = np.zeros(x.ndim), np.ones(x.ndim)
    roi = node.input(1)
    if roi is not None and roi.size:
        starts[axes], ends[axes] = roi.reshape(2, -1)
    plan = [
        Axis(x.shape[i], out.shape[i], float(scale[i]), (float(starts[i]), float(ends[i])))
        for i in range(x.ndim)
    ]
    sampling = Sampling(
        node.get("mode", "nearest"),
        node.get("coordinate_transformation_mode", "half_pixel"),
        node.get("nearest_mode", "round_prefer_floor"),
        node.get("cubic_coeff_a", -0.75),
        bool(node.get("exclude_outside", 0)),
        bool(node.get("antialias", 0)),
    )
    resize(x, plan, sampling, node.get("extrapolation_value", 0.0), out)


def _run_grid_sample(node: Node, out: Array) -> None:
    mode = {"bilinear": "linear", "bicubic": "cubic"}
    name = node.get("mode", "linear")
    padding, corners = node.get("padding_mode", "zeros"), bool(node.get("align_corners", 0))
    grid_sample(node.required(0), node.required(1), mode.get(name, name), padding, corners, out)


def _run_roi_align(node: Node, out: Array) -> None:
    align = RoiAlign(
        node.get("sampling_ratio", 0),
        node.get("spatial_scale", 1.0),
        node.get("coordinate_transformation_mode", "half_pixel") == "half_pixel",
        node.get("mode", "avg") == "max",
    )
    roi_align(node.required(0), node.required(1), node.required(2), align, out)


def _run_nms(node: Node, out: Array) -> None:
    limit, overlap, score = (node.input(i) for i in (2, 3, 4))
    found = non_max_suppression(
        node.required(0), node.required(1), 0 if limit is None else int(limit.item()),
        0.0 if overlap is None else float(overlap.item()),
        None if score is None else float(score.item()), bool(node.get("center_point_box", 0)),
    )  # fmt: skip
    assert found.shape == out.shape
    out[...] = found


def _sequences(node: Node, defaults: list[str]) -> Sequences:
    x, initial_h = node.required(0), node.input(5)
    if node.get("layout", 0):
        x = x.swapaxes(0, 1)
        initial_h = None if initial_h is None else initial_h.swapaxes(0, 1)
    direction = node.get("direction", "forward")
    names = [n.decode() for n in node.get("activations", [])]
    functions = activations(
        names or defaults * (2 if direction == "bidirectional" else 1),
        node.get("activation_alpha", []),
        node.get("activation_beta", []),
    )
    w, r, bias, lengths = node.required(1), node.required(2), node.input(3), node.input(4)
    return Sequences(x, w, r, bias, lengths, initial_h, direction, functions, node.get("clip"))


def _run_recurrent(node: Node, *published: Array) -> None:
    defaults = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
    sequences = _sequences(node, defaults[node.op])
    steps, batch, _ = sequences.x.shape
    directions = sequences.w.shape[0]
    y = np.full((steps, directions, batch, sequences.hidden), np.nan, np.float32)
    y_h, y_c = np.full_like(y[0], np.nan), np.full_like(y[0], np.nan)
    if node.op == "LSTM":
        lstm(
            sequences, node.input(6), node.input(7), bool(node.get("input_forget", 0)), y, y_h, y_c
        )
    elif node.op == "GRU":
        gru(sequences, bool(node.get("linear_before_reset", 0)), y, y_h)
    else:
        rnn(sequences, y, y_h)
    if node.get("layout", 0):
        y, y_h, y_c = y.transpose(2, 0, 1, 3), y_h.swapaxes(0, 1), y_c.swapaxes(0, 1)
    positions = [i for i, value in enumerate(node.outputs) if value is not None]
    for target, position in zip(published, positions, strict=True):
        target[...] = (y, y_h, y_c)[position]


RUNNERS: dict[str, Callable[..., None]] = {
    "AveragePool": _run_average_pool,
    "Conv": _run_conv,
    "ConvTranspose": _run_conv_transpose,
    "DeformConv": _run_deform_conv,
    "GRU": _run_recurrent,
    "GridSample": _run_grid_sample,
    "LSTM": _run_recurrent,
    "LpPool": _run_lp_pool,
    "MaxPool": _run_max_pool,
    "MaxUnpool": _run_max_unpool,
    "NonMaxSuppression": _run_nms,
    "RNN": _run_recurrent,
    "Resize": _run_resize,
    "RoiAlign": _run_roi_align,
}
CASES = {
    case.name: case
    for case in PUBLISHED
    if len(case.model.graph.node) == 1 and case.model.graph.node[0].op_type in RUNNERS
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_published(name: str) -> None:
    node = _node(CASES[name])
    expected = [value for value in node.outputs if value is not None]
    actual = [np.zeros_like(value) for value in expected]
    RUNNERS[node.op](node, *actual)
    for got, want in zip(actual, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=node.rtol, atol=node.atol)


def test_every_op_has_published_cases() -> None:
    assert {case.model.graph.node[0].op_type for case in CASES.values()} == set(RUNNERS)
