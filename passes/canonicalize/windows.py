"""Windows of one sample, padding by name, and attributes that spell out their default."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir import Op, Rewriter, Value
from edgec.ir.ops import AvgPool, Conv, ConvTranspose, DeformConv, LpPool, MaxPool
from edgec.ir.ops.common import same_padding, split_layout
from edgec.passes.canonicalize.common import Drop
from edgec.passes.canonicalize.parts import earliest
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, loose, node, var

_WINDOWED = (Conv, ConvTranspose, DeformConv, AvgPool, LpPool, MaxPool)
_AUTO_PADDED = (Conv, AvgPool, LpPool, MaxPool)
_PLAIN = {"stride": 1, "pads": 0, "dilation": 1, "output_padding": 0}


def _plain(op: Op) -> dict[str, tuple[()]]:
    """The attributes that list the default for every axis, made empty."""
    return {
        name: ()
        for name, default in _PLAIN.items()
        if op.attributes.get(name) and all(value == default for value in op.attributes[name])
    }


class DropPlainAttributes(Pattern):
    """conv(stride=[1,1], pads=[0,0,0,0], dilation=[1,1]) -> conv()"""

    match = loose(_WINDOWED) @ "op"

    def check(self, m: Match) -> str | None:
        return None if _plain(m.op) else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value]:
        made: Op = m.op.copy(**_plain(m.op))
        return rw.add(made).results


class ExplicitPads(Pattern):
    """conv(auto_pad=same_upper) -> conv(pads=…)  when the sizes are known"""

    match = loose(_AUTO_PADDED) @ "op"

    def check(self, m: Match) -> str | None:
        if m.op.auto_pad == "explicit":
            return ELSEWHERE
        _, _, spatial = split_layout(m.op.x.type.dims, m.op.layout)
        return None if all(isinstance(dim, int) for dim in spatial) else "a size is not known"

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value]:
        op = m.op
        _, _, spatial = split_layout(op.x.type.dims, op.layout)
        ones = (1,) * len(spatial)
        windows = zip(spatial, op.kernel, op.stride or ones, op.dilation or ones, strict=True)
        pairs = [
            same_padding(size, kernel, stride, dilation, op.auto_pad == "same_upper")
            for size, kernel, stride, dilation in windows
            if isinstance(size, int)
        ]
        pads = [begin for begin, _ in pairs] + [end for _, end in pairs]
        made: Op = op.copy(auto_pad="explicit", pads=pads)
        return rw.add(made).results


class DropUnreadIndices(Pattern):
    """max_pool(indices=true) -> max_pool()  when nothing reads the indices"""

    match = node(MaxPool, var("x"), attrs=CARRY) @ "pool"

    def check(self, m: Match) -> str | None:
        if not m.pool.indices:
            return ELSEWHERE
        return "the indices are read" if m.pool.results[1].is_used else None

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value | None]:
        pooled = rw.add(m.pool.copy(indices=False, storage_order=0)).result
        return pooled, None


class DropPool(Drop):
    """max_pool(x, kernel=[1,1]), avg_pool(x, kernel=[1,1]) -> x"""

    match = node((MaxPool, AvgPool), var("x"), attrs=CARRY) @ "pool"

    def check(self, m: Match) -> str | None:
        pool = m.pool
        if any(size != 1 for size in pool.kernel):
            return ELSEWHERE
        if any(step != 1 for step in pool.stride) or any(pool.pads):
            return "the pool has a stride or pads"
        return "the indices are read" if len(pool.results) > 1 else None


class PoolOfSmallerPool(Pattern):
    """max_pool(x, k) -> max_pool(max_pool(x, j), k-j+1)  where max_pool(x, j) is there anyway, as
    in pyramids of pools; odd sizes, stride 1, so padded that the size stays"""

    match = node(MaxPool, var("x"), attrs=CARRY) @ "pool"

    def check(self, m: Match) -> str | None:
        if m.x.user_count < 2 or not _keeps_size(m.pool):
            return ELSEWHERE
        smaller = [
            user
            for user in m.x.users
            if isinstance(user, MaxPool) and user is not m.pool and self._serves(user, m.pool)
        ]
        if not smaller:
            return ELSEWHERE
        best = max(smaller, key=lambda user: user.kernel)
        if earliest([best, m.pool], m.x) is not best:
            return "the smaller pool is computed later"
        m.captures["smaller"] = best
        return None

    @staticmethod
    def _serves(small: MaxPool, large: MaxPool) -> bool:
        if small.graph is not large.graph or not small.result.is_used or not _keeps_size(small):
            return False
        if small.layout != large.layout or len(small.kernel) != len(large.kernel):
            return False
        return small.kernel != large.kernel and all(
            a <= b for a, b in zip(small.kernel, large.kernel, strict=True)
        )

    def build(self, m: Match, rw: Rewriter) -> Value:
        sizes = [b - a + 1 for a, b in zip(m.smaller.kernel, m.pool.kernel, strict=True)]
        pads = [size // 2 for size in sizes] * 2
        made: Op = m.pool.copy(x=m.smaller.result, kernel=sizes, pads=pads)
        return rw.add(made).result


def _keeps_size(pool: MaxPool) -> bool:
    """Stride 1, no gaps, and half of an odd kernel as padding on each side."""
    if pool.auto_pad != "explicit" or pool.ceil or pool.indices:
        return False
    if any(step != 1 for step in (*pool.stride, *pool.dilation)):
        return False
    half = tuple(size // 2 for size in pool.kernel)
    odd = all(size % 2 for size in pool.kernel)
    return odd and (pool.pads or (0,) * 2 * len(half)) == half * 2


RULES: tuple[type[Pattern], ...] = (
    DropUnreadIndices,
    DropPool,
    DropPlainAttributes,
    ExplicitPads,
    PoolOfSmallerPool,
)
