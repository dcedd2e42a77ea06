"""What Vela says of a graph, by the user's own layers."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgec.ir import Graph
from edgec.lowering.ethosu.vela import LayerCost, System, Vela, compile_with_vela, require_vela
from edgec.lowering.survey import CPU, Place, Survey, layer_of
from edgec.lowering.target import Options
from edgec.lowering.tflite.container import pack
from edgec.lowering.tflite.devices import device_file
from edgec.lowering.tflite.tensors import Operator, Subgraph

NPU = "NPU"
SYSTEM = {
    "accelerator_config": "accelerator",
    "system_config": "system",
    "memory_mode": "memory",
}
INVALID = (
    "estimate invalid: Vela counts what runs on the CPU as free, so the cycles and the time are "
    "those of the NPU alone"
)


def system_of(options: Options) -> System:
    """The system that options ask for. Raises Error of kind USAGE for an unknown accelerator."""
    return System(**{field: options[name] for name, field in SYSTEM.items() if name in options})


def survey(graph: Graph, options: Options) -> Survey:
    """Where each operator runs, its cycles and SRAM, and the whole network's.

    Raises:
        Error: Vela is not installed or refuses the file, or no builtin operator says an op.
    """
    require_vela()
    file, notes = device_file(graph, {k: v for k, v in options.items() if k not in SYSTEM})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(pack(file))
        system = system_of(options)
        vela = compile_with_vela(path, Path(folder), system)
    return surveyed(file.main, vela, system, notes)


def surveyed(main: Subgraph, vela: Vela, system: System, notes: Sequence[str] = ()) -> Survey:
    """Vela's report in terms of the file that it compiled."""
    names = [operator.results[0].name for operator in main.operators]
    costs = _by_operator(names, vela.layers)
    places = [_place(operator, costs.get(i, []), vela) for i, operator in enumerate(main.operators)]
    found = [*notes] if vela.is_valid else [*notes, INVALID]
    found += [f"Vela says: {remark}" for remark in vela.remarks]
    return Survey(places, _facts(vela, system), found)


def _by_operator(names: Sequence[str], layers: Sequence[LayerCost]) -> dict[int, list[LayerCost]]:
    """The steps of each operator: those of its name, and of names that Vela derived from it."""
    found: dict[int, list[LayerCost]] = {}
    for layer in layers:
        fits = [i for i, name in enumerate(names) if layer.name.startswith(name)]
        if fits:
            found.setdefault(max(fits, key=lambda i: len(names[i])), []).append(layer)
    return found


def _place(operator: Operator, steps: Sequence[LayerCost], vela: Vela) -> Place:
    name = operator.results[0].name
    layer = layer_of(operator.source, name)
    numbers = {
        "cycles": float(sum(step.cycles for step in steps)),
        "SRAM bytes": float(max((step.sram for step in steps), default=0)),
    }
    if any(step.target == CPU for step in steps) or name in vela.reasons:
        why = vela.reasons.get(name, "Vela leaves it to the CPU")
        instead = "an op that Vela's SUPPORTED_OPS.md lists, on 8-bit integers"
        return Place(layer, operator.builtin, CPU, why, instead, operator.source)
    return Place(layer, operator.builtin, NPU, source=operator.source, numbers=numbers)


def _facts(vela: Vela, system: System) -> dict[str, str]:
    facts = {"system": f"{system.accelerator}, {system.system}, {system.memory}"}
    if not vela.summary:
        return {**facts, "NPU": "nothing runs there"}
    used = {
        "SRAM": "sram_memory_used",
        "DRAM": "dram_memory_used",
        "on-chip flash": "on_chip_flash_memory_used",
        "off-chip flash": "off_chip_flash_memory_used",
    }
    memory = [f"{n} {vela.number(c):.1f} KiB" for n, c in used.items() if vela.number(c)]
    targets = Counter(layer.target for layer in vela.layers)
    return {
        **facts,
        "cycles": f"{vela.number('cycles_total'):,.0f} (NPU {vela.number('cycles_npu'):,.0f}, "
        f"SRAM {vela.number('cycles_sram_access'):,.0f})",
        "inference": f"{1000 * vela.number('inference_time'):.3f} ms as Vela estimates"
        + ("" if vela.is_valid else " (estimate invalid)"),
        "memory": ", ".join(memory),
        "steps": ", ".join(f"{count} on the {where}" for where, count in sorted(targets.items())),
    }
