"""The reference kernels behind ONNX's own backend interface.

``onnx.backend.test.BackendTest(edgec.backend, __name__)`` runs the published cases against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep, namedtupledict
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

from edgec.ir import Array, Code, Error, Graph, Kind
from edgec.kernels import Executor
from edgec.lowering.onnx import Specialized
from edgec.tools.driver import optimize


class EdgecRep(BackendRep):
    """A model that is ready to run."""

    def __init__(self, model: Specialized) -> None:
        self._model = model

    def run(self, inputs: Sequence[Array] | Mapping[str, Array], **options: Any) -> tuple[Any, ...]:
        """Outputs in order, also by name.

        Args:
            inputs: by name, or in order.

        Raises:
            BackendIsNotSupposedToImplementIt: the model cannot be read with these inputs.
            Error: they do not fit.
        """
        names = self._model.input_names
        if not isinstance(inputs, Mapping):
            if len(inputs) != len(names):
                wanted = f"the model has {len(names)} inputs, {len(inputs)} were given"
                raise Error(Code.INPUTS, wanted)
            inputs = dict(zip(names, inputs, strict=True))
        try:
            outputs = self._model.run({name: np.asarray(x) for name, x in inputs.items()})
        except Error as error:
            _raise(error)
        ordered = self._model.output_names
        made: tuple[Any, ...] = namedtupledict("Outputs", ordered)(*(outputs[n] for n in ordered))
        return made


class EdgecBackend(Backend):
    """ONNX's backend interface on the CPU; models are optimized by the default pipeline."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **options: Any) -> EdgecRep:
        """Read and optimize a model.

        Args:
            options: ``pipeline``: another one than the default, such as ``"O0"``.

        Raises:
            BackendIsNotSupposedToImplementIt: edgec does not read such a model.
            Error: the model is broken.
        """
        pipeline = options.get("pipeline", "O2")

        def ready(graph: Graph) -> Any:
            optimize(graph, pipeline)
            return Executor(graph).run

        try:
            return EdgecRep(Specialized(model, ready))
        except Error as error:
            _raise(error)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """True for the CPU."""
        return device.split(":")[0] == "CPU"


def _raise(error: Error) -> NoReturn:
    """A refusal as the exception that ONNX's test runner counts as such; other errors as is."""
    if error.kind is Kind.UNSUPPORTED:
        raise BackendIsNotSupposedToImplementIt(str(error)) from error
    raise error


prepare = EdgecBackend.prepare
run_model = EdgecBackend.run_model
supports_device = EdgecBackend.supports_device
is_compatible = EdgecBackend.is_compatible
