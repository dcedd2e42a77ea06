"""Dimensions as exporters write them: Python, SymPy and PyTorch expressions, or opaque names.

The text comes from models, which are untrusted: nothing is evaluated as code, and length, nesting
and the size of every intermediate value are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from edgec.ir.dim_algebra import (
    MAX_TEXT,
    Dim,
    DimError,
    DimExpr,
    dim_max,
    dim_min,
    symbol,
)

_MAX_DEPTH: Final = 64
_MAX_DIGITS: Final = 18
_MAX_EXPONENT: Final = 8
_MAX_INT: Final = 2**63

# `batch-size` is a name that someone typed; exporters put blanks around a minus between symbols.
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<hyphenated>[A-Za-z_]\w*-[A-Za-z_])"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|'(?P<quoted>(?:[^'\\]|\\.)+)'"
    r"|(?P<sign>\*\*|//|[-+*/%(),]))",
    re.ASCII,
)


class _NotAnExpression(ValueError):
    """The text follows no expression syntax known here, so that it can only be a name."""


class _Ratio(NamedTuple):
    """An exact quotient on its way into a floor or a ceiling."""

    over: Dim
    under: Dim

    def plus(self, other: _Ratio, sign: int) -> _Ratio:
        if self.under == other.under:
            return _Ratio(self.over + other.over * sign, self.under)
        scaled = self.over * other.under + other.over * self.under * sign
        return _Ratio(scaled, self.under * other.under)

    def times(self, other: _Ratio) -> _Ratio:
        return _Ratio(self.over * other.over, self.under * other.under)

    def divided_by(self, other: _Ratio) -> _Ratio:
        return _Ratio(self.over * other.under, self.under * other.over)

    def floor(self) -> _Ratio:
        return _Ratio(self.over // self.under, 1)

    def ceiling(self) -> _Ratio:
        return _Ratio(-(-self.over // self.under), 1)

    def whole(self) -> Dim:
        if self.over % self.under != 0:
            raise _NotAnExpression(f"{self.over} over {self.under} is not an integer")
        return self.over // self.under


def _modulo(a: _Ratio, b: _Ratio) -> _Ratio:
    return _Ratio(a.whole() % b.whole(), 1)


def _floor_divide(a: _Ratio, b: _Ratio) -> _Ratio:
    return a.divided_by(b).floor()


def _largest(*ratios: _Ratio) -> _Ratio:
    return _Ratio(dim_max(*(ratio.whole() for ratio in ratios)), 1)


def _smallest(*ratios: _Ratio) -> _Ratio:
    return _Ratio(dim_min(*(ratio.whole() for ratio in ratios)), 1)


# Names as SymPy, torch.utils._sympy.functions and our own printer write them, in lower case.
_FUNCTIONS: Final[dict[str, tuple[int | None, Callable[..., _Ratio]]]] = {
    "floor": (1, _Ratio.floor),
    "floortoint": (1, _Ratio.floor),
    "ceil": (1, _Ratio.ceiling),
    "ceiling": (1, _Ratio.ceiling),
    "ceiltoint": (1, _Ratio.ceiling),
    "floordiv": (2, _floor_divide),
    "cleandiv": (2, _floor_divide),
    "inttruediv": (2, _Ratio.divided_by),
    "mod": (2, _modulo),
    "pythonmod": (2, _modulo),
    "max": (None, _largest),
    "min": (None, _smallest),
}

_BINARY: Final[dict[str, Callable[[_Ratio, _Ratio], _Ratio]]] = {
    "*": _Ratio.times,
    "/": _Ratio.divided_by,
    "//": _floor_divide,
    "%": _modulo,
}


@lru_cache(4096)
def parse_dim(text: str) -> Dim:
    """The dimension that text denotes; a text that is no expression is one opaque symbol.

    A true division outside of a floor or a ceiling rounds down. Raises DimError if text is empty,
    not printable or too long to be a name.

    >>> parse_dim("floor(height/2 - 1/2) + 1"), parse_dim("p2o.DynamicDimension.3")
    ((height + 1)//2, 'p2o.DynamicDimension.3')
    """
    text = text.strip()
    if len(text) > MAX_TEXT:
        raise DimError(f"a dimension wants at most {MAX_TEXT} characters, found {len(text)}")
    try:
        dim = _Parser(text).parse()
    except (_NotAnExpression, DimError, ZeroDivisionError):
        return symbol(text)
    return dim if isinstance(dim, DimExpr) or 0 <= dim < _MAX_INT else symbol(text)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        kind = match and match.lastgroup
        if match is None or kind is None or kind == "hyphenated":
            raise _NotAnExpression(f"no symbol, number or operator at {text[position:]!r}")
        found.append((kind, match[kind]))
        position = match.end()
    return [*found, ("end", "")]


class _Parser:
    """Recursive descent with Python's precedence; each method consumes what it returns."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def parse(self) -> Dim:
        ratio = self._sum()
        if self._tokens[self._next][0] != "end":
            raise _NotAnExpression("the expression ends before the text")
        return ratio.over // ratio.under

    def _take(self, *signs: str) -> str | None:
        kind, text = self._tokens[self._next]
        if kind != "sign" or text not in signs:
            return None
        self._next += 1
        return text

    def _expect(self, sign: str) -> None:
        if self._take(sign) is None:
            raise _NotAnExpression(f"{sign!r} is missing")

    def _sum(self) -> _Ratio:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _NotAnExpression(f"more than {_MAX_DEPTH} nested parentheses")
        total = self._product()
        while sign := self._take("+", "-"):
            total = total.plus(self._product(), 1 if sign == "+" else -1)
        self._depth -= 1
        return total

    def _product(self) -> _Ratio:
        product = self._signed()
        while sign := self._take(*_BINARY):
            product = _BINARY[sign](product, self._signed())
        return product

    def _signed(self) -> _Ratio:
        negative = False
        while sign := self._take("+", "-"):
            negative ^= sign == "-"
        ratio = self._power()
        return _Ratio(-ratio.over, ratio.under) if negative else ratio

    def _power(self) -> _Ratio:
        base = self._operand()
        if self._take("**") is None:
            return base
        kind, digits = self._advance()
        if kind != "number" or not digits.isdigit() or int(digits[:_MAX_DIGITS]) > _MAX_EXPONENT:
            raise _NotAnExpression(f"an exponent wants an integer up to {_MAX_EXPONENT}")
        power = _Ratio(1, 1)
        for _ in range(int(digits)):
            power = power.times(base)
            if isinstance(power.over, int) and abs(power.over) >= _MAX_INT:
                raise _NotAnExpression("the power exceeds 64 bits")
        return power

    def _advance(self) -> tuple[str, str]:
        self._next += 1
        return self._tokens[self._next - 1]

    def _operand(self) -> _Ratio:
        if self._take("("):
            inner = self._sum()
            self._expect(")")
            return inner
        kind, text = self._advance()
        if kind == "number" and len(text) <= _MAX_DIGITS:
            return _Ratio(*Fraction(text).as_integer_ratio())
        if kind == "quoted":
            return _Ratio(symbol(re.sub(r"\\(.)", r"\1", text)), 1)
        if kind != "name":
            raise _NotAnExpression(f"an operand is missing at {text!r}")
        return self._call(text) if self._take("(") else _Ratio(symbol(text), 1)

    def _call(self, name: str) -> _Ratio:
        arity, function = _FUNCTIONS.get(name.lower(), (0, _Ratio.floor))
        args = [self._sum()]
        while self._take(","):
            args.append(self._sum())
        self._expect(")")
        if arity not in (None, len(args)):
            raise _NotAnExpression(f"{name} of {len(args)} operands is unknown")
        return function(*args)
