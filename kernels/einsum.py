"""The kernel of Einstein summation."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import Einsum
from edgec.kernels.precision import rounded, widened
from edgec.kernels.table import KERNELS


@KERNELS.rule(Einsum)
def einsum(op: Einsum, *xs: Array) -> Array:
    """Accumulates in the working precision: at most K·u·Σ|products| away for K summands."""
    wide = [widened(x) for x in xs]
    with np.errstate(all="ignore"):
        found = np.asarray(np.einsum(op.equation.replace(" ", ""), *wide, optimize=True))
    if any(np.may_share_memory(found, x) for x in wide):
        found = found.copy()
    return rounded(found, xs[0].dtype)
