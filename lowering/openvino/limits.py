"""What cannot be written for OpenVINO, said before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

from edgec.ir import Constant, DType, Finding, Graph, Op, Refusal, dtypes
from edgec.ir.ops import Dequantize
from edgec.lowering.openvino.table import LIMITS, OPENVINO
from edgec.lowering.openvino.writer import PACKED

_FOUR_BITS = "the CPU plugin computes on no element type of fewer than 8 bits"
_FLOAT8 = "the CPU plugin computes on no 8-bit floats"
_NOT_COMPUTED = {
    dtypes.f64: "the CPU plugin computes float64 as float32",
    dtypes.u64: "the CPU plugin computes uint64 as int32",
    dtypes.bf16: "the CPU plugin converts bfloat16 only where the processor has it",
    **dict.fromkeys((dtypes.i2, dtypes.u2, dtypes.i4, dtypes.u4, dtypes.f4e2m1), _FOUR_BITS),
    **dict.fromkeys((dtypes.f8e4m3fn, dtypes.f8e4m3fnuz, dtypes.f8e5m2, dtypes.f8e5m2fnuz,
                     dtypes.f8e8m0), _FLOAT8),
}  # fmt: skip


def check_expressible(graph: Graph) -> list[Finding]:
    """One finding per op that cannot be written, with the reason."""
    return [
        Finding(rule.why, where(op), rule.instead) for op in graph.walk for rule in _reasons(op)
    ]


def _reasons(op: Op) -> Iterator[Refusal]:
    rule = OPENVINO.get(type(op))
    if isinstance(rule, Refusal):
        yield rule
        return
    unknown = next((dtype for dtype in _dtypes(op) if dtype in _NOT_COMPUTED), None)
    if unknown is not None:
        yield Refusal(_NOT_COMPUTED[unknown], "cast to float32 or int32 before")
        return
    why = LIMITS[type(op)](op) if type(op) in LIMITS else None
    if why is not None:
        yield Refusal(why)


def _dtypes(op: Op) -> list[DType]:
    """Those that the plugin would compute on; constants of four bits it only expands."""
    values = [*op.present_operands, *op.results]
    if isinstance(op, Dequantize):
        values = [v for v in values if not (isinstance(v, Constant) and v.type.dtype in PACKED)]
    return [value.type.dtype for value in values]


def where(op: Op) -> str:
    """How a finding names the op."""
    return f"{op.op_name} from {', '.join(op.loc) or 'an unnamed node'}"
