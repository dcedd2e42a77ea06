"""The memory that an executor's results are written into."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Value
from edgec.kernels.liveness import EXECUTOR_MEMORY
from edgec.kernels.planner import Plan, Slot


class Arena:
    """One block of memory with a place for every planned result."""

    def __init__(self, plan: Plan) -> None:
        alignment = EXECUTOR_MEMORY.alignment
        block = np.empty(plan.arena_bytes + alignment, dtype=np.uint8)
        self._memory = block[-block.ctypes.data % alignment :]
        self._views = plan.views
        self._buffers = {
            value: self._place(value, slot)
            for value, slot in plan.slots.items()
            if value not in plan.views
        }

    def buffer(self, value: Value) -> Array | None:
        """The place of a value as an array, None when it was not planned."""
        return self._buffers.get(value)

    def kept(self, value: Value, array: Array) -> Array:
        """The array, moved to the value's own place when it is a view of memory that may be given
        to another value before this one dies."""
        own = self._buffers.get(value)
        if array is own or value in self._views or not np.may_share_memory(array, self._memory):
            return array
        if own is None:
            return array.copy()
        if array.ctypes.data != own.ctypes.data or array.strides != own.strides:
            np.copyto(own, array)
        return own

    def _place(self, value: Value, slot: Slot) -> Array:
        raw = self._memory[slot.offset : slot.offset + slot.size]
        return raw.view(value.type.dtype.numpy).reshape(slot.shape)
