"""Running engines on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Array, Code, DType, Error, write_atomically
from edgec.lowering.tensorrt.device import Device, open_device
from edgec.lowering.tensorrt.inspector import EngineLayer, parse_layers
from edgec.lowering.tensorrt.layers import dtype_named
from edgec.lowering.tensorrt.runtime import RUNTIME, logger, tensorrt


class TensorrtRunner:
    """An engine on the first GPU: inputs go there, one execution, outputs come back.

    Args:
        engine: the path of an engine file, its bytes, or an ``ICudaEngine``.
        device: a GPU; the first one when None.
        runtime_cache: a file in which TensorRT-RTX keeps the kernels that it compiles when the
            engine is first loaded; made when it does not exist.

    Raises:
        Error: no GPU, or the engine does not run on it; says why.
    """

    def __init__(
        self,
        engine: Path | bytes | Any,
        *,
        device: Device | None = None,
        runtime_cache: Path | None = None,
    ) -> None:
        trt = tensorrt()
        self.engine = load_engine(engine) if isinstance(engine, (Path, bytes)) else engine
        self.device = device or open_device()
        self.context = _context(self.engine, runtime_cache)
        names = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]
        of_inputs = {n for n in names if self.engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT}
        self.input_names: Sequence[str] = [name for name in names if name in of_inputs]
        self.output_names: Sequence[str] = [name for name in names if name not in of_inputs]
        self._buffers: dict[str, tuple[int, int]] = {}
        self._allocators: dict[str, Any] = {}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Raises Error when the engine does not take these inputs."""
        self._set_inputs(inputs)
        self._set_outputs()
        self._execute()
        self.device.synchronize()
        return {name: self._output(name) for name in self.output_names}

    def run_with_taps(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs: an engine shows nothing of what lies between."""
        return self.run(inputs)

    def latency(self, inputs: Mapping[str, Array], *, runs: int = 200, graph: bool = True) -> float:
        """Median milliseconds of one execution between two events, data already on the GPU.

        Args:
            graph: launch it as one CUDA graph, where every shape is known before the run.
        """
        self.run(inputs)  # loads kernels, and settles addresses
        work: Callable[[], None] = self._execute
        if graph and not self._allocators:
            work = self.device.captured(self._execute)
        for _ in range(10):
            work()
        return float(np.median([self.device.elapsed(work) for _ in range(runs)]))

    def layers(self) -> list[EngineLayer]:
        """What the builder made of the network: fused layers, and the types that they run in."""
        inspector = self.engine.create_engine_inspector()
        json = tensorrt().LayerInformationFormat.JSON
        return parse_layers(inspector.get_engine_information(json))

    # -- steps of a run --------------------------------------------------------------------------

    def _set_inputs(self, inputs: Mapping[str, Array]) -> None:
        for name in self.input_names:
            array = np.ascontiguousarray(inputs[name])
            wanted = self._dtype(name).numpy
            if array.dtype != wanted:
                raise Error(Code.RUN_FAILED, f"input {name!r} is {wanted}, found {array.dtype}")
            if not self.context.set_input_shape(name, array.shape):
                raise Error(
                    Code.RUN_FAILED,
                    f"the engine was not built for {name!r} of shape {list(array.shape)}",
                    instead="edgec compile … --shapes name:least/usual/most",
                )
            address = self._buffer(name, array.nbytes)
            self.device.upload(address, array)
            self.context.set_tensor_address(name, address)

    def _set_outputs(self) -> None:
        for name in self.output_names:
            dims = tuple(self.context.get_tensor_shape(name))
            if -1 in dims:
                found = self._allocators.setdefault(name, _allocator(self.device))
                self.context.set_output_allocator(name, found)
            else:
                size = int(np.prod(dims, dtype=np.int64)) * self._dtype(name).numpy.itemsize
                self.context.set_tensor_address(name, self._buffer(name, size))

    def _execute(self) -> None:
        if not self.context.execute_async_v3(self.device.stream):
            said = "; ".join(logger().taken())
            raise Error(Code.RUN_FAILED, f"TensorRT fails on these inputs: {said}")

    def _output(self, name: str) -> Array:
        allocated = self._allocators.get(name)
        dims = allocated.shape if allocated else tuple(self.context.get_tensor_shape(name))
        address = allocated.address if allocated else self._buffers[name][0]
        array = np.empty(dims, self._dtype(name).numpy)
        self.device.download(address, array)
        return array

    def _buffer(self, name: str, size: int) -> int:
        """An address that keeps so many bytes, the earlier one where it does."""
        found = self._buffers.get(name)
        if found is None or found[1] < size:
            found = self._buffers[name] = (self.device.allocate(size), size)
        return found[0]

    def _dtype(self, name: str) -> DType:
        return dtype_named(self.engine.get_tensor_dtype(name))


def load_engine(source: Path | bytes) -> Any:
    """An engine from its file or bytes. Raises Error that says why it does not run here."""
    RUNTIME.require()
    trt = tensorrt()
    data = source.read_bytes() if isinstance(source, Path) else source
    runtime = trt.Runtime(logger())
    if hasattr(runtime, "get_engine_validity"):
        validity, reasons = runtime.get_engine_validity(data)
        if validity == trt.EngineValidity.INVALID:
            raise Error(Code.RUN_FAILED, f"the engine does not run here: {reasons_of(reasons)}")
    logger().taken()
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        said = "; ".join(logger().taken())
        raise Error(Code.RUN_FAILED, f"TensorRT does not load the engine: {said}")
    return engine


def reasons_of(diagnostics: int) -> str:
    """The reasons in the bits that ``get_engine_validity`` returns, in words."""
    known = tensorrt().EngineInvalidityDiagnostics.__members__.items()
    found = [name.lower().replace("_", " ") for name, bit in known if int(diagnostics) & int(bit)]
    return ", ".join(found) or f"diagnostics {int(diagnostics)}"


def _context(engine: Any, runtime_cache: Path | None) -> Any:
    """An execution context; with a runtime cache where the package has one."""
    if runtime_cache is None or not hasattr(engine, "create_runtime_config"):
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    cache = config.create_runtime_cache()
    if runtime_cache.exists():
        cache.deserialize(runtime_cache.read_bytes())
    config.set_runtime_cache(cache)
    context = engine.create_execution_context(config)
    data = bytes(cache.serialize())
    write_atomically(runtime_cache, lambda path: _store(path, data))
    return context


def _store(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _allocator(device: Device) -> Any:
    """Memory for an output whose dims only the run tells."""
    base: Any = tensorrt().IOutputAllocator

    class Allocator(base):  # type: ignore[misc]  # the package is imported late
        def __init__(self) -> None:
            base.__init__(self)
            self.address, self.size = 0, 0
            self.shape: tuple[int, ...] = ()

        def reallocate_output(self, name: str, memory: int, size: int, alignment: int) -> int:
            if size > self.size or not self.address:
                self.address, self.size = device.allocate(size), size
            return self.address

        def reallocate_output_async(
            self, name: str, memory: int, size: int, alignment: int, stream: int
        ) -> int:
            return self.reallocate_output(name, memory, size, alignment)

        def notify_shape(self, name: str, shape: Any) -> None:
            self.shape = tuple(shape)

    return Allocator()
