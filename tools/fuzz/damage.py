"""Random damage: to bytes, to the fields of a message, and to the words of a text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

INTS = (
    -(2**63),
    -(2**31),
    -2,
    -1,
    0,
    1,
    2,
    3,
    7,
    255,
    10**6,
    2**31 - 1,
    2**31,
    2**40,
    2**62,
    2**63 - 1,
)
FLOATS = (float("nan"), float("inf"), float("-inf"), -1e30, 1e38, 1e-45, -1.0, -0.0, 0.0, 0.5, 3e9)
STRINGS = (
    "", "?", "-1", "a//0", "((((", "max(", "N*N*N", "a%b", "2**99", "\x00", "…", "../w",
    "SAME_UPPER", "VALID", "linear", "cubic", "reflect", "bij,bjk->bik", "i->", "...,...->",
)  # fmt: skip
WORDS = (
    "nan", "inf", "-inf", "-1", "0", "9223372036854775807", "-9223372036854775808", "1e39",
    "99999999999999999999999999", "f32", "i64", "bool", "u4", "f8e5m2", "q(0.5,0,-128,127)",
    "[", "]", "(", ")", "{", "}", ",", "=", ":", "@w", "%0", "`N`", "`N//0`", "none", "true",
    "graph", "return", "[1,1,1]", "[2147483647,2147483647]", '"x"', 'loc("a")',
    "i64[1](4611686018427387904)", "i64[2](2147483647,2147483647)",
)  # fmt: skip
_WORD = re.compile(r"\"[^\"\n]*\"|[%@]?[\w.]+|\s+|.")

Change: TypeAlias = Callable[[Any, random.Random], None]


# -- bytes --------------------------------------------------------------------------------------


def damaged_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, the end cut off, a part repeated elsewhere, removed, or set to one value."""
    data = bytearray(content)
    begin, at = rng.randrange(len(data)), rng.randrange(len(data))
    end = begin + rng.choice((1, 4, 30, 200))
    kind = rng.randrange(5)
    if kind == 0:
        for _ in range(rng.choice((1, 1, 3, 10))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[begin:]
    elif kind == 2:
        data[at:at] = data[begin:end]
    elif kind == 3:
        del data[begin:end]
    else:
        data[begin:end] = bytes([rng.choice((0, 0x7F, 0x80, 0xFF))]) * len(data[begin:end])
    return bytes(data)


# -- messages -----------------------------------------------------------------------------------

# Where damage says most: the rest of a model is names and documentation.
_LIKELY = {"graph": 12, "node": 8, "attribute": 3, "op_type": 2, "input": 3, "output": 2,
           "initializer": 3, "type": 3, "dims": 3, "value_info": 0.2, "doc_string": 0.1,
           "metadata_props": 0.1, "opset_import": 0.5}  # fmt: skip


def damaged_message(message: Any, rng: random.Random, op_types: Sequence[str]) -> Any:
    """A copy with one to four fields changed, anywhere."""
    copied = type(message)()
    copied.CopyFrom(message)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _damage(copied, copied, rng, op_types)
    return copied


def _damage(root: Any, message: Any, rng: random.Random, op_types: Sequence[str]) -> None:
    fields = [field for field, _ in message.ListFields()]
    if not fields or rng.random() < 0.05:
        fields = list(message.DESCRIPTOR.fields)
    field = rng.choices(fields, [_LIKELY.get(f.name, 1.0) for f in fields])[0]
    if field.message_type is None:
        _change_scalars(root, message, field, rng, op_types)
    elif not field.is_repeated:
        if rng.random() < 0.05:
            message.ClearField(field.name)
        else:
            _damage(root, getattr(message, field.name), rng, op_types)
    else:
        items = getattr(message, field.name)
        if not items or rng.random() < 0.25:
            _rearrange(root, items, rng)
        else:
            _damage(root, items[rng.randrange(len(items))], rng, op_types)


def _change_scalars(
    root: Any, message: Any, field: Any, rng: random.Random, op_types: Sequence[str]
) -> None:
    if not field.is_repeated:
        before = getattr(message, field.name)
        if rng.random() < 0.1:
            message.ClearField(field.name)
        else:
            setattr(message, field.name, _scalar(root, field, before, rng, op_types))
        return
    items = list(getattr(message, field.name))
    kind = rng.randrange(4)
    at = rng.randrange(len(items) + 1)
    if kind == 0:
        items.insert(at, _scalar(root, field, items[0] if items else None, rng, op_types))
    elif kind == 1:
        del items[at:]
    elif items:
        at = rng.randrange(len(items))
        items[at] = _scalar(root, field, items[at], rng, op_types)
    del getattr(message, field.name)[:]
    getattr(message, field.name).extend(items)


def _scalar(root: Any, field: Any, before: Any, rng: random.Random, op_types: Sequence[str]) -> Any:
    """Another value of the field's type."""
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    if field.name == "op_type":
        return rng.choice(op_types)
    if field.cpp_type == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return damaged_bytes(before, rng) if before else rng.choice(STRINGS).encode()
        return rng.choice((*STRINGS[:6], *_names(root, rng)))
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return rng.choice(FLOATS)
    small = field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32)
    number = rng.choice(INTS[4:12] if small else INTS)
    unsigned = field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64)
    return abs(number) if unsigned else rng.choice((number, rng.randrange(30)))


def _names(root: Any, rng: random.Random) -> list[str]:
    """Names of values of the model: one that is read where it is not there yet makes a cycle."""
    nodes = root.graph.node
    drawn = [nodes[rng.randrange(len(nodes))] for _ in range(6)] if nodes else []
    names = [name for node in drawn for name in (*node.input, *node.output)]
    return [*names, *(info.name for info in root.graph.input), "nowhere"]


def _rearrange(root: Any, items: Any, rng: random.Random) -> None:
    """One item of a repeated field dropped, doubled, moved, or made of another's parts."""
    if not items:
        items.add()
        return
    first, second = (rng.randrange(len(items)) for _ in range(2))
    kind = rng.randrange(4)
    if kind == 0:
        del items[first]
    elif kind == 1:
        items.add().CopyFrom(items[first])
    elif kind == 2:
        kept = type(items[first])()
        kept.CopyFrom(items[first])
        items[first].CopyFrom(items[second])
        items[second].CopyFrom(kept)
    else:
        items[first].MergeFrom(items[second])


# -- texts --------------------------------------------------------------------------------------


def damaged_text(text: str, rng: random.Random) -> str:
    """Words replaced, dropped, doubled or swapped; lines moved; or bytes as in any file."""
    if rng.random() < 0.1:
        return damaged_bytes(text.encode(), rng).decode(errors="replace")
    words = _WORD.findall(text)
    for _ in range(rng.choice((1, 1, 2, 4))):
        first, second = rng.randrange(len(words)), rng.randrange(len(words))
        kind = rng.randrange(5)
        if kind < 2:
            words[first] = rng.choice(WORDS)
        elif kind == 2:
            words[first] = ""
        elif kind == 3:
            words[first] = words[second]
        else:
            words.insert(first, words[second])
    return "".join(words)
