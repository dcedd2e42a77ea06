"""Three gigabytes of weights, read, folded and written in little memory (``make test-large``)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

EACH = 16 << 20  # elements of a weight: 64 MiB
COUNT = 48
ALLOWED = 500 << 20  # bytes of resident memory above what the interpreter and its modules take

# In a process of its own, whose peak is then its own. The kernel counts the pages of mapped files
# that were touched as resident, too.
SCRIPT = """
import sys, resource
from pathlib import Path
import edgec
from edgec.tools import driver

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

warm = edgec.parse_graph("graph(%x: f32[2]) { %y = math.neg %x return y=%y }")
driver.optimize(warm)
before = peak()
graph = edgec.load(sys.argv[1])
driver.optimize(graph)
driver.save(graph, Path(sys.argv[2]))
print(peak() - before)
"""


def large_model(folder: Path) -> Path:
    """y = relu(y + w) for each w; the weights lie in a sparse file, each with a few numbers; their
    reshapes and the shape arithmetic are there to be folded."""
    nodes, tensors, last = [], [], "x"
    with (folder / "w.bin").open("wb") as file:
        file.truncate(COUNT * EACH * 4)
        for index in range(COUNT):
            file.seek(index * EACH * 4)
            file.write(np.full(8, index + 1, dtype=np.float32).tobytes())
            tensor = TensorProto(name=f"w{index}", data_type=TensorProto.FLOAT, dims=[EACH])
            tensor.data_location = TensorProto.EXTERNAL
            place = {"offset": index * EACH * 4, "length": EACH * 4}
            for key, value in {"location": "w.bin", **place}.items():
                tensor.external_data.add(key=key, value=str(value))
            tensors.append(tensor)
            nodes.append(helper.make_node("Reshape", [f"w{index}", "dims"], [f"r{index}"]))
            nodes.append(helper.make_node("Add", [last, f"r{index}"], [f"a{index}"]))
            nodes.append(helper.make_node("Relu", [f"a{index}"], [f"y{index}"]))
            last = f"y{index}"
    half = helper.make_tensor("half", TensorProto.INT64, [2], [2048, EACH // 4096])
    two = helper.make_tensor("two", TensorProto.INT64, [2], [2, 1])
    nodes.insert(0, helper.make_node("Mul", ["half", "two"], ["dims"]))
    dims = [4096, EACH // 4096]
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n in ("x", last)]
    graph = helper.make_graph(nodes, "large", info[:1], info[1:], [half, two, *tensors])
    path = folder / "large.onnx"
    opset = helper.make_opsetid("", 17)
    path.write_bytes(helper.make_model(graph, opset_imports=[opset]).SerializeToString())
    return path


@pytest.mark.large
def test_three_gigabytes_of_weights_take_little_memory(tmp_path: Path) -> None:
    path, out = large_model(tmp_path), tmp_path / "out.onnx"
    command = [sys.executable, "-c", SCRIPT, str(path), str(out)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) < ALLOWED
    written = onnx.load(out, load_external_data=False)
    assert [node.op_type for node in written.graph.node] == ["Add", "Relu"] * COUNT
    sizes = [tensor.dims for tensor in written.graph.initializer]
    assert [list(dims) for dims in sizes] == [[4096, EACH // 4096]] * COUNT
    data = np.memmap(tmp_path / "out.onnx.data", dtype=np.float32, mode="r")
    assert data.size == COUNT * EACH
    assert data[::EACH].tolist() == list(range(1, COUNT + 1))
