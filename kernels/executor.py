"""Running a graph on the reference kernels."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from edgec.ir import (
    Array,
    Code,
    Constant,
    DimError,
    Error,
    Finding,
    Graph,
    Op,
    Refusal,
    TensorType,
    Value,
    evaluate,
    print_op,
    solve,
    symbols,
)
from edgec.kernels.arena import Arena
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
    learns: bool  # a result has dims that the inputs do not tell
    dies: tuple[Value, ...]


@dataclass
class _Scope:
    """Arrays by value while a graph runs, and what each dimension symbol stands for; a region's
    scope looks outwards for what it does not hold itself."""

    arrays: MutableMapping[Value, Array] = field(default_factory=dict)
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
            raise Error(Code.NO_KERNEL, "some ops have no reference kernel", missing)
        self._held = [constant.array for constant in graph.constants]  # aligned, once
        self._steps: dict[Graph, list[_Step]] = {}
        self._plans: dict[tuple[tuple[str, int], ...], Plan] = {}
        self._arenas: dict[tuple[tuple[str, int], ...], Arena] = {}

    def run(
        self,
        inputs: Mapping[str, Array] | Sequence[Array],
        *,
        tap: Tap | None = None,
        inner_tap: Tap | None = None,
    ) -> dict[str, Array]:
        """Outputs by name.

        Args:
            inputs: arrays by input name, or in order.
            tap: called with each op of the outermost graph and its results as they are computed;
                the arrays are only valid during the call.
            inner_tap: the same for the ops of regions.

        Raises:
            Error: an input is missing, unknown, or of the wrong type or shape; or an op cannot
                compute with the values it was given.
        """
        scope = self._bound(inputs)
        with self.limited():
            results = self._execute(self.graph, scope, tap, inner_tap)
        owned = [np.array(result, copy=True) for result in results]
        return dict(zip(self.graph.output_names, owned, strict=True))

    def begin(self, inputs: Mapping[str, Array], arrays: MutableMapping[Value, Array]) -> Run:
        """A run that its caller takes op by op; see ``Stepwise``. Raises Error as ``run``.

        Args:
            arrays: an empty mapping, where the arrays are held.
        """
        return Run(self, self._bound(inputs, arrays))

    def limited(self) -> AbstractContextManager[object]:
        """A block in which matrix products use this executor's number of threads."""
        pools: AbstractContextManager[object] = _thread_pools().limit(
            limits=self.threads, user_api="blas"
        )
        return pools

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
                    Code.INPUTS, f"the model has {len(names)} inputs, {len(inputs)} were given"
                )
            inputs = dict(zip(names, inputs, strict=True))
        missing = [name for name in names if name not in inputs]
        unknown = [name for name in inputs if name not in names]
        if missing or unknown:
            raise Error(
                Code.INPUTS,
                f"inputs missing: {missing}, unknown: {unknown}",
                instead=f"the model's inputs are {list(names)}",
            )
        return [_matching(value, np.asarray(inputs[value.hint])) for value in self.graph.inputs]

    def _bound(
        self,
        inputs: Mapping[str, Array] | Sequence[Array],
        held: MutableMapping[Value, Array] | None = None,
    ) -> _Scope:
        scope = _Scope({} if held is None else held)
        arrays = self._checked(inputs)
        for value, array in zip(self.graph.inputs, arrays, strict=True):
            self._bind(value.type, array, scope)
            scope.arrays[value] = array
        for value, array in zip(self.graph.inputs, arrays, strict=True):
            self._bind(value.type, array, scope)  # dims that all symbols together decide
        return scope

    def _bind(self, type: TensorType, array: Array, scope: _Scope) -> None:
        """Learn symbols from an actual shape, or find that it contradicts what is known."""
        for dim, size in zip(type.dims, array.shape, strict=True):
            if isinstance(dim, int):
                continue
            try:
                if evaluate(dim, scope.symbols) != size:
                    raise Error(
                        Code.INPUTS,
                        f"dimension {dim} is {evaluate(dim, scope.symbols)} elsewhere, {size} here",
                    )
            except DimError:
                scope.symbols.update(solve(dim, size) or {})

    # -- running ----------------------------------------------------------------------------------

    def _execute(
        self, graph: Graph, scope: _Scope, tap: Tap | None, inner_tap: Tap | None
    ) -> list[Array]:
        arena = self._arena(scope) if graph is self.graph else None
        for step in self._prepared(graph):
            results = self._compute(step, scope, arena, inner_tap)
            if tap is not None:
                tap(step.op, results)
            for value in step.dies:
                scope.arrays.pop(value, None)
        return [scope.read(value) for value in graph.outputs]

    def _compute(
        self, step: _Step, scope: _Scope, arena: Arena | None, inner_tap: Tap | None
    ) -> Sequence[Array]:
        results = self._call(step, scope, arena, inner_tap)
        for value, array in zip(step.op.results, results, strict=True):
            scope.arrays[value] = array
            if step.learns:
                self._learn(value.type, array, scope)
        return results

    def _learn(self, type: TensorType, array: Array, scope: _Scope) -> None:
        for dim, size in zip(type.dims, array.shape, strict=True):
            if not isinstance(dim, int):
                found = solve(dim, size)
                if found:
                    scope.symbols.update(found)

    def _call(
        self, step: _Step, scope: _Scope, arena: Arena | None, inner_tap: Tap | None
    ) -> Sequence[Array]:
        op = step.op
        operands = [None if v is None else scope.read(v) for v in op.operands]
        extra: dict[str, Any] = {}
        if step.takes_out:
            extra["out"] = arena.buffer(op.results[0]) if arena else None
        if step.takes_run:
            extra["run"] = lambda region, arrays: self._run_region(region, arrays, scope, inner_tap)
        try:
            found = step.kernel(op, *operands, **extra)
        except (ValueError, IndexError, TypeError, OverflowError, MemoryError) as error:
            finding = Finding(f"{type(error).__name__}: {error}", _located(op))
            raise Error(
                Code.VALUES,
                "an op cannot run on these values",
                [finding],
                instead="inputs that the model takes: other sizes (--input-shape) or data (--data)",
            ) from error
        results = found if isinstance(found, tuple) else (found,)
        _check_results(op, results)
        return results if arena is None else list(map(arena.kept, op.results, results))

    def _run_region(
        self, region: Graph, arrays: Sequence[Array], scope: _Scope, tap: Tap | None
    ) -> list[Array]:
        inner = _Scope(symbols=dict(scope.symbols), outer=scope)
        for value, array in zip(region.inputs, arrays, strict=True):
            inner.arrays[value] = array
            self._learn(value.type, array, inner)
        return self._execute(region, inner, tap, tap)

    def _prepared(self, graph: Graph) -> list[_Step]:
        steps = self._steps.get(graph)
        if steps is None:
            steps = self._steps[graph] = list(_steps(graph))
        return steps

    @functools.cached_property
    def _by_op(self) -> Mapping[Op, _Step]:
        """The steps of the outermost graph."""
        return {step.op: step for step in self._prepared(self.graph)}

    # -- buffers ----------------------------------------------------------------------------------

    def _plan(self, scope: _Scope) -> tuple[Plan, tuple[tuple[str, int], ...]]:
        key = tuple(sorted(scope.symbols.items()))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = plan_buffers(self.graph, scope.symbols)
        return plan, key

    def _arena(self, scope: _Scope) -> Arena:
        plan, key = self._plan(scope)
        arena = self._arenas.get(key)
        if arena is None:
            self._arenas.clear()  # one shape at a time keeps its memory
            arena = self._arenas[key] = Arena(plan)
        return arena


class Run:
    """One set of inputs on its way through a graph, which may change its constants meanwhile."""

    def __init__(self, executor: Executor, scope: _Scope) -> None:
        self._executor = executor
        self._scope = scope
        self._steps = executor._by_op

    def compute(self, op: Op) -> None:
        """Compute the results of an op of the outermost graph, in memory of their own."""
        self._executor._compute(self._steps[op], self._scope, None, None)

    def evaluate(self, op: Op) -> None:
        """Compute and hold the first result of an op that is not linked into the graph."""
        found: Array = self._executor._call(_step(op), self._scope, None, None)[0]
        self._scope.arrays[op.results[0]] = found

    def holds(self, value: Value) -> bool:
        """True for what was computed and not dropped yet."""
        return value in self._scope.arrays

    def drop(self, values: Iterable[Value]) -> None:
        """Forget what is held for them."""
        for value in values:
            self._scope.arrays.pop(value, None)

    def read(self, value: Value) -> Array:
        """What was computed for a value that is still read."""
        return self._scope.read(value)

    def drop_after(self, op: Op) -> None:
        """Forget the values whose last reader is the op."""
        self.drop(self._steps[op].dies)


@functools.cache
def _thread_pools() -> ThreadpoolController:
    """The thread pools of the libraries loaded so far; finding them takes a millisecond."""
    return ThreadpoolController()


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
            Code.INPUTS,
            f"input {value.hint!r} wants {type}, found {array.dtype}{list(array.shape)}",
        )
    return np.asarray(array, order="C")


def _steps(graph: Graph) -> Iterable[_Step]:
    ops = list(graph.ops)
    known = {name for value in graph.inputs for name in _symbols(value.type)}
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
        learns = any(_symbols(result.type) - known for result in op.results)
        yield _step(op, learns, tuple(dying.get(op, ())))


def _step(op: Op, learns: bool = False, dies: tuple[Value, ...] = ()) -> _Step:
    kernel = KERNELS.get(type(op))
    assert not isinstance(kernel, Refusal), "checked when the executor was made"
    names = inspect.signature(kernel).parameters
    return _Step(op, kernel, "out" in names, "run" in names, learns, dies)


def _symbols(type: TensorType) -> set[str]:
    return {name for dim in type.dims if not isinstance(dim, int) for name in symbols(dim)}


def _reads(op: Op) -> Iterable[Value]:
    yield from op.present_operands
    for region in op.regions:
        yield from region.free_values


def _check_results(op: Op, results: Sequence[Array]) -> None:
    for value, array in zip(op.results, results, strict=True):
        if array.dtype != value.type.dtype.numpy or array.ndim != value.type.rank:
            raise AssertionError(
                f"kernel of {op.op_name} returned {array.dtype}{list(array.shape)} for {value.type}"
            )


def _located(op: Op) -> str:
    source = f", from {', '.join(op.loc)}" if op.loc else ""
    return f"{print_op(op).splitlines()[0]}{source}"
