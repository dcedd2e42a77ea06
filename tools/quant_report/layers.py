"""The layers of a quantized graph, beside what they were in the float model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgec.ir import Array, Constant, Graph, Op, Range, Rewriter, Value
from edgec.ir.ops import Dequantize, Quantize
from edgec.kernels import Executor


@dataclass(frozen=True)
class Grid:
    """The integers that stand for a value: real = scale * (stored - zero_point)."""

    scale: float
    zero_point: int
    least: int
    greatest: int
    bits: int

    @property
    def low(self) -> float:
        return self.scale * (self.least - self.zero_point)

    @property
    def high(self) -> float:
        return self.scale * (self.greatest - self.zero_point)

    def rounded(self, array: Array) -> Array:
        """The numbers on the grid that stand for those of the array."""
        stored = np.rint(array / np.float32(self.scale))
        stored += np.float32(self.zero_point)
        np.clip(stored, self.least, self.greatest, out=stored)
        stored -= np.float32(self.zero_point)
        stored *= np.float32(self.scale)
        return stored.astype(array.dtype, copy=False)


@dataclass(frozen=True)
class Layer:
    """One layer that runs on integers, or an input of the model.

    Attributes:
        name: in the user's words, the names of the source nodes.
        value: name of its result, the same in both graphs.
        op_name: what it is.
        twin: the layer in the float model; None for an input.
        grid: of its result; None where the result stays float.
        narrowed: the grid leaves out part of the recorded range on purpose, because what follows
            makes the same of it (below -3 a hard-swish is 0 whatever comes in).
        constants: by operand, the real numbers that its stored integers stand for.
        weight_bits: of its weights; 0 without any.
        channels: outputs of its weights.
        per_channel: there is a scale for each of them.
        dead: channels all of whose stored weights are zero, while the float ones are not.
        macs: multiply-accumulates of one run.
    """

    name: str
    value: str
    op_name: str
    twin: Op | None
    grid: Grid | None
    narrowed: bool = False
    constants: Mapping[int, Array] = field(default_factory=dict)
    weight_bits: int = 0
    channels: int = 0
    per_channel: bool = False
    dead: int = 0
    macs: int = 0


def layers_of(reference: Graph, quantized: Graph) -> list[Layer]:
    """Every input and layer of the float model whose numbers the quantized graph changes."""
    twins = {result.hint: op for op in reference.ops for result in op.results}
    found: list[Layer] = []
    for value in quantized.inputs:
        grid = _grid_after(value)
        if grid is not None:
            found.append(Layer(value.hint, value.hint, "input", None, grid))
    for op in quantized.ops:
        if isinstance(op, (Quantize, Dequantize)) or not op.results:
            continue
        twin = twins.get(op.results[0].hint)
        if twin is not None:
            found += _layer(op, twin)
    return found


def _layer(op: Op, twin: Op) -> Iterator[Layer]:
    grid = _grid_after(op.results[0])
    stored = _stored(op) if type(op) is type(twin) else {}
    if grid is None and not stored:
        return
    layer = Layer(
        _named(op),
        op.results[0].hint,
        op.op_name,
        twin,
        grid,
        _is_narrowed(grid, twin.results[0].range),
        {index: _real(source) for index, source in stored.items()},
    )
    weights = next((i for i, source in stored.items() if source.x.type.dtype.bits <= 8), None)
    if weights is None:
        yield layer
        return
    source = stored[weights]
    dead, channels = _channels(source, twin.operands[weights])
    yield replace(
        layer,
        weight_bits=source.x.type.dtype.bits,
        channels=channels,
        per_channel=source.scale.type.rank == 1,
        dead=dead,
    )


def _named(op: Op) -> str:
    """The source nodes of an op, the first of many."""
    names = op.loc or (op.results[0].hint,)
    more = f" and {len(names) - 1} more" if len(names) > 2 else ""
    return ", ".join(names[:1] if more else names) + more


def _is_narrowed(grid: Grid | None, range: Range | None) -> bool:
    if grid is None or range is None:
        return False
    return grid.low > range.low + grid.scale or grid.high < range.high - grid.scale


def _stored(op: Op) -> dict[int, Dequantize]:
    """The constants of an op that are stored as integers, by operand."""
    return {
        index: value.producer
        for index, value in enumerate(op.operands)
        if value is not None
        and isinstance(value.producer, Dequantize)
        and isinstance(value.producer.x, Constant)
    }


def _real(source: Dequantize) -> Array:
    """What stored constants stand for."""
    graph = Graph("constant")
    rewriter = Rewriter(graph)
    copy = rewriter.add(source.copy())
    rewriter.finish([copy.result], ["y"])
    return Executor(graph).run({})["y"]


def _channels(source: Dequantize, real: Value | None) -> tuple[int, int]:
    """Channels that lost all weights, and channels."""
    assert isinstance(source.x, Constant), "how stored constants are found"
    stored = source.x.array
    along = _channel_axis(source, stored.ndim)
    axes = tuple(axis for axis in range(stored.ndim) if axis != along)
    lost = ~np.any(stored != 0, axis=axes)
    if isinstance(real, Constant) and real.array.shape == stored.shape:
        lost &= np.any(real.array != 0, axis=axes)
    return int(lost.sum()), lost.size


def _channel_axis(source: Dequantize, rank: int) -> int:
    """The axis of the outputs: that of the scales where there is one each; else the first of a
    convolution's weights, the last of a matrix."""
    if source.scale.type.rank == 1:
        return source.axis
    return rank - 1 if rank <= 2 else 0


def _grid_after(value: Value) -> Grid | None:
    """The grid that a value is brought to."""
    for user in value.users:
        if isinstance(user, Quantize) and user.x is value and isinstance(user.scale, Constant):
            point = user.zero_point
            zero = int(point.array.reshape(-1)[0]) if isinstance(point, Constant) else 0
            least, greatest = user.to.limits
            scale = float(user.scale.array.reshape(-1)[0])
            return Grid(scale, zero, int(least), int(greatest), user.to.bits)
    return None
