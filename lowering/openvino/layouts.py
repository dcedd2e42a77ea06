"""Ops with channels last: OpenVINO's know channels first only, so they stand between transposes."""

from __future__ import annotations

from edgec.ir import Value
from edgec.lowering.openvino.table import Output
from edgec.lowering.openvino.writer import Writer


def channels_first(x: Value, layout: str, w: Writer) -> Output:
    """x as [N, C, *spatial]."""
    rank = x.type.rank
    if layout == "nchw":
        return w[x]
    return w.ops.transpose(w[x], w.ints((0, rank - 1, *range(1, rank - 1))))


def as_given(y: Output, rank: int, layout: str, w: Writer) -> Output:
    """[N, C, *spatial] in the layout that the op has."""
    return y if layout == "nchw" else w.ops.transpose(y, w.ints((0, *range(2, rank), 1)))


def per_channel(bias: Value, rank: int, w: Writer) -> Output:
    """One number per channel, so that it broadcasts to [N, C, *spatial]."""
    return w.reshaped(bias, (1, -1, *(1,) * (rank - 2)))
