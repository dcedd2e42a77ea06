"""The grid of every value that a plan stores."""

from __future__ import annotations

from edgec.ir import Grid, Op, Range, Role, Value
from edgec.passes.quantize.existing import grid_in, grid_read, storing_op
from edgec.passes.quantize.grids import covered, grid_of, union
from edgec.passes.quantize.plan import Plan
from edgec.passes.quantize.ties import Ties

_MUCH_WIDER = 2.0


def assign_grids(plan: Plan) -> None:
    """Grids that the model brings along and those of the target stay as they are; what must share
    one shares it; the others follow from ranges."""
    ties = Ties()
    moved = {
        value for op, role in plan.roles.items() if role is Role.SAME for value in plan.results(op)
    }
    for op in plan.roles:
        for value in (*plan.operands(op), *plan.stored_results(op)):
            _enter(plan.origin(value), ties, plan, stores=value not in moved)
    _give_fixed(ties, plan)
    _tie_moves(ties, plan)
    for value in moved:
        _give_stored(value, ties, plan)
    for op, role in plan.roles.items():
        if role is Role.TIED:
            _tie_all(op, ties, plan)
    plan.grids.update((value, _settled(value, ties, plan)) for value in ties.values)


def _enter(value: Value, ties: Ties, plan: Plan, *, stores: bool) -> None:
    if value in ties:
        return
    ties.add(value)
    grid = grid_read(value, plan.scheme.activation)
    if grid is not None:
        ties.give(value, grid)
    elif stores:
        _give_stored(value, ties, plan)


def _give_stored(value: Value, ties: Ties, plan: Plan) -> None:
    """The grid on which the model stores the value, unless there is one already."""
    storing = storing_op(value, plan.scheme.activation)
    grid = None if storing is None else grid_in(storing, storing.to)
    if grid is not None and ties.given(value) is None:
        ties.give(value, grid)


def _give_fixed(ties: Ties, plan: Plan) -> None:
    for op, role in plan.roles.items():
        if role is not Role.FIXED or plan.scheme.symmetric:
            continue
        for value in plan.results(op):
            if ties.given(value) is None:
                ties.give(value, plan.scheme.fixed[type(op)])


def _tie_moves(ties: Ties, plan: Plan) -> None:
    """What an op moves about keeps its grid. A value that is read on another grid than it is
    stored on is stored anew before."""
    for op, role in plan.roles.items():
        if role is not Role.SAME:
            continue
        first, *others = plan.results(op)
        for value in others:
            ties.tie(first, value)
        (source,) = plan.operands(op)
        if source not in plan.reread:
            ties.tie(source, first)


def _tie_all(op: Op, ties: Ties, plan: Plan) -> None:
    """One grid for the result and every operand that it covers; others are rescaled on the way."""
    (result,) = plan.results(op)
    operands = [value for value in plan.operands(op) if value not in plan.reread]
    together = [r for r in map(ties.range, (result, *operands)) if r is not None]
    whole = union(*together) if together else None
    for value in operands:
        if ties.given(value) is None and not _loses(value, whole, ties):
            ties.tie(result, value)
    for value in operands:
        given = ties.given(value)
        if given is None:
            continue
        if ties.given(result) is not None or _covers(given, result, ties, plan):
            ties.tie(result, value)


def _loses(value: Value, whole: Range | None, ties: Ties) -> bool:
    """True when other readers of a value would lose a bit to the range that it shares here."""
    own = ties.range(value)
    if own is None or whole is None or (ties.size(value) == 1 and value.use_count == 1):
        return False
    return _width(whole) > _MUCH_WIDER * _width(own)


def _width(found: Range) -> float:
    return max(found.high, 0.0) - min(found.low, 0.0)


def _covers(given: Grid, result: Value, ties: Ties, plan: Plan) -> bool:
    """True when the numbers of a concatenation lie on the grid that one part of it has anyway."""
    wanted = ties.range(result)
    if wanted is None:
        return True
    offered = covered(given, plan.scheme)
    slack = given.scale / 2
    return offered.low - slack <= wanted.low and wanted.high <= offered.high + slack


def _settled(value: Value, ties: Ties, plan: Plan) -> Grid:
    given, found = ties.given(value), ties.range(value)
    if given is not None:
        return given
    assert found is not None, "an op with unknown numbers was chosen"
    return grid_of(found, plan.scheme)
