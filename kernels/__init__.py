"""The reference backend: what every op computes, run on this machine, and the numeric oracle."""

from edgec.kernels.compare import (
    EXACT,
    Comparison,
    Tolerance,
    compare,
    tolerance_for,
    tolerance_for_path,
)
from edgec.kernels.executor import Executor, Tap, run
from edgec.kernels.inputs import default_shapes, seeded_inputs
from edgec.kernels.judge import MOVEMENTS, Judge, Mover, distance, is_bounded
from edgec.kernels.planner import Plan, Slot, plan_buffers
from edgec.kernels.table import KERNELS, Kernel
from edgec.kernels.tolerance import tolerance_of

__all__ = [
    "EXACT",
    "KERNELS",
    "MOVEMENTS",
    "Comparison",
    "Executor",
    "Judge",
    "Kernel",
    "Mover",
    "Plan",
    "Slot",
    "Tap",
    "Tolerance",
    "compare",
    "default_shapes",
    "distance",
    "is_bounded",
    "plan_buffers",
    "run",
    "seeded_inputs",
    "tolerance_for",
    "tolerance_for_path",
    "tolerance_of",
]
