"""The table of rules that build TensorRT networks, and what bounds them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from edgec.ir import Op, RuleTable

if TYPE_CHECKING:
    from edgec.lowering.tensorrt.writer import Writer

OpT = TypeVar("OpT", bound=Op)
# An ITensor; the package is imported late, so its types are not to be had here.
Tensor: TypeAlias = Any
Rule: TypeAlias = "Callable[[Any, Writer], Tensor | Sequence[Tensor]]"
Limit: TypeAlias = "Callable[[Any], str | None]"

FAMILIES = (
    "activation",
    "binary",
    "control",
    "detect",
    "einsum",
    "index",
    "index_select",
    "linear",
    "movement",
    "movement_parts",
    "nn",
    "norm",
    "pool",
    "quant",
    "recurrent",
    "reduce",
    "refusals",
    "resize",
    "scan_axis",
    "shape",
    "softmax",
    "unary",
)


def load_families() -> None:
    """Import every family module, which fills the table."""
    for family in FAMILIES:
        importlib.import_module(f"edgec.lowering.tensorrt.{family}")


TENSORRT: RuleTable[Rule] = RuleTable("tensorrt", load_families)
LIMITS: dict[type[Op], Limit] = {}


def limit(*classes: type[Op]) -> Callable[[Limit], Limit]:
    """Register the decorated function: why an op of these classes, with its attributes, operands
    and types, cannot go to TensorRT; None when it can."""

    def register(function: Limit) -> Limit:
        for cls in classes:
            if cls in LIMITS:
                raise TypeError(f"{cls.op_name} has two limits")
            LIMITS[cls] = function
        return function

    return register
