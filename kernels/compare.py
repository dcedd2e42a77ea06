"""The numeric oracle: does a tensor agree with the expected one, and if not, where and by how much.

How much rounding may differ follows from the arithmetic, not from taste. A sum of n products with
rounding errors that are independent and of mean zero has a relative error of at most
exp(lambda*sqrt(n)*u + n*u*u/(1 - u)) - 1 with probability 1 - 2*n*exp(-lambda*lambda*(1 - u)**2/2),
u the unit roundoff (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis,
SIAM J. Sci. Comput. 41(5), 2019). Along a path of layers the variances n*u*u add.

Errors are normwise: relative to the largest magnitude of the expected tensor, because an element
that is small by cancellation carries the absolute error of its large terms. A tensor all of whose
elements are small by cancellation exceeds the bound; where that is meant, give an absolute part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

from edgec.ir import dtypes

Array: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]

# 2*exp(-8*8/2) = 2.5e-14 per rounding: one false alarm in 40,000 tensors of 10**9 roundings each.
LAMBDA: Final = 8.0


@dataclass(frozen=True)
class Tolerance:
    """Passes |actual - expected| <= relative * max|expected| + absolute; integers within lsb."""

    relative: float
    absolute: float
    lsb: int
    why: str


_EXPONENT_BITS: Final = np.uint64(0x7FF0_0000_0000_0000)

EXACT: Final = Tolerance(0.0, 0.0, 0, "exact")


def tolerance_for(
    dtype: npt.DTypeLike,
    reduction_length: int,
    depth: int = 1,
    accumulator: npt.DTypeLike | None = None,
) -> Tolerance:
    """The tolerance after depth layers, each a reduction of reduction_length products."""
    return tolerance_for_path(dtype, [reduction_length] * depth, accumulator)


def tolerance_for_path(
    dtype: npt.DTypeLike, lengths: Sequence[int], accumulator: npt.DTypeLike | None = None
) -> Tolerance:
    """The tolerance between two computations of a path of reductions of those lengths.

    Both sides round, hence the factor 2 on the number of roundings. Sums of types narrower than 32
    bits are taken in float32 and rounded once per layer unless accumulator says otherwise. Short
    paths get the worst case of all roundings, where that is below the probabilistic bound. The
    bound ends at 1, which all zeros pass: so long a path in so narrow a type cannot be judged.
    Integers and bools are exact. Raises ValueError if a length is negative.
    """
    stored = np.dtype(dtype)
    if any(length < 0 for length in lengths):
        raise ValueError(f"a reduction wants a length >= 0, found {list(lengths)}")
    if not dtypes.dtype_of(stored).is_float:
        return replace(EXACT, why=f"{stored} is exact")
    summed = stored if stored.itemsize >= 4 else np.dtype(np.float32)
    summed = summed if accumulator is None else np.dtype(accumulator)
    roundings = {_unit_roundoff(summed): 2 * sum(lengths)}
    if summed != stored:
        roundings[_unit_roundoff(stored)] = 2 * sum(length > 0 for length in lengths)
    relative = min(_probable_error(roundings), _worst_error(roundings), 1.0)
    why = f"{sum(lengths)} roundings in {summed} over {len(lengths)} layers stored in {stored}"
    return Tolerance(relative, _smallest_normal(stored), 0, why)


def _probable_error(roundings: dict[float, int]) -> float:
    variance = sum(n * u * u for u, n in roundings.items())
    exponent = LAMBDA * math.sqrt(variance) + variance / (1 - max(roundings))
    return math.expm1(exponent) if exponent < 1 else math.inf


def _worst_error(roundings: dict[float, int]) -> float:
    """gamma = x/(1 - x), x the sum of all n*u (Higham, Accuracy and Stability, Lemma 3.1)."""
    total = sum(n * u for u, n in roundings.items())
    return total / (1 - total) if total < 1 else math.inf


def _unit_roundoff(dtype: np.dtype[Any]) -> float:
    return float(ml_dtypes.finfo(dtype).eps) / 2  # type: ignore[no-untyped-call]


def _smallest_normal(dtype: np.dtype[Any]) -> float:
    return float(ml_dtypes.finfo(dtype).smallest_normal)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Worst:
    """The element with the largest error, or the first whose NaN or infinity is not matched."""

    index: tuple[int, ...]
    actual: float | int
    expected: float | int


@dataclass(frozen=True)
class Comparison:
    """How actual differs from expected. Errors are over the elements that are finite in both.

    `max_rel` is over the elements where expected is not 0, `max_ulp` in units in the last place of
    expected, `sqnr_db` 10*log10(signal power / error power), `normwise` max|error| / max|expected|.
    `needed` is the smallest tolerance that would pass; None if no tolerance would.
    """

    ok: bool
    problem: str
    tolerance: Tolerance
    needed: Tolerance | None
    max_abs: float = math.nan
    max_rel: float = math.nan
    max_ulp: float = math.nan
    sqnr_db: float = math.nan
    cosine: float = math.nan
    normwise: float = math.nan
    worst: Worst | None = None
    where: str = ""

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "agrees" if self.ok else f"differs: {self.problem}"
        lines = [verdict, *self._location(), *self._numbers()]
        return "\n  ".join(lines)

    def _location(self) -> list[str]:
        if self.worst is None:
            return []
        worst = self.worst
        at = f"worst at {list(worst.index)}: found {worst.actual!r}, expected {worst.expected!r}"
        return [at] if self.ok else [at, f"wrong: {self.where}"]

    def _numbers(self) -> list[str]:
        if math.isnan(self.max_abs):
            return []
        return [
            f"max abs {self.max_abs:.3g}, max rel {self.max_rel:.3g}, max ulp {self.max_ulp:.3g}",
            f"normwise {self.normwise:.3g}, SQNR {self.sqnr_db:.1f} dB, cosine {self.cosine:.6f}",
            f"allowed {_limits(self.tolerance)} ({self.tolerance.why})",
            f"needed {_limits(self.needed)}" if self.needed else "no tolerance would pass",
        ]


def _limits(tolerance: Tolerance) -> str:
    relative, absolute = f"{tolerance.relative:.3g}", f"{tolerance.absolute:.3g}"
    return f"relative {relative}, absolute {absolute}, {tolerance.lsb} lsb"


def compare(actual: Array, expected: Array, tolerance: Tolerance = EXACT) -> Comparison:
    """Hold actual to expected: same shape, dtype, NaNs and infinities, errors within tolerance.

    >>> print(compare(np.array([1, 2, 9]), np.array([1, 2, 3])))
    differs: 1 of 3 elements exceed the tolerance
      worst at [2]: found 9, expected 3
      wrong: one element
      max abs 6, max rel 2, max ulp 6
      normwise 2, SQNR -4.1 dB, cosine 0.922225
      allowed relative 0, absolute 0, 0 lsb (exact)
      needed relative 0, absolute 0, 6 lsb
    """
    for what, found, wanted in (
        ("shape", actual.shape, expected.shape),
        ("dtype", actual.dtype, expected.dtype),
    ):
        if found != wanted:
            problem = f"{what} is {found}, expected {wanted}"
            return Comparison(False, problem, tolerance, needed=None)
    if _same_bits(actual, expected):
        needed = replace(tolerance, relative=0.0, lsb=0, why="the smallest that passes")
        return Comparison(True, "", tolerance, needed, 0.0, 0.0, 0.0, math.inf, 1.0, 0.0)
    judge = _compare_floats if dtypes.dtype_of(expected.dtype).is_float else _compare_integers
    comparison = judge(np.atleast_1d(actual), np.atleast_1d(expected), tolerance)
    if expected.ndim or comparison.worst is None:
        return comparison
    return replace(comparison, worst=replace(comparison.worst, index=()))


def _same_bits(actual: Array, expected: Array) -> bool:
    bits = np.dtype(f"u{expected.dtype.itemsize}")
    return np.array_equal(actual.view(bits), expected.view(bits))


def _compare_floats(actual: Array, expected: Array, tolerance: Tolerance) -> Comparison:
    a, e = actual.astype(np.float64, copy=False), expected.astype(np.float64, copy=False)
    finite = np.isfinite(a) & np.isfinite(e)
    unmatched = ~(finite | (a == e) | (np.isnan(a) & np.isnan(e)))
    if not finite.all():
        a, e = np.where(finite, a, 0.0), np.where(finite, e, 0.0)
    with np.errstate(over="ignore"):
        error = np.minimum(np.abs(a - e), np.finfo(np.float64).max)
    largest = _largest(e)
    wrong = (error > tolerance.relative * largest + tolerance.absolute) | unmatched
    if unmatched.any():
        problem = f"NaN or infinity differs in {np.count_nonzero(unmatched)} of {a.size} elements"
        needed, ranking = None, unmatched
    else:
        problem = _excess(wrong)
        needed, ranking = _needed(_largest(error), largest, tolerance), error
    return Comparison(
        not wrong.any(),
        problem,
        tolerance,
        needed,
        **_measures(a, e, error),
        max_ulp=_max_ulp(error, e, expected.dtype),
        worst=_worst(ranking, actual, expected),
        where=_where(wrong),
    )


def _compare_integers(actual: Array, expected: Array, tolerance: Tolerance) -> Comparison:
    wide = np.uint64 if expected.dtype == np.uint64 else np.int64
    a, e = actual.astype(wide), expected.astype(wide)
    # Subtracting modulo 2**64 in the right order is exact, also where int64 would overflow.
    error = np.maximum(a, e).view(np.uint64) - np.minimum(a, e).view(np.uint64)
    wrong = error > tolerance.lsb
    largest = int(np.max(error, initial=0))
    return Comparison(
        not wrong.any(),
        _excess(wrong),
        tolerance,
        replace(tolerance, lsb=largest, why="the smallest that passes"),
        **_measures(a.astype(np.float64), e.astype(np.float64), error.astype(np.float64)),
        max_ulp=float(largest),
        worst=_worst(error, actual, expected),
        where=_where(wrong),
    )


def _excess(wrong: Mask) -> str:
    count = np.count_nonzero(wrong)
    return f"{count} of {wrong.size} elements exceed the tolerance" if count else ""


def _needed(error: float, largest: float, tolerance: Tolerance) -> Tolerance:
    why = "the smallest that passes"
    if error <= tolerance.absolute:
        return replace(tolerance, relative=0.0, why=why)
    if largest == 0:
        return replace(tolerance, relative=0.0, absolute=error, why=why)
    relative = (error - tolerance.absolute) / largest
    while relative * largest + tolerance.absolute < error:
        relative = math.nextafter(relative, math.inf)
    return replace(tolerance, relative=relative, why=why)


def _measures(a: Array, e: Array, error: Array) -> dict[str, float]:
    """max_abs, max_rel, sqnr_db, cosine and normwise of finite float64 arrays."""
    max_abs, magnitude = _largest(error), np.abs(e)
    with np.errstate(over="ignore"):
        ratios = np.divide(error, magnitude, out=np.zeros_like(error), where=magnitude > 0)
    found, wanted, noise = _Vector.of(a), _Vector.of(e), _Vector.of(error)
    return {
        "max_abs": max_abs,
        "max_rel": _largest(ratios),
        "normwise": _ratio(max_abs, _largest(e)),
        "sqnr_db": _sqnr_db(wanted, noise),
        "cosine": _cosine(found, wanted),
    }


def _largest(x: Array) -> float:
    return max(float(np.max(x, initial=0.0)), -float(np.min(x, initial=0.0)))


def _ratio(over: float, under: float) -> float:
    """over / under, where 0 over 0 is no error and anything else over 0 is infinite."""
    if under == 0:
        return math.inf if over > 0 else 0.0
    return over / under


@dataclass(frozen=True)
class _Vector:
    """A tensor as scale * values, so scaled that squares neither overflow nor vanish."""

    values: Array
    scale: float
    norm: float

    @classmethod
    def of(cls, x: Array) -> _Vector:
        largest = _largest(x)
        scale = 1.0 if largest == 0 or 1e-100 < largest < 1e100 else largest
        flat = (x / scale if scale != 1 else x).ravel()
        return cls(flat, scale, math.sqrt(float(flat @ flat)))


def _sqnr_db(signal: _Vector, noise: _Vector) -> float:
    if signal.norm == 0 or noise.norm == 0:
        return -math.inf if noise.norm > 0 else math.inf
    decades = math.log10(signal.norm) - math.log10(noise.norm)
    return 20 * (decades + math.log10(signal.scale) - math.log10(noise.scale))


def _cosine(a: _Vector, e: _Vector) -> float:
    if a.norm == 0 or e.norm == 0:
        return 1.0 if a.norm == e.norm else 0.0
    return min(1.0, max(-1.0, float(a.values @ e.values) / (a.norm * e.norm)))


def _max_ulp(error: Array, e: Array, dtype: np.dtype[Any]) -> float:
    info = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    magnitude = np.maximum(np.abs(e), float(info.smallest_normal))
    binade = (magnitude.view(np.uint64) & _EXPONENT_BITS).view(np.float64)
    with np.errstate(over="ignore"):
        return _largest(error / (binade * float(info.eps)))


def _worst(ranking: Array, actual: Array, expected: Array) -> Worst | None:
    if not ranking.any():
        return None
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(ranking)), ranking.shape))
    return Worst(index, _scalar(actual[index]), _scalar(expected[index]))


def _scalar(value: Any) -> float | int:
    is_float = dtypes.dtype_of(value.dtype).is_float
    return float(value) if is_float else int(value)


def _where(wrong: Mask) -> str:
    """In words: which indices of which axes hold all wrong elements."""
    count = np.count_nonzero(wrong)
    if count == 0:
        return ""
    if count == 1:
        return "one element"
    if count == wrong.size:
        return "everywhere"
    found = [text for axis in range(wrong.ndim) if (text := _along(wrong, axis))]
    share = f"{count} of {wrong.size} elements"
    return f"{share}, all in {' and '.join(found)}" if found else f"{share}, spread"


def _along(wrong: Mask, axis: int) -> str:
    """The channels of axis that hold all wrong elements; empty if that is more than a quarter."""
    others = tuple(other for other in range(wrong.ndim) if other != axis)
    channels = np.flatnonzero(wrong.any(axis=others))
    size = wrong.shape[axis]
    if size == 1 or len(channels) > max(1, size // 4):
        return ""
    shown = ", ".join(str(channel) for channel in channels[:6]) + (", ..." * (len(channels) > 6))
    return f"channel{'s' * (len(channels) > 1)} {shown} of axis {axis}"
