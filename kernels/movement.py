"""Kernels that move elements."""

from __future__ import annotations

from edgec.ir import Array
from edgec.ir.ops import Reshape
from edgec.kernels.table import KERNELS


@KERNELS.rule(Reshape)
def reshape(op: Reshape, x: Array, shape: Array | None) -> Array:
    """A view: the one kernel whose result may lie in the memory of its operand."""
    if shape is not None:
        return x.reshape([int(dim) for dim in shape])
    assert op.to is not None
    source = dict(zip(op.x.type.dims, x.shape, strict=True))
    return x.reshape([dim if isinstance(dim, int) else source.get(dim, -1) for dim in op.to])
