"""Every op, by family. The only place where ops are declared."""

from edgec.ir.ops.activation import Activation, Relu
from edgec.ir.ops.fused import FUSED_ACTIVATIONS, check_fused
from edgec.ir.ops.movement import Reshape, expressible
from edgec.ir.ops.nn import Conv

__all__ = [
    "FUSED_ACTIVATIONS",
    "Activation",
    "Conv",
    "Relu",
    "Reshape",
    "check_fused",
    "expressible",
]
