"""Every op's samples through OpenVINO, against the reference kernels; what its files are like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgec
from edgec.ir import (
    Array,
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
from edgec.ir.ops import Conv, Det, Einsum, Erf, Gelu, Gru, Lstm, ReduceSum, Relu, Reshape, Rnn
from edgec.ir.ops.recurrent import Recurrent
from edgec.kernels import Judge, run, seeded_inputs
from edgec.lowering import check_artifact, first_difference
from edgec.lowering.openvino import (
    OPENVINO,
    OpenvinoRunner,
    check_expressible,
    to_model,
    write_openvino,
)

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'edgec[openvino]'")

CLASSES = [cls for cls in op_classes().values() if cls is not Return and not cls.has(Effect)]
SEEDS = range(40)
ENOUGH = 8  # samples of each op: the plugin takes 30 ms to compile any of them
# The plugin's vectorized functions are a few units in the last place off.
ROUNDINGS = 4.0
# Its erf is a polynomial with an absolute error of this size.
ERF_ERROR = 2.0**-20


def name(cls: type[Op]) -> str:
    return cls.op_name


@pytest.mark.parametrize("cls", OPENVINO.rules, ids=name)
def test_openvino_computes_what_the_kernel_does(cls: type[Op]) -> None:
    compared = 0
    for seed in SEEDS:
        graph, data = sample_graph(cls, seed)
        if check_expressible(graph):
            continue
        inputs = dict(zip(graph.input_names, data, strict=True))
        actual = OpenvinoRunner(to_model(graph)).run(inputs)
        judge = Judge(graph, inputs, factor=ROUNDINGS)
        for output, expected in judge.expected.items():
            assert actual[output].dtype == expected.dtype
            found = judge.compare(output, actual[output])
            assert found or is_the_error_of_erf(cls, actual[output], expected), f"{seed}: {found}"
        compared += 1
        if compared == ENOUGH:
            break
    assert compared or issubclass(cls, Recurrent), "every sample is refused"


def is_the_error_of_erf(cls: type[Op], actual: Array, expected: Array) -> bool:
    return cls in (Erf, Gelu) and float(np.abs(actual - expected).max()) <= ERF_ERROR


@pytest.mark.parametrize("cls", CLASSES, ids=name)
def test_what_is_not_refused_is_written(cls: type[Op], tmp_path: Path) -> None:
    """Of every element type, and by the file: OpenVINO's own reader takes it back."""
    for seed in range(3):
        graph, _ = sample_graph(cls, seed)
        if not check_expressible(graph):
            write_openvino(graph, tmp_path / "m.xml")
            assert OpenvinoRunner(tmp_path / "m.xml").output_names == list(graph.output_names)


@pytest.mark.parametrize("cls", [Lstm, Gru, Rnn], ids=name)
def test_recurrent_layers_of_constant_weights(cls: type[Recurrent]) -> None:
    """With the usual activations, and what else OpenVINO's operators know."""
    compared = 0
    for seed in SEEDS:
        graph, data = sample_graph(cls, seed)
        inputs = dict(zip(graph.input_names, data, strict=True))
        [op] = graph.ops_of(cls)
        weights = {n: v and Constant(inputs[v.hint]) for n in "wrb" for v in [getattr(op, n)]}
        plain = {"activations": (), "alphas": (), "betas": (), "clip": 0.0}
        more = {"p": None, "input_forget": False} if cls is Lstm else {}
        Rewriter(graph).replace_with(op, op.copy(**weights, **plain, **more))
        if check_expressible(graph):
            continue
        actual = OpenvinoRunner(to_model(graph)).run(inputs)
        judge = Judge(graph, inputs, factor=ROUNDINGS)
        for output in judge.expected:
            found = judge.compare(output, actual[output])
            assert found, f"{seed}: {found}"
        compared += 1
    assert compared >= ENOUGH


# -- files ---------------------------------------------------------------------------------------


def small(batch: int | str = 2) -> Graph:
    """A convolution with its activation; the input itself and one result twice are outputs, too."""
    b = Builder("small")
    rng = np.random.default_rng(0)
    x = b.input("pixels", dtypes.f32, (batch, 3, 8, 8))
    w, bias = rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)
    c = b.add(Conv(x, b.const(w, dtypes.f32), b.const(bias, dtypes.f32), stride=(2, 2))).result
    y = b.add(Relu(c)).result
    return b.output(first=y, again=y, same=x, total=b.add(ReduceSum(y, axes=(1, 2, 3))).result)


def pixels(graph: Graph) -> dict[str, Array]:
    return {"pixels": seeded_inputs(graph)["pixels"]}


def written(graph: Graph, path: Path, **options: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_openvino(graph, path, **options)
    return path


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    """Though OpenVINO counts the nodes of a process."""
    one = written(small(), tmp_path / "a" / "m.xml")
    two = written(small(), tmp_path / "b" / "m.xml")
    assert one.read_bytes() == two.read_bytes()
    assert one.with_suffix(".bin").read_bytes() == two.with_suffix(".bin").read_bytes()


def test_inputs_and_outputs_have_the_users_names(tmp_path: Path) -> None:
    graph = small()
    runner = OpenvinoRunner(written(graph, tmp_path / "m.xml"))
    assert list(runner.input_names) == ["pixels"]
    assert list(runner.output_names) == ["first", "again", "same", "total"]
    assert [min(port.get_names()) for port in runner.compiled.outputs] == list(runner.output_names)
    assert check_artifact(graph, runner).ok


def test_both_files_appear_or_neither(tmp_path: Path) -> None:
    """The weights would move into place first; the other name is taken by a folder."""
    (tmp_path / "m.xml").mkdir()
    (tmp_path / "m.bin").write_bytes(b"earlier")
    with pytest.raises(Error, match="cannot write"):
        edgec.compile(small(), "openvino", tmp_path / "m.xml")
    assert (tmp_path / "m.bin").read_bytes() == b"earlier"
    (tmp_path / "m.xml").rmdir()
    edgec.compile(small(), "openvino", tmp_path / "m.xml", verify=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.bin", "m.xml"]


def test_a_model_may_say_its_own_version(tmp_path: Path) -> None:
    """As ultralytics' do."""
    graph = small()
    graph.metadata["version"] = "8.3.0"
    assert 'value="8.3.0"' in written(graph, tmp_path / "m.xml").read_text()


def test_an_unknown_batch_can_be_any(tmp_path: Path) -> None:
    graph = small("N")
    runner = OpenvinoRunner(written(graph, tmp_path / "m.xml"))
    assert runner.model.inputs[0].get_partial_shape()[0].is_dynamic
    for count in (1, 5):
        inputs = {"pixels": np.ones((count, 3, 8, 8), np.float32)}
        assert runner.run(inputs)["first"].shape == (count, 4, 3, 3)


def test_fp16_halves_the_weights(tmp_path: Path) -> None:
    graph = small()
    whole = written(graph, tmp_path / "whole.xml").with_suffix(".bin").stat().st_size
    half = written(graph, tmp_path / "half.xml", precision="fp16")
    assert half.with_suffix(".bin").stat().st_size < 0.6 * whole
    found = OpenvinoRunner(half).run(pixels(graph))["first"]
    expected = run(graph, list(pixels(graph).values()))["first"]
    assert 0 < np.abs(found - expected).max() < 1e-2


def test_the_first_layer_that_differs_is_found(tmp_path: Path) -> None:
    text = "graph g(%x: f32[6]) { %a = math.exp %x  %b = math.sin %a  %c = math.neg %b return %c }"
    runner = OpenvinoRunner(written(parse_graph(text), tmp_path / "m.xml"))
    inputs = {"x": np.ones(6, np.float32)}
    assert first_difference(parse_graph(text), runner, inputs) == (None, 3)
    difference, _ = first_difference(parse_graph(text.replace("sin", "cos")), runner, inputs)
    assert difference is not None
    assert difference.op_name == "math.cos"


# -- refusals ------------------------------------------------------------------------------------


def test_the_name_and_the_precision_are_checked(tmp_path: Path) -> None:
    for path, precision in (("m.onnx", "fp32"), ("m.xml", "int3")):
        with pytest.raises(Error) as raised:
            write_openvino(small(), tmp_path / path, precision=precision)
        assert raised.value.kind is Kind.USAGE
    assert not list(tmp_path.iterdir())


def test_element_types_that_the_plugin_lacks_are_refused() -> None:
    for dtype in (dtypes.f64, dtypes.u64, dtypes.bf16, dtypes.f8e4m3fn, dtypes.i4):
        b = Builder("typed")
        x = b.input("x", dtype, (2, 2))
        [found] = check_expressible(b.output(y=b.add(Reshape(x, to=(4,))).result))
        assert "the CPU plugin" in found.message


def test_every_finding_says_where_and_why() -> None:
    b = Builder("refused")
    x = b.input("x", dtypes.f32, (3, 3))
    graph = b.output(y=b.add(Det(x)).result, z=b.add(Einsum((x,), equation="ii->i")).result)
    found = check_expressible(graph)
    assert ["Det" in str(f) or "determinant" in str(f) for f in found] == [True, False]
    assert "diagonals" in found[1].message


def test_without_openvino_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "openvino" else find(name)
    )
    with pytest.raises(Error, match="openvino is not installed") as raised:
        write_openvino(small(), tmp_path / "m.xml")
    assert raised.value.kind.exit_code == 4
    assert not list(tmp_path.iterdir())
