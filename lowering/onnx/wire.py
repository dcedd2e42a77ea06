"""A model's bytes, weights streamed from where they lie: no second copy of them in memory.

What protobuf would write (Protocol Buffers, "Encoding"): fields in the order of their numbers, a
message as its length and its fields. Weights are the only large ones, so their messages are put
together here, piece by piece, between what protobuf writes of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO

import onnx
from onnx import TensorProto

from edgec.ir import Weight, pieces
from edgec.lowering.onnx.tensors import dtype_to_onnx, pack

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
_GRAPH = onnx.ModelProto.GRAPH_FIELD_NUMBER
_INITIALIZER = onnx.GraphProto.INITIALIZER_FIELD_NUMBER
_RAW_DATA = TensorProto.RAW_DATA_FIELD_NUMBER


def stream_model(model: onnx.ModelProto, weights: Mapping[str, Weight], file: IO[bytes]) -> None:
    """Write the model with these weights for its initializers.

    Args:
        model: has no initializers of its own.
    """
    before, after = _around(model.graph, _INITIALIZER)
    tensors = [(_head(name, weight), weight) for name, weight in weights.items()]
    sizes = [_tensor_size(head, weight) for head, weight in tensors]
    framed = [frame(_INITIALIZER, size) for size in sizes]
    total = len(before) + len(after) + sum(sizes) + sum(map(len, framed))
    shell = onnx.ModelProto()
    shell.CopyFrom(model)
    shell.ClearField("graph")
    first, last = _around(shell, _GRAPH)
    file.write(first + frame(_GRAPH, total) + before)
    for (head, weight), begin in zip(tensors, framed, strict=True):
        file.write(begin + head + frame(_RAW_DATA, weight.type.nbytes()))
        for piece in stored(weight):
            file.write(piece)
    file.write(after + last)


def stored(weight: Weight) -> Iterable[bytes | memoryview]:
    """The bytes of a weight as ONNX's raw data holds them, piece by piece."""
    if weight.dtype.bits < 8:
        return [pack(weight.stored, weight.dtype)]
    return pieces(weight.stored)


def _head(name: str, weight: Weight) -> bytes:
    """A tensor without its data: all its fields come before that."""
    tensor = TensorProto(name=name, data_type=dtype_to_onnx(weight.dtype))
    tensor.dims.extend(weight.stored.shape)
    return bytes(tensor.SerializeToString(deterministic=True))


def _tensor_size(head: bytes, weight: Weight) -> int:
    size = weight.type.nbytes()
    return len(head) + len(frame(_RAW_DATA, size)) + size


def _around(message: onnx.ModelProto | onnx.GraphProto, number: int) -> tuple[bytes, bytes]:
    """The fields of a message before that number, and those after it."""
    parts = []
    for wanted in (range(number), range(number + 1, 1 << 16)):
        part = type(message)()
        part.CopyFrom(message)
        for field, _ in message.ListFields():
            if field.number not in wanted:
                part.ClearField(field.name)
        parts.append(bytes(part.SerializeToString(deterministic=True)))
    return parts[0], parts[1]


def frame(number: int, length: int) -> bytes:
    """The tag of a field of bytes, and their number."""
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(length)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
