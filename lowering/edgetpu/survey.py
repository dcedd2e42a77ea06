"""What the Edge TPU would run of a graph, before any compiler sees it."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from edgec.ir import Error, Graph
from edgec.lowering.edgetpu.compiler import (
    CompilerLog,
    activation_bytes,
    compile_file,
    differences,
    installed_compiler,
)
from edgec.lowering.edgetpu.files import edgetpu_file
from edgec.lowering.edgetpu.partition import ONE_SUBGRAPH, Partition, partition
from edgec.lowering.edgetpu.runtime import pycoral_status
from edgec.lowering.survey import CPU, Place, Survey, layer_of
from edgec.lowering.target import Options
from edgec.lowering.tflite.container import pack
from edgec.lowering.tflite.tensors import File, Operator, Subgraph

CHIP = "Edge TPU"
ON_CHIP = 8 << 20  # bytes of SRAM (Coral documentation, Edge TPU compiler: about 8 MB)
DEVICE = "coral-edge-tpu"


def survey(graph: Graph, options: Options) -> Survey:
    """Where each operator would run, what ends the first subgraph, and what fits on the chip.

    Where ``edgetpu_compiler`` is installed it is asked too, and differences are noted.

    Raises:
        Error: of kind UNSUPPORTED, for what no builtin operator says.
    """
    file, notes = edgetpu_file(graph, options)
    found = partition(file.main)
    notes += _compared(file, found)
    if pycoral_status() not in ("real", "missing"):
        notes.append(pycoral_status())
    return Survey(_places(file.main, found), _facts(file.main, found), notes, DEVICE)


def _places(main: Subgraph, found: Partition) -> list[Place]:
    ending = found.ending
    by = "" if ending is None else _layer(main.operators[ending])
    places = []
    for place, operator in enumerate(main.operators):
        refusal = found.refusals.get(place)
        where, why, instead = CHIP, "", ""
        if refusal is not None:
            where, why, instead = CPU, refusal.why, refusal.instead
        elif place not in found.taken:
            where, why = CPU, f"{ONE_SUBGRAPH}: it comes after {by}"
            instead = f"change {by}; edgetpu_compiler -a makes several subgraphs, which cost copies"
        layer = _layer(operator)
        places.append(Place(layer, operator.builtin, where, why, instead, operator.source))
    return places


def _facts(main: Subgraph, found: Partition) -> dict[str, str]:
    taken = [main.operators[place] for place in sorted(found.taken)]
    ending = found.ending
    parameters = sum(map(_constant_bytes, taken))
    scratch = max(map(activation_bytes, taken), default=0)
    room = max(ON_CHIP - scratch, 0)
    cached = min(parameters, room)
    mib = 1 << 20
    return {
        "subgraphs": f"{min(found.subgraphs, 1)} ({found.subgraphs} with edgetpu_compiler -a)",
        "first subgraph ends at": "nothing: all of the model maps"
        if ending is None
        else f"{_layer(main.operators[ending])} ({main.operators[ending].builtin})",
        "parameters": f"{parameters / mib:.2f} MiB: {cached / mib:.2f} MiB cached on the chip, "
        f"{(parameters - cached) / mib:.2f} MiB streamed at every inference",
        "on the chip": f"{ON_CHIP / mib:.0f} MiB, of which activations take about "
        f"{scratch / mib:.2f} MiB at once",
    }


def _constant_bytes(operator: Operator) -> int:
    tensors = [t for t in operator.operands if t is not None and t.array is not None]
    return sum(math.prod(t.static_dims or ()) * t.dtype.numpy.itemsize for t in tensors)


def _compared(file: File, found: Partition) -> list[str]:
    """What the compiler says, where it is installed."""
    compiler = installed_compiler()
    if compiler is None:
        return ["edgetpu_compiler is not on PATH: this is what its published rules say"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(pack(file))
        try:
            log = compile_file(path, file.main, compiler)
        except Error as error:
            return [str(error), *(str(finding) for finding in error.findings)]
    return [_said(log), *(differences(log, file.main, found) or ["it agrees with the prediction"])]


def _said(log: CompilerLog) -> str:
    mib = 1 << 20
    return (
        f"edgetpu_compiler: {log.subgraphs} subgraphs, {log.cached / mib:.2f} MiB cached, "
        f"{log.streamed / mib:.2f} MiB streamed"
    )


def _layer(operator: Operator) -> str:
    return layer_of(operator.source, operator.results[0].name)
