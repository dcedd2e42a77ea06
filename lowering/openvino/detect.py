"""Non-maximum suppression."""

from __future__ import annotations

from edgec.ir import Value, dtypes
from edgec.ir.ops import Nms
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(Nms)
def nms(op: Nms, w: Writer) -> Output:
    def given(value: Value | None, default: Output) -> Output:
        return default if value is None else w.ops.reshape(w[value], w.ints([]), False)

    node = w.ops.non_max_suppression(
        w[op.boxes], w[op.scores],
        given(op.max_output, w.const(0, dtypes.i64)),
        given(op.iou_threshold, w.const(0, dtypes.f32)),
        given(op.score_threshold, w.const(-3.4e38, dtypes.f32)),
        box_encoding="center" if op.center_point_box else "corner",
        sort_result_descending=False,
    )  # fmt: skip
    return node.output(0)
