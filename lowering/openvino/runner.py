"""Running models on OpenVINO's CPU plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgec.ir import Array, Error, Kind
from edgec.lowering.openvino.runtime import openvino


class OpenvinoRunner:
    """A model in OpenVINO on the CPU: one stream, every float computed as float32.

    Args:
        model: the path of an .xml, or an ``openvino.Model``.
        threads: of the stream.

    Raises:
        Error: OpenVINO is not installed, or refuses the model.
    """

    def __init__(self, model: Path | Any, threads: int = 1) -> None:
        self.threads = threads
        core = openvino().Core()
        try:
            self.model = core.read_model(str(model)) if isinstance(model, Path) else model
            self.compiled = core.compile_model(self.model, "CPU", settings(threads))
            self.request = self.compiled.create_infer_request()
        except RuntimeError as error:
            raise Error(Kind.LOWERING, f"OpenVINO refuses the model: {error}") from error
        self.input_names: Sequence[str] = [_name(port) for port in self.model.inputs]
        self.output_names: Sequence[str] = [_name(port) for port in self.model.outputs]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Raises Error when OpenVINO fails on these inputs."""
        feed = {index: inputs[name] for index, name in enumerate(self.input_names)}
        try:
            found = self.request.infer(feed)
        except RuntimeError as error:
            raise Error(Kind.MISMATCH, f"OpenVINO fails on these inputs: {error}") from error
        return dict(zip(self.output_names, found.to_tuple(), strict=True))

    def run_with_taps(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every named value of the outermost graph, from a copy in which all are outputs."""
        return OpenvinoRunner(with_all_outputs(self.model), self.threads).run(inputs)


def settings(threads: int) -> dict[str, Any]:
    """Left alone, the plugin computes in bfloat16 where the processor can."""
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }


def with_all_outputs(model: Any) -> Any:
    """A copy of the model in which every named value of the outermost graph is an output."""
    copied = model.clone()
    shown = {name for port in copied.outputs for name in port.get_names()}
    hidden = [
        output
        for node in copied.get_ordered_ops()
        if node.get_type_name() not in ("Parameter", "Constant", "Result")
        for output in node.outputs()
        if output.get_names() and not shown & output.get_names()
    ]
    if hidden:
        copied.add_outputs(hidden)
    return copied


def _name(port: Any) -> str:
    name: str = min(port.get_names())
    return name
