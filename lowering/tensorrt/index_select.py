"""Ops that select elements by what they are."""

from __future__ import annotations

import numpy as np

from edgec.ir import dtypes, known_ints
from edgec.ir.ops import Compress, EyeLike, NonZero, OneHot, TopK, Trilu
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.scan_axis import positions, top
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer

MOST = 3840  # elements that a TopK layer selects


@limit(TopK)
def top_k_limit(op: TopK) -> str | None:
    known = known_ints(op.k)
    if known is not None and not 0 < known[0] <= MOST:
        return f"TopK selects 1 to {MOST} elements, not {known[0]}"
    return None


@TENSORRT.rule(TopK)
def top_k(op: TopK, w: Writer) -> list[Tensor]:
    """Of equal elements the layer promises no order; the documented ones come by index."""
    known = known_ints(op.k)
    count = known[0] if known is not None else w.cast(w.reshape(w[op.k], ()), dtypes.i32)
    return top(w[op.x], count, op.axis % op.x.type.rank, "MAX" if op.largest else "MIN", w)


@limit(OneHot)
def one_hot_limit(op: OneHot) -> str | None:
    return None if known_ints(op.depth) is not None else "the depth is computed at run time"


@TENSORRT.rule(OneHot)
def one_hot(op: OneHot, w: Writer) -> Tensor:
    """By comparing with positions, so that indices may be of any type, and negative."""
    [depth] = known_ints(op.depth) or ()
    rank = op.indices.type.rank + 1
    axis = op.axis % rank
    indices = w.cast(w[op.indices], dtypes.i64)
    negative = w.binary("LESS", indices, w.like(0, indices))
    indices = w.select(negative, w.binary("SUM", indices, w.like(depth, indices)), indices)
    sizes = w.sizes(indices)
    column = w.under(indices, [*sizes[:axis], 1, *sizes[axis:]])
    line = np.arange(depth).reshape([-1 if i == axis else 1 for i in range(rank)])
    hit = w.binary("EQUAL", column, w.const(line, dtypes.i64))
    off, on = (w.reshape(w.slice(w[op.values], [i], [1], [1]), (1,) * rank) for i in (0, 1))
    return w.select(hit, on, off)


@limit(NonZero)
def non_zero_limit(op: NonZero) -> str | None:
    return None if op.x.type.rank else "NonZero counts no axes of a scalar"


@TENSORRT.rule(NonZero)
def non_zero(op: NonZero, w: Writer) -> Tensor:
    return w.cast(out(w.net.add_non_zero(w[op.x])), dtypes.i64)


@limit(Trilu)
def trilu_limit(op: Trilu) -> str | None:
    if op.k is None or known_ints(op.k) is not None:
        return None
    return "the number of the diagonal is computed at run time"


@TENSORRT.rule(Trilu)
def trilu(op: Trilu, w: Writer) -> Tensor:
    """By comparing the numbers of rows and columns; a mask where the dims are known."""
    x, rank = w[op.x], op.x.type.rank
    k = (known_ints(op.k) or (0,))[0]
    rows, columns = op.x.type.dims[-2:]
    if isinstance(rows, int) and isinstance(columns, int):
        difference = np.arange(columns)[None, :] - np.arange(rows)[:, None]
        mask = difference >= k if op.upper else difference <= k
        kept = w.const(mask.reshape((*(1,) * (rank - 2), rows, columns)))
    else:
        across = w.binary("SUB", positions(x, rank - 1, w), positions(x, rank - 2, w))
        bound = w.like(k - 1 if op.upper else k + 1, across)
        kept = w.binary("GREATER" if op.upper else "LESS", across, bound)
    if op.x.type.dtype is dtypes.boolean:
        return w.binary("AND", x, kept)
    return w.select(kept, x, w.like(0, x))


@limit(Compress)
def compress_limit(op: Compress) -> str | None:
    if known_ints(op.condition) is not None:
        return None
    return "the condition is computed at run time"


@TENSORRT.rule(Compress)
def compress(op: Compress, w: Writer) -> Tensor:
    kept = known_ints(op.condition) or ()
    places = w.ints([place for place, keep in enumerate(kept) if keep])
    x = w[op.x] if op.axis is not None else w.reshape(w[op.x], (-1,))
    layer = w.net.add_gather_v2(x, places, w.trt.GatherMode.DEFAULT)
    layer.axis = 0 if op.axis is None else op.axis % op.x.type.rank
    return out(layer)


@limit(EyeLike)
def eye_like_limit(op: EyeLike) -> str | None:
    return None if op.x.type.static_dims is not None else f"the dims of {op.x.type} are not known"


@TENSORRT.rule(EyeLike)
def eye_like(op: EyeLike, w: Writer) -> Tensor:
    rows, columns = op.x.type.static_dims or (0, 0)
    return w.const(np.eye(rows, columns, op.k), op.dtype)
