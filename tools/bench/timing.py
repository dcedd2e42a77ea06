"""Timing candidates against each other so that the machine's moods cancel out.

Every round calls each candidate once, in a fresh random order, with a warm call right before the
timed one. What is reported is the median over rounds of the ratio to the baseline *in the same
round*. The same thing given twice shows what such a ratio is worth.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Call = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Milliseconds (median) and the median paired ratio to the baseline, with its quartiles."""

    milliseconds: float
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.milliseconds:.2f} ms ({self.ratio:.3f})"


def paired(
    candidates: Mapping[str, Call], baseline: str, *, rounds: int = 31, seed: int = 0
) -> dict[str, Timing]:
    """Time the candidates; ratios are to ``baseline``."""
    order = list(candidates)
    shuffle = random.Random(seed)
    times: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(rounds):
        shuffle.shuffle(order)
        for name in order:
            candidates[name]()
            begin = time.perf_counter()
            candidates[name]()
            times[name].append(time.perf_counter() - begin)
    return {name: _timing(times[name], times[baseline]) for name in candidates}


def _timing(own: list[float], base: list[float]) -> Timing:
    ratios = sorted(a / b for a, b in zip(own, base, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4)
    return Timing(1000 * statistics.median(own), statistics.median(ratios), low, high)


def best_of(call: Call, repeats: int = 3) -> float:
    """Seconds of the fastest of some calls."""
    found = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        found.append(time.perf_counter() - begin)
    return min(found)
