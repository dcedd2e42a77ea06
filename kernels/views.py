"""What the bytes of a value hold: bytes of other values, when an op only cuts or joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgec.ir import Op, Value
from edgec.ir.ops import Concat, Reshape
from edgec.kernels.parts import contiguous_parts, whole_and_parts

Atoms = list[tuple[Value, int, int]]  # of which value, from which byte, how many


class Contents:
    """The contents of values, each op's after those of the ops before it.

    Args:
        shape_of: the dims of a value, None when they are not known.
        size_of: the bytes of a value whose dims are known.
    """

    def __init__(
        self,
        shape_of: Callable[[Value], tuple[int, ...] | None],
        size_of: Callable[[Value], int],
    ) -> None:
        self._shape_of = shape_of
        self._size_of = size_of
        self._views: dict[Value, Atoms] = {}

    def of(self, value: Value) -> Atoms:
        """A value that is no view holds itself."""
        return self._views.get(value) or [(value, 0, self._size_of(value))]

    def learn_reshape(self, op: Reshape) -> None:
        if self._shape_of(op.x) is not None:
            self._views[op.result] = self.of(op.x)

    def learn_parts(self, op: Op) -> list[tuple[Value, Value, int]]:
        """Each part of an op that cuts or joins, with the whole and the byte in it where the part
        begins; none where parts are not contiguous."""
        found = contiguous_parts(op, self._shape_of)
        pair = whole_and_parts(op)
        if found is None or pair is None:
            return []
        whole = pair[0]
        bits = whole.type.dtype.bits
        if any(elements * bits % 8 for _, elements in found):
            return []
        places = [(whole, part, elements * bits // 8) for part, elements in found]
        if isinstance(op, Concat):
            self._views[whole] = [atom for part, _ in found for atom in self.of(part)]
        else:
            for _, part, offset in places:
                self._views[part] = cut(self.of(whole), offset, self._size_of(part))
        return places


def cut(atoms: Iterable[tuple[Value, int, int]], begin: int, size: int) -> Atoms:
    """``size`` bytes from ``begin`` on, neighbours of one source merged."""
    found: Atoms = []
    at = 0
    for source, offset, length in atoms:
        low, high = max(begin - at, 0), min(begin + size - at, length)
        at += length
        if low >= high:
            continue
        if found and found[-1][0] is source and found[-1][1] + found[-1][2] == offset + low:
            found[-1] = (source, found[-1][1], found[-1][2] + high - low)
        else:
            found.append((source, offset + low, high - low))
    return found
