"""Kernels of ops that run nested graphs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np

from edgec.ir import Array, TensorType
from edgec.ir.ops import If, Loop, Scan
from edgec.kernels.table import KERNELS, RunRegion


@KERNELS.rule(If)
def if_(op: If, cond: Array, *, run: RunRegion) -> tuple[Array, ...]:
    then, other = op.regions
    return _own(run(then if cond.reshape(()) else other, []))


def _own(arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Copies: what a region returns may lie in the memory of a value outside it."""
    return tuple(np.array(array, order="C") for array in arrays)


@KERNELS.rule(Loop)
def loop(
    op: Loop, trip: Array | None, cond: Array | None, *carried: Array, run: RunRegion
) -> tuple[Array, ...]:
    (body,) = op.regions
    number = len(carried)
    state: Sequence[Array] = carried
    goes_on = np.asarray(True) if cond is None else cond
    rounds: list[Sequence[Array]] = []
    for i in count() if trip is None else range(int(trip.reshape(()))):
        if not goes_on.reshape(()):
            break
        inputs = [np.asarray(i, dtype=np.int64), goes_on.reshape(()), *state]
        goes_on, *found = run(body, inputs)
        state = found[:number]
        rounds.append(found[number:])
    scans = [value.type for value in body.outputs[number + 1 :]]
    return _own(state) + tuple(
        _stacked([each[k] for each in rounds], type, 0) for k, type in enumerate(scans)
    )


def _stacked(arrays: Sequence[Array], each: TensorType, axis: int) -> Array:
    if arrays:
        return np.stack(arrays, axis=axis)
    dims = [dim if isinstance(dim, int) else 0 for dim in each.dims]
    return np.empty((*dims[:axis], 0, *dims[axis:]), dtype=each.dtype.numpy)


@KERNELS.rule(Scan)
def scan(op: Scan, *values: Array, run: RunRegion) -> tuple[Array, ...]:
    (body,) = op.regions
    number = len(values) - op.scan_inputs
    state: Sequence[Array] = values[:number]
    axes = op.input_axes or (0,) * op.scan_inputs
    slices = [np.moveaxis(x, axis, 0) for x, axis in zip(values[number:], axes, strict=True)]
    directions = op.input_directions or (0,) * op.scan_inputs
    slices = [x[::-1] if back else x for x, back in zip(slices, directions, strict=True)]
    rounds: list[Sequence[Array]] = []
    for parts in zip(*slices, strict=True):
        found = run(body, [*state, *(np.array(part, order="C") for part in parts)])
        state = found[:number]
        rounds.append(found[number:])
    outputs = [value.type for value in body.outputs[number:]]
    into = op.output_axes or (0,) * len(outputs)
    backwards = op.output_directions or (0,) * len(outputs)
    scans = [
        _stacked([each[k] for each in (reversed(rounds) if back else rounds)], type, axis)
        for k, (type, axis, back) in enumerate(zip(outputs, into, backwards, strict=True))
    ]
    return _own(state) + tuple(scans)
