"""Sums of integers that come as floats where floats are what is read: they need no grid."""

from __future__ import annotations

from edgec.ir import Op, Role, Value
from edgec.ir.ops import Quantize, Reshape, Transpose
from edgec.passes.quantize.plan import Plan

_MOVES = (Reshape, Transpose)


def leave_sums_as_floats(plan: Plan) -> None:
    """Enter in the plan which results are not stored: those of the scheme's ``float_results`` that
    only float ops read, and what is moved about on the way there."""
    for op in tuple(plan.roles):
        if type(op) not in plan.scheme.float_results or op in plan.clamps:
            continue
        moves = _moves_to_floats(op.result, plan)
        if moves is not None:
            plan.unstored.add(op.result)
            for move in moves:
                del plan.roles[move]


def _moves_to_floats(value: Value, plan: Plan) -> list[Op] | None:
    """The moves on integers between a value and the float ops that read it; None where an op on
    integers reads it."""
    found: list[Op] = []
    for user in value.users:
        if isinstance(user, Quantize) or any(result in plan.reread for result in user.results):
            return None
        if user not in plan.roles:
            continue
        moved = plan.roles[user] is Role.SAME and isinstance(user, _MOVES)
        further = _moves_to_floats(user.result, plan) if moved else None
        if further is None:
            return None
        found += [user, *further]
    return found
