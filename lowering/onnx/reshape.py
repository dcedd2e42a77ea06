"""ONNX operators that put the same elements under other dims, or do nothing at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir import Dim, DimExpr, Ints, TensorType, Value, contents
from edgec.ir.ops import Concat, DimsOf, Equal, Reshape, Where, expressible
from edgec.ir.ops.common import normalized_axes, product, require_dim
from edgec.lowering.onnx.node import READERS, AtRunTime, Node, Unsupported
from edgec.lowering.onnx.typed import first_opset
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Operand, Writer

FIRST_OPSETS[Reshape] = lambda op: first_opset("Reshape", [op.x])


def reshaped(node: Node, x: Value, dims: Sequence[Dim]) -> Value:
    """``x`` under other dims, each an int, a dim of x, or the only one that is neither; ``x``
    itself when they are its own."""
    if tuple(dims) == x.type.dims:
        return x
    return node.add(Reshape(x, to=tuple(dims))).result


def flattened(node: Node, x: Value, axis: int) -> Value:
    """``x`` as a matrix: axes before ``axis`` become the rows, the others the columns."""
    dims = x.type.dims
    columns = product(dims[axis:])
    target = (product(dims[:axis]), columns)
    if not expressible(dims, target):
        x = reshaped(node, x, (*dims[:axis], columns))
    return reshaped(node, x, target)


@READERS.rule("Reshape")
def read_reshape(node: Node) -> Value:
    x, shape = node.input(0), node.input(1)
    found = contents(shape)
    if found is None:
        return _reshape_at_run_time(node, x, shape)
    dims = _resolved(x.type, list(found), bool(node.int("allowzero", 0)))
    if expressible(x.type.dims, dims):
        return reshaped(node, x, dims)
    return node.add(Reshape(x, shape)).result


def _resolved(source: TensorType, wanted: list[Dim], allow_zero: bool) -> tuple[Dim, ...]:
    """Dims with ONNX's 0 (copy that of x) and -1 (what is left over) replaced."""
    if not allow_zero:
        if any(dim == 0 for dim in wanted[source.rank :]):
            raise Unsupported(f"shape {list(map(str, wanted))} copies a dim that {source} lacks")
        wanted = [source.dims[i] if dim == 0 else dim for i, dim in enumerate(wanted)]
    if wanted.count(-1) > 1 or any(isinstance(dim, int) and dim < -1 for dim in wanted):
        raise Unsupported(f"shape {list(map(str, wanted))} is not one of ONNX's")
    rest = product([dim for dim in wanted if dim != -1])
    if rest == 0 and -1 in wanted:
        raise Unsupported(f"shape {list(map(str, wanted))} leaves the dim of -1 open")
    return tuple(product(source.dims) // rest if dim == -1 else dim for dim in wanted)


def _reshape_at_run_time(node: Node, x: Value, shape: Value) -> Value:
    """Zeros that copy a dim of x are replaced by it; our operand takes a 0 as it stands."""
    rank = shape.type.dims[0] if shape.type.rank == 1 else None
    if not isinstance(rank, int):
        raise Unsupported(f"the number of dims is not known: shape is {shape.type}")
    if not node.int("allowzero", 0):
        own: Value = node.add(DimsOf(x, end=min(rank, x.type.rank))).result
        if rank > x.type.rank:
            own = node.add(Concat((own, node.const([0] * (rank - x.type.rank))), axis=0)).result
        is_zero = node.add(Equal(shape, node.const(0, np.int64))).result
        shape = node.add(Where(is_zero, own, shape)).result
    return node.add(Reshape(x, shape)).result


@READERS.rule("Flatten")
def read_flatten(node: Node) -> Value:
    x, axis = node.input(0), node.int("axis", 1)
    rank = x.type.rank
    if not -rank <= axis <= rank:
        raise Unsupported(f"axis {axis} is out of range for rank {rank}")
    return flattened(node, x, axis + rank if axis < 0 else axis)


@READERS.rule("Squeeze")
def read_squeeze(node: Node) -> Value:
    x = node.input(0)
    axes = _axes(node)
    if axes is None:
        axes = tuple(range(x.type.rank))
        if x.type.static_dims is None:
            raise AtRunTime(
                f"which dims of {x.type} are 1 is computed at run time", "give the input shapes"
            )
        axes = tuple(axis for axis in axes if x.type.dims[axis] == 1)
    axes = normalized_axes(axes, x.type.rank)
    for axis in axes:
        require_dim(x.type.dims[axis], 1, f"dim {axis} of x")
    return reshaped(node, x, [dim for axis, dim in enumerate(x.type.dims) if axis not in axes])


@READERS.rule("Unsqueeze")
def read_unsqueeze(node: Node) -> Value:
    x = node.input(0)
    axes = _axes(node)
    if axes is None:
        raise Unsupported("axes are missing")
    rank = x.type.rank + len(axes)
    new = normalized_axes(axes, rank)
    old = iter(x.type.dims)
    return reshaped(node, x, [1 if axis in new else next(old) for axis in range(rank)])


def _axes(node: Node) -> Ints | None:
    """An attribute before opset 13, an input since then."""
    if node.opset < 13:
        return node.ints("axes") if node.has("axes") else None
    return None if node.optional(1) is None else node.constant_ints(1, "axes")


@READERS.rule("Identity", "OptionalGetElement")
def read_identity(node: Node) -> Value:
    return node.input(0)


@READERS.rule("OptionalHasElement")
def read_has_element(node: Node) -> Value:
    """Every value of ours is a tensor, and so has an element."""
    return node.const(node.optional(0) is not None, np.bool_)


@WRITERS.rule(Reshape)
def write_reshape(op: Reshape, w: Writer) -> None:
    if op.to is None:
        w.node("Reshape", [op.x, op.shape], op.results, allowzero=1)
        return
    source, target = op.x.type.dims, op.to
    plain = _constant_shape(source, target)
    if plain is not None:
        allow_zero = 1 if 0 in target else None
        w.node("Reshape", [op.x, w.ints(plain, "shape")], op.results, allowzero=allow_zero)
    elif _without_ones(source) == _without_ones(target):
        _write_ones(op, w)
    elif (axis := _flatten_axis(source, target)) is not None:
        w.node("Flatten", [op.x], op.results, axis=axis)
    else:
        _write_computed_shape(op, target, w)


def _constant_shape(source: Sequence[Dim], target: Sequence[Dim]) -> list[int] | None:
    """The target in ONNX's terms (0 copies, -1 is what is left over), None when it has none."""
    rest = [i for i, dim in enumerate(target) if isinstance(dim, DimExpr)]
    if 0 not in target and len(rest) > 1:
        copied = [i for i in rest if i < len(source) and source[i] == target[i]]
        rest = [i for i in rest if i not in copied]
    else:
        copied = []
    if len(rest) > 1 or (rest and 0 in target):
        return None
    return [
        0 if i in copied else -1 if isinstance(dim, DimExpr) else dim
        for i, dim in enumerate(target)
    ]


def _flatten_axis(source: Sequence[Dim], target: Sequence[Dim]) -> int | None:
    """Where Flatten cuts the dims in two, None when the target is no such matrix."""
    matrices = ((product(source[:axis]), product(source[axis:])) for axis in range(len(source) + 1))
    return next((axis for axis, dims in enumerate(matrices) if dims == tuple(target)), None)


def _without_ones(dims: Sequence[Dim]) -> list[Dim]:
    return [dim for dim in dims if dim != 1]


def _write_ones(op: Reshape, w: Writer) -> None:
    """Dims of 1 are taken out, then put in."""
    source, target = op.x.type.dims, op.to or ()
    gone = [axis for axis, dim in enumerate(source) if dim == 1]
    new = [axis for axis, dim in enumerate(target) if dim == 1]
    middle: Operand = op.x
    if gone:
        middle = w.temporary("squeezed") if new else op.result
        w.node("Squeeze", [op.x, w.ints(gone, "axes")], [middle])
    if new:
        w.node("Unsqueeze", [middle, w.ints(new, "axes")], op.results)


def _write_computed_shape(op: Reshape, target: Sequence[Dim], w: Writer) -> None:
    """The shape from the dims of x that the target names."""
    source = list(op.x.type.dims)
    parts: list[str] = []
    for dim in target:
        if isinstance(dim, DimExpr) and dim in source:
            parts.append(w.temporary("dim"))
            start = source.index(dim)
            w.node("Shape", [op.x], [parts[-1]], start=start, end=start + 1)
        else:
            parts.append(w.ints([-1 if isinstance(dim, DimExpr) else dim], "dim"))
    shape = w.temporary("shape")
    w.node("Concat", parts, [shape], axis=0)
    w.node("Reshape", [op.x, shape], op.results, allowzero=1 if 0 in target else None)
