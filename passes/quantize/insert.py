"""Carrying out a plan: values are stored and read back, constants are stored."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Graph, Grid, Op, Range, Rewriter, Role, Value
from edgec.ir.ops import Dequantize, Quantize
from edgec.passes.quantize.existing import grid_in, grid_read, storing_op
from edgec.passes.quantize.grids import grid_of, offset, scale_array, zero_point_array
from edgec.passes.quantize.plan import Plan
from edgec.passes.quantize.slots import activation_slots

_SHARING = (Role.SAME, Role.TIED)


class Inserter:
    """Puts quantize and dequantize where a plan says so: one pair per value, for all its readers.

    Attributes:
        read: by value, what now stands for it, read from integers.
    """

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan
        self.stored = plan.scheme.activation
        self.read: dict[Value, Value] = {}
        self._rescaled: dict[tuple[Value, Grid], Value] = {}
        self._slots = [
            (op, slot, op.operands[slot])
            for op, role in plan.roles.items()
            for slot in activation_slots(op, role)
        ]

    def run(self) -> None:
        for value, grid in self.plan.grids.items():
            self._store(value, grid)
        for value in self.plan.reread:
            self._reread(value)
        for op, slot, operand in self._slots:
            self._settle(op, slot, operand)

    def _store(self, value: Value, grid: Grid) -> None:
        if grid_read(value, self.stored) is not None:
            self.read[value] = value
            return
        storing = storing_op(value, self.stored)
        moved = value.producer is not None and self.plan.roles.get(value.producer) is Role.SAME
        if storing is not None and moved and grid_in(storing, self.stored) != grid:
            storing = None  # what is moved about stays on its grid; the model stores it anew after
        readers = [
            user
            for user in value.users
            if user is not storing and (moved or not isinstance(user, Quantize))
        ]
        if storing is None:
            storing = self._placed(Quantize(value, *self._parameters(grid), to=self.stored), value)
            storing.result.hint = f"{value.hint}.q"
        if not readers:
            return
        reading = Dequantize(storing.result, *self._parameters(grid))
        _after(storing, reading)
        reading.result.hint, reading.result.range = f"{value.hint}.dq", value.range
        self._redirect(readers, value, reading.result)
        self.read[value] = reading.result

    def _reread(self, value: Value) -> None:
        """A product with a number becomes another way to read the same integers."""
        op, origin = value.producer, self.plan.origin(value)
        if op is None or op.graph is None or origin not in self.read:
            return
        source = self.read[origin].producer
        assert isinstance(source, Dequantize)
        reading = Dequantize(source.x, *self._parameters(self.plan.grid(value)))
        Rewriter(self.graph).replace_with(op, reading)
        self.read[value] = reading.result

    def _settle(self, op: Op, slot: int, value: Value | None) -> None:
        """Let one operand be read on the grid that the op wants it on."""
        assert value is not None
        shared = self.plan.roles[op] in _SHARING
        wanted = self.plan.grids[self.plan.results(op)[0]] if shared else None
        rw = Rewriter(self.graph)
        if isinstance(value, Constant):
            rw.set_operand(op, slot, self._constant(value, wanted, op))
        elif wanted is not None and value in self.read and self.plan.grid(value) != wanted:
            rw.set_operand(op, slot, self._on_grid(value, wanted))

    def _constant(self, value: Constant, wanted: Grid | None, op: Op) -> Value:
        """A constant operand in integers of its own grid, or of the op's."""
        data = value.array.astype(np.float64)
        low, high = float(data.min(initial=0)), float(data.max(initial=0))
        grid = wanted or grid_of(Range(low, high), self.plan.scheme)
        least, greatest = (bound + offset(self.stored) for bound in self.plan.scheme.bounds)
        point = grid.zero_point + offset(self.stored)
        integers = np.clip(np.rint(data / grid.scale) + point, least, greatest)
        held = Constant(integers.astype(self.stored.numpy), hint=value.hint)
        made = Rewriter(self.graph).at(op).add(Dequantize(held, *self._parameters(grid))).result
        made.hint = f"{value.hint}.dq" if value.hint else ""
        return made

    def _on_grid(self, value: Value, grid: Grid) -> Value:
        """A stored value, stored once more on another grid."""
        key = (value, grid)
        if key not in self._rescaled:
            source = self.read[value]
            storing = Quantize(source, *self._parameters(grid), to=self.stored)
            self._placed(storing, source)
            reading = Dequantize(storing.result, *self._parameters(grid))
            _after(storing, reading)
            reading.result.hint, reading.result.range = f"{value.hint}.rescaled", value.range
            self._rescaled[key] = reading.result
        return self._rescaled[key]

    def _parameters(self, grid: Grid) -> tuple[Constant, Constant]:
        return (
            Constant(scale_array(grid), hint="scale"),
            Constant(zero_point_array(grid, self.stored), hint="zero_point"),
        )

    def _placed(self, op: Quantize, value: Value) -> Quantize:
        """Insert right after the producer of a value."""
        producer = value.producer
        if producer is None:
            first = self.graph.first
            assert first is not None
            return Rewriter(self.graph).add(op, before=first)
        op.loc = producer.loc
        _after(producer, op)
        return op

    def _redirect(self, readers: list[Op], old: Value, new: Value) -> None:
        for reader in readers:
            assert reader.graph is not None
            rw = Rewriter(reader.graph)
            for slot, operand in enumerate(reader.operands):
                if operand is old:
                    rw.set_operand(reader, slot, new)


def _after(anchor: Op, op: Op) -> None:
    assert anchor.graph is not None
    following = anchor.next
    assert following is not None, "only return ends a graph"
    op.loc = anchor.loc
    Rewriter(anchor.graph).add(op, before=following)
