"""How much each channel matters: by its weights, or by what it does to those that read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgec.ir import Array, Constant, Op, Value
from edgec.ir.ops import Conv, ConvTranspose, MatMul
from edgec.kernels import Dataset, Executor
from edgec.passes.channels import Axis, ChannelGroup
from edgec.passes.reconstruct import evenly

_SMALLEST = 1e-30


def _rows(axis: Axis, indices: Array) -> Array:
    """Slices of weights as [slices, elements], float64."""
    assert isinstance(axis.value, Constant), "sources are constants"
    taken = np.take(axis.value.array, indices, axis.number)
    return np.moveaxis(taken, axis.number, 0).reshape(len(indices), -1).astype(np.float64)


def _magnitude(order: int) -> Callable[[ChannelGroup], Array]:
    def measured(group: ChannelGroup) -> Array:
        """The norm of all rows of weights that compute a channel."""
        sums = [
            sum(float((np.abs(_rows(axis, c[axis])) ** order).sum()) for axis in group.sources)
            for c in group.slices
        ]
        return np.asarray(sums, np.float64) ** (1 / order)

    return measured


def _median(group: ChannelGroup) -> Array:
    """Distance to all other channels of the group: what the others can stand in for goes first (He
    et al. 2019, arXiv:1811.00250)."""
    stacked = np.stack(
        [
            np.concatenate([_rows(axis, c[axis]).reshape(-1) for axis in group.sources])
            for c in group.slices
        ]
    )
    squares = (stacked * stacked).sum(axis=1)
    apart = squares[:, np.newaxis] + squares - 2 * stacked @ stacked.T
    return np.asarray(np.sqrt(np.maximum(apart, 0)).sum(axis=1))


def _norm_scale(group: ChannelGroup) -> Array:
    """The scale of batch normalization, where the model still has it; else the rows' norm (Liu et
    al. 2017, arXiv:1708.06519)."""
    from edgec.ir.ops import BatchNorm

    scales = [
        axis
        for axis in group.slices[0]
        if isinstance(axis.value, Constant)
        and any(isinstance(u, BatchNorm) and u.gamma is axis.value for u in axis.value.users)
    ]
    if not scales:
        return _magnitude(2)(group)
    return np.asarray(
        [sum(float(np.abs(_rows(axis, c[axis])).sum()) for axis in scales) for c in group.slices]
    )


BY_WEIGHTS: Mapping[str, Callable[[ChannelGroup], Array]] = {
    "l1": _magnitude(1),
    "l2": _magnitude(2),
    "median": _median,
    "norm": _norm_scale,
}
BY_DATA = ("activation", "hessian", "surgeon", "taylor")


class Reached:
    """Per channel of what layers read: the mean magnitude, and the mean square, over data."""

    def __init__(self, wanted: Mapping[Value, int]) -> None:
        self.axes = wanted
        self.magnitude: dict[Value, Array] = {}
        self.square: dict[Value, Array] = {}
        self.count = 0

    def run(self, executor: Executor, data: Dataset, samples: int) -> None:
        """Gather over the data."""
        for sample in evenly(data, samples):
            executor.run({n: sample[n] for n in executor.graph.input_names}, tap=self._look)
            self.count += 1

    def _look(self, op: Op, results: Sequence[Array]) -> None:
        for value, array in zip(op.results, results, strict=True):
            axis = self.axes.get(value)
            if axis is None:
                continue
            others = tuple(i for i in range(array.ndim) if i != axis)
            mean = np.abs(array).mean(axis=others, dtype=np.float64)
            square = np.square(array).mean(axis=others, dtype=np.float64)
            self.magnitude[value] = self.magnitude.get(value, 0.0) + mean
            self.square[value] = self.square.get(value, 0.0) + square


def read_channels(op: Op) -> tuple[Axis, Axis] | None:
    """The axis of channels that a layer reads, and that of the weights which multiply them; None
    for other ops."""
    x, w = (op.operands[0], op.operands[1]) if len(op.operands) > 1 else (None, None)
    if x is None or not isinstance(w, Constant):
        return None
    if isinstance(op, MatMul):
        depth = w.type.rank - (1 if op.transpose_b else 2)
        return Axis(x, x.type.rank - 1), Axis(w, depth)
    if isinstance(op, Conv | ConvTranspose):
        axis = 1 if op.layout == "nchw" else x.type.rank - 1
        if isinstance(op, ConvTranspose):
            return Axis(x, axis), Axis(w, 0)
        if op.groups == 1:
            return Axis(x, axis), Axis(w, 1)
    return None


def by_data(
    name: str, groups: Sequence[ChannelGroup], layers: Sequence[Op], reached: Reached
) -> list[Array]:
    """Importance per channel of each group, from what its readers make of it.

    ``activation``: the mean magnitude. ``hessian``: the energy that the channel adds to the outputs
    of its readers, E[x²] |w|² (the diagonal of the layer-wise Hessian, LeCun et al. 1990), as a
    share of the energy of all channels there. ``taylor``: E|x| |w| (Molchanov et al. 2017,
    arXiv:1611.06440, with the readers' weights for the gradient), as a share.
    """
    totals = [np.zeros(len(group)) for group in groups]
    for op in layers:
        found = read_channels(op)
        if found is None or found[0].value not in reached.square:
            continue
        x, w = found
        measure = _damage(name, x, w, reached)
        for group, total in zip(groups, totals, strict=True):
            for place, channel in enumerate(group.slices):
                if x in channel:
                    total[place] += measure[channel[x]].sum()
    return totals


def _damage(name: str, x: Axis, w: Axis, reached: Reached) -> Array:
    magnitude = reached.magnitude[x.value] / reached.count
    if name == "activation":
        return np.asarray(magnitude / max(float(magnitude.sum()), _SMALLEST))
    columns = np.square(_rows(w, np.arange(len(magnitude)))).sum(axis=1)
    if name == "hessian":
        energy = reached.square[x.value] / reached.count * columns
    else:
        energy = magnitude * np.sqrt(columns)
    return np.asarray(energy / max(float(energy.sum()), _SMALLEST))
