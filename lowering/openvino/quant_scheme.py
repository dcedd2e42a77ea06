"""What OpenVINO's CPU plugin does on integers (version 2026.4, seen in its runtime models)."""

from __future__ import annotations

from dataclasses import replace

from edgec.ir import QuantScheme, Refusal, dtypes, register_scheme
from edgec.ir.ops import Conv, ConvTranspose, MatMul, Sigmoid, Softmax, Sub, Tanh
from edgec.ir.ops.fused import FUSED_ACTIVATIONS
from edgec.lowering.schemes import FIXED_GRIDS, roles

_FLOAT = Refusal("OpenVINO computes it in floats")

OPENVINO_SCHEME = register_scheme(
    QuantScheme(
        name="openvino",
        activation=dtypes.u8,
        bias=None,  # the plugin adds float biases to its 32-bit sums
        per_channel=frozenset({Conv, ConvTranspose, MatMul}),
        roles=roles({Sigmoid: _FLOAT, Softmax: _FLOAT, Sub: _FLOAT, Tanh: _FLOAT}),
        fixed=FIXED_GRIDS,
        absorbed=frozenset(FUSED_ACTIVATIONS) - {"none", "hard_sigmoid"},
        on_demand=True,
        adds_before_rounding=True,
    )
)
# For x86 without VNNI, whose 16-bit sums of two products overflow at full range.
OPENVINO_7_BIT_SCHEME = register_scheme(
    replace(OPENVINO_SCHEME, name="openvino-7bit", weight_limit=63)
)
