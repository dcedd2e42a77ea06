"""Reading the text form (see ``printer.py``) back into a graph.

In hand-written text the type after ``:`` may be left out (it is inferred), an operand may be given
by position instead of by name, and a constant may be given by its type alone where it is first
read, ``w=@w[4,3,3,3]``: it is then filled with numbers that depend on its name only. An output
without a name gets that of its value.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from edgec.ir.collector import collector_paused
from edgec.ir.dims import DimError, parse_dim
from edgec.ir.dtypes import DType, dtype_named, f32
from edgec.ir.graph import Graph
from edgec.ir.op import Op, OpError, op_classes
from edgec.ir.printer import is_number
from edgec.ir.rewriter import Rewriter
from edgec.ir.tokens import Tokens
from edgec.ir.types import Quant, TensorType
from edgec.ir.value import Constant, Range, Value
from edgec.ir.weight import Array

MAX_ELEMENTS = 1 << 31  # of one constant written by its type alone
_MAX_NESTING = 60

Typed: TypeAlias = tuple[TensorType, Range | None]


def parse_graph(text: str, weights: Mapping[str, Array] | None = None) -> Graph:
    """The graph that a text describes.

    Args:
        text: one graph in the text form.
        weights: arrays by digest, for constants that the text names by digest.

    Raises:
        Error: with the line and what was expected there.
    """
    parser = _Parser(text, weights or {})
    try:
        with collector_paused():
            return parser.whole()
    except (OpError, DimError, ValueError, KeyError, OverflowError, TypeError) as error:
        # TypeError: a word of another kind where a number is wanted
        parser.fail(str(error), cause=error)


class _Parser(Tokens):
    def __init__(self, text: str, weights: Mapping[str, Array]) -> None:
        self.weights = weights
        self.values: dict[str, Value] = {}
        self.own: list[str] = []  # defined in the region being read
        self.depth = 0
        super().__init__(text)

    # -- graphs and ops ---------------------------------------------------------------------------

    def whole(self) -> Graph:
        graph = self.graph(None)
        if self.kind != "end":
            self.wanted("the end of the text")
        return graph

    def graph(self, enclosing: Graph | None) -> Graph:
        self.nest()
        self.expect("graph")
        name = self.name() if self.token != "(" else "graph"
        graph = Graph(name, enclosing=enclosing)
        rewriter = Rewriter(graph)
        outside = self.own
        self.own = []
        self.expect("(")
        while not self.accept(")"):
            sigil = self.sigil()
            self.expect(":")
            value = self.define(sigil, rewriter.add_input(_hint(sigil), self.type()))
            value.range = self.range()
            self.accept(",")
        self.expect("{")
        while not self.accept("}"):
            if graph.is_finished:
                self.wanted("'}' after the return")
            self.statement(graph, rewriter)
        if not graph.is_finished:
            self.fail(f"graph {name!r} has no return")
        for sigil in self.own:  # what a region defines is not seen outside
            del self.values[sigil]
        self.own = outside
        self.depth -= 1
        return graph

    def nest(self) -> None:
        self.depth += 1
        if self.depth > _MAX_NESTING:
            self.fail(f"the text is nested more than {_MAX_NESTING} deep")

    def statement(self, graph: Graph, rewriter: Rewriter) -> None:
        if self.kind == "name" and self.token == "meta":
            self.advance()
            key = self.string()
            self.expect("=")
            graph.metadata[key] = self.string()
        elif self.kind == "sigil" and self.token[0] == "@":
            self.declaration()
        elif self.kind == "name" and self.token == "return":
            self.return_statement(graph, rewriter)
        else:
            self.op(graph, rewriter)

    def declaration(self) -> None:
        sigil = self.sigil()
        self.expect(":")
        type = self.type()
        self.expect("=")
        if self.kind != "digest":
            self.wanted("sha256:…")
        digest = self.advance().removeprefix("sha256:")
        if digest not in self.weights:
            self.fail(f"no weights with digest {digest[:12]}… were given for {sigil}")
        constant = Constant(self.weights[digest], hint=_hint(sigil), type=type)
        if constant.weight.digest != digest:
            self.fail(f"the weights given for {sigil} do not have the digest that the text states")
        stored = constant.weight.type
        if (type.dtype, type.dims) != (stored.dtype, stored.dims):
            self.fail(f"{sigil} is declared {type}, its data is {stored}")
        self.define(sigil, constant)

    def return_statement(self, graph: Graph, rewriter: Rewriter) -> None:
        self.expect("return")
        values: list[Value] = []
        names: list[str] = []
        while self.kind != "end" and self.token != "}":
            name = ""
            if self.kind in ("name", "string", "number") and not self.at_inline_constant():
                name = self.name()
                self.expect("=")
            values.append(self.value())
            names.append(name)
            if not self.accept(","):
                break
        if graph.outer is None:
            names = [name or value.hint for name, value in zip(names, values, strict=True)]
        rewriter.finish(values, names if any(names) else ())

    def op(self, graph: Graph, rewriter: Rewriter) -> None:
        results: list[str] = []
        while self.kind == "sigil":
            results.append(self.sigil())
            self.accept(",")
        if results:
            self.expect("=")
        op_name = self.name()
        cls = op_classes().get(op_name)
        if cls is None:
            self.fail(f"there is no op {op_name!r}")
        operands, attributes = self.arguments(cls)
        regions: list[Graph] = []
        if self.accept("{"):
            while not self.accept("}"):
                regions.append(self.graph(graph))
        types: list[Typed] = []
        while self.accept("," if types else ":"):
            types.append((self.type(), self.range()))
        self.finish_op(rewriter, cls, operands, attributes, regions, types, results)

    def finish_op(
        self,
        rewriter: Rewriter,
        cls: type[Op],
        operands: dict[str, Any],
        attributes: dict[str, Any],
        regions: list[Graph],
        types: list[Typed],
        results: list[str],
    ) -> None:
        made = cls(
            **operands,
            **attributes,
            regions=regions,
            loc=self.locations(),
            hints=[_hint(sigil) for sigil in results],
        )
        if len(results) != len(made.results):
            self.fail(f"{cls.op_name} has {len(made.results)} results, found {len(results)}")
        if types and len(types) != len(made.results):
            self.fail(f"{cls.op_name} has {len(made.results)} results, found {len(types)} types")
        for result, (declared, range) in zip(made.results, types, strict=False):
            if not result.type.compatible(declared):
                self.fail(f"{cls.op_name} gives {result.type}, the text says {declared}")
            result.type = declared
            result.range = range
        rewriter.add(made)
        for sigil, result in zip(results, made.results, strict=True):
            self.define(sigil, result)

    def arguments(self, cls: type[Op]) -> tuple[dict[str, Any], dict[str, Any]]:
        operands: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        names = [spec.name for spec in cls.operand_specs]
        positional = 0
        while self.kind in ("sigil", "name") or self.token == "[":
            if self.at_named_argument():
                name = self.advance()
                self.expect("=")
            elif self.kind == "name" and not self.at_inline_constant():
                break
            else:
                if positional >= len(names):
                    self.fail(f"{cls.op_name} takes {len(names)} operands")
                name = names[positional]
                positional += 1
            if name in names:
                operands[name] = self.operand()
            else:
                attributes[name] = self.attribute()
            if not self.accept(","):
                break
        return operands, attributes

    def operand(self) -> Any:
        if not self.accept("["):
            return self.value()
        values: list[Value | None] = []
        while not self.accept("]"):
            values.append(None if self.accept("_") else self.value())
            self.accept(",")
        return values

    def value(self) -> Value:
        if self.kind == "name":
            return self.inline_constant()
        sigil = self.sigil()
        # A colon after a constant that is known is that of the op's result types.
        known = sigil in self.values
        typed = sigil[0] == "@" and (self.token == "[" or (self.token == ":" and not known))
        type = self.placeholder_type() if typed else None
        if sigil in self.values:
            return self.values[sigil]
        if type is None:
            self.fail(f"{sigil} is used before it is defined")
        return self.define(sigil, self.placeholder(sigil, type))

    def placeholder_type(self) -> TensorType:
        dtype = dtype_named(self.name()) if self.accept(":") else f32
        return TensorType(dtype, self.dims(), self.quant())

    def placeholder(self, sigil: str, type: TensorType) -> Constant:
        dims = type.static_dims
        if dims is None or type.elements() > MAX_ELEMENTS:
            self.fail(f"the type of {sigil} is not that of a constant")
        rng = np.random.default_rng(zlib.crc32(sigil.encode()))
        drawn = rng.uniform(0.25, 1.0, dims) * rng.choice((-1.0, 1.0), dims)
        if not type.dtype.is_float:
            low, high = type.dtype.limits
            drawn = np.clip(np.round(drawn * 8), low, high)
        return Constant(drawn.astype(type.dtype.numpy), hint=_hint(sigil), type=type)

    # -- pieces ---------------------------------------------------------------------------------

    def inline_constant(self) -> Constant:
        type = self.type()
        dims = type.static_dims
        if dims is None:
            self.fail("a constant has integer dims only")
        self.expect("(")
        elements: list[Any] = []
        while not self.accept(")"):
            elements.append(self.scalar())
            self.accept(",")
        if len(elements) != type.elements():
            self.fail(f"{type} has {type.elements()} elements, found {len(elements)}")
        source = np.array(elements, dtype=object if type.dtype.is_integer else None)
        return Constant(source.astype(type.dtype.numpy).reshape(dims), type=type)

    def attribute(self) -> Any:
        if self.accept("["):
            self.nest()
            items: list[Any] = []
            while not self.accept("]"):
                items.append(self.attribute())
                self.accept(",")
            self.depth -= 1
            return tuple(items)
        return self.scalar()

    def scalar(self) -> Any:
        if self.kind == "string":
            return self.string()
        if self.kind == "dim":
            return parse_dim(self.advance()[1:-1])
        if self.kind == "number":
            text = self.advance()
            return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)
        word = self.name()
        words: dict[str, Any] = {"true": True, "false": False, "none": None}
        words |= {"inf": float("inf"), "nan": float("nan")}
        return words[word] if word in words else dtype_named(word)

    def type(self) -> TensorType:
        dtype: DType = dtype_named(self.name())
        return TensorType(dtype, self.dims(), self.quant())

    def quant(self) -> Quant | None:
        if not (self.kind == "name" and self.token == "q"):
            return None
        self.advance()
        self.expect("(")
        scale = self.bars()
        self.expect(",")
        points = self.bars()
        self.expect(",")
        low = int(self.scalar())
        self.expect(",")
        high = int(self.scalar())
        axis = None
        if self.accept(","):
            self.expect("axis")
            self.expect("=")
            axis = int(self.scalar())
        self.expect(")")
        return Quant(tuple(map(float, scale)), tuple(map(int, points)), axis, low, high)

    def range(self) -> Range | None:
        if not (self.kind == "name" and self.token == "in"):
            return None
        self.advance()
        self.expect("(")
        low = float(self.scalar())
        self.expect(",")
        high = float(self.scalar())
        self.expect(")")
        return Range(low, high)

    def bars(self) -> list[Any]:
        items = [self.scalar()]
        while self.accept("|"):
            items.append(self.scalar())
        return items

    def locations(self) -> tuple[str, ...]:
        if not (self.kind == "name" and self.token == "loc"):
            return ()
        self.advance()
        self.expect("(")
        names: list[str] = []
        while not self.accept(")"):
            names.append(self.string())
            self.accept(",")
        return tuple(names)

    def define(self, sigil: str, value: Value) -> Value:
        if sigil in self.values:
            self.fail(f"{sigil} is defined twice")
        self.values[sigil] = value
        if sigil[0] == "%":
            self.own.append(sigil)
        return value


def _hint(sigil: str) -> str:
    """The name behind a sigil; a number only counts as one when it was quoted."""
    name = sigil[1:]
    if name.startswith('"'):
        return str(json.loads(name))
    return "" if is_number(name) else name
