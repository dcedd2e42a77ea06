"""Transposes that a pass could not avoid, with the reason for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """One transpose that remains.

    Attributes:
        value: the name of what is transposed.
        perm: dim k of the result is dim perm[k] of the value.
        bytes: of the value; each symbolic dim counts as the layout pass's ``NOMINAL``.
        made: who makes the value as it is, and why.
        wanted: who wants it transposed, and why.
    """

    value: str
    perm: tuple[int, ...]
    bytes: int
    made: str
    wanted: str
