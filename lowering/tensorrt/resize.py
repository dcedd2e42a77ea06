"""Resizing and sampling."""

from __future__ import annotations

from edgec.ir import Constant, known_ints
from edgec.ir.ops import GridSample, Resize
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.shape import dims_in
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer

COORDINATES = {
    "half_pixel": "HALF_PIXEL",
    "pytorch_half_pixel": "HALF_PIXEL",
    "align_corners": "ALIGN_CORNERS",
    "asymmetric": "ASYMMETRIC",
}
ROUNDINGS = {
    "round_prefer_floor": "HALF_DOWN",
    "round_prefer_ceil": "HALF_UP",
    "floor": "FLOOR",
    "ceil": "CEIL",
}
MOST_AXES = {"nearest": 3, "linear": 3, "cubic": 2}


@limit(Resize)
def resize_limit(op: Resize) -> str | None:
    if op.coordinates not in COORDINATES:
        return f"Resize has no coordinates {op.coordinates!r}"
    if op.antialias:
        return "Resize widens no weights when it shrinks (antialias)"
    if op.keep_aspect != "stretch":
        return f"Resize has a scale for each axis (keep_aspect {op.keep_aspect!r})"
    if op.scales is not None and not isinstance(op.scales, Constant):
        return "scales are computed at run time"
    axes = _changed(op)
    if len(axes) > MOST_AXES[op.mode]:
        return f"Resize changes {MOST_AXES[op.mode]} axes at once (mode {op.mode!r}), not {axes}"
    if op.mode == "cubic" and op.x.type.rank < 2:
        return "cubic interpolation wants two axes"
    return None


def _changed(op: Resize) -> list[int]:
    """The axes whose size changes, or may."""
    dims = op.x.type.dims
    sizes = None if op.sizes is None else known_ints(op.sizes)
    found = []
    for place, axis in enumerate(op.resized_axes):
        same = (isinstance(op.scales, Constant) and op.scales.array[place] == 1) or (
            sizes is not None and sizes[place] == dims[axis]
        )
        if not same:
            found.append(axis)
    return sorted(found)


@TENSORRT.rule(Resize)
def resize(op: Resize, w: Writer) -> Tensor:
    """Of the innermost axes only: others are moved there and back."""
    axes, rank = _changed(op), op.x.type.rank
    x = w[op.x]
    if not axes:
        return x
    there = [*(axis for axis in range(rank) if axis not in axes), *axes]
    layer = w.net.add_resize(w.transpose(x, there))
    layer.resize_mode = getattr(w.trt.InterpolationMode, op.mode.upper())
    kinds = w.trt.ResizeCoordinateTransformation
    layer.coordinate_transformation = getattr(kinds, COORDINATES[op.coordinates])
    selectors = w.trt.ResizeSelector
    upper = op.coordinates == "pytorch_half_pixel"
    layer.selector_for_single_pixel = selectors.UPPER if upper else selectors.FORMULA
    if op.mode == "nearest":
        layer.nearest_rounding = getattr(w.trt.ResizeRoundMode, ROUNDINGS[op.nearest])
    if op.mode == "cubic":
        layer.cubic_coeff = op.cubic_a
    if op.mode != "nearest":
        layer.exclude_outside = op.exclude_outside
    _set_size(op, layer, there, w)
    return w.transpose(out(layer), [there.index(axis) for axis in range(rank)])


def _set_size(op: Resize, layer: object, order: list[int], w: Writer) -> None:
    places = {axis: place for place, axis in enumerate(op.resized_axes)}
    if isinstance(op.scales, Constant):
        scales = [float(op.scales.array[places[a]]) if a in places else 1.0 for a in order]
        layer.scales = scales  # type: ignore[attr-defined]  # a layer of the late import
        return
    assert op.sizes is not None
    given, own = dims_in(op.sizes, w), w.sizes(w[op.x])
    dims = [given[places[axis]] if axis in places else own[axis] for axis in order]
    known = [dim for dim in dims if isinstance(dim, int)]
    if len(known) == len(dims):
        layer.shape = known  # type: ignore[attr-defined]  # a layer of the late import
    else:
        layer.set_input(1, w.listed(dims))  # type: ignore[attr-defined]


PADDINGS = {"zeros": "FILL", "border": "CLAMP", "reflection": "REFLECT"}


@limit(GridSample)
def grid_sample_limit(op: GridSample) -> str | None:
    rank = op.x.type.rank
    return None if rank == 4 else f"GridSample takes images, found {rank - 2} spatial axes"


@TENSORRT.rule(GridSample)
def grid_sample(op: GridSample, w: Writer) -> Tensor:
    layer = w.net.add_grid_sample(w[op.x], w[op.grid])
    layer.interpolation_mode = getattr(w.trt.InterpolationMode, op.mode.upper())
    layer.sample_mode = getattr(w.trt.SampleMode, PADDINGS[op.padding])
    layer.align_corners = op.align_corners
    return out(layer)
