"""Patterns: match, check, build.

A pattern is written as the ops it replaces, last op first:

    class FuseMulAdd(Pattern):
        '''x * 1 + y  ->  x + y'''
        match = node(Add, node(Mul, var("x"), scalar(1.0)) @ "mul", var("y")) @ "add"

        def build(self, m: Match, rw: Rewriter) -> Value:
            return rw.add(m.add.copy(x=m.x)).result

Patterns are *closed*: an attribute that is not mentioned must hold its default, an optional operand
that is not mentioned must be absent, and nothing outside the match may read an interior op. What
breaks only such a rule is a near miss, counted with its reason: a missed fusion, never a wrong
model. ``attrs=CARRY`` admits any attributes; ``build`` then starts from ``m.op.copy(…)``, which
carries every one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgec.ir import Commutative, Constant, Op, Rewriter, Value


@dataclass(frozen=True)
class Miss:
    """Why a pattern does not apply. ``near`` when every op was the right one."""

    reason: str
    near: bool = False


ELSEWHERE = ""  # what a check returns for ops that its rule is not about


class Match:
    """What a pattern captured: ops and values by the names given with ``@`` and ``var``, the last
    op also as ``root``."""

    def __init__(self) -> None:
        self.captures: dict[str, Any] = {}
        self.interior: list[Op] = []

    def __getattr__(self, name: str) -> Any:
        try:
            return self.captures[name]
        except KeyError:
            raise AttributeError(f"the pattern captures no {name!r}") from None

    def get(self, name: str) -> Any:
        """A capture that only some alternatives make; None when this one did not."""
        return self.captures.get(name)

    def snapshot(self) -> tuple[dict[str, Any], int]:
        return dict(self.captures), len(self.interior)

    def restore(self, state: tuple[dict[str, Any], int]) -> None:
        self.captures = dict(state[0])
        del self.interior[state[1] :]


class ValuePattern:
    """Matches a value. Subclasses implement ``match_value``."""

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        raise NotImplementedError

    def __matmul__(self, name: str) -> ValuePattern:
        return _Captured(self, name)


@dataclass(frozen=True)
class _Any(ValuePattern):
    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        return None if value is not None else Miss("an operand is absent", near=True)


@dataclass(frozen=True)
class _Const(ValuePattern):
    near: bool = True

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        if isinstance(value, Constant):
            return None
        return Miss("an operand is not a constant", near=self.near)


@dataclass(frozen=True)
class _Scalar(ValuePattern):
    number: float | None
    rtol: float

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        found = uniform(value)
        if found is None:
            return Miss("an operand is not a constant of one repeated number", near=True)
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


ANY: ValuePattern = _Any()
CONST: ValuePattern = _Const()


class _Carry:
    """``attrs=CARRY``: any attributes, which ``build`` carries over."""


CARRY = _Carry()


def var(name: str) -> ValuePattern:
    """Any value; the same value (or an equal constant) wherever the name appears again."""
    return _Var(name)


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


class RootPattern(ValuePattern):
    """A pattern that may stand at the root of a rule.

    Attributes:
        classes: the op classes that it can match.
    """

    classes: tuple[type[Op], ...]

    def match_op(self, op: Op, match: Match) -> Miss | None:
        raise NotImplementedError

    def operand_patterns(self) -> Iterable[Any]:
        raise NotImplementedError

    @property
    def inner_classes(self) -> frozenset[type[Op]]:
        """Op classes of which one must produce an operand; empty when anything may."""
        inner = (p for p in self.operand_patterns() if isinstance(p, RootPattern))
        first = next(inner, None)
        return frozenset() if first is None else frozenset(first.classes)


@dataclass(frozen=True)
class NodePattern(RootPattern):
    """Matches an op through its first result; see ``node``."""

    classes: tuple[type[Op], ...]
    operands: Mapping[str, Any]
    attributes: Mapping[str, Any]
    carry: bool
    name: str = ""
    shared: bool = False

    def __matmul__(self, name: str) -> NodePattern:
        return NodePattern(
            self.classes, self.operands, self.attributes, self.carry, name, self.shared
        )

    def operand_patterns(self) -> Iterable[Any]:
        return self.operands.values()

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        producer = None if value is None else value.producer
        if producer is None or type(producer) not in self.classes:
            return Miss("another op stands there")
        if value is not producer.results[0]:
            return Miss("another result of the op is used", near=True)
        miss = self.match_op(producer, match)
        if miss is None and not self.shared:
            match.interior.append(producer)
        return miss

    def match_op(self, op: Op, match: Match) -> Miss | None:
        if type(op) not in self.classes:
            return Miss("another op stands there")
        miss = None if self.carry else self._match_attributes(op)
        if miss is None:
            miss = self._match_operands(op, match)
        if miss is None and self.name:
            match.captures[self.name] = op
        return miss

    def _match_attributes(self, op: Op) -> Miss | None:
        for name in op.attribute_specs:
            found = op.attribute(name)
            if name not in self.attributes:
                if name in op.attributes:
                    return Miss(f"{op.op_name} has {name}={found}", near=True)
                continue
            wanted = self.attributes[name]
            if wanted is ANY or wanted == found:
                continue
            if callable(wanted) and wanted(found):
                continue
            return Miss(f"{op.op_name} has {name}={found}", near=True)
        return None

    def _match_operands(self, op: Op, match: Match) -> Miss | None:
        state = match.snapshot()
        miss = self._match_in_order(op, list(op.operands), match)
        if miss is None or not op.has(Commutative):
            return miss
        first, second, *rest = op.operands
        match.restore(state)
        swapped = self._match_in_order(op, [second, first, *rest], match)
        return swapped if swapped is None or swapped.near else miss

    def _match_in_order(self, op: Op, values: Sequence[Value | None], match: Match) -> Miss | None:
        far: Miss | None = None
        for index, spec in enumerate(op.operand_specs):
            pattern = self.operands.get(spec.name)
            if spec.kind == "variadic":
                miss = self._match_variadic(pattern, values[index:], match)
            elif pattern is None:
                absent = values[index] is None
                miss = None if absent else Miss(f"{op.op_name} has {spec.name}", near=True)
            else:
                miss = pattern.match_value(values[index], match)
            if miss is not None and not miss.near:
                return miss  # a wrong op somewhere outweighs a near miss elsewhere
            far = far or miss
        return far

    def _match_variadic(
        self, patterns: Any, values: Sequence[Value | None], match: Match
    ) -> Miss | None:
        if patterns is ANY:
            return None
        if patterns is None or len(patterns) != len(values):
            return Miss(f"there are {len(values)} operands", near=True)
        for pattern, value in zip(patterns, values, strict=True):
            miss: Miss | None = pattern.match_value(value, match)
            if miss is not None:
                return miss
        return None


def node(
    classes: type[Op] | tuple[type[Op], ...],
    *operands: Any,
    attrs: _Carry | None = None,
    shared: bool = False,
    **named: Any,
) -> NodePattern:
    """A pattern for one op.

    Args:
        classes: the op class, or several any of which will do.
        operands: patterns in order; further ones by name. A variadic operand takes a list.
        attrs: ``CARRY`` to admit any attributes.
        shared: other ops may read the result too (the op then stays).
        named: operands by name; attributes by name, each a value, a predicate, or ``ANY``.
    """
    options = classes if isinstance(classes, tuple) else (classes,)
    specs = {spec.name for spec in options[0].operand_specs}
    by_name = {
        spec.name: given for spec, given in zip(options[0].operand_specs, operands, strict=False)
    }
    by_name |= {name: given for name, given in named.items() if name in specs}
    attributes = {name: given for name, given in named.items() if name not in specs}
    for option in options:
        unknown = [name for name in attributes if name not in option.attribute_specs]
        if unknown:
            raise TypeError(f"{option.op_name} has no attribute {unknown}")
        missing = [
            s.name for s in option.operand_specs if s.kind == "one" and s.name not in by_name
        ]
        if missing:
            raise TypeError(f"the pattern for {option.op_name} mentions no {missing}")
    return NodePattern(options, by_name, attributes, attrs is CARRY, shared=shared)


@dataclass(frozen=True)
class LoosePattern(RootPattern):
    """Matches an op by class and first operands only; see ``loose``."""

    classes: tuple[type[Op], ...]
    operands: tuple[ValuePattern, ...]
    name: str = ""

    def __matmul__(self, name: str) -> LoosePattern:
        return LoosePattern(self.classes, self.operands, name)

    def operand_patterns(self) -> Iterable[Any]:
        return self.operands

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        producer = None if value is None else value.producer
        if producer is None or value is not producer.results[0]:
            return Miss("another op stands there")
        miss = self.match_op(producer, match)
        if miss is None:
            match.interior.append(producer)
        return miss

    def match_op(self, op: Op, match: Match) -> Miss | None:
        if type(op) not in self.classes:
            return Miss("another op stands there")
        for pattern, value in zip(self.operands, op.operands, strict=False):
            miss = pattern.match_value(value, match)
            if miss is not None:
                return miss
        if self.name:
            match.captures[self.name] = op
        return None


def loose(classes: type[Op] | tuple[type[Op], ...], *operands: ValuePattern) -> LoosePattern:
    """A pattern that is not closed: any attributes, and any operands after the given ones. For
    rules that hold for several op classes and ask the op itself in ``check``."""
    return LoosePattern(classes if isinstance(classes, tuple) else (classes,), operands)


class Pattern:
    """A rewrite rule. The docstring's first line is its formula.

    Attributes:
        match: the ops to replace; its root is the last of them.
    """

    match: ClassVar[RootPattern]

    def check(self, m: Match) -> str | None:
        """Why this match must be left alone, None when it may be rewritten; ``ELSEWHERE`` when it
        is none of the rule's business and not to be counted as a near miss."""
        return None

    def build(self, m: Match, rw: Rewriter) -> Value | Sequence[Value | None]:
        """Insert the replacement before the root and return what takes the place of the root's
        results (None for one that nobody reads)."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return type(self).__name__

    @classmethod
    def formula(cls) -> str:
        """First paragraph of the docstring, on one line."""
        return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


def try_match(pattern: Pattern, root: Op) -> Match | Miss:
    """Match a pattern at an op, closedness and ``check`` included."""
    match = Match()
    match.captures["root"] = root
    miss = pattern.match.match_op(root, match)
    if miss is not None:
        return miss
    miss = _exposed(match, root)
    if miss is not None:
        return miss
    reason = pattern.check(match)
    return match if reason is None else Miss(reason, near=reason != ELSEWHERE)


def _exposed(match: Match, root: Op) -> Miss | None:
    """A miss when something outside the match sees one of its interior ops."""
    inside = {root, *match.interior}
    kept = {found for found in match.captures.values() if isinstance(found, Value)}
    for op in match.interior:
        if op.graph is not root.graph:
            return Miss(f"{op.op_name} stands in another graph", near=True)
        for result in op.results:
            if result in kept or not inside.issuperset(result.users):
                return Miss(f"the result of {op.op_name} has other uses", near=True)
    return None


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
