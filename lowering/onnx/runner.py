"""Running ONNX models on ONNX Runtime, the one place that imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from edgec.ir import Array, Code, Error, dtypes
from edgec.kernels import adds_bytes_in_16_bits
from edgec.lowering.target import Runtime

RUNTIME = Runtime("onnxruntime", "onnxruntime")
# For x86 without VNNI (lowering/saturation.py): weights as u8, whose products are added in 32 bits.
EXACT_INTEGERS = ("session.x64quantprecision", "1")

# onnxruntime returns this 8-bit float as plain bytes; of the others it can return none.
_EIGHT_BITS = {"tensor(float8e4m3fn)": dtypes.f8e4m3fn}


class OnnxRunner:
    """An ONNX model in ONNX Runtime on the CPU.

    Args:
        model: a path, or a model in memory.
        threads: intra-op threads.
        optimize: all of its graph optimizations, or none.

    Raises:
        Error: onnxruntime is not installed, or refuses the model.
    """

    def __init__(
        self, model: Path | onnx.ModelProto, threads: int = 1, *, optimize: bool = True
    ) -> None:
        self.model = model
        self.threads = threads
        self.optimize = optimize
        self.session = session(model, threads, optimize=optimize)
        self.input_names: Sequence[str] = [entry.name for entry in self.session.get_inputs()]
        self.output_names: Sequence[str] = [entry.name for entry in self.session.get_outputs()]
        self._dtypes = [_EIGHT_BITS.get(entry.type) for entry in self.session.get_outputs()]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Raises Error when onnxruntime fails on these inputs."""
        feed = {name: inputs[name] for name in self.input_names}
        try:
            found = self.session.run(list(self.output_names), feed)
        except _failures() as error:
            raise Error(Code.RUN_FAILED, f"onnxruntime fails on these inputs: {error}") from error
        typed = [
            array if dtype is None else array.view(dtype.numpy)
            for array, dtype in zip(found, self._dtypes, strict=True)
        ]
        return dict(zip(self.output_names, typed, strict=True))

    def run_with_taps(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value of the outermost graph by name, from a copy in which all are outputs."""
        tapped = with_all_outputs(self.model)
        return OnnxRunner(tapped, self.threads, optimize=False).run(inputs)


def session(model: Path | onnx.ModelProto, threads: int, *, optimize: bool = True) -> Any:
    """An onnxruntime session on the CPU. Raises Error when there is none to be had."""
    RUNTIME.require()
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it would log as an error, it raises too
    ort.set_default_logger_severity(4)
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
    if adds_bytes_in_16_bits():
        options.add_session_config_entry(*EXACT_INTEGERS)
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise Error(Code.REFUSED, f"onnxruntime refuses the model: {error}") from error


def with_all_outputs(model: Path | onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model in which every value of the outermost graph is an output."""
    copied = onnx.ModelProto()
    copied.CopyFrom(onnx.load(model) if isinstance(model, Path) else model)
    known = {info.name for info in copied.graph.output}
    for node in copied.graph.node:
        for name in node.output:
            if name and name not in known:
                copied.graph.output.add(name=name)
                known.add(name)
    return copied


def _failures() -> tuple[type[Exception], ...]:
    """The exceptions that onnxruntime's binding raises."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NotImplemented",
        "RuntimeException",
        "NoSuchFile",
        "NoModel",
        "EPFail",
        "ModelLoaded",
    )
    found = [getattr(state, name) for name in names if hasattr(state, name)]
    return (*found, RuntimeError, ValueError)
