"""Integer kernels against LiteRT's reference kernels, bit by bit, and against exact arithmetic."""

from __future__ import annotations

import gc
import weakref
from fractions import Fraction
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgec.ir import (
    Array,
    Builder,
    Constant,
    Graph,
    Op,
    Quant,
    Rewriter,
    TensorType,
    dtypes,
    op_classes,
    sample_graph,
)
from edgec.ir.ops import IntegerConv, IntegerLinear, IntegerLookup, MaxPool
from edgec.ir.ops.integer import grid
from edgec.ir.sampling import Sampler
from edgec.kernels import run
from edgec.kernels.integer_fixed_point import factors, halves_away, multiplied
from edgec.kernels.loops import integer_dot
from edgec.kernels.loops.integer_product import multiply, multiply_rescaled, packed
from edgec.kernels.loops.integer_vectors import native_dot, portable_dot
from edgec.lowering.tflite import TfliteRunner, check_expressible, to_bytes

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'edgec[tflite]'")

CLASSES = [cls for name, cls in op_classes().items() if name.startswith("integer.")]
SEEDS = st.integers(0, 2**32 - 1)


def name(cls: type[Op]) -> str:
    return cls.op_name


def sample(cls: type[Op], seed: int) -> tuple[Graph, list[Array]]:
    """A sample whose weights and bias are constants."""
    graph, data = sample_graph(cls, seed)
    [op] = graph.ops
    fed = dict(zip(graph.inputs, data, strict=True))
    constants = {
        name: Constant(fed[value], hint=name, type=value.type)
        for name in ("w", "bias")
        if (value := getattr(op, name, None)) is not None
    }
    if constants:
        Rewriter(graph).replace_with(op, op.copy(**constants))
    return graph, data


def assert_equal(graph: Graph, data: list[Array]) -> None:
    """LiteRT's reference kernels give the same bits (its one kernel of ELU, which is none)."""
    inputs = dict(zip(graph.input_names, data, strict=True))
    elu = any(op.function == "elu" for op in graph.ops_of(IntegerLookup))
    resolver = "builtin" if elu else "reference"
    expected = TfliteRunner(to_bytes(graph), resolver=resolver).run_raw(inputs)
    for name, array in run(graph, data).items():
        assert array.dtype == expected[name].dtype
        np.testing.assert_array_equal(array, expected[name], err_msg=str(graph))


@pytest.mark.parametrize("cls", CLASSES, ids=name)
@given(seed=SEEDS)
def test_the_reference_kernels_give_the_same_bits(cls: type[Op], seed: int) -> None:
    for offset in range(200):  # the first sample that TFLite has a form for
        graph, data = sample(cls, seed + offset)
        older = any(op.rounding == "fixed" for op in graph.ops_of(IntegerLinear))
        if not older and not check_expressible(graph):
            assert_equal(graph, data)
            return
    pytest.fail("TFLite has a form for no sample")


# -- products at their limits ---------------------------------------------------------------------


def layer(seed: int, *, depthwise: bool) -> tuple[Graph, list[Array]]:
    """A convolution of images, channels last, whose sums and factors may be extreme."""
    draw = Sampler(seed)
    rng = draw.rng
    channels = draw.choice((1, 3, 16, 17, 40, 63, 64, 70, 130))
    groups = channels if depthwise else 1
    outputs = channels * draw.choice((1, 1, 2)) if depthwise else draw.choice((1, 2, 15, 16, 33))
    kernel = draw.choice(((1, 1), (3, 3), (5, 5), (2, 3)))
    b = Builder("layer")
    quant = grid(float(np.float32(rng.uniform(0.01, 1))), draw.integer(-128, 127))
    size = draw.shape(2, max(kernel), 9)
    x = b.add_input("x", TensorType(dtypes.i8, (draw.integer(1, 2), *size, channels), quant))
    ends = draw.choice(((-127, 128), (-127, -126), (127, 128)))  # sums as large as they can be
    shape = (outputs, channels // groups, *kernel)
    weights = rng.integers(*ends, shape).astype(np.int8)
    exponents = rng.uniform(-30, 8, outputs)  # of the factors: shifts to both sides
    scales = tuple(np.exp2(exponents).astype(np.float32).astype(float).tolist())
    w = Constant(weights, type=TensorType(
        dtypes.i8, shape, Quant(scales, (0,) * outputs, 0, -127, 127)))  # fmt: skip
    largest = draw.choice((100, 1 << 20, 3 << 28))
    bias = b.const(rng.integers(-largest, largest, outputs).astype(np.int32))
    made = IntegerConv(
        x, w, bias, groups=groups, scale=0.5, zero_point=draw.integer(-128, 127),
        auto_pad=draw.choice(("explicit", "same_upper")), stride=draw.shape(2, 1, 2),
        activation=draw.choice(("none", "relu6")),
    )  # fmt: skip
    graph = b.output(y=b.add(made).result)
    low, high = draw.choice(((-128, 128), (-128, -127), (127, 128)))
    return graph, [rng.integers(low, high, x.type.static_dims).astype(np.int8)]


@pytest.mark.parametrize("depthwise", [False, True], ids=["all channels", "by channel"])
@given(seed=SEEDS)
def test_extreme_sums_and_factors(depthwise: bool, seed: int) -> None:
    assert_equal(*layer(seed, depthwise=depthwise))


@given(seed=SEEDS)
def test_the_older_rounding_of_linear_layers_is_that_of_convolutions(seed: int) -> None:
    graph, data = sample_graph(IntegerLinear, seed)
    [op] = graph.ops_of(IntegerLinear)
    scales = op.w.type.quant
    assert scales is not None
    assume(scales.axis is not None)
    fixed = op.copy(rounding="fixed")
    Rewriter(graph).replace_with(op, fixed)
    pixels = data[0].reshape(-1, 1, 1, data[0].shape[-1])
    b = Builder("conv")
    x = b.add_input("x", op.x.type.with_dims(pixels.shape))
    w = Constant(data[1][:, :, None, None], type=op.w.type.with_dims((*op.w.type.dims, 1, 1)))
    bias = None if op.bias is None else Constant(data[2])
    same = {key: value for key, value in op.attributes.items() if key != "rounding"}
    b.add(made := IntegerConv(x, w, bias, **same))
    found = run(b.output(y=made.result), [pixels])["y"]
    np.testing.assert_array_equal(found.reshape(-1), run(graph, data)["y0"].reshape(-1))


@pytest.mark.parametrize("dot", [native_dot, portable_dot])
@pytest.mark.parametrize("panels", [1, 2])
def test_tiles_are_exact_without_the_instruction(dot: Any, panels: int) -> None:
    if dot is native_dot and not integer_dot.HAS_DOT:
        pytest.skip("this CPU has no such instruction")
    tile = integer_dot.summing_tile(panels, dot)
    pitch = integer_dot.LANES * panels

    @numba.njit  # no cache: it would not tell one tile from another
    def multiplied_once(a: Any, b: Any, steps: int, c: Any) -> None:
        tile((a, 0, 4 * steps, b, 0, steps * 64, steps, c, 0, pitch))

    rng = np.random.default_rng(panels)
    a = rng.integers(0, 256, (integer_dot.ROWS, 20)).astype(np.uint8)
    w = rng.integers(-128, 128, (pitch, 20)).astype(np.int8)
    c = np.empty((integer_dot.ROWS, pitch), np.int32)
    multiplied_once(a.reshape(-1), packed(w).panels, 5, c.reshape(-1))
    np.testing.assert_array_equal(c, a.astype(np.int64) @ w.astype(np.int64).T)


def test_rescaling_in_registers_is_that_of_sums() -> None:
    """Whole panels are written, and nothing before the first row."""
    rng = np.random.default_rng(1)
    weights = packed(rng.integers(-127, 128, (33, 70)).astype(np.int8))
    rows = rng.integers(0, 256, (24, weights.row_pitch)).astype(np.uint8)
    table = np.zeros((3, 4, 16), np.int32)
    table[:, 2], table[:, 3] = 1 << 30, np.arange(16)
    out = np.full(24 * 33 + 512, 99, np.int8)
    ends = np.array([3, -100, 100], np.int64)
    multiply_rescaled(
        rows.reshape(-1), 24, weights.panels, weights.steps, table.reshape(-1), ends, out, 33
    )
    sums = np.empty(24 * 48, np.int32)
    multiply(rows.reshape(-1), 24, weights.panels, weights.steps, sums)
    for row, column in np.ndindex(24, 33):
        halved = Fraction(int(sums[row * 48 + column]), 2)
        first = (halved + Fraction(1, 2)).__floor__()
        second = away(Fraction(first, 2 ** (column % 16)))
        assert out[row * 33 + column] == min(max(second + 3, -100), 100)


# -- fixed point ----------------------------------------------------------------------------------


def away(x: Fraction) -> int:
    """Rounded, halves away from zero."""
    whole = (abs(x) + Fraction(1, 2)).__floor__()
    return whole if x >= 0 else -whole


@given(
    hnp.arrays(np.int64, 20, elements=st.integers(-(2**31), 2**31 - 1)),
    st.floats(2.0**-40, 2.0**-1),
)
def test_two_roundings_of_a_product(x: Array, real: float) -> None:
    by = factors(real)
    mantissa, right = int(by.mantissas[0]), -int(by.shifts[0])
    for value, found in zip(x.tolist(), multiplied(x, by).tolist(), strict=True):
        high = (Fraction(value * mantissa, 2**31) + Fraction(1, 2)).__floor__()
        assert found == away(Fraction(high, 2**right))


@given(st.floats(2.0**-31, 2.0**20))
def test_a_factor_is_as_exact_as_31_bits(real: float) -> None:
    by = factors(real)
    held = Fraction(int(by.mantissas[0]), 2**31) * Fraction(2) ** int(by.shifts[0])
    assert abs(held - Fraction(real)) <= Fraction(real) / 2**31


@given(hnp.arrays(np.float64, 9, elements=st.floats(-1e6, 1e6)))
def test_halves_away(x: Array) -> None:
    assert halves_away(x).tolist() == [away(Fraction(v)) for v in x.tolist()]


# -- what is kept of a layer ----------------------------------------------------------------------


def test_packed_weights_die_with_their_graph() -> None:
    graph, data = layer(0, depthwise=False)
    run(graph, data)
    [op] = graph.ops_of(IntegerConv)
    watched = weakref.ref(op)
    del graph, op
    gc.collect()
    assert watched() is None


def test_a_replaced_constant_is_packed_anew() -> None:
    drawn = (layer(seed, depthwise=False) for seed in range(100))
    graph, data = next(one for one in drawn if np.unique(run(*one)["y"]).size > 20)
    before = run(graph, data)["y"]
    [op] = graph.ops_of(IntegerConv)
    assert isinstance(op.w, Constant)
    turned = Constant(np.ascontiguousarray(-op.w.array), type=op.w.type)
    Rewriter(graph).set_operand(op, 1, turned)
    after = run(graph, data)["y"]
    assert (before != after).any()
    np.testing.assert_array_equal(after, run(graph.clone(), data)["y"])


# -- ops that take quantized types as they are ----------------------------------------------------


@given(seed=SEEDS)
def test_max_pools_of_integers(seed: int) -> None:
    draw = Sampler(seed)
    b = Builder("pool")
    quant = grid(0.25, draw.integer(-128, 127))
    x = b.add_input("x", TensorType(dtypes.i8, (1, *draw.shape(2, 4, 9), 3), quant))
    padding = draw.choice(("explicit", "same_upper"))
    made = MaxPool(
        x, kernel=draw.shape(2, 1, 3), stride=draw.shape(2, 1, 2), auto_pad=padding, layout="nhwc"
    )
    graph = b.output(y=b.add(made).result)
    assert graph.outputs[0].type.quant == quant
    array = draw.rng.integers(-128, 128, x.type.static_dims or ()).astype(np.int8)
    assert_equal(graph, [array])
