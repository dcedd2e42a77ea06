"""Which ops run on integers, and on which grids their operands and results are stored."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from edgec.ir import Constant, Graph, Grid, Op, QuantScheme, Refusal, Role, Value
from edgec.ir.ops import Add, Dequantize, Div, MatMul, Mul, Quantize, Sub, Where
from edgec.passes.pattern import uniform
from edgec.passes.quantize.clamps import clamp_after
from edgec.passes.quantize.existing import grid_read, storing_op
from edgec.passes.quantize.grids import SMALLEST_SCALE
from edgec.passes.quantize.slots import (
    BIAS_SLOT,
    WEIGHT_SLOT,
    activation_slots,
    is_known,
    is_real,
)

MASKING = 1e3  # masks are -1e4, -1e9 or the lowest float; hardly an activation is as large
_NO_RANGE = "no range was recorded for %{}"


@dataclass(frozen=True)
class Reread:
    """source * factor + shift, for which the integers of ``source`` stand as they are."""

    source: Value
    factor: float
    shift: float = 0.0

    def grid(self, source: Grid) -> Grid | None:
        """Its grid, None where the shift is no whole number of steps, or leaves the integers."""
        scale = float(np.float32(source.scale * self.factor))
        steps = self.shift / scale
        if not SMALLEST_SCALE <= scale < np.inf or steps != round(steps):
            return None
        point = source.zero_point - round(steps)
        return Grid(scale, point) if -128 <= point <= 127 else None


@dataclass
class Plan:
    """What ``quantize`` will do.

    Attributes:
        roles: of the ops that run on integers, in order.
        reasons: why each other op stays float.
        clamps: by op, the ReLU or clip after it whose result is stored in place of the op's own.
        summed: by addition, the layer's result that it adds to before it is rounded.
        reread: values that are read from the integers of another one, on a grid of their own.
        grids: of every stored value.
        unstored: results of ops on integers that are floats (``floats``).
    """

    scheme: QuantScheme
    roles: dict[Op, Role] = field(default_factory=dict)
    reasons: dict[Op, str] = field(default_factory=dict)
    clamps: dict[Op, Op] = field(default_factory=dict)
    summed: dict[Op, Value] = field(default_factory=dict)
    reread: dict[Value, Reread] = field(default_factory=dict)
    grids: dict[Value, Grid] = field(default_factory=dict)
    unstored: set[Value] = field(default_factory=set)

    def results(self, op: Op) -> tuple[Value, ...]:
        """The values that are stored where the op runs on integers."""
        clamp = self.clamps.get(op)
        results = op.results if clamp is None else clamp.results
        return tuple(value for value in results if value not in self.unstored)

    def stored_results(self, op: Op) -> tuple[Value, ...]:
        """Those that are stored whoever reads them."""
        computes = self.roles[op] in (Role.WEIGHTED, Role.RESCALED)
        return () if self.scheme.on_demand and computes else self.results(op)

    def grid(self, value: Value) -> Grid:
        """The grid of a stored value, or of one that is read from the integers of another."""
        reread = self.reread.get(value)
        if reread is None:
            return self.grids[value]
        found = reread.grid(self.grid(reread.source))
        assert found is not None, "a value was chosen that cannot be read on its grid"
        return found

    def origin(self, value: Value) -> Value:
        """The value whose integers stand for this one, too."""
        while value in self.reread:
            value = self.reread[value].source
        return value

    def operands(self, op: Op) -> list[Value]:
        """The values on a grid that the op reads, constants excluded."""
        slots = activation_slots(op, self.roles[op])
        values = [op.operands[slot] for slot in slots]
        summed = self.summed.get(op)
        return [v for v in values if v is not None and not is_known(v) and v is not summed]


def make_plan(graph: Graph, scheme: QuantScheme, keep: frozenset[str]) -> Plan:
    """Choose the ops of the outermost graph that run on integers; grids follow (``assign``)."""
    plan = Plan(scheme)
    _Candidates(graph, plan, keep).find()
    _spread(plan)
    if scheme.adds_before_rounding:
        _add_before_rounding(plan)
    if scheme.on_demand:
        _keep_demanded(plan)
    return plan


class _Candidates:
    """Fills a plan with every op that could run on integers: its role allows it, and the numbers
    that it reads and computes are known."""

    def __init__(self, graph: Graph, plan: Plan, keep: frozenset[str]) -> None:
        self.graph = graph
        self.plan = plan
        self.keep = keep
        self.known: set[Value] = {v for v in graph.inputs if v.range is not None}
        self.masked: set[Value] = set()

    def find(self) -> None:
        clamps: set[Op] = set()
        for op in self.graph.ops:
            if isinstance(op, Quantize | Dequantize) or op in clamps:
                self.known.update(v for v in op.results if self._has_grid(v))
                continue
            reason = self._examined(op)
            if reason is not None:
                self.plan.reasons[op] = reason
                self.known.update(v for v in op.results if v.range is not None)
            elif op in self.plan.clamps:
                clamps.add(self.plan.clamps[op])

    def _examined(self, op: Op) -> str | None:
        """Enter the op as a candidate, or say why it is none."""
        if op.regions:
            return "what stands in a region stays float"
        if any(result.hint in self.keep for result in op.results if result.hint):
            return "it is kept in floats on request"
        if not self.masked.isdisjoint(op.present_operands) or hides(op):
            self.masked.update(v for v in op.results if _largest(v) >= MASKING)
            return "it masks by a number beside which no step is left for the others"
        reread = _reread(op, self.plan)
        if reread is not None:
            return self._as_reread(op, reread)
        role = self.plan.scheme.role(op)
        if isinstance(role, Refusal):
            return role.why
        if role is Role.EXPANDED:
            return "it has a form that is not spelled out"
        return self._why_unfit(op, role) or self._entered(op, role)

    def _as_reread(self, op: Op, reread: Reread) -> str | None:
        if reread.source not in self.known:
            return _NO_RANGE.format(reread.source.hint)
        self.plan.reread[op.result] = reread
        self.known.add(op.result)
        return None

    def _why_unfit(self, op: Op, role: Role) -> str | None:
        if not all(map(is_real, op.results)):
            return "it does not compute in float32"
        values = [op.operands[slot] for slot in activation_slots(op, role)]
        if all(value is None or is_known(value) for value in values):
            return "it reads constants only"
        for value in values:
            assert value is not None
            if not is_real(value):
                return "it does not compute in float32"
            if not is_known(value) and value not in self.known:
                return _NO_RANGE.format(value.hint)
        return _why_not_weighted(op, self.plan.scheme) if role is Role.WEIGHTED else None

    def _entered(self, op: Op, role: Role) -> str | None:
        clamp = clamp_after(op, self.plan.scheme)
        if clamp is not None and self._has_grid(clamp.result):
            self.plan.clamps[op] = clamp
        results = self.plan.results(op)
        for value in results:
            if not self._has_grid(value) and not self._has_derived_grid(op, role):
                return _NO_RANGE.format(value.hint)
        self.plan.roles[op] = role
        self.known.update(results)
        return None

    def _has_derived_grid(self, op: Op, role: Role) -> bool:
        """True when the grid of the results follows from the operands, or is the target's own."""
        if role is Role.FIXED:
            return not self.plan.scheme.symmetric
        return role in (Role.SAME, Role.TIED) and op.operands[0] not in self.plan.reread

    def _has_grid(self, value: Value) -> bool:
        stored = self.plan.scheme.activation
        return (
            value.range is not None
            or grid_read(value, stored) is not None
            or storing_op(value, stored) is not None
        )


def hides(op: Op) -> bool:
    """True where a sum or a choice has a term so large, as attention's masks are, that all that
    another one holds is less than two of its 255 steps."""
    if not isinstance(op, Add | Sub | Where) or _largest(op.result) < MASKING:
        return False
    found = op.result.range
    assert found is not None
    step = (max(found.high, 0.0) - min(found.low, 0.0)) / 255
    extents = [max(v.range.high, 0.0) - min(v.range.low, 0.0)
               for v in op.present_operands if v.range is not None]  # fmt: skip
    return any(extent < 2 * step for extent in extents)


def _largest(value: Value) -> float:
    return 0.0 if value.range is None else max(-value.range.low, value.range.high)


def _reread(op: Op, plan: Plan) -> Reread | None:
    """What the op reads where multiplying with a positive number, or adding whole steps to a value
    whose grid is the target's own, costs nothing."""
    if not plan.scheme.reinterprets or type(op) not in (Mul, Div, Add) or not is_real(op.result):
        return None
    pairs = [tuple(op.operands), tuple(op.operands)[::-1]]
    for value, other in pairs[: 1 if type(op) is Div else 2]:
        number = uniform(other)
        if value is None or number is None or is_known(value):
            continue
        if value.type.dims != op.result.type.dims:
            continue
        if type(op) is not Add and 0 < number < np.inf:
            return Reread(value, number if type(op) is Mul else 1 / number)
        if type(op) is Add and _shifts_by_steps(value, number, plan):
            return Reread(value, 1.0, number)
    return None


def _shifts_by_steps(value: Value, shift: float, plan: Plan) -> bool:
    origin = plan.origin(value)
    if origin.producer is None or plan.roles.get(origin.producer) is not Role.FIXED:
        return False
    if plan.scheme.symmetric:
        return False
    grid: Grid | None = plan.scheme.fixed[type(origin.producer)]
    for factor in _factors(value, plan):
        assert grid is not None
        grid = Reread(value, factor).grid(grid)
    return grid is not None and Reread(value, 1.0, shift).grid(grid) is not None


def _factors(value: Value, plan: Plan) -> list[float]:
    """What a value is multiplied with on the way from its origin, the first factor first."""
    found = []
    while value in plan.reread:
        found.append(plan.reread[value].factor)
        value = plan.reread[value].source
    return found[::-1]


def _why_not_weighted(op: Op, scheme: QuantScheme) -> str | None:
    x, weight = op.operands[0], op.operands[WEIGHT_SLOT]
    bias = op.operands[BIAS_SLOT]
    if bias is not None and not is_known(bias):
        return "the bias is computed by the model"
    if isinstance(op, MatMul) and bias is not None:
        channels = op.result.type.dims[-1]
        if bias.type.elements() != channels or bias.type.dims[-1:] != (channels,):
            return "the bias is not one number per column"
    largest = np.finfo(np.float32).max / 2**16
    if isinstance(weight, Constant) and x is not None and x.range is not None:
        bound = max(-x.range.low, x.range.high) * float(np.max(np.abs(weight.array), initial=0))
        if not bound < largest:
            return "the products of its numbers leave float32"
    return None


def _spread(plan: Plan) -> None:
    """Keep the candidates that a layer on integers reaches. A lone addition between float ops
    would only pay for two conversions."""
    touching: dict[Value, list[Op]] = {}
    ends = {op: [*plan.operands(op), *plan.results(op)] for op in plan.roles}
    for op, values in ends.items():
        for value in values:
            touching.setdefault(plan.origin(value), []).append(op)
    pending = deque(
        op for op, role in plan.roles.items()
        if role is Role.WEIGHTED or isinstance(op, MatMul) or _is_stored_already(ends[op], plan)
    )  # fmt: skip
    reached = set(pending)
    while pending:
        for value in ends[pending.popleft()]:
            for op in touching[plan.origin(value)]:
                if op not in reached:
                    reached.add(op)
                    pending.append(op)
    for op in tuple(plan.roles):
        if op not in reached:
            _leave_float(op, "nothing beside it runs on integers", plan)


def _leave_float(op: Op, reason: str, plan: Plan) -> None:
    del plan.roles[op]
    plan.clamps.pop(op, None)
    plan.reasons[op] = reason


def _add_before_rounding(plan: Plan) -> None:
    """Of each addition, the operand that a layer computes for it alone."""
    for op in plan.roles:
        if isinstance(op, Add):
            found = [value for value in (op.y, op.x) if _is_bare_sum(value, plan)]
            if found and op.x is not op.y and not (is_known(op.x) or is_known(op.y)):
                plan.summed[op] = found[0]


def _is_bare_sum(value: Value, plan: Plan) -> bool:
    layer = value.producer
    if layer is None or plan.roles.get(layer) is not Role.WEIGHTED:
        return False
    return value.use_count == 1 and getattr(layer, "act", "none") == "none"


def _keep_demanded(plan: Plan) -> None:
    """Keep the layers, and what computes integers for others, from the last op to the first."""
    demanded: set[Value] = set()
    for op, role in reversed(tuple(plan.roles.items())):
        results = plan.results(op)
        if (
            role is Role.WEIGHTED
            or isinstance(op, MatMul)
            or not demanded.isdisjoint(results)
            or _is_stored_already(list(results), plan)
        ):
            demanded.update(map(plan.origin, plan.operands(op)))
        else:
            _leave_float(op, "no op reads its integers", plan)


def _is_stored_already(values: list[Value], plan: Plan) -> bool:
    stored = plan.scheme.activation
    return any(grid_read(v, stored) or storing_op(v, stored) for v in values)
