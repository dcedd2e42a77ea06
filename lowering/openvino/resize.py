"""Resizing and sampling."""

from __future__ import annotations

from edgec.ir import known_ints
from edgec.ir.ops import GridSample, Resize
from edgec.ir.ops.resize import bounded_sizes
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer

_COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")


@limit(Resize)
def resize_limit(op: Resize) -> str | None:
    if op.coordinates not in _COORDINATES:
        return f"Interpolate has no coordinates {op.coordinates!r}"
    if op.exclude_outside:
        return "Interpolate repeats the edge, it leaves no samples out (exclude_outside)"
    if op.antialias:
        return "Interpolate widens weights in another way (antialias)"
    if op.keep_aspect != "stretch" and _sizes(op) is None:
        return f"keep_aspect {op.keep_aspect!r} wants known sizes"
    return None


def _sizes(op: Resize) -> list[int] | None:
    """The sizes that the op asks for, where they and the dims are known."""
    sizes = None if op.sizes is None else known_ints(op.sizes)
    dims = [op.x.type.dims[axis] for axis in op.resized_axes]
    known = [dim for dim in dims if isinstance(dim, int)]
    if sizes is None or len(known) != len(dims):
        return None
    return [*bounded_sizes(known, [*sizes], op.keep_aspect)[0]]


@OPENVINO.rule(Resize)
def resize(op: Resize, w: Writer) -> Output:
    if op.scales is not None:
        target, by = w[op.scales], "scales"
    else:
        assert op.sizes is not None
        target, by = w[op.sizes], "sizes"
        if op.keep_aspect != "stretch":
            target = w.ints(_sizes(op) or [])
    return w.ops.interpolate(
        w[op.x], target,
        mode="linear_onnx" if op.mode == "linear" else op.mode,
        shape_calculation_mode=by,
        coordinate_transformation_mode=op.coordinates,
        nearest_mode=op.nearest,
        cube_coeff=op.cubic_a,
        axes=w.ints(op.resized_axes),
    )  # fmt: skip


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
