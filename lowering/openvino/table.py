"""The table of OpenVINO write rules, and what bounds them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from edgec.ir import Op, RuleTable

if TYPE_CHECKING:
    from edgec.lowering.openvino.writer import Writer

OpT = TypeVar("OpT", bound=Op)
# A node or the output of one; openvino is imported late, so its types are not to be had here.
Output: TypeAlias = Any
Rule: TypeAlias = "Callable[[Any, Writer], Output | Sequence[Output]]"
Limit: TypeAlias = "Callable[[Any], str | None]"

FAMILIES = (
    "activation",
    "binary",
    "control",
    "detect",
    "einsum",
    "index",
    "index_select",
    "integer",
    "linear",
    "movement",
    "nn",
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
        importlib.import_module(f"edgec.lowering.openvino.{family}")


OPENVINO: RuleTable[Rule] = RuleTable("openvino", load_families)
LIMITS: dict[type[Op], Limit] = {}


def limit(*classes: type[Op]) -> Callable[[Limit], Limit]:
    """Register the decorated function: why an op of these classes, with its attributes, operands
    and types, cannot be written; None when it can."""

    def register(function: Limit) -> Limit:
        for cls in classes:
            if cls in LIMITS:
                raise TypeError(f"{cls.op_name} has two limits")
            LIMITS[cls] = function
        return function

    return register
