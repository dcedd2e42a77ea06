"""Every op's samples through LiteRT, against the reference kernels; how files are run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from properties.tflite_graphs import image_net, small, written

import edgec
from edgec.ir import (
    Builder,
    Constant,
    Effect,
    Error,
    Graph,
    Kind,
    Op,
    Return,
    Rewriter,
    dtypes,
    op_classes,
    parse_graph,
    sample_graph,
)
from edgec.ir import ops as _all_ops  # noqa: F401  (declares them)
from edgec.ir.ops import BatchNorm, Det, Gru, Lstm, MatMul, Reshape, Rnn
from edgec.ir.ops.recurrent import Recurrent
from edgec.kernels import Judge, run, seeded_inputs
from edgec.lowering import check_artifact, first_difference
from edgec.lowering.tflite import TFLITE, TfliteRunner, check_expressible, to_bytes, to_file

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'edgec[tflite]'")

FLOAT = [cls for cls in TFLITE.rules if not cls.op_name.startswith("integer.")]
CLASSES = [cls for cls in op_classes().values() if cls is not Return and not cls.has(Effect)]
SEEDS = range(60)
ENOUGH = 12
# Kernels of LiteRT and XNNPACK are polynomials a few units in the last place off.
ROUNDINGS = 4.0
# Written only in cases that the samples do not draw, or with operands that they leave open.
RARE = {
    "math.bit_and", "math.bit_or", "math.div", "math.shift", "nn.conv_transpose",
    "quant.dequantize", "quant.quantize",
}  # fmt: skip


def name(cls: type[Op]) -> str:
    return cls.op_name


@pytest.mark.parametrize("cls", FLOAT, ids=name)
def test_litert_computes_what_the_kernel_does(cls: type[Op]) -> None:
    compared = 0
    for seed in SEEDS:
        graph, data = sample_graph(cls, seed)
        if check_expressible(graph):
            continue
        inputs = dict(zip(graph.input_names, data, strict=True))
        compare(graph, inputs, seed)
        compared += 1
        if compared == ENOUGH:
            break
    assert compared or cls.op_name in RARE, "every sample is refused"


def compare(graph: Graph, inputs: dict[str, edgec.Array], seed: object) -> None:
    actual = TfliteRunner(to_bytes(graph)).run(inputs)
    judge = Judge(graph, inputs, factor=ROUNDINGS)
    for output, expected in judge.expected.items():
        assert actual[output].dtype == expected.dtype, seed
        found = judge.compare(output, actual[output])
        assert found, f"{seed}: {found}"


def builtins(graph: Graph) -> set[str]:
    return {operator.builtin for operator in to_file(graph).main.operators}


def with_constants(graph: Graph, data: list[edgec.Array], *names: str) -> Graph:
    """The graph of one op with some of its operands as constants."""
    [op] = graph.ops
    inputs = dict(zip(graph.input_names, data, strict=True))
    given = {
        n: Constant(inputs[v.hint]) if v is not None and v.hint in inputs else v
        for n in names
        for v in [getattr(op, n)]
    }
    Rewriter(graph).replace_with(op, op.copy(**given))
    return graph


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (Lstm, ("w", "r", "b")),
        (Gru, ("w", "r", "b")),
        (Rnn, ("w", "r", "b")),
        (MatMul, ("b", "bias")),
        (MatMul, ("b",)),
        (BatchNorm, ("gamma", "beta", "mean", "var")),
        (op_classes()["quant.quantize"], ("scale", "zero_point")),
        (op_classes()["quant.dequantize"], ("x", "scale", "zero_point")),
        (op_classes()["quant.dequantize"], ("scale", "zero_point")),
        (op_classes()["math.div"], ("y",)),
        (op_classes()["math.mod"], ("y",)),
        (op_classes()["math.shift"], ("y",)),
        (op_classes()["nn.conv"], ("w", "bias")),
        (op_classes()["nn.conv_transpose"], ("w", "bias")),
        (op_classes()["index.one_hot"], ("values", "depth")),
    ],
    ids=lambda value: name(value) if isinstance(value, type) else "+".join(value),
)
def test_constant_operands_take_other_ways(cls: type[Op], names: tuple[str, ...]) -> None:
    compared = 0
    for seed in SEEDS:
        graph, data = sample_graph(cls, seed)
        inputs = dict(zip(graph.input_names, data, strict=True))
        graph = with_constants(graph, data, *names)
        if check_expressible(graph):
            continue
        compare(graph, {n: inputs[n] for n in graph.input_names}, seed)
        compared += 1
    assert compared >= 5


@pytest.mark.parametrize("cls", CLASSES, ids=name)
def test_every_refusal_says_why_and_where(cls: type[Op]) -> None:
    for seed in range(5):
        graph, _ = sample_graph(cls, seed)
        for finding in check_expressible(graph):
            assert finding.where.startswith(cls.op_name)
            assert len(finding.message.split()) > 2


@pytest.mark.parametrize("cls", [Lstm, Gru, Rnn], ids=name)
def test_the_reference_kernels_of_litert_agree(cls: type[Recurrent]) -> None:
    for seed in range(4):
        graph, data = sample_graph(cls, seed)
        inputs = dict(zip(graph.input_names, data, strict=True))
        if check_expressible(graph) or "ELU" in builtins(graph):  # it has none of those
            continue
        found = TfliteRunner(to_bytes(graph), resolver="reference").run(inputs)
        judge = Judge(graph, inputs, factor=ROUNDINGS)
        assert all(judge.compare(output, found[output]) for output in judge.expected)


# -- running --------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolver", ["xnnpack", "builtin", "reference"])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_resolver_runs(tmp_path: Path, resolver: str, threads: int) -> None:
    graph = image_net()
    runner = TfliteRunner(written(graph, tmp_path / "m.tflite"), threads, resolver=resolver)
    assert check_artifact(graph, runner, per_layer=True).ok


def test_an_unknown_batch_can_be_any(tmp_path: Path) -> None:
    graph = small("N")
    runner = TfliteRunner(written(graph, tmp_path / "m.tflite"))
    for count in (1, 5, 2):
        inputs = {"pixels": np.ones((count, 3, 8, 8), np.float32)}
        expected = run(graph, [inputs["pixels"]])
        found = runner.run(inputs)
        for output, array in expected.items():
            assert found[output].shape == array.shape
            np.testing.assert_allclose(found[output], array, rtol=1e-4, atol=1e-4)


def test_the_first_layer_that_differs_is_found(tmp_path: Path) -> None:
    text = "graph g(%x: f32[6]) { %a = math.exp %x  %b = math.sin %a  %c = math.neg %b return %c }"
    runner = TfliteRunner(written(parse_graph(text), tmp_path / "m.tflite"))
    inputs = {"x": np.ones(6, np.float32)}
    assert first_difference(parse_graph(text), runner, inputs) == (None, 3)
    difference, _ = first_difference(parse_graph(text.replace("sin", "cos")), runner, inputs)
    assert difference is not None
    assert difference.op_name == "math.cos"


def test_layers_are_compared_though_their_channels_come_last(tmp_path: Path) -> None:
    """Also where height, width and channels are equal, so that only the numbers tell."""
    graph = image_net()
    edgec.compile(graph, "tflite", tmp_path / "m.tflite")
    found = check_artifact(graph, TfliteRunner(tmp_path / "m.tflite"), per_layer=True)
    assert found.first_difference is None
    assert found.layers_compared >= 4


def test_branches_and_what_they_read(tmp_path: Path) -> None:
    """Values of the surrounding graph, of which each branch reads others; captured twice over."""
    text = """graph g(%c: bool[], %x: f32[3], %y: f32[3]) {
      %s = math.add %x, %y
      %r = control.if %c {
        graph then() { %t = math.mul %s, %x  return %t }
        graph else() { %i = control.if %c {
            graph inner() { %u = math.neg %y  return %u }
            graph other() { %v = math.abs %s  return %v }
          }
          return %i }
      }
      return r=%r
    }"""
    graph = parse_graph(text)
    runner = TfliteRunner(written(graph, tmp_path / "m.tflite"))
    x, y = np.float32([1, -2, 3]), np.float32([-4, 5, -6])
    for c in (True, False):
        inputs = {"c": np.asarray(c), "x": x, "y": y}
        np.testing.assert_array_equal(runner.run(inputs)["r"], run(graph, [*inputs.values()])["r"])


def test_float16_models_are_computed_in_float32(tmp_path: Path) -> None:
    b = Builder("half")
    x = b.input("x", dtypes.f16, (2, 8))
    weights = b.const(np.random.default_rng(0).standard_normal((8, 4)), dtypes.f16)
    graph = b.output(y=b.add(MatMul(x, weights)).result)
    inputs = seeded_inputs(graph)
    found = TfliteRunner(written(graph, tmp_path / "m.tflite")).run(inputs)["y"]
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, run(graph, [inputs["x"]])["y"], rtol=2e-3, atol=1e-3)


# -- refusals -------------------------------------------------------------------------------------


def test_what_the_runner_refuses(tmp_path: Path) -> None:
    path = written(small(), tmp_path / "m.tflite")
    with pytest.raises(Error, match="resolver is one of"):
        TfliteRunner(path, resolver="fastest")
    with pytest.raises(Error, match=r"delegate libnone\.so does not load") as raised:
        TfliteRunner(path, delegates=["libnone.so"])
    assert raised.value.kind is Kind.RUNTIME_MISSING
    with pytest.raises(Error, match="LiteRT refuses the model"):
        TfliteRunner(path.read_bytes()[:100])
    with pytest.raises(Error, match="LiteRT fails on these inputs"):
        TfliteRunner(path).run({"pixels": np.ones((1, 3, 9, 9, 9), np.float32)})


def test_element_types_that_no_kernel_takes_are_refused() -> None:
    for dtype in (dtypes.f64, dtypes.bf16, dtypes.f8e4m3fn, dtypes.i2):
        b = Builder("typed")
        x = b.input("x", dtype, (2, 2))
        [found] = check_expressible(b.output(y=b.add(Reshape(x, to=(4,))).result))
        assert "TensorFlow Lite" in found.message


def test_all_ops_that_cannot_go_are_named_at_once() -> None:
    b = Builder("refused")
    x, y = b.input("x", dtypes.f32, (3, 3)), b.input("y", dtypes.f64, (3,))
    graph = b.output(d=b.add(Det(x)).result, r=b.add(Reshape(y, to=(3, 1))).result)
    with pytest.raises(Error) as raised:
        to_bytes(graph)
    assert [f.where.split()[0] for f in raised.value.findings] == ["linalg.det", "move.reshape"]


def test_without_litert_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    hidden = ("ai_edge_litert", "tflite_runtime", "tflite")
    for place in ("importlib.util", "edgec.lowering.tflite.runtime"):
        monkeypatch.setattr(
            f"{place}.find_spec", lambda name: None if name.split(".")[0] in hidden else find(name)
        )
    with pytest.raises(Error, match="ai_edge_litert is not installed") as raised:
        TfliteRunner(b"")
    assert raised.value.kind.exit_code == 4
    with pytest.raises(Error, match="neither ai_edge_litert nor tflite"):
        written(small(), tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())
