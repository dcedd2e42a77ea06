"""Taking slices out of a graph: constants are cut, ops are made anew for what is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from edgec.ir import Constant, Dim, Graph, Op, Rewriter, Value, known_ints
from edgec.ir.ops import Conv, Expand, Reshape, Resize, Slice, Split
from edgec.passes.channels import Axis
from edgec.passes.channels.links import Indices

Kept: TypeAlias = Mapping[Axis, Indices]  # what is left of axes that lost slices, in order
Changes: TypeAlias = dict[str, Any]
ZEROS = -1  # stands for a slice of zeros, in constants only


class Remover:
    """Rebuilds the ops that read or make what has lost slices.

    Args:
        kept: for each axis that lost slices, the ones that are left; complete, as ``find_channels``
            ties them.
    """

    def __init__(self, graph: Graph, kept: Kept) -> None:
        self.graph = graph
        self.kept = kept
        self.made: dict[Value, Value] = {}
        self.cut: set[Value] = {axis.value for axis in kept}

    def run(self) -> None:
        dead: list[Op] = []
        for op in tuple(self.graph.ops):
            if any(value in self.made or value in self.cut for value in op.present_operands):
                self._rebuild(op)
                dead.append(op)
        rw = Rewriter(self.graph)
        for op in reversed(dead):
            if op.graph is not None:
                rw.erase(op)

    def _rebuild(self, op: Op) -> None:
        rw = Rewriter(self.graph).at(op)
        operands = [None if value is None else self._now(value) for value in op.operands]
        change = _CHANGES.get(type(op))
        changes = change(self, op) if change is not None else {}
        dims = [self.dims(result) for result in op.results]
        types = [result.type.with_dims(d) for result, d in zip(op.results, dims, strict=True)]
        made = rw.add(op.copy(operands=operands, types=types, **changes))
        for old, new in zip(op.results, made.results, strict=True):
            new.hint, new.range = old.hint, old.range
            if old.type.dims == new.type.dims:
                rw.replace_uses(old, new)
            else:
                self.made[old] = new

    def dims(self, value: Value) -> tuple[Dim, ...]:
        """The dims of a value without what it loses."""
        return tuple(
            len(self.kept[Axis(value, axis)]) if Axis(value, axis) in self.kept else dim
            for axis, dim in enumerate(value.type.dims)
        )

    def _now(self, value: Value) -> Value:
        if value in self.made or value not in self.cut or not isinstance(value, Constant):
            return self.made.get(value, value)
        array = value.array
        for axis in range(array.ndim):
            kept = self.kept.get(Axis(value, axis))
            if kept is not None:
                array = np.take(array, np.maximum(kept, 0), axis)
                np.moveaxis(array, axis, 0)[kept == ZEROS] = 0
        self.made[value] = Constant(np.ascontiguousarray(array), hint=value.hint)
        return self.made[value]


def _conv(remover: Remover, op: Conv) -> Changes:
    """A depthwise convolution has as many groups as channels."""
    if op.groups == 1 or op.w.type.dims[1] != 1:
        return {}
    axis = 1 if op.layout == "nchw" else op.x.type.rank - 1
    return {"groups": remover.dims(op.x)[axis]}


def _reshape(remover: Remover, op: Reshape) -> Changes:
    return {"to": remover.dims(op.result)}


def _split(remover: Remover, op: Split) -> Changes:
    return {"sizes": tuple(remover.dims(part)[op.axis] for part in op.results), "parts": 0}


def _slice(remover: Remover, op: Slice) -> Changes:
    """Bounds count what is left before them."""
    starts, ends = known_ints(op.starts), known_ints(op.ends)
    assert starts is not None, "such slices are not pruned"
    assert ends is not None, "such slices are not pruned"
    bounds = [list(starts), list(ends)]
    for place, axis in enumerate(op.axes):
        kept = remover.kept.get(Axis(op.x, axis))
        size = op.x.type.dims[axis]
        if kept is not None and isinstance(size, int):
            first, last, _ = slice(starts[place], ends[place]).indices(size)
            for bound, at in zip(bounds, (first, last), strict=True):
                bound[place] = int((kept < at).sum())
    made = [Constant(np.array(bound, np.int64)) for bound in bounds]
    return {"starts": made[0], "ends": made[1]}


def _listed(operand: str) -> Callable[[Remover, Any], Changes]:
    """Dims of the result that a constant operand lists, aligned at the end."""

    def changed(remover: Remover, op: Expand) -> Changes:
        wanted = known_ints(getattr(op, operand))
        assert wanted is not None, "such shapes are not pruned"
        dims = remover.dims(op.result)[-len(wanted) :]
        old = op.result.type.dims[-len(wanted) :]
        listed = [
            new if new != before else want
            for new, before, want in zip(dims, old, wanted, strict=True)
        ]
        return {operand: Constant(np.array(listed, np.int64))}

    return changed


def _resize(remover: Remover, op: Resize) -> Changes:
    if op.sizes is None:
        return {}
    sizes = known_ints(op.sizes)
    assert sizes is not None, "such sizes are not pruned"
    dims = remover.dims(op.result)
    pairs = zip(op.resized_axes, sizes, strict=True)
    listed = [dims[axis] if Axis(op.x, axis) in remover.kept else size for axis, size in pairs]
    return {"sizes": Constant(np.array(listed, np.int64))}


_CHANGES: Mapping[type[Op], Callable[[Remover, Any], Changes]] = {
    Conv: _conv,
    Expand: _listed("shape"),
    Reshape: _reshape,
    Resize: _resize,
    Slice: _slice,
    Split: _split,
}
