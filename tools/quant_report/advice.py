"""What to do about the layers that are most to blame."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgec.tools.quant_report.measure import Measured
from edgec.tools.quant_report.tally import Figures

MOST = 5  # layers that advice is given on
LEAST_BLAME = 0.05
LARGE_CLIP = 0.002  # share of elements outside the grid that is more than a tail
LARGE_SPREAD = 8.0  # three of eight bits of the typical channel are lost to the widest


@dataclass(frozen=True)
class Advice:
    """Something to try: which layer, what was seen there, what to do."""

    layer: str
    why: str
    what: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.why}; {self.what}"


def advice_on(measured: Measured) -> list[Advice]:
    """For the worst layers, in order; empty where blame is spread evenly."""
    worst = [one for one in measured.layers[:MOST] if one.blame >= LEAST_BLAME]
    return [_on(one) for one in worst]


def _on(one: Figures) -> Advice:
    share = f"{one.blame:.0%} of the noise"
    name, keep = one.layer.name, f"keep it float with quantize{{keep={one.layer.value}}}"
    keep += f", worth up to {_gain(one.blame):.1f} dB"
    if one.layer.dead:
        why = (
            f"{share}; {one.layer.dead} of {one.layer.channels} channels of its weights round to 0"
        )
        if one.layer.per_channel:  # the scale was raised until a large bias fitted
            return Advice(name, f"{why} beside its bias", keep)
        return Advice(name, why, "quantize{weights=per_channel}, or equalize before calibrate")
    if one.clipped > LARGE_CLIP:
        why = f"{share}; {one.clipped:.1%} of its results lie outside the range"
        return Advice(name, why, "another estimator: calibrate{method=minmax}")
    if one.spread > LARGE_SPREAD:
        why = f"{share}; its widest channel has {one.spread:.0f} times the range of the median one"
        return Advice(name, why, f"equalize before calibrate, or {keep}")
    return Advice(name, share, f"int8-best rounds it by what it gives; or {keep}")


def _gain(blame: float) -> float:
    """Decibels that the model gains when that share of the noise is gone."""
    return min(-10 * math.log10(max(1 - blame, 1e-3)), 30.0)
