"""Every op's samples as TensorRT networks, read back and run against the reference kernels; engines
of TensorRT-RTX, which builds without a GPU.

No engine runs here: those tests are in ``tensorrt_gpu_test.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgec
from edgec.ir import (
    Builder,
    Constant,
    DType,
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
from edgec.ir.ops import (
    Conv,
    ConvTranspose,
    Dequantize,
    Gru,
    If,
    Lstm,
    MatMul,
    Neg,
    Nms,
    NonZero,
    Quantize,
    Relu,
    Rnn,
)
from edgec.ir.ops.recurrent import Recurrent
from edgec.kernels import Judge, seeded_inputs
from edgec.lowering import legalize, target_named
from edgec.lowering.onnx import to_model
from edgec.lowering.tensorrt import (
    TENSORRT,
    Network,
    Readback,
    Settings,
    build_engine,
    check_expressible,
    parse_bounds,
    to_network,
    write_engine,
)
from edgec.lowering.tensorrt import limits as tensorrt_limits
from edgec.lowering.tensorrt.runtime import NO_GPU, gpu_count, logger, tensorrt

pytest.importorskip(
    "tensorrt_rtx", reason="tensorrt-rtx is not installed: pip install 'edgec[tensorrt]'"
)

CLASSES = [cls for cls in op_classes().values() if cls is not Return and not cls.has(Effect)]
SEEDS = range(60)
ENOUGH = 10  # samples of each op
ROUNDINGS = 4.0  # decompositions round where one kernel does not


def name(cls: type[Op]) -> str:
    return cls.op_name


def agrees(graph: Graph, inputs: dict[str, Any]) -> None:
    """The network, read back and run, computes what the graph does."""
    found = Readback(to_network(graph)).run(inputs)
    judge = Judge(graph, inputs, factor=ROUNDINGS)
    for output, expected in judge.expected.items():
        assert found[output].dtype == expected.dtype
        comparison = judge.compare(output, found[output])
        assert comparison, f"{graph}\n{comparison}"


@pytest.mark.parametrize("cls", [c for c in CLASSES if c in TENSORRT.rules], ids=name)
def test_a_network_computes_what_the_kernel_does(
    cls: type[Op], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorrt_limits, "LACKED_BY_RTX", frozenset())
    compared = 0
    for seed in SEEDS:
        graph, data = sample_graph(cls, seed)
        if not check_expressible(graph):
            agrees(graph, dict(zip(graph.input_names, data, strict=True)))
            compared += 1
        if compared == ENOUGH:
            break
    never = cls in (Quantize, Dequantize) or cls.op_name == "control.if"
    assert compared or never, "every sample is refused"


@pytest.mark.parametrize("cls", CLASSES, ids=name)
def test_what_is_not_refused_is_built(cls: type[Op]) -> None:
    for seed in (0, 3):
        graph, _ = sample_graph(cls, seed)
        if check_expressible(graph) or has_shape_inputs(to_network(graph)):
            continue
        assert build_engine(graph)


def has_shape_inputs(network: Network) -> bool:
    definition = network.definition
    return any(definition.get_input(i).is_shape_tensor for i in range(definition.num_inputs))


@pytest.mark.parametrize("cls", [Lstm, Gru, Rnn], ids=name)
def test_recurrent_layers_are_loops(cls: type[Recurrent]) -> None:
    """Of constant weights, in both directions, with initial states and peepholes."""
    compared = 0
    for seed in range(40):
        graph, data = sample_graph(cls, seed)
        inputs = dict(zip(graph.input_names, data, strict=True))
        [op] = graph.ops_of(cls)
        weights = {n: v and Constant(inputs[v.hint]) for n in "wrb" for v in [getattr(op, n)]}
        plain = {"activations": (), "alphas": (), "betas": (), "lens": None}
        Rewriter(graph).replace_with(op, op.copy(**weights, **plain))
        if check_expressible(graph):
            continue
        agrees(graph, inputs)
        compared += 1
    assert compared >= ENOUGH


# Where the two differ, and each of them is right: the parser hands on negative indices and a short
# default of Selu, uses layers of its own (OneHot, Trilu), and bounds an LSTM's output, too.
OTHERWISE = {
    "act.selu", "act.hardmax", "index.gather", "index.gather_elements", "index.gather_nd",
    "index.one_hot", "index.trilu", "rnn.lstm",
}  # fmt: skip


def test_networks_of_nvidias_parser_read_back_the_same() -> None:
    """What the layers mean, by another writer: the reader would tell if we had only agreed with
    ourselves."""
    parsed = 0
    for cls in CLASSES:
        if cls not in TENSORRT.rules or cls.op_name in OTHERWISE:
            continue
        for seed in range(6):
            graph, data = sample_graph(cls, seed)
            network = None if check_expressible(graph) else parsed_network(graph)
            if network is None:
                continue
            inputs = dict(zip(graph.input_names, data, strict=True))
            found, judge = Readback(network).run(inputs), Judge(graph, inputs, factor=ROUNDINGS)
            for output, expected in judge.expected.items():
                assert judge.compare(output, found[output].astype(expected.dtype)), cls
            parsed += 1
    assert parsed > 350


def parsed_network(graph: Graph) -> Network | None:
    """The network that TensorRT's own parser makes of the graph as ONNX; None if it refuses."""
    trt = tensorrt()
    builder = trt.Builder(logger())
    definition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(definition, logger())
    read = parser.parse(to_model(graph, opset=17).SerializeToString())
    return Network(definition, builder) if read else None


# -- quantization --------------------------------------------------------------------------------


def quantized(dtype: DType, *, zero: int = 0, stored: DType = dtypes.i8) -> Graph:
    """A convolution between quantize and dequantize, weights as integers."""
    b = Builder("quantized")
    rng = np.random.default_rng(0)
    x = b.input("x", dtype, (1, 4, 6, 6))
    point = b.const(zero, stored)
    q = b.add(Quantize(x, b.const(0.05, dtype), point, to=stored)).result
    real = b.add(Dequantize(q, b.const(0.05, dtype), point, to=dtype)).result
    weights = b.const(rng.integers(-127, 128, (8, 4, 3, 3)), dtypes.i8)
    scales = b.const(rng.uniform(0.001, 0.01, 8), dtype)
    w = b.add(Dequantize(weights, scales, axis=0, to=dtype)).result
    bias = b.const(rng.standard_normal(8), dtype)
    return b.output(y=b.add(Conv(real, w, bias, act="relu")).result)


@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.f16], ids=lambda d: d.name)
def test_integer_convolutions(dtype: DType) -> None:
    graph = quantized(dtype)
    assert not check_expressible(graph)
    agrees(graph, seeded_inputs(graph))
    kinds = [layer.kind for layer in Readback(to_network(graph)).layers]
    assert kinds.count("QUANTIZE") == 1
    assert kinds.count("DEQUANTIZE") == 2
    assert build_engine(graph)


def test_four_bit_weights_in_blocks() -> None:
    b = Builder("w4")
    rng = np.random.default_rng(0)
    x = b.input("x", dtypes.f32, (2, 64))
    weights = b.const(rng.integers(-7, 8, (64, 16)), dtypes.i4)
    scales = b.const(rng.uniform(0.01, 0.1, (2, 16)), dtypes.f32)
    w = b.add(Dequantize(weights, scales, axis=0, block=32)).result
    graph = b.output(y=b.add(MatMul(x, w)).result)
    assert not check_expressible(graph)
    agrees(graph, seeded_inputs(graph))
    assert build_engine(graph)


def test_blocks_that_do_not_divide_the_axis_become_floats() -> None:
    b = Builder("ragged")
    x = b.input("x", dtypes.f32, (2, 80))
    weights, scales = b.const(np.ones((80, 4)), dtypes.i4), b.const(np.ones((3, 4)), dtypes.f32)
    w = b.add(Dequantize(weights, scales, axis=0, block=32)).result
    graph = b.output(y=b.add(MatMul(x, w)).result)
    agrees(graph, seeded_inputs(graph))
    assert build_engine(graph)


def test_only_symmetric_signed_integers_go() -> None:
    for strange in (quantized(dtypes.f32, zero=3), quantized(dtypes.f32, stored=dtypes.u8)):
        found = [finding.message for finding in check_expressible(strange)]
        assert any("zero point is not 0" in text or "not as u8" in text for text in found), found


def test_bfloat16() -> None:
    """Computed in it, but for deconvolutions, which TensorRT does not have in it."""
    b = Builder("bf16")
    x = b.input("x", dtypes.bf16, (1, 2, 4, 4))
    w = b.const(np.ones((2, 3, 2, 2)), dtypes.bf16)
    y = b.add(ConvTranspose(x, w, stride=(2, 2))).result
    z = b.add(MatMul(y, b.const(np.ones((8, 2)), dtypes.bf16))).result
    graph = b.output(z=z)
    kinds = [layer.kind for layer in Readback(to_network(graph)).layers]
    assert kinds.count("CAST") == 2
    assert build_engine(graph)


# -- control flow and unknown dims ---------------------------------------------------------------


def test_branches() -> None:
    graph = branching()
    for taken in (True, False):
        agrees(graph, {"c": np.asarray(taken), "x": np.asarray([-1, 0, 2], np.float32)})
    assert build_engine(graph)


def branching() -> Graph:
    b = Builder("g")
    cond, x = b.input("c", dtypes.boolean, ()), b.input("x", dtypes.f32, (3,))
    then, other = (Builder(part, enclosing=b.graph) for part in ("then", "else"))
    regions = (
        then.output(a=then.add(Relu(x)).result),
        other.output(b=other.add(Neg(x)).result),
    )
    return b.output(y=b.add(If(cond, regions=regions)).result)


def dynamic_graph() -> Graph:
    """Images of any number and size, through windows that depend on the size."""
    text = """
    graph g(%x: f32[N,2,H,W]) {
      %a = nn.max_pool %x, kernel=[3,3], stride=[2,2], auto_pad="same_upper"
      %s = shape.dims_of %a, start=2
      %r = resize.resize %x, sizes=%s, axes=[2,3], mode="linear"
      %b = math.add %a, %r
      %m = reduce.mean %b, axes=[2,3]
      %f = move.reshape %m, to=[<N>,2]
      return y=%b, f=%f
    }"""
    return parse_graph(text)


def test_unknown_dims_are_bounded_by_a_profile() -> None:
    graph = dynamic_graph()
    for shape in ((1, 2, 8, 8), (3, 2, 7, 12)):
        agrees(graph, {"x": np.random.default_rng(0).random(shape, np.float32)})
    bounds = parse_bounds(["x:1x2x8x8/2x2x16x16/4x2x64x64"])
    assert build_engine(graph, Settings(shapes=bounds))
    assert build_engine(graph), "by default one size"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("x:1x2x8", "does not bound"),
        ("x:1x3x8x8", "does not bound"),
        ("x:4x2x8x8/2x2x8x8/1x2x8x8", "does not bound"),
        ("z:1", "names no inputs"),
        ("x:1x2x8x8/2x2x8x8", "not name:least/usual/most"),
        ("1x2x8x8", "not name:least/usual/most"),
    ],
)
def test_bounds_that_do_not_fit(given: str, part: str) -> None:
    with pytest.raises(Error, match=part) as raised:
        build_engine(dynamic_graph(), Settings(shapes=parse_bounds([given])))
    assert raised.value.kind is Kind.USAGE


# -- engines -------------------------------------------------------------------------------------


def small() -> Graph:
    """A convolution with its activation; the input itself and one result twice are outputs, too."""
    b = Builder("small")
    rng = np.random.default_rng(0)
    x = b.input("pixels", dtypes.f32, (2, 3, 8, 8))
    w, bias = rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)
    conv = Conv(x, b.const(w, dtypes.f32), b.const(bias, dtypes.f32), stride=(2, 2), loc=("stem",))
    y = b.add(Relu(b.add(conv).result, loc=("gate",))).result
    return b.output(first=y, again=y, same=x, fixed=b.const([1, 2], dtypes.f32))


def test_outputs_have_the_users_names_and_layers_their_sources() -> None:
    network = to_network(small())
    definition = network.definition
    outputs = [definition.get_output(i).name for i in range(definition.num_outputs)]
    assert outputs == ["first", "again", "same", "fixed"]
    names = [layer.own.name for layer in Readback(network).layers]
    assert {"stem", "gate"} <= set(names)
    assert len(set(names)) == len(names)
    agrees(small(), seeded_inputs(small()))


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    for path in (tmp_path / "one.engine", tmp_path / "two.engine"):
        write_engine(small(), path)
    assert (tmp_path / "one.engine").read_bytes() == (tmp_path / "two.engine").read_bytes()


def test_compute_capabilities() -> None:
    plain = build_engine(small())
    chosen = build_engine(small(), Settings(capabilities=(86, 89, 120)))
    assert chosen != plain
    assert build_engine(small(), Settings(version_compatible=True)) != plain
    with pytest.raises(Error, match=r"compute capability \[87\]") as raised:
        build_engine(small(), Settings(capabilities=(86, 87)))
    assert "120" in raised.value.instead


def test_what_a_machine_without_gpu_cannot_build_is_said(tmp_path: Path) -> None:
    with pytest.raises(Error, match="timing cache is for TensorRT on a GPU"):
        build_engine(small(), Settings(timing_cache=tmp_path / "t.cache"))


def test_numbers_that_decide_dims_are_refused() -> None:
    graph = parse_graph("graph g(%n: i64[1], %x: f32[3]) { %y = move.tile %x, %n return y=%y }")
    with pytest.raises(Error, match="decide the dims") as raised:
        build_engine(graph)
    assert raised.value.kind is Kind.UNSUPPORTED


# -- refusals ------------------------------------------------------------------------------------


def test_all_that_cannot_go_is_named_before_the_builder_starts() -> None:
    text = """
    graph g(%x: f32[3,3], %i: i16[2], %d: f64[2]) {
      %a = linalg.det %x
      %b = math.add %i, %i
      %c = math.exp %d
      %e = linalg.einsum [%x], equation="ii->i"
      return a=%a, b=%b, c=%c, e=%e
    }"""
    graph = parse_graph(text)
    found = [finding.message for finding in check_expressible(graph)]
    for part in ("no layer for it", "no arithmetic on i16", "no arithmetic on f64", "no diagonals",
                 "passes no i16 in or out"):  # fmt: skip
        assert any(part in message for message in found), part
    with pytest.raises(Error) as raised:
        legalize(graph, target_named("tensorrt"))
    assert raised.value.kind is Kind.UNSUPPORTED
    assert len(raised.value.findings) == len(found)


@pytest.mark.parametrize("cls", [Nms, NonZero], ids=name)
def test_what_tensorrt_rtx_lacks_is_refused_for_it_alone(
    cls: type[Op], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, _ = sample_graph(cls, 1)
    assert "TensorRT-RTX has no kernel" in check_expressible(graph)[0].message
    monkeypatch.setattr(tensorrt_limits, "package_name", lambda: "tensorrt")
    assert not check_expressible(graph)


@pytest.mark.skipif(gpu_count() > 0, reason="there is a GPU")
def test_without_a_gpu_there_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.engine"
    with pytest.raises(Error, match=NO_GPU) as raised:
        edgec.compile(small(), "tensorrt", path, verify=True)
    assert raised.value.kind.exit_code == 4
    edgec.compile(small(), "tensorrt", path)
    with pytest.raises(Error, match=NO_GPU):
        target_named("tensorrt").load(path, 1)


def test_without_tensorrt_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec

    def without(module: str) -> Any:
        return None if module.startswith("tensorrt") else find(module)

    monkeypatch.setattr("importlib.util.find_spec", without)
    with pytest.raises(Error, match="neither tensorrt_rtx nor tensorrt is installed") as raised:
        to_network(small())
    assert raised.value.kind.exit_code == 4
    assert "--package" in raised.value.instead
