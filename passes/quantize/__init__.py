"""Between the numbers that calibration recorded and the integers that a target stores."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgec.ir import Code, Error, Graph, Rewriter, Role, scheme_named
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.dce import DeadCodeElimination
from edgec.passes.driver import Statistics
from edgec.passes.pattern import Miss
from edgec.passes.promise import Lossy
from edgec.passes.quantize.assign import assign_grids
from edgec.passes.quantize.center import center
from edgec.passes.quantize.clamps import drop_clamps, separate_clamps
from edgec.passes.quantize.expand import expand
from edgec.passes.quantize.floats import leave_sums_as_floats
from edgec.passes.quantize.insert import Inserter
from edgec.passes.quantize.lift import lift, retype
from edgec.passes.quantize.plan import Plan, make_plan
from edgec.passes.quantize.repair import repair_scales
from edgec.passes.quantize.separate import separate_activations
from edgec.passes.quantize.slots import is_real
from edgec.passes.quantize.verify import violations
from edgec.passes.quantize.weights import METHODS, WeightQuantizer
from edgec.passes.reconstruct import name_results


@dataclass(frozen=True)
class Quantize(Pass):
    """Store weights and activations as 8-bit integers, on grids from the recorded ranges.

    ``scheme`` names the target's way with integers. ``weights`` have one scale per output channel
    (per_channel) or one in all (per_tensor); ``method`` chooses it: minmax or mse (the least
    squared error). Values named in ``keep``, with ``|`` between them, stay float.
    """

    name = "quantize"
    promise = Lossy("sqnr_db", 10.0)

    scheme: str = "onnx"
    weights: str = "per_channel"
    activations: str = "per_tensor"
    method: str = "minmax"
    keep: str = ""

    def __post_init__(self) -> None:
        choices = {
            "weights": ("per_channel", "per_tensor"),
            "activations": ("per_tensor",),
            "method": tuple(METHODS),
        }
        for option, known in choices.items():
            found = getattr(self, option)
            if found not in known:
                raise Error(Code.OPTION, f"quantize{{{option}={found}}} is none",
                            instead=f"one of {list(known)}")  # fmt: skip

    def run(self, graph: Graph, rw: Rewriter) -> None:
        scheme = scheme_named(self.scheme)
        context = current()
        if not context.fuel.spend(self.name, graph.terminator):
            return
        applied = context.statistics.applied
        applied["repair scale"] += repair_scales(graph)
        applied["lift"] += lift(graph)
        applied["retype"] += retype(graph, scheme)
        applied["center"] += center(graph, scheme)
        keep = frozenset(filter(None, self.keep.split("|")))
        separate_activations(graph, scheme, keep)
        expand(graph, scheme, keep)
        name_results(graph)
        context.reference = graph.clone()  # layers are told by their names
        plan = make_plan(graph, scheme, keep)
        leave_sums_as_floats(plan)
        assign_grids(plan)
        layers = [
            (op, plan.grid(op.operands[0]))  # type: ignore[arg-type]  # a layer reads something
            for op, role in plan.roles.items()
            if role is Role.WEIGHTED
        ]
        Inserter(graph, plan).run()
        per_channel = self.weights == "per_channel"
        quantizer = WeightQuantizer(scheme, per_channel, self.method, context.statistics)
        for op, grid in layers:
            quantizer.quantize(op, grid)
        applied["drop clamp"] += drop_clamps(graph, scheme)
        applied["separate clamp"] += separate_clamps(graph, scheme)
        DeadCodeElimination().run(graph, rw)
        _report(plan, context.statistics)
        findings = list(violations(graph, scheme))
        if findings:
            raise Error(Code.INTEGERS, "integers cannot hold what the model computes", findings)


def _report(plan: Plan, statistics: Statistics) -> None:
    statistics.applied += Counter()  # drops what did not happen
    for op in plan.roles:
        statistics.applied[f"quantize {op.op_name}"] += 1
    for op, reason in plan.reasons.items():
        if op.graph is not None and any(map(is_real, op.results)):
            statistics.missed("quantize", Miss(reason, near=True), op)


__all__ = ["Quantize"]
