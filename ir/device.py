"""What a device can do at most: plain data, from which the cost model estimates latency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgec.ir.codes import Code
from edgec.ir.diagnostics import Error
from edgec.ir.dtypes import DType

# Where a device has no rate of its own for a type, it runs as one of these.
_STAND_INS = {
    "u8": ("i8",), "i4": ("i8",), "u4": ("i8",), "i2": ("i8",), "u2": ("i8",), "bool": ("i8",),
    "bf16": ("f16",), "f64": ("f32",), "u16": ("i16",),
}  # fmt: skip


@dataclass(frozen=True)
class DeviceProfile:
    """Peak rates of one device.

    Attributes:
        name: as written on the command line.
        title: which chip, which part of it, at which clock.
        macs: multiply-accumulates per second by element type.
        memory_rate: bytes per second between the chip and the memory that holds the weights.
        on_chip_bytes: of the memory on the chip (caches, SRAM); 0 where it does not count.
        on_chip_rate: its bytes per second; 0 where that never is the limit.
        round_to: the number of channels, by element type, that the hardware takes at once: others
            are filled up.
        op_seconds: what starting one op takes.
        notes: where each number comes from, by the path of the number (``macs.i8``).
    """

    name: str
    title: str
    macs: Mapping[str, float]
    memory_rate: float
    on_chip_bytes: int = 0
    on_chip_rate: float = 0.0
    round_to: Mapping[str, int] = field(default_factory=dict)
    op_seconds: float = 0.0
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rates = [*self.macs.values(), self.memory_rate, *self.round_to.values()]
        extras = (self.on_chip_bytes, self.on_chip_rate, self.op_seconds)
        if not self.macs or min(rates) <= 0 or min(extras) < 0:
            raise ValueError(f"the rates of a device are positive, found {self}")

    def rate(self, dtype: DType) -> float | None:
        """Multiply-accumulates per second in a type; None where the device does not have it."""
        for name in (dtype.name, *_STAND_INS.get(dtype.name, ())):
            if name in self.macs:
                return self.macs[name]
        return None

    def multiple(self, dtype: DType) -> int:
        """How many channels of a type it takes at once."""
        for name in (dtype.name, *_STAND_INS.get(dtype.name, ())):
            if name in self.round_to:
                return self.round_to[name]
        return 1


DeviceSource = Callable[[str], DeviceProfile]
_SOURCES: list[DeviceSource] = []


def register_device_source(source: DeviceSource) -> DeviceSource:
    """Let passes find devices by name where this looks them up; the last one given is asked."""
    _SOURCES.append(source)
    return source


def device_named(name: str) -> DeviceProfile:
    """The device that a pass's option names.

    Raises:
        Error: of kind USAGE, when there is none.
    """
    if not _SOURCES:
        raise Error(
            Code.MISSING_STEP,
            f"device {name!r} is looked up, and no devices are loaded",
            instead="import edgec.tools.devices first",
        )
    return _SOURCES[-1](name)
