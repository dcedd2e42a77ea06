"""What can be said of a graph without changing it: memory over time, cost on a device."""

from edgec.passes.analysis.cost import COMPUTE, MEMORY, START, Estimate, OpCost, estimate, latency
from edgec.passes.analysis.liveness import MemoryReport, PeakTensor, Rectangle, memory_report

__all__ = [
    "COMPUTE",
    "MEMORY",
    "START",
    "Estimate",
    "MemoryReport",
    "OpCost",
    "PeakTensor",
    "Rectangle",
    "estimate",
    "latency",
    "memory_report",
]
