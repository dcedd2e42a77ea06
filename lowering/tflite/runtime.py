"""The one place that imports LiteRT and the functions of its schema, late."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from edgec.ir import Error, Kind
from edgec.lowering.target import Runtime

INTERPRETERS = ("ai_edge_litert", "tflite_runtime")
# Either has one function for each table and field of the schema.
SCHEMAS = ("ai_edge_litert.schema_py_generated", "tflite")


@dataclass(frozen=True)
class LitertRuntime(Runtime):
    """LiteRT, or the older package of the same interpreter where only that is installed."""

    @property
    def is_installed(self) -> bool:
        return any(find_spec(name) is not None for name in INTERPRETERS)


RUNTIME = LitertRuntime("ai_edge_litert", "tflite")


def interpreter_module() -> Any:
    """The module with ``Interpreter``. Raises Error when neither package is installed."""
    RUNTIME.require()
    name = next(name for name in INTERPRETERS if find_spec(name) is not None)
    return importlib.import_module(f"{name}.interpreter")


def schema() -> Any:
    """The functions that write the tables of the schema. Raises Error when they are not there."""
    for name in SCHEMAS:
        if find_spec(name.split(".")[0]) is not None:
            return importlib.import_module(name)
    raise Error(
        Kind.RUNTIME_MISSING,
        "neither ai_edge_litert nor tflite is installed, whose schema .tflite files are written by",
        instead="pip install 'edgec[tflite]', or tflite where the runtime is not wanted",
    )


def flatbuffer_builder(size: int) -> Any:
    """A builder of flatbuffers that starts with so many bytes."""
    from flatbuffers import Builder  # type: ignore[import-untyped]

    return Builder(size)
