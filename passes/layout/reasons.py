"""Why a transpose remains: what holds the value in the one layout, and what wants the other."""

from __future__ import annotations

from collections import defaultdict

from edgec.ir import Op, Return, Value
from edgec.ir.ops import Transpose
from edgec.passes.layout.forms import LAYOUT_NAMES, moves, nominal_bytes
from edgec.passes.layout.problem import Problem, Tensor
from edgec.passes.layout.turn import Turner
from edgec.passes.moves import Move


def remaining(turner: Turner, labels: list[int]) -> list[Move]:
    """Every transpose of the graph that moves more than dims of 1, in order."""
    inserted = {each.op: each for each in turner.inserted}
    reasons = Reasons(turner.problem, labels)
    found: list[Move] = []
    for op in turner.graph.ops_of(Transpose):
        if not moves(op.perm, op.x.type.dims):
            continue
        each = inserted.get(op)
        if each is None:
            made, wanted = "the model", "the model: other axes than channels move, too"
        else:
            tensor = turner.problem.tensors[each.key]
            made = reasons.of(tensor, 1 - each.layout, [tensor.made])
            wanted = reasons.of(tensor, each.layout, list(tensor.readers))
        found.append(Move(_name(op.x), op.perm, nominal_bytes(op.x.type), made, wanted))
    return found


class Reasons:
    """Looks for the nearest op, input or output that has no choice, over agreeing neighbours."""

    def __init__(self, problem: Problem, labels: list[int]) -> None:
        self.problem = problem
        self.labels = labels
        self._touching: dict[int, list[Tensor]] = defaultdict(list)

    def of(self, tensor: Tensor, layout: int, nodes: list[int]) -> str:
        """What holds a tensor's maker, or the readers that want it so, in a layout."""
        if layout in nodes:
            return self._pin(tensor, layout, nodes == [tensor.made])
        pending = [node for node in nodes if self.labels[node] == layout]
        seen = set(pending)
        for node in pending:  # grows while it is walked
            for other in self._tensors_of(node):
                around = (other.made, *other.readers)
                if layout in around:
                    return self._pin(other, layout, other.made == layout)
                fresh = [n for n in around if self.labels[n] == layout and n not in seen]
                seen.update(fresh)
                pending.extend(fresh)
        return f"{LAYOUT_NAMES[layout]} costs least"

    def _tensors_of(self, node: int) -> list[Tensor]:
        if not self._touching:
            for tensor in self.problem.tensors.values():
                for each in dict.fromkeys((tensor.made, *tensor.readers)):
                    self._touching[each].append(tensor)
        return self._touching[node]

    def _pin(self, tensor: Tensor, layout: int, making: bool) -> str:
        """Who makes or reads a tensor in a layout and has no choice."""
        if not making:
            return self._op(*tensor.readers[layout], layout)
        if tensor.value.producer is None:
            return f"input {tensor.value.hint} stays {LAYOUT_NAMES[layout]}"
        return self._op(tensor.value.producer, 0, layout)

    def _op(self, op: Op, index: int, layout: int) -> str:
        name = LAYOUT_NAMES[layout]
        if isinstance(op, Return):
            output = op.names[index] if op.names else str(index)
            return f"output {output} stays {name}"
        shown = f"{op.op_name} {_name(op.result)}"
        if op in self.problem.nodes:
            return f"{shown} runs in {name} only"
        why = self.problem.spread.refusals.get(op, f"{op.op_name} keeps its layout")
        return f"{shown} is written for {name}: {why}"


def _name(value: Value) -> str:
    """The name of a value, else of the source node that it came from."""
    if value.hint or value.producer is None:
        return value.hint
    return value.producer.loc[-1] if value.producer.loc else value.producer.op_name
