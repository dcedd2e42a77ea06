"""The runner's own work: shapes, addresses, memory, errors. The GPU is played by host memory, and
the engine by its network, read back; the real ones are in ``tensorrt_gpu_test.py``."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgec.ir import Array, Error, Graph, Kind, parse_graph
from edgec.kernels import run
from edgec.lowering.tensorrt import Readback, TensorrtRunner, parse_layers, to_network
from edgec.lowering.tensorrt.inspector import float_products
from edgec.lowering.tensorrt.runner import reasons_of

trt = pytest.importorskip(
    "tensorrt_rtx", reason="tensorrt-rtx is not installed: pip install 'edgec[tensorrt]'"
)


class HostDevice:
    """Device memory that is host memory."""

    stream = 7

    def __init__(self) -> None:
        self.held: list[Array] = []
        self.captures = 0

    def allocate(self, size: int) -> int:
        self.held.append(np.zeros(max(size, 1), np.uint8))
        return int(self.held[-1].ctypes.data)

    def upload(self, address: int, array: Array) -> None:
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def download(self, address: int, array: Array) -> None:
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def synchronize(self) -> None:
        """Nothing is ever pending."""

    def elapsed(self, work: Callable[[], None]) -> float:
        work()
        return 0.25

    def captured(self, work: Callable[[], None]) -> Callable[[], None]:
        self.captures += 1
        return work


class NetworkEngine:
    """The parts of ``ICudaEngine`` and ``IExecutionContext`` that the runner uses.

    ``most`` bounds the batch, as a profile does; outputs in ``late`` have dims that only the run
    tells.
    """

    def __init__(self, graph: Graph, most: int = 4, late: frozenset[str] = frozenset()) -> None:
        self.graph, self.most, self.late = graph, most, late
        self.readback = Readback(to_network(graph))
        definition = self.readback.network.definition
        self.tensors = {
            tensor.name: (tensor, mode)
            for mode, count, getter in (
                (trt.TensorIOMode.INPUT, definition.num_inputs, definition.get_input),
                (trt.TensorIOMode.OUTPUT, definition.num_outputs, definition.get_output),
            )
            for tensor in map(getter, range(count))
        }
        self.num_io_tensors = len(self.tensors)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.allocators: dict[str, Any] = {}
        self.fails = False

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> Any:
        return self.tensors[name][1]

    def get_tensor_dtype(self, name: str) -> Any:
        return self.tensors[name][0].dtype

    def create_execution_context(self) -> NetworkEngine:
        return self

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = tuple(shape)
        return shape[0] <= self.most

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self.late:
            return (-1, 3)
        return self._computed()[name].shape

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def set_output_allocator(self, name: str, allocator: Any) -> None:
        self.allocators[name] = allocator

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == HostDevice.stream
        for name, array in self._computed().items():
            if name in self.late:
                allocator = self.allocators[name]
                address = allocator.reallocate_output_async(name, 0, array.nbytes, 256, stream)
                allocator.notify_shape(name, array.shape)
            else:
                address = self.addresses[name]
            kept = np.ascontiguousarray(array)
            ctypes.memmove(address, kept.ctypes.data, kept.nbytes)
        return not self.fails

    def _computed(self) -> dict[str, Array]:
        inputs = {}
        for name, shape in self.shapes.items():
            inputs[name] = np.zeros(shape, np.float32)
            if name in self.addresses:
                held = inputs[name]
                ctypes.memmove(held.ctypes.data, self.addresses[name], held.nbytes)
        return self.readback.run(inputs)


TEXT = """
graph g(%x: f32[N,3]) {
  %y = act.relu %x
  %n = math.neg %x
  return y=%y, n=%n
}"""


def test_outputs_come_back_for_every_batch() -> None:
    graph, device = parse_graph(TEXT), HostDevice()
    runner = TensorrtRunner(NetworkEngine(graph), device=device)
    assert list(runner.input_names) == ["x"]
    assert list(runner.output_names) == ["y", "n"]
    rng = np.random.default_rng(0)
    for batch in (2, 4, 1, 4):
        x = rng.standard_normal((batch, 3)).astype(np.float32)
        for name, expected in run(graph, [x]).items():
            np.testing.assert_array_equal(runner.run({"x": x})[name], expected)
    assert len(device.held) == 6, "buffers are only replaced by larger ones"


def test_an_output_whose_dims_only_the_run_tells() -> None:
    graph = parse_graph(TEXT)
    engine = NetworkEngine(graph, late=frozenset({"n"}))
    runner = TensorrtRunner(engine, device=HostDevice())
    for batch in (1, 3, 2):
        x = np.full((batch, 3), 2, np.float32)
        np.testing.assert_array_equal(runner.run({"x": x})["n"], -x)


def test_latency_launches_one_graph() -> None:
    device = HostDevice()
    runner = TensorrtRunner(NetworkEngine(parse_graph(TEXT)), device=device)
    assert runner.latency({"x": np.ones((1, 3), np.float32)}, runs=3) == 0.25
    assert device.captures == 1


def test_inputs_that_do_not_fit_are_named() -> None:
    engine = NetworkEngine(parse_graph(TEXT))
    runner = TensorrtRunner(engine, device=HostDevice())
    with pytest.raises(Error, match="input 'x' is float32, found float64"):
        runner.run({"x": np.ones((1, 3))})
    with pytest.raises(Error, match=r"not built for 'x' of shape \[5, 3\]") as raised:
        runner.run({"x": np.ones((5, 3), np.float32)})
    assert "--shapes" in raised.value.instead
    engine.fails = True
    with pytest.raises(Error, match="fails on these inputs") as raised:
        runner.run({"x": np.ones((1, 3), np.float32)})
    assert raised.value.kind is Kind.MISMATCH


def test_why_an_engine_does_not_run_is_said_in_words() -> None:
    bits = trt.EngineInvalidityDiagnostics
    both = int(bits.UNSUPPORTED_CC) | int(bits.OLD_CUDA_DRIVER)
    assert reasons_of(both) == "unsupported cc, old cuda driver"
    assert reasons_of(0) == "diagnostics 0"


def test_the_runtime_cache_is_kept_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "kernels.cache"
    seen: list[bytes] = []
    cache = SimpleNamespace(deserialize=seen.append, serialize=lambda: b"compiled")
    config = SimpleNamespace(create_runtime_cache=lambda: cache, set_runtime_cache=seen.append)

    class Cached(NetworkEngine):
        def create_runtime_config(self) -> Any:
            return config

        def create_execution_context(self, given: Any = None) -> Cached:
            assert given is config
            return self

    for expected in ([cache], [cache, b"compiled", cache]):
        TensorrtRunner(Cached(parse_graph(TEXT)), device=HostDevice(), runtime_cache=path)
        assert seen == expected
    assert path.read_bytes() == b"compiled"


# -- the inspector -------------------------------------------------------------------------------

INSPECTED = """
{"Layers": [
  {"Name": "stem + gate", "LayerType": "CaskConvolution",
   "Inputs": [{"Name": "x", "Dimensions": [1, 4, 6, 6],
               "Format/Datatype": "Thirty-two wide channel vectorized row major Int8 format"}],
   "Outputs": [{"Name": "y", "Format/Datatype": "Row major linear FP32"}],
   "Metadata": ""},
  {"Name": "{ForeignNode[head...softmax]}", "LayerType": "Myelin",
   "Inputs": [{"Name": "y", "Format/Datatype": "Half"}], "Outputs": []},
  {"Name": "fc", "LayerType": "MatrixMultiply",
   "Inputs": [{"Name": "z", "Datatype": "BFloat16"}], "Outputs": []},
  "only a name"
 ],
 "I/O Tensors": ["x", "y"]}
"""


def test_the_inspectors_json() -> None:
    layers = parse_layers(INSPECTED)
    assert [layer.sources for layer in layers[:2]] == [("stem", "gate"), ("head", "softmax")]
    assert [layer.is_fused for layer in layers] == [True, True, False, False]
    assert layers[0].inputs == ("int8",)
    assert layers[0].outputs == ("fp32",)
    assert layers[1].inputs == ("fp16",)
    assert layers[2].inputs == ("bf16",)
    assert [layer.name for layer in float_products(layers)] == ["fc"]
    with pytest.raises(Error, match="no JSON of the engine inspector"):
        parse_layers("Layers: none")
