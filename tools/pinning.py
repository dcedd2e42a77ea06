"""Giving values to the symbols of a graph whose types are settled already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgec.ir import Code, Dim, Error, Graph, parse_dim, substitute, symbol, symbols


def pinned(graph: Graph, shapes: Mapping[str, Sequence[Dim | str]]) -> Graph:
    """The graph with its inputs of these dims, by input name.

    Raises:
        Error: there is no such input, or the dims contradict its type.
    """
    unknown = sorted(set(shapes) - set(graph.input_names))
    if unknown:
        raise Error(
            Code.INPUTS, f"the graph has no input {', '.join(map(repr, unknown))}",
            instead=f"one of {', '.join(map(repr, graph.input_names))}",
        )  # fmt: skip
    bindings: dict[str, Dim] = {}
    for value in graph.inputs:
        if value.hint not in shapes:
            continue
        wanted = [parse_dim(d) if isinstance(d, str) else d for d in shapes[value.hint]]
        if not _bind(value.type.dims, wanted, bindings):
            shown = "x".join(map(str, wanted))
            raise Error(
                Code.INPUTS, f"input {value.hint!r} is {value.type}: {shown} does not fit",
                instead="give the shape when the .onnx is read",
            )  # fmt: skip
    return graph.clone(bindings) if bindings else graph


def _bind(declared: Sequence[Dim], wanted: Sequence[Dim], bindings: dict[str, Dim]) -> bool:
    """Enter what makes the declared dims the wanted ones; False when nothing does."""
    if len(declared) != len(wanted):
        return False
    for old, new in zip(declared, wanted, strict=True):
        known = substitute(old, bindings)
        if known == new:
            continue
        names = () if isinstance(known, int) else symbols(known)
        if len(names) != 1 or known != symbol(names[0]):
            return False
        bindings[names[0]] = new
    return True
