"""The text form: what is printed reads back as the same graph, and what does not read is named."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.ir import (
    Array,
    Builder,
    Constant,
    DimError,
    Error,
    Graph,
    Kind,
    Op,
    Quant,
    Rewriter,
    Strs,
    TensorType,
    Types,
    Value,
    attr,
    dtypes,
    parse_graph,
    print_graph,
    print_op,
    symbol,
    verify,
)
from edgec.ir.op import Floats
from edgec.ir.ops import Add, Concat, Relu
from edgec.ir.printer import INLINE_ELEMENTS


class Tagged(Op, name="test.tagged"):
    """An op of the tests with attributes of every kind."""

    x: Value = attr.__globals__["operand"]()
    label: str = attr(default="")
    labels: Strs = attr(default=())
    scale: float = attr(default=1.0)
    scales: Floats = attr(default=())
    flag: bool = attr(default=False)
    maybe: int | None = attr(default=0)

    def infer(self) -> Types:
        return (self.x.type,)
