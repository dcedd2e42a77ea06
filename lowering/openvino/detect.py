"""Non-maximum suppression."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Value, dtypes
from edgec.ir.ops import Nms
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer

_LOWEST = np.finfo(np.float32).min
_TINY = np.finfo(np.float32).tiny


@OPENVINO.rule(Nms)
def nms(op: Nms, w: Writer) -> Output:
    node = w.ops.non_max_suppression(
        w[op.boxes], w[op.scores],
        w.const(0, dtypes.i64) if op.max_output is None else w.reshaped(op.max_output, ()),
        _overlap(op.iou_threshold, w),
        w.const(_LOWEST, dtypes.f32) if op.score_threshold is None
        else w.reshaped(op.score_threshold, ()),
        box_encoding="center" if op.center_point_box else "corner",
        sort_result_descending=False,
    )  # fmt: skip
    return node.output(0)


def _overlap(threshold: Value | None, w: Writer) -> Output:
    """From this overlap on a box falls; ours falls above the threshold."""
    if threshold is not None and not isinstance(threshold, Constant):
        return w.ops.maximum(w.reshaped(threshold, ()), w.const(_TINY, dtypes.f32))
    given = np.float32(0 if threshold is None else threshold.array.item())
    return w.const(max(np.nextafter(given, np.float32(2)), _TINY), dtypes.f32)
