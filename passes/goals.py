"""What share of a model's cost is to be left, as options of a pass say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgec.ir import Code, DeviceProfile, DType, Error, Graph, device_named, dtypes
from edgec.passes.analysis import latency


@dataclass(frozen=True)
class Goal:
    """One goal of those that a pass knows.

    Attributes:
        kind: the option that states it.
        share: of what it counts that is to be left, 0 to 1; of a ratio, what it leaves.
        device_name: of the option ``device``, empty where it is not given.
    """

    kind: str
    share: float
    device_name: str

    @classmethod
    def of(cls, name: str, options: Mapping[str, float], device: str) -> Goal:
        """The option that is given.

        Raises:
            Error: none, or several, or one that is no share; or a latency on no device.
        """
        given = {kind: share for kind, share in options.items() if share != 0}
        examples = " or ".join(
            f"{name}{{{kind}={0.3 if kind == 'ratio' else 0.7}}}" for kind in options
        )
        if len(given) != 1 or not all(0 < share < 1 for share in given.values()):
            found = ", ".join(f"{kind}={share:g}" for kind, share in given.items()) or "none"
            raise Error(
                Code.OPTION, f"{name} wants one goal between 0 and 1, found {found}",
                instead=examples,
            )  # fmt: skip
        ((kind, share),) = given.items()
        if kind == "latency" and not device:
            raise Error(
                Code.OPTION,
                f"{name}{{latency={share:g}}} is a latency on no device",
                instead=f"{name}{{latency={share:g},device=raspberry-pi-5}}; edgec inspect --help "
                "names the devices",
            )
        return cls(kind, 1 - share if kind == "ratio" else share, device)

    @property
    def device(self) -> DeviceProfile | None:
        """What the option names. Raises Error when there is no such device."""
        return device_named(self.device_name) if self.device_name else None

    def after(self, step: int, steps: int) -> float:
        """The share that is left after that many of all steps, each taking the same factor."""
        return float(self.share ** (step / steps))


def counted_as(device: DeviceProfile) -> DType | None:
    """The type that floats count as on a device: their own, or 8-bit integers where it computes in
    nothing else."""
    return None if device.rate(dtypes.f32) is not None else dtypes.i8


def channels_at_once(device: DeviceProfile) -> int:
    """The number of channels that the hardware takes at once."""
    return device.multiple(counted_as(device) or dtypes.f32)


def seconds_on(device: DeviceProfile, graph: Graph) -> float:
    """The cost model's latency of a model that is still in floats."""
    return latency(graph, device, counted_as(device))
