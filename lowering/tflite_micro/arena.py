"""The arena that TensorFlow Lite for Microcontrollers needs: activations by the planner of the
reference executor, and beside them what the interpreter keeps.

Its memory planner places every tensor for the steps from the operator that makes it to the last
that reads it, aligned to 16 bytes; inputs from the start, outputs to the end
(tensorflow/lite/micro/micro_allocation_info.cc). Kernels ask for scratch of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgec.kernels import Block, pack
from edgec.lowering.tflite.tensors import Operator, Subgraph, Tensor

ALIGNMENT = 16
# Estimates for a 32-bit target, from the structures of its headers: a node with its registration
# and the kernel's own data, a tensor that kernels see, a channel's multiplier and shift, and the
# interpreter with its allocators.
NODE_BYTES, TENSOR_BYTES, CHANNEL_BYTES, FIXED_BYTES = 128, 12, 8, 2048
_PER_CHANNEL = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"})
# Bytes of scratch by element of the result: sums of 32 bits.
_SCRATCH: Mapping[str, int] = {"MEAN": 4, "SUM": 4, "TRANSPOSE_CONV": 4}


@dataclass(frozen=True)
class ArenaSize:
    """Bytes of the arena: ``planned`` for activations and scratch, ``kept`` by the interpreter
    (an estimate), ``least`` that any placement of the activations needs."""

    planned: int
    kept: int
    least: int

    @property
    def total(self) -> int:
        return -(-(self.planned + self.kept) // ALIGNMENT) * ALIGNMENT


def arena_of(main: Subgraph) -> ArenaSize:
    """The arena of a file without nested subgraphs; these are laid beside it."""
    blocks = list(_lives(main))
    curve = [
        sum(block.size for block in blocks if block.begin <= step <= block.end)
        for step in range(len(main.operators) + 1)
    ]
    least = max(curve, default=0)
    packing = pack([[block] for block in blocks], ALIGNMENT, least, search=True)
    inner = sum(
        arena_of(nested).planned
        for operator in main.operators
        for nested in operator.subgraphs.values()
    )
    kept = FIXED_BYTES + sum(
        NODE_BYTES * len(each.operators)
        + TENSOR_BYTES * len(each.tensors)
        + sum(map(_channel_bytes, each.operators))
        for each in main.nested
    )
    return ArenaSize(packing.bytes + inner, kept, least)


def _lives(main: Subgraph) -> Iterator[Block]:
    """Each tensor that is not constant, from the step that makes it to the last that reads it."""
    begin: dict[Tensor, int] = dict.fromkeys(main.inputs, 0)
    end: dict[Tensor, int] = dict.fromkeys(main.inputs, 0)
    for step, operator in enumerate(main.operators):
        begin.update(dict.fromkeys(operator.results, step))
        for tensor in (*operator.operands, *operator.results):
            if tensor is not None and tensor.array is None:
                end[tensor] = step
        scratch = _scratch(operator)
        if scratch:
            yield Block(0, scratch, step, step)
    end.update(dict.fromkeys(main.outputs, len(main.operators)))
    for tensor, first in begin.items():
        yield Block(0, bytes_of(tensor), first, end[tensor])


def bytes_of(tensor: Tensor) -> int:
    """The bytes of a tensor of known dims."""
    return math.prod(tensor.static_dims or ()) * tensor.dtype.numpy.itemsize


def _scratch(operator: Operator) -> int:
    result = operator.results[0]
    return _SCRATCH.get(operator.builtin, 0) * math.prod(result.static_dims or ())


def _channel_bytes(operator: Operator) -> int:
    if operator.builtin not in _PER_CHANNEL:
        return 0
    weights = operator.operands[1]
    if weights is None or weights.quant is None:
        return 0
    return CHANNEL_BYTES * len(weights.quant.scale)
