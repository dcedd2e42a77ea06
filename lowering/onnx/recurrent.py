"""ONNX recurrent layers."""

from __future__ import annotations

from typing import Any

from edgec.ir import Value
from edgec.ir.ops import Gru, Lstm, Rnn, Transpose
from edgec.ir.ops.recurrent import Recurrent
from edgec.lowering.onnx.node import READERS, Node, Read, Unsupported
from edgec.lowering.onnx.writer import WRITERS, Writer

_SWAP = (1, 0, 2)  # batch first (ONNX layout 1) from and to time or direction first
_BATCH_SECOND = (2, 0, 1, 3)  # y of layout 1 from [T, D, B, H]


@READERS.rule("RNN")
def read_rnn(node: Node) -> Read:
    return _read(node, Rnn(*_operands(node, 6), **_attributes(node)))


@READERS.rule("GRU")
def read_gru(node: Node) -> Read:
    reset = bool(node.int("linear_before_reset", 0))
    return _read(node, Gru(*_operands(node, 6), linear_before_reset=reset, **_attributes(node)))


@READERS.rule("LSTM")
def read_lstm(node: Node) -> Read:
    operands = _operands(node, 8)
    op = Lstm(
        *operands[:6],
        c0=operands[6],
        p=operands[7],
        input_forget=bool(node.int("input_forget", 0)),
        **_attributes(node),
    )
    return _read(node, op)


def _operands(node: Node, count: int) -> list[Any]:
    """All operand slots, time and direction first."""
    operands = [node.input(index) for index in range(3)]
    operands += [node.optional(index) for index in range(3, count)]
    if node.int("layout", 0):
        for index in (0, 5, 6):  # x and the initial states
            value = operands[index] if index < count else None
            if value is not None:
                operands[index] = node.add(Transpose(value, perm=_SWAP)).result
    return operands


def _attributes(node: Node) -> dict[str, Any]:
    hidden = node.input(2).type.dims[-1]
    if not isinstance(hidden, int):
        raise Unsupported(f"the hidden size is computed at run time: r is {node.input(2).type}")
    return {
        "hidden": node.int("hidden_size", hidden),
        "direction": node.string("direction", "forward"),
        "activations": node.strings("activations", ()),
        "alphas": node.floats("activation_alpha", ()),
        "betas": node.floats("activation_beta", ()),
        "clip": node.float("clip", 0.0),
    }


def _read(node: Node, op: Recurrent) -> list[Value]:
    results = list(node.add(op).results)
    if not node.int("layout", 0):
        return results
    perms = (_BATCH_SECOND, _SWAP, _SWAP)
    return [
        node.add(Transpose(value, perm=perm)).result
        for value, perm in zip(results, perms, strict=False)
    ]


@WRITERS.rule(Rnn)
def write_rnn(op: Rnn, w: Writer) -> None:
    _write(op, w, "RNN")


@WRITERS.rule(Gru)
def write_gru(op: Gru, w: Writer) -> None:
    _write(op, w, "GRU", linear_before_reset=1 if op.linear_before_reset else None)


@WRITERS.rule(Lstm)
def write_lstm(op: Lstm, w: Writer) -> None:
    _write(op, w, "LSTM", input_forget=1 if op.input_forget else None)


def _write(op: Recurrent, w: Writer, op_type: str, **attributes: int | None) -> None:
    w.node(
        op_type,
        op.operands,
        op.results,
        hidden_size=op.hidden,
        direction=op.direction if op.direction != "forward" else None,
        activations=op.activations or None,
        activation_alpha=op.alphas or None,
        activation_beta=op.betas or None,
        clip=op.clip or None,
        **attributes,
    )
