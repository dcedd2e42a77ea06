"""Random graphs several ops deep: ops drawn by their own ``samples``, reading each other's results.

``Op.samples`` asks for operands of a type and a range. Where a result that is there already can be
made to fit (cast, cut or repeated, reshaped, clipped), it is taken, so that values are shared and
ops stack up; elsewhere a new input or constant is made. Every op is computed as it is drawn: what
an operand holds is known and not guessed, so that every drawn op is legal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from edgec.ir import (
    Array,
    Constant,
    DType,
    Graph,
    Movement,
    Op,
    OpError,
    Rewriter,
    Sampler,
    Value,
    clone_op,
    dtypes,
)
from edgec.ir.ops import Cast, Clip, Reshape, Slice, Tile
from edgec.kernels import Executor
from edgec.tools.fuzz.classes import CLASSES, COMMON, JUMPS, KEEPING

T = TypeVar("T")

LARGEST = 1e3  # results beyond it are not computed with any further: they soon overflow
MOST_ELEMENTS = 4096


@dataclass
class Drawn:
    """A random graph with its inputs, and what every value of it holds."""

    graph: Graph
    inputs: dict[str, Array]
    arrays: dict[Value, Array] = field(default_factory=dict)


class Composer(Sampler):
    """A sampler that hands out results of earlier ops.

    Args:
        seed: any integers; equal ones draw equal graphs.
    """

    def __init__(self, *seed: int) -> None:
        super().__init__(0)
        self.rng = np.random.default_rng(seed)
        self.graph = Graph("random")
        self.rewriter = Rewriter(self.graph)
        self.arrays: dict[Value, Array] = {}
        self.pool: list[Value] = []  # finite results and inputs that may be read
        self.rounded: set[Value] = set()
        self.drawing: type[Op] | None = None

    # -- what samples() asks for ----------------------------------------------------------------

    def choice(self, options: Sequence[T]) -> T:
        """Among element types float32 comes up most: values of one type meet more often."""
        if all(isinstance(option, DType) for option in options) and self.chance(0.6):
            options = [option for option in options if option is dtypes.f32] or options
        return self.pick(options)

    def shape(self, rank: int, low: int = 1, high: int = 5) -> tuple[int, ...]:
        """The dims of an earlier result, where some fit."""
        known = [dims for v in self.pool if (dims := v.type.static_dims) and len(dims) == rank]
        fits = [dims for dims in known if low <= min(dims) and max(dims) <= high]
        if fits and self.chance(0.6):
            return self.pick(fits)
        return super().shape(rank, low, high)

    def value(
        self, dtype: DType, dims: Sequence[int], *, low: float = -3.0, high: float = 3.0
    ) -> Value:
        if self.pool and self.chance(0.8):
            found = self._fitting(dtype, tuple(dims), low, high)
            if found is not None:
                return found
        return self.given(self.array(dtype, dims, low=low, high=high))

    def given(self, array: Array) -> Value:
        if self.chance(0.3):
            return self.const(np.asarray(array))
        value = super().given(array)
        self._keep(value, array)
        return value

    def pick(self, options: Sequence[T]) -> T:
        """Any of the options."""
        return options[self.integer(0, len(options) - 1)]

    # -- drawing ops ----------------------------------------------------------------------------

    def step(self, cls: type[Op]) -> None:
        """Draw one op of that class, and whatever makes earlier results fit it."""
        self.drawing = cls
        self._add(cls.samples(self))

    def finish(self) -> Drawn:
        """Close the graph with one to four outputs, some of which others read too."""
        results = [result for op in self.graph.ops for result in op.results]
        last = [value for value in results if not value.is_used]
        count = self.integer(1, 3)
        order = self.rng.permutation(len(last))[:count].tolist()
        chosen = [last[index] for index in order]
        if self.chance(0.3):
            chosen.append(results[self.integer(0, len(results) - 1)])
        outputs = list(dict.fromkeys(chosen))
        self.rewriter.finish(outputs, [f"y{index}" for index in range(len(outputs))])
        inputs = dict(zip(self.graph.input_names, self.data, strict=True))
        return Drawn(self.graph, inputs, self.arrays)

    def _add(self, op: Op) -> Op:
        self.rewriter.add(op)
        arrays = computed(op, self.arrays)
        exact = type(op) in KEEPING or op.has(Movement)
        inexact = any(value in self.rounded for value in op.present_operands)
        for result, array in zip(op.results, arrays, strict=True):
            if result.type.dtype.is_float and (inexact or not exact):
                self.rounded.add(result)
            self._keep(result, array)
        return op

    def _keep(self, value: Value, array: Array) -> None:
        self.arrays[value] = array
        if value.type.is_static and 0 < array.size <= MOST_ELEMENTS and _tame(array):
            self.pool.append(value)

    # -- making results fit ---------------------------------------------------------------------

    def _fitting(
        self, dtype: DType, dims: tuple[int, ...], low: float, high: float
    ) -> Value | None:
        """A result of that type within low…high, None when there is none."""
        if not math.prod(dims) or dtype.family == "bool" or dtype.bits < 8:
            return self._same_type(dtype, dims)
        found = self._same_type(dtype, dims) if self.chance(0.8) else None
        found = found or self._source(dtype)
        if found is None:
            return None
        found = self._clipped(self._shaped(self._cast(found, dtype), dims), low, high)
        array = self.arrays[found].astype(np.float64)
        return found if array.min() >= low and array.max() <= high else None

    def _same_type(self, dtype: DType, dims: tuple[int, ...]) -> Value | None:
        options = [v for v in self._readable() if v.type.dtype is dtype and v.type.dims == dims]
        return self.pick(options) if options else None

    def _source(self, dtype: DType) -> Value | None:
        """A result that may become one of that element type; late ones come up more often."""
        options = [
            value
            for value in self._readable()
            if not (value.type.dtype.is_float and dtype.is_integer and value in self.rounded)
            and value.type.dtype.bits >= 8
        ]
        if not options:
            return None
        return options[-1 - min(int(self.rng.geometric(0.25)) - 1, len(options) - 1)]

    def _readable(self) -> list[Value]:
        if self.drawing in JUMPS:
            return [value for value in self.pool if value not in self.rounded]
        return self.pool

    def _cast(self, value: Value, dtype: DType) -> Value:
        if value.type.dtype is dtype:
            return value
        if dtype.is_integer:
            lowest, highest = (max(-100, dtype.limits[0]), min(100, dtype.limits[1]))
            value = self._clipped(value, lowest, highest)
        return self._add(Cast(value, to=dtype)).result

    def _shaped(self, value: Value, dims: tuple[int, ...]) -> Value:
        if value.type.dims == dims:
            return value
        count, wanted = value.type.elements(), math.prod(dims)
        if count != wanted:
            value = self._add(Reshape(value, to=(count,))).result
        if count < wanted:
            value = self._add(Tile(value, self.const([-(-wanted // count)]))).result
        if value.type.elements() != wanted:
            cut = Slice(value, self.const([0]), self.const([wanted]), axes=(0,))
            value = self._add(cut).result
        return value if value.type.dims == dims else self._add(Reshape(value, to=dims)).result

    def _clipped(self, value: Value, low: float, high: float) -> Value:
        array = self.arrays[value]
        if value.type.dtype.family == "bool" or (array.min() >= low and array.max() <= high):
            return value
        return self._add(Clip(value, low=low, high=high)).result


def _tame(array: Array) -> bool:
    numbers = array.astype(np.float64)
    return bool(np.all(np.isfinite(numbers)) and np.abs(numbers).max() <= LARGEST)


def computed(op: Op, arrays: dict[Value, Array]) -> list[Array]:
    """What an op computes from known operands."""
    graph, given = alone(op, arrays)
    return list(Executor(graph).run(given).values())


def alone(op: Op, arrays: dict[Value, Array]) -> tuple[Graph, dict[str, Array]]:
    """A graph of a copy of that op alone, whose inputs are what it reads, and their arrays."""
    graph = Graph("alone")
    rewriter = Rewriter(graph)
    copies: dict[Value, Value] = {}
    inputs: dict[str, Array] = {}
    read = [*op.present_operands, *(v for region in op.regions for v in region.free_values)]
    for value in dict.fromkeys(read):
        if not isinstance(value, Constant):
            name = f"x{len(inputs)}"
            inputs[name] = arrays[value]
            copies[value] = rewriter.add_input(name, value.type)
    made = clone_op(op, copies, {}, graph)
    rewriter.add(made)
    rewriter.finish(made.results, [f"y{index}" for index in range(len(made.results))])
    return graph, inputs


def random_graph(*seed: int, steps: int = 12) -> Drawn:
    """A random graph of up to so many drawn ops (and those that make them fit)."""
    composer = Composer(*seed)
    for _ in range(composer.integer(1, steps)):
        composer.step(composer.pick(COMMON if composer.chance(0.4) else CLASSES))
    drawn = composer.finish()
    return with_symbols(drawn, composer) if composer.chance(0.3) else drawn


def with_symbols(drawn: Drawn, draw: Sampler) -> Drawn:
    """The graph with one size of its inputs replaced by the symbol N, where its ops allow it."""
    from edgec.tools.fuzz.symbolic import generalized

    shapes = [v.type.static_dims or () for v in drawn.graph.inputs]
    sizes = sorted({size for shape in shapes for size in shape if size != 1})
    if not sizes:
        return drawn
    size = draw.choice(sizes)
    try:
        return generalized(drawn, size, {v for v in drawn.graph.inputs if draw.chance()})
    except OpError:
        return drawn
