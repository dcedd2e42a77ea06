"""Shape rules that op families share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import mul

from edgec.ir.dims import ANY, Dim, broadcast_dim, could_equal
from edgec.ir.dtypes import Family
from edgec.ir.op import Ints, OpError
from edgec.ir.types import TensorType
from edgec.ir.value import Value

NCHW = "nchw"  # batch, channels, then the spatial axes, of any number
NHWC = "nhwc"  # batch, the spatial axes, channels last


def broadcast(*types: TensorType) -> tuple[Dim, ...]:
    """The dims that those of all types broadcast to (numpy's rule). Raises OpError."""
    return reduce(_broadcast_two, [type.dims for type in types])


def _broadcast_two(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> tuple[Dim, ...]:
    if a == b:
        return a
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    dims: list[Dim] = []
    for left, right in pairs:
        dim = broadcast_dim(left, right)
        if dim is None:
            raise OpError(f"shapes {_text(a)} and {_text(b)} do not broadcast")
        dims.append(dim)
    return tuple(dims)


def same_dtype(*values: Value | None) -> None:
    """Raises OpError unless all present values have one element type."""
    found = {value.type.dtype for value in values if value is not None}
    if len(found) > 1:
        names = ", ".join(sorted(dtype.name for dtype in found))
        raise OpError(f"operands want one element type, found {names}")


def normalized_axis(axis: int, rank: int) -> int:
    """An axis counted from the front. Raises OpError when it is out of range."""
    if not -rank <= axis < rank:
        raise OpError(f"axis {axis} is out of range for rank {rank}")
    return axis % rank


def normalized_axes(axes: Sequence[int], rank: int) -> Ints:
    """Axes counted from the front, each once, in the given order. Raises OpError."""
    found = tuple(normalized_axis(axis, rank) for axis in axes)
    if len(set(found)) != len(found):
        raise OpError(f"axes {list(axes)} name one axis twice")
    return found


def channel_axis(layout: str) -> int:
    """Where the channels are: 1 for nchw, -1 for nhwc. Raises OpError for another layout."""
    if layout not in (NCHW, NHWC):
        raise OpError(f"layout is {NCHW!r} or {NHWC!r}, found {layout!r}")
    return 1 if layout == NCHW else -1


def split_layout(dims: Sequence[Dim], layout: str) -> tuple[Dim, Dim, tuple[Dim, ...]]:
    """Batch, channels and spatial dims. Raises OpError when the rank is below 3."""
    if len(dims) < 3:
        raise OpError(f"wants batch, channels and at least one spatial axis, found {_text(dims)}")
    if channel_axis(layout) == 1:
        return dims[0], dims[1], tuple(dims[2:])
    return dims[0], dims[-1], tuple(dims[1:-1])


def join_layout(batch: Dim, channels: Dim, spatial: Sequence[Dim], layout: str) -> tuple[Dim, ...]:
    """The inverse of ``split_layout``."""
    if channel_axis(layout) == 1:
        return (batch, channels, *spatial)
    return (batch, *spatial, channels)


def window_dim(
    size: Dim, kernel: int, stride: int, pad: int, dilation: int, *, ceil: bool = False
) -> Dim:
    """Number of windows along one axis, ``pad`` being both ends together.

    With ``ceil`` a last window may overhang the end, but must not start in the end padding
    (ONNX MaxPool-22); callers that know the begin padding check that themselves.
    """
    extent = dilation * (kernel - 1) + 1
    reach: Dim = size + pad - extent
    if isinstance(reach, int) and reach < 0 and not ceil:
        raise OpError(f"a window of {extent} does not fit into {size} + {pad}")
    if ceil:
        return -((-reach) // stride) + 1
    return reach // stride + 1


def same_padding(size: int, kernel: int, stride: int, dilation: int, upper: bool) -> Ints:
    """Begin and end padding that make ceil(size / stride) windows (ONNX SAME_UPPER, SAME_LOWER)."""
    windows = -(-size // stride)
    total = max((windows - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if upper else (large, small)


def per_axis(values: Ints, count: int, what: str, default: int = 1) -> Ints:
    """One value per spatial axis; an empty tuple means ``default`` for all. Raises OpError."""
    if not values:
        return (default,) * count
    if len(values) != count:
        raise OpError(f"{what} wants {count} values, found {list(values)}")
    return values


def require_dim(found: Dim, wanted: Dim, what: str) -> None:
    """Raises OpError when the two provably differ."""
    if not could_equal(found, wanted):
        raise OpError(f"{what} wants {wanted}, found {found}")


def require_rank(value: Value, rank: int, what: str) -> None:
    """Raises OpError when the rank differs."""
    if value.type.rank != rank:
        raise OpError(f"{what} wants rank {rank}, found {value.type}")


def product(dims: Iterable[Dim]) -> Dim:
    """The number of elements under these dims."""
    return reduce(mul, dims, 1)


def unknown(rank: int) -> tuple[Dim, ...]:
    """Dims of which only the number is known."""
    return (ANY,) * rank


def _text(dims: Sequence[Dim]) -> str:
    return "[" + ",".join(map(str, dims)) + "]"


def require_family(value: Value, families: Sequence[Family]) -> None:
    """Raises OpError unless the element type belongs to one of those families; quantized integers
    stand for real numbers, and pass for floats."""
    dtype = value.type.dtype
    if dtype.family in families or (value.type.quant is not None and "float" in families):
        return
    raise OpError(f"element type {dtype.name} is none of {', '.join(families)}")
