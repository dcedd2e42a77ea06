"""The page of fusions: every row of the comparison is filled, with rules that there are."""

from __future__ import annotations

import pytest

from edgec.passes import pass_classes
from edgec.tools.fusions import PEERS, RULE_PASSES, Peer, rule_names, themes
from edgec.tools.staledocs import fusions_page

ROWS = [(peer, row) for peer, rows in PEERS.items() for row in rows]


@pytest.mark.parametrize(("peer", "row"), ROWS, ids=[f"{p}-{r.name}" for p, r in ROWS])
def test_a_fusion_of_others_exists_here_or_the_row_says_why_not(peer: str, row: Peer) -> None:
    assert row.ours or row.why, f"{peer}: {row.name} is neither there nor refused"
    assert set(row.ours.split()) <= set(rule_names())


def test_every_rule_is_on_the_page_with_its_formula_and_its_theme_with_refusals() -> None:
    page = fusions_page()
    listed = {
        rule.name
        for name in RULE_PASSES
        for theme in themes(pass_classes()[name])
        for rule in theme.rules
    }
    assert listed <= set(rule_names())
    assert all(f"| {name} | " in page for name in listed)
    assert "- the slices do not cover the axis" in page


def test_no_rule_is_without_a_formula() -> None:
    for name in RULE_PASSES:
        for theme in themes(pass_classes()[name]):
            assert theme.summary, theme.name
            for rule in theme.rules:
                assert "->" in rule.formula(), rule.name
