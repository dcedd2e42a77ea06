"""ONNX's published backend test cases, as they ship inside the onnx package."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests

from edgec.ir import Array
from edgec.lowering.onnx.tensors import read_tensor

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "light")
LIGHT = "onnx/backend/test/data/light/"

DataSet: TypeAlias = tuple[Sequence[Any], Sequence[Any]]


@dataclass(frozen=True)
class Case:
    """One published case.

    Attributes:
        kind: one of ``KINDS``.
        source: as onnx describes it.
    """

    kind: str
    source: TestCase

    @property
    def name(self) -> str:
        return str(self.source.name)

    @property
    def rtol(self) -> float:
        return float(self.source.rtol)

    @property
    def atol(self) -> float:
        return float(self.source.atol)

    @cached_property
    def model(self) -> onnx.ModelProto:
        if self.source.model is not None:
            return self.source.model
        return onnx.load(self._light if self.kind == "light" else self._folder / "model.onnx")

    @property
    def op(self) -> str:
        """The operator that a node case is about; a case that expands a function has its nodes."""
        return str(self.model.graph.node[0].op_type)

    def data_sets(self) -> Iterator[DataSet]:
        """Inputs and expected outputs, in order.

        Raises:
            Unsupported: they hold what is no tensor of ours, such as text.
        """
        if self.kind == "light":
            yield (
                [_ramp(self.model)],
                [_read(self._light.with_name(f"{self._light.stem}_output_0.pb"))],
            )
        elif self.source.data_sets is not None:
            for inputs, outputs in self.source.data_sets:
                yield [*map(_plain, inputs)], [*map(_plain, outputs)]
        else:
            for data in sorted(self._folder.glob("test_data_set_*")):
                yield _arrays(data, "input"), _arrays(data, "output")

    @property
    def _folder(self) -> Path:
        return Path(str(self.source.model_dir))

    @property
    def _light(self) -> Path:
        data = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
        return data / str(self.source.url).removeprefix(LIGHT)


def cases(kind: str) -> list[Case]:
    """The cases of a kind, sorted by name. ``light`` are real networks whose weights are filled in
    by nodes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes its expectations with overflowing casts
        found = load_model_tests(kind="real" if kind == "light" else kind)
    if kind == "light":
        found = [case for case in found if str(case.url).startswith(LIGHT)]
    return sorted((Case(kind, case) for case in found), key=lambda case: case.name)


def _ramp(model: onnx.ModelProto) -> Array:
    """The input that the expected outputs of the light models belong to: i / count."""
    defaults = {tensor.name for tensor in model.graph.initializer}
    (info,) = (info for info in model.graph.input if info.name not in defaults)
    dims = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
    count = int(np.prod(dims))
    return (np.arange(count).reshape(dims) / count).astype(np.float32)


def _arrays(folder: Path, stem: str) -> list[Array]:
    count = len(list(folder.glob(f"{stem}_*.pb")))
    return [_read(folder / f"{stem}_{index}.pb") for index in range(count)]


def _read(path: Path) -> Array:
    message = onnx.TensorProto()
    message.ParseFromString(path.read_bytes())
    return read_tensor(message, None)


def _plain(data: Any) -> Any:
    """Element types that onnx has no numpy type for come as messages."""
    return read_tensor(data, None) if isinstance(data, onnx.TensorProto) else data
