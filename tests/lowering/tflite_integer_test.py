"""Integer models in LiteRT: the same integers as ours, from its reference kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from properties.tflite_graphs import image_net
from quantized import quantized, record_ranges

import edgec
from edgec.ir import (
    Array,
    Builder,
    Constant,
    DType,
    Error,
    Graph,
    Kind,
    Op,
    Rewriter,
    dtypes,
    sample_graph,
)
from edgec.ir import ops as declared
from edgec.ir.ops import ConvTranspose, HardSwish, MatMul
from edgec.kernels import Executor, Judge, run, seeded_inputs
from edgec.lowering.tflite import TFLITE, TfliteRunner, check_expressible, to_bytes, to_file

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'edgec[tflite]'")

INTEGER = [cls for cls in TFLITE.rules if cls.op_name.startswith("integer.")]
SEEDS = range(60)
ENOUGH = 20


def builtins(graph: Graph, **options: Any) -> set[str]:
    return {operator.builtin for operator in to_file(graph, **options).main.operators}


def with_constant_weights(cls: type[Op], seed: int) -> tuple[Graph, dict[str, Array]]:
    """A sample whose weights and bias are constants, as integer kernels want them."""
    graph, data = sample_graph(cls, seed)
    inputs = dict(zip(graph.input_names, data, strict=True))
    [op] = graph.ops
    values = {n: getattr(op, n, None) for n in ("w", "bias")}
    given = {
        n: Constant(inputs[v.hint], hint=n, type=v.type)
        for n, v in values.items()
        if v is not None and n in {spec.name for spec in cls.operand_specs}
    }
    if given:
        Rewriter(graph).replace_with(op, op.copy(**given))
    return graph, inputs


@pytest.mark.parametrize("cls", INTEGER, ids=lambda cls: cls.op_name)
def test_the_reference_kernels_give_our_integers(cls: type[Op]) -> None:
    compared = 0
    for seed in SEEDS:
        graph, inputs = with_constant_weights(cls, seed)
        [op] = graph.ops
        if op.attributes.get("rounding") == "fixed" or check_expressible(graph):
            continue  # fixed is the rule of older runtimes
        if "ELU" in builtins(graph):
            continue  # LiteRT has no reference kernel of it
        found = TfliteRunner(to_bytes(graph), resolver="reference").run_raw(inputs)
        for name, expected in run(graph, [inputs[n] for n in graph.input_names]).items():
            np.testing.assert_array_equal(found[name], expected, f"seed {seed}")
        compared += 1
        if compared == ENOUGH:
            break
    assert compared >= 8


MOVES = (
    declared.Reshape, declared.Transpose, declared.Concat, declared.Slice, declared.Gather,
    declared.Expand, declared.Tile, declared.DepthToSpace, declared.SpaceToDepth,
    declared.Maximum, declared.Minimum, declared.ReduceMax, declared.ReduceMin, declared.Split,
)  # fmt: skip


@pytest.mark.parametrize("cls", MOVES, ids=lambda cls: cls.op_name)
def test_integers_are_moved_with_their_grid(cls: type[Op]) -> None:
    """The same op on values whose types say what they stand for."""
    compared = 0
    for seed in range(200):
        graph, data = sample_graph(cls, seed)
        if any(v.type.dtype is not dtypes.i8 for v in graph.inputs):
            continue
        quantized = on_a_grid(graph, data)
        if quantized is None or check_expressible(quantized):
            continue
        inputs = dict(zip(quantized.input_names, data, strict=True))
        found = TfliteRunner(to_bytes(quantized), resolver="reference").run_raw(inputs)
        for name, expected in run(quantized, data).items():
            np.testing.assert_array_equal(found[name], expected, f"seed {seed}")
        compared += 1
    assert compared >= 2


def on_a_grid(graph: Graph, data: list[Array]) -> Graph | None:
    """The graph with quantized inputs, none for one whose op takes no such types."""
    text = str(graph).replace("i8[", "I8[")
    del data
    parts = text.split("I8[")
    rebuilt = parts[0]
    for part in parts[1:]:
        dims, _, rest = part.partition("]")
        rebuilt += f"i8[{dims}]q(0.5,3,-128,127){rest}"
    return edgec.load(rebuilt.encode())


def integer_image_net(folder: Path, **options: Any) -> tuple[Graph, Path, list[dict[str, Array]]]:
    graph = image_net()
    samples = [seeded_inputs(graph, seed=seed) for seed in range(4)]
    path = folder / "m.tflite"
    made = edgec.compile(
        graph, "tflite", path, precision="int8", calibration=samples, verify=True, options=options
    )
    return made.graph, path, samples


def test_every_tensor_of_a_network_is_the_same(tmp_path: Path) -> None:
    graph, path, samples = integer_image_net(tmp_path)
    runner = TfliteRunner(path, resolver="reference")
    compared: dict[str, int] = {}
    for sample in samples:
        shown = runner.run_with_taps(sample)

        def look(op: Op, results: Any, shown: dict[str, Array] = shown) -> None:
            for value, array in zip(op.results, results, strict=True):
                if value.hint in shown and shown[value.hint].dtype == array.dtype == np.int8:
                    np.testing.assert_array_equal(shown[value.hint], array)
                    compared[value.hint] = compared.get(value.hint, 0) + 1

        Executor(graph).run(sample, tap=look)
    assert len(compared) >= 8


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(("dtype", "stored"), [("int8", np.int8), ("uint8", np.uint8)])
def test_integers_can_go_in_and_come_out(
    tmp_path: Path, layout: str, dtype: str, stored: Any
) -> None:
    graph, path, samples = integer_image_net(tmp_path, io_layout=layout, io_dtype=dtype)
    assert "DEQUANTIZE" not in builtins(graph, io_layout=layout, io_dtype=dtype)
    runner = TfliteRunner(path, resolver="reference")
    raw = runner.run_raw(samples[0])
    assert {array.dtype for array in raw.values()} == {np.dtype(stored)}
    expected = Executor(graph).run(samples[0])
    for name, array in runner.run(samples[0]).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-6, atol=1e-6)


def test_what_stays_float_cannot_come_in_as_integers() -> None:
    with pytest.raises(Error) as raised:
        to_bytes(image_net(), io_dtype="int8")
    assert raised.value.kind is Kind.UNSUPPORTED
    assert "input image is read as floats" in str(raised.value)
    with pytest.raises(Error, match="io_dtype is one of"):
        to_bytes(image_net(), io_dtype="int16")


def test_eight_bit_weights_are_widened_or_multiplied_as_they_are(
    digits: Path, tmp_path: Path
) -> None:
    graph = edgec.load(digits)
    path = tmp_path / "m.tflite"
    made = edgec.compile(graph, "tflite", path, precision="w8", verify=True)
    operators = to_file(made.graph).main.operators
    assert not any(o.builtin == "TRANSPOSE" for o in operators), "weights are permuted ahead"
    versions = {
        o.builtin: o.version
        for o in to_file(made.graph, dynamic_range=True).main.operators
        if len(o.operands) > 1 and o.operands[1] and o.operands[1].dtype is dtypes.i8
    }
    assert versions["CONV_2D"] == 5
    inputs = seeded_inputs(graph)
    expected = Executor(made.graph).run(inputs)
    found = TfliteRunner(to_bytes(made.graph, dynamic_range=True)).run(inputs)
    for name, array in expected.items():
        error = float(np.abs(found[name] - array).max() / np.abs(array).max())
        assert 0 < error < 0.03


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("depth", [64, 80])
def test_four_bit_weights_are_widened_block_by_block(transpose: bool, depth: int) -> None:
    """Blocks of 32 inputs: rows of 64 divide into them, rows of 80 do not."""
    b = Builder("w4")
    x = b.input("x", dtypes.f32, (3, depth))
    dims = (24, depth) if transpose else (depth, 24)
    weights = b.const(np.random.default_rng(0).standard_normal(dims).astype(np.float32))
    graph = b.output(y=b.add(MatMul(x, weights, transpose_b=transpose)).result)
    edgec.optimize(graph, "weights{bits=4,group=32}")
    operators = to_file(graph).main.operators
    [widened] = [o for o in operators if o.builtin == "DEQUANTIZE"]
    stored = widened.operands[0]
    assert stored is not None
    assert (stored.dtype, stored.dims[1]) == (dtypes.i4, 32)
    assert operators[-1].builtin == "FULLY_CONNECTED"
    inputs = seeded_inputs(graph)
    judge = Judge(graph, inputs, factor=4)  # as in tflite_test.py
    for resolver in ("xnnpack", "builtin", "reference"):
        found = TfliteRunner(to_bytes(graph), resolver=resolver).run(inputs)["y"]
        assert judge.compare("y", found), resolver


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_of_eight_bit_weights(groups: int) -> None:
    b = Builder("up")
    x = b.input("x", dtypes.f32, (1, 16, 5, 5))
    weights = np.random.default_rng(0).standard_normal((16, 16, 3, 3)).astype(np.float32)
    made = ConvTranspose(x, b.const(weights), stride=(2, 2), groups=groups)
    graph = b.output(y=b.add(made).result)
    edgec.optimize(graph, "weights{bits=8}")
    assert ("DEQUANTIZE" in builtins(graph)) == (groups == 1)
    inputs = seeded_inputs(graph)
    found = TfliteRunner(to_bytes(graph)).run(inputs)["y"]
    assert Judge(graph, inputs, factor=4).compare("y", found)  # as in tflite_test.py


@pytest.mark.parametrize(
    ("scheme", "hard_swish", "product"),
    [("tflite", 0, dtypes.f32), ("edgetpu", 0, dtypes.i8), ("tflite-micro", 1, dtypes.i8)],
)
def test_what_runs_on_integers_goes_by_who_runs_it(
    scheme: str, hard_swish: int, product: DType
) -> None:
    """XNNPACK has no HARD_SWISH of integers, and is fast at products of two floats only."""
    b = Builder("attention")
    x = b.input("x", dtypes.f32, (1, 16, 16))
    y = b.add(HardSwish(x)).result
    graph = b.output(y=b.add(MatMul(y, x, transpose_b=True)).result)
    record_ranges(graph, [seeded_inputs(graph, seed=seed) for seed in range(3)])
    quantized(graph, scheme=scheme)
    edgec.optimize(graph, "integerize")
    operators = to_file(graph).main.operators
    assert sum(o.builtin == "HARD_SWISH" for o in operators) == hard_swish
    [multiplied] = [o for o in operators if o.builtin == "BATCH_MATMUL"]
    assert multiplied.results[0].dtype is product
