"""Rule tables: what one consumer (the kernels, a target's writer) does with each op class.

Every op class is either given a rule or refused in words, so that no cell is silently empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from edgec.ir.op import Op, op_classes

Rule = TypeVar("Rule", bound=Callable[..., Any])


@dataclass(frozen=True)
class Refusal:
    """Why a consumer does not take an op class, and what to do instead."""

    why: str
    instead: str = ""

    def __str__(self) -> str:
        return f"{self.why}; instead: {self.instead}" if self.instead else self.why


class RuleTable(Generic[Rule]):
    """Rules keyed by op class; a subclass of an op has its own cell.

    Args:
        name: the consumer's name, as the generated matrix heads its column.
        load: imports the modules that fill the table; called before the first lookup.
    """

    def __init__(self, name: str, load: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self._rules: dict[type[Op], Rule] = {}
        self._refusals: dict[type[Op], Refusal] = {}
        self._load = load
        self._loaded = False

    def rule(self, *classes: type[Op]) -> Callable[[Rule], Rule]:
        """Register the decorated function for these op classes."""

        def register(function: Rule) -> Rule:
            for cls in classes:
                self._claim(cls)
                self._rules[cls] = function
            return function

        return register

    def refuse(self, *classes: type[Op], why: str, instead: str = "") -> None:
        """State in words that these op classes have no rule."""
        for cls in classes:
            self._claim(cls)
            self._refusals[cls] = Refusal(why, instead)

    def get(self, cls: type[Op]) -> Rule | Refusal:
        """The rule of an op class, or the refusal."""
        self._fill()
        rule = self._rules.get(cls)
        if rule is not None:
            return rule
        return self._refusals.get(cls) or Refusal(f"{self.name} has no rule for {cls.op_name}")

    def cells(self) -> Iterator[tuple[type[Op], Rule | Refusal | None]]:
        """Every declared op class with its rule or refusal, None where the cell is empty."""
        self._fill()
        for cls in op_classes().values():
            yield cls, self._rules.get(cls) or self._refusals.get(cls)

    @property
    def rules(self) -> Mapping[type[Op], Rule]:
        self._fill()
        return self._rules

    def _fill(self) -> None:
        if not self._loaded:
            self._load()
            self._loaded = True

    def _claim(self, cls: type[Op]) -> None:
        if cls in self._rules or cls in self._refusals:
            raise TypeError(f"{self.name} has two entries for {cls.op_name}")
