"""How weights are stored: in half their size, or as integers that kernels multiply as they are."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, dtypes
from edgec.lowering.tflite.tensors import Operator, Subgraph, Tensor
from edgec.lowering.tflite.versions import lowest_version
from edgec.lowering.tflite.writer import prune

LEAST_HALVED = 64  # elements: below, the operator that widens a constant outweighs it
HALF = float(np.finfo(np.float16).max)
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def halve_constants(subgraph: Subgraph) -> None:
    """Store float32 constants as float16, which DEQUANTIZE widens when the model is loaded."""
    widened: dict[Tensor, Tensor] = {}
    for operator in subgraph.operators:
        for index, tensor in enumerate(operator.operands):
            if tensor is not None and fits_half(tensor.array):
                if tensor not in widened:
                    widened[tensor] = Tensor(dtypes.f32, tensor.dims, name=f"{tensor.name}/f32")
                operator.operands[index] = widened[tensor]
    added = []
    for tensor, wide in widened.items():
        assert tensor.array is not None
        half = Tensor(dtypes.f16, tensor.dims, tensor.array.astype(np.float16), tensor.name)
        added.append(Operator("DEQUANTIZE", [half], [wide], {}, 3))
    subgraph.operators[:0] = added


def fits_half(array: Array | None) -> bool:
    """True for a large enough constant of numbers that float16 has."""
    if array is None or array.dtype != np.float32 or array.size < LEAST_HALVED:
        return False
    return float(np.abs(array).max()) <= HALF


def keep_integers(subgraph: Subgraph) -> None:
    """Let products read integer weights themselves, without DEQUANTIZE in between (hybrid
    kernels: activations are rounded to 8 bits, per row, as they run)."""
    for operator in subgraph.operators:
        weights = operator.operands[1] if operator.builtin in WEIGHTED else None
        source = weights.producer if weights is not None else None
        if weights is None or source is None or source.builtin != "DEQUANTIZE":
            continue
        stored = source.operands[0]
        assert stored is not None
        if stored.array is None or stored.dtype is not dtypes.i8:
            continue
        operator.operands[1] = stored
        weights.readers -= 1
        stored.readers += 1
        if operator.builtin == "FULLY_CONNECTED":
            operator.options["asymmetric_quantize_inputs"] = True
        operator.version = lowest_version(
            operator.builtin, operator.operands, operator.results, operator.options
        )
    prune(subgraph)
