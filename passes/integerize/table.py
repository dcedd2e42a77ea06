"""How a float op between dequantize and quantize runs on integers: the table of rules.

A rule gets the op and its ``Site``, adds integer ops there, and returns the quantized value of each
result, or in words why the op stays float.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from edgec.ir import RuleTable, Value
from edgec.passes.integerize.site import Site

Answer: TypeAlias = Value | Sequence[Value] | str
IntegerRule: TypeAlias = Callable[[Any, Site], Answer]


def _load() -> None:
    from importlib import import_module

    for family in ("moves", "products", "arithmetic", "pointwise"):
        import_module(f"edgec.passes.integerize.{family}")


INTEGERIZE: RuleTable[IntegerRule] = RuleTable("integerize", _load)
