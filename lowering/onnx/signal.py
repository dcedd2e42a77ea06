"""ONNX's spectra."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from edgec.ir import Value
from edgec.ir.ops import Dft, MelWeightMatrix, Reshape, Stft
from edgec.ir.ops.common import normalized_axis
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.tensors import dtype_from_onnx, dtype_to_onnx
from edgec.lowering.onnx.typed import typed_node
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Operand, Writer

FIRST_OPSETS[Dft] = lambda op: 20 if op.inverse and op.onesided else 17


@READERS.rule("DFT")
def read_dft(node: Node) -> Value:
    """The axis is an attribute before opset 20, an input since then."""
    x = node.input(0)
    if node.opset < 20:
        axis = node.int("axis", 1)
    else:
        axis = -2 if node.optional(2) is None else node.constant_ints(2, "axis")[0]
    op = Dft(
        x,
        node.optional(1),
        axis=normalized_axis(axis, x.type.rank),
        inverse=bool(node.int("inverse", 0)),
        onesided=bool(node.int("onesided", 0)),
    )
    return node.add(op).result


@WRITERS.rule(Dft)
def write_dft(op: Dft, w: Writer) -> None:
    inputs: list[Operand] = [op.x, op.length]
    flags = {"inverse": 1 if op.inverse else None, "onesided": 1 if op.onesided else None}
    if w.opset < 20:
        typed_node(w, "DFT", inputs, op.result, axis=op.axis, **flags)
        return
    axis = None if op.axis == op.x.type.rank - 2 else w.const(np.int64(op.axis), hint="axis")
    typed_node(w, "DFT", [*inputs, axis], op.result, **flags)


@READERS.rule("STFT")
def read_stft(node: Node) -> Value:
    signal = node.input(0)
    if signal.type.rank == 2:  # real numbers without their axis of 1: PyTorch writes them so
        signal = node.add(Reshape(signal, to=(*signal.type.dims, 1))).result
    op = Stft(
        signal,
        node.input(1),
        node.optional(2),
        node.optional(3),
        onesided=bool(node.int("onesided", 1)),
    )
    return node.add(op).result


@WRITERS.rule(Stft)
def write_stft(op: Stft, w: Writer) -> None:
    """The flag is always said: onnx's shape inference takes its absence for 0."""
    operands = [op.signal, op.step, op.window, op.length]
    typed_node(w, "STFT", operands, op.result, onesided=int(op.onesided))


@READERS.rule("MelWeightMatrix")
def read_mel_weight_matrix(node: Node) -> Value:
    dtype = dtype_from_onnx(node.int("output_datatype", TensorProto.FLOAT))
    bands, length, sample_rate, low, high = (node.input(index) for index in range(5))
    return node.add(MelWeightMatrix(bands, length, sample_rate, low, high, dtype=dtype)).result


@WRITERS.rule(MelWeightMatrix)
def write_mel_weight_matrix(op: MelWeightMatrix, w: Writer) -> None:
    operands = [op.bands, op.length, op.sample_rate, op.low, op.high]
    w.node("MelWeightMatrix", operands, op.results, output_datatype=dtype_to_onnx(op.dtype))
