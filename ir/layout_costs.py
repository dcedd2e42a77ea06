"""What a target says about layouts: plain data that it fills in and the layout pass reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.ir.op import Op
from edgec.ir.traits import LayoutSensitive


@dataclass(frozen=True)
class LayoutCosts:
    """What running an op costs a target in each layout, in units of bytes moved.

    Attributes:
        required: the only layout in which layout-sensitive ops run; None when both do.
        extra: by op class and layout, what an op costs beyond the same op in the other layout.
    """

    required: str | None = None
    extra: Mapping[type[Op], Mapping[str, int]] = field(default_factory=dict)

    def of(self, op: Op, layout: str) -> int | None:
        """The cost of an op in a layout, at least 0; None where the target has no such op."""
        if self.required not in (None, layout) and op.has(LayoutSensitive):
            return None
        return self.extra.get(type(op), {}).get(layout, 0)
