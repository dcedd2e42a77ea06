"""Blocks of space and depth, written as reshape, transpose, reshape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from edgec.ir import Dim, Ints, Op, Rewriter, Value
from edgec.ir.ops import DepthToSpace, Reshape, SpaceToDepth, Transpose
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, node, var

# By mode and layout: the dims that x is taken apart into, of batch n, channels c, height h, width w
# (the smaller ones of the two sides) and block b; and their permutation.
_Form: TypeAlias = tuple[Callable[[Dim, Dim, Dim, Dim, int], tuple[Dim, ...]], Ints]
_TO_SPACE: Mapping[tuple[str, str], _Form] = {
    ("crd", "nchw"): (lambda n, c, h, w, b: (n, c, b, b, h, w), (0, 1, 4, 2, 5, 3)),
    ("dcr", "nchw"): (lambda n, c, h, w, b: (n, b, b, c, h, w), (0, 3, 4, 1, 5, 2)),
    ("crd", "nhwc"): (lambda n, c, h, w, b: (n, h, w, c, b, b), (0, 1, 4, 2, 5, 3)),
    ("dcr", "nhwc"): (lambda n, c, h, w, b: (n, h, w, b, b, c), (0, 1, 3, 2, 4, 5)),
}
_TO_DEPTH: Mapping[tuple[str, str], _Form] = {
    ("crd", "nchw"): (lambda n, c, h, w, b: (n, c, h, b, w, b), (0, 1, 3, 5, 2, 4)),
    ("dcr", "nchw"): (lambda n, c, h, w, b: (n, c, h, b, w, b), (0, 3, 5, 1, 2, 4)),
    ("crd", "nhwc"): (lambda n, c, h, w, b: (n, h, b, w, b, c), (0, 1, 3, 5, 2, 4)),
    ("dcr", "nhwc"): (lambda n, c, h, w, b: (n, h, b, w, b, c), (0, 1, 3, 2, 4, 5)),
}


class _Blocks(Pattern):
    """Base: ``op`` moves blocks, ``forms`` says how that is written."""

    match = (
        node(
            Reshape,
            node(
                Transpose,
                node(Reshape, var("x"), attrs=CARRY) @ "apart",
                attrs=CARRY,
            )
            @ "transpose",
            attrs=CARRY,
        )
        @ "together"
    )
    op: type[DepthToSpace] | type[SpaceToDepth]
    forms: Mapping[tuple[str, str], _Form]

    def check(self, m: Match) -> str | None:
        x, result = m.x.type.dims, m.together.result.type.dims
        if len(x) != 4 or len(result) != 4 or len(m.transpose.perm) != 6:
            return ELSEWHERE
        for (mode, layout), (apart, perm) in self.forms.items():
            sizes = self._sizes(m, layout) if m.transpose.perm == perm else None
            if sizes is None or apart(*sizes) != m.apart.result.type.dims:
                continue
            made = self.op(m.x, block=sizes[-1], mode=mode, layout=layout)
            if made.result.type == m.together.result.type:
                m.captures["made"] = made
                return None
        return "the parts are no blocks of height and width"

    def _sizes(self, m: Match, layout: str) -> tuple[Dim, Dim, Dim, Dim, int] | None:
        """Batch, channels, height, width and block."""
        to_space = self.op is DepthToSpace
        small, large = (m.x, m.together.result) if to_space else (m.together.result, m.x)
        channel, height = (1, 2) if layout == "nchw" else (3, 1)
        n, c = large.type.dims[0], large.type.dims[channel]
        h, w = small.type.dims[height : height + 2]
        block = large.type.dims[height] // h if h != 0 else None
        return (n, c, h, w, block) if isinstance(block, int) and block > 1 else None

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.made
        return rw.add(made).result


class DepthToSpaceFromMoves(_Blocks):
    """reshape(transpose(reshape(x, [n, c, b, b, h, w]), [0,1,4,2,5,3])) -> depth_to_space(x, b);
    both modes and layouts, the pixel shuffle among them"""

    op = DepthToSpace
    forms = _TO_SPACE


class SpaceToDepthFromMoves(_Blocks):
    """reshape(transpose(reshape(x, [n, c, h, b, w, b]), [0,1,3,5,2,4])) -> space_to_depth(x, b);
    both modes and layouts"""

    op = SpaceToDepth
    forms = _TO_DEPTH


RULES: tuple[type[Pattern], ...] = (DepthToSpaceFromMoves, SpaceToDepthFromMoves)
