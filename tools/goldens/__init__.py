"""Goldens: what a model, compiled for a target, computed once and must compute again."""

from edgec.tools.goldens.check import ASPECTS, Difference, Report, Tolerances, check
from edgec.tools.goldens.polygraphy import (
    read_inputs,
    read_outputs,
    write_inputs,
    write_outputs,
)
from edgec.tools.goldens.record import Artifact, build, record
from edgec.tools.goldens.store import Golden, Spec, load_golden, save_golden

__all__ = [
    "ASPECTS",
    "Artifact",
    "Difference",
    "Golden",
    "Report",
    "Spec",
    "Tolerances",
    "build",
    "check",
    "load_golden",
    "read_inputs",
    "read_outputs",
    "record",
    "save_golden",
    "write_inputs",
    "write_outputs",
]
