"""What kernels derive from an op once: packed weights, tables, factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from edgec.ir import Constant, Op

T = TypeVar("T")


class Memo(Generic[T]):
    """One value for each op, as long as the op lives and reads the same constants.

    The attributes of an op and the grids of its operands never change; its constants may be
    replaced.
    """

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Op, tuple[tuple[Any, ...], T]] = WeakKeyDictionary()

    def of(self, op: Op, make: Callable[[], T]) -> T:
        """The value of the op, made now when it is not known."""
        # Weights, not constants: these know their users, which would keep the op alive.
        weights = tuple([v.weight if isinstance(v, Constant) else None for v in op.operands])
        known = self._known.get(op)
        if known is not None and all(map(_same, known[0], weights)):
            return known[1]
        made = make()
        self._known[op] = (weights, made)
        return made


def _same(a: object, b: object) -> bool:
    return a is b
