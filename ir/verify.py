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
 9. names:       the inputs of the outermost graph have names, all different; so have its outputs.

Errors are collected: one run reports all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from edgec.ir.codes import Kind
from edgec.ir.diagnostics import Error, Finding
from edgec.ir.dims import ANY
from edgec.ir.graph import Graph, Return
from edgec.ir.op import Op
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
    yield from dominance(graph)
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


def dominance(graph: Graph, seen: set[Value] | None = None) -> Iterator[Finding]:
    seen = set() if seen is None else seen
    own = list(graph.inputs)
    seen.update(own)
    for op in graph._all_ops:
        for index, value in enumerate(op.operands):
            if value is None or isinstance(value, Constant) or value in seen:
                continue
            yield _about(
                op, f"operand {op.operand_name(index)} (%{value.hint}) is read before it is defined"
            )
        for region in op.regions:
            yield from dominance(region, seen)
        seen.update(op.results)
        own.extend(op.results)
    seen.difference_update(own)  # what a region computes is not seen outside


def uses(graph: Graph) -> Iterator[Finding]:
    readers: dict[Value, int] = {}  # how many ops read each value
    wrong: dict[Value, None] = {}
    for part in graph.graphs:
        for value in part.inputs:
            readers.setdefault(value, 0)
        for op in part._all_ops:
            for value in op.results:
                readers.setdefault(value, 0)
            for value, slots in _slots(op).items():
                readers[value] = readers.get(value, 0) + 1
                if value._users is None or value._users.get(op) != slots:
                    wrong[value] = None
    for value, count in readers.items():
        if len(value._users or ()) != count:
            wrong[value] = None
    for value in wrong:
        yield Finding(f"the use list of %{value.hint} differs from the operands that read it")


def _slots(op: Op) -> dict[Value, int]:
    """How many operand slots of the op read each value."""
    found: dict[Value, int] = {}
    for value in op.operands:
        if value is not None:
            found[value] = found.get(value, 0) + 1
    return found


def types(graph: Graph) -> Iterator[Finding]:
    for op in graph._all_ops:
        try:
            inferred = op.infer()
            op.check()
        except ValueError as error:  # OpError, DimError, or a type that cannot be
            yield _about(op, str(error))
            continue
        if len(inferred) != len(op.results):
            yield _about(op, f"infers {len(inferred)} results, has {len(op.results)}")
            continue
        for result, type in zip(op.results, inferred, strict=True):
            if not result.type.compatible(type):
                yield _about(op, f"infers {type}, its result is typed {result.type}")


def symbols(graph: Graph) -> Iterator[Finding]:
    for value in chain(graph.inputs, (r for op in graph._all_ops for r in op.results)):
        if not value.type.is_static and ANY in value.type.dims:
            yield Finding(f"%{value.hint} has a dim without a name: {value.type}", graph.name)


def regions(graph: Graph) -> Iterator[Finding]:
    for op in graph._all_ops:
        for region in op.regions:
            if region.parent is not op:
                yield _about(op, f"region {region.name!r} belongs to another op")


def names(graph: Graph) -> Iterator[Finding]:
    if not graph.is_finished:
        return
    named = (
        ("input", graph.input_names, len(graph.inputs)),
        ("output", graph.output_names, len(graph.outputs)),
    )
    for kind, found, wanted in named:
        if len(set(found)) != wanted or len(found) != wanted or "" in found:
            yield Finding(f"{kind} names must be present and different, found {list(found)}")


INVARIANTS: tuple[Callable[..., Iterator[Finding]], ...] = (
    ends,
    links,
    owners,
    dominance,
    uses,
    types,
    symbols,
    regions,
    names,
)


def _about(op: Op, message: str) -> Finding:
    source = f", from {', '.join(op.loc)}" if op.loc else ""
    return Finding(message, f"{print_op(op).splitlines()[0]}{source}")
