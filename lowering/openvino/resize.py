"""Resizing and sampling."""

from __future__ import annotations

from edgec.ir import Constant, Value, dtypes, known_ints
from edgec.ir.ops import GridSample, Resize
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer

_COORDINATES = {
    "half_pixel": "half_pixel",
    "pytorch_half_pixel": "half_pixel",  # which it is for more than one result
    "align_corners": "align_corners",
    "asymmetric": "asymmetric",
}


@limit(Resize)
def resize_limit(op: Resize) -> str | None:
    if op.coordinates not in _COORDINATES:
        return f"Interpolate has no coordinates {op.coordinates!r}"
    dims = [op.result.type.dims[axis] for axis in _resized(op)]
    several = all(isinstance(dim, int) and dim > 1 for dim in dims)
    if op.coordinates == "pytorch_half_pixel" and not several:
        return f"Interpolate places a single result elsewhere than {op.coordinates!r}"
    if op.exclude_outside:
        return "Interpolate repeats the edge, it leaves no samples out (exclude_outside)"
    if op.antialias:
        return "Interpolate widens weights in another way (antialias)"
    if min(_resized(op), default=2) < 2 and op.x.type.rank > 2:
        return "Interpolate resizes spatial axes, not batch and channels"
    if op.keep_aspect != "stretch":
        return f"Interpolate has a scale for each axis (keep_aspect {op.keep_aspect!r})"
    return None


def _resized(op: Resize) -> dict[int, int]:
    """The axes whose size changes, as far as that is known, with their place in the operands."""
    dims = op.x.type.dims
    scales = op.scales.array if isinstance(op.scales, Constant) else None
    sizes = None if op.sizes is None else known_ints(op.sizes)
    return {
        axis: place
        for place, axis in sorted(enumerate(op.resized_axes), key=lambda pair: pair[1])
        if not (scales is not None and scales[place] == 1)
        and not (sizes is not None and sizes[place] == dims[axis])
    }


@OPENVINO.rule(Resize)
def resize(op: Resize, w: Writer) -> Output:
    axes = _resized(op)
    if not axes:
        return w[op.x]
    given = op.sizes if op.scales is None else op.scales
    assert given is not None
    target, by = _picked(given, [*axes.values()], w), "sizes" if op.scales is None else "scales"
    return w.ops.interpolate(
        w[op.x], target,
        mode="linear_onnx" if op.mode == "linear" else op.mode,
        shape_calculation_mode=by,
        coordinate_transformation_mode=_COORDINATES[op.coordinates],
        nearest_mode=op.nearest,
        cube_coeff=op.cubic_a,
        axes=w.ints([*axes]),
    )  # fmt: skip


def _picked(given: Value, places: list[int], w: Writer) -> Output:
    if isinstance(given, Constant):
        return w.const(given.array[places])
    return w.ops.gather(w[given], w.ints(places), w.const(0, dtypes.i64))


_MODES = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}


@limit(GridSample)
def grid_sample_limit(op: GridSample) -> str | None:
    rank = op.x.type.rank
    return None if rank == 4 else f"GridSample takes images, found {rank - 2} spatial axes"


@OPENVINO.rule(GridSample)
def grid_sample(op: GridSample, w: Writer) -> Output:
    attributes = {
        "align_corners": op.align_corners,
        "mode": _MODES[op.mode],
        "padding_mode": op.padding,
    }
    return w.ops.grid_sample(w[op.x], w[op.grid], attributes)
