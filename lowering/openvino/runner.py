"""Running models on OpenVINO's plugins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgec.ir import Array, Code, Error
from edgec.kernels import adds_bytes_in_16_bits
from edgec.lowering.openvino.runtime import openvino

HINTS = ("latency", "throughput")
SEVERAL = ("AUTO", "HETERO", "MULTI", "BATCH")  # stand for the devices after the colon


class OpenvinoRunner:
    """A model in OpenVINO: on the CPU with one stream, every float computed as float32.

    Args:
        model: the path of an .xml, or an ``openvino.Model``.
        threads: of the CPU's stream.
        device: CPU, GPU, NPU, AUTO, HETERO:GPU,CPU, or whatever else OpenVINO knows by name.
        hint: latency or throughput, which then chooses streams and threads; none when empty.
        exact: compute integers in floats on a CPU on which the plugin's sums of them overflow.

    Raises:
        Error: OpenVINO is not installed, has no such device, or refuses the model.
    """

    def __init__(
        self,
        model: Path | Any,
        threads: int = 1,
        *,
        device: str = "CPU",
        hint: str = "",
        exact: bool = True,
    ) -> None:
        self.threads, self.device, self.hint = threads, device, hint
        self.core = openvino().Core()
        require_device(self.core, device)
        try:
            self.model = self.core.read_model(str(model)) if isinstance(model, Path) else model
            chosen = settings(threads, device, hint)
            if exact and device == "CPU" and adds_bytes_in_16_bits():
                chosen |= {"LP_TRANSFORMS_MODE": "NO"}  # quantize and dequantize, as written
            self.compiled = self.core.compile_model(self.model, device, chosen)
            self.request = self.compiled.create_infer_request()
        except RuntimeError as error:
            raise Error(Code.REFUSED, f"OpenVINO refuses the model: {error}") from error
        self.input_names: Sequence[str] = [_name(port) for port in self.model.inputs]
        self.output_names: Sequence[str] = [_name(port) for port in self.model.outputs]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Raises Error when OpenVINO fails on these inputs."""
        feed = {index: inputs[name] for index, name in enumerate(self.input_names)}
        try:
            found = self.request.infer(feed)
        except RuntimeError as error:
            raise Error(Code.RUN_FAILED, f"OpenVINO fails on these inputs: {error}") from error
        return dict(zip(self.output_names, found.to_tuple(), strict=True))

    def run_with_taps(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every named value of the outermost graph, from a copy in which all are outputs."""
        copied = with_all_outputs(self.model)
        runner = OpenvinoRunner(copied, self.threads, device=self.device, hint=self.hint)
        return runner.run(inputs)

    def partition(self) -> Mapping[str, int]:
        """Number of operators by the device that runs them, of those that OpenVINO assigns."""
        found = self.compiled.get_property("EXECUTION_DEVICES")
        asked = found[0] if len(found) == 1 else f"HETERO:{','.join(found)}"
        try:
            assigned = self.core.query_model(self.model, asked)
        except RuntimeError as error:
            raise Error(Code.REFUSED, f"{asked} cannot be asked: {error}") from error
        return Counter(assigned.values())


def require_device(core: Any, device: str) -> None:
    """Raises Error of kind RUNTIME_MISSING when this machine has no such device."""
    first, _, others = device.partition(":")
    named = others.split(",") if first in SEVERAL else [first]
    there = {name.partition(".")[0] for name in core.available_devices}
    missing = [name for name in named if name and name.partition(".")[0] not in there]
    if missing:
        raise Error(
            Code.NO_DEVICE,
            f"OpenVINO finds no device {', '.join(missing)} on this machine",
            instead=f"one of {sorted(there)}, or AUTO",
        )


def settings(threads: int, device: str = "CPU", hint: str = "") -> dict[str, Any]:
    """Left alone, plugins compute in bfloat16 or float16 where they can, and round what meets
    weights of 8 or 4 bits.

    Raises:
        Error: there is no such hint.
    """
    if hint and hint not in HINTS:
        raise Error(Code.OPTION, f"there is no hint {hint!r}", instead=f"one of {list(HINTS)}")
    chosen: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if hint:
        chosen["PERFORMANCE_HINT"] = hint.upper()
    if device == "CPU":
        chosen["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
        if not hint:
            chosen |= {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    return chosen


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
