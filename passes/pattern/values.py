"""Patterns for values: anything, constants, numbers, names, alternatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgec.ir import Constant, Op, Value
from edgec.passes.pattern.match import Match, Miss


class ValuePattern:
    """Matches a value. Subclasses implement ``match_value``."""

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        raise NotImplementedError

    @property
    def producers(self) -> frozenset[type[Op]]:
        """Op classes of which one must produce the value; empty when anything may."""
        return frozenset()

    @property
    def wants_constant(self) -> bool:
        """True when the rule is not about any value but a constant here."""
        return False

    def __matmul__(self, name: str) -> ValuePattern:
        return _Captured(self, name)


_ABSENT = Miss("an operand is absent", near=True)
_NO_CONSTANT = Miss("an operand is not a constant", near=True)
_NO_NUMBER = Miss("an operand is not a constant of one repeated number", near=True)
_FAR = Miss("another rule's constant")


@dataclass(frozen=True)
class _Any(ValuePattern):
    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        return None if value is not None else _ABSENT


@dataclass(frozen=True)
class _Const(ValuePattern):
    near: bool = True

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        if isinstance(value, Constant):
            return None
        return _NO_CONSTANT if self.near else _FAR

    @property
    def wants_constant(self) -> bool:
        return not self.near


@dataclass(frozen=True)
class _Scalar(ValuePattern):
    number: float | None
    rtol: float

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        found = uniform(value)
        if found is None:
            return _NO_NUMBER
        if self.number is None or found == self.number:
            return None
        if abs(found - self.number) <= self.rtol * abs(self.number):
            return None
        return Miss(f"a constant is {found:g}, not {self.number:g}", near=True)


@dataclass(frozen=True)
class _Maybe(ValuePattern):
    inner: ValuePattern

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        return None if value is None else self.inner.match_value(value, match)


@dataclass(frozen=True)
class _Captured(ValuePattern):
    inner: ValuePattern
    name: str

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        miss = self.inner.match_value(value, match)
        if miss is None:
            match.captures[self.name] = value
        return miss

    @property
    def producers(self) -> frozenset[type[Op]]:
        return self.inner.producers

    @property
    def wants_constant(self) -> bool:
        return self.inner.wants_constant


@dataclass(frozen=True)
class _Var(ValuePattern):
    name: str

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        if value is None:
            return Miss(f"operand {self.name} is absent", near=True)
        bound = match.captures.setdefault(self.name, value)
        if bound is value or same_constant(bound, value):
            return None
        return Miss(f"two operands that should both be {self.name} differ", near=True)


@dataclass(frozen=True)
class _Either(ValuePattern):
    options: tuple[ValuePattern, ...]

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        misses: list[Miss] = []
        for option in self.options:
            state = match.snapshot()
            miss = option.match_value(value, match)
            if miss is None:
                return None
            match.restore(state)
            misses.append(miss)
        return next((miss for miss in misses if miss.near), misses[0])

    @property
    def producers(self) -> frozenset[type[Op]]:
        each = [option.producers for option in self.options]
        return frozenset[type[Op]]().union(*each) if all(each) else frozenset()


@dataclass(frozen=True)
class _Same(ValuePattern):
    name: str

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        op = match.get(self.name)
        if op is not None and value is op.results[0]:
            return None
        return Miss(f"an operand is not the result of {self.name}")


ANY: ValuePattern = _Any()
CONST: ValuePattern = _Const()


def var(name: str) -> ValuePattern:
    """Any value; the same value (or an equal constant) wherever the name appears again."""
    return _Var(name)


def same(name: str) -> ValuePattern:
    """The result of the op that was captured under that name before."""
    return _Same(name)


def const(name: str, near: bool = True) -> ValuePattern:
    """A constant, captured under a name. ``near=False`` for a rule that is about constants: another
    operand is then no near miss of it."""
    return _Const(near) @ name


def scalar(number: float | None = None, rtol: float = 0.0) -> ValuePattern:
    """A constant all of whose elements are that number (any number for None). A relative
    tolerance is for numbers that exporters round, such as 1/sqrt(2)."""
    return _Scalar(number, rtol)


def maybe(inner: ValuePattern) -> ValuePattern:
    """An optional operand: absent, or matching."""
    return _Maybe(inner)


def either(*options: ValuePattern) -> ValuePattern:
    """The first alternative that matches."""
    return _Either(options)


def alternatives(pattern: ValuePattern, value: Value | None) -> tuple[ValuePattern, ...]:
    """The patterns of which one must match the value, names and options taken off."""
    if isinstance(pattern, _Captured):
        return alternatives(pattern.inner, value)
    if isinstance(pattern, _Maybe):
        return (ANY,) if value is None else alternatives(pattern.inner, value)
    if isinstance(pattern, _Either):
        return tuple(p for option in pattern.options for p in alternatives(option, value))
    return (pattern,)


def uniform(value: Value | None) -> float | None:
    """The number that a constant repeats, None when it is no such constant."""
    if not isinstance(value, Constant) or value.array.size == 0:
        return None
    flat = value.array.reshape(-1)
    first = flat[0]
    if flat[-1] != first or (flat.size > 1 and not bool(np.all(flat == first))):
        return None
    return float(first)


def same_constant(a: Value, b: Value) -> bool:
    """True for two constants of one type with equal bytes."""
    return (
        isinstance(a, Constant)
        and isinstance(b, Constant)
        and a.type == b.type
        and a.weight.same_as(b.weight)
    )
