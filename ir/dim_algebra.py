"""Symbolic tensor dimensions: integer polynomials over named symbols, floor division, max, min.

A dimension is an `int` wherever it is known, so that callers pay for symbols only where a model
has them. Everything else is a `DimExpr` in canonical form: a sum of integer multiples of products
of *atoms*, where an atom is a symbol or one of `p//q`, `p%q`, `max(...)`, `min(...)` that could
not be simplified further. Symbols stand for integers >= 0; a quotient by zero is undefined, so
`p//p` is 1.

>>> H = symbol("H")
>>> (H + 2*3 - 7)//2 + 1
(H + 1)//2
>>> -(-H//2) == (H - 1)//2 + 1
True
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

# Models are untrusted input: these bounds keep every operation and every text short.
MAX_TERMS: Final = 256
MAX_DEGREE: Final = 64
MAX_NESTING: Final = 64
MAX_NAME: Final = 1024
MAX_TEXT: Final = 4096
_CACHE: Final = 1 << 14


class DimError(ValueError):
    """A dimension that has no value, no name or no bounded size."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Factor:
    """An indivisible factor; interned by its text, so identity is equality."""

    kind: str
    args: tuple[Dim, ...]
    name: str
    text: str
    nesting: int

    @property
    def order(self) -> tuple[bool, str]:
        return self.kind != "symbol", self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return _atom, (self.kind, self.args, self.name)


_Monomial: TypeAlias = tuple[Factor, ...]
_Terms: TypeAlias = tuple[tuple[_Monomial, int], ...]


@dataclass(frozen=True, slots=True, repr=False)
class DimExpr:
    """A canonical, non-constant polynomial; build it with `symbol` and operators.

    `terms` are (atoms with repetition, coefficient) in graded lexicographic order.
    """

    terms: _Terms

    @property
    def constant(self) -> int:
        """The coefficient of the empty product."""
        monomial, coefficient = self.terms[-1]
        return 0 if monomial else coefficient

    def __add__(self, other: Dim) -> Dim:
        return _sum(self, other, 1) if isinstance(other, (int, DimExpr)) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Dim) -> Dim:
        return _sum(self, other, -1) if isinstance(other, (int, DimExpr)) else NotImplemented

    def __rsub__(self, other: int) -> Dim:
        return _sum(other, self, -1) if isinstance(other, int) else NotImplemented

    def __neg__(self) -> Dim:
        return _sum(0, self, -1)

    def __mul__(self, other: Dim) -> Dim:
        return _product(self, other) if isinstance(other, (int, DimExpr)) else NotImplemented

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        return _quotient(self, other) if isinstance(other, (int, DimExpr)) else NotImplemented

    def __rfloordiv__(self, other: int) -> Dim:
        return _quotient(other, self) if isinstance(other, int) else NotImplemented

    def __mod__(self, other: Dim) -> Dim:
        return _remainder(self, other) if isinstance(other, (int, DimExpr)) else NotImplemented

    def __rmod__(self, other: int) -> Dim:
        return _remainder(other, self) if isinstance(other, int) else NotImplemented

    def __str__(self) -> str:
        return _text(self)

    __repr__ = __str__

    def __reduce__(self) -> str | tuple[Any, ...]:
        return "ANY" if self is ANY else (DimExpr, (self.terms,))


Dim: TypeAlias = int | DimExpr


# --- Building canonical expressions ---

_ATOMS: WeakValueDictionary[str, Factor] = WeakValueDictionary()
_BARE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _atom(kind: str, args: tuple[Dim, ...] = (), name: str = "") -> Factor:
    text = _atom_text(kind, args, name)
    known = _ATOMS.get(text)
    if known is not None:
        return known
    nesting = 1 + max((a.nesting for arg in args for a in _atoms(arg)), default=0)
    if nesting > MAX_NESTING or len(text) > MAX_TEXT:
        raise DimError(f"dimension grows beyond {MAX_NESTING} levels or {MAX_TEXT} characters")
    atom = _ATOMS[text] = Factor(kind, args, name, text, nesting)
    return atom


def _single(atom: Factor) -> DimExpr:
    return DimExpr((((atom,), 1),))


def _terms(dim: Dim) -> _Terms:
    if isinstance(dim, DimExpr):
        return dim.terms
    return (((), dim),) if dim else ()


def _atoms(dim: Dim) -> Iterable[Factor]:
    return (atom for monomial, _ in _terms(dim) for atom in monomial)


def _order(monomial: _Monomial) -> tuple[int, list[tuple[bool, str]]]:
    return -len(monomial), [atom.order for atom in monomial]


def _polynomial(coefficients: Mapping[_Monomial, int]) -> Dim:
    kept = [item for item in coefficients.items() if item[1]]
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    if len(kept) > MAX_TERMS:
        raise DimError(f"dimension grows beyond {MAX_TERMS} terms")
    if len(kept) > 1:
        kept.sort(key=lambda item: _order(item[0]))
    return DimExpr(tuple(kept))


@lru_cache(_CACHE)
def _sum(a: Dim, b: Dim, sign: int) -> Dim:
    if a is ANY or b is ANY:
        return ANY
    coefficients = dict(_terms(a))
    for monomial, coefficient in _terms(b):
        coefficients[monomial] = coefficients.get(monomial, 0) + sign * coefficient
    return _polynomial(coefficients)


@lru_cache(_CACHE)
def _product(a: Dim, b: Dim) -> Dim:
    if a is ANY or b is ANY:
        return ANY
    left, right = _terms(a), _terms(b)
    if not left or not right:
        return 0
    degree = max(len(m) for m, _ in left) + max(len(m) for m, _ in right)
    if len(left) * len(right) > 4 * MAX_TERMS or degree > MAX_DEGREE:
        raise DimError(f"dimension grows beyond {MAX_TERMS} terms or degree {MAX_DEGREE}")
    coefficients: dict[_Monomial, int] = {}
    for m, c in left:
        for n, d in right:
            monomial = tuple(sorted(m + n, key=lambda atom: atom.order)) if m and n else m or n
            coefficients[monomial] = coefficients.get(monomial, 0) + c * d
    return _polynomial(coefficients)


# --- Printing ---


def _atom_text(kind: str, args: tuple[Dim, ...], name: str) -> str:
    if kind == "any":
        return "?"
    if kind == "symbol":
        escaped = name.replace("\\", "\\\\").replace("'", "\\'")
        return name if _BARE_NAME.fullmatch(name) else f"'{escaped}'"
    if kind in ("max", "min"):
        return f"{kind}({', '.join(map(str, args))})"
    return kind.join(map(_factor_text, args))


def _factor_text(dim: Dim) -> str:
    terms = _terms(dim)
    if isinstance(dim, DimExpr) and len(terms) == 1 and terms[0][1] == 1 and len(terms[0][0]) == 1:
        return _enclose(terms[0][0][0])
    return str(dim) if isinstance(dim, int) and dim >= 0 else f"({dim})"


def _enclose(atom: Factor) -> str:
    return f"({atom.text})" if atom.kind in ("//", "%") else atom.text


def _as_read(dim: Dim) -> _Terms:
    """The terms with a positive one first, so that `N - M` is not written `-M + N`."""
    terms = _terms(dim)
    first = next((i for i, (_, coefficient) in enumerate(terms) if coefficient > 0), 0)
    return (*terms[first : first + 1], *terms[:first], *terms[first + 1 :])


@lru_cache(_CACHE)
def _text(expr: DimExpr) -> str:
    text = ""
    for monomial, coefficient in _as_read(expr):
        sign = "-" if coefficient < 0 else "+"
        alone = len(monomial) == 1 and abs(coefficient) == 1
        bare = alone and (text or coefficient > 0)
        factors = [monomial[0].text] if bare else [_enclose(atom) for atom in monomial]
        number = [] if monomial and abs(coefficient) == 1 else [str(abs(coefficient))]
        product = "*".join(number + factors)
        if text:
            text += f" {sign} {product}"
        else:
            text = product if coefficient > 0 else f"-{product}"
    return text


# --- Division ---


@lru_cache(_CACHE)
def _quotient(p: Dim, q: Dim) -> Dim:
    if p is ANY or q is ANY:
        return ANY
    if isinstance(q, int):
        return _quotient_by_int(p, q)
    exact = _exact_quotient(p, q)
    if exact is not None:
        return exact
    p, q = _cancel_common_factor(p, q)
    if isinstance(q, int):
        return _quotient_by_int(p, q)
    whole, rest = _split_multiples(p, q)
    return whole + _single(_atom("//", (rest, q)))


def _quotient_by_int(p: Dim, d: int) -> Dim:
    """floor(p / d) for an int d, by the laws that hold for every integer value of the atoms."""
    if d == 0:
        raise DimError(f"division by zero: ({p})//0")
    if isinstance(p, int):
        return p // d
    if d < 0:
        return -p // -d
    whole, rest = _split_multiples(p, d)
    if isinstance(rest, int):
        return whole + rest // d
    if rest.terms[0][1] < 0:  # floor(-x/d) = -floor((x + d - 1)/d), so ceilings read like floors
        return whole - (d - 1 - rest) // d
    common = gcd(d, *(c for m, c in rest.terms if m))
    rest = _polynomial({m: c // common for m, c in rest.terms})
    d //= common
    inner = _sole_inner_quotient(rest)
    if inner is not None:  # (floor(y/e) + r)/d = (y + r*e)/(d*e) under the floor
        y, e = inner.args
        return whole + (y + (rest - _single(inner)) * e) // (e * d)
    return whole + _single(_atom("//", (rest, d)))


def _sole_inner_quotient(p: Dim) -> Factor | None:
    """The only term of p that is `y//e` with coefficient 1 and an int e, if there is just one."""
    found = [
        m[0]
        for m, c in _terms(p)
        if c == 1 and len(m) == 1 and m[0].kind == "//" and isinstance(m[0].args[1], int)
    ]
    return found[0] if len(found) == 1 else None


def _split_multiples(p: Dim, q: Dim) -> tuple[Dim, Dim]:
    """p = whole * q + rest, term by term; a q of several terms is not split.

    The constant rounds down and other coefficients round towards zero: a sign then survives, which
    is what tells a ceiling from a floor.
    """
    divisor = _terms(q)
    if len(divisor) > 1:
        return 0, p
    factor, d = divisor[0]
    whole: dict[_Monomial, int] = {}
    rest: dict[_Monomial, int] = {}
    for monomial, c in _terms(p):
        cofactor = _monomial_quotient(monomial, factor)
        times = 0
        if cofactor is not None:
            times = c // d if not monomial or c > 0 else -(-c // d)
            whole[cofactor] = times
        rest[monomial] = c - times * d
    return _polynomial(whole), _polynomial(rest)


def _monomial_quotient(monomial: _Monomial, factor: _Monomial) -> _Monomial | None:
    left = list(monomial)
    for atom in factor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def _exact_quotient(p: Dim, q: DimExpr) -> Dim | None:
    """The polynomial r with p = q * r, by long division; None if a remainder is left."""
    lead, lead_coefficient = q.terms[0]
    rest: Dim = p
    result: Dim = 0
    for _ in range(MAX_TERMS):
        if rest == 0:
            return result
        monomial, coefficient = _terms(rest)[0]
        cofactor = _monomial_quotient(monomial, lead)
        if cofactor is None or coefficient % lead_coefficient:
            return None
        step = _polynomial({cofactor: coefficient // lead_coefficient})
        result = result + step
        rest = rest - step * q
    return None


def _cancel_common_factor(p: Dim, q: DimExpr) -> tuple[Dim, Dim]:
    terms = _terms(p) + q.terms
    number = gcd(*(c for _, c in terms))
    number = -number if q.terms[0][1] < 0 else number
    shared = Counter(q.terms[0][0])
    for monomial, _ in terms:
        shared &= Counter(monomial)
    factor = tuple(sorted(shared.elements(), key=lambda atom: atom.order))

    def cancel(terms: _Terms) -> Dim:
        return _polynomial({_monomial_quotient(m, factor) or (): c // number for m, c in terms})

    return cancel(_terms(p)), cancel(q.terms)


@lru_cache(_CACHE)
def _remainder(p: Dim, q: Dim) -> Dim:
    if p is ANY or q is ANY:
        return ANY
    if isinstance(q, int):
        return _remainder_by_int(p, q)
    if _exact_quotient(p, q) is not None:
        return 0
    _, rest = _split_multiples(p, q)
    return _single(_atom("%", (rest, q)))


def _remainder_by_int(p: Dim, d: int) -> Dim:
    if d == 0:
        raise DimError(f"division by zero: ({p})%0")
    if isinstance(p, int):
        return p % d
    if d < 0:
        return -(-p % -d)
    rest = _polynomial({m: c % d for m, c in p.terms})
    if isinstance(rest, int):
        return rest
    common = gcd(d, *(c for m, c in rest.terms if m))
    if common == 1:
        return _single(_atom("%", (rest, d)))
    inner = _polynomial({m: c // common for m, c in rest.terms})
    return inner % (d // common) * common + rest.constant % common


# --- Maximum and minimum ---


def dim_max(*dims: Dim) -> Dim:
    """The largest of dims; operands that another one provably bounds are dropped."""
    return _extreme("max", dims)


def dim_min(*dims: Dim) -> Dim:
    """The smallest of dims; operands that another one provably bounds are dropped."""
    return _extreme("min", dims)


def _extreme(kind: str, dims: tuple[Dim, ...]) -> Dim:
    if any(dim is ANY for dim in dims):
        return ANY
    flat: dict[Dim, None] = {}
    for dim in dims:
        flat.update(dict.fromkeys(_operands(kind, dim)))
    if len(flat) > MAX_TERMS:
        raise DimError(f"{kind} of more than {MAX_TERMS} dimensions")

    def covered(dim: Dim, other: Dim) -> bool:
        return dim != other and is_natural(other - dim if kind == "max" else dim - other)

    kept = [dim for dim in flat if not any(covered(dim, other) for other in flat)]
    if len(kept) == 1:
        return kept[0]
    kept.sort(key=lambda dim: (isinstance(dim, int), str(dim)))
    return _single(_atom(kind, tuple(kept)))


def _operands(kind: str, dim: Dim) -> tuple[Dim, ...]:
    terms = _terms(dim)
    if len(terms) == 1 and terms[0][1] == 1 and [a.kind for a in terms[0][0]] == [kind]:
        return terms[0][0][0].args
    return (dim,)


def is_natural(dim: Dim) -> bool:
    """True if dim is provably >= 0 for all symbols >= 0."""
    return all(c > 0 and all(map(_is_natural_atom, m)) for m, c in _terms(dim))


@lru_cache(_CACHE)
def _is_natural_atom(atom: Factor) -> bool:
    naturals = [is_natural(arg) for arg in atom.args]
    return {"max": any(naturals), "%": naturals[-1:] == [True]}.get(atom.kind, all(naturals))


# --- Symbols ---


def symbol(name: str) -> DimExpr:
    """The named symbol, any integer >= 0. Raises DimError unless name is printable and short."""
    if not name or not name.isprintable() or len(name) > MAX_NAME:
        raise DimError(f"a name wants 1 to {MAX_NAME} printable characters, found {name!a:.80}")
    return _single(_atom("symbol", (), name))


ANY: Final = _single(_atom("any"))
"""Unknown during type inference, to be named by whoever creates the value; prints as `?`."""


@lru_cache(_CACHE)
def symbols(dim: Dim) -> tuple[str, ...]:
    """The names in dim, each once, in order of appearance in `str(dim)`."""
    names: dict[str, None] = {}
    for atom in (atom for monomial, _ in _as_read(dim) for atom in monomial):
        names.update(dict.fromkeys([atom.name] if atom.kind == "symbol" else []))
        for arg in atom.args:
            names.update(dict.fromkeys(symbols(arg)))
    return tuple(names)
