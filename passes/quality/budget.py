"""What a quantized model may cost, as an option's text: ``20dB``, ``0.5%``, ``4MB``, ``3ms``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgec.ir import Code, Error, Graph, Rewriter, device_named
from edgec.passes.analysis import latency
from edgec.passes.integerize import Integerize

SQNR, DROP, SIZE, LATENCY = "sqnr", "drop", "size", "latency"
_UNITS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "dB": (SQNR, 1.0),
        "%": (DROP, 1.0),
        "B": (SIZE, 1.0),
        "kB": (SIZE, 1e3),
        "MB": (SIZE, 1e6),
        "us": (LATENCY, 1e-6),
        "ms": (LATENCY, 1e-3),
        "s": (LATENCY, 1.0),
    }
)
_TEXT = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>\S+)")


@dataclass(frozen=True)
class Budget:
    """One bound.

    Attributes:
        text: as the user wrote it.
        kind: SQNR, of the outputs in dB, at least; DROP, of the run's score in its own points, at
            most; SIZE, of all constants in bytes, at most; LATENCY, that the cost model estimates
            on ``device`` in seconds, at most.
        limit: the bound, in that unit.
        device: name of a device profile; empty where none is needed.
    """

    text: str
    kind: str
    limit: float
    device: str = ""

    @classmethod
    def read(cls, text: str, device: str) -> Budget:
        """Raises Error when the text is no budget, or a latency on no device."""
        found = _TEXT.fullmatch(text.strip())
        unit = _UNITS.get(found["unit"]) if found else None
        if found is None or unit is None:
            raise Error(
                Code.OPTION,
                f"{text!r} is no budget",
                instead="20dB (against the float model), 0.5% (of the score), 4MB (of weights), or "
                "3ms (with device=…)",
            )
        kind, scale = unit
        if kind == LATENCY and not device:
            raise Error(
                Code.OPTION,
                f"a budget of {text} is a latency on no device",
                instead="device=raspberry-pi-5 beside it; edgec inspect --help names the devices",
            )
        return cls(text, kind, float(found["number"]) * scale, device)

    @property
    def bounds_cost(self) -> bool:
        """Whether it bounds what the model costs, so that accuracy is what is left to gain."""
        return self.kind in (SIZE, LATENCY)

    def cost(self, quantized: Graph) -> float:
        """What a quantized graph takes of a budget that bounds cost, in the limit's unit."""
        if self.kind == SIZE:
            return float(sum(constant.type.nbytes() for constant in quantized.constants))
        integers = quantized.clone()
        Integerize().run(integers, Rewriter(integers))
        return latency(integers, device_named(self.device))

    def shown(self, amount: float) -> str:
        """An amount in the unit that the user wrote."""
        found = _TEXT.fullmatch(self.text.strip())
        unit = found["unit"] if found else ""
        return f"{amount / _UNITS[unit][1]:.3g}{unit}"
