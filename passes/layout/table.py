"""How an op looks in the other layout: the table that the families of rules fill.

A rule gets the op and the forms that are known of the values around it, and returns a ``Carry``,
None while it knows nothing yet, or in words why the op cannot be turned: it is then pinned, and
reads and makes every value as it is written. Elementwise and layout-sensitive ops are known by
their traits; other ops join with a rule of a few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from edgec.ir import Elementwise, LayoutSensitive, Op, Refusal, Rewriter, RuleTable, Value
from edgec.passes.layout.forms import Form

Slots: TypeAlias = tuple[Form | None, ...]
Finish: TypeAlias = Callable[[Rewriter, Op], Sequence[Value]]


@dataclass(frozen=True)
class Carry:
    """What an op reads and makes in the other layout.

    Attributes:
        operands: for each operand slot the form that turns with the op; None where it reads the
            same in both layouts. A form of a higher rank than the value stands for the value under
            leading dims of 1, as broadcasting sees it.
        results: for each result the form that turns with the op; None where it stays the same.
        changes: operands and attributes that differ in the other layout.
        finish: makes the results of the op in the other layout what they were before.
    """

    operands: Slots
    results: Slots
    changes: Mapping[str, Any] = field(default_factory=dict)
    finish: Finish | None = None


@dataclass(frozen=True)
class Alias:
    """A transpose between the two arrangements of one tensor: no op of its own.

    ``source`` and ``target`` are the forms of what it reads and makes.
    """

    source: Form
    target: Form


@dataclass(frozen=True)
class Free:
    """A transpose that moves other axes, too: it may read and make either arrangement."""


Answer: TypeAlias = Carry | Alias | Free | str | None


class Forms:
    """The forms of values, as far as they are known."""

    def __init__(self) -> None:
        self.known: dict[Value, Form] = {}

    def of(self, value: Value | None) -> Form | None:
        return None if value is None else self.known.get(value)

    def around(self, op: Op, rank: int | None = None) -> Form | None:
        """A known form of a result or an operand, of that rank."""
        for value in (*op.results, *op.present_operands):
            form = self.known.get(value)
            if form is not None and rank in (None, form.rank):
                return form
        return None


LayoutRule: TypeAlias = Callable[[Any, Forms], Answer]


def _load() -> None:
    from importlib import import_module

    for family in ("axes", "movement", "parts", "quant"):
        import_module(f"edgec.passes.layout.rules_{family}")


LAYOUT: RuleTable[LayoutRule] = RuleTable("layout", _load)


def answer(op: Op, forms: Forms) -> Answer:
    """What the op's rule, or that of its traits, says."""
    rule = LAYOUT.get(type(op))
    if not isinstance(rule, Refusal):
        return rule(op, forms)
    if op.has(LayoutSensitive):
        return _sensitive(op)
    if op.has(Elementwise):
        return _elementwise(op, forms)
    return str(rule)


def carried(op: Op, form: Form, count: int = 1, **changes: Any) -> Carry:
    """The first ``count`` operands and every result have that form, other operands stay."""
    slots = tuple(form if index < count else None for index in range(len(op.operands)))
    return Carry(slots, (form,) * len(op.results), changes)


def _sensitive(op: Op) -> Answer:
    trait = op.trait(LayoutSensitive)
    assert isinstance(trait, LayoutSensitive)
    last = op.attribute("layout") == "nhwc"
    x: Value = getattr(op, trait.operand)
    form = Form(x.type.rank, 1, last)
    slots = tuple(form if value is x else None for value in op.operands)
    return Carry(slots, (form,) * len(op.results), {"layout": "nchw" if last else "nhwc"})


def _elementwise(op: Op, forms: Forms) -> Answer:
    """Operands of a lower rank are read under leading dims of 1."""
    form = forms.around(op, op.result.type.rank)
    if form is None:
        return None
    slots = tuple(None if value is None or is_single(value) else form for value in op.operands)
    return Carry(slots, (form,) * len(op.results))


def is_single(value: Value) -> bool:
    """True for one element that broadcasts to any dims, whatever their order."""
    return all(dim == 1 for dim in value.type.dims)
