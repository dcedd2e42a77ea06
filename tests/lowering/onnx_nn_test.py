"""ONNX convolutions, pools, normalization, resizing, recurrence: old opsets, abbreviations,
refusals, and what each opset to write makes of an op."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

from edgec.ir import Array, Error, Graph, Op, op_classes, sample_graph, symbol, verify
from edgec.ir import ops as _all_ops  # noqa: F401  (declares them)
from edgec.ir.ops import BatchNorm, ConvTranspose, GroupNorm, Resize, RoiAlign
from edgec.kernels import run
from edgec.lowering.onnx import read_onnx, to_model

FAMILIES = ("nn.", "norm.", "resize.", "rnn.", "quant.")
CLASSES = [cls for name, cls in op_classes().items() if name.startswith(FAMILIES)]
RNG = np.random.default_rng(0)


def read(body: str, opset: int = 19, **constants: Any) -> Graph:
    text = f'<ir_version: 8, opset_import: ["" : {opset}]>\n{body}'
    graph = read_onnx(parser.parse_model(text), constants=constants)
    verify(graph)
    return graph


def normal(*dims: int) -> Array:
    return RNG.standard_normal(dims).astype(np.float32)


def only_op(graph: Graph, cls: type[Op]) -> Any:
    (found,) = graph.ops_of(cls)
    return found


@pytest.mark.parametrize("opset", [17, 22, 26])
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.op_name)
def test_every_opset_keeps_the_meaning(cls: type[Op], opset: int) -> None:
    for seed in range(4):
        graph, data = sample_graph(cls, seed)
        model = to_model(graph, opset=opset)
        onnx.checker.check_model(model)
        again = run(read_onnx(model), data)
        for name, expected in run(graph, data).items():
            narrow = expected.dtype.itemsize <= 2
            np.testing.assert_allclose(
                again[name].astype(np.float64), expected.astype(np.float64),
                rtol=1e-2 if narrow else 1e-5, atol=1e-2 if narrow else 1e-6,
            )  # fmt: skip


# -- transposed convolution ---------------------------------------------------------------------


def test_same_padding_of_a_transposed_convolution_holds_for_every_size() -> None:
    graph = read("""g (float[1,2,W] x, float[2,3,4] w) => (float[1,3,V] y) {
        y = ConvTranspose<auto_pad="SAME_UPPER", strides=[3]>(x, w)
    }""")
    assert graph.outputs[0].type.dims[-1] == 3 * symbol("W")
    assert only_op(graph, ConvTranspose).pads == (0, 1)


def test_same_padding_of_a_kernel_smaller_than_the_stride_pads_the_output() -> None:
    graph = read("""g (float[1,2,5] x, float[2,3,1] w) => (float[1,3,V] y) {
        y = ConvTranspose<auto_pad="SAME_LOWER", strides=[2]>(x, w)
    }""")
    assert graph.outputs[0].type.dims == (1, 3, 10)
    assert only_op(graph, ConvTranspose).output_padding == (1,)


def test_output_shape_of_an_unknown_size_is_refused() -> None:
    with pytest.raises(Error, match="needs other pads for every size"):
        read("""g (float[1,2,W] x, float[2,3,4] w) => (float[1,3,V] y) {
            y = ConvTranspose<output_shape=[9], strides=[3]>(x, w)
        }""")


def test_kernel_shape_that_contradicts_the_weights_is_refused() -> None:
    with pytest.raises(Error, match="kernel_shape is"):
        read("""g (float[1,2,8] x, float[2,2,3] w) => (float[1,2,V] y) {
            y = Conv<kernel_shape=[5]>(x, w)
        }""")


# -- normalization --------------------------------------------------------------------------------

BATCH_NORM = "g (float[{dims}] x, float[{c}] s, float[{c}] b, float[{c}] m, float[{c}] v)"


def test_batch_norm_of_a_vector_counts_one_channel() -> None:
    graph = read(
        BATCH_NORM.format(dims=4, c=1)
        + """ => (float[4] y) {
        y = BatchNormalization(x, s, b, m, v)
    }"""
    )
    x = normal(4)
    one, two = np.ones(1, np.float32), np.full(1, 2, np.float32)
    found = run(graph, [x, one, two, two, one])["y"]
    np.testing.assert_allclose(found, (x - 2) / np.sqrt(1 + 1e-5) + 2, rtol=1e-5)


def test_batch_norm_by_position_is_refused() -> None:
    with pytest.raises(Error, match="spatial=0"):
        read(
            BATCH_NORM.format(dims="1,3,2", c=3)
            + """ => (float[1,3,2] y) {
            y = BatchNormalization<spatial=0>(x, s, b, m, v)
        }""",
            opset=7,
        )


def test_statistics_of_an_old_batch_norm_are_refused() -> None:
    with pytest.raises(Error, match="for training"):
        read(
            BATCH_NORM.format(dims="1,3,2", c=3)
            + """ => (float[1,3,2] y, float[3] q) {
            y, q, r = BatchNormalization(x, s, b, m, v)
        }""",
            opset=9,
        )


def test_training_normalizes_by_the_statistics_of_the_batch() -> None:
    graph = read(
        BATCH_NORM.format(dims="5,3,2", c=3)
        + """
        => (float[5,3,2] y, float[3] mean, float[3] var) {
        y, mean, var = BatchNormalization<training_mode=1, momentum=0.75>(x, s, b, m, v)
    }"""
    )
    x, old = normal(5, 3, 2), np.zeros(3, np.float32)
    found = run(graph, [x, old + 1, old, old, old])
    np.testing.assert_allclose(found["y"].mean(axis=(0, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(found["y"].std(axis=(0, 2)), 1, rtol=1e-4)
    np.testing.assert_allclose(found["mean"], x.mean(axis=(0, 2)) / 4, rtol=1e-5)
    np.testing.assert_allclose(found["var"], x.var(axis=(0, 2)) / 4, rtol=1e-5)
    assert only_op(graph, BatchNorm).axis == 1


def test_group_norm_once_had_one_scale_per_group() -> None:
    graph = read(
        """g (float[1,4,6] x, float[2] s, float[2] b) => (float[1,4,6] y) {
        y = GroupNormalization<num_groups=2>(x, s, b)
    }""",
        opset=18,
    )
    assert only_op(graph, GroupNorm).gamma.type.dims == (4,)
    x = normal(1, 4, 6)
    found = run(graph, [x, np.asarray([1, 10], np.float32), np.asarray([0, 5], np.float32)])["y"]
    groups = found.reshape(2, -1)
    np.testing.assert_allclose(groups.mean(axis=1), [0, 5], atol=1e-5)
    np.testing.assert_allclose(groups.std(axis=1), [1, 10], rtol=1e-4)


# -- resizing ---------------------------------------------


@pytest.mark.parametrize(
    ("opset", "node"),
    [
        (7, 'Upsample<mode="nearest", scales=[1.0, 1.0, 1.5]>(x)'),
        (9, 'Upsample<mode="nearest">(x, s)'),
        (10, 'Resize<mode="nearest">(x, s)'),
    ],
)
def test_early_resizes_copy_the_sample_to_the_left(opset: int, node: str) -> None:
    body = f"g (float[1,1,4] x) => (float[1,1,6] y) <float[3] s = {{1, 1, 1.5}}> {{ y = {node} }}"
    found = run(read(body, opset), [np.arange(4, dtype=np.float32).reshape(1, 1, 4)])["y"]
    assert found.reshape(-1).tolist() == [0, 0, 1, 2, 2, 3]


@pytest.mark.parametrize("nearest", ["floor", "round_prefer_floor"])
@pytest.mark.parametrize("scale", [0.4, 0.5, 0.75, 1.5, 2.0, 2.6])
def test_half_pixels_for_nearest_of_opset_11(nearest: str, scale: float) -> None:
    graph = read(
        f"""g (float[10] x) => (float[M] y)
        <float[1] s = {{{scale}}}, float[0] r = {{}}> {{
        y = Resize<mode="nearest", nearest_mode="{nearest}",
                   coordinate_transformation_mode="tf_half_pixel_for_nn">(x, r, s)
    }}""",
        opset=11,
    )
    found = run(graph, [np.arange(10, dtype=np.float32)])["y"]
    position = (np.arange(found.size) + 0.5) / np.float32(scale)
    wanted = np.floor(position) if nearest == "floor" else np.ceil(position - 0.5)
    assert found.tolist() == np.clip(wanted, 0, 9).tolist()


def test_other_half_pixels_of_opset_11_are_refused() -> None:
    with pytest.raises(Error, match="tf_half_pixel_for_nn"):
        read(
            """g (float[10] x) => (float[M] y) <float[1] s = {2}, float[0] r = {}> {
            y = Resize<mode="linear",
                       coordinate_transformation_mode="tf_half_pixel_for_nn">(x, r, s)
        }""",
            opset=11,
        )


def test_sizes_that_follow_another_shape_are_followed() -> None:
    graph = read("""g (float[1,1,H,W] x, float[1,1,P,Q] like) => (float[1,1,P,Q] y) {
        s = Shape(like)
        y = Resize<mode="nearest">(x, , , s)
    }""")
    assert graph.outputs[0].type.dims == (1, 1, symbol("P"), symbol("Q"))
    assert only_op(graph, Resize).scales is None


# -- regions and recurrence ---------------------------------------------


@pytest.mark.parametrize(("opset", "half_pixel"), [(10, False), (16, True)])
def test_roi_align_began_without_the_half_pixel(opset: int, half_pixel: bool) -> None:
    graph = read(
        """g (float[1,1,8,8] x, float[R,4] r, int64[R] i) => (float[R,1,1,1] y) {
        y = RoiAlign(x, r, i)
    }""",
        opset,
    )
    assert only_op(graph, RoiAlign).half_pixel is half_pixel
    assert graph.outputs[0].type.dims == (symbol("R"), 1, 1, 1)


def test_a_layer_with_unknown_activations_is_refused() -> None:
    with pytest.raises(Error, match="activations are of"):
        read("""g (float[2,1,3] x, float[1,4,3] w, float[1,4,4] r) => (float[2,1,1,4] y) {
            y = RNN<hidden_size=4, activations=["Cosine"]>(x, w, r)
        }""")


def test_global_lp_pool_of_a_symbolic_size() -> None:
    graph = read("""g (float[1,2,H,W] x) => (float[1,2,1,1] y) { y = GlobalLpPool(x) }""")
    x = normal(1, 2, 3, 5)
    found = run(graph, [x])["y"].reshape(-1)
    np.testing.assert_allclose(found, np.sqrt(np.square(x).sum(axis=(0, 2, 3))), rtol=1e-6)


def test_the_hidden_size_of_a_recurrent_layer_may_be_stated_alone() -> None:
    """The weights are inputs whose last dim is a symbol."""
    model = parser.parse_model("""<ir_version: 9, opset_import: ["" : 19]>
        g (float[3,2,4] x, float[1,8,4] w, float[1,8,N] r) => (float[3,1,2,2] y) {
            y = LSTM<hidden_size=2>(x, w, r)
        }""")
    (output,) = read_onnx(model).outputs
    assert output.type.dims == (3, 1, 2, 2)
