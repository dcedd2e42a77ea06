"""Which operators the compiler maps, and how many subgraphs come of it.

An operator maps when its row and the rules for all operators hold. TensorFlow Lite hands the graph
to the accelerator in runs: of the operators that are ready, all that map, then all that do not, and
so on. The compiler takes the first run that maps, and leaves the rest to the CPU unless it is told
to take several (google-coral/edgetpu issue 461).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.ir import Refusal, dtypes
from edgec.lowering.edgetpu.ops import MISSING, ROWS, first, known_dims
from edgec.lowering.tflite.builtins import runtime_of
from edgec.lowering.tflite.tensors import Operator, Subgraph, Tensor

NEWEST = (2, 5, 99)  # of TensorFlow, that compiler 16 of 2021 can know (inferred from its date)
INTEGERS = (dtypes.i8, dtypes.u8)
ONE_SUBGRAPH = "More than one subgraph is not supported"


@dataclass(frozen=True)
class Partition:
    """Attributes:
    refusals: why operators do not map, by their place; none where they do.
    runs: of each operator, the number of its run.
    taken: places of the operators of the first run that maps.
    subgraphs: the number of runs that map.
    """

    refusals: dict[int, Refusal]
    runs: Sequence[int]
    taken: frozenset[int]
    subgraphs: int

    @property
    def ending(self) -> int | None:
        """The place of the operator that ends the first subgraph, None when nothing does."""
        if not self.taken:
            return min(self.refusals, default=None)
        last = self.runs[next(iter(self.taken))]
        return next((i for i, run in enumerate(self.runs) if run == last + 1), None)


def partition(subgraph: Subgraph) -> Partition:
    """How the compiler would cut the graph."""
    operators = subgraph.operators
    refusals = {
        place: refusal
        for place, operator in enumerate(operators)
        if (refusal := refusal_of(operator)) is not None
    }
    runs = _runs(operators, refusals)
    mapped = sorted({runs[place] for place in range(len(operators)) if place not in refusals})
    taken = {place for place, run in enumerate(runs) if mapped and run == mapped[0]}
    return Partition(refusals, runs, frozenset(taken), len(mapped))


def _runs(operators: Sequence[Operator], refusals: dict[int, Refusal]) -> list[int]:
    """The run of each operator: no earlier than what it reads, and all of a run map, or none."""
    even = 0 not in refusals  # runs of even numbers map when the first operator does
    made: dict[Tensor, int] = {}
    found = []
    for place, operator in enumerate(operators):
        run = max((made.get(t, 0) for t in operator.operands if t is not None), default=0)
        if ((run % 2 == 0) == even) != (place not in refusals):
            run += 1
        made.update(dict.fromkeys(operator.results, run))
        found.append(run)
    return found


def refusal_of(operator: Operator) -> Refusal | None:
    """Why an operator does not map; None where it does."""
    return _type_refusal(operator) or _table_refusal(operator) or _general_refusal(operator)


def _type_refusal(operator: Operator) -> Refusal | None:
    tensors = [first(operator), *operator.results]
    if operator.builtin == "QUANTIZE" and tensors[0].dtype is dtypes.f32:
        return Refusal("it reads floats, and the Edge TPU computes none", "--io-dtype int8")
    if operator.builtin == "DEQUANTIZE":
        return Refusal(
            "it makes floats for what comes next, and the Edge TPU computes none",
            "an op that runs on integers in place of the next one, or let the model end here",
        )
    wrong = next((t.dtype for t in tensors if t.dtype not in INTEGERS), None)
    if wrong is None:
        return None
    return Refusal(
        f"it computes on {wrong.name}, and the Edge TPU on 8-bit integers only",
        "an op that runs on integers (docs/quantization.md), or leave it to the end of the model",
    )


def _table_refusal(operator: Operator) -> Refusal | None:
    row = ROWS.get(operator.builtin)
    if row is None:
        why, instead = MISSING.get(
            operator.builtin,
            (f"the Edge TPU has no {operator.builtin}",
             "another op in its place, or leave it to the end of the model"),
        )  # fmt: skip
        return Refusal(why, instead)
    broken = next((limit for limit in row.limits if not limit.holds(operator)), None)
    if broken is None:
        return None
    return Refusal(f"{operator.builtin} wants {broken.text}", broken.instead)


def _general_refusal(operator: Operator) -> Refusal | None:
    for tensor in (first(operator), *operator.results):
        if tensor.static_dims is None:
            return Refusal("its dims are not known", "pin them: --input-shape NAME:1x…")
        if any(dim != 1 for dim in known_dims(tensor)):
            return Refusal(
                f"only the three innermost dims may exceed 1, found {list(tensor.dims)}",
                "batch 1, and no more than three dims above 1",
            )
    if runtime_of(operator.builtin, operator.version) > NEWEST:
        return Refusal(
            f"version {operator.version} of {operator.builtin} is newer than the compiler",
            "an older form of the op",
        )
    return None
