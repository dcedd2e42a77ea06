"""The reference backend: what every op computes, run on this machine."""

from edgec.kernels.executor import Executor, Tap, run
from edgec.kernels.planner import Plan, Slot, plan_buffers
from edgec.kernels.table import KERNELS, Kernel

__all__ = ["KERNELS", "Executor", "Kernel", "Plan", "Slot", "Tap", "plan_buffers", "run"]
