"""Ops that move elements and compute nothing."""

from __future__ import annotations

from edgec.ir import DimExpr
from edgec.ir.ops import Concat, DepthToSpace, Expand, Reshape, SpaceToDepth, Tile, Transpose
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.shape import dims_in
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer


@TENSORRT.rule(Reshape)
def reshape(op: Reshape, w: Writer) -> Tensor:
    x = w[op.x]
    if op.to is None:
        assert op.shape is not None
        return w.reshape_computed(x, w[op.shape])
    rest = [axis for axis, dim in enumerate(op.to) if isinstance(dim, DimExpr)]
    if len(rest) <= 1 and not (rest and 0 in op.to):
        return w.reshape(x, [-1 if isinstance(dim, DimExpr) else dim for dim in op.to])
    return w.reshape_computed(x, _computed_shape(op, w))


def _computed_shape(op: Reshape, w: Writer) -> Tensor:
    """The shape from the dims of x that the target names."""
    source, x = [*op.x.type.dims], w[op.x]
    dims: list[int | Tensor] = []
    for dim in op.to or ():
        if isinstance(dim, int):
            dims.append(dim)
        else:
            dims.append(w.size(x, source.index(dim)) if dim in source else -1)
    return w.listed(dims)


@TENSORRT.rule(Transpose)
def transpose(op: Transpose, w: Writer) -> Tensor:
    return w.transpose(w[op.x], op.perm)


@TENSORRT.rule(Concat)
def concat(op: Concat, w: Writer) -> Tensor:
    return w.concat([w[x] for x in op.xs], op.axis % op.xs[0].type.rank)


@TENSORRT.rule(Expand)
def expand(op: Expand, w: Writer) -> Tensor:
    """Where x and the wanted shape broadcast both ways, the larger of both dims is meant."""
    wanted = dims_in(op.shape, w)
    x = w.ranked(w[op.x], len(wanted))
    wanted = [*(1,) * (len(x.shape) - len(wanted)), *wanted]
    return w.expand(x, [_larger(x, axis, dim, w) for axis, dim in enumerate(wanted)])


def _larger(x: Tensor, axis: int, wanted: int | Tensor, w: Writer) -> int | Tensor:
    own = x.shape[axis]
    if own > 1:
        return int(own)
    if own == 1 or own == 0:
        return wanted if own else 0
    if isinstance(wanted, int) and wanted != 1:
        return wanted
    other = w.ints([wanted]) if isinstance(wanted, int) else wanted
    return w.binary("MAX", w.size(x, axis), other)


@limit(Expand)
def expand_limit(op: Expand) -> str | None:
    """The layer repeats along an axis or it does not: it cannot wait for the dim of x."""
    rank = op.result.type.rank
    own = (*(1,) * (rank - op.x.type.rank), *op.x.type.dims)
    for dim, result in zip(own, op.result.type.dims, strict=True):
        if isinstance(dim, DimExpr) and dim != result:
            return f"whether dim {dim} of x is 1, and repeated, is known at run time only"
    return None


@TENSORRT.rule(Tile)
def tile(op: Tile, w: Writer) -> Tensor:
    """A slice that wraps around."""
    x = w[op.x]
    sizes = []
    for own, count in zip(w.sizes(x), dims_in(op.repeats, w), strict=True):
        if isinstance(own, int) and isinstance(count, int):
            sizes.append(own * count)
        else:
            sizes.append(w.binary("PROD", *(_tensor(dim, w) for dim in (own, count))))
    rank = len(sizes)
    known = [size if isinstance(size, int) else 0 for size in sizes]
    layer = w.net.add_slice(x, [0] * rank, known, [1] * rank)
    layer.mode = w.trt.SampleMode.WRAP
    if any(not isinstance(size, int) for size in sizes):
        layer.set_input(2, w.listed(sizes))
    return out(layer)


def _tensor(dim: int | Tensor, w: Writer) -> Tensor:
    return w.ints([dim]) if isinstance(dim, int) else dim


@TENSORRT.rule(DepthToSpace)
def depth_to_space(op: DepthToSpace, w: Writer) -> Tensor:
    """[N, b, b, C, H, W] (dcr) or [N, C, b, b, H, W] (crd) to [N, C, H, b, W, b]."""
    b, x = op.block, _first(op.x.type.rank, op.layout, w[op.x], w)
    n, c, h, wide = w.sizes(x)
    channels = _scaled(c, 1, b * b, w)
    parts = [n, b, b, channels, h, wide] if op.mode == "dcr" else [n, channels, b, b, h, wide]
    order = (0, 3, 4, 1, 5, 2) if op.mode == "dcr" else (0, 1, 4, 2, 5, 3)
    y = w.transpose(w.under(x, parts), order)
    y = w.under(y, [n, channels, _scaled(h, b, 1, w), _scaled(wide, b, 1, w)])
    return _last(op.layout, y, w)


@TENSORRT.rule(SpaceToDepth)
def space_to_depth(op: SpaceToDepth, w: Writer) -> Tensor:
    """[N, C, H, b, W, b] to [N, b, b, C, H, W] (dcr) or [N, C, b, b, H, W] (crd)."""
    b, x = op.block, _first(op.x.type.rank, op.layout, w[op.x], w)
    n, c, h, wide = w.sizes(x)
    high, across = _scaled(h, 1, b, w), _scaled(wide, 1, b, w)
    order = (0, 3, 5, 1, 2, 4) if op.mode == "dcr" else (0, 1, 3, 5, 2, 4)
    y = w.transpose(w.under(x, [n, c, high, b, across, b]), order)
    y = w.under(y, [n, _scaled(c, b * b, 1, w), high, across])
    return _last(op.layout, y, w)


def _scaled(dim: int | Tensor, by: int, over: int, w: Writer) -> int | Tensor:
    if isinstance(dim, int):
        return dim * by // over
    scaled = w.binary("PROD", dim, w.ints([by])) if by != 1 else dim
    return w.binary("DIV", scaled, w.ints([over])) if over != 1 else scaled


def _first(rank: int, layout: str, x: Tensor, w: Writer) -> Tensor:
    return x if layout == "nchw" else w.transpose(x, (0, rank - 1, *range(1, rank - 1)))


def _last(layout: str, y: Tensor, w: Writer) -> Tensor:
    return y if layout == "nchw" else w.transpose(y, (0, 2, 3, 1))
