"""One optimizer from file to file in a process of its own, which says what it took.

``python -m edgec.tools.bench.child NAME MODEL`` prints JSON; without MODEL it only imports what the
optimizer needs, so that the interpreter and the libraries can be told from the work.
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
    found: dict[str, float] = {"seconds": 0.0, "nodes": 0}
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        output = Path(folder) / "out.onnx"
        begin = time.perf_counter()
        for model in models:
            _optimize(name, Path(model), output)
        found["seconds"] = time.perf_counter() - begin
        found["peak_bytes"] = _most_memory()
        if models:
            found["nodes"] = node_count(onnx.load(output, load_external_data=False).graph)
    print(json.dumps(found))
    return 0


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
