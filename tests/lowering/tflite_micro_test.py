"""C++ sources for microcontrollers: the array, the operators, the arena against LiteRT's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from properties.tflite_graphs import image_net

import edgec
from edgec.ir import Builder, Error, Graph, dtypes
from edgec.ir.ops import Atan
from edgec.kernels import default_shapes
from edgec.lowering.tflite.container import pack
from edgec.lowering.tflite.devices import device_file
from edgec.lowering.tflite.runtime import interpreter_module
from edgec.lowering.tflite_micro import METHODS, arena_of, model_of
from edgec.lowering.tflite_micro.arena import ALIGNMENT, bytes_of

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'edgec[tflite]'")

DIGITS = Path(__file__).resolve().parents[2] / "tools" / "data" / "digits_mbv2.onnx"
RESOLVER = """
#pragma once
enum TfLiteStatus {{ kTfLiteOk, kTfLiteError }};
namespace tflite {{
template <unsigned n> struct MicroMutableOpResolver {{
{methods}
}};
}}
"""


def digits() -> Graph:
    return edgec.load(DIGITS, input_shapes={"input": (1, 1, 28, 28)})


def arena_of_litert(data: bytes) -> int:
    """The span of memory in which the interpreter keeps what operators read and make."""
    module = interpreter_module()
    plain = module.OpResolverType.BUILTIN_REF
    interpreter = module.Interpreter(model_content=data, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    made = {index for op in interpreter._get_ops_details() for index in op["outputs"]}
    made |= {details["index"] for details in interpreter.get_input_details()}
    views = [interpreter.tensor(index)() for index in made]
    starts = [view.__array_interface__["data"][0] for view in views]
    return max(s + v.nbytes for s, v in zip(starts, views, strict=True)) - min(starts)


@pytest.mark.parametrize(
    "name", ["mnist_mbv2.raw17", "mobilenet_v2.raw17", "efficientnet_lite0.ts17"]
)
def test_the_arena_is_litert_s_but_for_inputs_that_it_keeps(
    models: Path, name: str, tmp_path: Path
) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    graph = graph.clone(dict(default_shapes(graph)))
    made = edgec.compile(graph, "tflite-micro", tmp_path / "m.cc", precision="int8-fast",
                         calibration="random")  # fmt: skip
    file, _ = device_file(made.graph, {})
    ours, theirs = arena_of(file.main), arena_of_litert(pack(file))
    assert ours.least <= ours.planned <= theirs
    held = sum(bytes_of(tensor) for tensor in file.main.inputs)
    assert theirs <= (ours.planned + held) * 1.01 + ALIGNMENT * len(file.main.operators)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_array_is_the_model(tmp_path: Path, precision: str) -> None:
    calibration = None if precision == "fp32" else "random"
    made = edgec.compile(digits(), "tflite-micro", tmp_path / "m.cc", precision=precision,
                         calibration=calibration, verify=True)  # fmt: skip
    assert sorted(made.files) == ["m.cc", "m.h"]
    assert model_of(tmp_path / "m.cc") == pack(device_file(made.graph, {})[0])


def test_the_header_registers_each_operator_once(tmp_path: Path) -> None:
    edgec.compile(digits(), "tflite-micro", tmp_path / "m.cc", precision="int8-fast",
                  calibration="random")  # fmt: skip
    text = (tmp_path / "m.h").read_text()
    assert "MicroMutableOpResolver<6>" in text
    assert text.count("resolver.AddConv2D()") == 1
    assert "constexpr int m_arena_size = 129488;" in text


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler here")
def test_the_sources_compile(tmp_path: Path) -> None:
    edgec.compile(image_net(), "tflite-micro", tmp_path / "1-net.cc")
    methods = "\n".join(f"TfLiteStatus {name}() {{ return kTfLiteOk; }}"
                        for name in sorted(set(METHODS.values())))  # fmt: skip
    header = tmp_path / "tensorflow" / "lite" / "micro" / "micro_mutable_op_resolver.h"
    header.parent.mkdir(parents=True)
    header.write_text(RESOLVER.format(methods=methods))
    subprocess.run(
        ["g++", "-std=c++17", "-Wall", "-Werror", "-fsyntax-only", f"-I{tmp_path}",
         str(tmp_path / "1-net.cc")], check=True,
    )  # fmt: skip


def test_operators_that_are_not_there_are_refused(tmp_path: Path) -> None:
    b = Builder("two")
    x = b.input("x", dtypes.f32, (4,))
    graph = b.output(y=b.add(Atan(x)).result)
    with pytest.raises(Error) as error:
        edgec.compile(graph, "tflite-micro", tmp_path / "m.cc")
    assert "has no ATAN2" in str(error.value)
