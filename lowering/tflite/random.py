"""Random numbers."""

from __future__ import annotations

from edgec.ir.ops import Bernoulli, Multinomial, RandomNormal, RandomUniform
from edgec.lowering.tflite.table import TFLITE

TFLITE.refuse(
    Bernoulli,
    Multinomial,
    RandomNormal,
    RandomUniform,
    why="TensorFlow Lite draws other numbers from the same seed",
    instead="make the random numbers an input of the model",
)
