"""A hash of what a graph computes: equal for isomorphic graphs, whoever exported them.

It depends on ops, attributes, constants, types and on who reads what; not on names, locations,
recorded ranges, the order of independent ops, or the order of the operands of a commutative op.
Labels are refined as in Weisfeiler and Lehman's test of isomorphism (1968): from the operands down,
then from the readers up, until two values have one label only where nothing near or far tells them
apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from edgec.ir.dims import ANY, Dim, DimExpr, symbol, symbols
from edgec.ir.graph import Graph, Return
from edgec.ir.op import Op
from edgec.ir.traits import Commutative
from edgec.ir.types import TensorType, quant_text, substitute_dim
from edgec.ir.value import Constant, Value

ROUNDS = 2  # of refinement: each goes down from the inputs, then up from the outputs


def canonical_hash(graph: Graph, *, weights: bool = True) -> str:
    """32 hexadecimal digits that isomorphic graphs share.

    Args:
        weights: whether the elements of float constants count. Without them two graphs whose
            constants were rounded differently, or a network and its retrained twin, are equal;
            the dtype and dims of every constant count in any case.
    """
    names = _symbol_names(graph)
    labels = _Labels(names, weights)
    for _ in range(ROUNDS):
        labels.descend(graph)
        labels.ascend(graph)
    return labels.summary(graph)


class _Labels:
    """A label for each value and op, refined round by round."""

    def __init__(self, names: Mapping[str, Dim], weights: bool) -> None:
        self.names = names
        self.weights = weights
        self.values: dict[Value, str] = {}
        self.ops: dict[Op, str] = {}
        self.constants: dict[Constant, str] = {}

    def descend(self, graph: Graph, around: str = "") -> None:
        """Label every op by its operands, and every value by its producer."""
        for value in graph.inputs:
            self.values[value] = _digest("input", around, value.index, self._type(value.type))
        for op in graph._all_ops:
            own = _digest(*self._of(op))
            for index, region in enumerate(op.regions):
                self.descend(region, _digest(own, index))
            inner = (self.ops[region.terminator] for region in op.regions)
            self.ops[op] = _digest(own, *inner)
            for index, result in enumerate(op.results):
                self.values[result] = _digest(self.ops[op], index, self._type(result.type))

    def ascend(self, graph: Graph) -> None:
        """Label every op by its readers, too."""
        for op in reversed(tuple(graph._all_ops)):
            read = (self._readers(result) for result in op.results)
            self.ops[op] = _digest(self.ops[op], *read)
            for region in op.regions:
                last = region.terminator
                self.ops[last] = _digest(self.ops[last], self.ops[op])
                self.ascend(region)

    def summary(self, graph: Graph) -> str:
        """How many ops have each label."""
        everything = (op for part in graph.graphs for op in part._all_ops)
        counts = Counter(self.ops[op] for op in everything)
        types = (self._type(value.type) for value in graph.inputs)
        return _digest(*types, *(f"{label}*{counts[label]}" for label in sorted(counts)))

    def _of(self, op: Op) -> Iterable[object]:
        operands = [self._value(value) for value in op.operands]
        if op.has(Commutative):
            operands[:2] = sorted(operands[:2])
        hidden = ("names",) if isinstance(op, Return) else ()
        attributes = (
            f"{name}={self._attribute(value)}"
            for name, value in sorted(op.attributes.items())
            if name not in hidden
        )
        known = self.ops.get(op, "")
        return op.op_name, known, *attributes, "of", *operands

    def _readers(self, value: Value) -> str:
        found: list[str] = []
        for use in value.uses:
            place = 0 if use.op.has(Commutative) and use.index < 2 else use.index
            found.append(_digest(self.ops[use.op], place))
        return _digest(*sorted(found))

    def _value(self, value: Value | None) -> str:
        if value is None:
            return "-"
        return self._constant(value) if isinstance(value, Constant) else self.values[value]

    def _constant(self, value: Constant) -> str:
        label = self.constants.get(value)
        if label is None:
            counts = self.weights or not value.type.dtype.is_float
            data = value.weight.digest if counts else ""
            label = self.constants[value] = _digest("constant", self._type(value.type), data)
        return label

    def _type(self, type: TensorType) -> str:
        dims = ",".join(str(substitute_dim(dim, self.names)) for dim in type.dims)
        quant = "" if type.quant is None else quant_text(type.quant)
        return f"{type.dtype.name}[{dims}]{quant}"

    def _attribute(self, value: object) -> str:
        if isinstance(value, tuple):
            return f"({','.join(map(self._attribute, value))})"
        if isinstance(value, DimExpr) and value is not ANY:
            return str(substitute_dim(value, self.names))
        return repr(value)


def _symbol_names(graph: Graph) -> dict[str, Dim]:
    """Each symbol of the inputs under a number, in order; every other symbol under one name."""
    found: dict[str, Dim] = {}
    for value in graph.inputs:
        for name in _symbols(value.type):
            found.setdefault(name, symbol(f"s{len(found)}"))
    for part in graph.graphs:
        for op in part.ops:
            for result in op.results:
                for name in _symbols(result.type):
                    found.setdefault(name, symbol("computed"))
    return found


def _symbols(type: TensorType) -> Iterable[str]:
    if type.is_static:
        return
    for dim in type.dims:
        if not isinstance(dim, int) and dim is not ANY:
            yield from symbols(dim)


def _digest(*parts: object) -> str:
    text = "\0".join(map(str, parts))
    return blake2b(text.encode(), digest_size=16).hexdigest()
