"""The reference backend: what every op computes, run on this machine, and the numeric oracle."""

from edgec.kernels.compare import (
    EXACT,
    Comparison,
    Tolerance,
    compare,
    tolerance_for,
    tolerance_for_path,
)
from edgec.kernels.dataset import (
    Dataset,
    InMemory,
    Sample,
    Spooled,
    Streamed,
    dataset_of,
    random_dataset,
)
from edgec.kernels.executor import Executor, Tap, run
from edgec.kernels.histogram import Histogram
from edgec.kernels.host import adds_bytes_in_16_bits
from edgec.kernels.inputs import default_shapes, seeded_inputs
from edgec.kernels.judge import MOVEMENTS, Judge, Mover, distance, is_bounded
from edgec.kernels.liveness import SHARING, Memory, bytes_of, reads_of, shape_of
from edgec.kernels.max_flow import sink_side
from edgec.kernels.packing import Block, pack
from edgec.kernels.planner import Plan, Slot, peak_of, plan_buffers
from edgec.kernels.stepwise import PerSample, Stepwise
from edgec.kernels.table import KERNELS, Kernel
from edgec.kernels.tolerance import tolerance_of
from edgec.kernels.views import Contents

__all__ = [
    "EXACT",
    "KERNELS",
    "MOVEMENTS",
    "SHARING",
    "Block",
    "Comparison",
    "Contents",
    "Dataset",
    "Executor",
    "Histogram",
    "InMemory",
    "Judge",
    "Kernel",
    "Memory",
    "Mover",
    "PerSample",
    "Plan",
    "Sample",
    "Slot",
    "Spooled",
    "Stepwise",
    "Streamed",
    "Tap",
    "Tolerance",
    "adds_bytes_in_16_bits",
    "bytes_of",
    "compare",
    "dataset_of",
    "default_shapes",
    "distance",
    "is_bounded",
    "pack",
    "peak_of",
    "plan_buffers",
    "random_dataset",
    "reads_of",
    "run",
    "seeded_inputs",
    "shape_of",
    "sink_side",
    "tolerance_for",
    "tolerance_for_path",
    "tolerance_of",
]
