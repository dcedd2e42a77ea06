"""Kernels of spectra."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import Dft, MelWeightMatrix, Stft
from edgec.kernels.precision import rounded
from edgec.kernels.table import KERNELS


@KERNELS.rule(Dft)
def dft(op: Dft, x: Array, length: Array | None) -> Array:
    """Computed in double precision."""
    source = _complex(x)
    size = source.shape[op.axis]
    real = op.onesided and op.inverse
    count = int(length.reshape(-1)[0]) if length is not None else 2 * (size - 1) if real else size
    if real:
        found = np.fft.irfft(source, count, axis=op.axis)[..., None]
    elif op.inverse:
        found = _parts(np.fft.ifft(source, count, axis=op.axis))
    elif op.onesided:
        found = _parts(np.fft.rfft(source.real, count, axis=op.axis))
    else:
        found = _parts(np.fft.fft(source, count, axis=op.axis))
    return rounded(found, x.dtype)


@KERNELS.rule(Stft)
def stft(op: Stft, signal: Array, step: Array, window: Array | None, length: Array | None) -> Array:
    """Computed in double precision."""
    source = _complex(signal)
    if length is not None:
        size = int(length.reshape(-1)[0])
    else:
        size = source.shape[1] if window is None else window.shape[0]
    hop = int(step.reshape(-1)[0])
    if hop < 1 or not 1 <= size <= source.shape[1]:
        raise ValueError(f"frames of {size} every {hop} do not fit a signal of {source.shape[1]}")
    frames = np.lib.stride_tricks.sliding_window_view(source, size, axis=1)[:, ::hop]
    shaped = frames if window is None else frames * window.astype(np.float64)
    transform = np.fft.rfft(shaped.real) if op.onesided else np.fft.fft(shaped)
    return rounded(_parts(transform), signal.dtype)


def _complex(x: Array) -> Array:
    wide = x.astype(np.float64)
    if x.shape[-1] == 1:
        return np.asarray(wide[..., 0] + 0j)
    return np.asarray(wide[..., 0] + 1j * wide[..., 1])


def _parts(x: Array) -> Array:
    return np.stack([x.real, x.imag], axis=-1)


@KERNELS.rule(MelWeightMatrix)
def mel_weight_matrix(
    op: MelWeightMatrix, bands: Array, length: Array, sample_rate: Array, low: Array, high: Array
) -> Array:
    """Edges of the triangles are rounded down to whole frequency bins (ONNX MelWeightMatrix-17)."""
    count, size, rate = (int(value.reshape(-1)[0]) for value in (bands, length, sample_rate))
    lowest, highest = (_mel(float(value.reshape(-1)[0])) for value in (low, high))
    spread = lowest + np.arange(count + 2) * (highest - lowest) / (count + 2)
    hertz = 700 * np.expm1(spread / 2595 * np.log(10))
    edges = ((size + 1) * hertz // rate).astype(np.int64)
    begin, center, end = edges[:-2], edges[1:-1], edges[2:]
    bins = np.arange(size // 2 + 1)[:, None]
    rising = (bins - begin) / np.maximum(center - begin, 1)
    falling = (end - bins) / np.maximum(end - center, 1)
    up = np.where((bins >= begin) & (bins <= center) & (center > begin), rising, 0.0)
    down = np.where((bins >= center) & (bins < end), falling, 0.0)
    weights = np.where((bins >= center) & (bins < end), down, up)
    peak = (bins == center) & (center == begin) & (end <= center)
    return rounded(np.where(peak, 1.0, weights), op.dtype.numpy)


def _mel(hertz: float) -> float:
    return float(2595 * np.log1p(hertz / 700) / np.log(10))
