"""Where ONNX Runtime computes something else, or nothing: see docs/onnxruntime.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgec.ir import Graph, Op, dtypes, known_ints
from edgec.ir.ops import (
    AvgPool,
    Dft,
    LpPool,
    MatMul,
    MaxPool,
    MaxUnpool,
    NonZero,
    Recurrent,
    Resize,
    Slice,
    Stft,
    TopK,
)
from edgec.lowering.onnx import loses_its_transpose

LAST = 2**31 - 1  # from here on an end means the end of the axis


@dataclass(frozen=True)
class Defect:
    """A defect, and the ops that meet it. The name is that of its heading in the docs."""

    name: str
    meets: Callable[[Any], bool]
    classes: tuple[type[Op], ...]


def _dilated_same(op: AvgPool | LpPool | MaxPool) -> bool:
    return op.auto_pad.startswith("same") and any(step != 1 for step in op.dilation)


def _backwards_to_the_end(op: Slice) -> bool:
    steps = (1,) * len(op.axes) if op.steps is None else known_ints(op.steps)
    ends = known_ints(op.ends)
    if steps is None or ends is None:
        return True
    return any(step < 0 and end >= LAST for step, end in zip(steps, ends, strict=True))


def _another_shape(op: MaxUnpool) -> bool:
    return op.shape is not None


def _always(op: Dft | Stft) -> bool:
    return True


def _of_a_scalar(op: NonZero) -> bool:
    return op.x.type.rank == 0


def _fractional_or_cropped(op: Resize) -> bool:
    fractional = op.scales is not None or op.keep_aspect != "stretch"
    by_length = op.coordinates in ("align_corners", "pytorch_half_pixel")
    return op.coordinates == "tf_crop_and_resize" or (fractional and by_length)


def _at_the_threshold(op: Recurrent) -> bool:
    return "ThresholdedRelu" in op.activations


def _beyond_exp(op: Recurrent) -> bool:
    return "Softplus" in op.activations


def _without_order(op: TopK) -> bool:
    return not op.sorted


DEFECTS: tuple[Defect, ...] = (
    Defect("SAME padding of dilated pools", _dilated_same, (AvgPool, LpPool, MaxPool)),
    Defect("Slice backwards to the end", _backwards_to_the_end, (Slice,)),
    Defect("MaxUnpool to another shape", _another_shape, (MaxUnpool,)),
    Defect("accuracy of DFT and STFT", _always, (Dft, Stft)),
    Defect("Transpose before MatMul with a vector", loses_its_transpose, (MatMul,)),
    Defect("Resize to a fractional length or from a crop", _fractional_or_cropped, (Resize,)),
    Defect("NonZero of a scalar", _of_a_scalar, (NonZero,)),
    Defect("ThresholdedRelu in recurrent layers", _at_the_threshold, (Recurrent,)),
    Defect("Softplus in recurrent layers", _beyond_exp, (Recurrent,)),
    Defect("TopK without an order", _without_order, (TopK,)),
)

# What it refuses to compute: a part of its message, and the name of the heading in the docs.
LIMITS: dict[str, str] = {
    "NOT_IMPLEMENTED": "operators without an implementation for an element type",
    "can't be converted to MLDataType": "element types that its Python binding does not take",
    "No corresponding Numpy type": "element types that its Python binding does not take",
    "is not supported with Scatter": "operators without an implementation for an element type",
    "does not support double": "operators without an implementation for an element type",
    "Input X must be 4D (N, C, H, W)": "DeformConv of images only",
    "X_shape.NumDimensions() == 4": "LRN of images only",
    "size_ % 2 == 1": "LRN of odd sizes only",
    "Only support GridSample": "GridSample of images and volumes, cubic of images only",
    "Only 4-D or 5-D": "GridSample of images and volumes, cubic of images only",
    "'Cubic' mode only supports": "Resize of two axes at most",
    "'Linear' mode only supports": "Resize of two axes at most",
    "exclude_outside can be set": "exclude_outside of cubic resizing only",
    "padding values must be non-negative": "SAME padding where the stride exceeds the kernel",
    "block_size must be 0 for": "blocks whose scale is a single number",
    "Pad reflect: p": "reflecting pads no longer than what cropping leaves",
    "Dilation not supported for AutoPadType": "SAME padding of dilated convolutions",
}


def defects_in(graph: Graph) -> Iterator[Defect]:
    """The known defects that ops of the graph meet."""
    for op in graph.walk:
        for defect in DEFECTS:
            if isinstance(op, defect.classes) and defect.meets(op):
                yield defect


def limit_of(message: str) -> str | None:
    """The known limit that a refusal states; None for a refusal that is news."""
    return next((name for part, name in LIMITS.items() if part in message), None)


def rounds_attributes(graph: Graph) -> bool:
    """True when some op computes in float64 with a number that ONNX stores as float32."""
    return any(
        isinstance(number, float)
        for op in graph.walk
        if any(result.type.dtype is dtypes.f64 for result in op.results)
        for name in op.attribute_specs
        for number in _numbers(op.attribute(name))
    )


def _numbers(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
