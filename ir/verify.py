"""The verifier. What it enforces, one function and one test per line:

 1. ends:        every graph ends with exactly one ``return``, and has none elsewhere.
 2. links:       each op is linked once, into the graph that lists it, with consistent neighbours.
 3. owners:      a result's producer and index point back at it; an input belongs to its graph.
 4. dominance:   an operand is defined before it is read: a constant, an input or an earlier op of
                 this graph or of a graph around it.
 5. uses:        a value's use list holds exactly the operand slots that read it.
 6. types:       each op's ``infer`` agrees with the types of its results; its ``check`` passes.
 7. symbols:     no dim is ANY.
 8. regions:     a region's parent is the op that carries it.
 9. names:       graph inputs have names, all different; so have the outputs of the outermost graph.

Errors are collected: one run reports all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from edgec.ir.diagnostics import Error, Finding, Kind
from edgec.ir.dims import ANY, DimError
from edgec.ir.graph import Graph, Return
from edgec.ir.op import Op, OpError
from edgec.ir.printer import print_op
from edgec.ir.value import Constant, Value


def verify(graph: Graph, after: str = "") -> None:
    """Check every invariant of the graph and of its regions.

    Args:
        after: what was done last (a pass's name), for the message.

    Raises:
        Error: of kind VERIFY, with one finding per violation.
    """
    findings = list(violations(graph))
    if findings:
        when = f" after {after}" if after else ""
        raise Error(Kind.VERIFY, f"graph {graph.name!r} is not well-formed{when}", findings)


def violations(graph: Graph) -> Iterator[Finding]:
    """Every violation in the graph, invariant by invariant."""
    for part in graph.graphs:
        for invariant in (ends, links, owners, regions):
            yield from invariant(part)
    yield from dominance(graph, set())
    yield from uses(graph)
    for part in graph.graphs:
        yield from types(part)
        yield from symbols(part)
    yield from names(graph)


def ends(graph: Graph) -> Iterator[Finding]:
    returns = [op for op in graph._all_ops if isinstance(op, Return)]
    if len(returns) != 1 or returns[0] is not graph.last:
        yield Finding(f"expected one return, at the end; found {len(returns)}", graph.name)


def links(graph: Graph) -> Iterator[Finding]:
    before: Op | None = None
    for op in graph._all_ops:
        if op.graph is not graph:
            yield _about(op, "is listed in a graph that it is not linked into")
        if op.prev is not before:
            yield _about(op, "has another predecessor than the order says")
        before = op
    if before is not graph.last:
        yield Finding("the last op is not the one at the end of the order", graph.name)


def owners(graph: Graph) -> Iterator[Finding]:
    for index, value in enumerate(graph.inputs):
        if value.owner is not graph or value.index != index or value.producer is not None:
            yield Finding(f"input %{value.hint} does not belong to its graph", graph.name)
    for op in graph._all_ops:
        for index, result in enumerate(op.results):
            if result.producer is not op or result.index != index:
                yield _about(op, f"result {index} does not point back at it")


def dominance(graph: Graph, visible: set[Value]) -> Iterator[Finding]:
    seen = visible | set(graph.inputs)
    for op in graph._all_ops:
        for index, value in enumerate(op.operands):
            if value is None or isinstance(value, Constant) or value in seen:
                continue
            yield _about(op, f"operand {op.operand_name(index)} (%{value.hint}) is read before it "
                             "is defined")  # fmt: skip
        for region in op.regions:
            yield from dominance(region, seen)
        seen.update(op.results)


def uses(graph: Graph) -> Iterator[Finding]:
    counted: dict[Value, Counter[Op]] = {}
    for part in graph.graphs:
        for value in part.inputs:
            counted.setdefault(value, Counter())
        for op in part._all_ops:
            for result in op.results:
                counted.setdefault(result, Counter())
            for operand in op.present_operands:
                counted.setdefault(operand, Counter())[op] += 1
    for value, found in counted.items():
        if found != Counter(value._users or {}):
            yield Finding(f"the use list of %{value.hint} differs from the operands that read it")


def types(graph: Graph) -> Iterator[Finding]:
    for op in graph._all_ops:
        try:
            inferred = op.infer()
            op.check()
        except (OpError, DimError) as error:
            yield _about(op, str(error))
            continue
        if len(inferred) != len(op.results):
            yield _about(op, f"infers {len(inferred)} results, has {len(op.results)}")
            continue
        for result, type in zip(op.results, inferred, strict=True):
            if not result.type.compatible(type):
                yield _about(op, f"infers {type}, its result is typed {result.type}")


def symbols(graph: Graph) -> Iterator[Finding]:
    for value in (*graph.inputs, *(r for op in graph._all_ops for r in op.results)):
        if ANY in value.type.dims:
            yield Finding(f"%{value.hint} has a dim without a name: {value.type}", graph.name)


def regions(graph: Graph) -> Iterator[Finding]:
    for op in graph._all_ops:
        for region in op.regions:
            if region.parent is not op:
                yield _about(op, f"region {region.name!r} belongs to another op")


def names(graph: Graph) -> Iterator[Finding]:
    for kind, found in (("input", graph.input_names), ("output", graph.output_names)):
        repeated = [name for name, count in Counter(found).items() if count > 1]
        if repeated or "" in found:
            yield Finding(f"{kind} names must be present and different, found {list(found)}")


INVARIANTS: tuple[Callable[..., Iterator[Finding]], ...] = (
    ends, links, owners, dominance, uses, types, symbols, regions, names,
)  # fmt: skip


def _about(op: Op, message: str) -> Finding:
    source = f", from {', '.join(op.loc)}" if op.loc else ""
    return Finding(message, f"{print_op(op).splitlines()[0]}{source}")
