"""Products as patterns: factors in any order and any grouping, and one number.

x * (1 + erf(x / sqrt 2)) / 2 is written (x * 0.5) * (…), x * (… * 0.5), x * … / 2, and so on.
``product(var("x"), …, factor=0.5)`` matches all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from edgec.ir import Op, Value
from edgec.ir.ops import Div, Mul
from edgec.passes.fuse.channels import spacing
from edgec.passes.pattern import Match, Miss, RootPattern, ValuePattern, uniform

_LARGEST = 8  # ops that a product may consist of


@dataclass
class _Product:
    """A tree of Mul and Div: its number, its other factors, and the ops inside it."""

    number: float
    factors: list[Value]
    interior: list[Op]

    def multiply(self, value: Value) -> None:
        constant = uniform(value) if value.producer is None else None
        if constant is not None and value.type.elements() == 1:
            self.number *= constant
        elif value.use_count == 1 and type(value.producer) in (Mul, Div) and self.has_room:
            assert value.producer is not None
            self.interior.append(value.producer)
            self.open(value.producer)
        else:
            self.factors.append(value)

    @property
    def has_room(self) -> bool:
        return len(self.interior) < _LARGEST

    def open(self, op: Op) -> None:
        assert isinstance(op, (Mul, Div))
        self.multiply(op.x)
        divisor = uniform(op.y) if isinstance(op, Div) else None
        if isinstance(op, Mul):
            self.multiply(op.y)
        elif divisor:
            self.number /= divisor
        else:
            self.number = 0.0  # a quotient of two values is no product


@dataclass(frozen=True)
class ProductPattern(RootPattern):
    """Matches the last op of a product; see ``product``."""

    wanted: tuple[ValuePattern, ...]
    factor: float
    classes: tuple[type[Op], ...] = (Mul, Div)

    def operand_patterns(self) -> tuple[ValuePattern, ...]:
        return ()  # any op may produce an operand: the factors stand at any depth

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        producer = None if value is None else value.producer
        if producer is None or type(producer) not in self.classes:
            return Miss("another op stands there")
        miss = self.match_op(producer, match)
        if miss is None:
            match.interior.append(producer)
        return miss

    def match_op(self, op: Op, match: Match) -> Miss | None:
        if not op.result.type.dtype.is_float:
            return Miss("the product is not one of floats")
        found = _Product(1.0, [], [])
        found.open(op)
        if len(found.factors) != len(self.wanted):
            return Miss("another number of factors")
        rarest = self.wanted[0]
        if isinstance(rarest, RootPattern) and not any(
            type(factor.producer) in rarest.classes for factor in found.factors
        ):
            return Miss("another op stands there")
        if not is_rounded(found.number, self.factor, op.result):
            return Miss(f"the factor is {found.number:g}, not {self.factor:g}")
        return self._assign(found, match)

    def _assign(self, found: _Product, match: Match) -> Miss | None:
        """Try the factors in every order."""
        state = match.snapshot()
        worst: Miss | None = None
        for factors in permutations(found.factors):
            miss = self._in_order(factors, match)
            if miss is None:
                match.interior.extend(found.interior)
                return None
            match.restore(state)
            worst = miss if worst is None or miss.near else worst
        return worst

    def _in_order(self, factors: tuple[Value, ...], match: Match) -> Miss | None:
        for pattern, value in zip(self.wanted, factors, strict=True):
            miss = pattern.match_value(value, match)
            if miss is not None:
                return miss
        return None


def product(*factors: ValuePattern, factor: float = 1.0) -> ProductPattern:
    """A product of floats: these factors and a number (1 when absent), multiplied and divided in
    any order. Patterns that say more come first."""
    return ProductPattern(factors, factor)


@dataclass(frozen=True)
class _Number(ValuePattern):
    number: float

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        found = uniform(value)
        if found is None or value is None:
            return Miss("an operand is no number", near=True)
        if is_rounded(found, self.number, value):
            return None
        return Miss(f"a constant is {found:g}, not {self.number:g}", near=True)


def number(wanted: float) -> ValuePattern:
    """A constant that repeats a number, as its element type rounds it."""
    return _Number(wanted)


def is_rounded(found: float, wanted: float, like: Value) -> bool:
    """True when they differ by a few roundings in the element type of ``like``."""
    dtype = like.type.dtype
    return dtype.is_float and abs(found - wanted) <= 4 * spacing(dtype) * abs(wanted)
