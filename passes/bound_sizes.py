"""Sizes that had a symbol, as only a run would tell them, until their op was computed."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir import (
    ANY,
    Array,
    Dim,
    DimError,
    DimExpr,
    Graph,
    Op,
    OpError,
    Rewriter,
    Value,
    clone_op,
    symbol,
    symbols,
)


class Sizes:
    """What the symbols of a graph turn out to be, put into every later op that names them.

    A range whose limit becomes known has a known length: ops behind it that were read with a symbol
    for it, in their types and in attributes such as the dims of a reshape, mean that number now.
    Ops come in order, outer graphs before inner ones, so one walk reaches all of them.
    """

    def __init__(self, graph: Graph) -> None:
        self.bindings: dict[str, Dim] = {}
        # What an input is named by is for the caller to choose.
        self.free = {
            name
            for part in graph.graphs
            for value in part.inputs
            for dim in value.type.dims
            for name in _names(dim)
        }

    def learn(self, op: Op, arrays: Sequence[Array]) -> None:
        """The op was computed: its results have the sizes of the arrays."""
        for result, array in zip(op.results, arrays, strict=True):
            for dim, size in zip(result.type.dims, array.shape, strict=True):
                names = _names(dim)
                if len(names) == 1 and dim == symbol(names[0]) and names[0] not in self.free:
                    self.bindings[names[0]] = size

    def enter(self, part: Graph) -> None:
        """Apply them to the inputs of a graph that ops hold."""
        for value in part.inputs:
            self._refine(Rewriter(part), value)

    def applied(self, op: Op) -> Op:
        """The op with known sizes in place of their symbols: itself, or what took its place. Where
        they contradict each other the op is left as it is, to fail where it is run."""
        if not self.bindings or op.graph is None:
            return op
        rewriter = Rewriter(op.graph)
        try:
            if any(self._concern(value) for value in op.attributes.values()):
                same = {value: value for value in op.present_operands}
                return rewriter.replace_with(op, clone_op(op, same, self.bindings, op.graph))
            for result in op.results:
                self._refine(rewriter, result)
        except (OpError, DimError):
            pass
        return op

    def _concern(self, value: object) -> bool:
        return isinstance(value, tuple) and any(
            name in self.bindings
            for dim in value
            if isinstance(dim, DimExpr)
            for name in _names(dim)
        )

    def _refine(self, rewriter: Rewriter, value: Value) -> None:
        if self._concern(value.type.dims):
            rewriter.refine(value, value.type.substitute(self.bindings))


def _names(dim: Dim) -> Sequence[str]:
    return () if isinstance(dim, int) or dim is ANY else symbols(dim)
