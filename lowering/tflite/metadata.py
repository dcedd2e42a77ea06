"""What a file says of how it was made, read without the schema's package: four steps through the
flatbuffer (https://flatbuffers.dev/internals)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from struct import error as StructError
from struct import unpack_from
from typing import Any

from edgec.lowering.tflite.tensors import ENTRY

# Fields of tables in schema.fbs, by number.
MODEL_BUFFERS, MODEL_METADATA = 4, 6
METADATA_NAME, METADATA_BUFFER, BUFFER_DATA = 0, 1, 0


def said_of(content: bytes) -> dict[str, Any]:
    """The entry that edgec writes; empty for a file that another program made."""
    try:
        for name, data in _entries(content):
            if name == ENTRY.encode():
                found: dict[str, Any] = json.loads(data)
                return found
    except (StructError, ValueError):  # no flatbuffer: the interpreter says so
        return {}
    return {}


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    (model,) = unpack_from("<I", content, 0)
    buffers = list(_tables(content, model, MODEL_BUFFERS))
    for entry in _tables(content, model, MODEL_METADATA):
        place = _field(content, entry, METADATA_BUFFER)
        number = unpack_from("<I", content, place)[0] if place else 0
        yield _bytes(content, entry, METADATA_NAME), _bytes(content, buffers[number], BUFFER_DATA)


def _field(content: bytes, table: int, number: int) -> int:
    """Where a field of a table lies, 0 when it is absent."""
    vtable = table - unpack_from("<i", content, table)[0]
    slot = 4 + 2 * number
    (size,) = unpack_from("<H", content, vtable)
    offset = unpack_from("<H", content, vtable + slot)[0] if slot < size else 0
    return table + offset if offset else 0


def _vector(content: bytes, table: int, number: int) -> tuple[int, int]:
    """Where the elements of a vector begin, and how many there are."""
    place = _field(content, table, number)
    if not place:
        return 0, 0
    start = place + unpack_from("<I", content, place)[0]
    return start + 4, unpack_from("<I", content, start)[0]


def _tables(content: bytes, table: int, number: int) -> Iterator[int]:
    start, count = _vector(content, table, number)
    for place in range(start, start + 4 * count, 4):
        yield place + unpack_from("<I", content, place)[0]


def _bytes(content: bytes, table: int, number: int) -> bytes:
    start, count = _vector(content, table, number)
    return content[start : start + count]
