"""Pooling over regions of interest."""

from __future__ import annotations

import math

import numpy as np

from edgec.ir import dtypes
from edgec.ir.op import Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import require_dim, require_rank, same_dtype
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.value import Constant, Value

ROI_MODES = ("avg", "max")


class MaxRoiPool(Op, name="nn.max_roi_pool"):
    """y[r,c,i,j] = max of x over bin (i, j) of region r; 0 for an empty bin

    ``x`` is [N, C, H, W]; ``rois`` [R, 5] are batch, x1, y1, x2, y2, corners included, times
    ``scale`` and rounded half away from zero (Girshick, Fast R-CNN, section 2.1). ``size`` is the
    number of bins: height, width.
    """

    x: Value = operand()
    rois: Value = operand()
    size: Ints = attr()
    scale: float = attr(default=1.0)

    def infer(self) -> Types:
        same_dtype(self.x, self.rois)
        require_rank(self.x, 4, "x")
        require_rank(self.rois, 2, "rois")
        require_dim(self.rois.type.dims[1], 5, "the second dim of rois")
        _check_size(self.size)
        return (self.x.type.with_dims((self.rois.type.dims[0], self.x.type.dims[1], *self.size)),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype, batch = draw.choice(FLOATS), draw.integer(1, 2)
        count = draw.integer(1, 4)
        rois = draw.array(dtype, (count, 5), low=0, high=12)
        rois[:, 0] = draw.rng.integers(batch, size=count)
        rois[:, 3:] += rois[:, 1:3]
        return cls(
            draw.value(dtype, (batch, draw.integer(1, 3), *draw.shape(2, 4, 8))),
            draw.given(rois),
            size=draw.shape(2, 1, 3),
            scale=draw.choice((1.0, 0.5)),
        )


class RoiAlign(Op, name="nn.roi_align"):
    """y[r,c,i,j] = mean or max of bilinear samples of x[batch_indices[r], c] in bin i, j of rois[r]

    ``x`` is [N, C, H, W], ``rois`` [R, 4] are x1, y1, x2, y2, times ``scale``. ``size`` is the
    number of bins, height and width, each with ``ratio``^2 samples (0: as many as pixels).
    ``half_pixel`` shifts coordinates by -0.5 (He et al., Mask R-CNN; ONNX RoiAlign-16).
    """

    x: Value = operand()
    rois: Value = operand()
    batch_indices: Value = operand()
    mode: str = attr(default="avg")
    size: Ints = attr(default=(1, 1))
    ratio: int = attr(default=0)
    scale: float = attr(default=1.0)
    half_pixel: bool = attr(default=True)

    def infer(self) -> Types:
        same_dtype(self.x, self.rois)
        require_rank(self.x, 4, "x")
        require_rank(self.rois, 2, "rois")
        require_rank(self.batch_indices, 1, "batch_indices")
        require_dim(self.rois.type.dims[1], 4, "the second dim of rois")
        require_dim(self.batch_indices.type.dims[0], self.rois.type.dims[0], "batch_indices")
        _check_size(self.size)
        return (self.x.type.with_dims((self.rois.type.dims[0], self.x.type.dims[1], *self.size)),)

    def check(self) -> None:
        if self.mode not in ROI_MODES:
            raise OpError(f"mode is one of {ROI_MODES}, found {self.mode!r}")
        if self.ratio < 0:
            raise OpError(f"ratio is at least 0, found {self.ratio}")
        if self.batch_indices.type.dtype is not dtypes.i64:
            raise OpError(f"batch_indices want i64, found {self.batch_indices.type}")

    def work(self) -> Work:
        """Four neighbours for each sample."""
        samples = self.ratio**2 or self._samples_per_bin()
        return Work(macs=4 * samples * self.result.type.elements(), bytes=super().work().bytes)

    def _samples_per_bin(self) -> int:
        """At most, where there are as many as pixels; two by two for rois that are not known."""
        if not isinstance(self.rois, Constant):
            return 4
        largest = 2 * np.abs(self.rois.array.astype(np.float64) * self.scale).max(initial=1.0)
        bounded = min(largest, 1e9) if largest == largest else 1e9  # the largest may be NaN
        return math.prod(math.ceil(bounded / bins) for bins in self.size)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype, batch = draw.choice(FLOATS), draw.integer(1, 2)
        count = draw.integer(1, 4)
        rois = draw.array(dtype, (count, 4), low=0, high=6)
        rois[:, 2:] += rois[:, :2]
        return cls(
            draw.value(dtype, (batch, draw.integer(1, 3), *draw.shape(2, 4, 8))),
            draw.given(rois),
            draw.given(draw.rng.integers(batch, size=count)),
            mode=draw.choice(ROI_MODES),
            size=draw.shape(2, 1, 3),
            ratio=draw.integer(0, 3),
            scale=draw.choice((1.0, 0.5)),
            half_pixel=draw.chance(),
        )


def _check_size(size: Ints) -> None:
    if len(size) != 2 or min(size) < 1:
        raise OpError(f"size is the number of bins, height and width, found {list(size)}")
