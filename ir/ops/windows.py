"""Sliding windows: the attributes that convolutions and pools share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from edgec.ir.dims import Dim, dim_min
from edgec.ir.op import Ints, OpError
from edgec.ir.ops.common import per_axis, same_padding, window_dim

AUTO_PADS = ("explicit", "same_upper", "same_lower")
MAX_AXES = 3  # spatial axes that windows slide over


@dataclass(frozen=True)
class Window:
    """Attributes of a window op, one entry per spatial axis; empty ones mean the default.

    ``pads`` lists all begins, then all ends. With ``ceil`` a last window may overhang the padded
    end, but none starts in the end padding (ONNX MaxPool-22).
    """

    kernel: Ints
    stride: Ints = ()
    pads: Ints = ()
    dilation: Ints = ()
    auto_pad: str = "explicit"
    ceil: bool = False

    @cached_property
    def axes(self) -> int:
        return len(self.kernel)

    @cached_property
    def strides(self) -> Ints:
        return per_axis(self.stride, self.axes, "stride")

    @cached_property
    def dilations(self) -> Ints:
        return per_axis(self.dilation, self.axes, "dilation")

    @cached_property
    def extents(self) -> Ints:
        """Samples from the first to the last that a window touches."""
        pairs = zip(self.kernel, self.dilations, strict=True)
        return tuple(step * (size - 1) + 1 for size, step in pairs)

    def check(self) -> None:
        """Raises OpError when an attribute is out of range."""
        if not 1 <= self.axes <= MAX_AXES:
            raise OpError(f"wants 1 to {MAX_AXES} spatial axes, found {self.axes}")
        if self.auto_pad not in AUTO_PADS:
            raise OpError(f"auto_pad is one of {AUTO_PADS}, found {self.auto_pad!r}")
        if self.auto_pad != "explicit" and self.pads:
            raise OpError(f"auto_pad {self.auto_pad!r} takes no pads, found {list(self.pads)}")
        if any(value < 1 for value in (*self.kernel, *self.stride, *self.dilation)):
            raise OpError("kernel, stride and dilation are at least 1")
        if any(value < 0 for value in self.pads):
            raise OpError(f"pads are at least 0, found {list(self.pads)}")

    def counts(self, spatial: Sequence[Dim]) -> tuple[Dim, ...]:
        """Number of windows along each axis. Raises OpError when none fits."""
        if len(spatial) != self.axes:
            raise OpError(f"a window of {self.axes} axes slides over {self.axes}, found {spatial}")
        if self.auto_pad != "explicit":
            return tuple(-(-size // step) for size, step in zip(spatial, self.strides, strict=True))
        pads = per_axis(self.pads, 2 * self.axes, "pads", default=0)
        return tuple(
            self._count(size, i, pads[i], pads[i + self.axes]) for i, size in enumerate(spatial)
        )

    def _count(self, size: Dim, axis: int, begin: int, end: int) -> Dim:
        kernel, stride, dilation = self.kernel[axis], self.strides[axis], self.dilations[axis]
        count = window_dim(size, kernel, stride, begin + end, dilation, ceil=self.ceil)
        if self.ceil and end + stride > self.extents[axis]:
            count = dim_min(count, (size + begin - 1) // stride + 1)
        if isinstance(count, int) and count < 0:
            raise OpError(f"a window of {self.extents[axis]} does not fit into {size}")
        return count

    def padding(self, sizes: Ints) -> tuple[Ints, Ints]:
        """Begin and end padding of each axis, ``auto_pad`` resolved for the actual sizes."""
        if self.auto_pad == "explicit":
            pads = per_axis(self.pads, 2 * self.axes, "pads", default=0)
            return pads[: self.axes], pads[self.axes :]
        upper = self.auto_pad == "same_upper"
        pairs = [
            same_padding(size, self.kernel[i], self.strides[i], self.dilations[i], upper)
            for i, size in enumerate(sizes)
        ]
        return tuple(begin for begin, _ in pairs), tuple(end for _, end in pairs)
