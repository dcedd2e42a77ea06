"""Pooling over regions of interest."""

from __future__ import annotations

from edgec.ir.ops import MaxRoiPool, RoiAlign
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer


@limit(RoiAlign)
def roi_align_limit(op: RoiAlign) -> str | None:
    return None if op.mode == "avg" else "ROIAlign interpolates the largest sample, not its weights"


@OPENVINO.rule(RoiAlign)
def roi_align(op: RoiAlign, w: Writer) -> Output:
    return w.ops.roi_align(
        w[op.x], w[op.rois], w[op.batch_indices],
        pooled_h=op.size[0],
        pooled_w=op.size[1],
        sampling_ratio=op.ratio,
        spatial_scale=op.scale,
        mode=op.mode,
        aligned_mode="half_pixel_for_nn" if op.half_pixel else "asymmetric",
    )  # fmt: skip


@OPENVINO.rule(MaxRoiPool)
def max_roi_pool(op: MaxRoiPool, w: Writer) -> Output:
    return w.ops.roi_pooling(
        w[op.x], w[op.rois], output_roi=[*op.size], spatial_scale=op.scale, method="max"
    )
