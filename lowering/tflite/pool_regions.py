"""Pooling over regions of interest."""

from __future__ import annotations

from edgec.ir.ops import MaxRoiPool, RoiAlign
from edgec.lowering.tflite.table import TFLITE

TFLITE.refuse(
    MaxRoiPool,
    RoiAlign,
    why="no builtin pools over regions that are computed at run time",
    instead="end the model before, and pool after it",
)
