"""Spectra."""

from __future__ import annotations

from edgec.ir.ops import Dft, MelWeightMatrix, Stft
from edgec.lowering.tflite.table import TFLITE

TFLITE.refuse(
    Dft,
    Stft,
    why="TensorFlow Lite's only transform takes powers of two and gives complex numbers",
    instead="export the transform as a convolution with its basis",
)
TFLITE.refuse(
    MelWeightMatrix,
    why="TensorFlow Lite has no such matrix",
    instead="constant operands, with which it is computed at compile time",
)
