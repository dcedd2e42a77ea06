"""Channels in another order, into the weights of the convolution that reads them."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Op, known_ints
from edgec.ir.ops import Conv, Gather
from edgec.passes.fuse.carriers import source_axis
from edgec.passes.fuse.fusion import Fusion, with_source
from edgec.passes.pattern import ANY, Match, Pattern, const, loose, node


class FuseOrderBefore(Fusion):
    """conv(gather(x, order), w, b)  ->  conv(x, w taken in the inverse order, b);  order a
    permutation of the input channels"""

    match = loose(Conv, node(Gather, ANY @ "x", const("order"), axis=ANY) @ "inner") @ "conv"

    def fused(self, m: Match) -> Op | str:
        conv: Conv = m.conv
        axis = source_axis(conv)
        if m.inner.axis % m.x.type.rank != axis:
            return "another axis than the channels is taken apart"
        order = known_ints(m.order) or ()
        size = m.x.type.dims[axis]
        if m.order.type.rank != 1 or not isinstance(size, int):
            return "the number of channels is not known"
        places = [index % size for index in order]
        if sorted(places) != list(range(size)):
            return "the channels are not a permutation"
        if conv.groups != 1 or not isinstance(conv.w, Constant):
            return "the weights have groups, or are not constant"
        weights = Constant(
            np.ascontiguousarray(conv.w.array[:, np.argsort(places)]), hint=conv.w.hint
        )
        return with_source(conv.copy(w=weights), m.x)


RULES: tuple[type[Pattern], ...] = (FuseOrderBefore,)
