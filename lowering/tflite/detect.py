"""Non-maximum suppression, class by class."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Dim, Value, dtypes, known_ints
from edgec.ir.ops import Nms
from edgec.lowering.tflite.legalize import binary, scaled
from edgec.lowering.tflite.shapes import cropped, joined, reshaped
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

_TINY = np.finfo(np.float32).tiny
_NEXT = float(np.nextafter(np.float32(1), np.float32(2)))  # times a number: one or two above it
MOST_LISTS = 256  # one operator for each batch entry and class


@TFLITE.rule(Nms)
def nms(op: Nms, w: Writer) -> Tensor:
    boxes, scores = w[op.boxes], w[op.scores]
    known = scores.static_dims
    limit = (0,) if op.max_output is None else known_ints(op.max_output)
    if known is None:
        raise Unwritable("NMS is written with known numbers of boxes and classes", PIN)
    batch, classes, count = known
    most = count if limit is None else min(limit[0], count)
    if not most or not batch * classes:
        return w.copy(w.const(np.zeros((0, 3), np.int64)))
    if batch * classes > MOST_LISTS:
        raise Unwritable(f"{batch * classes} lists of boxes, {MOST_LISTS} at most",
                         "end the model before the suppression")  # fmt: skip
    corners = _corners(op, boxes, w)
    asked = w[op.max_output] if limit is None and op.max_output is not None else None
    rows = [
        _rows(op, corners, scores, (b, k), most, asked, w)
        for b in range(batch)
        for k in range(classes)
    ]
    y = joined(rows, 0, w) if len(rows) > 1 else rows[0]
    y.dims = op.result.type.dims
    return w.cast(y, dtypes.i64)


def _corners(op: Nms, boxes: Tensor, w: Writer) -> Tensor:
    if not op.center_point_box:
        return boxes
    dims = (*boxes.dims[:2], 2)
    x_y, size = (cropped(boxes, (0, 0, begin), dims, w) for begin in (0, 2))
    half = scaled(size, 0.5, w)
    low, high = binary("SUB", x_y, half, w), binary("ADD", x_y, half, w)
    return joined([low, high], 2, w)


def _rows(
    op: Nms,
    boxes: Tensor,
    scores: Tensor,
    at: tuple[int, int],
    most: int,
    asked: Tensor | None,
    w: Writer,
) -> Tensor:
    """(batch, class, box) of the boxes of one list that survive; the first ``asked``, a number that
    is computed, of all."""
    b, k = at
    count = scores.dims[2]
    own = reshaped(cropped(boxes, (b, 0, 0), (1, count, 4), w), (count, 4), w)
    each = reshaped(cropped(scores, (b, k, 0), (1, 1, count), w), (count,), w)
    chosen, valid = w.ops(
        "NON_MAX_SUPPRESSION_V4",
        [own, each, w.const(most, dtypes.i32), _overlap(op.iou_threshold, w),
         _threshold(op.score_threshold, float(np.finfo(np.float32).min), w)],
        [((most,), dtypes.i32), ((), dtypes.i32)],
    )  # fmt: skip
    left = w.const(np.broadcast_to([b, k], (most, 2)), dtypes.i32)
    rows = joined([left, reshaped(chosen, (most, 1), w)], 1, w)
    valid = reshaped(valid, (1,), w)
    if asked is not None:
        wanted = reshaped(w.cast(asked, dtypes.i32), (1,), w)
        valid = binary("MINIMUM", valid, binary("MAXIMUM", wanted, w.ints([0]), w), w)
    shape = w.op("CONCATENATION", valid, w.ints([3]), dims=(2,), axis=0)
    open_dims: tuple[Dim, ...] = (op.result.type.dims[0], 3)
    return w.op("SLICE", rows, w.ints([0, 0]), shape, dims=open_dims)


def _overlap(threshold: Value | None, w: Writer) -> Tensor:
    """From this overlap on a box falls; ours falls above the threshold."""
    if threshold is not None and not isinstance(threshold, Constant):
        above = scaled(reshaped(w[threshold], (), w), _NEXT, w)
        return binary("MAXIMUM", above, w.const(_TINY, dtypes.f32), w)
    given = np.float32(0 if threshold is None else threshold.array.item())
    return w.const(max(np.nextafter(given, np.float32(2)), _TINY), dtypes.f32)


def _threshold(value: Value | None, default: float, w: Writer) -> Tensor:
    if value is None:
        return w.const(default, dtypes.f32)
    if isinstance(value, Constant):
        return w.const(value.array.reshape(()))
    return reshaped(w[value], (), w)
