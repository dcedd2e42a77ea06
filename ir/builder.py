"""Building a graph by hand, for tests, docs and readers.

>>> from edgec.ir import Builder, dtypes
>>> from edgec.ir.ops import Relu
>>> b = Builder("tiny")
>>> x = b.input("x", dtypes.f32, ("N", 4))
>>> graph = b.output(y=b.add(Relu(x)).result)
>>> print(graph)
graph tiny(%x: f32[N,4]) {
  %0 = act.relu %x : f32[N,4]
  return y=%0
}
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Self

import numpy as np

from edgec.ir.collector import collector_paused
from edgec.ir.dims import Dim, parse_dim
from edgec.ir.dtypes import DType
from edgec.ir.graph import Graph
from edgec.ir.rewriter import Rewriter
from edgec.ir.types import TensorType
from edgec.ir.value import Constant, Value


class Builder(Rewriter):
    """A rewriter for a new graph: inputs, then ops, then outputs.

    Inside ``with Builder(…) as b:`` the cyclic garbage collector rests, so that the time per op
    does not grow with the graph (see ``collector.py``).
    """

    def __init__(self, name: str = "graph", *, enclosing: Graph | None = None) -> None:
        super().__init__(Graph(name, enclosing=enclosing))
        self._paused = ExitStack()

    def __enter__(self) -> Self:
        self._paused.enter_context(collector_paused())
        return self

    def __exit__(self, *_: object) -> None:
        self._paused.close()

    def input(self, name: str, dtype: DType, dims: Sequence[Dim | str]) -> Value:
        """A graph input; a dim given as text is parsed as an expression over symbols."""
        parsed = tuple(parse_dim(d) if isinstance(d, str) else d for d in dims)
        return self.add_input(name, TensorType(dtype, parsed))

    def const(self, data: Any, dtype: DType | None = None, hint: str = "") -> Constant:
        """A constant from anything numpy takes."""
        return Constant(np.asarray(data, dtype=dtype.numpy if dtype else None), hint=hint)

    def output(self, **values: Value) -> Graph:
        """Close the graph with named outputs and return it."""
        self.finish(list(values.values()), list(values))
        return self.graph
