"""What becomes of a case: on the reference kernels, and in ONNX Runtime after we wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx

from edgec.ir import Array, Error, Graph, Kind, verify
from edgec.kernels import Executor
from edgec.lowering.onnx import OnnxRunner, Specialized, to_model
from edgec.lowering.onnx.node import Unsupported
from edgec.tools.conformance.cases import Case, DataSet
from edgec.tools.conformance.judging import (
    differences,
    distribution_problem,
    is_drawn,
    undrawn_seeds,
)
from edgec.tools.driver import optimize

Run: TypeAlias = "Callable[[Mapping[str, Array]], Mapping[str, Array]]"
Make: TypeAlias = "Callable[[onnx.ModelProto], Run]"


@dataclass(frozen=True)
class Outcome:
    """What became of a case in a column.

    Attributes:
        status: ``pass``; ``refused``: cannot be read, in words; or ``wrong``: another answer than
            expected, or an error.
        detail: the refusal, the difference or the error.
    """

    status: str
    detail: str = ""


def reference(case: Case, pipeline: str) -> Outcome:
    """Read, verify, optimize, and run on the reference kernels."""

    def prepare(graph: Graph) -> Run:
        verify(graph)
        optimize(graph, pipeline)
        verify(graph)
        return Executor(graph).run

    return _outcome(case, lambda model: Specialized(model, prepare).run)


def onnxruntime_original(case: Case) -> Outcome:
    """The model as published, in ONNX Runtime."""
    return _outcome(case, lambda model: OnnxRunner(model).run)


def onnxruntime_written(case: Case) -> Outcome:
    """Read, written, and run in ONNX Runtime."""

    def prepare(graph: Graph) -> Run:
        return OnnxRunner(to_model(graph)).run

    return _outcome(case, lambda model: Specialized(model, prepare).run)


def _outcome(case: Case, make: Make) -> Outcome:
    try:
        run = make(undrawn_seeds(case.model) if is_drawn(case) else case.model)
        problems = (_problem(case, run, data) for data in case.data_sets())
        found = next(filter(None, problems), "")
    except Error as error:
        return Outcome("refused" if error.kind is Kind.UNSUPPORTED else "wrong", str(error))
    except Unsupported as error:  # the data itself is of a type that is not read
        return Outcome("refused", str(error))
    return Outcome("wrong", found) if found else Outcome("pass")


def _problem(case: Case, run: Run, data: DataSet) -> str:
    graph = case.model.graph
    defaults = {tensor.name for tensor in graph.initializer}
    wanted = [info.name for info in graph.input if info.name not in defaults]
    names = [info.name for info in graph.output]
    given, expected = data
    inputs = dict(zip(wanted, map(np.asarray, given), strict=True))

    def draw() -> Sequence[Array]:
        outputs = run(inputs)
        return [outputs[name] for name in names]

    if is_drawn(case):
        return distribution_problem(case, [np.asarray(x) for x in given], expected, draw)
    return differences(case, names, draw(), expected)
