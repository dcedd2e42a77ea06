"""The lowest version of a builtin operator that says what is meant (LiteRT, op_version.cc).

A runtime refuses versions that it does not know, and checks none that are too low: the lowest
correct one runs on the most runtimes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgec.ir import dtypes
from edgec.lowering.tflite.builtins import BUILTINS
from edgec.lowering.tflite.tensors import Tensor

Operands = Sequence[Tensor | None]
Options = Mapping[str, Any]

_CAST_SINCE = {dtypes.f16: 5, dtypes.u16: 4, dtypes.i8: 3, dtypes.u32: 2}


def lowest_version(
    builtin: str, operands: Operands, results: Sequence[Tensor], options: Options
) -> int:
    """The version to write for an operator."""
    special = _SPECIAL.get(builtin)
    first = operands[1] if builtin == "SPLIT" else operands[0]  # the first one of SPLIT is the axis
    dtype = (first or results[0]).dtype
    by_type = BUILTINS[builtin].newer.get(dtype, 1)
    return by_type if special is None else max(by_type, special(operands, results, options))


def _conv(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    x, w = operands[0], operands[1]
    assert x is not None
    assert w is not None
    if x.dims[-1] != w.dims[-1]:
        return 6  # grouped
    return _weighted(operands, 3, 2, 5)


def _weighted(operands: Operands, integer: int, hybrid: int, per_channel: int) -> int:
    """By the element types of activations and weights."""
    x, w = operands[0], operands[1]
    assert x is not None
    assert w is not None
    if w.dtype is not dtypes.i8:
        return 1
    if x.dtype is dtypes.i8:
        return integer
    return hybrid if w.quant is None or w.quant.axis is None else per_channel


def _depthwise(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    dilated = options["dilation_h_factor"] != 1 or options["dilation_w_factor"] != 1
    return max(2 if dilated else 1, _weighted(operands, 3, 4, 6))


def _fully_connected(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    if len(operands) == 2:
        return 6
    hybrid = 9 if options.get("asymmetric_quantize_inputs") else 3
    least = 5 if options.get("keep_num_dims") else 1
    return max(least, _weighted(operands, 4, hybrid, 12))


def _transpose_conv(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    if options.get("fused_activation_function"):
        return 4
    if len(operands) == 4:
        return 3
    weights = operands[1]
    return 2 if weights is not None and weights.dtype is dtypes.i8 else 1


def _dims(limits: Mapping[int, int]) -> Callable[[Operands, Sequence[Tensor], Options], int]:
    """By the rank of the first operand: (above it, that version)."""

    def version(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
        rank = operands[0].rank if operands[0] is not None else 0
        return max((v for above, v in limits.items() if rank > above), default=1)

    return version


def _broadcast(then: int) -> Callable[[Operands, Sequence[Tensor], Options], int]:
    """Broadcasting over more than four dims."""

    def version(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
        x, y = operands[0], operands[1]
        if x is None or y is None or x.dims == y.dims or max(x.rank, y.rank) <= 4:
            return 1
        return then

    return version


def _resize(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    if options.get("half_pixel_centers"):
        return 3
    return 2 if results[0].dtype is dtypes.i8 else 1


def _resize_nearest(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    return 3 if options.get("align_corners") else _resize(operands, results, options)


def _gather(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    return 5 if options.get("batch_dims") else 1


def _cast(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    found = {t.dtype for t in (operands[0], results[0]) if t is not None}
    return max((v for dtype, v in _CAST_SINCE.items() if dtype in found), default=1)


def _dequantize(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    x = operands[0]
    assert x is not None
    if x.dtype is dtypes.i4:
        return 6
    return 5 if x.quant is not None and x.quant.axis is not None else 1


def _quantize(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    quant = results[0].quant
    return 3 if quant is not None and quant.axis is not None else 1


def _fill(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    return {dtypes.boolean: 2, dtypes.i8: 3, dtypes.i16: 3}.get(results[0].dtype, 1)


def _mul(operands: Operands, results: Sequence[Tensor], options: Options) -> int:
    """A factor of at least 1 between the products and the result."""
    quants = [t.quant for t in (*operands, *results) if t is not None]
    if len(quants) != 3 or any(quant is None for quant in quants):
        return 1
    x, y, z = (quant.scale[0] for quant in quants if quant is not None)
    return 3 if x * y / z >= 1 else 1


def _always(version: int) -> Callable[[Operands, Sequence[Tensor], Options], int]:
    return lambda operands, results, options: version


_SPECIAL: Mapping[str, Callable[[Operands, Sequence[Tensor], Options], int]] = {
    "BROADCAST_TO": _always(2),
    "CAST": _cast,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEQUANTIZE": _dequantize,
    "DIV": _broadcast(2),
    "FILL": _fill,
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _gather,
    "MAXIMUM": _broadcast(3),
    "MINIMUM": _broadcast(3),
    "MUL": _mul,
    "PAD": _dims({4: 4}),
    "PADV2": _dims({4: 4}),
    "QUANTIZE": _quantize,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
    "SLICE": _dims({4: 5}),
    "STRIDED_SLICE": _dims({4: 4}),
    "SUB": _broadcast(3),
    "TRANSPOSE": _dims({4: 4, 5: 6}),
    "TRANSPOSE_CONV": _transpose_conv,
}
