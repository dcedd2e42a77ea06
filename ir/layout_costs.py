"""What a target says about layouts: plain data that it fills in and the layout pass reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.ir.codes import Code
from edgec.ir.diagnostics import Error, one_of
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


_OF_TARGETS: dict[str, LayoutCosts] = {}


def register_layout_costs(target: str, costs: LayoutCosts) -> None:
    """Make known what a target says of layouts."""
    _OF_TARGETS[target] = costs


def layout_costs_of(target: str) -> LayoutCosts:
    """What the target of that name says of layouts. Raises Error when there is no such target."""
    found = _OF_TARGETS.get(target)
    if found is None:
        raise Error(Code.NO_NAME, f"there is no target {target!r}",
                    instead=one_of(target, _OF_TARGETS))  # fmt: skip
    return found
