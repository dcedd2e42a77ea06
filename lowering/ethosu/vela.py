"""Running Vela, Arm's compiler for Ethos-U, as a program, and reading what it reports.

Per layer it reports a CSV with --verbose-performance only, and operators that stay on the CPU cost
nothing in its estimate: one of them makes the estimate invalid.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from edgec.ir import Code, Error, Finding, Kind

PATIENCE = 300  # seconds
CONFIG = "Arm/vela.ini"  # the configurations that Vela comes with
DEFAULT_ACCELERATOR = "ethos-u55-256"
# System and memory mode that Vela itself assumes for a family, said aloud.
DEFAULTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "ethos-u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
        "ethos-u65": ("Ethos_U65_Client_Server", "Dedicated_Sram_384KB"),
        "ethos-u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
    }
)
ACCELERATORS = (
    *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
    *(f"ethos-u65-{macs}" for macs in (256, 512)),
    *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
)
_REASON = re.compile(
    r"^Warning \(supported operators\) operator: \w+, ofm: '(.*)'\nReason: (.*)$", re.MULTILINE
)


_TENSOR = re.compile(r"(unsupported DataType \w+) \(.*\)$")  # each operator of a layer has its own
_REMARK = re.compile(r"^(?!Warning|Reason)[A-Z].*\.$", re.MULTILINE)


@dataclass(frozen=True)
class System:
    """What is compiled for: always all three, since cycles compare on the same system only."""

    accelerator: str = DEFAULT_ACCELERATOR
    system: str = ""
    memory: str = ""

    def __post_init__(self) -> None:
        if self.accelerator not in ACCELERATORS:
            raise Error(
                Code.OPTION, f"there is no Ethos-U configuration {self.accelerator!r}",
                instead=f"one of {', '.join(ACCELERATORS)}",
            )  # fmt: skip
        system, memory = DEFAULTS[self.accelerator.rpartition("-")[0]]
        object.__setattr__(self, "system", self.system or system)
        object.__setattr__(self, "memory", self.memory or memory)

    @property
    def arguments(self) -> list[str]:
        return [
            "--accelerator-config", self.accelerator, "--config", CONFIG,
            "--system-config", self.system, "--memory-mode", self.memory,
        ]  # fmt: skip


@dataclass(frozen=True)
class LayerCost:
    """One operator as Vela runs it: the tensor it makes, where it runs, cycles, bytes of SRAM in
    use, multiplications."""

    name: str
    operator: str
    target: str
    cycles: int
    sram: int
    macs: int


@dataclass(frozen=True)
class Vela:
    """What Vela made of a file.

    Attributes:
        artifact: the compiled .tflite.
        layers: in order of execution.
        reasons: why operators stay on the CPU, by the name of their result.
        summary: the row of its summary, by column.
        remarks: sentences of its own, which are about no operator.
    """

    artifact: Path
    layers: tuple[LayerCost, ...]
    reasons: Mapping[str, str]
    summary: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    def number(self, column: str) -> float:
        """A number of the summary. Raises KeyError for an unknown column."""
        return float(self.summary[column])

    @property
    def is_valid(self) -> bool:
        """False when something runs on the CPU, which Vela counts as free."""
        return not any(layer.target == "CPU" for layer in self.layers)


def require_vela() -> None:
    """Raises Error of kind RUNTIME_MISSING when Vela is not installed."""
    if find_spec("ethosu") is None:
        raise Error(
            Kind.RUNTIME_MISSING, "ethosu (Vela) is not installed",
            instead="pip install 'edgec[ethos-u]'",
        )  # fmt: skip


def compile_with_vela(path: Path, folder: Path, system: System) -> Vela:
    """Compile a .tflite file of 8-bit integers into ``folder``.

    Raises:
        Error: Vela is not installed, or refuses the file; its own words are the finding.
    """
    require_vela()
    command = [
        sys.executable, "-m", "ethosu.vela", str(path), *system.arguments,
        "--verbose-performance", "--show-cpu-operations", "--output-dir", str(folder),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Error(Code.REFUSED, f"Vela takes more than {PATIENCE} s on {path.name}") from error
    said = f"{done.stdout}\n{done.stderr}"
    artifact = folder / f"{path.stem}_vela.tflite"
    if done.returncode or not artifact.exists():
        lines = [line.strip() for line in said.splitlines() if "error" in line.lower()]
        findings = [Finding(line) for line in lines[-3:]] or [Finding(said.strip()[-300:])]
        raise Error(Code.REFUSED, f"Vela refuses {path.name}", findings)
    return Vela(
        artifact,
        tuple(_layers(folder / f"{path.stem}_per-layer.csv")),
        {name: _TENSOR.sub(r"\1", why) for name, why in _REASON.findall(said)},
        _summary(folder, path.stem),
        tuple(dict.fromkeys(_REMARK.findall(said))),
    )


def _layers(path: Path) -> list[LayerCost]:
    if not path.exists():  # nothing runs on the NPU
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            LayerCost(
                row["Name"], row["Original Operator"], row["Target"],
                round(float(row["Op Cycles"])),
                round(float(row["Staging Usage"])), round(float(row["MAC Count"])),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


def _summary(folder: Path, stem: str) -> Mapping[str, str]:
    found = sorted(folder.glob(f"{stem}_summary_*.csv"))
    if not found:
        return {}
    with found[-1].open(newline="", encoding="utf-8") as file:
        return dict(next(csv.DictReader(file), {}))
