"""Einstein summation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgec.ir.dims import Dim, broadcast_dim, could_equal
from edgec.ir.op import Op, OpError, Types, Work, attr, variadic
from edgec.ir.ops.common import broadcast, require_family, same_dtype
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.types import TensorType
from edgec.ir.value import Value

ELLIPSIS = "..."


@dataclass(frozen=True)
class Equation:
    """An equation taken apart: one term per operand, and the result's."""

    operands: tuple[str, ...]
    result: str

    @staticmethod
    def parse(text: str) -> Equation:
        """Raises OpError when it is not well-formed."""
        left, arrow, right = text.replace(" ", "").partition("->")
        operands = tuple(left.split(","))
        for term in (*operands, right):
            letters = term.replace(ELLIPSIS, "", 1)
            if not (letters.isalpha() and letters.isascii()) and letters:
                raise OpError(f"equation {text!r} has the term {term!r}: letters and one '...'")
        equation = Equation(operands, right if arrow else _implicit(operands))
        letters = equation.result.replace(ELLIPSIS, "")
        missing = sorted(set(letters) - set("".join(operands)))
        if missing or len(set(letters)) != len(letters):
            raise OpError(f"equation {text!r} wants each result letter once, and in an operand")
        return equation


def _implicit(operands: tuple[str, ...]) -> str:
    """ONNX Einsum-12: letters that occur once, sorted, after the ellipsis."""
    joined = "".join(operands)
    counts = Counter(joined.replace(ELLIPSIS, ""))
    once = "".join(sorted(letter for letter, count in counts.items() if count == 1))
    return (ELLIPSIS if ELLIPSIS in joined else "") + once


class Einsum(Op, name="linalg.einsum"):
    """y[result letters] = sum over the other letters of the product of xs, as ``equation`` says"""

    xs: tuple[Value, ...] = variadic()
    equation: str = attr()

    def infer(self) -> Types:
        if not self.xs:
            raise OpError("einsum wants at least one operand")
        same_dtype(*self.xs)
        require_family(self.xs[0], ("float", "int", "uint"))
        equation = Equation.parse(self.equation)
        if len(equation.operands) != len(self.xs):
            raise OpError(f"equation {self.equation!r} is not about {len(self.xs)} operands")
        letters, spread = self._letters(equation)
        before, _, after = equation.result.partition(ELLIPSIS)
        middle = spread if ELLIPSIS in equation.result else ()
        dims = (*(letters[c] for c in before), *middle, *(letters[c] for c in after))
        return (self.xs[0].type.with_dims(dims),)

    def _letters(self, equation: Equation) -> tuple[dict[str, Dim], tuple[Dim, ...]]:
        """The dim of each letter, and the dims that the ellipses broadcast to."""
        letters: dict[str, Dim] = {}
        spread: list[TensorType] = [self.xs[0].type.with_dims(())]
        for term, x in zip(equation.operands, self.xs, strict=True):
            before, dots, after = term.partition(ELLIPSIS)
            rank, extra = x.type.rank, x.type.rank - len(before) - len(after)
            if extra < 0 or (extra > 0 and not dots):
                raise OpError(f"term {term!r} does not fit {x.type}")
            named = (*x.type.dims[: len(before)], *x.type.dims[rank - len(after) :])
            for letter, dim in zip(before + after, named, strict=True):
                letters[letter] = _joined(letters.get(letter, 1), dim, letter)
            spread.append(x.type.with_dims(x.type.dims[len(before) : len(before) + extra]))
        return letters, broadcast(*spread)

    def work(self) -> Work:
        letters, spread = self._letters(Equation.parse(self.equation))
        everything = TensorType(self.xs[0].type.dtype, (*letters.values(), *spread))
        return Work(macs=everything.elements(), bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        equation = draw.choice(EQUATIONS)
        sizes = {letter: draw.integer(1, 4) for letter in "abcijkn"}
        spread = draw.shape(draw.integer(0, 2))
        dtype = draw.choice(FLOATS)
        xs = []
        for term in Equation.parse(equation).operands:
            before, dots, after = term.partition(ELLIPSIS)
            middle = spread if dots else ()
            dims = (*(sizes[c] for c in before), *middle, *(sizes[c] for c in after))
            xs.append(draw.value(dtype, dims))
        return cls(tuple(xs), equation=equation)


EQUATIONS = (
    "ij,jk", "ij,jk->ik", "ij->ji", "ij->i", "ii->i", "ii", "i,j->ij", "...ij,...jk->...ik",
    "bij,bjk->bik", "nij, njk -> nik", "ab,bc,ci->ai", "...i,...i->...", "->", "...ii->...i",
)  # fmt: skip


def _joined(known: Dim, found: Dim, letter: str) -> Dim:
    if known != 1 and found != 1 and not could_equal(known, found):
        raise OpError(f"letter {letter!r} stands for {known} and for {found}")
    joined = broadcast_dim(known, found)
    assert joined is not None, "they could be equal, or one of them is 1"
    return joined
