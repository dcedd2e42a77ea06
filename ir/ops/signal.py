"""Spectra. Complex numbers are a last axis of two: real part, imaginary part."""

from __future__ import annotations

import numpy as np

from edgec.ir import dtypes
from edgec.ir.contents import contents, known_ints
from edgec.ir.dims import ANY, Dim, could_equal
from edgec.ir.dtypes import DType
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import require_dim, require_family, require_rank, same_dtype
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.traits import Linear
from edgec.ir.types import TensorType
from edgec.ir.value import Value
from edgec.ir.weight import Array


class Dft(Op, name="signal.dft", traits=(Linear("x"),)):
    """y[k] = sum over n of x[n] * e**(-2 pi i k n / N) along ``axis``

    x is zero-padded or cut to ``length`` (N). ``inverse`` is the conjugate sum divided by N.
    ``onesided`` keeps k = 0…N // 2 of a real x; together with ``inverse`` it takes those and gives
    a real y.
    """

    x: Value = operand()
    length: Value | None = operand(default=None)
    axis: int = attr(kw_only=True)
    inverse: bool = attr(default=False)
    onesided: bool = attr(default=False)

    def infer(self) -> Types:
        require_family(self.x, ("float",))
        rank = self.x.type.rank
        if not 0 <= self.axis < rank - 1:
            raise OpError(f"axis {self.axis} is out of range for {self.x.type} but its last axis")
        parts = require_complex(self.x, "x")
        if self.onesided and parts == (1 if self.inverse else 2):
            wanted = "complex" if self.inverse else "real"
            raise OpError(f"a onesided spectrum wants {wanted} x, found {self.x.type}")
        dims = list(self.x.type.dims)
        dims[self.axis] = self._bins()
        dims[-1] = 1 if self.onesided and self.inverse else 2
        return (self.x.type.with_dims(tuple(dims)),)

    def _bins(self) -> Dim:
        size = self.x.type.dims[self.axis]
        real = self.onesided and self.inverse
        length = (2 * (size - 1) if real else size) if self.length is None else scalar(self.length)
        return length // 2 + 1 if self.onesided and not self.inverse else length

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(2, 4)
        onesided, inverse = draw.chance(0.3), draw.chance()
        parts = (2 if inverse else 1) if onesided else draw.integer(1, 2)
        x = draw.value(draw.choice(FLOATS), (*draw.shape(rank - 1, 2, 6), parts))
        length = draw.const(_scalar(draw.integer(2, 7))) if draw.chance(0.4) else None
        axis = draw.integer(0, rank - 2)
        return cls(x, length, axis=axis, inverse=inverse, onesided=onesided)


class Stft(Op, name="signal.stft", traits=(Linear("signal"),)):
    """y[b, f, k] = sum over n of window[n] * signal[b, f * step + n] * e**(-2 pi i k n / N)

    signal is [B, L, 1 or 2], y [B, frames, bins, 2]; N is ``length``, or that of ``window``.
    ``onesided`` keeps k = 0…N // 2.
    """

    signal: Value = operand()
    step: Value = operand()
    window: Value | None = operand(default=None)
    length: Value | None = operand(default=None)
    onesided: bool = attr(default=True)

    def infer(self) -> Types:
        same_dtype(self.signal, self.window)
        require_family(self.signal, ("float",))
        require_rank(self.signal, 3, "signal")
        if require_complex(self.signal, "signal") == 2 and self.onesided:
            raise OpError(f"a onesided spectrum wants a real signal, found {self.signal.type}")
        batch, total, _ = self.signal.type.dims
        length, step = self._length(), scalar(self.step)
        unknown = total is ANY or length is ANY or step is ANY
        frames = ANY if unknown or step == 0 else (total - length) // step + 1
        if isinstance(frames, int) and frames < 1:
            raise OpError(f"a frame of {length} does not fit into {self.signal.type}")
        bins = length if length is ANY or not self.onesided else length // 2 + 1
        return (self.signal.type.with_dims((batch, frames, bins, 2)),)

    def _length(self) -> Dim:
        if self.length is not None:
            length = scalar(self.length)
            if self.window is not None:
                require_dim(self.window.type.dims[0], length, "the length of window")
            return length
        return self.signal.type.dims[1] if self.window is None else self.window.type.dims[0]

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype = draw.choice(FLOATS)
        size = draw.integer(2, 6)
        onesided = draw.chance(0.6)
        dims = (draw.integer(1, 2), draw.integer(size, 14), 1 if onesided else draw.integer(1, 2))
        window = draw.value(dtype, (size,)) if draw.chance() else None
        length = draw.const(_scalar(size)) if window is None or draw.chance() else None
        step = draw.const(_scalar(draw.integer(1, 3)))
        return cls(draw.value(dtype, dims), step, window, length, onesided=onesided)


class MelWeightMatrix(Op, name="signal.mel_weight_matrix"):
    """y[k, m] = the weight of frequency bin k in band m: triangles of height 1, spread evenly over
    the mel scale 2595 * log10(1 + f / 700)  (Davis and Mermelstein, 1980)"""

    bands: Value = operand()
    length: Value = operand()
    sample_rate: Value = operand()
    low: Value = operand()
    high: Value = operand()
    dtype: DType = attr()

    def infer(self) -> Types:
        length = scalar(self.length)
        bins = length if length is ANY else length // 2 + 1
        return (TensorType(self.dtype, (bins, scalar(self.bands))),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        counts = (draw.integer(1, 6), draw.integer(16, 40), 8192)
        bands, length, rate = (draw.const(_scalar(count)) for count in counts)
        dtype = draw.choice((dtypes.f32, dtypes.f64))
        low = draw.value(dtypes.f32, (), low=0.0, high=100.0)
        high = draw.value(dtypes.f32, (), low=2000.0, high=4000.0)
        return cls(bands, length, rate, low, high, dtype=dtype)


def scalar(value: Value) -> Dim:
    """The element of an integer scalar as a dim, ANY when it is not known. Raises OpError."""
    require_family(value, ("int", "uint"))
    if not could_equal(TensorType(dtypes.u8, value.type.dims).elements(), 1):
        raise OpError(f"one number is wanted, found {value.type}")
    known = known_ints(value)
    if known is not None:
        return known[0]
    found = contents(value)
    return ANY if found is None else found.reshape(-1)[0]


def require_complex(value: Value, what: str) -> Dim:
    """The size of the last axis: 1 for real numbers, 2 for complex ones. Raises OpError."""
    parts = value.type.dims[-1]
    if isinstance(parts, int) and parts not in (1, 2):
        raise OpError(f"{what} wants a last axis of 1 (real) or 2 (complex), found {value.type}")
    return parts


def _scalar(number: int) -> Array:
    return np.asarray(number, dtype=np.int64)
