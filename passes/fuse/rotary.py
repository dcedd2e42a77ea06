"""Rotary position embeddings: the sign of the rotated half goes into the table of sines."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Op, Rewriter, Value
from edgec.ir.ops import Concat, Mul, Neg
from edgec.passes.fuse.channels import is_plain_float
from edgec.passes.pattern import ELSEWHERE, Match, Pattern, const, loose, node


class RotateHalf(Pattern):
    """concat(-b, a) * s  ->  concat(b, a) * s'  where s' is the constant s with the sign of its
    first part turned;  any number of parts"""

    match = node(Mul, loose(Concat) @ "concat", const("s", near=False)) @ "product"

    def check(self, m: Match) -> str | None:
        concat: Concat = m.concat
        if not any(_negated(x, concat) for x in concat.xs):
            return ELSEWHERE
        if not is_plain_float(m.s) or m.product.result.type != concat.result.type:
            return "the constant enlarges x"
        sizes = [x.type.dims[concat.axis] for x in concat.xs]
        return None if all(isinstance(size, int) for size in sizes) else "a size is not known"

    def build(self, m: Match, rw: Rewriter) -> Value:
        concat: Concat = m.concat
        axis, rank = concat.axis, concat.result.type.rank
        signs: list[float] = []
        parts: list[Value] = []
        for x in concat.xs:
            negation = _negated(x, concat)
            size = x.type.dims[axis]
            assert isinstance(size, int)
            signs += [1.0 if negation is None else -1.0] * size
            parts.append(x if negation is None else negation.x)
            m.interior.extend([] if negation is None else [negation])
        along = np.reshape(signs, (-1, *(1,) * (rank - axis - 1)))
        turned = (m.s.array * along).astype(m.s.type.dtype.numpy)
        joined: Op = concat.copy(operands=parts)
        return rw.add(Mul(rw.add(joined).result, Constant(turned, hint=m.s.hint))).result


def _negated(value: Value, reader: Op) -> Neg | None:
    op = value.producer
    single = value.use_count == 1 and op is not None and op.graph is reader.graph
    return op if single and isinstance(op, Neg) else None


RULES: tuple[type[Pattern], ...] = (RotateHalf,)
