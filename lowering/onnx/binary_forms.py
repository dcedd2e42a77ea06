"""Binary ops that older opsets only express by several nodes."""

from __future__ import annotations

from edgec.ir import DType, dtypes
from edgec.ir.ops import Mod, Shift
from edgec.lowering.onnx.tensors import dtype_to_onnx
from edgec.lowering.onnx.typed import step
from edgec.lowering.onnx.writer import Operand, Writer

_UNSIGNED = {
    dtypes.i8: dtypes.u8,
    dtypes.i16: dtypes.u16,
    dtypes.i32: dtypes.u32,
    dtypes.i64: dtypes.u64,
}


def write_floor_mod(op: Mod, w: Writer) -> None:
    """fmod(x, y), plus y where that is not zero and has the other sign (opset 28 has Mod with
    fmod=0 for floats)."""
    zero = w.const(0, op.x.type.dtype)
    remainder = step(w, "Mod", [op.x, op.y], fmod=1)
    shifted = step(w, "Add", [remainder, op.y])
    signs = [step(w, "Less", [value, zero]) for value in (remainder, op.y)]
    whole = step(w, "Equal", [remainder, zero])
    keep = step(w, "Or", [whole, step(w, "Equal", signs)])
    w.node("Where", [keep, remainder, shifted], op.results)


def write_signed_shift(op: Shift, w: Writer) -> None:
    """By shifts of unsigned numbers (opset 28 has signed ones): a negative x is inverted before a
    shift to the right, and its result inverted back."""
    dtype = op.x.type.dtype
    unsigned = _UNSIGNED[dtype]
    amount = _cast(w, op.y, unsigned)
    if op.left:
        shifted = step(w, "BitShift", [_cast(w, op.x, unsigned), amount], direction="LEFT")
        w.node("Cast", [shifted], op.results, to=dtype_to_onnx(dtype))
        return
    negative = step(w, "Less", [op.x, w.const(0, dtype)])
    mask = step(w, "Mul", [_cast(w, negative, dtypes.i32), w.const(-1, dtypes.i32)])
    mask = _cast(w, mask, dtype)
    folded = _cast(w, step(w, "BitwiseXor", [op.x, mask]), unsigned)
    shifted = step(w, "BitShift", [folded, amount], direction="RIGHT")
    w.node("BitwiseXor", [_cast(w, shifted, dtype), mask], op.results)


def _cast(w: Writer, value: Operand, dtype: DType) -> str:
    return step(w, "Cast", [value], to=dtype_to_onnx(dtype))
