"""Float ops between dequantize and quantize become integer ops, a bit off at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgec
from edgec.ir import Array, Builder, Graph, Op, Range, Rewriter, Value, dtypes, verify
from edgec.ir import ops as o
from edgec.kernels import Executor, dataset_of, run
from edgec.passes import Integerize, PassContext, Settings, Statistics
from edgec.passes.context import using

Make = Callable[[Builder, Sequence[Value]], Value]
Grid = tuple[float, int]

X, Y, Z = (0.05, 3), (0.02, -7), (0.04, 11)
IMAGE = (1, 6, 5, 4)


def onto(b: Builder, x: Value, grid: Grid, stored: Any = dtypes.i8) -> Value:
    """A value stored on a grid."""
    point = np.array(grid[1] + (128 if stored is dtypes.u8 else 0), stored.numpy)
    parameters = b.const(np.float32(grid[0])), b.const(point)
    storing = b.add(o.Quantize(x, *parameters, to=stored))
    return b.add(o.Dequantize(storing.result, *parameters)).result


def weights(b: Builder, dims: Sequence[int], axis: int = 0, seed: int = 0) -> Value:
    """Stored weights with a scale per slice."""
    rng = np.random.default_rng(seed)
    integers = rng.integers(-127, 128, tuple(dims)).astype(np.int8)
    scales = rng.uniform(0.001, 0.003, dims[axis]).astype(np.float32)
    return b.add(o.Dequantize(b.const(integers), b.const(scales), axis=axis)).result


def island(
    make: Make, *dims: Sequence[int], grids: Sequence[Grid] = (X, Y), result: Grid | None = Z,
    stored: Any = dtypes.i8,
) -> Graph:  # fmt: skip
    """Inputs stored on grids, what ``make`` adds, and its result stored on one."""
    b = Builder("island")
    inputs = [b.input(f"x{i}", dtypes.f32, d) for i, d in enumerate(dims)]
    read = [onto(b, x, grid, stored) for x, grid in zip(inputs, grids, strict=False)]
    made = make(b, read)
    return b.output(y=made if result is None else onto(b, made, result, stored))


def integerized(graph: Graph) -> tuple[Graph, Statistics]:
    after, context = graph.clone(), PassContext()
    with using(context):
        Integerize().run(after, Rewriter(after))
    verify(after)
    return after, context.statistics


def data_for(graph: Graph, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 2, v.type.static_dims or ()).astype(np.float32) for v in graph.inputs]


def largest_difference(graph: Graph, after: Graph) -> float:
    """Between the results, in steps of their grid."""
    data = data_for(graph)
    before, found = run(graph, data)["y"], run(after, data)["y"]
    [step] = {op.x.type.quant.scale[0] for op in after.ops_of(o.IntegerDequantize)
              if op.x.type.quant}  # fmt: skip
    return float(np.abs(before - found).max()) / step


def op(cls: Callable[..., Op], **attributes: Any) -> Make:
    """An op of all that was read."""
    return lambda b, read: b.add(cls(*read, **attributes)).result


def conv(w: Sequence[int], bias: Any = None, **attributes: Any) -> Make:
    def make(b: Builder, read: Sequence[Value]) -> Value:
        offset = None if bias is None else bias(b, w[0])
        return b.add(o.Conv(read[0], weights(b, w), offset, **attributes)).result

    return make


def float_bias(b: Builder, channels: int) -> Value:
    return b.const(np.linspace(-0.5, 0.5, channels).astype(np.float32))


def stored_bias(b: Builder, channels: int) -> Value:
    """On another grid than that of the products."""
    integers = np.arange(channels, dtype=np.int32) * 100 - 200
    return b.add(o.Dequantize(b.const(integers), b.const(np.float32(0.001)))).result


def then(first: Make, cls: Callable[..., Op], **attributes: Any) -> Make:
    return lambda b, read: b.add(cls(first(b, read), **attributes)).result


def matmul(**attributes: Any) -> Make:
    def make(b: Builder, read: Sequence[Value]) -> Value:
        transposed = attributes.get("transpose_b", False)
        w = weights(b, (5, 4), 0) if transposed else weights(b, (4, 5), 1)
        return b.add(o.MatMul(read[0], w, float_bias(b, 5), **attributes)).result

    return make


def transposed(**attributes: Any) -> Make:
    return lambda b, read: (
        b.add(
            o.ConvTranspose(read[0], weights(b, (4, 3, 2, 2), 1), layout="nhwc", **attributes)
        ).result
    )


def resized(mode: str, coordinates: str, sizes: tuple[int, int] = (9, 4)) -> Make:
    return lambda b, read: (
        b.add(
            o.Resize(read[0], sizes=b.const(sizes), mode=mode, coordinates=coordinates, axes=(1, 2))
        ).result
    )


NHWC: dict[str, Any] = {"layout": "nhwc"}
# What is added, the op that it becomes, and by how many steps the result may differ.
FORMS: dict[str, tuple[Make, type[Op], float, Sequence[Sequence[int]]]] = {
    "conv": (conv((6, 4, 3, 3), **NHWC), o.IntegerConv, 1, [IMAGE]),
    "conv nchw": (conv((2, 6, 3, 3), pads=(1, 0, 1, 1)), o.IntegerConv, 1, [IMAGE]),
    "depthwise": (conv((8, 1, 3, 3), groups=4, **NHWC), o.IntegerConv, 1, [IMAGE]),
    "float bias": (conv((6, 4, 1, 1), float_bias, **NHWC), o.IntegerConv, 1, [IMAGE]),
    "stored bias": (conv((6, 4, 1, 1), stored_bias, **NHWC), o.IntegerConv, 1, [IMAGE]),
    "fused relu": (conv((6, 4, 1, 1), act="relu", **NHWC), o.IntegerConv, 1, [IMAGE]),
    "fused relu6": (
        conv((6, 4, 1, 1), act="clip", act_params=(0.0, 6.0), **NHWC), o.IntegerConv, 1, [IMAGE],
    ),
    "relu behind": (then(conv((6, 4, 1, 1), **NHWC), o.Relu), o.IntegerConv, 1, [IMAGE]),
    "odd clip": (
        then(conv((6, 4, 1, 1), **NHWC), o.Clip, low=-0.3, high=0.9), o.IntegerConv, 1, [IMAGE],
    ),
    "conv_transpose": (transposed(stride=(2, 2)), o.IntegerConvTranspose, 1, [IMAGE]),
    "matmul": (matmul(), o.IntegerLinear, 1, [(3, 4)]),
    "matmul transposed": (matmul(transpose_b=True), o.IntegerLinear, 1, [(2, 3, 4)]),
    "matmul of two": (op(o.MatMul, transpose_b=True), o.IntegerMatMul, 1, [(2, 3, 4), (5, 4)]),
    "add": (op(o.Add), o.IntegerAdd, 1, [IMAGE, (4,)]),
    "add relu": (then(op(o.Add), o.Relu), o.IntegerAdd, 1, [IMAGE, IMAGE]),
    "sub": (op(o.Sub), o.IntegerSub, 1, [IMAGE, IMAGE]),
    "mul": (op(o.Mul), o.IntegerMul, 1, [IMAGE, (1, 1, 1, 4)]),
    "mean": (op(o.ReduceMean, axes=(1, 2)), o.IntegerMean, 1, [IMAGE]),
    "global pool": (op(o.AvgPool, kernel=(6, 5), **NHWC), o.IntegerMean, 1, [IMAGE]),
    "avg_pool": (op(o.AvgPool, kernel=(2, 3), **NHWC), o.IntegerAvgPool, 2, [IMAGE]),
    "avg_pool over padding": (
        op(o.AvgPool, kernel=(2, 2), pads=(1, 1, 1, 1), count_include_pad=True, **NHWC),
        o.IntegerAvgPool, 2, [IMAGE],
    ),
    "softmax": (op(o.Softmax, axis=1), o.IntegerSoftmax, 1, [(3, 7)]),
    "sigmoid": (op(o.Sigmoid), o.IntegerLookup, 1, [IMAGE]),  # by way of a finer grid
    "tanh": (op(o.Tanh), o.IntegerLookup, 1, [IMAGE]),
    "elu": (op(o.Elu), o.IntegerLookup, 1, [IMAGE]),
    "gelu": (op(o.Gelu), o.IntegerLookup, 1, [IMAGE]),
    "gelu by tanh": (op(o.Gelu, approximate="tanh"), o.IntegerLookup, 1, [IMAGE]),
    "exp": (op(o.Exp), o.IntegerLookup, 1, [IMAGE]),
    "hard_swish": (op(o.HardSwish), o.IntegerHardSwish, 1, [IMAGE]),
    "leaky_relu": (op(o.LeakyRelu, alpha=0.2), o.IntegerLeakyRelu, 1, [IMAGE]),
    "relu": (op(o.Relu), o.IntegerRequantize, 1, [IMAGE]),
    "clip": (op(o.Clip, low=-0.5, high=1.0), o.IntegerRequantize, 1, [IMAGE]),
    "resize": (resized("linear", "half_pixel"), o.IntegerResize, 2, [IMAGE]),
    "resize corners": (resized("linear", "align_corners"), o.IntegerResize, 2, [IMAGE]),
}  # fmt: skip


@pytest.mark.parametrize("stored", [dtypes.i8, dtypes.u8], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_an_island_becomes_an_integer_op(form: str, stored: Any) -> None:
    make, cls, steps, dims = FORMS[form]
    graph = island(make, *dims, stored=stored)
    after, _ = integerized(graph)
    kinds = {type(op) for op in after.ops if op.results}
    assert cls in kinds, str(after)
    ends = {o.IntegerQuantize, o.IntegerDequantize, o.IntegerRequantize}
    assert kinds - {cls} <= ends | {o.Maximum, o.Minimum, o.Pad}, str(after)
    assert largest_difference(graph, after) <= steps + 1e-3


# Ops that move elements: their results keep the grid, and every bit.
MOVES: dict[str, tuple[Make, Sequence[Sequence[int]]]] = {
    "reshape": (op(o.Reshape, to=(6, 20)), [IMAGE]),
    "transpose": (op(o.Transpose, perm=(0, 3, 1, 2)), [IMAGE]),
    "max_pool": (op(o.MaxPool, kernel=(2, 2), pads=(1, 0, 0, 1), **NHWC), [IMAGE]),
    "nearest": (resized("nearest", "asymmetric"), [IMAGE]),
    "pad": (
        lambda b, read: b.add(o.Pad(read[0], b.const([0, 1, 2, 0, 0, 1, 0, 0]))).result, [IMAGE],
    ),
    "reflected": (
        lambda b, read: b.add(
            o.Pad(read[0], b.const([0, 1, 2, 0, 0, 1, 0, 0]), mode="reflect")
        ).result, [IMAGE],
    ),
    "maximum": (op(o.Maximum), [IMAGE, IMAGE]),
    "concat": (lambda b, read: b.add(o.Concat(tuple(read), axis=3)).result, [IMAGE, IMAGE]),
    "reduce_max": (op(o.ReduceMax, axes=(1, 2)), [IMAGE]),
}  # fmt: skip


@pytest.mark.parametrize("result", [X, None], ids=["stored", "read"])
@pytest.mark.parametrize("form", MOVES)
def test_moves_keep_every_bit(form: str, result: Grid | None) -> None:
    make, dims = MOVES[form]
    graph = island(make, *dims, grids=(X, X), result=result)
    after, _ = integerized(graph)
    kinds = [type(op) for op in after.ops if op.results]
    assert kinds.count(o.IntegerQuantize) == len(dims)
    assert kinds[-1] is o.IntegerDequantize
    assert not set(kinds) & {o.Quantize, o.Dequantize, o.IntegerRequantize}
    before = run(graph, data_for(graph))["y"]
    np.testing.assert_array_equal(run(after, data_for(graph))["y"], before)


def test_operands_of_concat_are_brought_to_one_grid() -> None:
    graph = island(MOVES["concat"][0], IMAGE, IMAGE)
    after, _ = integerized(graph)
    kinds = [type(op) for op in after.ops]
    assert kinds.count(o.IntegerRequantize) == 2
    assert largest_difference(graph, after) <= 1.001


def test_split_reads_each_part() -> None:
    b = Builder("split")
    parts = b.add(o.Split(onto(b, b.input("x", dtypes.f32, IMAGE), X), axis=3, parts=2)).results
    graph = b.output(y=onto(b, parts[0], X), z=parts[1])
    after, _ = integerized(graph)
    for key, array in run(graph, data_for(graph)).items():
        np.testing.assert_array_equal(run(after, data_for(graph))[key], array)
    assert all(v.type.quant for op in after.ops_of(o.Split) for v in op.results)


def test_stored_values_that_are_moved_before_they_are_read() -> None:
    b = Builder("moved")
    scale, point = b.const(np.float32(0.1)), b.const(np.int8(3))
    stored = b.add(o.Quantize(b.input("x", dtypes.f32, IMAGE), scale, point, to=dtypes.i8))
    moved = b.add(o.Transpose(stored.result, perm=(0, 3, 1, 2)))
    read = b.add(o.Dequantize(moved.result, scale, point))
    graph = b.output(y=onto(b, b.add(o.Relu(read.result)).result, Z))
    after, _ = integerized(graph)
    assert not list(after.ops_of(o.Dequantize))
    assert largest_difference(graph, after) <= 1.001


def test_names_and_ranges_stay() -> None:
    graph = island(FORMS["add"][0], IMAGE, IMAGE)
    [added] = graph.ops_of(o.Add)
    added.result.hint, added.result.range = "sum", Range(-1.0, 2.0)
    after, _ = integerized(graph)
    [made] = after.ops_of(o.IntegerAdd)
    assert (made.result.hint, made.result.range) == ("sum", Range(-1.0, 2.0))


def two_grids(b: Builder, read: Sequence[Value]) -> Value:
    added = b.add(o.Add(*read)).result
    return b.add(o.Mul(onto(b, added, Y), onto(b, added, Z))).result


def asymmetric(b: Builder, read: Sequence[Value]) -> Value:
    stored = b.const(np.full((6, 4, 1, 1), 9, np.int8))
    w = b.add(o.Dequantize(stored, b.const(np.float32(0.1)), b.const(np.int8(1)))).result
    return b.add(o.Conv(read[0], w, **NHWC)).result


def other_axis(b: Builder, read: Sequence[Value]) -> Value:
    return b.add(o.Conv(read[0], weights(b, (6, 4, 1, 1), 1), **NHWC)).result


def grouped_transpose(b: Builder, read: Sequence[Value]) -> Value:
    w = weights(b, (4, 1, 2, 2), 1)
    return b.add(o.ConvTranspose(read[0], w, groups=2, **NHWC)).result


def huge_bias(b: Builder, channels: int) -> Value:
    return b.const(np.full(channels, 1e9, np.float32))


# What is added, and words of the reason why it stays float.
REFUSED: dict[str, tuple[Make, str, Grid | None, Sequence[Sequence[int]]]] = {
    "read as floats": (op(o.Add), "read as floats", None, [IMAGE, IMAGE]),
    "two grids": (two_grids, "read as floats", None, [IMAGE, IMAGE]),
    "no rule": (op(o.Softplus), "no rule", Z, [IMAGE]),
    "fused": (conv((6, 4, 1, 1), act="tanh", **NHWC), "no clamp", Z, [IMAGE]),
    "zero points": (asymmetric, "zero points", Z, [IMAGE]),
    "other axis": (other_axis, "along axis 1", Z, [IMAGE]),
    "groups": (grouped_transpose, "one group", Z, [IMAGE]),
    "huge bias": (conv((6, 4, 1, 1), huge_bias, **NHWC), "32 bits", Z, [IMAGE]),
    "alpha": (matmul(alpha=2.0), "alpha", Z, [(3, 4)]),
    "cubic": (resized("cubic", "half_pixel"), "mode cubic", Z, [IMAGE]),
    "elu": (op(o.Elu, alpha=0.5), "alpha 1", Z, [IMAGE]),
    "dilation": (op(o.AvgPool, kernel=(2, 2), dilation=(2, 2), **NHWC), "dilation", Z, [IMAGE]),
    "overhang": (
        op(o.AvgPool, kernel=(2, 2), stride=(2, 2), ceil=True, **NHWC), "overhangs", Z, [IMAGE],
    ),
    "hard_swish": (op(o.HardSwish), "below 1/128", (0.0001, 0), [IMAGE]),
    "padding with ones": (
        lambda b, read: b.add(
            o.Pad(read[0], b.const([0] * 4 + [1] * 4), b.const(np.float32(1)))
        ).result, "another number", Z, [IMAGE],
    ),
    "several grids joined": (MOVES["concat"][0], "several grids", None, [IMAGE, IMAGE]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_stays_float_says_why(case: str) -> None:
    make, words, result, dims = REFUSED[case]
    graph = island(make, *dims, result=result)
    after, statistics = integerized(graph)
    reasons = [reason for rule, reason in statistics.near_misses if rule == "integerize"]
    assert any(words in reason for reason in reasons), reasons
    data = data_for(graph)
    expected = run(graph, data)["y"]
    np.testing.assert_allclose(run(after, data)["y"], expected, atol=5 * Z[0])


@given(st.floats(2.0**-8, 0.25, width=32), st.integers(-128, 127), st.integers(0, 99))
def test_any_grid(scale: float, zero_point: int, seed: int) -> None:
    """Within the rounding of the operands' sum, saturated alike."""
    graph = island(FORMS["mul"][0], IMAGE, IMAGE, grids=(X, (scale, zero_point)))
    after, _ = integerized(graph)
    data = data_for(graph, seed)
    difference = np.abs(run(graph, data)["y"] - run(after, data)["y"]).max()
    assert difference <= Z[0] * 1.001


def test_layouts_are_turned_after_integers_too() -> None:
    """Transposes at the edges only, and every bit the same."""

    def chain(b: Builder, read: Sequence[Value]) -> Value:
        x = onto(b, conv((6, 4, 3, 3), pads=(1, 1, 1, 1))(b, read), Y)
        x = onto(b, b.add(o.AvgPool(x, kernel=(2, 2))).result, Y)
        x = onto(b, b.add(o.HardSwish(x)).result, Z)
        x = onto(b, b.add(o.Softmax(x, axis=1)).result, (1 / 256, -128))
        x = onto(b, b.add(o.Add(x, x)).result, X)
        return b.add(o.ReduceMean(x, axes=(2, 3))).result

    graph, _ = integerized(island(chain, (1, 4, 8, 7)))
    turned = graph.clone()
    edgec.optimize(turned, "layout{to=nhwc}")
    assert len(list(turned.ops_of(o.Transpose))) == 1
    assert {op.layout for op in turned.ops_of(o.IntegerConv)} == {"nhwc"}
    data = data_for(graph)
    np.testing.assert_array_equal(run(turned, data)["y"], run(graph, data)["y"])


def test_the_bundled_model_is_all_integers(digits: Path, digits_test: Path) -> None:
    with np.load(digits_test) as arrays:
        pixels, labels = arrays["x"][:64], arrays["y"][:64]
    images = ((pixels / 255 - 0.1307) / 0.3081).astype(np.float32)[:, None]
    graph = edgec.load(digits)
    [name] = graph.input_names
    samples = [{name: image[None]} for image in images]
    settings = Settings(data=dataset_of(samples), verify_each=True)
    quantized = "O2,calibrate,quantize{scheme=tflite},layout{to=nhwc}"
    edgec.optimize(graph, quantized, settings)
    edgec.optimize(graph, "integerize", Settings(check_numerics=True, shapes={"N": 2}))
    kinds = [op.op_name.split(".")[0] for op in graph.ops]
    assert set(kinds) <= {"integer", "move"}
    assert kinds.count("integer") > 15
    text = str(graph)
    edgec.optimize(graph, "integerize")
    assert str(graph) == text
    executor = Executor(graph)
    answers = [next(iter(executor.run(one).values())).argmax() for one in samples]
    assert (np.array(answers) == labels).mean() > 0.95
