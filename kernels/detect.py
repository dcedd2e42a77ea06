"""Kernels that finish object detection."""

from __future__ import annotations

from edgec.ir import Array
from edgec.ir.ops import Nms
from edgec.kernels.table import KERNELS


@KERNELS.rule(Nms)
def nms(
    op: Nms,
    boxes: Array,
    scores: Array,
    max_output: Array | None,
    iou_threshold: Array | None,
    score_threshold: Array | None,
) -> Array:
    from edgec.kernels.loops import nms as loops  # numba is imported on first need

    return loops.non_max_suppression(
        boxes,
        scores,
        0 if max_output is None else int(max_output.reshape(())),
        0.0 if iou_threshold is None else float(iou_threshold.reshape(())),
        None if score_threshold is None else float(score_threshold.reshape(())),
        op.center_point_box,
    )
