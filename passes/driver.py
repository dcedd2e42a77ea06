"""The greedy driver: applies patterns until none matches, through a worklist.

Every op is looked at once; afterwards only what an edit touched. Linear in practice. The number of
rewrites is bounded; when the bound is reached the rules that went on in a circle are named.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import NoneType
from typing import NamedTuple

from edgec.ir import (
    Code,
    Effect,
    Error,
    Finding,
    Graph,
    Op,
    OpError,
    Return,
    Rewriter,
    Value,
    print_op,
)
from edgec.passes.moves import Move
from edgec.passes.pattern import Match, Miss, Pattern, try_match

FEW_USERS = 4  # an interior value of a match has no more
REWRITES_PER_OP = 16  # far above what any terminating set of rules needs per op


@dataclass
class Statistics:
    """What a run of patterns did.

    Attributes:
        applied: rewrites by rule.
        near_misses: by rule and reason, where every op was the right one.
        examples: the first op (with its source names) of each near miss.
        moves: transposes that remain, with their reasons (the layout pass lists them).
    """

    applied: Counter[str] = field(default_factory=Counter)
    near_misses: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)

    def missed(self, rule: str, miss: Miss, op: Op) -> None:
        key = (rule, miss.reason)
        self.near_misses[key] += 1
        if key not in self.examples:
            self.examples[key] = print_op(op).splitlines()[0]


Permit = Callable[[str, Op], bool]


class _Worklist:
    """Ops to look at, each once, in order of arrival; told of edits by the Rewriter."""

    def __init__(self, graph: Graph) -> None:
        self.pending: OrderedDict[Op, None] = OrderedDict()
        for op in graph.walk:
            self.pending[op] = None

    def pop(self) -> Op | None:
        return self.pending.popitem(last=False)[0] if self.pending else None

    def push(self, op: Op) -> None:
        if op.graph is not None and not isinstance(op, Return):
            self.pending[op] = None

    def inserted(self, op: Op) -> None:
        self.push(op)
        self._push_readers(op)

    def erased(self, op: Op) -> None:
        self.pending.pop(op, None)

    def changed(self, op: Op) -> None:
        """Patterns are rooted at their last op, so that readers may match now as well."""
        self.push(op)
        self._push_readers(op)

    def use_changed(self, op: Op) -> None:
        """Patterns want interior values to have one use, so that the last reader may match now;
        while there are many, nothing new can match (and a hub is not walked at every edit)."""
        self.push(op)
        if all(result.user_count <= FEW_USERS for result in op.results):
            self._push_readers(op)

    def _push_readers(self, op: Op) -> None:
        for result in op.results:
            for user in result.users:
                self.push(user)
                for further in user.results:
                    for reader in further.users:
                        self.push(reader)


def apply_patterns(
    graph: Graph,
    patterns: Sequence[Pattern],
    statistics: Statistics | None = None,
    permit: Permit = lambda rule, op: True,
) -> int:
    """Rewrite until no pattern matches; returns the number of rewrites.

    Args:
        permit: asked before each rewrite; False leaves the match alone (bisection).

    Raises:
        Error: the patterns do not come to an end; the message names those that went on.
    """
    found = statistics if statistics is not None else Statistics()
    by_root = _by_root(tuple(patterns))
    worklist = _Worklist(graph)
    budget = REWRITES_PER_OP * (len(worklist.pending) + 64)
    trail: list[str] = []
    while (op := worklist.pop()) is not None:
        if op.graph is None:
            continue
        for pattern in _candidates(op, by_root.get(type(op), ())):
            if _apply(pattern, op, worklist, found, permit):
                trail.append(pattern.name)
                break
        if len(trail) > budget:
            raise _endless(trail, op, budget)
    return len(trail)


class _Candidate(NamedTuple):
    """A pattern, and what its root must read: most patterns are ruled out by this alone."""

    pattern: Pattern
    producers: tuple[frozenset[type[Op]], ...]
    constant: bool


@lru_cache(maxsize=16)
def _by_root(patterns: tuple[Pattern, ...]) -> Mapping[type[Op], Sequence[_Candidate]]:
    """For each root class its patterns in order."""
    found: dict[type[Op], list[_Candidate]] = {}
    for pattern in patterns:
        root = pattern.match
        for cls in root.classes:
            candidate = _Candidate(pattern, root.demands, root.demands_constant)
            found.setdefault(cls, []).append(candidate)
    return found


def _candidates(op: Op, known: Sequence[_Candidate]) -> Iterator[Pattern]:
    """The patterns that may match at an op, going by what it reads."""
    if not known:
        return
    producers = {type(value.producer) for value in op.operands if value is not None}
    reads_constant = NoneType in producers
    for pattern, demands, wants_constant in known:
        if wants_constant and not reads_constant:
            continue
        for classes in demands:
            if classes.isdisjoint(producers):
                break
        else:
            yield pattern


def _apply(
    pattern: Pattern, op: Op, worklist: _Worklist, statistics: Statistics, permit: Permit
) -> bool:
    match = try_match(pattern, op)
    if isinstance(match, Miss):
        if match.near:
            statistics.missed(pattern.name, match, op)
        return False
    if not permit(pattern.name, op):
        return False
    _rewrite(pattern, op, match, worklist)
    statistics.applied[pattern.name] += 1
    return True


def _rewrite(pattern: Pattern, op: Op, match: Match, worklist: _Worklist) -> None:
    assert op.graph is not None
    rewriter = Rewriter(op.graph, listener=worklist).at(op)
    for inner in match.interior:
        rewriter.locate(inner.loc)
    try:
        built = pattern.build(match, rewriter)
    except OpError as error:
        finding = Finding(str(error), print_op(op).splitlines()[0])
        raise Error(
            Code.ILLEGAL_OP, f"rule {pattern.name} built an illegal op", [finding]
        ) from error
    values = [built] if isinstance(built, Value) else list(built)
    for old, new in zip(op.results, values, strict=False):
        if new is not None and not new.is_used and new.type.dims != old.type.dims:
            _keep_symbols(old, new, rewriter)
    rewriter.replace(op, *values)
    _erase_dead([op, *match.interior], rewriter)


def _keep_symbols(old: Value, new: Value, rewriter: Rewriter) -> None:
    """What was just built has the dims of what it replaces, by the names that readers know, but
    for those of which it knows the number."""
    pairs = zip(new.type.dims, old.type.dims, strict=True)
    dims = tuple(own if isinstance(own, int) else known for own, known in pairs)
    rewriter.refine(new, new.type.with_dims(dims))


def _erase_dead(replaced: Sequence[Op], rewriter: Rewriter) -> None:
    """Erase what only the replaced ops read: a dead reader would keep patterns from matching."""
    pending = [op for op in replaced if op.graph is not None]
    pending += _producers(replaced[0])
    while pending:
        op = pending.pop()
        if op.graph is None or op.has(Effect) or any(result.is_used for result in op.results):
            continue
        rewriter.erase(op)
        pending += _producers(op)


def _producers(op: Op) -> list[Op]:
    return [v.producer for v in op.present_operands if v.producer is not None]


def _endless(trail: list[str], op: Op, budget: int) -> Error:
    recent = ", ".join(trail[-8:])
    return Error(
        Code.ENDLESS,
        f"{budget} rewrites did not come to an end at {print_op(op).splitlines()[0]}",
        [Finding(f"the last rules were {recent}, …")],
        instead="give one of these rules a single direction",
    )
