"""Windows over 8-bit images with channels last: padding, gathering, and loops by channel."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import jit
from edgec.kernels.loops.integer_channels import WIDTHS, order
from edgec.kernels.loops.integer_channels import window as window_of
from edgec.kernels.loops.integer_product import OFFSET, SLACK, aligned
from edgec.kernels.loops.integer_vectors import DEPTH, LANES
from edgec.kernels.loops.scratch import Scratch

Array = NDArray[Any]
Ints = tuple[int, ...]

_window_wide, _window_narrow = (window_of(vectors) for vectors in WIDTHS)
WIDE = WIDTHS[0] * LANES
_IMAGES = Scratch()


@dataclass(frozen=True)
class Frame:
    """Where the windows over images of one size lie.

    Attributes:
        begin: what is padded before each spatial axis.
        sizes: of the three spatial axes, padded.
        channels: of an image.
        dims: int64[3, 3], a row per spatial axis: padded size, stride, number of windows.
        offsets: where each run of consecutive elements of a window begins, from its first element.
        run: elements of a run.
    """

    begin: Ints
    sizes: Ints
    channels: int
    dims: Array
    offsets: Array
    run: int

    @property
    def positions(self) -> int:
        """Windows in one image."""
        return int(self.dims[:, 2].prod())

    @property
    def volume(self) -> int:
        """Elements of one padded image."""
        return prod(self.sizes) * self.channels

    @property
    def groups_of_taps(self) -> Array:
        """Offsets of whole groups of four taps; those added meet weights of 0."""
        return np.concatenate([self.offsets, np.zeros(-self.offsets.size % DEPTH, np.int64)])


def frame(
    shape: Ints, begin: Ints, end: Ints, kernel: Ints, strides: Ints, dilations: Ints, counts: Ints,
    channels: int,
) -> Frame:  # fmt: skip
    """The windows over images [N, *spatial, C], of ``channels`` of their channels each."""
    missing, pitch = (1,) * (3 - len(kernel)), shape[-1]
    padded = [size + b + e for size, b, e in zip(shape[1:-1], begin, end, strict=True)]
    sizes = (*missing, *padded)
    dims = np.array([sizes, (*missing, *strides), (*missing, *counts)], np.int64).T.copy()
    kernel, dilations = (*missing, *kernel), (*missing, *dilations)
    steps = [
        dilations[0] * sizes[1] * sizes[2] * pitch, dilations[1] * sizes[2] * pitch,
        dilations[2] * pitch,
    ]  # fmt: skip
    joined = channels == steps[2]  # taps along the last axis follow each other
    places = np.indices((*kernel[:2], 1) if joined else kernel).reshape(3, -1)
    offsets = np.asarray(steps, np.int64) @ places
    run = channels * (kernel[2] if joined else 1)
    return Frame((*(0,) * len(missing), *begin), sizes, pitch, dims, offsets, run)


def padded(x: Array, windows: Frame, zero_point: int) -> Array:
    """``x`` [N, *spatial, C] as u8 (128 more) with zero points around it, flat, with room for a
    vector behind it. Valid until the next call."""
    shape = (x.shape[0], *windows.sizes, windows.channels)
    count = prod(shape)
    memory = _IMAGES(count + SLACK, np.dtype(np.uint8))
    whole = memory[:count].reshape(shape)
    given = x.view(np.uint8).reshape(x.shape[0], *(1,) * (5 - x.ndim), *x.shape[1:])
    inner = tuple(
        slice(b, b + size) for b, size in zip(windows.begin, given.shape[1:4], strict=True)
    )
    if whole.size != given.size:
        whole[...] = zero_point + OFFSET
    np.bitwise_xor(given, np.uint8(OFFSET), out=whole[(slice(None), *inner)])
    return memory


@jit
def gather(
    x: Any, dims: Any, offsets: Any, run: int, pitch_x: int, first: int, last: int, pitch: int,
    rows: Any,
) -> None:  # fmt: skip
    """The windows ``first .. last`` of one image, a row of ``pitch`` bytes each."""
    width, height = dims[2, 2], dims[1, 2]
    for index in range(first, last):
        column, line = index % width, index // width
        plane, line = line // height, line % height
        start = (plane * dims[0, 1] * dims[1, 0] + line * dims[1, 1]) * dims[2, 0]
        origin = (start + column * dims[2, 1]) * pitch_x
        at = (index - first) * pitch
        for part in range(offsets.shape[0]):
            given = x[origin + offsets[part] : origin + offsets[part] + run]
            target = rows[at : at + run]
            for i in range(run):
                target[i] = given[i]
            at += run


@dataclass(frozen=True)
class ByChannel:
    """Weights of windows that each channel sums by itself, as the vectors read them.

    Attributes:
        weights: i8, per block of 64 or 16 channels [taps / 4, lane, 4].
        lanes: the channel of each lane, block after block; at least ``channels`` where it has none.
        blocks: of 64 channels, and of 16 channels after them.
        sums: of the weights of each channel.
    """

    weights: Array
    lanes: Array
    blocks: tuple[int, int]
    sums: Array


def by_channel(taps: Array) -> ByChannel:
    """Packed i8 weights [taps, channels]."""
    count, channels = taps.shape
    wide, rest = divmod(channels, WIDE)
    if rest > WIDE // 2:
        wide, rest = wide + 1, 0
    narrow = -(-rest // LANES)
    parts = [b * WIDE + order(WIDTHS[0]) for b in range(wide)]
    parts += [wide * WIDE + b * LANES + order(WIDTHS[1]) for b in range(narrow)]
    groups = -(-count // DEPTH)
    lanes = np.concatenate(parts)
    whole = np.zeros((groups * DEPTH, lanes.max() + 1), np.int8)
    whole[:count, :channels] = taps
    packed = [
        whole[:, part].reshape(groups, DEPTH, -1).transpose(0, 2, 1).reshape(-1) for part in parts
    ]
    sums = taps.sum(axis=0, dtype=np.int64)
    return ByChannel(aligned(np.concatenate(packed)), lanes, (wide, narrow), sums)


@jit
def windows_by_channel(
    x: Any, dims: Any, offsets: Any, weights: Any, blocks: Any, factors: Any, ends: Any,
    channels: int, first: int, last: int, out: Any,
) -> None:  # fmt: skip
    """``out[window, c] = rescaled sum over taps of x * weights``, windows ``first .. last`` of one
    image.

    Whole vectors are written: what goes beyond the last channel is overwritten by the next window's
    first ones, as blocks of channels go from the last to the first.
    """
    groups = offsets.shape[0] // DEPTH
    wide, narrow = blocks
    width, height = dims[2, 2], dims[1, 2]
    across, down = dims[2, 1] * channels, dims[1, 1] * dims[2, 0] * channels
    deep = dims[0, 1] * dims[1, 0] * dims[2, 0] * channels
    zero_point, low, high = ends[0], ends[1], ends[2]
    for number in range(wide + narrow):
        block = wide + narrow - 1 - number
        channel = block * WIDE if block <= wide else wide * WIDE + (block - wide) * LANES
        column, line, plane = first % width, first // width % height, first // width // height
        for at in range(last - first):
            origin = plane * deep + line * down + column * across + channel
            arguments = (
                x, origin, offsets, groups, weights, channel * groups * DEPTH, factors, channel,
                zero_point, low, high, out, at * channels + channel,
            )  # fmt: skip
            if block < wide:
                _window_wide(arguments)
            else:
                _window_narrow(arguments)
            column += 1
            if column == width:
                column, line = 0, line + 1
                if line == height:
                    line, plane = 0, plane + 1


@jit
def sums_by_channel(
    x: Any, dims: Any, offsets: Any, w: Any, channels: int, first: int, last: int, sums: Any
) -> None:
    """``sums[window, c] = sum over taps of x * w[tap, c]`` for one image, each channel by
    itself."""
    width, height = dims[2, 2], dims[1, 2]
    for index in range(first, last):
        column, line = index % width, index // width
        plane, line = line // height, line % height
        start = (plane * dims[0, 1] * dims[1, 0] + line * dims[1, 1]) * dims[2, 0]
        origin = (start + column * dims[2, 1]) * channels
        target = sums[(index - first) * channels : (index - first + 1) * channels]
        target[:] = 0
        for tap in range(offsets.shape[0]):
            a = x[origin + offsets[tap] : origin + offsets[tap] + channels]
            f = w[tap * channels : (tap + 1) * channels]
            for c in range(channels):
                target[c] = np.int32(target[c] + np.int32(np.int32(a[c]) * np.int32(f[c])))
