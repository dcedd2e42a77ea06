"""Integers that overflow in other people's kernels on this machine's CPU, and what to do then.

On x86 without VNNI the one instruction for u8·s8 products adds two of them in 16 bits, and
onnxruntime and OpenVINO use it. So artifacts are run here in a mode that does not, and the user is
told.
"""

from __future__ import annotations

from edgec.ir import Constant, Graph, dtypes
from edgec.ir.ops import Dequantize
from edgec.kernels import adds_bytes_in_16_bits

LARGEST_SAFE = 64  # 255 · 64 · 2 < 2¹⁵
OVERFLOW_ADVICE = (
    "this CPU (x86 without VNNI) adds products of 8-bit integers in 16 bits, which overflow: "
    "onnxruntime computes int8 models right here only with the session option "
    "session.x64quantprecision=1 (slower), OpenVINO in floats; for such CPUs compile "
    "--precision 'int8{scheme=onnx-7bit}' (openvino-7bit)"
)


def overflows_here(graph: Graph) -> bool:
    """Whether this machine's CPU can overflow on a quantized graph: on two products next to each
    other, of activations up to 255 with larger weights than ``LARGEST_SAFE``."""
    return adds_bytes_in_16_bits() and any(
        isinstance(op.x, Constant)
        and op.x.type.dtype is dtypes.i8
        and bool((abs(op.x.array.astype("i2")) > LARGEST_SAFE).any())
        for op in graph.ops_of(Dequantize)
    )
