"""What passes may ask of an op instead of its name. An op class lists the traits it has."""

from __future__ import annotations

from dataclasses import dataclass


class Trait:
    """Base of all traits. A trait without fields is used as its class, one with fields as an
    instance; ``Op.has`` and ``Op.trait`` accept the class in both cases."""


class Elementwise(Trait):
    """Each result element depends on the elements at its (broadcast) position only."""


class Commutative(Trait):
    """The first two operands may be swapped."""


class Idempotent(Trait):
    """f(f(x)) = f(x) for the same attributes."""


class Monotone(Trait):
    """x <= y implies f(x) <= f(y): it commutes with max pooling and reduction by max."""


class Movement(Trait):
    """Copies elements of its first operand, computing nothing (reshape, transpose, slice, …)."""


class Effect(Trait):
    """Must not be removed, merged, folded or reordered (random numbers)."""


class Terminator(Trait):
    """The last op of a graph."""


@dataclass(frozen=True)
class Linear(Trait):
    """Linear in that operand when the others are fixed: f(a·x + b·y) = a·f(x) + b·f(y)
    (a bias operand, where there is one, is added after)."""

    operand: str = "x"


@dataclass(frozen=True)
class LayoutSensitive(Trait):
    """Reads the positions of batch, channel and spatial axes of that operand from the attribute
    ``layout``."""

    operand: str = "x"
