"""What cannot go to TensorRT, said before the builder starts."""

from __future__ import annotations

from collections.abc import Iterator

from edgec.ir import DType, Finding, Graph, Op, Refusal, Value, dtypes
from edgec.ir.ops import Cast, Dequantize, Nms, NonZero, Quantize
from edgec.lowering.tensorrt.runtime import package_name
from edgec.lowering.tensorrt.table import LIMITS, TENSORRT

# "has no runners that implement it", version 1.7.
LACKED_BY_RTX: frozenset[type[Op]] = frozenset({Nms, NonZero})
COMPUTED = (dtypes.f32, dtypes.f16, dtypes.bf16, dtypes.i32, dtypes.i64, dtypes.boolean)


def check_expressible(graph: Graph) -> list[Finding]:
    """One finding per op, input or output that cannot go there, with the reason."""
    found = [
        Finding(rule.why, where(op), rule.instead) for op in graph.walk for rule in _reasons(op)
    ]
    return [*found, *_at_the_edges(graph)]


def _reasons(op: Op) -> Iterator[Refusal]:
    rule = TENSORRT.get(type(op))
    if isinstance(rule, Refusal):
        yield rule
        return
    if type(op) in LACKED_BY_RTX and package_name() == "tensorrt_rtx":
        yield Refusal("TensorRT-RTX has no kernel for it", "TensorRT, which has (--package DIR)")
        return
    unknown = next((d for d in _dtypes(op) if d not in _allowed(op)), None)
    if unknown is not None:
        yield Refusal(_why_not(unknown), "cast to float32 or int32 before")
        return
    why = LIMITS[type(op)](op) if type(op) in LIMITS else None
    if why is not None:
        yield Refusal(why)


def _allowed(op: Op) -> tuple[DType, ...]:
    """8-bit integers only come and go; 4-bit and quantized ones are left to the rules."""
    if isinstance(op, (Quantize, Dequantize)):
        return dtypes.ALL
    return (*COMPUTED, dtypes.u8, dtypes.i8) if isinstance(op, Cast) else COMPUTED


def _why_not(dtype: DType) -> str:
    if dtype in (dtypes.i8, dtypes.u8):
        return f"TensorRT only converts {dtype.name}, or reads it as quantized: it computes floats"
    return f"TensorRT has no arithmetic on {dtype.name}"


def _dtypes(op: Op) -> list[DType]:
    return [value.type.dtype for value in (*op.present_operands, *op.results)]


def _at_the_edges(graph: Graph) -> Iterator[Finding]:
    """Inputs and outputs may also be 8-bit integers."""
    ends = [("input", value.hint, value) for value in graph.inputs]
    ends += [("output", n, v) for n, v in zip(graph.output_names, graph.outputs, strict=True)]
    for kind, name, value in ends:
        why = _end_limit(value)
        if why is not None:
            yield Finding(why, f"{kind} {name!r}")


def _end_limit(value: Value) -> str | None:
    dtype = value.type.dtype
    if dtype in COMPUTED or dtype in (dtypes.i8, dtypes.u8):
        return None
    return f"TensorRT passes no {dtype.name} in or out"


def where(op: Op) -> str:
    """How a finding names the op."""
    return f"{op.op_name} from {', '.join(op.loc) or 'an unnamed node'}"
