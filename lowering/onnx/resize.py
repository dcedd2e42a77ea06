"""ONNX resizing and sampling."""

from __future__ import annotations

import numpy as np

from edgec.ir import Value
from edgec.ir.ops import GridSample, Resize
from edgec.ir.ops.common import normalized_axes
from edgec.lowering.onnx.node import READERS, Node, Unsupported
from edgec.lowering.onnx.typed import first_opset
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Writer


def _resize_opset(op: Resize) -> int:
    if op.coordinates == "half_pixel_symmetric":
        return 19
    newer = op.antialias or op.keep_aspect != "stretch" or op.axes is not None
    return 18 if newer else first_opset("Resize", [op.x])


FIRST_OPSETS[Resize] = _resize_opset
FIRST_OPSETS[GridSample] = lambda op: max(
    first_opset("GridSample", op.operands), 20 if op.x.type.rank != 4 else 0
)


@READERS.rule("Upsample")
def read_upsample(node: Node) -> Value:
    scales = node.input(1) if node.opset >= 9 else node.const(node.floats("scales"), np.float32)
    return _read_legacy(node, scales)


@READERS.rule("Resize")
def read_resize(node: Node) -> Value:
    if node.opset < 11:
        return _read_legacy(node, node.input(1))
    x = node.input(0)
    coordinates = node.string("coordinate_transformation_mode", "half_pixel")
    nearest = node.string("nearest_mode", "round_prefer_floor")
    if coordinates == "tf_half_pixel_for_nn":
        coordinates, nearest = _half_pixel_for_nn(node, nearest)
    crop = coordinates == "tf_crop_and_resize"
    sizes = _given(node, 3)
    axes = node.ints("axes", ())
    op = Resize(
        x,
        None if sizes is not None else _given(node, 2),
        sizes,
        _given(node, 1) if crop else None,
        mode=node.string("mode", "nearest"),
        coordinates=coordinates,
        nearest=nearest,
        cubic_a=node.float("cubic_coeff_a", -0.75),
        exclude_outside=bool(node.int("exclude_outside", 0)),
        extrapolation=node.float("extrapolation_value", 0.0),
        antialias=bool(node.int("antialias", 0)),
        keep_aspect=node.string("keep_aspect_ratio_policy", "stretch"),
        axes=normalized_axes(axes, x.type.rank) if axes else None,
    )
    return node.add(op).result


def _read_legacy(node: Node, scales: Value) -> Value:
    """Upsample, and Resize of opset 10: asymmetric, and nearest takes the floor."""
    mode = node.string("mode", "nearest")
    mode = "linear" if mode in ("linear", "bilinear") else mode
    op = Resize(node.input(0), scales, mode=mode, coordinates="asymmetric", nearest="floor")
    return node.add(op).result


def _given(node: Node, index: int) -> Value | None:
    """An optional input; opset 11 also writes an absent one as an empty tensor."""
    value = node.optional(index)
    return None if value is not None and value.type.dims == (0,) else value


def _half_pixel_for_nn(node: Node, nearest: str) -> tuple[str, str]:
    """Coordinates half a sample to the right of half_pixel (opset 11): another rounding."""
    same = {"floor": "round_prefer_ceil", "round_prefer_floor": "ceil"}.get(nearest)
    if same is None or node.string("mode", "nearest") != "nearest":
        raise Unsupported(
            f"tf_half_pixel_for_nn with mode {node.string('mode', 'nearest')!r} and nearest_mode "
            f"{nearest!r} left ONNX with opset 13",
            "export again for opset 13 or later",
        )
    return "half_pixel", same


@WRITERS.rule(Resize)
def write_resize(op: Resize, w: Writer) -> None:
    w.node(
        "Resize",
        [op.x, op.roi, op.scales, op.sizes],
        op.results,
        mode=op.mode,
        coordinate_transformation_mode=_other(op.coordinates, "half_pixel"),
        nearest_mode=_other(op.nearest, "round_prefer_floor"),
        cubic_coeff_a=op.cubic_a if op.cubic_a != -0.75 else None,
        exclude_outside=1 if op.exclude_outside else None,
        extrapolation_value=op.extrapolation or None,
        antialias=1 if op.antialias else None,
        keep_aspect_ratio_policy=_other(op.keep_aspect, "stretch"),
        axes=op.axes,
    )


_LONG = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}


@READERS.rule("GridSample")
def read_grid_sample(node: Node) -> Value:
    mode = node.string("mode", "linear")
    op = GridSample(
        node.input(0),
        node.input(1),
        mode={long: short for short, long in _LONG.items()}.get(mode, mode),
        padding=node.string("padding_mode", "zeros"),
        align_corners=bool(node.int("align_corners", 0)),
    )
    return node.add(op).result


@WRITERS.rule(GridSample)
def write_grid_sample(op: GridSample, w: Writer) -> None:
    w.node(
        "GridSample",
        [op.x, op.grid],
        op.results,
        mode=op.mode if w.opset >= 20 else _LONG[op.mode],
        padding_mode=_other(op.padding, "zeros"),
        align_corners=1 if op.align_corners else None,
    )


def _other(value: str, default: str) -> str | None:
    return None if value == default else value
