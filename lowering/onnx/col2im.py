"""ONNX Col2Im: a transposed convolution whose weights put each row of a column into its place."""

from __future__ import annotations

import math

import numpy as np

from edgec.ir import Array, DType, Ints, Value
from edgec.ir.ops import ConvTranspose
from edgec.ir.ops.common import per_axis
from edgec.lowering.onnx.node import READERS, Node, Unsupported
from edgec.lowering.onnx.reshape import reshaped


@READERS.rule("Col2Im")
def read_col2im(node: Node) -> Value:
    x = node.input(0)
    image, block = node.constant_ints(1, "image_shape"), node.constant_ints(2, "block_shape")
    rows = x.type.dims[1] if x.type.rank == 3 else None
    if not isinstance(rows, int) or rows % math.prod(block) or not x.type.dtype.is_float:
        raise Unsupported(f"Col2Im of {x.type} with blocks of {list(block)}")
    count = len(block)
    stride = per_axis(node.ints("strides", ()), count, "strides")
    dilation = per_axis(node.ints("dilations", ()), count, "dilations")
    pads = per_axis(node.ints("pads", ()), 2 * count, "pads", default=0)
    reach = [
        image[i] + pads[i] + pads[i + count] - dilation[i] * (block[i] - 1) - 1
        for i in range(count)
    ]
    columns = [size // step + 1 for size, step in zip(reach, stride, strict=True)]
    op = ConvTranspose(
        reshaped(node, x, (x.type.dims[0], rows, *columns)),
        node.const(_placing(rows // math.prod(block), block, x.type.dtype)),
        stride=stride,
        pads=pads,
        dilation=dilation,
        groups=rows // math.prod(block),
        output_padding=tuple(size % step for size, step in zip(reach, stride, strict=True)),
    )
    return node.add(op).result


def _placing(channels: int, block: Ints, dtype: DType) -> Array:
    """Weights [channels * block, 1, *block]: input channel k of a group goes to place k alone."""
    size = math.prod(block)
    one = np.eye(size, dtype=dtype.numpy).reshape(size, 1, *block)
    return np.tile(one, (channels, *(1,) * (len(block) + 1)))
