"""Time and memory of whole compilations, each in a process of its own: real models, and chains of
up to 100,000 nodes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from edgec.ir import Builder, Graph, dtypes
from edgec.ir.ops import Conv
from edgec.lowering.onnx import to_model
from edgec.tools.bench.peers import OPTIMIZERS
from edgec.tools.bench.scale import SIZES, chain

SECONDS_ALLOWED = 120
CHANNELS = 8


@dataclass(frozen=True)
class Footprint:
    """What one optimizer took.

    Attributes:
        seconds: from file to file.
        peak_bytes: most memory of its process; idle_bytes: of one that is
            given a model of one node.
        nodes: left.
    """

    seconds: float
    peak_bytes: int
    idle_bytes: int
    nodes: int


@dataclass(frozen=True)
class FootprintRow:
    """One file through every optimizer; None where one failed or did not finish in time."""

    name: str
    file_bytes: int
    found: Mapping[str, Footprint | None]


def footprint_row(path: Path, allowed: float = SECONDS_ALLOWED) -> FootprintRow:
    """Run every optimizer on one file."""
    names = [name for name in OPTIMIZERS if name != "original"]
    return FootprintRow(
        path.stem, path.stat().st_size, {name: footprint(name, path, allowed) for name in names}
    )


def footprint(name: str, path: Path, allowed: float = SECONDS_ALLOWED) -> Footprint | None:
    """One optimizer on one file, in a child process."""
    idle, used = _child([name], allowed), _child([name, str(path)], allowed)
    if idle is None or used is None:
        return None
    return Footprint(
        used["seconds"], int(used["peak_bytes"]), int(idle["peak_bytes"]), int(used["nodes"])
    )


def _child(arguments: Sequence[str], allowed: float) -> dict[str, float] | None:
    command = [sys.executable, "-m", "edgec.tools.bench.child", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=allowed, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def growth_rows(
    sizes: Sequence[int] = SIZES, allowed: float = SECONDS_ALLOWED
) -> Iterator[FootprintRow]:
    """Chains of elementwise ops and of convolutions. An optimizer that did not finish one size is
    not tried on the next."""
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        for kind, build in CHAINS.items():
            out: set[str] = set()
            for size in sizes:
                path = Path(folder) / "chain.onnx"
                onnx.save(to_model(build(size)), path)
                row: dict[str, Footprint | None] = {}
                for name in (name for name in OPTIMIZERS if name != "original"):
                    row[name] = None if name in out else footprint(name, path, allowed)
                    if row[name] is None:
                        out.add(name)
                yield FootprintRow(f"{kind}, {size:,} nodes", path.stat().st_size, row)


def conv_chain(count: int) -> Graph:
    """1x1 and 3x3 convolutions in a row, which share their weights."""
    rng = np.random.default_rng(0)
    with Builder("convs") as b:
        x = b.input("x", dtypes.f32, (1, CHANNELS, 8, 8))
        weights = [
            b.constant(rng.standard_normal((CHANNELS, CHANNELS, k, k)).astype(np.float32))
            for k in (1, 3)
        ]
        for index in range(count):
            wide = index % 2
            x = b.add(Conv(x, weights[wide], pads=(1,) * 4 if wide else ())).result
        return b.output(y=x)


CHAINS = {"elementwise": chain, "convolutions": conv_chain}
