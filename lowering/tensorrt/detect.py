"""Non-maximum suppression."""

from __future__ import annotations

import numpy as np

from edgec.ir import Value, dtypes
from edgec.ir.ops import Nms
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer

_LOWEST = float(np.finfo(np.float32).min)


@limit(Nms)
def nms_limit(op: Nms) -> str | None:
    if op.boxes.type.static_dims is not None and op.scores.type.static_dims is not None:
        return None if op.scores.type.elements() else "there is nothing to suppress"
    return f"suppression is written with known dims, found {op.boxes.type} and {op.scores.type}"


@TENSORRT.rule(Nms)
def nms(op: Nms, w: Writer) -> Tensor:
    """The layer sorts the boxes of a batch entry by score over all classes. So each class is a
    batch entry of its own, and the rows come out by batch, class and score."""
    batch, classes, count = op.scores.type.static_dims or (0, 0, 0)
    entries = batch * classes
    scores = w.reshape(w[op.scores], (entries, count, 1))
    boxes = w.expand(w.reshape(w[op.boxes], (batch, 1, count, 4)), (batch, classes, count, 4))
    most = w.const(0, dtypes.i32) if op.max_output is None else _scalar(op.max_output, w)
    given = ((op.iou_threshold, 0.0), (op.score_threshold, _LOWEST))
    thresholds = [
        w.const(absent, dtypes.f32) if value is None else _scalar(value, w)
        for value, absent in given
    ]
    layer = w.net.add_nms(w.reshape(boxes, (entries, count, 4)), scores, w.cast(most, dtypes.i32))
    formats = w.trt.BoundingBoxFormat
    layer.bounding_box_format = formats.CENTER_SIZES if op.center_point_box else (
        formats.CORNER_PAIRS
    )  # fmt: skip
    for index, threshold in enumerate(thresholds, 3):
        layer.set_input(index, threshold)
    rows = w.cast(out(layer), dtypes.i64)
    entry, _, box = (_column(rows, i, w) for i in range(3))
    per_batch = w.const([[classes]], dtypes.i64)
    owner = w.binary("DIV", entry, per_batch)
    kind = w.binary("SUB", entry, w.binary("PROD", owner, per_batch))
    return w.concat([owner, kind, box], 1)


def _scalar(value: Value, w: Writer) -> Tensor:
    return w.reshape(w[value], ())


def _column(rows: Tensor, index: int, w: Writer) -> Tensor:
    size = w.listed([w.size(rows, 0), 1])
    return w.slice_computed(rows, w.ints([0, index]), size, w.ints([1, 1]))
