"""Ops with channels last: TensorRT's know channels first only, so they stand between transposes;
and windows over one axis, which TensorRT slides over two."""

from __future__ import annotations

from edgec.ir import Constant, Value
from edgec.lowering.tensorrt.table import Tensor
from edgec.lowering.tensorrt.writer import Writer


def channels_first(x: Value, layout: str, w: Writer) -> Tensor:
    """x as [N, C, *spatial], with two spatial axes at least."""
    rank = x.type.rank
    y = w[x] if layout == "nchw" else w.transpose(w[x], (0, rank - 1, *range(1, rank - 1)))
    return y if rank > 3 else w.under(y, [*w.sizes(y)[:2], 1, *w.sizes(y)[2:]])


def as_given(y: Tensor, rank: int, layout: str, w: Writer) -> Tensor:
    """What ``channels_first`` gave, back in the rank and the layout that the op has."""
    if len(y.shape) > rank:
        sizes = w.sizes(y)
        y = w.under(y, [*sizes[:2], *sizes[3:]])
    return y if layout == "nchw" else w.transpose(y, (0, *range(2, rank), 1))


def per_channel(value: Value, rank: int, w: Writer, axis: int = 1) -> Tensor:
    """One number per channel, so that it broadcasts to a tensor of that rank."""
    dims = [1] * rank
    dims[axis] = -1
    if isinstance(value, Constant):
        return w.const(value.array.reshape(dims))
    return w.reshape(w[value], dims)
