"""What does not read: the error names the line, and what was expected there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.ir import Error, Kind, parse_graph, print_graph, verify

SOUND = """graph g(%x: f32[N,2]) {
  %a = act.relu %x : f32[N,2] loc("a")
  %b = math.add %a, f32[2](1.0,nan) : f32[N,2]
  %c = move.concat [%a, %b], axis=0 : f32[N*2,2]
  return y=%c
}"""

CASES = [
    ("graph g(%x: f32[2]) {\n  %y = act.rleu %x\n  return y=%y\n}", 2, "there is no op 'act.rleu'"),
    ("graph g(%x: f32[2]) {\n  return y=%z\n}", 2, "%z is used before it is defined"),
    ("graph g(%x: f32[2]) {\n  %x = act.relu %x\n  return y=%x\n}", 2, "%x is defined twice"),
    (
        "graph g(%x: f32[2]) {\n  %y = act.relu %x : f32[3]\n  return y=%y\n}",
        2,
        "the text says f32[3]",
    ),
    ("graph g(%x: f32[2]) {\n  %y = act.relu %x : f32[2], f32[2]\n  return y=%y\n}", 2, "2 types"),
    (
        "graph g(%x: f32[2]) {\n  %y, %z = act.relu %x\n  return y=%y\n}",
        2,
        "has 1 results, found 2",
    ),
    ("graph g(%x: f32[2]) {\n  %y = act.relu %x, %x\n  return y=%y\n}", 2, "takes 1 operands"),
    ("graph g(%x: f32[2]) {\n  %y = act.relu %x, speed=3\n  return y=%y\n}", 2, "'speed'"),
    ("graph g(%x: f32[2]) {\n  %y = move.concat [%x], axis=1.5\n  return y=%y\n}", 2, "axis"),
    ("graph g(%x: f32[2]) {\n  %y = math.add %x, f32[2](1.0)\n  return y=%y\n}", 2, "2 elements"),
    ("graph g(%x: f32[2]) {\n  %y = math.add %x, f32[N](1.0)\n  return y=%y\n}", 2, "integer dims"),
    (
        "graph g(%x: f32[2]) {\n  %y = math.add %x, f32[3](1,2,3)\n  return y=%y\n}",
        2,
        "do not broadcast",
    ),
    ("graph g(%x: f32[2]) {\n  %y = act.relu %x\n}", 3, "has no return"),
    ("graph g(%x: f32[2]) {\n  return y=%x\n  return y=%x\n}", 3, "expected '}' after the return"),
    ("graph g(%x: f23[2]) { return y=%x }", 1, "f23"),
    ("graph g(%x: f32[2) { return y=%x }", 1, "not closed"),
    ("graph g(%x f32[2]) { return y=%x }", 1, "expected ':'"),
    ("graph g(%x: f32[2]) { return y=%x", 1, "expected"),
    ("graph g(%x: f32[2]) { return y=%x }\nmore", 2, "expected the end of the text"),
    ("graph g(%x: f32[2]) {\n  ; return y=%x }", 2, "cannot read"),
    ("graph g() {\n  @w: f32[9] = sha256:" + 64 * "0" + "\n  return y=@w\n}", 2, "no weights"),
    ("graph g() { return y=@w[N] }", 1, "not that of a constant"),
    ("graph g() { return y=@w[99999999,99999999] }", 1, "not that of a constant"),
    ("graph g(%x: i8[2]q(0.0,0,-128,127)) { return y=%x }", 1, "positive and finite"),
    ("graph g(%x: i8[2]q(1.0|2.0|3.0,0|0|0,-128,127,axis=0)) { return y=%x }", 1, "2 slices"),
    ('graph "\\ud800"() {}', 1, "surrogates"),
    ("", 1, "expected 'graph'"),
]


@pytest.mark.parametrize(("text", "line", "words"), CASES, ids=[case[2] for case in CASES])
def test_the_error_names_the_line_and_what_was_expected(text: str, line: int, words: str) -> None:
    with pytest.raises(Error) as caught:
        parse_graph(text)
    (finding,) = caught.value.findings
    assert caught.value.kind is Kind.READ
    assert finding.where.startswith(f"line {line}:")
    assert words in finding.message


def test_regions_nested_without_end_are_refused() -> None:
    text = "graph g(%c: bool[]) { " + "%y = control.if %c { graph a() { " * 100
    with pytest.raises(Error, match="nested more than 60 deep"):
        parse_graph(text)


def test_lists_nested_without_end_are_refused() -> None:
    with pytest.raises(Error):
        parse_graph("graph g(%x: f32[2]) { %y = move.concat [%x], axis=" + "[" * 100_000)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_mangled_text_reads_or_is_refused(data: st.DataObject) -> None:
    """Any slice of a sound text replaced by any other gives a graph or an Error, nothing else."""
    begin = data.draw(st.integers(0, len(SOUND)))
    end = data.draw(st.integers(begin, min(begin + 12, len(SOUND))))
    pieces = st.sampled_from(
        [
            "",
            " ",
            "%",
            "@w[9]",
            "f32[",
            "]",
            "(",
            ")",
            "{",
            "}",
            "[",
            ",",
            "=",
            ":",
            "-1",
            "1e999",
            "nan",
            '"',
            "'",
            "<",
            "<N>",
            "i64[1](7)",
            "\\",
            "graph",
            "sha256:",
            "99999999999999999999",
            "q(1.0,0,0,1)",
        ]
    )
    text = SOUND[:begin] + data.draw(pieces | st.text(max_size=3)) + SOUND[end:]
    try:
        graph = parse_graph(text)
        verify(graph)
    except Error:
        return
    weights = {constant.weight.digest: constant.array for constant in graph.constants}
    assert print_graph(parse_graph(print_graph(graph), weights)) == print_graph(graph)
