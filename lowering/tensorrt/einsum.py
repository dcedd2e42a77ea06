"""Einstein summation."""

from __future__ import annotations

from string import ascii_lowercase

from edgec.ir.ops import Einsum
from edgec.ir.ops.einsum import ELLIPSIS, Equation
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer


@limit(Einsum)
def einsum_limit(op: Einsum) -> str | None:
    terms = _terms(op)
    if any(len(set(term)) < len(term) for term in terms):
        return f"Einsum takes no diagonals, as in {op.equation!r}"
    if not op.xs[0].type.dtype.is_float:
        return f"Einsum sums floats, not {op.xs[0].type.dtype.name}"
    if len({axis for term in terms for axis in term}) > len(ascii_lowercase):
        return f"Einsum has {len(ascii_lowercase)} letters for axes"
    return None


@TENSORRT.rule(Einsum)
def einsum(op: Einsum, w: Writer) -> Tensor:
    terms = _terms(op)
    axes = dict.fromkeys(axis for term in terms for axis in term)
    letters = dict(zip(axes, ascii_lowercase, strict=False))
    *operands, result = ("".join(letters[axis] for axis in term) for term in terms)
    return out(w.net.add_einsum([w[x] for x in op.xs], f"{','.join(operands)}->{result}"))


def _terms(op: Einsum) -> list[list[str]]:
    """A name for each axis of every operand and of the result; those that an ellipsis stands for
    are numbered from the last one."""
    equation = Equation.parse(op.equation)
    found = []
    for term, value in zip((*equation.operands, equation.result), (*op.xs, op.result), strict=True):
        before, dots, after = term.partition(ELLIPSIS)
        count = value.type.rank - len(before) - len(after) if dots else 0
        middle = [f"...{i}" for i in reversed(range(count))]
        found.append([*before, *middle, *after])
    return found
