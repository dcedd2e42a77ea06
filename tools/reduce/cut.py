"""A part of a graph as a graph of its own: what it reads becomes inputs, what nobody reads inside
becomes outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from edgec.ir import Constant, Graph, Op, Rewriter, Value, clone_op


def kept(graph: Graph, ops: Collection[Op]) -> Graph | None:
    """The graph of only these ops of the outermost graph, in their order; None when it has no
    output. Types, names, locations and weights are as before."""
    chosen = set(ops)
    order = [op for op in graph.ops if op in chosen]
    outputs = sinks(graph, order)
    if not outputs:
        return None
    names = Names(())
    made = Graph(graph.name)
    made.metadata = dict(graph.metadata)
    rewriter = Rewriter(made)
    copies: dict[Value, Value] = {}
    for value in sources(graph, order):
        copies[value] = rewriter.add_input(names.unique(value.hint), value.type)
        copies[value].range = value.range
    for op in order:
        rewriter.add(clone_op(op, copies, {}, made))
    known = dict(zip(graph.outputs, graph.output_names, strict=True))
    taken = Names(known[value] for value in outputs if value in known)
    rewriter.finish(
        [copies[value] for value in outputs],
        [known.get(value) or taken.unique(value.hint) for value in outputs],
    )
    return made


def sources(graph: Graph, ops: Iterable[Op]) -> list[Value]:
    """What these ops read and none of them makes, inputs of the graph first."""
    made: set[Value] = set()
    found: dict[Value, None] = {}
    for op in ops:
        found.update((value, None) for value in reads(op) if value not in made)
        made.update(op.results)
    own = set(graph.inputs)
    return [v for v in graph.inputs if v in found] + [v for v in found if v not in own]


def sinks(graph: Graph, ops: Iterable[Op]) -> list[Value]:
    """What these ops make and none of them reads, and outputs of the graph. Results that nobody
    reads anywhere count only where an op has no others."""
    listed = list(ops)
    read = {value for op in listed for value in reads(op)}
    wanted = set(graph.outputs)
    found: list[Value] = []
    for op in listed:
        open_ends = [r for r in op.results if r in wanted or (r not in read and r.is_used)]
        idle = not open_ends and not any(result in read for result in op.results)
        found += list(op.results[:1]) if idle else open_ends
    return found


def reads(op: Op) -> Iterator[Value]:
    """What an op and its regions read, constants excluded."""
    for value in op.present_operands:
        if not isinstance(value, Constant):
            yield value
    for region in op.regions:
        yield from region.free_values


class Names:
    """Hands out names, each once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken)

    def unique(self, hint: str) -> str:
        base = hint or "value"
        name, count = base, 0
        while name in self.taken:
            count += 1
            name = f"{base}.{count}"
        self.taken.add(name)
        return name
