"""Resizing and sampling at arbitrary positions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from edgec.ir import dtypes
from edgec.ir.contents import contents
from edgec.ir.dims import ANY, Dim
from edgec.ir.op import Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import require_dim, require_rank
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.value import Constant, Value

RESIZE_MODES = ("nearest", "linear", "cubic")
COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
ASPECTS = ("stretch", "not_larger", "not_smaller")
LARGEST_DENOMINATOR = 64


class Resize(Op, name="resize.resize"):
    """y[i] = sum over j near c(i) of weight(j - c(i)) * x[j], axis by axis (ONNX Resize-19)

    c(i) is the position in x of output i, by ``coordinates``. ``mode`` gives the weights: nearest
    copies one sample, chosen by ``nearest``; linear and cubic (Keys, with ``cubic_a``) repeat the
    edge, or with ``exclude_outside`` leave samples outside out. ``scales`` (f32) or ``sizes``
    (i64), and ``roi`` of tf_crop_and_resize, have one entry per axis in ``axes`` (all when None);
    the result has floor(dim * scale) or ``sizes``, which with ``keep_aspect`` not_larger or
    not_smaller only bound one common scale. ``extrapolation`` is the value outside a crop.
    ``antialias`` widens linear and cubic weights when it shrinks.
    """

    x: Value = operand()
    scales: Value | None = operand(default=None)
    sizes: Value | None = operand(default=None)
    roi: Value | None = operand(default=None)
    mode: str = attr(default="nearest")
    coordinates: str = attr(default="half_pixel")
    nearest: str = attr(default="round_prefer_floor")
    cubic_a: float = attr(default=-0.75)
    exclude_outside: bool = attr(default=False)
    extrapolation: float = attr(default=0.0)
    antialias: bool = attr(default=False)
    keep_aspect: str = attr(default="stretch")
    axes: Ints | None = attr(default=None)

    @property
    def resized_axes(self) -> Ints:
        return tuple(range(self.x.type.rank)) if self.axes is None else self.axes

    def infer(self) -> Types:
        if (self.scales is None) == (self.sizes is None):
            raise OpError("resize wants either scales or sizes")
        axes, dims = self.resized_axes, list(self.x.type.dims)
        if any(not 0 <= axis < len(dims) for axis in axes) or len(set(axes)) != len(axes):
            raise OpError(f"axes {list(axes)} do not name axes of {self.x.type} once each")
        given = self.scales if self.scales is not None else self.sizes
        assert given is not None
        require_rank(given, 1, "scales or sizes")
        require_dim(given.type.dims[0], len(axes), "the length of scales or sizes")
        if self.roi is not None:
            require_rank(self.roi, 1, "roi")
            require_dim(self.roi.type.dims[0], 2 * len(axes), "the length of roi")
        found = self._scaled(axes) if self.scales is not None else self._sized(axes)
        for axis, dim in zip(axes, found, strict=True):
            dims[axis] = dim
        return (self.x.type.with_dims(tuple(dims)),)

    def _scaled(self, axes: Ints) -> list[Dim]:
        if not isinstance(self.scales, Constant):
            return [ANY] * len(axes)
        dims = [self.x.type.dims[axis] for axis in axes]
        scales = [float(scale) for scale in self.scales.array]
        return [scaled_dim(dim, scale) for dim, scale in zip(dims, scales, strict=True)]

    def _sized(self, axes: Ints) -> list[Dim]:
        assert self.sizes is not None
        known = contents(self.sizes)
        if known is None:
            return [ANY] * len(axes)
        sizes = list(known)
        if self.keep_aspect == "stretch":
            return sizes
        dims = [self.x.type.dims[axis] for axis in axes]
        ints = [dim for dim in (*dims, *sizes) if isinstance(dim, int)]
        if len(ints) != 2 * len(axes):
            return [ANY] * len(axes)
        return list(bounded_sizes(ints[: len(axes)], ints[len(axes) :], self.keep_aspect)[0])

    def check(self) -> None:
        for value, known, name in (
            (self.mode, RESIZE_MODES, "mode"),
            (self.coordinates, COORDINATES, "coordinates"),
            (self.nearest, ROUNDINGS, "nearest"),
            (self.keep_aspect, ASPECTS, "keep_aspect"),
        ):
            if value not in known:
                raise OpError(f"{name} is one of {known}, found {value!r}")
        if self.coordinates == "tf_crop_and_resize" and self.roi is None:
            raise OpError("tf_crop_and_resize wants a roi")
        if self.scales is not None and self.scales.type.dtype is not dtypes.f32:
            raise OpError(f"scales want f32, found {self.scales.type}")

    def work(self) -> Work:
        taps = {"nearest": 1, "linear": 2, "cubic": 4}[self.mode]
        axes = len(self.resized_axes)
        return Work(flops=self.result.type.elements() * taps * axes, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        axes = draw.choice((None, tuple(draw.rng.permutation(rank)[: draw.integer(1, rank)])))
        count = rank if axes is None else len(axes)
        crop = draw.chance(0.2)
        begin = draw.rng.uniform(0, 0.5, count)
        roi = np.concatenate([begin, begin + draw.rng.uniform(0.2, 0.7, count)])
        scales = draw.rng.choice([0.5, 0.6, 1.0, 1.5, 2.0, 3.0], count).astype(np.float32)
        sized = draw.chance()
        mode = draw.choice(RESIZE_MODES)
        return cls(
            draw.value(draw.choice(FLOATS), draw.shape(rank, 2, 5)),
            None if sized else draw.const(scales),
            draw.const(draw.shape(count, 1, 8)) if sized else None,
            draw.const(roi.astype(np.float32)) if crop else None,
            mode=mode,
            coordinates="tf_crop_and_resize" if crop else draw.choice(COORDINATES[:-1]),
            nearest=draw.choice(ROUNDINGS),
            cubic_a=draw.choice((-0.75, -0.5)),
            exclude_outside=draw.chance(0.2),
            extrapolation=draw.choice((0.0, 1.5)),
            antialias=mode != "nearest" and draw.chance(0.2),
            keep_aspect=draw.choice(ASPECTS) if sized else "stretch",
            axes=axes,
        )


class GridSample(Op, name="resize.grid_sample"):
    """y[n,c,p] = x[n,c] interpolated at grid[n,p]

    ``x`` is [N, C, *D], ``grid`` [N, *P, number of spatial axes]; coordinates run from -1 to 1 over
    each axis, the last axis first, between the centres of the corner samples with
    ``align_corners``, else between their outer edges (Jaderberg et al., 2015; ONNX GridSample-22).
    """

    x: Value = operand()
    grid: Value = operand()
    mode: str = attr(default="linear")
    padding: str = attr(default="zeros")
    align_corners: bool = attr(default=False)

    def infer(self) -> Types:
        x, grid = self.x.type, self.grid.type
        if not 3 <= x.rank <= 5 or grid.rank != x.rank:
            raise OpError(f"x wants 1 to 3 spatial axes and grid its rank, found {x} and {grid}")
        require_dim(grid.dims[-1], x.rank - 2, "the last dim of grid")
        require_dim(grid.dims[0], x.dims[0], "the batch of grid")
        return (x.with_dims((*x.dims[:2], *grid.dims[1:-1])),)

    def check(self) -> None:
        if self.mode not in RESIZE_MODES:
            raise OpError(f"mode is one of {RESIZE_MODES}, found {self.mode!r}")
        if self.padding not in ("zeros", "border", "reflection"):
            raise OpError(f"padding is zeros, border or reflection, found {self.padding!r}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        axes, batch = draw.integer(1, 3), draw.integer(1, 2)
        dtype = draw.choice(FLOATS)
        return cls(
            draw.value(dtype, (batch, draw.integer(1, 3), *draw.shape(axes))),
            draw.value(dtype, (batch, *draw.shape(axes), axes), low=-1.5, high=1.5),
            mode=draw.choice(RESIZE_MODES),
            padding=draw.choice(("zeros", "border", "reflection")),
            align_corners=draw.chance(),
        )


def scaled_dim(dim: Dim, scale: float) -> Dim:
    """floor(dim * scale). A scale that a ratio of small ints rounds to (in f32) stands for that
    ratio; of another one, the product is rounded to f32 first, as runtimes do."""
    if scale <= 0:
        raise OpError(f"a scale is positive, found {scale}")
    ratio = Fraction(scale).limit_denominator(LARGEST_DENOMINATOR)
    if ratio and np.float32(ratio.numerator / ratio.denominator) == np.float32(scale):
        return dim * ratio.numerator // ratio.denominator
    return int(np.floor(np.float32(dim) * np.float32(scale))) if isinstance(dim, int) else ANY


def bounded_sizes(dims: list[int], sizes: list[int], policy: str) -> tuple[Ints, list[float]]:
    """Result dims, and the scale of each axis, when ``sizes`` are wanted under that policy.

    Under not_larger and not_smaller one scale serves every axis (halves round up).
    """
    ratios = [size / dim for size, dim in zip(sizes, dims, strict=True)]
    if policy == "stretch":
        return tuple(sizes), ratios
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return tuple(int(np.floor(scale * dim + 0.5)) for dim in dims), [scale] * len(dims)
