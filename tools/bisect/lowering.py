"""The first op that a target writes wrongly, found by writing beginnings of the graph."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgec.ir import Code, Error, Graph, Op, Refusal
from edgec.kernels import Judge, run, seeded_inputs
from edgec.lowering import Target
from edgec.tools import driver
from edgec.tools.bisect.search import first_broken
from edgec.tools.checks import ArtifactCheck
from edgec.tools.reduce.cut import kept
from edgec.tools.textdiff import text_diff


@dataclass(frozen=True)
class Miswritten:
    """An op whose write rule loses its meaning.

    Attributes:
        target: the target that writes it.
        op: the op, in the graph after the passes; None when ``legalize`` is to blame.
        rule: the module and name of the write rule.
        alone: the graph of this op only; it fails too when ``fails_alone``.
        diff: the op as it was, and as what was written reads (where edgec reads that format).
        why: how far the numbers are off.
    """

    target: Target
    op: Op | None
    rule: str
    alone: Graph
    fails_alone: bool
    diff: str
    why: str

    @property
    def layers(self) -> tuple[str, ...]:
        return self.op.loc if self.op else ()


def bisect_lowering(graph: Graph, target: Target) -> Miswritten | None:
    """The first op of an optimized graph that the target's artifact computes wrongly; None when the
    artifact agrees with the reference kernels.

    Raises:
        Error: the runtime is missing.
    """
    target.runtime.require()
    check = ArtifactCheck(target)
    verdict = check(graph)
    if verdict.ok:
        return None
    legal = graph.clone()
    target.legalize(legal)
    blamed = _legalization(graph, legal, target)
    if blamed is not None:
        return blamed
    ops = list(legal.ops)

    def broken(count: int) -> bool:
        part = kept(legal, ops[:count])
        return part is not None and not check(part).ok

    if not broken(len(ops)):
        raise Error(
            Code.DIFFERS,
            f"the whole graph fails for {target.name!r}, and no beginning of it does",
            instead="edgec verify --per-layer",
        )
    op = ops[first_broken(broken, 0, len(ops)) - 1]
    alone = kept(legal, [op])
    assert alone is not None, "an op that matters has a result"
    verdict_alone = check(alone)
    why = verdict.message if verdict_alone.ok else verdict_alone.message
    return Miswritten(
        target, op, _rule(target, op), alone, not verdict_alone.ok, _written(alone, target), why
    )


def _legalization(graph: Graph, legal: Graph, target: Target) -> Miswritten | None:
    """What ``legalize`` changed in the numbers, None when it changed none."""
    inputs = seeded_inputs(graph)
    judge = Judge(graph, inputs)
    actual = run(legal, {name: inputs[name] for name in legal.input_names})
    wrong = [str(c) for name in judge.expected if not (c := judge.compare(name, actual[name]))]
    if not wrong:
        return None
    rule = f"{target.legalize.__module__}.legalize"
    return Miswritten(target, None, rule, graph, True, text_diff(graph, legal), "\n".join(wrong))


def _rule(target: Target, op: Op) -> str:
    rule = target.rules.get(type(op))
    if isinstance(rule, Refusal):
        return str(rule)
    return f"{rule.__module__}.{rule.__name__}"


def _written(alone: Graph, target: Target) -> str:
    """The diff between an op and what was written for it, "" where nothing reads it back."""
    if target.suffix != ".onnx":
        return ""
    with tempfile.TemporaryDirectory(prefix="edgec-bisect-") as folder:
        path = Path(folder) / f"op{target.suffix}"
        target.write(alone, path, {})
        return text_diff(alone, driver.load(path))
