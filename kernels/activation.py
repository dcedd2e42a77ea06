"""Kernels of activations, and of the activations that other ops carry."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import Relu
from edgec.kernels.table import KERNELS


@KERNELS.rule(Relu)
def relu(op: Relu, x: Array, *, out: Array | None) -> Array:
    return np.maximum(x, x.dtype.type(0), out=out)
