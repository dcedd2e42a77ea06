"""Transposed convolution over one to three spatial axes, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.loops.windows import ScratchAlloc, valid_range

Array = NDArray[Any]


def conv_transpose(
    x: Array,
    w: Array,
    bias: Array | None,
    strides: Sequence[int],
    pads_begin: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    out: Array,
    scratch: ScratchAlloc,
) -> None:
    """out[n, o, i*stride + t*dilation - pad] += x[n, c, i] * w[c, o, t], ONNX ConvTranspose-22.

    ``x`` is [N, C, *D], ``w`` [C, O / groups, *K], ``out`` [N, O, *E], of one float dtype. End
    padding and output padding show only in the size of ``out``: positions outside are dropped,
    positions that nothing reaches hold the bias.
    """
    channels, outputs = x.shape[1], out.shape[1]
    kernel = w.shape[2:]
    out[...] = 0 if bias is None else bias.reshape(-1, *(1,) * len(kernel))
    matrix = w.reshape(groups, channels // groups, -1).swapaxes(1, 2)
    positions = int(np.prod(x.shape[2:]))
    taps = int(np.prod(kernel))
    products = scratch(outputs * taps * positions, x.dtype)
    for n in range(x.shape[0]):
        image = x[n].reshape(groups, channels // groups, positions)
        np.matmul(matrix, image, out=products.reshape(groups, -1, positions))
        per_tap = products.reshape(outputs, taps, *x.shape[2:])
        for t, tap in enumerate(product(*map(range, kernel))):
            read: list[slice] = [slice(None)]
            write: list[slice] = [slice(None)]
            for axis, position in enumerate(tap):
                shift, stride = position * dilations[axis] - pads_begin[axis], strides[axis]
                first, last = valid_range(shift, stride, out.shape[2 + axis], x.shape[2 + axis])
                read.append(slice(first, last))
                begin = first * stride + shift
                write.append(slice(begin, begin + max(0, last - first) * stride, stride))
            out[n][tuple(write)] += per_tap[:, t][tuple(read)]
