"""The model as C++ that a firmware compiles: an array, the size of its arena, its operators."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edgec.ir import Code, Error, Kind

PER_LINE = 16
_BYTES = re.compile(r"0x([0-9a-f]{2})")


def identifier(stem: str) -> str:
    """A name for C++ from a file's."""
    name = re.sub(r"\W", "_", stem)
    return f"model_{name}" if not name or name[0].isdigit() else name


def source_text(name: str, header: str, data: bytes) -> str:
    """The .cc file: the array, aligned as the interpreter wants it."""
    lines = [
        ", ".join(f"0x{byte:02x}" for byte in data[start : start + PER_LINE])
        for start in range(0, len(data), PER_LINE)
    ]
    body = ",\n    ".join(lines)
    return (
        f'#include "{header}"\n\n'
        f"alignas(16) const unsigned char {name}_data[] = {{\n    {body}}};\n"
        f"const unsigned int {name}_size = {len(data)};\n"
    )


def header_text(name: str, arena: int, methods: Sequence[str], notes: Sequence[str]) -> str:
    """The .h file: declarations, the arena, and a function that registers the operators."""
    guard = f"{name.upper()}_H_"
    calls = "\n".join(f"  if (resolver.{method}() != kTfLiteOk) return kTfLiteError;"
                      for method in methods)  # fmt: skip
    comments = "\n".join(f"// {note}" for note in notes)
    return f"""{comments}
#ifndef {guard}
#define {guard}

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

extern const unsigned char {name}_data[];
extern const unsigned int {name}_size;

constexpr int {name}_arena_size = {arena};
using {name}_resolver = tflite::MicroMutableOpResolver<{len(methods)}>;

inline TfLiteStatus {name}_register({name}_resolver& resolver) {{
{calls}
  return kTfLiteOk;
}}

#endif  // {guard}
"""


def model_of(path: Path) -> bytes:
    """The bytes of the array in a .cc file. Raises Error when there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Error(Code.NO_FILE, f"cannot read {path}: {error}") from error
    data = bytes.fromhex("".join(_BYTES.findall(text)))
    if not data:
        raise Error(Kind.READ, f"{path} holds no array of bytes")
    return data
