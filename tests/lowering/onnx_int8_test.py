"""int8 for ONNX Runtime: integer operators everywhere, the same numbers as our kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from quantized import (
    between_layers,
    in_onnxruntime,
    optimized_operators,
    quantized,
    record_ranges,
    steps,
)

import edgec
from edgec.ir import Array, Builder, Constant, Graph, Value, dtypes
from edgec.ir.ops import (
    Add,
    AvgPool,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Dequantize,
    Div,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    MatMul,
    MaxPool,
    Mul,
    ReduceMean,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Silu,
    Slice,
    Softmax,
    Split,
    Tanh,
    Transpose,
)
from edgec.kernels import run
from edgec.lowering.onnx import to_model
from edgec.passes import PIPELINES, PassManager, make_pass

Middle = Callable[[Builder, Value], Sequence[Value]]
# Of floats. Concat is not among them: moved integers keep that name, added ones are QLinearConcat.
# Neither is Softmax, which stays float: ONNX Runtime's integer one takes 6 to 13 times as long.
FLOAT_OPERATORS = {
    *("Conv", "FusedConv", "ConvTranspose", "MatMul", "FusedMatMul", "Gemm", "FusedGemm"),
    *("Add", "Sub", "Mul", "Div", "Relu", "Clip", "LeakyRelu", "HardSigmoid", "HardSwish"),
    *("AveragePool", "GlobalAveragePool", "ReduceMean", "Sigmoid", "Tanh"),
}


def one(make: Callable[[Value], object]) -> Middle:
    return lambda b, x: [b.add(make(x)).result]  # type: ignore[call-overload,no-any-return]


def weights(b: Builder, *dims: int) -> Value:
    return b.const(np.random.default_rng(1).normal(0, 0.3, dims), dtypes.f32)


def number(b: Builder, value: float | list[float]) -> Value:
    return b.const(np.asarray(value), dtypes.f32)


def ints(b: Builder, *values: int) -> Value:
    return b.const(np.asarray(values), dtypes.i64)


def squeeze_and_excite(b: Builder, x: Value) -> Sequence[Value]:
    mean = b.add(ReduceMean(x, axes=(2, 3))).result
    gate = Conv(mean, weights(b, 8, 8, 1, 1), act="hard_sigmoid", act_params=(1 / 6, 0.5))
    return [b.add(Mul(x, b.add(gate).result)).result]


def shuffled(b: Builder, x: Value) -> Sequence[Value]:
    grouped = b.add(Reshape(x, to=(1, 2, 4, 8, 8))).result
    swapped = b.add(Transpose(grouped, perm=(0, 2, 1, 3, 4))).result
    return [b.add(Reshape(swapped, to=(1, 8, 8, 8))).result]


def parts(b: Builder, x: Value) -> Sequence[Value]:
    left, right = b.add(Split(x, axis=1, parts=2)).results
    return [b.add(Concat((right, b.add(Relu(left)).result), axis=1)).result]


def rows(b: Builder, x: Value) -> Sequence[Value]:
    tokens = b.add(Transpose(b.add(Reshape(x, to=(1, 8, 64))).result, perm=(0, 2, 1))).result
    made = MatMul(tokens, weights(b, 8, 16), weights(b, 16), act="silu", act_params=(1.0,))
    return [b.add(made).result]


def attention(b: Builder, x: Value) -> Sequence[Value]:
    tokens = b.add(Reshape(x, to=(1, 8, 64))).result
    scores = b.add(MatMul(tokens, tokens, transpose_b=True, alpha=0.125)).result
    return [b.add(MatMul(b.add(Softmax(scores, axis=2)).result, tokens)).result]


def classifier(b: Builder, x: Value) -> Sequence[Value]:
    mean = b.add(ReduceMean(x, axes=(2, 3), keepdims=False)).result
    return [b.add(MatMul(mean, weights(b, 5, 8), weights(b, 5), transpose_b=True)).result]


def conv(act: str, *params: float) -> Middle:
    return lambda b, x: [
        b.add(
            Conv(x, weights(b, 6, 8, 3, 3), weights(b, 6), pads=(1, 1, 1, 1),
                 act=act, act_params=params)
        ).result
    ]  # fmt: skip


MIDDLES: Mapping[str, Middle] = {
    "conv": conv("none"),
    "conv-relu": conv("relu"),
    "conv-relu6": conv("clip", 0.0, 6.0),
    "conv-clip-above-zero": conv("clip", 0.7, 2.0),
    "conv-clip-below-zero": conv("clip", -2.0, -0.5),
    "conv-clip-around-zero": conv("clip", -1.0, 0.3),
    "conv-leaky-relu": conv("leaky_relu", 0.1),
    "conv-hard-swish": conv("hard_swish"),
    "conv-hard-sigmoid": conv("hard_sigmoid", 1 / 6, 0.5),
    "conv-sigmoid": conv("sigmoid"),
    "conv-silu": conv("silu", 1.0),
    "conv-tanh": conv("tanh"),
    "depthwise": lambda b, x: [b.add(Conv(x, weights(b, 8, 1, 3, 3), groups=8)).result],
    "grouped": lambda b, x: [b.add(Conv(x, weights(b, 8, 4, 3, 3), groups=2)).result],
    "upsampling": lambda b, x: [
        b.add(ConvTranspose(x, weights(b, 8, 3, 2, 2), weights(b, 3), stride=(2, 2))).result
    ],
    "add": one(lambda x: Add(x, x)),
    "add-relu": lambda b, x: [b.add(Relu(b.add(Add(x, x)).result)).result],
    "add-constant": lambda b, x: [b.add(Add(x, weights(b, 8, 1, 1))).result],
    "mul-constant": lambda b, x: [b.add(Mul(x, weights(b, 8, 1, 1))).result],
    "mul-number": lambda b, x: [b.add(Add(x, b.add(Mul(x, number(b, 0.3))).result)).result],
    "div-number": lambda b, x: [b.add(Add(x, b.add(Div(x, number(b, 6.0))).result)).result],
    "relu": lambda b, x: [x, b.add(Relu(x)).result],
    "clip-of-sum": lambda b, x: [
        b.add(Clip(b.add(Add(x, number(b, 3.0))).result, low=0.0, high=6.0)).result
    ],
    "leaky-relu": one(lambda x: LeakyRelu(x, alpha=0.2)),
    "sigmoid": one(Sigmoid),
    "tanh": one(Tanh),
    "silu": one(lambda x: Silu(x, alpha=1.5)),
    "hard-swish": one(HardSwish),
    "hard-sigmoid": one(lambda x: HardSigmoid(x, alpha=0.3, beta=0.4)),
    "softmax": one(lambda x: Softmax(x, axis=1)),
    "max-pool": one(lambda x: MaxPool(x, kernel=(2, 2), stride=(2, 2))),
    "average-pool": one(lambda x: AvgPool(x, kernel=(2, 2), stride=(2, 2))),
    "mean": one(lambda x: ReduceMean(x, axes=(2, 3))),
    "upscaled": lambda b, x: [
        b.add(Resize(x, number(b, [1, 1, 2, 2]), coordinates="asymmetric", nearest="floor")).result
    ],
    "depth-to-space": one(lambda x: DepthToSpace(x, block=2)),
    "slice": lambda b, x: [b.add(Slice(x, ints(b, 1), ints(b, 6), axes=(1,))).result],
    "parts": parts,
    "shuffled": shuffled,
    "squeeze-and-excite": squeeze_and_excite,
    "rows": rows,
    "attention": attention,
    "classifier": classifier,
}


HALFWAY = {"average-pool": 0.25}  # the mean of four integers lies between two in a quarter of cases


def step_of(value: Value, reached: Array) -> float:
    """The scale on which an output is stored; that of 8 bits over all of it where it is a float."""
    if isinstance(value.producer, Dequantize):
        assert isinstance(value.producer.scale, Constant)
        return float(value.producer.scale.array.item())
    assert isinstance(value.producer, MatMul | Softmax)
    return float(np.ptp(reached)) / 255


@pytest.mark.parametrize("name", MIDDLES)
def test_runs_on_integers_and_like_our_kernels(name: str, tmp_path: Path) -> None:
    graph, inputs = between_layers(MIDDLES[name])
    exact = run(graph, inputs)
    report = quantized(graph)
    floats = {op.op_name for op in graph.ops_of(Softmax)}
    assert len(report.statistics.near_misses) == len(floats)
    operators = optimized_operators(to_model(graph), tmp_path)
    assert not FLOAT_OPERATORS.intersection(operators), operators
    found, wanted = in_onnxruntime(graph, inputs), run(graph, inputs)
    for value, output in zip(graph.outputs, graph.output_names, strict=True):
        step = step_of(value, wanted[output])
        off = np.abs(found[output] - wanted[output]) / step
        assert off.max() <= 1.01
        assert np.mean(off > 0.5) <= HALFWAY.get(name, 0.05)
        noise = np.square(wanted[output] - exact[output]).mean()
        assert noise < np.square(exact[output]).mean() / 100  # 20 dB


@pytest.mark.parametrize("scheme", ["onnx-s8", "onnx-float-bias", "onnx-7bit"])
def test_other_schemes_give_the_same_numbers_on_our_kernels(scheme: str) -> None:
    graph, inputs = between_layers(MIDDLES["conv-relu"])
    other = graph.clone()
    quantized(graph)
    quantized(other, scheme=scheme)
    ours, others = run(graph, inputs)["y0"], run(other, inputs)["y0"]
    allowed = {"onnx-s8": 0.0, "onnx-float-bias": 1.01, "onnx-7bit": 12.0}[scheme]
    assert np.abs(ours - others).max() <= allowed * steps(graph)[0]
    found = in_onnxruntime(other, inputs)["y0"]
    assert np.abs(found - others).max() <= 1.01 * steps(other)[0]


def optimized(path: Path) -> Graph:
    graph = edgec.load(path)
    PassManager(PIPELINES["O2"].passes()).run(graph)
    return graph


def test_the_bundled_model_stays_accurate(digits: Path, digits_test: Path, tmp_path: Path) -> None:
    graph = optimized(digits)
    data = np.load(digits_test)
    images = ((data["x"][:, None] / 255 - 0.1307) / 0.3081).astype(np.float32)
    name = graph.input_names[0]
    record_ranges(graph, [{name: images[:100]}])
    exact = run(graph, [images])[graph.output_names[0]]
    quantized(graph)
    operators = optimized_operators(to_model(graph), tmp_path)
    assert not FLOAT_OPERATORS.intersection(operators), operators
    found = in_onnxruntime(graph, {name: images})[graph.output_names[0]]
    right = [np.mean(np.argmax(scores, axis=1) == data["y"]) for scores in (exact, found)]
    assert right[1] >= right[0] - 0.005
    assert np.mean(np.square(exact)) / np.mean(np.square(exact - found)) > 10**2.5  # 25 dB


CONVOLUTIONAL: Mapping[str, tuple[int, ...]] = {
    "ch_PP-OCRv4_det_infer": (1, 3, 64, 64),
    "ch_ppocr_mobile_v2.0_cls_infer": (1, 3, 48, 192),
    "efficientnet_lite0.raw17": (1, 3, 224, 224),
    "efficientnet_lite0.ts17": (1, 3, 224, 224),
    "mnist_mbv2.raw17": (1, 1, 28, 28),
    "mnist_resnet8.raw17": (1, 1, 28, 28),
    "mobilenet_v2.raw17": (1, 3, 224, 224),
    "mobilenet_v3_small.dyn18": (1, 3, 224, 224),
    "mobilevit_xxs.ts17": (1, 3, 256, 256),
    "shufflenet_v2_x1_0.raw17": (1, 3, 224, 224),
    "ssdlite320_nonms.ts17": (1, 3, 320, 320),
    "yolox_nano_like.ts17": (1, 3, 320, 320),
}


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_no_float_operator_is_left_in_real_models(models: Path, name: str, tmp_path: Path) -> None:
    graph = optimized(models / f"{name}.onnx")
    rng = np.random.default_rng(0)
    inputs = {graph.input_names[0]: rng.normal(size=CONVOLUTIONAL[name]).astype(np.float32)}
    record_ranges(graph, [inputs])
    quantized(graph)
    PassManager([make_pass("pad-channels", {})]).run(graph)
    operators = optimized_operators(to_model(graph), tmp_path)
    assert not FLOAT_OPERATORS.intersection(operators), operators
    edges = operators.count("DequantizeLinear") + operators.count("QuantizeLinear")
    float_ops = sum(operators.count(name) for name in ("LayerNormalization", "Exp", "Softmax"))
    assert edges <= len(graph.inputs) + len(graph.outputs) + 2 * float_ops + 1


def images(models: Path, name: str, count: int) -> Array:
    pixels = np.load(models / f"{name}.npz")["x"][:count]
    return ((pixels.astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2).copy()


def test_real_weights_keep_their_signal(models: Path) -> None:
    """Peers reach 13.3 to 16.2 dB over 128 images, plain minima and maxima 15.7."""
    graph = optimized(models / "efficientnet_lite0.ts17.onnx")
    record_ranges(graph, [{"input": images(models, "natural_calib_128", 16)}])
    batch = {"input": images(models, "natural_eval_128", 32)}
    exact = in_onnxruntime(graph, batch)
    quantized(graph)
    found = in_onnxruntime(graph, batch)
    (output,) = exact
    noise = np.square(exact[output] - found[output]).sum()
    assert 10 * np.log10(np.square(exact[output]).sum() / noise) > 15.5
