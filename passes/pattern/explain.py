"""Why a rule does not match at an op: a trace of everything that it looked at there.

SiluFromSigmoid: x * sigmoid(x)  ->  silu(x)
at %y = math.mul %a, y=%b : f32[2]
  ok    math.mul %y
  ok      x: %a
  miss    y: wants act.sigmoid, found act.tanh %b
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgec.ir import Constant, Graph, Op, Value, print_op
from edgec.passes.pattern.match import Match, Miss
from edgec.passes.pattern.nodes import LoosePattern, NodePattern, RootPattern
from edgec.passes.pattern.rule import Pattern, try_match
from edgec.passes.pattern.values import ANY, ValuePattern, alternatives

_OTHER_RULE = "this rule is not about it"


@dataclass(frozen=True)
class Line:
    """One thing that a rule looked at: how deep, what, and whether it was as wanted."""

    depth: int
    ok: bool
    text: str

    def __str__(self) -> str:
        return f"  {'ok  ' if self.ok else 'miss'}  {'  ' * self.depth}{self.text}"


@dataclass(frozen=True)
class Trace:
    """What a rule looked at, at one op, until it missed."""

    rule: Pattern
    op: Op
    lines: Sequence[Line]

    @property
    def progress(self) -> int:
        """How much was as wanted."""
        return sum(line.ok for line in self.lines)

    def __str__(self) -> str:
        source = f", from {', '.join(self.op.loc)}" if self.op.loc else ""
        place = f"at {print_op(self.op).splitlines()[0]}{source}"
        head = f"{self.rule.name}: {self.rule.formula()}"
        return "\n".join([head, place, *map(str, self.lines)])


def explain(rule: Pattern, op: Op) -> Trace | None:
    """The trace of a rule at an op of its root's class; None where the rule matches."""
    found = try_match(rule, op)
    if not isinstance(found, Miss):
        return None
    lines = list(_op(rule.match, op, op.op_name, 0, Match(op)))
    if all(line.ok for line in lines):  # the form is right: uses from outside, or the check
        lines.append(Line(0, False, found.reason or _OTHER_RULE))
    return Trace(rule, op, lines)


def explain_misses(graph: Graph, rules: Sequence[Pattern], most: int) -> Iterator[Trace]:
    """For each rule, its traces at the ops where it came furthest, at most so many of them."""
    for rule in rules:
        ops = (op for op in graph.walk if isinstance(op, rule.match.classes))
        traces = [trace for op in ops if (trace := explain(rule, op)) is not None]
        yield from sorted(traces, key=lambda trace: -trace.progress)[:most]


def _op(pattern: RootPattern, op: Op, label: str, depth: int, match: Match) -> Iterator[Line]:
    if isinstance(pattern, NodePattern):
        miss = pattern.attribute_miss(op)
    else:  # one of a kind of its own is asked as a whole
        miss = None if isinstance(pattern, LoosePattern) else pattern.match_op(op, match)
    yield Line(depth, miss is None, label if miss is None else f"{label}: {miss.reason}")
    if miss is None and isinstance(pattern, (NodePattern, LoosePattern)):
        yield from _operands(pattern, op, depth + 1, match)


def _operands(
    pattern: NodePattern | LoosePattern, op: Op, depth: int, match: Match
) -> Iterator[Line]:
    """The operands in the order in which most of them are as wanted."""
    orders = [list(op.operands)]
    if isinstance(pattern, NodePattern) and pattern.commutes(op):
        first, second, *rest = op.operands
        orders.append([second, first, *rest])
    state = match.snapshot()
    best: list[Line] = []
    for values in orders:
        match.restore(state)
        lines = list(_in_order(pattern, op, values, depth, match))
        if not best or sum(line.ok for line in lines) > sum(line.ok for line in best):
            best = lines
    yield from best


def _in_order(
    pattern: NodePattern | LoosePattern,
    op: Op,
    values: Sequence[Value | None],
    depth: int,
    match: Match,
) -> Iterator[Line]:
    if isinstance(pattern, LoosePattern):
        for index, (inner, value) in enumerate(zip(pattern.operands, values, strict=False)):
            yield from _value(inner, value, op.operand_name(index), depth, match)
        return
    for index, spec in enumerate(op.operand_specs):
        wanted = pattern.operands.get(spec.name)
        if spec.kind == "variadic":
            yield from _list(wanted, values[index:], spec.name, depth, match)
        elif wanted is not None:
            yield from _value(wanted, values[index], spec.name, depth, match)
        elif values[index] is not None:
            yield Line(depth, False, f"{spec.name}: wants none, found {_shown(values[index])}")


def _list(
    inner: object, values: Sequence[Value | None], name: str, depth: int, match: Match
) -> Iterator[Line]:
    if inner is ANY:
        return
    wanted = list(inner) if isinstance(inner, (list, tuple)) else []
    if len(wanted) != len(values):
        yield Line(depth, False, f"{name}: wants {len(wanted)} operands, found {len(values)}")
        return
    for number, (pattern, value) in enumerate(zip(wanted, values, strict=True)):
        yield from _value(pattern, value, f"{name}[{number}]", depth, match)


def _value(
    pattern: ValuePattern, value: Value | None, label: str, depth: int, match: Match
) -> Iterator[Line]:
    """Of several alternatives, the one that came furthest."""
    options = alternatives(pattern, value)
    state = match.snapshot()
    best: list[Line] = []
    for option in options:
        match.restore(state)
        lines = list(_single(option, value, label, depth, match))
        if not best or sum(line.ok for line in lines) > sum(line.ok for line in best):
            best = lines
    match.restore(state)
    pattern.match_value(value, match)  # captures, for what the rest of the rule compares with
    yield from best


def _single(
    pattern: ValuePattern, value: Value | None, label: str, depth: int, match: Match
) -> Iterator[Line]:
    producer = None if value is None else value.producer
    if isinstance(pattern, RootPattern):
        if type(producer) in pattern.classes:
            assert producer is not None, "None is no op class"
            yield from _op(pattern, producer, f"{label}: {_named(producer)}", depth, match)
        else:
            wanted = " or ".join(cls.op_name for cls in pattern.classes)
            yield Line(depth, False, f"{label}: wants {wanted}, found {_shown(value)}")
        return
    miss = pattern.match_value(value, match)
    text = f"{label}: {_shown(value)}"
    yield Line(depth, miss is None, text if miss is None else f"{text}: {miss.reason}")


def _named(op: Op) -> str:
    hint = op.results[0].hint if op.results else ""
    return f"{op.op_name} %{hint}" if hint else op.op_name


def _shown(value: Value | None) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Constant):
        return f"a constant {value.type}"
    return f"%{value.hint}" if value.producer is None else _named(value.producer)
