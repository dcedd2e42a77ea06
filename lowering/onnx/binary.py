"""ONNX's elementwise functions of two operands, its variadic ones, and Where."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir import Value
from edgec.ir.ops import (
    Add,
    And,
    Binary,
    BitAnd,
    BitOr,
    BitXor,
    Div,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Maximum,
    Minimum,
    Mod,
    Mul,
    Or,
    Pow,
    Shift,
    Sub,
    Where,
    Xor,
)
from edgec.lowering.onnx.binary_forms import write_floor_mod, write_signed_shift
from edgec.lowering.onnx.legacy import second_operand
from edgec.lowering.onnx.node import READERS, Node, ReadRule, Unsupported
from edgec.lowering.onnx.typed import typed_node
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Writer

NAMES: Mapping[type[Binary], str] = {
    Add: "Add",
    And: "And",
    BitAnd: "BitwiseAnd",
    BitOr: "BitwiseOr",
    BitXor: "BitwiseXor",
    Div: "Div",
    Equal: "Equal",
    Greater: "Greater",
    GreaterEqual: "GreaterOrEqual",
    Less: "Less",
    LessEqual: "LessOrEqual",
    Mul: "Mul",
    Or: "Or",
    Pow: "Pow",
    Sub: "Sub",
    Xor: "Xor",
}
VARIADIC: Mapping[str, type[Binary]] = {"Max": Maximum, "Min": Minimum, "Sum": Add, "Mean": Add}
FIRST_OPSETS.update(dict.fromkeys((BitAnd, BitOr, BitXor), lambda op: 18))


def _reader(cls: type[Binary]) -> ReadRule:
    def read(node: Node) -> Value:
        x, y = node.input(0), node.input(1)
        return node.add(cls(x, second_operand(node, x, y))).result

    return read


for _cls, _op_type in NAMES.items():
    READERS.rule(_op_type)(_reader(_cls))


@WRITERS.rule(*NAMES)
def write_binary(op: Binary, w: Writer) -> None:
    typed_node(w, NAMES[type(op)], [op.x, op.y], op.result)


@READERS.rule(*VARIADIC)
def read_variadic(node: Node) -> Value:
    """A chain of binary ops; one operand is its own result."""
    operands = node.present()
    if not operands:
        raise Unsupported("there are no operands")
    y = operands[0]
    for operand in operands[1:]:
        y = node.add(VARIADIC[node.op_type](y, operand)).result
    if node.op_type == "Mean" and len(operands) > 1:
        count = node.const(len(operands), y.type.dtype.numpy)
        y = node.add(Div(y, count)).result
    return y


@WRITERS.rule(Minimum, Maximum)
def write_extreme(op: Minimum | Maximum, w: Writer) -> None:
    typed_node(w, "Min" if isinstance(op, Minimum) else "Max", [op.x, op.y], op.result)


@READERS.rule("Mod")
def read_mod(node: Node) -> Value:
    return node.add(Mod(node.input(0), node.input(1), fmod=bool(node.int("fmod", 0)))).result


@WRITERS.rule(Mod)
def write_mod(op: Mod, w: Writer) -> None:
    if op.x.type.dtype.is_float and not op.fmod and w.opset < 28:
        write_floor_mod(op, w)
        return
    typed_node(w, "Mod", [op.x, op.y], op.result, fmod=1 if op.fmod else None)


@READERS.rule("BitShift")
def read_shift(node: Node) -> Value:
    direction = node.string("direction")
    if direction not in ("LEFT", "RIGHT"):
        raise Unsupported(f"direction {direction!r} is not one of ONNX's")
    return node.add(Shift(node.input(0), node.input(1), left=direction == "LEFT")).result


@WRITERS.rule(Shift)
def write_shift(op: Shift, w: Writer) -> None:
    if op.x.type.dtype.is_signed and w.opset < 28:
        write_signed_shift(op, w)
        return
    w.node("BitShift", [op.x, op.y], op.results, direction="LEFT" if op.left else "RIGHT")


FIRST_OPSETS[Shift] = lambda op: 18 if op.x.type.dtype.is_signed else 11


@READERS.rule("Where")
def read_where(node: Node) -> Value:
    return node.add(Where(node.input(0), node.input(1), node.input(2))).result


@WRITERS.rule(Where)
def write_where(op: Where, w: Writer) -> None:
    w.node("Where", [op.cond, op.x, op.y], op.results)
