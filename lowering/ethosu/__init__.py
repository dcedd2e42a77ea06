"""Arm Ethos-U through Vela: running it, its report by the user's layers."""

from edgec.lowering.ethosu.survey import surveyed, system_of
from edgec.lowering.ethosu.target import ETHOSU_TARGET
from edgec.lowering.ethosu.vela import ACCELERATORS, DEFAULTS, System, Vela, compile_with_vela

__all__ = [
    "ACCELERATORS",
    "DEFAULTS",
    "ETHOSU_TARGET",
    "System",
    "Vela",
    "compile_with_vela",
    "surveyed",
    "system_of",
]
