"""Named pipelines: the order, with a reason per line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgec.passes.base import Pass
from edgec.passes.cleanup import Cleanup
from edgec.passes.cse import CommonSubexpressions
from edgec.passes.dce import DeadCodeElimination
from edgec.passes.fuse import Fuse, FuseActivation, ReduceStrength


@dataclass(frozen=True)
class Pipeline:
    """A list of passes under a name."""

    name: str
    summary: str
    passes: Callable[[], list[Pass]]


def _basic() -> list[Pass]:
    return [
        Cleanup(),  # constants and one spelling per idea: what a reader leaves behind
        DeadCodeElimination(),
    ]


def _default() -> list[Pass]:
    return [
        DeadCodeElimination(),  # nothing dead is worth a rewrite
        Cleanup(),  # patterns below are written for one spelling, and want constants as constants
        Fuse(),  # multi-op idioms to one op; constants into weights
        ReduceStrength(),  # after fusing, whose patterns know quotients and powers
        Cleanup(),  # what fusing makes idle, such as casts and reshapes that now meet
        CommonSubexpressions(),  # after fusing: sharing a value earlier would block patterns
        DeadCodeElimination(),
        FuseActivation(),  # last: an op that carries an activation takes no more scales and shifts
    ]


PIPELINES: Mapping[str, Pipeline] = {
    pipeline.name: pipeline
    for pipeline in (
        Pipeline("O0", "nothing: as the model was read", list),
        Pipeline("O1", "clean up, without changing any rounding", _basic),
        Pipeline("O2", "clean up and fuse; the default", _default),
    )
}
DEFAULT_PIPELINE = "O2"
