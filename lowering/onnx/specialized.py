"""Running a model some of whose inputs must be known when it is compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx

from edgec.ir import Array, Error, Graph, Kind
from edgec.lowering.onnx.reader import read_onnx

MAX_ELEMENTS = 64  # of an input whose values may decide about the graph: axes, sizes, a flag

Run: TypeAlias = "Callable[[Mapping[str, Array]], Mapping[str, Array]]"
Prepare: TypeAlias = "Callable[[Graph], Run]"


class Specialized:
    """A model that runs on any inputs: as one graph where it can be read so, else as a graph for
    each set of values of its small integer and boolean inputs.

    Args:
        model: in memory.
        prepare: makes a graph ready to run, once per graph.

    Attributes:
        input_names: of the inputs that have no initializer, in order.
        output_names: in order.

    Raises:
        Error: the model cannot be read, whatever its inputs.
    """

    def __init__(self, model: onnx.ModelProto, prepare: Prepare) -> None:
        defaults = {tensor.name for tensor in model.graph.initializer}
        inputs = [info for info in model.graph.input if info.name not in defaults]
        self.input_names: Sequence[str] = [info.name for info in inputs]
        self.output_names: Sequence[str] = [info.name for info in model.graph.output]
        self._model = model
        self._prepare = prepare
        self._runs: dict[tuple[bytes, ...], tuple[Sequence[str], Run]] = {}
        self._waits = True
        try:
            graph = read_onnx(model)
        except Error as error:
            tensors = all(info.type.HasField("tensor_type") for info in inputs)
            if error.kind is not Kind.UNSUPPORTED or not (tensors and any(map(_decides, inputs))):
                raise
        else:
            self._waits = False
            self._runs[()] = graph.input_names, prepare(graph)

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Outputs by name. Raises Error as reading, preparing and running do."""
        known = {name: x for name, x in inputs.items() if self._waits and _is_small(x)}
        key = tuple(part for name in sorted(known) for part in _identity(name, known[name]))
        found = self._runs.get(key)
        if found is None:
            graph = read_onnx(self._model, constants=known)
            found = self._runs[key] = graph.input_names, self._prepare(graph)
        names, run = found
        return run({name: inputs[name] for name in names})


def _decides(info: onnx.ValueInfoProto) -> bool:
    code = info.type.tensor_type.elem_type
    if code in (onnx.TensorProto.UNDEFINED, onnx.TensorProto.STRING):
        return False
    return onnx.helper.tensor_dtype_to_np_dtype(code).kind in "iub"


def _is_small(array: Array) -> bool:
    return np.asarray(array).dtype.kind in "iub" and np.size(array) <= MAX_ELEMENTS


def _identity(name: str, array: Array) -> tuple[bytes, ...]:
    return name.encode(), str(np.shape(array)).encode(), np.asarray(array).tobytes()
