"""Ops that finish object detection."""

from __future__ import annotations

import numpy as np

from edgec.ir import dtypes
from edgec.ir.dims import ANY
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import require_dim, require_rank
from edgec.ir.sampling import Sampler
from edgec.ir.types import TensorType
from edgec.ir.value import Value


class Nms(Op, name="detect.nms"):
    """y = rows (batch, class, box) of the boxes that survive greedy non-maximum suppression, per
    batch and class, best score first

    ``boxes`` is f32[N, B, 4], corners y, x, y, x (or center x, y, width, height), ``scores`` is
    f32[N, K, B]. Of each class at most ``max_output`` (i64, 0 when absent) boxes stay, with a
    score above ``score_threshold``; a box falls when its intersection over union with a better one
    exceeds ``iou_threshold`` (0 when absent) (ONNX NonMaxSuppression-11).
    """

    boxes: Value = operand()
    scores: Value = operand()
    max_output: Value | None = operand(default=None)
    iou_threshold: Value | None = operand(default=None)
    score_threshold: Value | None = operand(default=None)
    center_point_box: bool = attr(default=False)

    def infer(self) -> Types:
        require_rank(self.boxes, 3, "boxes")
        require_rank(self.scores, 3, "scores")
        boxes, scores = self.boxes.type.dims, self.scores.type.dims
        require_dim(boxes[2], 4, "the last dim of boxes")
        require_dim(scores[0], boxes[0], "the batch of scores")
        require_dim(scores[2], boxes[1], "the number of boxes of scores")
        for value in (self.max_output, self.iou_threshold, self.score_threshold):
            if value is not None and value.type.elements() != 1:
                raise OpError(f"max_output and thresholds want one element, found {value.type}")
        return (TensorType(dtypes.i64, (ANY, 3)),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        batch, classes, count = draw.integer(1, 2), draw.integer(1, 3), draw.integer(0, 8)
        most = draw.choice((None, draw.const(np.asarray(draw.integer(0, 5)))))
        return cls(
            draw.value(dtypes.f32, (batch, count, 4), low=0, high=4),
            draw.value(dtypes.f32, (batch, classes, count), low=0, high=1),
            most,
            draw.choice((None, draw.const(np.asarray([0.3], np.float32)))),
            draw.choice((None, draw.const(np.asarray([0.4], np.float32)))),
            center_point_box=draw.chance(),
        )
