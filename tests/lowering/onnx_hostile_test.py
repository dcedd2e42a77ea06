"""Models that mean harm, or were damaged on the way: each is read, or refused with an Error."""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from properties.mutations import damaged, damaged_bytes

from edgec.ir import Constant, Error, sample_graph, verify
from edgec.lowering.onnx import read_onnx, to_model
from edgec.tools.fuzz.classes import CLASSES

CASES = int(os.environ.get("EXAMPLES", "300"))
SECONDS = 5.0  # for one damaged model; a sound one of this size takes a hundredth


def readable(source: bytes | onnx.ModelProto | Path) -> bool:
    """True when the model was read; any exception but Error is a failure of the test."""
    begin = time.perf_counter()
    try:
        verify(read_onnx(source))
        return True
    except Error:
        return False
    finally:
        assert time.perf_counter() - begin < SECONDS


def relu_model(**changes: object) -> onnx.ModelProto:
    """y = relu(x + w), to be changed by a test."""
    nodes = [helper.make_node("Add", ["x", "w"], ["s"]), helper.make_node("Relu", ["s"], ["y"])]
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2, 4]) for n in "xy"]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0])
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


# -- random damage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["bytes", "fields"])
def test_a_damaged_network_is_read_or_refused(digits: Path, damage: str) -> None:
    rng = random.Random(damage)
    content = digits.read_bytes()
    model = onnx.load(digits)
    for _ in range(CASES // 3):
        if damage == "bytes":
            readable(damaged_bytes(content, rng))
        else:
            readable(damaged(model, rng).SerializeToString())


def test_a_damaged_model_of_any_operator_is_read_or_refused() -> None:
    rng = random.Random(0)
    outcomes = []
    for index in range(CASES):
        graph, _ = sample_graph(CLASSES[index % len(CLASSES)], index)
        outcomes.append(readable(damaged(to_model(graph), rng).SerializeToString()))
    assert 0 < sum(outcomes) < len(outcomes)


def test_a_damaged_real_model_is_read_or_refused(models: Path) -> None:
    rng = random.Random(1)
    model = onnx.load(models / "silero_vad_16k_op15.onnx")
    for _ in range(CASES // 30):
        readable(damaged(model, rng).SerializeToString())


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"PK\x03\x04", b"\xff" * 100, b"graph", b"\x08\x07"]
)
def test_what_is_no_model_is_refused(content: bytes) -> None:
    assert not readable(content)


# -- chosen damage ---------------------------------------------------------------------------------


def refused(change: Callable[[onnx.ModelProto], object], words: str) -> None:
    model = relu_model()
    change(model)
    with pytest.raises(Error, match=words):
        verify(read_onnx(model.SerializeToString()))


def test_a_cycle_is_refused() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[0].input[0] = "y"

    refused(change, "which nothing defines before it")


def test_a_node_that_reads_itself_is_refused() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[1].input[0] = "y"

    refused(change, "which nothing defines before it")


def test_a_value_defined_twice_is_refused() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[1].output[0] = "s"

    refused(change, "defined twice|not computed")


def test_two_inputs_of_one_name_are_refused() -> None:
    refused(lambda m: m.graph.input.append(m.graph.input[0]), "names must be present and different")


def test_two_outputs_of_one_name_are_refused() -> None:
    refused(
        lambda m: m.graph.output.append(m.graph.output[0]), "names must be present and different"
    )


def test_a_missing_initializer_is_named() -> None:
    refused(lambda m: m.graph.initializer.pop(), "'w'")


def test_an_initializer_of_another_size_is_refused() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].dims[0] = 5

    refused(change, "wants 5")


@pytest.mark.parametrize("dim", [-1, -(2**63)])
def test_a_negative_dimension_is_refused(dim: int) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].dims[0] = dim

    refused(change, "negative dimension")


@pytest.mark.parametrize("dims", [[2**62], [2**40, 2**40], [10**6] * 20], ids=str)
def test_a_size_that_no_file_could_hold_is_refused_before_anything_is_allocated(
    dims: list[int],
) -> None:
    def change(model: onnx.ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(change, "claims")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes


def test_a_fill_of_an_absurd_size_costs_nothing_to_read() -> None:
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [2**31, 2**31])
    node = helper.make_node("ConstantOfShape", ["shape"], ["y"])
    info = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2**31, 2**31])
    graph = helper.make_graph([node], "g", [], [info], [shape])
    readable(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))


@pytest.mark.parametrize("opset", [0, -1, 10**6, 2**62])
def test_an_operator_set_out_of_range_is_refused(opset: int) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = opset

    refused(change, "operator set")


def test_subgraphs_nested_without_end_are_refused() -> None:
    graph = helper.make_graph([], "inner", [], [])
    for depth in range(60):
        node = helper.make_node("If", ["c"], [f"y{depth}"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "outer", [], [])
        if graph.ByteSize() > 1 << 20:
            break
    assert not readable(helper.make_model(graph))


def test_a_function_that_calls_itself_is_refused() -> None:
    model = relu_model()
    model.graph.node[1].op_type, model.graph.node[1].domain = "F", "own"
    call = helper.make_node("F", ["a"], ["b"], domain="own")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [call], opsets))
    model.opset_import.append(opsets[1])
    assert not readable(model.SerializeToString())


def test_functions_that_double_at_every_call_are_refused() -> None:
    """Forty functions, each of which calls the next one twice, are a million million nodes."""
    model = relu_model()
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for index in range(40):
        calls = [helper.make_node(f"F{index + 1}", [a], [b], domain="own") for a, b in ("am", "mb")]
        model.functions.append(
            helper.make_function("own", f"F{index}", ["a"], ["b"], calls, opsets)
        )
    model.graph.node[1].op_type, model.graph.node[1].domain = "F0", "own"
    model.opset_import.append(opsets[1])
    assert not readable(model.SerializeToString())


# -- external data ---------------------------------------------------------------------------------


def external(folder: Path, location: str, **fields: object) -> Path:
    """A model in ``folder`` whose weights are said to lie at ``location``."""
    model = relu_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    folder.mkdir(exist_ok=True)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The model's folder, with a secret beside it and weights inside."""
    (tmp_path / "secret").write_bytes(bytes(16))
    found = tmp_path / "model"
    found.mkdir()
    (found / "w.bin").write_bytes(np.arange(8, dtype=np.float32).tobytes())
    return found


def test_external_data_in_the_folder_is_read(folder: Path) -> None:
    (weight,) = read_onnx(external(folder, "w.bin", offset=4, length=16)).constants
    assert weight.array.tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    "location",
    ["../secret", "sub/../../secret", "./../secret", "..\\secret", "sub\\..\\..\\secret",
     "C:secret", "C:\\secret", "//host/secret", "", ".", "..", "w.bin\x00", "/etc/hostname", "file:///etc/hostname",
     "absolute"],
)  # fmt: skip
def test_external_data_outside_the_folder_is_refused(folder: Path, location: str) -> None:
    (folder / "sub").mkdir()
    if location == "absolute":
        location = str(folder.parent / "secret")
    with pytest.raises(Error, match=r"outside the model's folder|not a regular file"):
        read_onnx(external(folder, location))


def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "secret")
    with pytest.raises(Error, match="outside the model's folder"):
        read_onnx(external(folder, "link"))


def test_a_folder_that_links_out_is_refused(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent, target_is_directory=True)
    with pytest.raises(Error, match="outside the model's folder"):
        read_onnx(external(folder, "link/secret"))


def test_a_link_within_the_folder_is_refused_too(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "w.bin")
    with pytest.raises(Error, match="replace links"):
        read_onnx(external(folder, "link"))


def test_a_pipe_is_no_external_data(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(Error, match="not a regular file"):
        read_onnx(external(folder, "pipe"))


def test_a_model_from_memory_has_no_folder(folder: Path) -> None:
    with pytest.raises(Error, match="has no folder"):
        read_onnx(external(folder, "w.bin").read_bytes())


@pytest.mark.parametrize(
    "fields",
    [{"offset": -4}, {"length": -1}, {"offset": 20}, {"offset": 2**62}, {"length": 2**62},
     {"offset": "four"}, {"length": ""}, {"offset": 0, "length": 8}, {"length": 32},
     {"offset": "9" * 5000}],
    ids=str,
)  # fmt: skip
def test_external_data_out_of_range_is_refused(folder: Path, fields: dict[str, object]) -> None:
    with pytest.raises(Error):
        read_onnx(external(folder, "w.bin", **fields))


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(Error, match=r"'none\.bin' is missing"):
        read_onnx(external(folder, "none.bin"))


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 7])
def test_tensors_may_overlap_and_lie_anywhere(folder: Path, offset: int) -> None:
    """Both are read-only views of what the file holds there; kernels want them aligned."""
    path = external(folder, "w.bin", offset=offset, length=16)
    model = onnx.load(path, load_external_data=False)
    other = model.graph.initializer.add()
    other.CopyFrom(model.graph.initializer[0])
    other.name = "w2"
    del other.external_data[1:]
    model.graph.node.add(op_type="Add", input=["x", "w2"], output=["z"])
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [2, 4]))
    path.write_bytes(model.SerializeToString())
    content = (folder / "w.bin").read_bytes()
    first, second = read_onnx(path).constants
    assert first.array.tobytes() == content[offset : offset + 16]
    assert second.array.tobytes() == content[:16]
    assert first.array.flags.aligned


def test_a_gigabyte_of_external_weights_is_mapped_and_not_read(tmp_path: Path) -> None:
    count = 64
    each = 4 << 20  # elements: 16 MiB
    nodes, tensors = [], []
    for index in range(count):
        tensor = TensorProto(name=f"w{index}", data_type=TensorProto.FLOAT, dims=[each])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", "w.bin"),
            ("offset", index * each * 4),
            ("length", each * 4),
        ):
            tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor)
        nodes.append(helper.make_node("Add", [f"y{index - 1}" if index else "x", f"w{index}"],
                                      [f"y{index}"]))  # fmt: skip
    info = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [each]) for n in ("x", f"y{count - 1}")
    ]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], tensors)
    path = tmp_path / "model.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    )
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(count * each * 4)
    before = resident()
    found = read_onnx(path)
    verify(found)
    assert sum(constant.type.nbytes() for constant in found.constants) == 1 << 30
    assert all(isinstance(constant, Constant) for constant in found.constants)
    assert resident() - before < 100e6
    maps = Path("/proc/self/maps").read_text().count(str(tmp_path / "w.bin"))
    assert maps == 1, "a process may hold only so many maps"


def resident() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
