"""Patterns for ops: closed ones (``node``) and ones by class and first operands (``loose``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edgec.ir import Commutative, Op, Value
from edgec.passes.pattern.match import OTHER_OP, Match, Miss
from edgec.passes.pattern.values import ANY, ValuePattern


class _Carry:
    """``attrs=CARRY``: any attributes, which ``build`` carries over."""


CARRY = _Carry()
_OTHER_RESULT = Miss("another result of the op is used", near=True)


class RootPattern(ValuePattern):
    """A pattern that may stand at the root of a rule.

    Attributes:
        classes: the op classes that it can match.
    """

    classes: tuple[type[Op], ...]

    def match_op(self, op: Op, match: Match) -> Miss | None:
        raise NotImplementedError

    def operand_patterns(self) -> Iterable[ValuePattern]:
        """The patterns of operands that must be there."""
        raise NotImplementedError

    @property
    def producers(self) -> frozenset[type[Op]]:
        return frozenset(self.classes)

    @property
    def demands(self) -> tuple[frozenset[type[Op]], ...]:
        """For each operand that an op must produce, the classes of which that op is one."""
        return tuple(filter(None, (p.producers for p in self.operand_patterns())))

    @property
    def demands_constant(self) -> bool:
        """True when one of the operands must be a constant, else the rule is about other ops."""
        return any(p.wants_constant for p in self.operand_patterns())


class _Slots(NamedTuple):
    """The operands of one op class: index, pattern and name of each that is no list, then index and
    patterns of the list."""

    single: tuple[tuple[int, ValuePattern | None, str], ...]
    variadic: tuple[int, Any] | None
    commutes: bool


@dataclass(frozen=True)
class NodePattern(RootPattern):
    """Matches an op through its first result; see ``node``."""

    classes: tuple[type[Op], ...]
    operands: Mapping[str, Any]
    attributes: Mapping[str, Any]
    carry: bool
    name: str = ""
    shared: bool = False
    _slots: dict[type[Op], _Slots] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        self._slots.update((cls, self._slots_of(cls)) for cls in self.classes)

    def __matmul__(self, name: str) -> NodePattern:
        return NodePattern(
            self.classes, self.operands, self.attributes, self.carry, name, self.shared
        )

    def operand_patterns(self) -> Iterable[ValuePattern]:
        return (p for p in self.operands.values() if isinstance(p, ValuePattern))

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        producer = None if value is None else value.producer
        if producer is None or type(producer) not in self._slots:
            return OTHER_OP
        if value is not producer.results[0]:
            return _OTHER_RESULT
        miss = self.match_op(producer, match)
        if miss is None and not self.shared:
            match.interior.append(producer)
        return miss

    def match_op(self, op: Op, match: Match) -> Miss | None:
        slots = self._slots.get(type(op))
        if slots is None:
            return OTHER_OP
        miss = self.attribute_miss(op)
        if miss is None:
            miss = self._match_operands(op, slots, match)
        if miss is None and self.name:
            match.captures[self.name] = op
        return miss

    def _slots_of(self, cls: type[Op]) -> _Slots:
        single: list[tuple[int, ValuePattern | None, str]] = []
        listed: tuple[int, Any] | None = None
        for index, spec in enumerate(cls.operand_specs):
            if spec.kind == "variadic":
                listed = (index, self.operands.get(spec.name))
            else:
                single.append((index, self.operands.get(spec.name), spec.name))
        return _Slots(tuple(single), listed, cls.has(Commutative))

    def commutes(self, op: Op) -> bool:
        """True when the first two operands of the op may stand in either order."""
        return self._slots[type(op)].commutes

    def attribute_miss(self, op: Op) -> Miss | None:
        """What keeps the attributes of an op of the right class from matching."""
        if self.carry:
            return None
        for name, found in op.attributes.items():
            if name not in self.attributes:
                return Miss(f"{op.op_name} has {name}={found}", near=True)
        for name, wanted in self.attributes.items():
            found = op.attribute(name)
            if wanted is ANY or wanted == found:
                continue
            if callable(wanted) and wanted(found):
                continue
            return Miss(f"{op.op_name} has {name}={found}", near=True)
        return None

    def _match_operands(self, op: Op, slots: _Slots, match: Match) -> Miss | None:
        if not slots.commutes:
            return self._match_in_order(op, slots, op.operands, match)
        state = match.snapshot()
        miss = self._match_in_order(op, slots, op.operands, match)
        if miss is None:
            return miss
        first, second, *rest = op.operands
        match.restore(state)
        swapped = self._match_in_order(op, slots, (second, first, *rest), match)
        return swapped if swapped is None or swapped.near else miss

    def _match_in_order(
        self, op: Op, slots: _Slots, values: Sequence[Value | None], match: Match
    ) -> Miss | None:
        far: Miss | None = None
        for index, pattern, name in slots.single:
            if pattern is not None:
                miss = pattern.match_value(values[index], match)
            elif values[index] is None:
                continue
            else:
                miss = Miss(f"{op.op_name} has {name}", near=True)
            if miss is None:
                continue
            if not miss.near:
                return miss  # a wrong op somewhere outweighs a near miss elsewhere
            far = far or miss
        if slots.variadic is None:
            return far
        index, patterns = slots.variadic
        miss = self._match_variadic(patterns, values[index:], match)
        return far if miss is None or (miss.near and far is not None) else miss

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

    def operand_patterns(self) -> Iterable[ValuePattern]:
        return self.operands

    def match_value(self, value: Value | None, match: Match) -> Miss | None:
        producer = None if value is None else value.producer
        if producer is None or value is not producer.results[0]:
            return OTHER_OP
        miss = self.match_op(producer, match)
        if miss is None:
            match.interior.append(producer)
        return miss

    def match_op(self, op: Op, match: Match) -> Miss | None:
        if type(op) not in self.classes:
            return OTHER_OP
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


@dataclass(frozen=True)
class EitherRoot(RootPattern):
    """The first of several patterns of one op class that matches; see ``either_root``."""

    options: tuple[NodePattern, ...]

    @property
    def classes(self) -> tuple[type[Op], ...]:  # type: ignore[override]
        return tuple(dict.fromkeys(cls for option in self.options for cls in option.classes))

    def operand_patterns(self) -> Iterable[ValuePattern]:
        return ()

    def match_op(self, op: Op, match: Match) -> Miss | None:
        misses: list[Miss] = []
        for option in self.options:
            state = match.snapshot()
            miss = option.match_op(op, match)
            if miss is None:
                return None
            match.restore(state)
            misses.append(miss)
        return next((miss for miss in misses if miss.near), misses[0])


def either_root(*options: NodePattern) -> EitherRoot:
    """Several ways to write what a rule replaces; the first that matches."""
    return EitherRoot(options)
