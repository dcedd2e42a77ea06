"""Drawing legal ops at random: the source of the generated tests of every table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from edgec.ir import dtypes
from edgec.ir.dtypes import DType
from edgec.ir.graph import Graph
from edgec.ir.op import Op
from edgec.ir.rewriter import Rewriter
from edgec.ir.types import TensorType
from edgec.ir.value import Constant, Value
from edgec.ir.weight import Array

T = TypeVar("T")

FLOATS = (dtypes.f32, dtypes.f32, dtypes.f64, dtypes.f16)
SIGNED = (dtypes.f32, dtypes.f32, dtypes.f64, dtypes.f16, dtypes.i32, dtypes.i64, dtypes.i8)
NUMERIC = (*SIGNED, dtypes.u8)


class Sampler:
    """Random choices with the graph inputs that a drawn op reads.

    ``Op.samples`` calls these; ``sample_graph`` turns the outcome into a runnable graph.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph(f"sample{seed}")
        self.rewriter = Rewriter(self.graph)
        self.data: list[Array] = []

    def integer(self, low: int, high: int) -> int:
        """An int in low…high, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float = 0.5) -> bool:
        return bool(self.rng.random() < probability)

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self.rng.integers(len(options)))]

    def shape(self, rank: int, low: int = 1, high: int = 5) -> tuple[int, ...]:
        return tuple(self.integer(low, high) for _ in range(rank))

    def value(
        self,
        dtype: DType,
        dims: Sequence[int],
        *,
        low: float = -3.0,
        high: float = 3.0,
    ) -> Value:
        """A graph input of that type, fed with numbers in low…high."""
        return self.given(self.array(dtype, dims, low=low, high=high))

    def given(self, array: Array) -> Value:
        """A graph input that is fed with exactly that array."""
        self.data.append(array)
        name = f"x{len(self.graph.inputs)}"
        type = TensorType(dtypes.dtype_of(array.dtype), tuple(array.shape))
        return self.rewriter.add_input(name, type)

    def const(self, data: Array | Sequence[int], dtype: DType = dtypes.i64) -> Constant:
        """A constant; ints become ``dtype``."""
        if isinstance(data, np.ndarray):
            return Constant(data, hint="c")
        return Constant(np.asarray(data, dtype=dtype.numpy), hint="c")

    def array(
        self, dtype: DType, dims: Sequence[int], *, low: float = -3.0, high: float = 3.0
    ) -> Array:
        """Random numbers in low…high, clipped to what the dtype holds."""
        if dtype.family == "bool":
            return np.asarray(self.rng.random(tuple(dims)) < 0.5)
        drawn = self.rng.uniform(low, high, tuple(dims))
        if dtype.is_integer:
            lowest, highest = dtype.limits
            drawn = np.clip(np.round(drawn), max(lowest, low), min(highest, high))
        return np.asarray(drawn).astype(dtype.numpy)


def sample_graph(cls: type[Op], seed: int) -> tuple[Graph, list[Array]]:
    """A graph around one op drawn by ``cls.samples``, and the arrays for its inputs."""
    draw = Sampler(seed)
    op = cls.samples(draw)
    draw.rewriter.add(op)
    draw.rewriter.finish(op.results, [f"y{i}" for i in range(len(op.results))])
    return draw.graph, draw.data
