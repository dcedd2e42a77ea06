"""Small graphs for the tests of TensorFlow Lite files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Builder, Graph, dtypes
from edgec.ir.ops import Add, Conv, MatMul, MaxPool, ReduceMean, ReduceSum, Relu, Reshape
from edgec.lowering.tflite import write_tflite


def small(batch: int | str = 2) -> Graph:
    """A convolution with its activation; the input itself and one result twice are outputs, too."""
    b = Builder("small")
    rng = np.random.default_rng(0)
    x = b.input("pixels", dtypes.f32, (batch, 3, 8, 8))
    w, bias = rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)
    c = b.add(Conv(x, b.const(w, dtypes.f32), b.const(bias, dtypes.f32), stride=(2, 2))).result
    y = b.add(Relu(c)).result
    return b.output(first=y, again=y, same=x, total=b.add(ReduceSum(y, axes=(1, 2, 3))).result)


def image_net() -> Graph:
    """Padding, a residual, a pool and a classifier; height, width and channels are all 8."""
    b = Builder("image_net")
    rng = np.random.default_rng(1)

    def weights(*dims: int) -> Any:
        return b.const(rng.standard_normal(dims) * 0.2, dtypes.f32, hint="w")

    x = b.input("image", dtypes.f32, (1, 3, 16, 16))
    first = Conv(x, weights(8, 3, 3, 3), weights(8), stride=(2, 2), pads=(1, 1, 1, 1), act="relu")
    y = b.add(first).result
    y.hint = "first"
    z = b.add(Conv(y, weights(8, 1, 3, 3), weights(8), pads=(1, 1, 1, 1), groups=8)).result
    z.hint = "second"
    s = b.add(Relu(b.add(Add(y, z)).result)).result
    s.hint = "sum"
    p = b.add(MaxPool(s, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1))).result
    p.hint = "pooled"
    m = b.add(ReduceMean(p, axes=(2, 3))).result
    flat = b.add(Reshape(m, to=(1, 8))).result
    scores = b.add(MatMul(flat, weights(8, 10), weights(10))).result
    return b.output(scores=scores, map=p)


def written(graph: Graph, path: Path, **options: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_tflite(graph, path, **options)
    return path
