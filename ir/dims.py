"""Symbolic tensor dimensions: what the compiler asks of them.

The algebra is in `dim_algebra`, the syntax in `dim_parser`; this module is their public face.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from math import gcd
from typing import Final

from edgec.ir.dim_algebra import (
    ANY,
    Dim,
    DimError,
    DimExpr,
    Factor,
    dim_max,
    dim_min,
    is_natural,
    symbol,
    symbols,
)
from edgec.ir.dim_parser import parse_dim

__all__ = [
    "ANY",
    "Dim",
    "DimError",
    "DimExpr",
    "broadcast_dim",
    "could_equal",
    "dim_max",
    "dim_min",
    "evaluate",
    "parse_dim",
    "solve",
    "substitute",
    "symbol",
    "symbols",
]

_APPLY: Final[dict[str, Callable[..., Dim]]] = {
    "//": operator.floordiv,
    "%": operator.mod,
    "max": dim_max,
    "min": dim_min,
}


def substitute(dim: Dim, values: Mapping[str, Dim]) -> Dim:
    """dim with the symbols in values replaced. Raises DimError on a division by zero."""
    if isinstance(dim, int) or dim is ANY:
        return dim
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        term: Dim = coefficient
        for factor in monomial:
            term = term * _substitute_factor(factor, values)
        total = total + term
    return total


def _substitute_factor(factor: Factor, values: Mapping[str, Dim]) -> Dim:
    if factor.kind == "symbol":
        return values[factor.name] if factor.name in values else symbol(factor.name)
    args = [substitute(arg, values) for arg in factor.args]
    try:
        return _APPLY[factor.kind](*args)
    except ZeroDivisionError:
        raise DimError(f"division by zero in {factor.text}") from None


def evaluate(dim: Dim, values: Mapping[str, int]) -> int:
    """The value of dim. Raises DimError naming missing symbols, on ANY, on a division by zero."""
    if isinstance(dim, int):
        return dim
    missing = [name for name in symbols(dim) if name not in values]
    if missing:
        raise DimError(f"dimension {dim} wants values for {', '.join(missing)}")
    value = substitute(dim, values)
    if not isinstance(value, int):
        raise DimError("an unknown dimension has no value")
    return value


def solve(dim: Dim, value: int) -> dict[str, int] | None:
    """The symbol's value >= 0 where dim == value; None if there is none or dim is not c*symbol + k.

    >>> solve(2*symbol("N") + 1, 9)
    {'N': 4}
    """
    if dim is ANY:
        return {}
    if isinstance(dim, int):
        return {} if dim == value else None
    constant = dim.constant
    varying = [(monomial, c) for monomial, c in dim.terms if monomial]
    monomial, coefficient = varying[0]
    if len(varying) > 1 or len(monomial) > 1 or monomial[0].kind != "symbol":
        return None
    found, left = divmod(value - constant, coefficient)
    return {monomial[0].name: found} if left == 0 and found >= 0 else None


def could_equal(a: Dim, b: Dim) -> bool:
    """False only if a and b provably differ for all symbols >= 0."""
    if a is ANY or b is ANY:
        return True
    difference = a - b
    if isinstance(difference, int):
        return difference == 0
    constant = difference.constant
    if constant % gcd(*(c for monomial, c in difference.terms if monomial)):
        return False
    return constant == 0 or not is_natural(difference if constant > 0 else -difference)


def broadcast_dim(a: Dim, b: Dim) -> Dim | None:
    """The dimension that a and b broadcast to; None if they provably cannot (ONNX Broadcasting)."""
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    if not (could_equal(a, b) or could_equal(a, 1) or could_equal(b, 1)):
        return None
    if isinstance(a, int):
        return a
    return b if isinstance(b, int) else dim_max(a, b)
