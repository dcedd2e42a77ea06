"""Running a graph on the reference kernels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from edgec.ir import (
    Array,
    Constant,
    DimError,
    Error,
    Finding,
    Graph,
    Kind,
    Op,
    Refusal,
    TensorType,
    Value,
    evaluate,
    print_op,
    solve,
)
from edgec.kernels.planner import Plan, plan_buffers
from edgec.kernels.table import KERNELS, Kernel

Tap = Callable[[Op, Sequence[Array]], None]


@dataclass(frozen=True)
class _Step:
    """One op with its kernel, looked up once."""

    op: Op
    kernel: Kernel
    takes_out: bool
    takes_run: bool
    dies: tuple[Value, ...]


@dataclass
class _Scope:
    """Arrays by value while a graph runs, and what each dimension symbol stands for; a region's
    scope looks outwards for what it does not hold itself."""

    arrays: dict[Value, Array] = field(default_factory=dict)
    symbols: dict[str, int] = field(default_factory=dict)
    outer: _Scope | None = None

    def read(self, value: Value) -> Array:
        if isinstance(value, Constant):
            return value.array
        scope: _Scope | None = self
        while scope is not None:
            found = scope.arrays.get(value)
            if found is not None:
                return found
            scope = scope.outer
        raise KeyError(f"%{value.hint} has no array: the graph is not well-formed")


class Executor:
    """Runs one graph, as often as wanted.

    Args:
        graph: a finished, verified graph. Kernels are looked up once; the graph must not change.
        threads: for the matrix products inside kernels.

    Raises:
        Error: an op has no kernel.
    """

    def __init__(self, graph: Graph, *, threads: int = 1) -> None:
        self.graph = graph
        self.threads = threads
        missing = [
            Finding(str(kernel), print_op(op))
            for op in graph.walk
            if isinstance(kernel := KERNELS.get(type(op)), Refusal)
        ]
        if missing:
            raise Error(Kind.UNSUPPORTED, "some ops have no reference kernel", missing)
        self._steps: dict[Graph, list[_Step]] = {}
        self._plans: dict[tuple[tuple[str, int], ...], Plan] = {}
        self._arenas: dict[tuple[tuple[str, int], ...], Array] = {}

    def run(
        self, inputs: Mapping[str, Array] | Sequence[Array], *, tap: Tap | None = None
    ) -> dict[str, Array]:
        """Outputs by name.

        Args:
            inputs: arrays by input name, or in order.
            tap: called with each op of the outermost graph and its results as they are computed;
                the arrays are only valid during the call.

        Raises:
            Error: an input is missing, unknown, or of the wrong type or shape; or an op cannot
                compute with the values it was given.
        """
        arrays = self._checked(inputs)
        scope = _Scope()
        for value, array in zip(self.graph.inputs, arrays, strict=True):
            self._bind(value.type, array, scope)
            scope.arrays[value] = array
        with threadpool_limits(self.threads, user_api="blas"):
            results = self._execute(self.graph, scope, tap)
        owned = [np.array(result, copy=True) for result in results]
        return dict(zip(self.graph.output_names, owned, strict=True))

    def plan(self, inputs: Mapping[str, Array] | Sequence[Array]) -> Plan:
        """The buffer plan for inputs of these shapes (peak and arena size in bytes)."""
        scope = _Scope()
        for value, array in zip(self.graph.inputs, self._checked(inputs), strict=True):
            self._bind(value.type, array, scope)
        return self._plan(scope)[0]

    # -- inputs -----------------------------------------------------------------------------------

    def _checked(self, inputs: Mapping[str, Array] | Sequence[Array]) -> list[Array]:
        names = self.graph.input_names
        if not isinstance(inputs, Mapping):
            if len(inputs) != len(names):
                raise Error(
                    Kind.USAGE, f"the model has {len(names)} inputs, {len(inputs)} were given"
                )
            inputs = dict(zip(names, inputs, strict=True))
        missing = [name for name in names if name not in inputs]
        unknown = [name for name in inputs if name not in names]
        if missing or unknown:
            raise Error(
                Kind.USAGE, f"inputs missing: {missing}, unknown: {unknown}",
                instead=f"the model's inputs are {list(names)}",
            )  # fmt: skip
        return [
            _matching(value, np.asarray(inputs[value.hint])) for value in self.graph.inputs
        ]

    def _bind(self, type: TensorType, array: Array, scope: _Scope) -> None:
        """Learn symbols from an actual shape, or find that it contradicts what is known."""
        for dim, size in zip(type.dims, array.shape, strict=True):
            if isinstance(dim, int):
                continue
            try:
                if evaluate(dim, scope.symbols) != size:
                    raise Error(
                        Kind.USAGE,
                        f"dimension {dim} is {evaluate(dim, scope.symbols)} elsewhere, {size} here",
                    )
            except DimError:
                scope.symbols.update(solve(dim, size) or {})

    # -- running ------------------------------------------------------------------------------------

    def _execute(self, graph: Graph, scope: _Scope, tap: Tap | None) -> list[Array]:
        arena = self._arena(scope) if graph is self.graph else None
        for step in self._prepared(graph):
            results = self._call(step, scope, arena)
            for value, array in zip(step.op.results, results, strict=True):
                scope.arrays[value] = array
                if not value.type.is_static:
                    self._learn(value.type, array, scope)
            if tap is not None:
                tap(step.op, results)
            for value in step.dies:
                scope.arrays.pop(value, None)
        return [scope.read(value) for value in graph.outputs]

    def _learn(self, type: TensorType, array: Array, scope: _Scope) -> None:
        for dim, size in zip(type.dims, array.shape, strict=True):
            if not isinstance(dim, int):
                found = solve(dim, size)
                if found:
                    scope.symbols.update(found)

    def _call(self, step: _Step, scope: _Scope, arena: _Arena | None) -> Sequence[Array]:
        op = step.op
        operands = [None if v is None else scope.read(v) for v in op.operands]
        extra: dict[str, Any] = {}
        if step.takes_out:
            extra["out"] = arena.buffer(op.results[0]) if arena else None
        if step.takes_run:
            extra["run"] = lambda region, arrays: self._run_region(region, arrays, scope)
        try:
            found = step.kernel(op, *operands, **extra)
        except (ValueError, IndexError, TypeError, OverflowError, MemoryError) as error:
            finding = Finding(f"{type(error).__name__}: {error}", _located(op))
            raise Error(Kind.MISMATCH, "an op cannot run on these values", [finding]) from error
        results = found if isinstance(found, tuple) else (found,)
        _check_results(op, results)
        return results if arena is None else [arena.kept(*pair) for pair in zip(op.results, results)]

    def _run_region(
        self, region: Graph, arrays: Sequence[Array], scope: _Scope
    ) -> list[Array]:
        inner = _Scope(symbols=dict(scope.symbols), outer=scope)
        for value, array in zip(region.inputs, arrays, strict=True):
            inner.arrays[value] = array
            self._learn(value.type, array, inner)
        return self._execute(region, inner, None)

    def _prepared(self, graph: Graph) -> list[_Step]:
        steps = self._steps.get(graph)
        if steps is None:
            steps = self._steps[graph] = list(_steps(graph))
        return steps

    # -- buffers --------------------------------------------------------------------------------------

    def _plan(self, scope: _Scope) -> tuple[Plan, tuple[tuple[str, int], ...]]:
        key = tuple(sorted(scope.symbols.items()))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = plan_buffers(self.graph, scope.symbols)
        return plan, key

    def _arena(self, scope: _Scope) -> _Arena:
        plan, key = self._plan(scope)
        memory = self._arenas.get(key)
        if memory is None:
            self._arenas.clear()  # one shape at a time keeps its memory
            memory = self._arenas[key] = np.empty(plan.arena_bytes + 64, dtype=np.uint8)
        return _Arena(plan, memory)


class _Arena:
    """The memory that planned results are written into."""

    def __init__(self, plan: Plan, memory: Array) -> None:
        self.plan = plan
        skew = -memory.ctypes.data % 64
        self.memory = memory[skew:]

    def buffer(self, value: Value) -> Array | None:
        slot = self.plan.slots.get(value)
        if slot is None:
            return None
        raw = self.memory[slot.offset : slot.offset + slot.size]
        return raw.view(value.type.dtype.numpy).reshape(slot.shape)

    def kept(self, value: Value, array: Array) -> Array:
        """The array, moved to the value's own place when it is a view of memory that may be given
        to another value before this one dies."""
        if value in self.plan.views or not np.may_share_memory(array, self.memory):
            return array
        own = self.buffer(value)
        if own is None:
            return array.copy()
        if own.ctypes.data != array.ctypes.data:
            np.copyto(own, array)
        return own


def run(
    graph: Graph, inputs: Mapping[str, Array] | Sequence[Array], *, threads: int = 1
) -> dict[str, Array]:
    """Outputs of a graph by name, computed once (see ``Executor``)."""
    return Executor(graph, threads=threads).run(inputs)


def _matching(value: Value, array: Array) -> Array:
    type = value.type
    fits = array.ndim == type.rank and all(
        not isinstance(dim, int) or dim == size
        for dim, size in zip(type.dims, array.shape, strict=True)
    )
    if array.dtype != type.dtype.numpy or not fits:
        raise Error(
            Kind.USAGE,
            f"input {value.hint!r} wants {type}, found {array.dtype}{list(array.shape)}",
        )
    return np.asarray(array, order="C")


def _steps(graph: Graph) -> Iterable[_Step]:
    ops = list(graph.ops)
    last_reader: dict[Value, Op] = {}
    for op in ops:
        for value in _reads(op):
            last_reader[value] = op
        for result in op.results:
            last_reader[result] = op
    for value in graph.outputs:
        last_reader.pop(value, None)
    own = {result for op in ops for result in op.results}
    dying: dict[Op, list[Value]] = {}
    for value, op in last_reader.items():
        if value in own:
            dying.setdefault(op, []).append(value)
    for op in ops:
        kernel = KERNELS.get(type(op))
        assert not isinstance(kernel, Refusal), "checked when the executor was made"
        names = inspect.signature(kernel).parameters
        yield _Step(op, kernel, "out" in names, "run" in names, tuple(dying.get(op, ())))


def _reads(op: Op) -> Iterable[Value]:
    yield from op.present_operands
    for region in op.regions:
        yield from region.free_values


def _check_results(op: Op, results: Sequence[Array]) -> None:
    for value, array in zip(op.results, results, strict=True):
        if array.dtype != value.type.dtype.numpy or array.ndim != value.type.rank:
            raise AssertionError(
                f"kernel of {op.op_name} returned {array.dtype}{list(array.shape)} "
                f"for {value.type}"
            )


def _located(op: Op) -> str:
    source = f", from {', '.join(op.loc)}" if op.loc else ""
    return f"{print_op(op).splitlines()[0]}{source}"
