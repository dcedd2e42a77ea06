"""Goldens: recorded, checked, told apart from what changed, and exchanged with Polygraphy."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import edgec
from edgec.ir import Error
from edgec.lowering import TARGETS
from edgec.lowering.onnx import write_onnx
from edgec.tools import cli, plugins
from edgec.tools.goldens import (
    ASPECTS,
    Spec,
    check,
    load_golden,
    read_inputs,
    read_outputs,
    record,
    save_golden,
    write_inputs,
    write_outputs,
)

pytest_plugins = ("pytester",)

TEXT = """graph g(%x: f32[2,8]) {
  %m = linalg.matmul %x, b=@w[8,6] loc("first")
  %s = math.mul %m, f32[6](1.0,2.0,3.0,4.0,5.0,6.0) loc("second")
  %y = act.relu %s loc("third")
  return y=%y
}"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    write_onnx(edgec.parse_graph(TEXT), tmp_path / "m.onnx")
    with plugins.forgotten():
        yield tmp_path


def edgec_command(*arguments: str) -> int:
    return cli.main(list(arguments))


def recorded(**fields: Any) -> Path:
    path = Path("goldens/m.json")
    save_golden(record(Spec(model="m.onnx", **fields), path), path)
    return path


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_what_was_recorded_is_found_again(target: str) -> None:
    path = recorded(target=target, seeds=(0, 1))
    golden = load_golden(path)
    assert golden.spec.model == "../m.onnx"
    assert len(golden.outputs) == 2
    report = check(golden, path, aspects=[a for a in ASPECTS if a != "bytes"])
    assert report.ok, str(report)
    assert str(report) == "as recorded"


def test_the_same_bytes_are_written_again() -> None:
    path = recorded()
    assert check(load_golden(path), path, aspects=["bytes", "text"]).ok


def test_another_model_is_blamed_on_its_first_layer() -> None:
    path = recorded()
    changed = TEXT.replace("6.0)", "9.0)")
    write_onnx(edgec.parse_graph(changed), Path("m.onnx"))
    report = check(load_golden(path), path)
    assert not report.ok
    assert "output 'y', inputs 0: differs" in str(report)
    assert "first layer that differs: %s: mean" in str(report)
    assert "note: the model's file is another one" in str(report)


def test_a_wrong_write_rule_is_blamed_on_its_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    path = recorded(pipeline="O0")
    from edgec.ir.ops import Mul
    from edgec.lowering.onnx import WRITERS

    rule = WRITERS.get(Mul)
    monkeypatch.setitem(WRITERS._rules, Mul, lambda op, w: w.node("Add", [op.x, op.y], op.results))
    report = check(load_golden(path), path, aspects=["numbers"])
    assert "first layer that differs: math.mul %s from second" in str(report)
    assert callable(rule)


def test_fewer_fusions_are_other_ops() -> None:
    path = recorded()
    golden = load_golden(path)
    from dataclasses import replace

    other = replace(golden, spec=replace(golden.spec, pipeline="O0"))
    report = check(other, path, aspects=["ops", "text", "size", "bytes"])
    told = {d.aspect for d in report.differences}
    assert {"ops", "text", "bytes"} <= told
    assert "math.mul 0 → 1" in str(report)


def test_a_golden_that_is_none_is_refused() -> None:
    Path("no.json").write_text("{}")
    with pytest.raises(Error, match="no golden"):
        load_golden(Path("no.json"))
    with pytest.raises(Error, match="cannot read"):
        load_golden(Path("absent.json"))


# -- the command -----------------------------------------------------------------------------------


def test_the_command_records_checks_and_updates(capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command("golden", "record", "m.onnx", "-o", "g/m.json", "--seeds", "2") == 0
    assert edgec_command("golden", "check", "g/m.json") == 0
    write_onnx(edgec.parse_graph(TEXT.replace("6.0)", "9.0)")), Path("m.onnx"))
    capsys.readouterr()
    assert edgec_command("golden", "check", "g/m.json") == 1
    assert "numbers: output 'y'" in capsys.readouterr().out
    assert edgec_command("golden", "check", "g/m.json", "--relative", "0.9") == 0
    assert edgec_command("golden", "check", "g/m.json", "--update") == 0
    assert edgec_command("golden", "check", "g/m.json", "--json") == 0
    assert edgec_command("golden", "check", "g/m.json", "--compare", "beauty") == 2


def test_inputs_of_ones_own_are_kept() -> None:
    np.savez("x.npz", x=np.ones((2, 8), np.float32))
    assert edgec_command("golden", "record", "m.onnx", "-o", "g.json", "--data", "x.npz") == 0
    [stored] = load_golden(Path("g.json")).spec.inputs
    assert (stored["x"] == 1).all()
    assert edgec_command("golden", "check", "g.json") == 0


# -- Polygraphy ------------------------------------------------------------------------------------


def npy(array: Any) -> str:
    file = io.BytesIO()
    np.save(file, array)
    return base64.b64encode(file.getvalue()).decode()


def test_goldens_go_to_polygraphy_and_come_from_it() -> None:
    assert edgec_command("golden", "record", "m.onnx", "-o", "g.json", "--seeds", "2") == 0
    arguments = ["--save-inputs", "in.json", "--save-outputs", "out.json"]
    assert edgec_command("golden", "export", "g.json", *arguments) == 0
    content = json.loads(Path("out.json").read_text())
    assert content["polygraphy_class"] == "RunResults"
    [[runner, results]] = content["lst"]
    assert (runner, len(results)) == ("edgec", 2)
    arguments = ["--load-inputs", "in.json", "--load-outputs", "out.json"]
    assert edgec_command("golden", "record", "m.onnx", "-o", "again.json", *arguments) == 0
    assert edgec_command("golden", "check", "again.json") == 0


def test_what_polygraphy_itself_wrote_is_read() -> None:
    """As written by polygraphy 0.53.6: save_json, and RunResults.save."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    Path("in.json").write_text(
        json.dumps([{"x": {"array": npy(x), "polygraphy_class": "ndarray"}}])
    )
    entry = {"values": {"array": npy(x), "polygraphy_class": "ndarray"},
             "polygraphy_class": "LazyArray"}  # fmt: skip
    result = {"outputs": {"y": entry}, "runtime": 0.001, "runner_name": "onnxrt-runner",
              "polygraphy_class": "IterationResult"}  # fmt: skip
    Path("out.json").write_text(
        json.dumps({"lst": [["onnxrt-runner", [result]]], "polygraphy_class": "RunResults"})
    )
    [inputs], [outputs] = read_inputs(Path("in.json")), read_outputs(Path("out.json"))
    assert (inputs["x"] == x).all()
    assert (outputs["y"] == x).all()
    with pytest.raises(Error, match="no runner 'trt'"):
        read_outputs(Path("out.json"), "trt")
    with pytest.raises(Error, match="not what Polygraphy writes"):
        read_outputs(Path("in.json"))


@given(
    hnp.arrays(
        st.sampled_from(["f4", "f2", "i8", "u1", "?"]), hnp.array_shapes(min_dims=0, max_side=3)
    )
)
def test_every_array_survives_polygraphys_format(array: Any) -> None:
    write_inputs([{"x": array}], Path("p.json"))
    write_outputs([{"y": array}], Path("q.json"))
    for found in (read_inputs(Path("p.json"))[0]["x"], read_outputs(Path("q.json"))[0]["y"]):
        assert found.dtype == array.dtype
        assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")


# -- under pytest ----------------------------------------------------------------------------------

TEST = """
import pytest

@pytest.mark.edgec_golden("m.onnx", targets={targets}, seeds=2)
def test_model(edgec_golden):
    edgec_golden.check()
"""


@pytest.fixture
def project(pytester: pytest.Pytester, here: Path) -> pytest.Pytester:
    shutil.copy(here / "m.onnx", pytester.path)
    pytester.makeini("[pytest]\n")
    return pytester


ONCE = ("-p", "no:edgec", "-p", "edgec.testing.plugin")  # whether or not it is installed


def results(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess(*ONCE, "-rs", *arguments)


def test_a_test_runs_on_every_target_and_keeps_its_goldens(project: pytest.Pytester) -> None:
    project.makepyfile(TEST.format(targets=["onnx", "openvino"]))
    found = results(project)
    found.assert_outcomes(failed=2)
    found.stdout.fnmatch_lines(["*there is no golden*--golden-update records it*"])
    results(project, "--golden-update").assert_outcomes(passed=2)
    results(project).assert_outcomes(passed=2)
    names = sorted(path.name for path in project.path.glob("goldens/*/*.json"))
    assert names == ["test_model-onnx.json", "test_model-openvino.json"]


def test_a_difference_fails_and_is_shown_when_it_is_accepted(project: pytest.Pytester) -> None:
    project.makepyfile(TEST.format(targets=["onnx"]))
    results(project, "--golden-update")
    write_onnx(edgec.parse_graph(TEXT.replace("6.0)", "9.0)")), project.path / "m.onnx")
    found = results(project)
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*numbers: output 'y', inputs 0: differs*"])
    accepted = results(project, "--golden-update")
    accepted.assert_outcomes(passed=1)
    accepted.stdout.fnmatch_lines(["*accepted *test_model-onnx.json", "*numbers: output 'y'*"])
    results(project).assert_outcomes(passed=1)


def test_a_target_without_its_runtime_is_skipped_with_the_reason(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from edgec.lowering import Runtime

    bare = replace(TARGETS["openvino"], runtime=Runtime("no_such_runtime", "openvino"))
    monkeypatch.setitem(TARGETS, "openvino", bare)
    project.makepyfile(TEST.format(targets=["openvino"]))
    found = results(project)
    found.assert_outcomes(skipped=1)
    found.stdout.fnmatch_lines(["*no_such_runtime is not installed: pip install*"])


def test_a_marker_with_an_unknown_name_says_the_known_ones(project: pytest.Pytester) -> None:
    project.makepyfile(TEST.format(targets="[], beauty=1"))
    assert "tolerance" in results(project).stdout.str()


def test_text_tests_are_collected(project: pytest.Pytester) -> None:
    (project.path / "t.eir").write_text(
        "# run: -p dce\n# about: dead\n"
        "graph g(%x: f32[2]) { %a = math.neg %x %b = math.abs %x return y=%a }\n"
    )
    (project.path / "plain.eir").write_text("graph g(%x: f32[2]) { return y=%x }\n")
    found = results(project)
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*--bless accepts*"])
    results(project, "--edgec-bless").assert_outcomes(passed=1)
    results(project).assert_outcomes(passed=1)
