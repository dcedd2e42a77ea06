"""OpenVINO's runtime: devices, hints, layouts, shapes that are chosen late, loops by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.ir import Error, Graph, Kind, parse_graph
from edgec.kernels import Judge, seeded_inputs
from edgec.lowering import Partitioned, target_named
from edgec.lowering.openvino import OpenvinoRunner, to_model, write_openvino
from edgec.tools import cli

openvino = pytest.importorskip(
    "openvino", reason="openvino is not installed: pip install 'edgec[openvino]'"
)

CONV = """graph g(%x: f32[N,3,H,W]) {
  %c = nn.conv %x, w=@w[4,3,3,3], bias=@bias[4], stride=[2,2], pads=[1,1,1,1]
  %p = nn.max_pool %c, kernel=[2,2]
  %m = reduce.mean %p, axes=[2,3]
  return m=%m, c=%c
}"""


def assert_same(graph: Graph, runner: OpenvinoRunner, shapes: dict[str, int]) -> None:
    inputs = seeded_inputs(graph, shapes=shapes)
    judge = Judge(graph, inputs, factor=4)
    actual = runner.run(inputs)
    for name in judge.expected:
        found = judge.compare(name, actual[name])
        assert found, found


@pytest.mark.parametrize("device", ["CPU", "AUTO", "HETERO:CPU"])
@pytest.mark.parametrize("hint", ["", "latency", "throughput"])
def test_devices_and_hints(device: str, hint: str) -> None:
    graph = parse_graph(CONV)
    runner = OpenvinoRunner(to_model(graph), device=device, hint=hint)
    assert_same(graph, runner, {"N": 1, "H": 8, "W": 10})
    assert isinstance(runner, Partitioned)
    found = runner.partition()
    assert set(found) == {"CPU"}
    assert sum(found.values()) >= len(graph)


def test_what_is_not_there_is_said() -> None:
    graph = parse_graph(CONV)
    for device in ("TPU", "HETERO:TPU,CPU"):
        with pytest.raises(Error, match="finds no device TPU") as raised:
            OpenvinoRunner(to_model(graph), device=device)
        assert raised.value.kind is Kind.RUNTIME_MISSING
    with pytest.raises(Error, match="no hint 'fast'"):
        OpenvinoRunner(to_model(graph), hint="fast")
    with pytest.raises(Error, match="has no option device"):
        target_named("onnx").loaded(Path("m.onnx"), 1, {"device": "GPU"})


def test_the_command_prints_the_partition(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.xml"
    edgec.compile(edgec.load(digits), "openvino", path)
    assert cli.main(["verify", str(digits), str(path), "--device", "HETERO:CPU"]) == 0
    assert "operators run on CPU" in capsys.readouterr().out


def test_one_compiled_model_takes_many_shapes() -> None:
    graph = parse_graph(CONV)
    runner = OpenvinoRunner(to_model(graph))
    for n, h, w in ((1, 8, 8), (3, 9, 17), (2, 64, 32), (1, 8, 8)):
        assert_same(graph, runner, {"N": n, "H": h, "W": w})


def layouts(graph: Graph, path: Path) -> list[str]:
    """As OpenVINO's reader sees them in the file."""
    write_openvino(graph, path)
    model = openvino.Core().read_model(path)
    return [parameter.get_layout().to_string() for parameter in model.get_parameters()]


def test_layouts_stand_in_the_file(tmp_path: Path) -> None:
    graph = parse_graph(CONV)
    assert layouts(graph, tmp_path / "a.xml") == ["[N,C,H,W]"]
    edgec.optimize(graph, "preprocess{mean=1|2|3,layout=nhwc,dtype=u8},O2")
    assert layouts(graph, tmp_path / "b.xml") == ["[N,H,W,C]"]
    plain = parse_graph("graph g(%x: f32[2,3]) { %y = act.relu %x  return y=%y }")
    assert layouts(plain, tmp_path / "c.xml") == ["[...]"]


LOOP = """graph g(%x: f32[2], %most: i64[], %bound: f32[]) {
  %last, %all = control.loop %most, bool[](true), [%x] {
    graph body(%i: i64[], %on: bool[], %state: f32[2]) {
      %twice = math.add %state, y=%x
      %sum = reduce.sum %twice, axes=[0]
      %less = math.less %sum, y=%bound
      return %less, %twice, %state
    }
  }
  return last=%last, all=%all
}"""


@pytest.mark.parametrize(("most", "bound"), [(5, 1e9), (5, 9.0), (1, 1e9), (0, 1e9), (7, -1.0)])
def test_a_loop_ends_by_count_or_by_condition(most: int, bound: float) -> None:
    """It reads a value around it, carries one, and stacks one."""
    graph = parse_graph(LOOP)
    inputs = {
        "x": np.array([1, 2], np.float32),
        "most": np.asarray(most),
        "bound": np.asarray(bound, np.float32),
    }
    judge = Judge(graph, inputs)
    actual = OpenvinoRunner(to_model(graph)).run(inputs)
    for name, expected in judge.expected.items():
        assert actual[name].shape == expected.shape
        assert judge.compare(name, actual[name])
