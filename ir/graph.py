"""A graph: inputs, ops in order, and a final ``return`` whose operands are the outputs.

What an iterator over ``graph.ops`` sees while the graph is edited: an op that is erased before it
is reached is skipped; an op inserted after the current one is visited; an op inserted before the
current one is not. Erasing or replacing the current op is allowed: what followed it then comes
next. Who moves ops between graphs walks over ``tuple(graph.ops)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from edgec.ir.dims import ANY, Dim, symbol, symbols
from edgec.ir.op import Op, OpError, Strs, Types, attr, variadic
from edgec.ir.traits import Terminator
from edgec.ir.types import TensorType
from edgec.ir.value import Constant, Value

OpT = TypeVar("OpT", bound=Op)


class Return(Op, name="return", traits=(Terminator,)):
    """The outputs of a graph, in order, under the names that the user knows them by."""

    values: tuple[Value, ...] = variadic()
    names: Strs = attr(default=())

    def infer(self) -> Types:
        return ()

    def check(self) -> None:
        if self.names and len(self.names) != len(self.values):
            raise OpError(f"return has {len(self.values)} values and {len(self.names)} names")


class Graph:
    """Ops in execution order. A nested graph (region) has a ``parent`` op and may read the values
    of the graphs around it.

    Attributes:
        name: the model's name.
        parent: the op whose region this graph is.
        inputs: the values that the caller provides; their hints are the user's input names.
        metadata: free text that travels into the artifact (provenance, calibration).
        version: grows with every change, so that "changed" is observed and never claimed.
    """

    def __init__(
        self,
        name: str = "graph",
        inputs: Sequence[tuple[str, TensorType]] = (),
        *,
        enclosing: Graph | None = None,
    ) -> None:
        self.name = name
        self.parent: Op | None = None
        self._enclosing = enclosing
        self.metadata: dict[str, str] = {}
        self.inputs: list[Value] = []
        self._first: Op | None = None
        self._last: Op | None = None
        self._length = 0
        self._version = 0
        self._fresh = 0
        self._taken: set[str] = set()
        for hint, type in inputs:
            self._add_input(hint, type)

    # -- reading ------------------------------------------------------------------------------

    @property
    def ops(self) -> Iterator[Op]:
        """Every op in order, the final ``return`` excluded (see the module's first paragraph)."""
        op = self._first
        while op is not None:
            if op.graph is self and not isinstance(op, Return):
                yield op
            op = op._next

    def ops_of(self, *classes: type[OpT]) -> Iterator[OpT]:
        """Every op of these classes in order."""
        for op in self.ops:
            if isinstance(op, classes):
                yield op

    @property
    def walk(self) -> Iterator[Op]:
        """Every op of this graph and of the regions nested in it, outer before inner."""
        for op in self.ops:
            yield op
            for region in op.regions:
                yield from region.walk

    @property
    def graphs(self) -> Iterator[Graph]:
        """This graph and every region nested in it, outer before inner."""
        yield self
        for op in self.ops:
            for region in op.regions:
                yield from region.graphs

    def __len__(self) -> int:
        """Number of ops, the ``return`` excluded, nested regions excluded."""
        return self._length - (isinstance(self._last, Return))

    @property
    def terminator(self) -> Return:
        """The final ``return``. Raises ``ValueError`` while the graph is still being built."""
        if not isinstance(self._last, Return):
            raise ValueError(f"graph {self.name!r} has no return yet")
        return self._last

    @property
    def is_finished(self) -> bool:
        return isinstance(self._last, Return)

    @property
    def outputs(self) -> tuple[Value, ...]:
        return self.terminator.values

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.terminator.names

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(value.hint for value in self.inputs)

    @property
    def first(self) -> Op | None:
        return self._first

    @property
    def last(self) -> Op | None:
        return self._last

    @property
    def root(self) -> Graph:
        """The outermost graph around this one."""
        graph = self
        while (outer := graph.outer) is not None:
            graph = outer
        return graph

    @property
    def outer(self) -> Graph | None:
        """The graph around this region; while it is built, the one it is built for."""
        if self.parent is not None and self.parent.graph is not None:
            return self.parent.graph
        return self._enclosing

    @property
    def version(self) -> int:
        return self._version

    @property
    def constants(self) -> tuple[Constant, ...]:
        """Every constant that some op reads (regions included), once, in order of first use."""
        found: dict[Constant, None] = {}
        for graph in self.graphs:
            for op in graph._all_ops:
                for value in op.operands:
                    if isinstance(value, Constant):
                        found[value] = None
        return tuple(found)

    @property
    def free_values(self) -> tuple[Value, ...]:
        """Values of surrounding graphs that this region reads, constants excluded."""
        own: set[Value] = set()
        found: dict[Value, None] = {}
        for graph in self.graphs:
            own.update(graph.inputs)
            for op in graph._all_ops:
                own.update(op.results)
        for graph in self.graphs:
            for op in graph._all_ops:
                for value in op.present_operands:
                    if value not in own and not isinstance(value, Constant):
                        found[value] = None
        return tuple(found)

    @property
    def _all_ops(self) -> Iterator[Op]:
        op = self._first
        while op is not None:
            yield op
            op = op._next

    def clone(self, bindings: Mapping[str, Dim] | None = None) -> Graph:
        """A copy that shares nothing mutable with this graph (constant data is shared).

        Args:
            bindings: symbols to replace by dims; every type is then inferred anew.

        Raises:
            OpError: the bindings contradict the graph.
        """
        from edgec.ir.cloning import clone

        return clone(self, bindings or {})

    def __str__(self) -> str:
        from edgec.ir.printer import print_graph

        return print_graph(self)

    # -- editing: for the Rewriter only ----------------------------------------------------------

    def _add_input(self, hint: str, type: TensorType) -> Value:
        value = Value(self._named(type), index=len(self.inputs), hint=hint, owner=self)
        self.inputs.append(value)
        self._touch()
        return value

    def _exchange_input(self, old: Value, type: TensorType) -> Value:
        value = Value(self._named(type), index=old.index, hint=old.hint, owner=self)
        self.inputs[old.index] = value
        self._touch()
        return value

    def _link(self, op: Op, before: Op | None) -> None:
        """Insert ``op`` before that op (at the end for None) and register what it uses."""
        assert op.graph is None, "an op is linked twice"
        after = self._last if before is None else before._prev
        op._prev, op._next, op.graph = after, before, self
        if after is None:
            self._first = op
        else:
            after._next = op
        if before is None:
            self._last = op
        else:
            before._prev = op
        self._length += 1
        for value in op.operands:
            if value is not None:
                value._add_use(op)
        for result in op.results:
            if not result.type.is_static:
                result.type = self._named(result.type)
        self._touch()

    def _unlink(self, op: Op) -> None:
        """Remove ``op``. It keeps its own ``_next``, so that an iterator standing on it goes on."""
        assert op.graph is self, "an op is unlinked from another graph"
        if op._prev is None:
            self._first = op._next
        else:
            op._prev._next = op._next
        if op._next is None:
            self._last = op._prev
        else:
            op._next._prev = op._prev
        op.graph = None
        self._length -= 1
        for value in op.operands:
            if value is not None:
                value._drop_use(op)
        self._touch()

    def _named(self, type: TensorType) -> TensorType:
        """The type with every ANY replaced by a symbol that the whole model does not know yet."""
        root = self.root
        for dim in type.dims:
            if not isinstance(dim, int) and dim is not ANY:
                root._taken.update(symbols(dim))
        return type.with_dims(
            tuple([root._fresh_symbol() if dim is ANY else dim for dim in type.dims])
        )

    def _fresh_symbol(self) -> Dim:
        while (name := f"d{self._fresh}") in self._taken:
            self._fresh += 1
        self._taken.add(name)
        return symbol(name)

    def _touch(self) -> None:
        graph: Graph | None = self
        while graph is not None:
            graph._version += 1
            graph = graph.outer
