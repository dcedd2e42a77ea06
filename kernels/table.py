"""The table of reference kernels: what each op computes, on numpy arrays.

A kernel takes the op (for its attributes) and one array per operand (None for an absent one) and
returns the array of its result, or a tuple for several results. Two keyword-only parameters are
filled in when a kernel declares them:

- ``out``: a buffer of the result's dtype and shape from the executor's plan (single-result
  kernels), or None when the shape was not known beforehand; the kernel writes there and returns it;
- ``run``: ``run(region, arrays) -> arrays`` executes a nested graph.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from edgec.ir import Array, Graph, RuleTable

Kernel: TypeAlias = Callable[..., Any]
RunRegion: TypeAlias = Callable[[Graph, Sequence[Array]], list[Array]]

FAMILIES = (
    "activation",
    "binary",
    "control",
    "detect",
    "einsum",
    "index",
    "integer",
    "integer_arithmetic",
    "integer_pointwise",
    "integer_products",
    "integer_windows",
    "linear",
    "movement",
    "nn",
    "norm",
    "pool",
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


def _load() -> None:
    for family in FAMILIES:
        importlib.import_module(f"edgec.kernels.{family}")


KERNELS: RuleTable[Kernel] = RuleTable("reference", _load)
