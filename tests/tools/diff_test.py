"""``edgec diff``: each kind of difference by its name, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgec
from edgec.ir import Graph, parse_graph
from edgec.tools import cli
from edgec.tools.diff import diff_graphs
from edgec.tools.diff.changes import KINDS, longest_increasing

TEXT = """graph g(%x: f32[1,8,4,4]) {
  %c = nn.conv %x, w=@w[8,8,3,3], pads=[1,1,1,1] loc("conv")
  %s = math.mul %c, f32[8,1,1](1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0) loc("scale")
  %t = act.tanh %s loc("tanh")
  %u = math.neg %x loc("left")
  %v = math.abs %x loc("right")
  %w = math.add %u, %v loc("join")
  return y=%t, z=%w
}"""


def kinds(a: str, b: str) -> set[str]:
    return {change.kind for change in diff_graphs(parse_graph(a), parse_graph(b)).changes}


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("pads=[1,1,1,1]", "pads=[1,1,1,1], dilation=[1,1]", "attribute", "dilation=()"),
        ("@w[8,8,3,3]", "@other[8,8,3,3]", "weights", "differ, by"),
        ("act.tanh %s", "act.tanh %c", "operand", "%s → %c"),
        ("%t = act.tanh %s", "%t = act.relu %s", "replaced", "%t act.tanh → %t act.relu"),
        ("act.relu", "act.relu", "", ""),
        ('loc("join")\n', 'loc("join")\n  %n = math.neg %w loc("new")\n', "added", "%n math.neg"),
    ],
)  # fmt: skip
def test_a_change_has_a_name(old: str, new: str, kind: str, words: str) -> None:
    changed = TEXT.replace(old, new)
    changed = changed.replace("z=%w", "z=%n") if kind == "added" else changed
    if not kind:
        assert not kinds(TEXT, changed)
        return
    found = diff_graphs(parse_graph(TEXT), parse_graph(changed))
    assert any(c.kind == kind and words in c.text for c in found.changes), str(found)


QDQ = """graph g(%x: f32[2]) {{
  %q = quant.quantize %x, scale=f32[]({scale}), zero_point=i8[](3), to=i8
  %y = quant.dequantize %q, scale=f32[]({scale}), zero_point=i8[](3), to=f32
  return y=%y
}}"""


def test_types_and_scales() -> None:
    assert "type" in kinds(TEXT, TEXT.replace("f32[", "f16[").replace("@w[", "@w:f16["))
    before, after = (parse_graph(QDQ.format(scale=scale)) for scale in (0.5, 0.25))
    found = diff_graphs(before, after)
    assert [c.kind for c in found.changes] == ["scale", "scale"]
    assert "%q quant.quantize: scale: 0.5 → 0.25" in str(found)


def test_ops_that_change_places_moved() -> None:
    lines = TEXT.splitlines()
    lines[1:6] = [lines[4], lines[5], *lines[1:4]]
    found = diff_graphs(parse_graph(TEXT), parse_graph("\n".join(lines)))
    assert {c.kind for c in found.changes} == {"moved"}
    assert len(found.changes) == 2
    assert found.same == 6


def test_fusing_is_called_fusing(digits: Path) -> None:
    before = edgec.load(digits)
    after = before.clone()
    edgec.optimize(after, "O2")
    found = diff_graphs(before, after)
    fused = [c for c in found.changes if c.kind == "fused"]
    assert sum("norm.batch_norm → into" in c.text for c in fused) == 17
    assert not [c for c in found.changes if c.kind == "added"]


def test_a_layout_is_called_a_layout(digits: Path) -> None:
    before = edgec.load(digits)
    edgec.optimize(before, "O2")
    after = before.clone()
    edgec.optimize(after, "layout{to=nhwc}")
    found = diff_graphs(before, after)
    layouts = [c for c in found.changes if c.kind == "layout"]
    assert sum("layout=nchw → nhwc" in c.text for c in layouts) == 17


def test_a_graph_does_not_differ_from_itself(digits: Path) -> None:
    graph = edgec.load(digits)
    found = diff_graphs(graph, graph.clone())
    assert not found
    assert found.same == len(list(graph.walk))


def test_the_exit_code_is_that_of_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = tmp_path / "a.eir", tmp_path / "b.eir"
    a.write_text("graph g(%x: f32[2]) { %y = math.neg %x return y=%y }")
    b.write_text("graph g(%x: f32[3]) { %y = math.neg %x return y=%y }")
    assert cli.main(["diff", str(a), str(a)]) == 0
    assert cli.main(["diff", str(a), str(b)]) == 1
    shown = capsys.readouterr().out
    assert "x: f32[2] → f32[3]" in shown
    assert shown.splitlines()[-1].startswith("0 ops are the same; 1 input, 1 output, 1 shape")


@given(st.lists(st.integers(0, 30), unique=True, max_size=12))
def test_the_longest_increasing_part(numbers: list[int]) -> None:
    places = sorted(longest_increasing(numbers))
    picked = [numbers[place] for place in places]
    assert picked == sorted(picked)
    best = [1] * len(numbers)
    for i in range(len(numbers)):
        best[i] += max((best[j] for j in range(i) if numbers[j] < numbers[i]), default=0)
    assert len(picked) == max(best, default=0)


def test_every_kind_can_be_sorted() -> None:
    assert len(set(KINDS)) == len(KINDS)
    assert isinstance(parse_graph(TEXT), Graph)
