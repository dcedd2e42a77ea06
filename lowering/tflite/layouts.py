"""Windows and layouts: the image operators know channels last, and one or two kinds of padding.

The layout pass turns ops to channels last before; what is written channels first all the same
stands between transposes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.ir import Dim, Ints
from edgec.ir.ops.windows import Window
from edgec.lowering.tflite.shapes import padded, reshaped, transposed
from edgec.lowering.tflite.table import PIN, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

SAME, VALID = 0, 1  # Padding in schema.fbs


def channels_last(x: Tensor, layout: str, w: Writer) -> Tensor:
    """x as [N, *spatial, C]."""
    return x if layout == "nhwc" else transposed(x, (0, *range(2, x.rank), 1), w)


def as_given(y: Tensor, layout: str, w: Writer) -> Tensor:
    """[N, *spatial, C] in the layout that the op has."""
    return y if layout == "nhwc" else transposed(y, (0, y.rank - 1, *range(1, y.rank - 1)), w)


def lifted(x: Tensor, w: Writer) -> Tensor:
    """[N, L, C] as [N, 1, L, C]: one spatial axis as two."""
    return reshaped(x, (x.dims[0], 1, *x.dims[1:]), w) if x.rank == 3 else x


def lowered(y: Tensor, rank: int, w: Writer) -> Tensor:
    """The inverse of ``lifted`` for an op of that rank."""
    return reshaped(y, (y.dims[0], *y.dims[2:]), w) if rank == 3 else y


def two_axes(values: Ints, default: int = 1) -> Ints:
    """One entry per spatial axis, of one axis made two."""
    return (default, *values) if len(values) == 1 else values


@dataclass(frozen=True)
class Padding:
    """How an operator's windows are padded: by itself (SAME or VALID), or before it.

    Attributes:
        kind: the operator's own padding.
        begins, ends: per spatial axis, what a PAD before it adds.
    """

    kind: int
    begins: Ints
    ends: Ints


def padding_of(window: Window, spatial: Sequence[Dim]) -> Padding:
    """SAME where it is what the window says, else VALID and a PAD before.

    Raises Unwritable where that depends on dims that are not known.
    """
    none = (0,) * window.axes
    if window.auto_pad == "same_upper":
        return Padding(SAME, none, none)
    sizes = tuple(dim for dim in spatial if isinstance(dim, int))
    if len(sizes) != window.axes:
        return _padding_of_open_dims(window, spatial)
    begins, _ = window.padding(sizes)
    counts = tuple(count for count in window.counts(sizes) if isinstance(count, int))
    reach = tuple(
        (counts[i] - 1) * window.strides[i] + window.extents[i] - sizes[i] - begins[i]
        for i in range(window.axes)
    )
    if _is_same(window, sizes, counts, begins):
        return Padding(SAME, none, none)
    return Padding(VALID, begins, tuple(max(each, 0) for each in reach))


def _is_same(window: Window, sizes: Ints, counts: Ints, begins: Ints) -> bool:
    """SAME makes ceil(size / stride) windows and puts the smaller half of the padding first."""
    for i, size in enumerate(sizes):
        if counts[i] != -(-size // window.strides[i]):
            return False
        total = (counts[i] - 1) * window.strides[i] + window.extents[i] - size
        if begins[i] != max(total, 0) // 2:
            return False
    return True


def _padding_of_open_dims(window: Window, spatial: Sequence[Dim]) -> Padding:
    """With a stride of 1, half of the window at each end is SAME whatever the size."""
    if window.auto_pad != "explicit" or window.ceil:
        raise Unwritable(f"padding depends on dims that are not known: {_shown(spatial)}", PIN)
    begins, ends = window.padding((0,) * window.axes)
    same = all(
        step == 1 and begin + end == extent - 1 and begin == (extent - 1) // 2
        for step, begin, end, extent in zip(
            window.strides, begins, ends, window.extents, strict=True
        )
    )
    if same:
        return Padding(SAME, (0,) * window.axes, (0,) * window.axes)
    return Padding(VALID, begins, ends)


def _shown(dims: Sequence[Dim]) -> str:
    return ", ".join(map(str, dims))


def pad_spatial(x: Tensor, padding: Padding, w: Writer, value: float = 0) -> Tensor:
    """[N, *spatial, C] with what the operator itself does not add."""
    return padded(x, (0, *padding.begins, 0), (0, *padding.ends, 0), w, value)


def crops_as_same(
    spatial: Sequence[Dim], stride: Ints, kernel: Sequence[int], begins: Ints, sizes: Sequence[Dim]
) -> bool:
    """True when a transposed convolution with SAME padding crops what is to be cropped: the
    smaller half first, down to at most size * stride results."""
    for i, size in enumerate(spatial):
        wanted = sizes[i]
        if not isinstance(size, int) or not isinstance(wanted, int):
            return False
        total = max((size - 1) * stride[i] + kernel[i] - wanted, 0)
        if -(-wanted // stride[i]) != size or begins[i] != total // 2:
            return False
    return True
