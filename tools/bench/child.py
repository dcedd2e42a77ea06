"""One optimizer from file to file in a process of its own, which says what it took.

``python -m edgec.tools.bench.child NAME MODEL`` prints JSON; without MODEL it optimizes a model of
one node, so that the interpreter and what it loads can be told from the work.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import onnx

from edgec.tools.bench.peers import LOADED, OPTIMIZERS, node_count


def main() -> int:
    name, *models = sys.argv[1:]
    LOADED[name]()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        output = Path(folder) / "out.onnx"
        model = Path(models[0]) if models else _one_node(Path(folder) / "one.onnx")
        begin = time.perf_counter()
        _optimize(name, model, output)
        found["seconds"] = time.perf_counter() - begin
        found["peak_bytes"] = _most_memory()
        found["nodes"] = node_count(onnx.load(output, load_external_data=False).graph)
    print(json.dumps(found))
    return 0


def _one_node(path: Path) -> Path:
    float32 = onnx.TensorProto.FLOAT
    x, y = (onnx.helper.make_tensor_value_info(name, float32, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "one", [x], [y])
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def _most_memory() -> int:
    """In bytes. ``getrusage`` would also count what the parent held when it forked."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kilobytes) * 1024


def _optimize(name: str, source: Path, output: Path) -> None:
    if name == "edgec":
        from edgec.tools import driver

        driver.compile(driver.load(source), "onnx", output)
    else:
        onnx.save(OPTIMIZERS[name](source), output)


if __name__ == "__main__":
    sys.exit(main())
