"""What a layer is to give: what its twin gives, and what the sum behind it has lost so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from edgec.ir import Array, Op, Value
from edgec.ir.ops import Add, Conv, MatMul
from edgec.kernels import PerSample
from edgec.passes.reconstruct.lockstep import Lockstep, bare
from edgec.passes.reconstruct.teacher import Teacher

# Below and above which an activation gives (nearly) always the same.
FLAT = {"relu": (0.0, inf), "hard_swish": (-3.0, inf), "none": (-inf, inf)}


@dataclass(frozen=True)
class Target:
    """Of one layer, over samples.

    Attributes:
        wanted: what the layer is to give before activations, [samples] of arrays of its result.
        skip: what the graph adds to it before the activation; None for nothing.
        low, high: below and above which the activation makes everything the same.
    """

    wanted: PerSample
    skip: PerSample | None = None
    low: float = -inf
    high: float = inf

    @property
    def is_flat_somewhere(self) -> bool:
        return self.low > -inf or self.high < inf


def target_of(op: Op, twin: Op, teacher: Teacher, steps: Lockstep) -> Target:
    """From the twin, which was just computed. Where the layer's result is added to a value that
    came before it, the layer makes good what that value lacks (He et al. 2017, arXiv:1707.06168,
    section 3.3)."""
    wanted = teacher.wanted(op, steps.right.evaluate(bare(twin)))
    behind = _sum_behind(op, steps.own.holds)
    other = _sum_behind(twin, steps.right.holds)
    if behind is None or other is None or behind[0].result.hint != other[0].result.hint:
        return Target(wanted, None, *_flat(op))
    (end, own), right = behind, teacher.wanted(op, steps.right.arrays(other[1]))
    skip = steps.own.arrays(own)
    made = PerSample(len(wanted), lambda i: wanted.of(i) + (right.of(i) - skip.of(i)))
    return Target(made, skip, *_flat(end))


def _sum_behind(op: Op, computed: Callable[[Value], bool]) -> tuple[Op, Value] | None:
    """The sum that alone reads what the layer gives, and what is added there."""
    result = op.results[0]
    if not isinstance(op, Conv | MatMul) or op.act != "none" or result.use_count != 1:
        return None
    end = next(iter(result.users))
    if not isinstance(end, Add):
        return None
    skip = end.operands[0] if end.operands[1] is result else end.operands[1]
    assert skip is not None, "a sum has two operands"
    return (end, skip) if skip.type == result.type and computed(skip) else None


def _flat(op: Op) -> tuple[float, float]:
    if "act" not in op.attribute_specs:
        return -inf, inf
    act, params = op.attribute("act"), op.attribute("act_params")
    if act == "clip":
        return params[0], params[1]
    return FLAT.get(act, (-inf, inf))


def settled(wanted: Array, found: Array, skip: Array | None, target: Target) -> Array:
    """The wanted values, moved to what was found as far as the activation hides the difference."""
    before, own = (wanted, found) if skip is None else (wanted + skip, found + skip)
    moved = np.where(before <= target.low, np.minimum(own, target.low), before)
    moved = np.where(before >= target.high, np.maximum(own, target.high), moved)
    return moved if skip is None else moved - skip
