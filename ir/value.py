"""SSA values: what ops read and produce. Identity is the object; a name is a hint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgec.ir.types import TensorType
from edgec.ir.weight import Array, Weight

if TYPE_CHECKING:
    from edgec.ir.contents import Contents
    from edgec.ir.graph import Graph
    from edgec.ir.op import Op


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a value is read: operand number ``index`` of ``op``."""

    op: Op
    index: int


@dataclass(frozen=True, slots=True)
class Range:
    """The real numbers that a value takes, as calibration recorded them: from ``low`` to ``high``.

    Every target derives its scale and zero point from it.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"a range is finite and in order, found {self.low}…{self.high}")


class Value:
    """A result of an op, an input of a graph, or (subclass) a constant.

    Attributes:
        type: dtype, dims and quantization.
        producer: the op that computes it; None for graph inputs and constants.
        index: which result of the producer, or which input of the graph.
        hint: the name it had in the source; the printer makes it unique.
        range: the numbers it takes, once calibration recorded them. Like the hint it stays with
            the numbers: a rewrite that gives the same numbers another producer carries it over.
    """

    __slots__ = ("_users", "contents_memo", "hint", "index", "owner", "producer", "range", "type")

    def __init__(
        self,
        type: TensorType,
        *,
        producer: Op | None = None,
        index: int = 0,
        hint: str = "",
        owner: Graph | None = None,
    ) -> None:
        self.type = type
        self.producer = producer
        self.index = index
        self.hint = hint
        self.range: Range | None = None
        self.owner = owner
        self._users: dict[Op, int] | None = None
        self.contents_memo: Contents | None = None

    @property
    def users(self) -> tuple[Op, ...]:
        """The ops that read this value, each once, in the order in which they began to."""
        return tuple(self._users) if self._users else ()

    @property
    def uses(self) -> Iterator[Use]:
        """Every operand slot that reads this value, in a stable order."""
        for user in self.users:
            for index, operand in enumerate(user.operands):
                if operand is self:
                    yield Use(user, index)

    @property
    def use_count(self) -> int:
        return sum(self._users.values()) if self._users else 0

    @property
    def user_count(self) -> int:
        """Number of ops that read this value."""
        return len(self._users) if self._users else 0

    @property
    def is_used(self) -> bool:
        return bool(self._users)

    def _add_use(self, op: Op) -> None:
        if self._users is None:
            self._users = {}
        self._users[op] = self._users.get(op, 0) + 1

    def _drop_use(self, op: Op) -> None:
        users = self._users
        assert users is not None, "a use that was never registered is dropped"
        users[op] -= 1
        if not users[op]:
            del users[op]

    def __repr__(self) -> str:
        return f"<%{self.hint or '_'}: {self.type}>"


class Constant(Value):
    """A value known at compile time. It belongs to no op: it lives as long as something uses it."""

    __slots__ = ("weight",)

    def __init__(
        self, data: Weight | Array, *, hint: str = "", type: TensorType | None = None
    ) -> None:
        self.weight = data if isinstance(data, Weight) else Weight(data)
        super().__init__(type or self.weight.type, hint=hint)

    @property
    def array(self) -> Array:
        """The data, read-only."""
        return self.weight.array
