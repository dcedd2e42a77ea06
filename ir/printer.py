"""The text form of a graph (``.eir``): one op per line, stable, and ``parser.py`` reads it back.

    graph tiny(%x: f32[N,3,8,8]) {
      @w: f32[4,3,3,3] = sha256:…
      %c = nn.conv %x, w=@w, pads=[1,1,1,1] : f32[N,4,8,8] loc("conv1")
      return y=%c
    }

A constant of up to eight elements stands inline, ``i64[2](1,-1)``; larger ones are declared at the
top with their digest, and their data lives in a sidecar (see ``storage.py``). ``in(-1.5,2.0)``
after a type is the range that calibration recorded. The *brief* form, for
tests and reading, leaves digests and locations out and gives a constant's type where it is read:
``w=@w[4,3,3,3]``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from edgec.ir.dims import DimExpr
from edgec.ir.dtypes import DType, f32
from edgec.ir.graph import Graph, Return
from edgec.ir.op import Op
from edgec.ir.types import TensorType
from edgec.ir.value import Constant, Value

INLINE_ELEMENTS = 8
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.$/-]*\Z")
_INDENT = "  "


def print_graph(graph: Graph, *, brief: bool = False) -> str:
    """The text of a graph, without a final newline."""
    return "\n".join(_Printer(brief).graph_lines(graph, 0, top=True))


def print_op(op: Op) -> str:
    """One op on one line, as error messages and traces show it."""
    printer = _Printer(brief=True)
    return "\n".join(printer.op_lines(op, 0))


class _Printer:
    def __init__(self, brief: bool) -> None:
        self.brief = brief
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.suffixes: dict[str, int] = {}
        self.unnamed = 0

    def graph_lines(self, graph: Graph, depth: int, *, top: bool) -> Iterator[str]:
        pad = _INDENT * depth
        inputs = ", ".join(f"{self.define_input(v)}: {typed_text(v)}" for v in graph.inputs)
        yield f"{pad}graph {_quoted(graph.name)}({inputs}) {{"
        if top and not self.brief:
            for key, text in sorted(graph.metadata.items()):
                yield f"{pad}{_INDENT}meta {json.dumps(key)} = {json.dumps(text)}"
            for constant in graph.constants:
                if not is_inline(constant):
                    yield f"{pad}{_INDENT}{self.declared(constant)}"
        for op in graph._all_ops:
            yield from self.op_lines(op, depth + 1)
        yield f"{pad}}}"

    def op_lines(self, op: Op, depth: int) -> Iterator[str]:
        pad = _INDENT * depth
        if isinstance(op, Return):
            yield f"{pad}{self.return_text(op)}"
            return
        head = self.head(op)
        tail = " : " + ", ".join(map(typed_text, op.results)) if op.results else ""
        if op.loc and not self.brief:
            tail += " loc(" + ", ".join(json.dumps(name) for name in op.loc) + ")"
        if not op.regions:
            yield f"{pad}{head}{tail}"
            return
        yield f"{pad}{head} {{"
        for region in op.regions:
            yield from self.graph_lines(region, depth + 1, top=False)
        yield f"{pad}}}{tail}"

    def head(self, op: Op) -> str:
        arguments = list(self.operand_texts(op))
        arguments += [
            f"{name}={attribute_text(op.attributes[name])}"
            for name in op.attribute_specs
            if name in op.attributes
        ]
        text = f"{op.op_name} {', '.join(arguments)}".rstrip()
        if not op.results:
            return text
        return f"{', '.join([self.define(r) for r in op.results])} = {text}"

    def operand_texts(self, op: Op) -> Iterator[str]:
        values = op.operands
        for index, spec in enumerate(op.operand_specs):
            if spec.kind == "variadic":
                inner = ", ".join("_" if v is None else self.use(v) for v in values[index:])
                text = f"[{inner}]"
            else:
                value = values[index]
                if value is None:
                    continue
                text = self.use(value)
            yield text if index == 0 else f"{spec.name}={text}"

    def return_text(self, op: Return) -> str:
        names = op.names if len(op.names) == len(op.values) else ("",) * len(op.values)
        outputs = [
            f"{_quoted(name)}={self.use(value)}" if name else self.use(value)
            for name, value in zip(names, op.values, strict=True)
        ]
        return f"return {', '.join(outputs)}".rstrip()

    def use(self, value: Value) -> str:
        if not isinstance(value, Constant):
            return self.define(value)
        if is_inline(value):
            return inline_text(value)
        if self.brief:
            dtype = "" if value.type.dtype is f32 else f":{value.type.dtype.name}"
            dims = str(value.type)[len(value.type.dtype.name) :]
            return f"{self.define(value)}{dtype}{dims}"
        return self.define(value)

    def declared(self, constant: Constant) -> str:
        return f"{self.define(constant)}: {constant.type} = sha256:{constant.weight.digest}"

    def define(self, value: Value) -> str:
        name = self.names.get(value)
        if name is None:
            sigil = "@" if isinstance(value, Constant) else "%"
            name = self.names[value] = sigil + _quoted(self.unique(value.hint, sigil))
        return name

    def define_input(self, value: Value) -> str:
        """An input's name is the user's, even when it is a number: only then it is quoted."""
        if is_number(value.hint):
            self.names[value] = f"%{json.dumps(value.hint)}"
        return self.define(value)

    def unique(self, hint: str, sigil: str) -> str:
        if not hint or is_number(hint):
            while sigil + str(self.unnamed) in self.taken:
                self.unnamed += 1
            name = str(self.unnamed)
        else:
            name = hint
            while sigil + name in self.taken:
                self.suffixes[sigil + hint] = self.suffixes.get(sigil + hint, 0) + 1
                name = f"{hint}.{self.suffixes[sigil + hint]}"
        self.taken.add(sigil + name)
        return name


def is_number(name: str) -> bool:
    """True for what stands in the text for a value without a name: %0, %1, …"""
    return name.isascii() and name.isdigit()


def is_inline(constant: Constant) -> bool:
    """True when the constant's data stands in the text itself."""
    return constant.type.elements() <= INLINE_ELEMENTS and constant.type.quant is None


def inline_text(constant: Constant) -> str:
    elements = ",".join(scalar_text(item) for item in constant.array.reshape(-1))
    return f"{constant.type}({elements})"


def scalar_text(item: Any) -> str:
    """One element, exactly: floats in the shortest form that reads back the same."""
    if item.dtype.kind == "b":
        return "true" if item else "false"
    if item.dtype.kind in "iu" or "int" in item.dtype.name:
        return str(int(item))
    return float_text(float(item))


def float_text(number: float) -> str:
    if math.isnan(number):
        return "nan"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return repr(number)


def typed_text(value: Value) -> str:
    """The type of a value, and its range once calibration recorded one."""
    if value.range is None:
        return str(value.type)
    return f"{value.type} in({value.range.low!r},{value.range.high!r})"


def attribute_text(value: Any) -> str:
    """An attribute value as the parser reads it back."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, tuple):
        return "[" + ",".join(attribute_text(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, DimExpr):
        return f"<{value}>"
    if isinstance(value, DType):
        return value.name
    if isinstance(value, TensorType):
        return str(value)
    return str(value)


def _quoted(name: str) -> str:
    return name if is_number(name) or PLAIN_NAME.match(name) else json.dumps(name)
