"""A model file, parsed without its large weights: these stay where they lie.

The message says of each that it is external data, in the file of the model itself, which is what
ONNX allows and the reader maps. So no weight is copied to be read, and no page of it is touched.
See Protocol Buffers, "Encoding": a message is its fields, one after the other in any order, and a
field that repeats at the end of a message is merged with what came before.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from edgec.lowering.onnx.node import Unsupported
from edgec.lowering.onnx.tensors import inside
from edgec.lowering.onnx.wire import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, frame

LARGE = 1 << 12  # bytes of a weight: a page
LARGE_FILE = 1 << 20

_Parts: TypeAlias = list["bytes | memoryview"]
_Messages: TypeAlias = Mapping[int, "_Messages | None"]
"""The fields of a message that hold messages to look into, by number; None for tensors."""

_NODE: dict[int, _Messages | None] = {}
_GRAPH: _Messages = {
    GraphProto.NODE_FIELD_NUMBER: _NODE,
    GraphProto.INITIALIZER_FIELD_NUMBER: None,
}
_NODE[NodeProto.ATTRIBUTE_FIELD_NUMBER] = {
    AttributeProto.T_FIELD_NUMBER: None,
    AttributeProto.G_FIELD_NUMBER: _GRAPH,
}
_MODEL: _Messages = {ModelProto.GRAPH_FIELD_NUMBER: _GRAPH}
_EXTERNAL = {TensorProto.EXTERNAL_DATA_FIELD_NUMBER, TensorProto.DATA_LOCATION_FIELD_NUMBER}


def parse_mapped(path: Path) -> ModelProto | None:
    """The model in a file; None where the file is small, or is not one to be mapped: what is wrong
    with it is for the parser to say."""
    try:
        if inside(path.parent, path.name).stat().st_size < LARGE_FILE:
            return None
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        parts = _Scan(data, os.fsdecode(path.name)).message(0, len(data), _MODEL)
        return None if parts is None else ModelProto.FromString(b"".join(parts))
    except (Unsupported, OSError, DecodeError, _Malformed):
        return None


class _Malformed(Exception):
    """The bytes are not a message."""


class _Scan:
    """Looks for weights in a model's bytes, at the places where ONNX has them."""

    def __init__(self, data: memoryview, name: str) -> None:
        self.data = data
        self.name = name

    def message(self, begin: int, end: int, messages: _Messages) -> _Parts | None:
        """The bytes of a message without the large weights in it; None when there are none."""
        parts: _Parts = []
        kept = begin
        for number, first, start, stop in self._fields(begin, end):
            if stop - start < LARGE or number not in messages:
                continue
            inner = messages[number]
            found = self._tensor(start, stop) if inner is None else self.message(start, stop, inner)
            if found is not None:
                parts += [self.data[kept:first], frame(number, sum(map(len, found))), *found]
                kept = stop
        return [*parts, self.data[kept:end]] if parts else None

    def _tensor(self, begin: int, end: int) -> _Parts | None:
        """A tensor that refers to its data; None where it is small, or said in another way."""
        fields = list(self._fields(begin, end))
        raw = [field for field in fields if field[0] == TensorProto.RAW_DATA_FIELD_NUMBER]
        if len(raw) != 1 or any(number in _EXTERNAL for number, *_ in fields):
            return None
        ((_, first, start, stop),) = raw
        if stop - start < LARGE:
            return None
        place = TensorProto(data_location=TensorProto.EXTERNAL)
        said = {"location": self.name, "offset": start, "length": stop - start}
        for key, value in said.items():
            place.external_data.add(key=key, value=str(value))
        return [self.data[begin:first], self.data[stop:end], place.SerializeToString()]

    def _fields(self, begin: int, end: int) -> list[tuple[int, int, int, int]]:
        """Of each field its number, where it begins, and where its content begins and ends."""
        data, found, at = self.data, [], begin
        try:
            while at < end:
                first = at
                tag, at = _varint(data, at)
                start = at
                kind = tag & 7
                if kind == LENGTH_DELIMITED:
                    size, start = _varint(data, at)
                    at = start + size
                elif kind == VARINT:
                    _, at = _varint(data, at)
                elif kind in (FIXED32, FIXED64):
                    at += 4 if kind == FIXED32 else 8
                else:
                    raise _Malformed
                found.append((tag >> 3, first, start, at))
        except IndexError as error:
            raise _Malformed from error
        if at != end:
            raise _Malformed
        return found


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    found, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, at + 1
        shift += 7
        if shift > 63:
            raise _Malformed
