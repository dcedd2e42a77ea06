#!/usr/bin/env python3
"""Run the engine of this package on its golden inputs and compare with the golden outputs.

It needs the device's own ``tensorrt``, the CUDA runtime library and numpy. It ends with 0 when
every output agrees, with 1 when one does not.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
TO_DEVICE, TO_HOST = 1, 2  # cudaMemcpyKind


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compare the engine with the golden outputs.")
    parser.add_argument("--engine", default=str(HERE / "model.engine"), help="default: beside it")
    parser.add_argument("--runs", type=int, default=100, help="executions to time, default 100")
    chosen = parser.parse_args(arguments)
    package = json.loads((HERE / "package.json").read_text())
    inputs, outputs = (load(name) for name in ("golden_inputs.npz", "golden_outputs.npz"))
    engine = Engine(Path(chosen.engine).read_bytes())
    count = len(next(iter(inputs.values())))
    found = [engine.run({name: array[i] for name, array in inputs.items()}) for i in range(count)]
    rows = compare({name: np.stack([f[name] for f in found]) for name in outputs}, outputs)
    report(rows, package["allowed"])
    milliseconds = engine.latency(chosen.runs)
    print(f"latency: {milliseconds:.3f} ms, the median of {chosen.runs} executions")
    return 0 if all(row["error"] <= package["allowed"] for row in rows) else 1


def load(name: str) -> dict[str, Any]:
    """Arrays by name, samples along the first axis."""
    with np.load(HERE / name, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def compare(found: dict[str, Any], expected: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per output: the size of the error over that of the output, the largest difference,
    and how often the largest element is the same one."""
    rows = []
    for name, wanted in expected.items():
        a, b = found[name].astype(np.float64), wanted.astype(np.float64)
        size = np.linalg.norm(b)
        flat = (len(b), -1)
        same = a.reshape(flat).argmax(axis=1) == b.reshape(flat).argmax(axis=1)
        rows.append({
            "name": name,
            "error": float(np.linalg.norm(a - b) / size) if size else float(np.abs(a - b).max()),
            "largest": float(np.abs(a - b).max()),
            "same": float(same.mean()),
        })  # fmt: skip
    return rows


def report(rows: list[dict[str, Any]], allowed: float) -> None:
    for row in rows:
        verdict = "ok" if row["error"] <= allowed else "DIFFERS"
        print(f"{row['name']}: {verdict}, relative error {row['error']:.2e} of {allowed:.0e} "
              f"allowed, largest difference {row['largest']:.3g}, "
              f"same maximum in {100 * row['same']:.0f} %")  # fmt: skip


class Engine:
    """An engine with buffers on the device."""

    def __init__(self, data: bytes) -> None:
        try:
            import tensorrt as trt
        except ImportError:
            import tensorrt_rtx as trt
        self.trt = trt
        self.cuda = Cuda()
        runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        self.engine = runtime.deserialize_cuda_engine(data)
        if self.engine is None:
            sys.exit("TensorRT does not load the engine: build it on this device with build.py")
        self.context = self.engine.create_execution_context()
        self.names = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Outputs by name."""
        for name, array in inputs.items():
            array = np.ascontiguousarray(array)
            self.context.set_input_shape(name, array.shape)
            self.context.set_tensor_address(name, self.cuda.uploaded(name, array))
        outputs = {}
        for name in self.names:
            if self.engine.get_tensor_mode(name) == self.trt.TensorIOMode.OUTPUT:
                dtype = self.trt.nptype(self.engine.get_tensor_dtype(name))
                outputs[name] = np.empty(tuple(self.context.get_tensor_shape(name)), dtype)
                self.context.set_tensor_address(name, self.cuda.buffer(name, outputs[name].nbytes))
        self.execute()
        for name, array in outputs.items():
            self.cuda.download(name, array)
        return outputs

    def execute(self) -> None:
        if not self.context.execute_async_v3(self.cuda.stream):
            sys.exit("TensorRT could not run the engine: see its messages above")

    def latency(self, runs: int) -> float:
        """Median milliseconds between two events around one execution."""
        for _ in range(10):
            self.execute()
        return float(np.median([self.cuda.elapsed(self.execute) for _ in range(runs)]))


class Cuda:
    """The few calls of the CUDA runtime library that are needed."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(find_runtime())
        self.buffers: dict[str, tuple[int, int]] = {}
        stream = ctypes.c_void_p()
        self.call("cudaStreamCreate", ctypes.byref(stream))
        self.stream = stream.value or 0

    def call(self, name: str, *arguments: Any) -> None:
        status = getattr(self.library, name)(*arguments)
        if status:
            sys.exit(f"{name} failed with CUDA error {status}")

    def buffer(self, name: str, size: int) -> int:
        address, held = self.buffers.get(name, (0, -1))
        if held < size:
            pointer = ctypes.c_void_p()
            self.call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(max(size, 1)))
            address = pointer.value or 0
            self.buffers[name] = (address, size)
        return address

    def uploaded(self, name: str, array: Any) -> int:
        address = self.buffer(name, array.nbytes)
        self.copy(address, array.ctypes.data, array.nbytes, TO_DEVICE)
        return address

    def download(self, name: str, array: Any) -> None:
        self.call("cudaStreamSynchronize", ctypes.c_void_p(self.stream))
        self.copy(array.ctypes.data, self.buffers[name][0], array.nbytes, TO_HOST)

    def copy(self, to: int, source: int, size: int, kind: int) -> None:
        pointers = ctypes.c_void_p(to), ctypes.c_void_p(source)
        self.call("cudaMemcpy", *pointers, ctypes.c_size_t(size), ctypes.c_int(kind))

    def elapsed(self, work: Any) -> float:
        events = [ctypes.c_void_p() for _ in range(2)]
        for event in events:
            self.call("cudaEventCreate", ctypes.byref(event))
        stream = ctypes.c_void_p(self.stream)
        self.call("cudaEventRecord", events[0], stream)
        work()
        self.call("cudaEventRecord", events[1], stream)
        self.call("cudaEventSynchronize", events[1])
        milliseconds = ctypes.c_float()
        self.call("cudaEventElapsedTime", ctypes.byref(milliseconds), *events)
        for event in events:
            self.call("cudaEventDestroy", event)
        return milliseconds.value


def find_runtime() -> str:
    """The CUDA runtime library: where the linker finds it, or where JetPack puts it."""
    folders = [Path("/usr/local/cuda/lib64"), *Path("/usr/local").glob("cuda-*/lib64")]
    found = [str(path) for folder in folders for path in sorted(folder.glob("libcudart.so*"))]
    name = ctypes.util.find_library("cudart") or next(iter(found), None)
    if name is None:
        sys.exit("there is no CUDA runtime library (libcudart.so) on this machine")
    return name


if __name__ == "__main__":
    sys.exit(main())
