"""Rule tables: no op class has two entries, and an empty cell can be seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgec.ir import Refusal, RuleTable
from edgec.ir.ops import Add, Neg, Relu

Rule = Callable[[], str]


def table() -> RuleTable[Rule]:
    made: RuleTable[Rule] = RuleTable("test")

    @made.rule(Relu)
    def relu() -> str:
        return "relu"

    made.refuse(Add, why="it cannot add", instead="mul")
    return made


def test_a_rule_is_found_by_its_class() -> None:
    rule = table().get(Relu)
    assert not isinstance(rule, Refusal)
    assert rule() == "relu"


def test_a_refusal_says_why_and_what_instead() -> None:
    assert str(table().get(Add)) == "it cannot add; instead: mul"


def test_an_op_that_nobody_mentioned_is_refused_in_words() -> None:
    assert str(table().get(Neg)) == "test has no rule for math.neg"


def test_an_empty_cell_is_visible() -> None:
    cells = dict(table().cells())
    assert cells[Neg] is None
    assert isinstance(cells[Add], Refusal)
    assert callable(cells[Relu])


def test_a_subclass_has_a_cell_of_its_own() -> None:
    class Special(Relu):
        """Another op."""

    assert isinstance(table().get(Special), Refusal)


def test_two_rules_for_one_op_are_refused() -> None:
    made = table()
    with pytest.raises(TypeError, match=r"two entries for act\.relu"):
        made.rule(Relu)(lambda: "again")
    with pytest.raises(TypeError, match=r"two entries for math\.add"):
        made.rule(Add)(lambda: "again")
    with pytest.raises(TypeError, match=r"two entries for act\.relu"):
        made.refuse(Relu, why="no")


def test_the_modules_of_a_table_are_imported_at_the_first_look() -> None:
    loaded: list[str] = []
    made: RuleTable[Rule] = RuleTable("lazy", lambda: loaded.append("now"))
    assert loaded == []
    made.get(Relu)
    made.get(Add)
    assert loaded == ["now"]
