"""Memory, streams and events of a GPU, through NVIDIA's CUDA bindings or through PyTorch."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from edgec.ir import Array, Code, Error, Kind


class Device(Protocol):
    """What the runner needs of a GPU. Work on its one stream is done in order."""

    stream: int

    def allocate(self, size: int) -> int:
        """The address of so many bytes of device memory, which live as long as the device."""

    def upload(self, address: int, array: Array) -> None:
        """Copy a contiguous array to the device."""

    def download(self, address: int, array: Array) -> None:
        """Fill an array from the device, when all work is done."""

    def synchronize(self) -> None:
        """Wait until all work is done."""

    def elapsed(self, work: Callable[[], None]) -> float:
        """Milliseconds between two events around what ``work`` puts on the stream."""

    def captured(self, work: Callable[[], None]) -> Callable[[], None]:
        """What ``work`` puts on the stream as a CUDA graph, to be launched as a whole."""


def open_device() -> Device:
    """The first GPU. Raises Error of kind RUNTIME_MISSING without bindings."""
    if importlib.util.find_spec("cuda") and importlib.util.find_spec("cuda.bindings"):
        return CudaDevice()
    if importlib.util.find_spec("torch"):
        return TorchDevice()
    raise Error(
        Kind.RUNTIME_MISSING,
        "neither cuda-bindings nor torch is installed, which give an engine its memory",
        instead="pip install 'edgec[tensorrt]'",
    )


class CudaDevice:
    """A GPU through ``cuda.bindings.runtime``."""

    def __init__(self) -> None:
        from cuda.bindings import runtime

        self._cuda: Any = runtime
        self._stream = self._done(runtime.cudaStreamCreate())
        self.stream = int(self._stream)
        self._memory: list[int] = []

    def __del__(self) -> None:
        for address in self._memory:
            self._cuda.cudaFree(address)

    def _done(self, found: tuple[Any, ...]) -> Any:
        """What a call returns. Raises Error when it failed."""
        status, *values = found
        if int(status):
            raise Error(
                Code.RUN_FAILED, f"CUDA: {self._cuda.cudaGetErrorString(status)[1].decode()}"
            )
        return values[0] if values else None

    def allocate(self, size: int) -> int:
        address = int(self._done(self._cuda.cudaMalloc(max(size, 1))))
        self._memory.append(address)
        return address

    def upload(self, address: int, array: Array) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(address, array.ctypes.data, array.nbytes, kind)

    def download(self, address: int, array: Array) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(array.ctypes.data, address, array.nbytes, kind)
        self.synchronize()

    def _copy(self, to: int, source: int, size: int, kind: Any) -> None:
        if size:
            self._done(self._cuda.cudaMemcpyAsync(to, source, size, kind, self._stream))

    def synchronize(self) -> None:
        self._done(self._cuda.cudaStreamSynchronize(self._stream))

    def elapsed(self, work: Callable[[], None]) -> float:
        begin, end = (self._done(self._cuda.cudaEventCreate()) for _ in range(2))
        self._done(self._cuda.cudaEventRecord(begin, self._stream))
        work()
        self._done(self._cuda.cudaEventRecord(end, self._stream))
        self._done(self._cuda.cudaEventSynchronize(end))
        milliseconds = float(self._done(self._cuda.cudaEventElapsedTime(begin, end)))
        for event in (begin, end):
            self._cuda.cudaEventDestroy(event)
        return milliseconds

    def captured(self, work: Callable[[], None]) -> Callable[[], None]:
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._done(self._cuda.cudaStreamBeginCapture(self._stream, mode))
        work()
        graph = self._done(self._cuda.cudaStreamEndCapture(self._stream))
        ready = self._done(self._cuda.cudaGraphInstantiate(graph, 0))
        return lambda: self._done(self._cuda.cudaGraphLaunch(ready, self._stream))


class TorchDevice:
    """A GPU through PyTorch."""

    def __init__(self) -> None:
        import torch

        self._torch: Any = torch
        self._stream = torch.cuda.Stream()
        self.stream = int(self._stream.cuda_stream)
        self._memory: dict[int, Any] = {}

    def allocate(self, size: int) -> int:
        held = self._torch.empty(max(size, 1), dtype=self._torch.uint8, device="cuda")
        address = int(held.data_ptr())
        self._memory[address] = held
        return address

    def upload(self, address: int, array: Array) -> None:
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        with self._torch.cuda.stream(self._stream):
            self._memory[address][: data.size].copy_(self._torch.from_numpy(data))

    def download(self, address: int, array: Array) -> None:
        with self._torch.cuda.stream(self._stream):
            data = self._memory[address][: array.nbytes].cpu().numpy()
        self.synchronize()
        array[...] = data.view(array.dtype).reshape(array.shape)

    def synchronize(self) -> None:
        self._stream.synchronize()

    def elapsed(self, work: Callable[[], None]) -> float:
        begin, end = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record(self._stream)
        work()
        end.record(self._stream)
        end.synchronize()
        return float(begin.elapsed_time(end))

    def captured(self, work: Callable[[], None]) -> Callable[[], None]:
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.graph(graph, stream=self._stream):
            work()

        def launch() -> None:
            with self._torch.cuda.stream(self._stream):
                graph.replay()

        return launch
