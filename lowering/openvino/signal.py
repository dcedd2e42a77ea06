"""Fourier transforms."""

from __future__ import annotations

from edgec.ir.ops import Dft, MelWeightMatrix, Stft
from edgec.lowering.openvino.table import OPENVINO

OPENVINO.refuse(
    Dft,
    Stft,
    why="OpenVINO's transforms differ in operands and results",
    instead="export the transform as a convolution with its basis",
)
OPENVINO.refuse(
    MelWeightMatrix,
    why="OpenVINO has no such matrix",
    instead="constant operands, with which it is computed at compile time",
)
