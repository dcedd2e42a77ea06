"""Ops that TensorRT has no layers for."""

from __future__ import annotations

from edgec.ir.ops import (
    INTEGER_OPS,
    Bernoulli,
    BitAnd,
    Bitcast,
    BitOr,
    BitXor,
    DeformConv,
    Det,
    Dft,
    MaxRoiPool,
    MaxUnpool,
    MelWeightMatrix,
    Multinomial,
    RandomNormal,
    RandomUniform,
    RoiAlign,
    Shift,
    Stft,
    TensorScatter,
    Unique,
)
from edgec.lowering.tensorrt.table import TENSORRT

TENSORRT.refuse(
    BitAnd,
    BitOr,
    BitXor,
    Bitcast,
    Shift,
    why="TensorRT computes with numbers, never with their bits",
    instead="do this step before the model is called",
)
TENSORRT.refuse(
    Bernoulli,
    Multinomial,
    RandomNormal,
    RandomUniform,
    why="TensorRT draws other numbers from the same seed",
    instead="make the random numbers an input of the model",
)
TENSORRT.refuse(
    DeformConv,
    MaxRoiPool,
    RoiAlign,
    why="TensorRT has this as a plugin at most, whose library would have to be at hand to run",
    instead="split the model there",
)
TENSORRT.refuse(
    Dft,
    Stft,
    why="TensorRT has no Fourier transforms",
    instead="export the transform as a convolution with its basis",
)
TENSORRT.refuse(
    MelWeightMatrix,
    why="TensorRT has no such matrix",
    instead="constant operands, with which it is computed at compile time",
)
TENSORRT.refuse(
    Det,
    Unique,
    why="TensorRT has no layer for it",
    instead="compute it after the model",
)
TENSORRT.refuse(
    MaxUnpool,
    TensorScatter,
    why="TensorRT writes at no positions that are counted over all axes, or wrap around",
    instead="index.scatter_nd with computed positions",
)
TENSORRT.refuse(
    *INTEGER_OPS,
    why="TensorRT makes integer layers itself, of float ones between dequantize and quantize",
    instead="compile without integerize",
)
