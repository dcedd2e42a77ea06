"""Who may import whom, read from the sources. A new edge is a decision: it fails here first.

Rooms import one way, ``ir ← kernels ← passes ← tools`` and ``ir ← kernels ← lowering ← tools``;
passes never see lowering. A room is entered through its package, ``edgec.ir``; the ops and their
shape rules through ``edgec.ir.ops`` and its families; besides these, through the modules listed in
DOORS. A foreign library is imported in one place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "ir": set[str](),
    "kernels": {"ir"},
    "passes": {"ir", "kernels"},
    "lowering": {"ir", "kernels"},
    "tools": {"ir", "kernels", "passes", "lowering"},
    "edgec": {"ir", "kernels", "passes", "lowering", "tools"},
}
DOORS = {
    "edgec.ir.dtypes": "the element types, by name",
    "edgec.kernels.convert": "rounding to narrow types, which a writer does to constants",
    "edgec.kernels.jit": "what is being compiled, for the progress line",
    "edgec.kernels.precision": "computing wider than the operands",
    "edgec.kernels.unary": "what a cast does, for the writer of constants",
    "edgec.lowering.edgetpu": "what the Edge TPU computes, for its page",
    "edgec.lowering.onnx": "one package per format",
    "edgec.lowering.onnx.node": "the read table, for the columns of the conformance report",
    "edgec.lowering.onnx.tensors": "the published cases keep their data as ONNX tensors",
    "edgec.lowering.tensorrt": "one package per format",
    "edgec.lowering.openvino": "its runner takes models that the benchmarks make in memory",
    "edgec.lowering.tflite": "what its files say of how they were made",
    "edgec.lowering.registry": "the targets that there are",
    "edgec.tools.driver": "what the front door opens",
    "edgec.tools.scores": "what mixed precision may be held to, for the front door",
    "edgec.tools.goldens": "what the pytest plugin records and compares",
    "edgec.tools.plugins": "what the pytest plugin loads first",
    "edgec.tools.texttests": "what the pytest plugin runs",
}
FOREIGN = {
    "cuda": ("lowering/tensorrt/device.py",),
    "PIL": ("tools/images.py",),
    "ai_edge_litert": ("lowering/tflite/",),
    "flatbuffers": ("lowering/tflite/",),
    "google": ("lowering/onnx/",),
    "llvmlite": ("kernels/jit.py", "kernels/host.py"),  # what numba compiles with
    "ml_dtypes": ("",),  # element types for numpy, as much a part of it as its own
    "networkx": ("passes/",),
    "nncf": ("tools/bench/",),
    "numba": ("kernels/jit.py",),
    "numpy": ("",),
    "onnx": ("lowering/onnx/", "edgec/backend.py", "tools/bench/", "tools/conformance/"),
    "onnx_ir": ("tools/bench/",),
    "onnx_graphsurgeon": ("lowering/onnx/graphsurgeon.py",),
    "onnxruntime": ("lowering/onnx/runner.py", "tools/bench/"),
    "onnxsim": ("tools/bench/",),
    "onnxslim": ("tools/bench/",),
    "openvino": ("lowering/openvino/", "tools/bench/"),
    "psutil": ("tools/bench/",),
    "pytest": ("edgec/testing/",),
    "rich": ("tools/",),
    "safetensors": ("ir/storage.py",),
    "shtab": ("tools/commands/completion.py",),
    "tensorrt": ("lowering/tensorrt/runtime.py", "lowering/tensorrt/onboard/"),
    "tensorrt_rtx": ("lowering/tensorrt/runtime.py", "lowering/tensorrt/onboard/"),
    "threadpoolctl": ("kernels/executor.py",),
    "torch": ("lowering/tensorrt/device.py",),
}


@dataclass(frozen=True)
class Import:
    """One import statement: where it stands and the module it names."""

    path: str
    line: int
    module: str

    @property
    def room(self) -> str:
        return self.path.split("/")[0]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


def imports_of(path: Path) -> Iterator[Import]:
    """Every import in a file, those inside functions included."""
    name = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(name, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively"
            yield Import(name, node.lineno, node.module or "")


def all_imports() -> list[Import]:
    return [
        found
        for room in ALLOWED
        for path in sorted((ROOT / room).rglob("*.py"))
        for found in imports_of(path)
    ]


IMPORTS = all_imports()


def across() -> Iterator[tuple[Import, str]]:
    """Imports of another room of ours, with that room."""
    for found in IMPORTS:
        parts = found.module.split(".")
        if parts[0] != "edgec":
            continue
        room = parts[1] if len(parts) > 1 and parts[1] in ALLOWED else "edgec"
        if room != found.room:
            yield found, room


def test_there_is_something_to_read() -> None:
    assert {found.room for found in IMPORTS} == set(ALLOWED)
    assert len(IMPORTS) > 500


def test_rooms_import_one_way() -> None:
    assert not [str(found) for found, room in across() if room not in ALLOWED[found.room]]


def is_entrance(module: str) -> bool:
    return module.count(".") == 1 or module.startswith("edgec.ir.ops") or module in DOORS


def test_rooms_are_entered_through_their_doors() -> None:
    assert not [str(found) for found, _ in across() if not is_entrance(found.module)]


@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_used(door: str) -> None:
    assert door in {found.module for found, _ in across()}


def foreign() -> Iterator[tuple[Import, str]]:
    """Imports from outside the standard library and this project, with the library's name."""
    import sys

    for found in IMPORTS:
        library = found.module.split(".")[0]
        if library != "edgec" and library not in sys.stdlib_module_names:
            yield found, library


def test_foreign_libraries_stay_where_they_belong() -> None:
    strays = [str(found) for found, library in foreign()
              if not found.path.startswith(FOREIGN.get(library, ()))]  # fmt: skip
    assert not strays


def test_nobody_looks_at_the_tests() -> None:
    assert not [str(found) for found in IMPORTS if found.module.split(".")[0] == "tests"]


def test_importing_edgec_loads_no_runtime_and_no_compiler() -> None:
    """What takes seconds, or may be missing, is imported when it is needed."""
    import subprocess
    import sys

    code = ("import sys, edgec; edgec.parse_graph('graph g(%x: f32[2]) { return %x }');"
            "print(*{m.split('.')[0] for m in sys.modules})")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"onnxruntime", "onnx_graphsurgeon", "openvino", "numba", "pytest"} & set(
        done.stdout.split()
    )
