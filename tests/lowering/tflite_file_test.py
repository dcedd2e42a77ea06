"""What .tflite files are like, byte by byte."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from properties.tflite_graphs import image_net, small, written

import edgec
from edgec.ir import Builder, Constant, Error, Graph, Kind, Rewriter, dtypes, sample_graph
from edgec.ir.ops import (
    Concat,
    Conv,
    ConvTranspose,
    Relu,
    Reshape,
    Resize,
    Split,
    Transpose,
)
from edgec.kernels import run, seeded_inputs
from edgec.lowering import check_artifact
from edgec.lowering.tflite import (
    TFLITE,
    TfliteRunner,
    check_expressible,
    said_of,
    to_bytes,
    to_file,
)
from edgec.lowering.tflite.builtins import BUILTINS

schema = pytest.importorskip(
    "ai_edge_litert.schema_py_generated", reason="pip install 'edgec[tflite]'"
)

FILES = Path(__file__).parent / "tflite_files"
GRAPHS = {"small": small, "open_batch": lambda: small("N"), "image_net": image_net}


def parsed(content: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(bytearray(content))


def builtins(graph: Graph, **options: Any) -> Counter[str]:
    """How often each builtin occurs in the file of a graph."""
    file = to_file(graph, **options)
    return Counter(o.builtin for s in file.main.nested for o in s.operators)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", GRAPHS)
def test_files_are_as_they_were_accepted(name: str, precision: str, tmp_path: Path) -> None:
    """EDGEC_BLESS=1 accepts what is written now."""
    made = edgec.compile(GRAPHS[name](), "tflite", tmp_path / "m.tflite", precision=precision)
    made.graph.metadata.clear()  # versions of libraries among them
    content = to_bytes(made.graph, precision=precision)
    golden = FILES / f"{name}.{precision}.tflite"
    if os.environ.get("EDGEC_BLESS"):
        golden.write_bytes(content)
    assert content == golden.read_bytes()


def test_the_container() -> None:
    content = to_bytes(image_net())
    model = parsed(content)
    assert content[4:8] == b"TFL3"
    assert model.version == 3
    assert not model.buffers[0].data
    data = [buffer.data.tobytes() for buffer in model.buffers[1:]]
    assert len(set(data)) == len(data), "buffers are written once"
    for chunk in data:
        assert len(chunk) < 16 or content.find(chunk) % 16 == 0
    for code in model.operatorCodes:
        assert code.deprecatedBuiltinCode == min(code.builtinCode, 127)
    names = [tensor.name for tensor in model.subgraphs[0].tensors]
    assert len(set(names)) == len(names)
    assert {b"first", b"second", b"sum", b"map", b"scores", b"image"} <= set(names)
    [signature] = model.signatureDefs
    assert signature.signatureKey == b"serving_default"
    assert [entry.name for entry in signature.inputs] == [b"image"]
    assert [entry.name for entry in signature.outputs] == [b"scores", b"map"]


def test_every_buffer_is_aligned() -> None:
    content = bytearray(to_bytes(image_net()))
    model = schema.Model.GetRootAs(content)
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        if not buffer.DataIsNone():
            vector = buffer._tab.Vector(buffer._tab.Offset(4))
            assert vector % 16 == 0


def test_the_file_says_how_it_was_made() -> None:
    graph = small()
    graph.metadata["calibration"] = "128 photographs"
    content = to_bytes(graph, precision="fp16", metadata={"scheme": "none"})
    said = said_of(content)
    assert said["precision"] == "fp16"
    assert said["calibration"] == "128 photographs"
    assert said["scheme"] == "none"
    assert said["version"] == edgec.__version__
    model = parsed(content)
    entries = {entry.name: model.buffers[entry.buffer].data.tobytes() for entry in model.metadata}
    assert entries[b"min_runtime_version"] == b"1.15.0".ljust(16, b"\0")
    assert said_of(b"") == said_of(b"no flatbuffer at all, but longer") == {}


def test_the_other_schema_package_writes_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tflite")
    expected = to_bytes(image_net())
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "edgec.lowering.tflite.runtime.find_spec",
        lambda name: None if name == "ai_edge_litert" else find(name),
    )
    assert to_bytes(image_net()) == expected


def test_models_beyond_two_gigabytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.lowering.tflite.container.LARGEST", 500)
    with pytest.raises(Error, match="holds 2 GB at most") as raised:
        to_bytes(image_net())
    assert raised.value.kind is Kind.LOWERING


@pytest.mark.parametrize("cls", TFLITE.rules, ids=lambda cls: cls.op_name)
def test_versions_are_known_and_no_custom_ops_are_used(cls: Any) -> None:
    for seed in range(8):
        graph, _ = sample_graph(cls, seed)
        if check_expressible(graph):
            continue
        for subgraph in to_file(graph).main.nested:
            for operator in subgraph.operators:
                listed = BUILTINS[operator.builtin].since.split()
                assert 1 <= operator.version <= len(listed)


def test_convolutions_have_the_lowest_version_that_says_them() -> None:
    def version(groups: int, dilation: int) -> list[int]:
        b = Builder("conv")
        x = b.input("x", dtypes.f32, (1, 8, 8, 4))
        w = b.const(np.zeros((4, 4 // groups, 3, 3)), dtypes.f32)
        op = Conv(x, w, groups=groups, dilation=(dilation, dilation), layout="nhwc")
        file = to_file(b.output(y=b.add(op).result))
        return [operator.version for operator in file.main.operators]

    assert version(1, 1) == version(1, 2) == version(4, 1) == [1]
    assert version(4, 2) == [2]
    assert version(2, 1) == [6]


def test_the_path_and_the_options_are_checked(tmp_path: Path) -> None:
    for path, options in (
        ("m.onnx", {}),
        ("m.tflite", {"precision": "int3"}),
        ("m.tflite", {"io_layout": "chwn"}),
    ):
        with pytest.raises(Error) as raised:
            written(small(), tmp_path / path, **options)
        assert raised.value.kind is Kind.USAGE
    assert not list(tmp_path.iterdir())


# -- what is written for what ---------------------------------------------------------------------


def compiled(graph: Graph, tmp_path: Path, **options: Any) -> tuple[Graph, Counter[str]]:
    """Compiled and verified; the lowered graph, and its builtins."""
    found = edgec.compile(graph, "tflite", tmp_path / "m.tflite", verify=True, **options)
    return found.graph, builtins(found.graph, **options.get("options", {}))


def test_images_can_go_in_and_come_out_with_channels_last(tmp_path: Path) -> None:
    graph = image_net()
    _, before = compiled(graph, tmp_path)
    assert before["TRANSPOSE"] == 2
    _, after = compiled(graph, tmp_path, options={"io_layout": "nhwc"})
    assert after["TRANSPOSE"] == 0
    content = (tmp_path / "m.tflite").read_bytes()
    assert said_of(content)["nhwc"] == ["image", "map"]
    [image] = [t for t in parsed(content).subgraphs[0].tensors if t.name == b"image"]
    assert list(image.shape) == [1, 16, 16, 3]
    assert check_artifact(graph, TfliteRunner(content), per_layer=True).first_difference is None


def test_one_channel_is_turned_without_moving_anything(tmp_path: Path) -> None:
    b = Builder("gray")
    x = b.input("x", dtypes.f32, (1, 1, 12, 12))
    w = b.const(np.ones((4, 1, 3, 3)), dtypes.f32)
    graph = b.output(y=b.add(Conv(x, w)).result)
    _, found = compiled(graph, tmp_path, options={"io_layout": "nhwc"})
    assert found == Counter(CONV_2D=1)


def test_activations_are_fields_of_the_operators_before_them(tmp_path: Path) -> None:
    _, found = compiled(image_net(), tmp_path)
    assert not {"RELU", "RELU6"} & found.keys()
    activations = [
        operator.options.get("fused_activation_function", 0)
        for operator in to_file(image_net()).main.operators
    ]
    assert activations.count(1) == 2


def test_padding_with_zeros_where_nothing_is_negative(tmp_path: Path) -> None:
    _, found = compiled(image_net(), tmp_path)
    assert found["PADV2"] == 0
    assert found["PAD"] == 2


def test_a_resize_of_the_last_layer_keeps_channels_last(tmp_path: Path) -> None:
    """Transposing before it would move less, but the operator knows channels last only."""
    b = Builder("segments")
    x = b.input("x", dtypes.f32, (1, 3, 8, 8))
    y = b.add(Conv(x, b.const(np.ones((5, 3, 1, 1)), dtypes.f32))).result
    scales = b.const([1, 1, 4, 4], dtypes.f32)
    z = b.add(Resize(y, scales, mode="linear", coordinates="half_pixel")).result
    _, found = compiled(b.output(z=z), tmp_path)
    assert found["TRANSPOSE"] == 2
    assert found["RESIZE_BILINEAR"] == 1
    _, free = compiled(b.graph, tmp_path, options={"io_layout": "nhwc"})
    assert free["TRANSPOSE"] == 0


def test_transposed_convolutions_need_no_cropping_where_same_does_it(tmp_path: Path) -> None:
    b = Builder("up")
    x = b.input("x", dtypes.f32, (1, 4, 6, 6))
    w = b.const(np.random.default_rng(0).standard_normal((4, 3, 4, 4)), dtypes.f32)
    up = ConvTranspose(x, w, stride=(2, 2), pads=(1, 1, 1, 1))
    _, found = compiled(b.output(y=b.add(up).result), tmp_path)
    assert found == Counter(TRANSPOSE=2, TRANSPOSE_CONV=1)


def test_float16_weights_are_widened_when_loaded(tmp_path: Path) -> None:
    graph = image_net()
    edgec.compile(graph, "tflite", tmp_path / "m.tflite", precision="fp16", verify=True)
    model = parsed((tmp_path / "m.tflite").read_bytes())
    halves = [t for t in model.subgraphs[0].tensors if t.type == 1]
    assert halves
    codes = [model.operatorCodes[o.opcodeIndex] for o in model.subgraphs[0].operators]
    widened = [code for code in codes if code.builtinCode == schema.BuiltinOperator.DEQUANTIZE]
    assert len(widened) == len(halves)
    assert {code.version for code in widened} == {3}


def test_float16_weights_compute_what_rounded_ones_do() -> None:
    graph = image_net()
    content = to_bytes(graph, precision="fp16")
    for constant in graph.constants:
        if constant.array.size >= 64:
            half = Constant(constant.array.astype(np.float16).astype(np.float32))
            Rewriter(graph).replace_uses(constant, half)
    assert check_artifact(graph, TfliteRunner(content)).ok


def test_shapes_are_computed_where_they_are_not_known(tmp_path: Path) -> None:
    text = """graph g(%x: f32[N,3,H,W]) {
      %a = nn.conv %x, w=f32[2,3,1,1](1,2,3,4,5,6)
      %b = resize.resize %a, scales=f32[4](1,1,2,2), coordinates="asymmetric", nearest="floor"
      return b=%b
    }"""
    graph = edgec.load(text.encode())
    edgec.compile(graph, "tflite", tmp_path / "m.tflite")
    runner = TfliteRunner(tmp_path / "m.tflite")
    for dims in ((1, 3, 4, 6), (2, 3, 5, 3)):
        x = seeded_inputs(edgec.load(text.encode(), input_shapes={"x": dims}))["x"]
        np.testing.assert_allclose(runner.run({"x": x})["b"], run(graph, [x])["b"], rtol=1e-5)


@pytest.mark.parametrize("groups", [2, 3, 4, 6])
@pytest.mark.parametrize("precision", ["fp32", "int8", "w8"])
def test_shuffled_channels_are_read_in_another_order(
    tmp_path: Path, groups: int, precision: str
) -> None:
    """By a depthwise and a pointwise convolution; the output wants the order of the model."""
    graph = shuffled(groups)
    samples = [seeded_inputs(graph, seed=seed) for seed in range(3)]
    data = samples if precision == "int8" else None
    edgec.compile(
        graph, "tflite", tmp_path / "m.tflite", precision=precision, calibration=data,
        verify=True, samples=samples,
    )  # fmt: skip
    path = tmp_path / "m.tflite"
    model = parsed(path.read_bytes())
    codes = [model.operatorCodes[o.opcodeIndex].builtinCode for o in model.subgraphs[0].operators]
    kinds = schema.BuiltinOperator
    assert codes.count(kinds.TRANSPOSE) == 2, "of the input and the output"
    assert codes.count(kinds.RESHAPE) == 0


def shuffled(groups: int) -> Graph:
    """A shuffle between convolutions, of which one half is handed on."""
    b = Builder("shuffled")
    rng = np.random.default_rng(groups)

    def weights(*dims: int) -> Constant:
        return b.const(rng.standard_normal(dims), dtypes.f32)

    x = b.input("x", dtypes.f32, (1, 16, 5, 5))
    a = b.add(Conv(x, weights(32, 16, 1, 1))).result
    c = b.add(Concat((a, x), axis=1)).result
    r = b.add(Reshape(c, to=(1, groups, 48 // groups, 5, 5))).result
    t = b.add(Transpose(r, perm=(0, 2, 1, 3, 4))).result
    s = b.add(Reshape(t, to=(1, 48, 5, 5))).result
    p, q = b.add(Split(s, axis=1, parts=2)).results
    d = b.add(Conv(q, weights(24, 1, 3, 3), weights(24), pads=(1, 1, 1, 1), groups=24)).result
    o = b.add(Conv(b.add(Relu(d)).result, weights(8, 24, 1, 1))).result
    return b.output(j=b.add(Concat((p, o), axis=1)).result)
