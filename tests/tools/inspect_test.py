"""``edgec inspect``: memory over time, its picture, and devices."""

from __future__ import annotations

import json
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from edgec.ir import Error, Kind, parse_graph
from edgec.passes import memory_report
from edgec.tools import cli
from edgec.tools.devices import FOLDER, device_names, load_device
from edgec.tools.inspection import spark_line
from edgec.tools.memory_picture import memory_svg

FINE, USAGE, BAD_INPUT = 0, 2, 3
NAMED = ("orin-nano", "orin-nx", "xavier-nx", "coral-edge-tpu", "raspberry-pi-4", "raspberry-pi-5",
         "avx2-laptop", "cortex-m7", "ethos-u55-256", "ethos-u65-512")  # fmt: skip
BRANCHES = """graph g(%x: f32[1,4,4]) {
  %a = act.softmax %x, axis=1 loc("first")
  %b = move.transpose %x, perm=[0,2,1] loc("second")
  %c = math.mul %a, %b loc("third")
  return y=%c
}"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "m.eir"
    path.write_text(BRANCHES)
    return str(path)


def test_the_report_names_what_makes_the_peak() -> None:
    report = memory_report(parse_graph(BRANCHES))
    assert (report.peak_bytes, report.peak_step) == (192, 1)
    assert report.peak_op == "move.transpose second"
    assert [one.bytes for one in report.tensors] == [64, 64, 64]
    assert {one.made for one in report.tensors} == {
        "the caller", "act.softmax first", "move.transpose second"}  # fmt: skip
    assert report.curve == (64, 128, 192, 128, 64)


def test_the_bytes_of_the_ten_largest_add_up_to_the_peak(digits: Path) -> None:
    from edgec.tools import driver

    report = memory_report(driver.load(digits))
    assert sum(one.bytes for one in report.tensors) == report.peak_bytes
    assert len(report.tensors) <= 10


def test_memory_is_printed(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", model, "--memory", "--sharing", "none"]) == FINE
    out = capsys.readouterr().out
    assert "peak 192 bytes at move.transpose second" in out
    assert "over time: ▃▆█" in out


def test_memory_is_json(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", model, "--memory", "--device", "orin-nano", "--json"]) == FINE
    [content] = json.loads(capsys.readouterr().out)
    assert content["memory"]["curve"] == [64, 128, 192, 128, 64]
    assert content["memory"]["peak_bytes"] == content["peak_bytes"] == 192
    assert content["estimate"]["seconds"] == pytest.approx(
        sum(op["seconds"] for op in content["estimate"]["ops"])
    )


def test_the_picture_is_drawn(model: str, tmp_path: Path) -> None:
    path = tmp_path / "memory.svg"
    assert cli.main(["inspect", model, "--svg", str(path)]) == FINE
    root = ElementTree.fromstring(path.read_text())
    words = " ".join(root.itertext())
    assert root.tag.endswith("svg")
    for expected in ("m.eir", "peak 192 B at move.transpose second", "op, in order", "peak"):
        assert expected in words
    drawn = [one for one in root.iter() if one.tag.endswith("rect") and len(one)]
    assert len(drawn) == 4  # x, a, b, c


def test_a_picture_of_many_ops_stays_small() -> None:
    lines = "\n".join(f"  %v{n + 1} = act.relu %v{n}" for n in range(8_000))
    report = memory_report(parse_graph(f"graph g(%v0: f32[4]) {{\n{lines}\n  return y=%v8000\n}}"))
    assert len(memory_svg(report, "<many> & more")) < 600_000
    assert "&lt;many&gt; &amp; more" in memory_svg(report, "<many> & more")
    assert len(spark_line(report.curve)) <= 100


def test_one_picture_for_one_model(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", model, model, "--svg", "x.svg"]) == USAGE
    assert "one call for each" in capsys.readouterr().err


# -- devices ---------------------------------------------------------------------------------------


def test_the_devices_that_are_promised_are_there() -> None:
    assert set(NAMED) <= set(device_names())


@pytest.mark.parametrize("name", device_names())
def test_every_number_of_a_device_has_a_source(name: str) -> None:
    device = load_device(name)
    content = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    numbers = {
        f"{section}.{key}"
        for section, found in content.items()
        if section not in ("title", "notes")
        for key in found
    }
    assert set(device.notes) == numbers
    assert all(len(note) > 5 for note in device.notes.values())


def test_the_table_of_a_device(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(digits), "--device", "coral-edge-tpu", "--precision=i8"]) == 0
    out = capsys.readouterr().out
    assert "Google Coral Edge TPU" in out
    assert "nn.conv" in out
    assert "bound by" in out


OWN = "[macs]\nf32 = 1e9\n[memory]\nrate = 1e9\n"


def test_a_device_of_the_users_own(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    assert cli.main(["inspect", model, "--device", str(path)]) == FINE
    assert "on mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [("[macs", "is no TOML"), ("[macs]\nf32 = 1e9\n", "says no 'memory'"),
     (OWN + "[speed]\nx = 1\n", "unknown sections: speed"),
     (OWN.replace("rate", "speed"), "unknown keys in memory: speed"),
     (OWN.replace("rate = 1e9", "rate = 'fast'"), "numbers in memory: rate"),
     (OWN.replace("rate = 1e9", "rate = 0"), "positive")],
)  # fmt: skip
def test_a_file_that_is_no_device(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(Error, match=words) as caught:
        load_device(str(path))
    assert caught.value.kind is Kind.READ


def test_an_unknown_device_is_answered_with_the_known_ones() -> None:
    with pytest.raises(Error, match="no device 'toaster'") as caught:
        load_device("toaster")
    assert "cortex-m7" in caught.value.instead
