"""The table of TensorFlow Lite write rules."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from edgec.ir import Dim, Refusal, RuleTable
from edgec.lowering.tflite.tensors import Tensor

if TYPE_CHECKING:
    from edgec.lowering.tflite.writer import Writer

Rule: TypeAlias = "Callable[[Any, Writer], Tensor | Sequence[Tensor]]"

FAMILIES = (
    "activation",
    "binary",
    "control",
    "detect",
    "einsum",
    "index",
    "index_scatter",
    "index_select",
    "integer",
    "integer_arithmetic",
    "integer_pointwise",
    "integer_products",
    "integer_windows",
    "linear",
    "loops",
    "movement",
    "movement_parts",
    "nn",
    "nn_variants",
    "norm",
    "pool",
    "pool_regions",
    "quant",
    "random",
    "recurrent",
    "reduce",
    "resize",
    "scan_axis",
    "shape",
    "signal",
    "softmax",
    "unary",
)


def load_families() -> None:
    """Import every family module, which fills the table."""
    for family in FAMILIES:
        importlib.import_module(f"edgec.lowering.tflite.{family}")


TFLITE: RuleTable[Rule] = RuleTable("tflite", load_families)


# What helps where dims are not known.
PIN = "pin the shape of the input, as in --input-shape x:1x3x224x224"


class Unwritable(Exception):
    """A rule finds that its op, with these attributes and types, cannot be written."""

    def __init__(self, why: str, instead: str = "") -> None:
        super().__init__(why)
        self.refusal = Refusal(why, instead)


def static_dim(dim: Dim, what: str) -> int:
    """The dim; raises Unwritable where only a run tells it."""
    if not isinstance(dim, int):
        raise Unwritable(f"the {what} is not known", PIN)
    return dim
