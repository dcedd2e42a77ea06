"""Einstein summation, as sums, transposes and matrix products of two operands at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.ir import Dim
from edgec.ir.ops import Einsum
from edgec.ir.ops.einsum import ELLIPSIS, Equation
from edgec.lowering.tflite.linear import product
from edgec.lowering.tflite.shapes import reshaped, transposed
from edgec.lowering.tflite.table import TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


@dataclass(frozen=True)
class Term:
    """A tensor with a letter for each of its axes."""

    x: Tensor
    letters: str

    def size(self, letter: str) -> Dim:
        return self.x.dims[self.letters.index(letter)] if letter in self.letters else 1


@TFLITE.rule(Einsum)
def einsum(op: Einsum, w: Writer) -> Tensor:
    equation = Equation.parse(op.equation)
    spread = max(
        (x.type.rank - len(term.replace(ELLIPSIS, "")) for term, x in
         zip(equation.operands, op.xs, strict=True) if ELLIPSIS in term),
        default=0,
    )  # fmt: skip
    digits = "0123456789"[:spread]
    terms = [_named(w[x], term, digits) for term, x in zip(equation.operands, op.xs, strict=True)]
    result = equation.result.replace(ELLIPSIS, digits)
    while len(terms) > 1:
        first, second, *rest = terms
        wanted = set(result).union(*(term.letters for term in rest))
        terms = [_pair(first, second, wanted, w), *rest]
    last = _summed(terms[0], set(result), w)
    y = transposed(last.x, [last.letters.index(letter) for letter in result], w)
    return w.copy(y) if y.producer is None or y is w[op.xs[0]] else y


def _named(x: Tensor, term: str, digits: str) -> Term:
    """With a digit for each axis of an ellipsis, counted from the right."""
    own = x.rank - len(term.replace(ELLIPSIS, ""))
    letters = term.replace(ELLIPSIS, digits[len(digits) - own :])
    if len(set(letters)) < len(letters):
        raise Unwritable(f"a diagonal, as in {term!r}, is not written")
    return Term(x, letters)


def _summed(term: Term, wanted: set[str], w: Writer) -> Term:
    """Without the letters that nobody reads any more."""
    axes = [i for i, letter in enumerate(term.letters) if letter not in wanted]
    if not axes:
        return term
    kept = "".join(letter for letter in term.letters if letter in wanted)
    dims = [term.size(letter) for letter in kept]
    return Term(w.op("SUM", term.x, w.ints(axes), dims=dims, keep_dims=False), kept)


def _pair(a: Term, b: Term, wanted: set[str], w: Writer) -> Term:
    a = _summed(a, wanted | set(b.letters), w)
    b = _summed(b, wanted | set(a.letters), w)
    shared = [letter for letter in a.letters if letter in b.letters]
    batch = [letter for letter in shared if letter in wanted]
    depth = [letter for letter in shared if letter not in wanted]
    rows = [letter for letter in a.letters if letter not in shared]
    columns = [letter for letter in b.letters if letter not in shared]
    for letter in depth:
        if a.size(letter) != b.size(letter):
            raise Unwritable("a sum over an axis that one operand spreads")
    x = _arranged(a, batch, rows, depth, w)
    y = _arranged(b, batch, depth, columns, w)
    z = product(x, y, w)
    sizes = [b.size(each) if a.size(each) == 1 else a.size(each) for each in batch]
    dims = [*sizes, *(a.size(each) for each in rows), *(b.size(each) for each in columns)]
    return Term(reshaped(z, dims, w), "".join((*batch, *rows, *columns)))


def _arranged(
    term: Term, batch: Sequence[str], first: Sequence[str], second: Sequence[str], w: Writer
) -> Tensor:
    """[*batch, product of first, product of second]"""
    order = [term.letters.index(letter) for letter in (*batch, *first, *second)]
    dims = [*(term.size(each) for each in batch), _total(term, first), _total(term, second)]
    return reshaped(transposed(term.x, order, w), dims, w)


def _total(term: Term, letters: Sequence[str]) -> Dim:
    total: Dim = 1
    for letter in letters:
        total = total * term.size(letter)
    return total
