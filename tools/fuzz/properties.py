"""What must hold for every graph: text, clones, passes, ONNX, and ONNX Runtime's own numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgec.ir import Array, Error, Graph, Kind, Sampler, parse_graph, print_graph, verify
from edgec.kernels import EXACT, MOVEMENTS, Comparison, Executor, Judge, compare
from edgec.lowering.onnx import OnnxRunner, read_onnx, to_model
from edgec.passes import Close, Exact, Pass, PassManager, Settings, make_pass, pass_classes
from edgec.tools.fuzz.compose import Drawn
from edgec.tools.fuzz.defects import defects_in, limit_of, rounds_attributes
from edgec.tools.fuzz.sensitivity import movements

# An output that moves by more than this share of its largest value when every rounding of the
# graph is drawn anew says nothing of whoever computes it.
USELESS = 0.005

KEEPING = tuple(sorted(
    name
    for name, cls in pass_classes().items()
    if isinstance(cls.promise, (Exact, Close)) and not cls.reads_data
))  # fmt: skip
LEVELS = ("O1", "O2")


class Broken(Exception):
    """A property does not hold. ``kind`` is stable from run to run; the message has the details."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Check:
    """Checks graphs and counts what came of it.

    Attributes:
        runtime: compare with ONNX Runtime too.
        counts: of comparisons made, and of what could not be compared, by reason.
    """

    runtime: bool = True
    counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, drawn: Drawn, draw: Sampler) -> None:
        """Every property of one graph.

        Raises:
            Broken: the first one that does not hold.
        """
        graph = drawn.graph
        verify(graph)
        reads_back(graph)
        expected = Executor(graph).run(drawn.inputs)
        computed_alike(drawn, expected)
        optimized = self.passes(drawn, draw)
        written = optimized if draw.chance() else graph
        model = self.onnx(drawn, written)
        if self.runtime and model is not None:
            self.differential(drawn, written, model, optimize=draw.chance())

    # -- passes -----------------------------------------------------------------------------------

    def passes(self, drawn: Drawn, draw: Sampler) -> Graph:
        """A random list of passes; returns what it leaves."""
        graph = drawn.graph.clone()
        for one in _random_passes(draw):
            if not all(need.holds(graph) for need in one.needs):
                continue
            before = graph.clone()
            PassManager([one], Settings(verify_each=True)).run(graph)
            self.promise(one, before, graph, drawn.inputs)
        reads_back(graph)
        return graph

    def promise(self, one: Pass, before: Graph, after: Graph, inputs: Mapping[str, Array]) -> None:
        exact = isinstance(one.promise, Exact)
        factor = one.promise.ulp if isinstance(one.promise, Close) else 1.0
        judge = Judge(before, inputs, factor=factor, exact=exact)
        actual = Executor(after.clone()).run({n: inputs[n] for n in after.input_names})
        self.judged(judge, actual, f"pass {one.name}")

    def judged(self, judge: Judge, actual: Mapping[str, Array], what: str) -> None:
        """Hold outputs to the judge's expectation."""
        for name in judge.expected:
            found = judge.compare(name, actual[name])
            if found:
                self.counts[f"{what}: agrees"] += 1
            elif not judge.exact and self.is_rounding(judge, name, found):
                self.counts[f"{what}: rounding decides"] += 1
            else:
                raise Broken(f"{what}: other numbers", f"output {name}: {found}")

    def is_rounding(self, judge: Judge, name: str, found: Comparison) -> bool:
        """True when the output moves as much by rounding alone."""
        moved = movements(judge)[name]
        if moved > USELESS:
            return True
        return found.needed is not None and found.needed.relative <= MOVEMENTS * moved

    # -- ONNX -------------------------------------------------------------------------------------

    def onnx(self, drawn: Drawn, graph: Graph) -> Any:
        """Written, read again, computed: the same. Returns the model, None when it was refused."""
        try:
            model = to_model(graph)
        except Error as error:
            if error.kind is not Kind.UNSUPPORTED:
                raise
            self.counts["onnx: refused"] += 1
            return None
        found = read_onnx(model.SerializeToString())
        verify(found)
        if (found.input_names, found.output_names) != (graph.input_names, graph.output_names):
            raise Broken("onnx: other names", f"{found.input_names} → {found.output_names}")
        self.judged(Judge(graph, drawn.inputs), Executor(found).run(drawn.inputs), "onnx")
        return model

    def differential(self, drawn: Drawn, graph: Graph, model: Any, *, optimize: bool) -> None:
        """ONNX Runtime computes the same."""
        defect = next(defects_in(graph), None)
        if defect is not None:
            self.counts[f"onnxruntime: defect: {defect.name}"] += 1
            return
        if rounds_attributes(graph):
            self.counts["onnxruntime: attributes rounded to float32"] += 1
            return
        try:
            actual = OnnxRunner(model, optimize=optimize).run(drawn.inputs)
        except Error as error:
            limit = limit_of(str(error))
            if limit is None:
                raise Broken("onnxruntime: refuses", str(error)) from error
            self.counts[f"onnxruntime: limit: {limit}"] += 1
            return
        self.judged(Judge(graph, drawn.inputs), actual, "onnxruntime")


def reads_back(graph: Graph) -> None:
    """Text and clone are the graph again."""
    text = print_graph(graph)
    weights = {constant.weight.digest: constant.array for constant in graph.constants}
    found = parse_graph(text, weights)
    verify(found)
    if print_graph(found) != text:
        raise Broken("text: reads back differently", print_graph(found))
    clone = graph.clone()
    verify(clone)
    if print_graph(clone) != text:
        raise Broken("clone: prints differently", print_graph(clone))


def computed_alike(drawn: Drawn, expected: Mapping[str, Array]) -> None:
    """The whole graph in its arena computes what each op did alone."""
    for value, (name, array) in zip(drawn.graph.outputs, expected.items(), strict=True):
        found = compare(array, drawn.arrays[value], EXACT)
        if not found:
            raise Broken("executor: other numbers than op by op", f"output {name}: {found}")


def _random_passes(draw: Sampler) -> Iterator[Pass]:
    from edgec.passes import parse_pipeline

    if draw.chance(0.3):
        yield from parse_pipeline(draw.choice(LEVELS))
        return
    for _ in range(draw.integer(1, 4)):
        yield make_pass(draw.choice(KEEPING), {})
