"""ONNX recurrent layers."""

from __future__ import annotations

from typing import Any

from edgec.ir import Value
from edgec.ir.ops import Gru, Lstm, Rnn, Transpose
from edgec.ir.ops.recurrent import Recurrent
from edgec.lowering.onnx.node import READERS, AtRunTime, Node, Read
from edgec.lowering.onnx.typed import first_opset
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Writer

FIRST_OPSETS[Rnn] = lambda op: first_opset("RNN", op.operands)
FIRST_OPSETS[Gru] = lambda op: first_opset("GRU", op.operands)
FIRST_OPSETS[Lstm] = lambda op: first_opset("LSTM", op.operands)

_SWAP = (1, 0, 2)  # batch first (ONNX layout 1) from and to time or direction first
_BATCH_SECOND = (2, 0, 1, 3)  # y of layout 1 from [T, D, B, H]


@READERS.rule("RNN")
def read_rnn(node: Node) -> Read:
    x, w, r, b, lens, h0 = _operands(node)
    return _results(node, Rnn(x, w, r, b, lens, h0, **_attributes(node)))


@READERS.rule("GRU")
def read_gru(node: Node) -> Read:
    x, w, r, b, lens, h0 = _operands(node)
    reset = bool(node.int("linear_before_reset", 0))
    op = Gru(x, w, r, b, lens, h0, linear_before_reset=reset, **_attributes(node))
    return _results(node, op)


@READERS.rule("LSTM")
def read_lstm(node: Node) -> Read:
    x, w, r, b, lens, h0 = _operands(node)
    c0, p = _time_first(node, node.optional(6)), node.optional(7)
    forget = bool(node.int("input_forget", 0))
    op = Lstm(x, w, r, b, lens, h0, c0=c0, p=p, input_forget=forget, **_attributes(node))
    return _results(node, op)


_Six = tuple[Value, Value, Value, Value | None, Value | None, Value | None]


def _operands(node: Node) -> _Six:
    """What the three layers share, time and direction first."""
    x = _time_first(node, node.input(0))
    assert x is not None
    w, r, b, lens = node.input(1), node.input(2), node.optional(3), node.optional(4)
    return x, w, r, b, lens, _time_first(node, node.optional(5))


def _time_first(node: Node, value: Value | None) -> Value | None:
    """The input or a state; layout 1 has the batch first."""
    if value is None or not node.int("layout", 0):
        return value
    return node.add(Transpose(value, perm=_SWAP)).result


def _attributes(node: Node) -> dict[str, Any]:
    hidden = node.int("hidden_size") if node.has("hidden_size") else node.input(2).type.dims[-1]
    if not isinstance(hidden, int):
        raise AtRunTime(f"the hidden size is computed at run time: r is {node.input(2).type}")
    return {
        "hidden": hidden,
        "direction": node.string("direction", "forward"),
        "activations": node.strings("activations", ()),
        "alphas": node.floats("activation_alpha", ()),
        "betas": node.floats("activation_beta", ()),
        "clip": node.float("clip", 0.0),
    }


def _results(node: Node, op: Recurrent) -> list[Value]:
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


def _write(op: Recurrent, w: Writer, op_type: str, **attributes: Any) -> None:
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
