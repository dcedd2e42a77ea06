"""Random networks of the ops that channels pass through, for pruning and its relatives."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Builder, Constant, Graph, Value, dtypes
from edgec.ir.ops import (
    Add,
    BatchNorm,
    Concat,
    Conv,
    DepthToSpace,
    HardSwish,
    MatMul,
    MaxPool,
    Mul,
    ReduceMean,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Slice,
    Softmax,
    Split,
    Transpose,
)

SIZE = 4


class Drawing:
    """A network under construction; each step takes an image and gives one."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.b = Builder(f"drawn{seed}")

    def const(self, *dims: int) -> Constant:
        return self.b.const(self.rng.standard_normal(dims).astype(np.float32) / 2)

    def conv(self, x: Value, out: int, kernel: int = 3, groups: int = 1) -> Value:
        channels = _channels(x)
        w = self.const(out, channels // groups, kernel, kernel)
        bias = self.const(out) if self.rng.random() < 0.5 else None
        pads = (kernel // 2,) * 4
        return self.b.add(Conv(x, w, bias, pads=pads, groups=groups)).result

    def plain(self, x: Value) -> Value:
        return self.conv(x, 4 * int(self.rng.integers(1, 4)), int(self.rng.choice([1, 3])))

    def depthwise(self, x: Value) -> Value:
        return self.conv(x, _channels(x) * int(self.rng.integers(1, 3)), 3, groups=_channels(x))

    def grouped(self, x: Value) -> Value:
        return self.conv(x, 8, 3, groups=2)

    def residual(self, x: Value) -> Value:
        inner = self.b.add(Relu(self.conv(x, 8))).result
        return self.b.add(Add(x, self.conv(inner, _channels(x)))).result

    def concat(self, x: Value) -> Value:
        parts = [self.plain(x), self.conv(x, 4, 1)]
        return self.b.add(Concat(parts, axis=1)).result

    def split(self, x: Value) -> Value:
        left, right = self.b.add(Split(x, axis=1, parts=2)).results
        both = [self.conv(left, _channels(left)), right]
        return self.b.add(Concat(both, axis=1)).result

    def shuffle(self, x: Value) -> Value:
        channels = _channels(x)
        parted = self.b.add(Reshape(x, to=(2, 2, channels // 2, SIZE, SIZE))).result
        swapped = self.b.add(Transpose(parted, perm=(0, 2, 1, 3, 4))).result
        return self.b.add(Reshape(swapped, to=(2, channels, SIZE, SIZE))).result

    def excite(self, x: Value) -> Value:
        mean = self.b.add(ReduceMean(x, axes=(2, 3), keepdims=True)).result
        inner = self.b.add(Relu(self.conv(mean, 4, 1))).result
        gate = self.b.add(Sigmoid(self.conv(inner, _channels(x), 1))).result
        return self.b.add(Mul(x, gate)).result

    def norm(self, x: Value) -> Value:
        count = _channels(x)
        var = self.b.const(self.rng.uniform(0.5, 2, count).astype(np.float32))
        own = (self.const(count), self.const(count), self.const(count), var)
        return self.b.add(BatchNorm(x, *own)).result

    def slice(self, x: Value) -> Value:
        keep = max(_channels(x) // 2, 2)
        bounds = (self.b.const(np.array([n], np.int64)) for n in (0, keep))
        return self.b.add(Slice(x, *bounds, axes=(1,))).result

    def resize(self, x: Value) -> Value:
        pooled = self.b.add(MaxPool(x, kernel=(2, 2), stride=(2, 2))).result
        sizes = self.b.const(np.array([SIZE, SIZE], np.int64))
        return self.b.add(Resize(pooled, sizes=sizes, axes=(2, 3), mode="nearest")).result

    def space(self, x: Value) -> Value:
        deep = self.conv(self.b.add(MaxPool(x, kernel=(2, 2), stride=(2, 2))).result, 16, 1)
        return self.b.add(DepthToSpace(deep, block=2)).result

    def curve(self, x: Value) -> Value:
        return self.b.add(HardSwish(x) if self.rng.random() < 0.5 else Relu(x)).result

    # -- heads ------------------------------------------------------------------------------------

    def flat(self, x: Value) -> Value:
        count = _channels(x) * SIZE * SIZE
        rows = self.b.add(Reshape(x, to=(2, count))).result
        return self.b.add(MatMul(rows, self.const(count, 5))).result

    def pooled(self, x: Value) -> Value:
        mean = self.b.add(ReduceMean(x, axes=(2, 3), keepdims=False)).result
        return self.b.add(MatMul(mean, self.const(_channels(x), 5))).result

    def attention(self, x: Value) -> Value:
        count, places = _channels(x), SIZE * SIZE
        tokens = self.b.add(Reshape(x, to=(2, count, places))).result
        tokens = self.b.add(Transpose(tokens, perm=(0, 2, 1))).result
        heads = [self._head(tokens, count) for _ in range(3)]
        scores = self.b.add(MatMul(heads[0], heads[1], transpose_b=True)).result
        mixed = self.b.add(MatMul(self.b.add(Softmax(scores, axis=3)).result, heads[2])).result
        joined = self.b.add(Transpose(mixed, perm=(0, 2, 1, 3))).result
        joined = self.b.add(Reshape(joined, to=(2, places, 16))).result
        return self.b.add(MatMul(joined, self.const(16, 5))).result

    def _head(self, tokens: Value, count: int) -> Value:
        made = self.b.add(MatMul(tokens, self.const(count, 16))).result
        made = self.b.add(Reshape(made, to=(2, SIZE * SIZE, 2, 8))).result
        return self.b.add(Transpose(made, perm=(0, 2, 1, 3))).result


STEPS = (
    Drawing.plain, Drawing.depthwise, Drawing.grouped, Drawing.residual, Drawing.concat,
    Drawing.split, Drawing.shuffle, Drawing.excite, Drawing.norm, Drawing.slice, Drawing.resize,
    Drawing.space, Drawing.curve,
)  # fmt: skip
HEADS = (Drawing.flat, Drawing.pooled, Drawing.attention)


def drawn(seed: int, steps: int = 5) -> Graph:
    """A network of that many random steps between a first convolution and a head."""
    drawing = Drawing(seed)
    x = drawing.conv(drawing.b.input("x", dtypes.f32, (2, 3, SIZE, SIZE)), 8)
    for index in drawing.rng.integers(0, len(STEPS), steps):
        x = STEPS[index](drawing, x)
    head = HEADS[int(drawing.rng.integers(0, len(HEADS)))]
    return drawing.b.output(y=head(drawing, x))


def stepped(step: str, seed: int = 0) -> Graph:
    """A network of one step between two convolutions."""
    drawing = Drawing(seed)
    x = drawing.conv(drawing.b.input("x", dtypes.f32, (2, 3, SIZE, SIZE)), 8)
    x = getattr(drawing, step)(x)
    return drawing.b.output(y=drawing.pooled(drawing.conv(x, 8, 1)) if x.type.rank == 4 else x)


def inputs(seed: int) -> dict[str, Array]:
    """Two images."""
    rng = np.random.default_rng(seed)
    return {"x": rng.standard_normal((2, 3, SIZE, SIZE)).astype(np.float32)}


def _channels(x: Value) -> int:
    found = x.type.dims[1]
    assert isinstance(found, int)
    return found
