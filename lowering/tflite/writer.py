"""Writing a graph as subgraphs of builtin operators: what the rules speak to.

Rules call ``op`` on ``w[op.x]``. A rule raises ``Unwritable`` where its op cannot be said; so does
the writer for an element type or a rank that no kernel takes. All of these are collected, so that
checking a graph is writing it without packing the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgec.ir import (
    Array,
    Constant,
    Dim,
    DType,
    Finding,
    Graph,
    Op,
    Quant,
    Refusal,
    TensorType,
    Value,
    dtypes,
)
from edgec.lowering.tflite.builtins import BUILTINS
from edgec.lowering.tflite.edges import TO_FIRST, TO_LAST, Edges, stored_as
from edgec.lowering.tflite.table import TFLITE, Unwritable
from edgec.lowering.tflite.tensors import TYPE_CODES, Operator, Subgraph, Tensor
from edgec.lowering.tflite.versions import lowest_version

_FLOAT8 = "TensorFlow Lite computes on no 8-bit floats"
_NOT_COMPUTED: Mapping[DType, str] = {
    dtypes.f64: "TensorFlow Lite's kernels compute on no float64",
    dtypes.bf16: "TensorFlow Lite's kernels compute on no bfloat16",
}


class Writer:
    """Builds the subgraph of one graph.

    Attributes:
        subgraph: what was written so far.
        findings: what could not be written, of this and of nested graphs.
        captured: in a nested graph, its input for each value of the surrounding one.
        root_inputs: those of the outermost graph, whose dims others are computed from.
        edges: how inputs and outputs are to be.
        builtin_lstm: LSTM layers are to be one operator where it can be.
        sizes: dims that were computed at run time, as vectors of length 1.
    """

    def __init__(
        self, outer: Writer | None = None, edges: Edges | None = None, builtin_lstm: bool = False
    ) -> None:
        self.edges = edges or Edges()
        self.builtin_lstm: bool = outer.builtin_lstm if outer else builtin_lstm
        self.subgraph = Subgraph("main")
        self.findings: list[Finding] = outer.findings if outer else []
        self.captured: dict[Value, Tensor] = {}
        self.root_inputs: list[Value] = outer.root_inputs if outer else []
        self.sizes: dict[Dim, Tensor] = {}
        self._shapes: dict[Tensor, Tensor] = {}
        self._outer = outer
        self._tensors: dict[Value, Tensor] = {}
        self._hint = ""
        self._source_op: Op | None = None

    # -- for the rules --------------------------------------------------------------------------

    def __getitem__(self, value: Value) -> Tensor:
        """The tensor that holds a value."""
        found = self._tensors.get(value)
        if found is None:
            found = self._tensors[value] = self._source(value)
        return found

    def const(self, data: Any, dtype: DType | None = None) -> Tensor:
        """A constant."""
        array = np.asarray(data, dtype=dtype.numpy if dtype else None)
        if array.dtype == dtypes.f16.numpy:
            array = array.astype(np.float32)
        return Tensor(dtypes.dtype_of(array.dtype), array.shape, array)

    def ints(self, values: Sequence[int]) -> Tensor:
        """A 1-D i32 constant."""
        return self.const(values, dtypes.i32)

    def like(self, data: Any, x: Tensor) -> Tensor:
        """A constant of the element type of a tensor."""
        return self.const(data, x.dtype)

    def op(
        self,
        builtin: str,
        *operands: Tensor | None,
        dims: Sequence[Dim] | None = None,
        dtype: DType | None = None,
        quant: Quant | None = None,
        **options: Any,
    ) -> Tensor:
        """Write an operator with one result, of the dims, element type and quantization of its
        first operand unless others are given."""
        first = operands[0]
        if dims is None or dtype is None:
            assert first is not None
            dims, dtype = first.dims if dims is None else dims, dtype or first.dtype
        [made] = self.ops(builtin, operands, [(dims, dtype)], **options)
        made.quant = quant or made.quant
        return made

    def ops(
        self,
        builtin: str,
        operands: Sequence[Tensor | None],
        results: Sequence[tuple[Sequence[Dim], DType]],
        **options: Any,
    ) -> list[Tensor]:
        """Write an operator. Raises Unwritable when no kernel takes these operands."""
        made = [Tensor(dtype, tuple(dims)) for dims, dtype in results]
        source = operands[data_operand(builtin)]
        for tensor in made:
            if source is not None and tensor.dtype is source.dtype:
                tensor.quant = source.quant
        operator = Operator(builtin, list(operands), made, options, 1)
        self.place(operator)
        return made

    def place(self, operator: Operator) -> None:
        """Append a ready operator."""
        require_kernel(operator)
        operator.version = lowest_version(
            operator.builtin, operator.operands, operator.results, operator.options
        )
        for tensor in operator.operands:
            if tensor is not None:
                tensor.readers += 1
        for tensor in operator.results:
            tensor.producer = operator
            tensor.name = tensor.name or f"{self._hint}/{operator.builtin.lower()}"
        operator.source = self._source_op
        self.subgraph.operators.append(operator)

    def cast(self, x: Tensor, dtype: DType) -> Tensor:
        """As another element type; a constant at once."""
        if x.dtype is dtype:
            return x
        if x.array is not None:
            return self.const(x.array, dtype)
        return self.op("CAST", x, dtype=dtype, in_data_type=TYPE_CODES[x.dtype],
                       out_data_type=TYPE_CODES[dtype])  # fmt: skip

    @staticmethod
    def stored(dtype: DType) -> DType:
        """The element type that numbers of another are computed in: float16 in float32."""
        return dtypes.f32 if dtype is dtypes.f16 else dtype

    def nested(self, graph: Graph, name: str) -> Writer:
        """A writer that has written a nested graph; ``captured`` lists what it reads of this."""
        inner = self.fork(name)
        inner.write(graph, name)
        return inner

    def fork(self, name: str) -> Writer:
        """A writer of an empty nested subgraph, for rules that put one together themselves."""
        inner = Writer(outer=self)
        inner.subgraph.name = name
        inner._hint, inner._source_op = self._hint, self._source_op
        return inner

    def input(self, like: TensorType, name: str = "") -> Tensor:
        """Another input of this nested subgraph."""
        dtype = self.stored(like.dtype)
        tensor = Tensor(dtype, like.dims, name=name or self._hint, quant=like.quant)
        self.subgraph.inputs.append(tensor)
        return tensor

    def hold(self, value: Value, tensor: Tensor) -> None:
        """From now on this tensor holds the value."""
        self._tensors[value] = tensor

    def output(self, tensor: Tensor) -> None:
        """Another output of this subgraph."""
        tensor = self._own(tensor)
        tensor.readers += 1
        self.subgraph.outputs.append(tensor)

    def _own(self, tensor: Tensor) -> Tensor:
        """An output is a tensor of its own, and computed."""
        if tensor.producer is None or tensor.fixed or tensor in self.subgraph.outputs:
            return self.copy(tensor)
        return tensor

    # -- graphs ---------------------------------------------------------------------------------

    def write(self, graph: Graph, name: str = "main") -> Subgraph:
        """The graph and everything nested in it."""
        self.subgraph.name = name
        names = graph.output_names if self._outer is None else ()
        for value in graph.inputs:
            try:
                self._enter(value)
            except Unwritable as refused:
                self._refuse(refused, f"input {value.hint}")
                self._tensors[value] = Tensor(value.type.dtype, value.type.dims)
        self.write_ops(graph)
        self._leave(graph.outputs, names or ("",) * len(graph.outputs))
        if not self.findings:
            prune(self.subgraph)
        return self.subgraph

    def write_ops(self, graph: Graph) -> None:
        """What the graph computes, of inputs that tensors hold already."""
        before = self._source_op
        for op in graph.ops:
            self._source_op = op
            self._write(op)
        self._source_op = before

    def _enter(self, value: Value) -> None:
        tensor = self._input(value)
        self.subgraph.inputs.append(tensor)
        turns = self._outer is None and self.edges.turns_input(value)
        if turns:
            self.edges.turned.append(value.hint)
            tensor.dims = tuple(tensor.dims[axis] for axis in TO_LAST)
        if self._comes_as_integers(value):
            tensor = self._read_integers(tensor, self.edges.grid_of_input(value))
            self.edges.integers.append(value.hint)
        if turns:
            tensor = self._first(tensor, value.type.dims)
        if value.type.dtype is dtypes.f16:
            tensor = self.cast(tensor, dtypes.f32)
        self._tensors[value] = tensor
        if self._outer is None:
            self.root_inputs.append(value)

    def _input(self, value: Value) -> Tensor:
        dtype, quant = value.type.dtype, value.type.quant
        if self._outer is not None and dtype is dtypes.f16:
            dtype = dtypes.f32
        return Tensor(dtype, value.type.dims, name=value.hint, quant=quant,
                      fixed=self._outer is None)  # fmt: skip

    def _write(self, op: Op) -> None:
        self._hint = op.result.hint or (op.loc[-1] if op.loc else op.op_name)
        before = len(self.subgraph.operators)
        try:
            found = self._results_of(op)
        except Unwritable as refused:
            del self.subgraph.operators[before:]
            self._refuse(refused, f"{op.op_name} from {', '.join(op.loc) or 'an unnamed node'}")
            found = [Tensor(v.type.dtype, v.type.dims) for v in op.results]
        for value, tensor in zip(op.results, found, strict=True):
            self._bind(value, tensor)

    def _refuse(self, refused: Unwritable, where: str) -> None:
        self.findings.append(Finding(refused.refusal.why, where, refused.refusal.instead))

    def _results_of(self, op: Op) -> Sequence[Tensor]:
        """By its rule, unless nothing is left to compute."""
        rule = TFLITE.get(type(op))
        if isinstance(rule, Refusal):
            raise Unwritable(rule.why, rule.instead)
        for value in (*op.present_operands, *op.results):
            require_computed(value.type)
        if all(0 in (value.type.static_dims or ()) for value in op.results):
            return [self._nothing(value.type) for value in op.results]
        made = rule(op, self)
        return [made] if isinstance(made, Tensor) else made

    def _nothing(self, type: TensorType) -> Tensor:
        return self.const(np.zeros(type.dims, type.dtype.numpy))

    def _bind(self, value: Value, tensor: Tensor) -> None:
        """A value's tensor has its name, dims (known better than a rule does) and quantization."""
        self._tensors[value] = tensor
        if tensor.producer is None or tensor.fixed:
            return
        tensor.dims = value.type.dims
        tensor.quant = value.type.quant or tensor.quant
        if not tensor.name or "/" in tensor.name:
            tensor.name = self._hint if len(value.producer.results) == 1 else value.hint  # type: ignore[union-attr]

    def _leave(self, values: Sequence[Value], names: Sequence[str]) -> None:
        """Every output is a tensor of its own, with the name that the user knows."""
        if self.findings:
            return
        for value, name in zip(values, names, strict=True):
            self._hint = name or value.hint
            try:
                self._leave_one(value, name)
            except Unwritable as refused:
                self._refuse(refused, f"output {name}")

    def _leave_one(self, value: Value, name: str) -> None:
        require_computed(value.type)
        tensor = self[value]
        if self._outer is None and self.edges.turns_output(value):
            self.edges.turned.append(name)
            tensor = self._turned(tensor)
        if self._comes_as_integers(value):
            tensor = self._on_grid(tensor, self.edges.grid_of_output(value))
            self.edges.integers.append(name)
        tensor = self._own(tensor)
        if value.type.dtype is dtypes.f16 and self._outer is None:
            tensor = self.cast(tensor, dtypes.f16)
        self.output(tensor)
        left = self.subgraph.outputs[-1]
        left.name, left.fixed = name or left.name, bool(name)

    def _comes_as_integers(self, value: Value) -> bool:
        wanted = self._outer is None and self.edges.stored is not None
        return wanted and value.type.dtype is dtypes.f32

    def _read_integers(self, tensor: Tensor, quant: Quant) -> Tensor:
        """An input as floats, for what does not put it back on its grid at once."""
        stored = self.edges.stored
        assert stored is not None
        tensor.dtype, tensor.quant = stored, stored_as(quant, stored)
        if stored is dtypes.u8:
            tensor = self.op("QUANTIZE", tensor, dtype=dtypes.i8, quant=quant)
        return self.op("DEQUANTIZE", tensor, dtype=dtypes.f32)

    def _on_grid(self, tensor: Tensor, quant: Quant) -> Tensor:
        """An output as integers: those that it was read from."""
        source = tensor.producer
        if source is not None and source.builtin == "DEQUANTIZE" and source.operands[0] is not None:
            found = source.operands[0]
        else:
            found = self.op("QUANTIZE", tensor, dtype=dtypes.i8, quant=quant)
        stored = self.edges.stored
        if stored is dtypes.u8:
            found = self.op("QUANTIZE", found, dtype=dtypes.u8, quant=stored_as(quant, stored))
        return found

    def _first(self, tensor: Tensor, dims: Sequence[Dim]) -> Tensor:
        """An input with its channels first again, for what does not turn them back at once."""
        if 1 in (dims[1], dims[2], dims[3]):
            kept = [axis for axis in TO_FIRST if tensor.dims[axis] != 1]
            if kept == sorted(kept):
                shape = tuple(dim if isinstance(dim, int) else -1 for dim in dims)
                return self.op("RESHAPE", tensor, self.ints(shape), dims=dims, new_shape=shape)
        return self.op("TRANSPOSE", tensor, self.ints(TO_FIRST), dims=dims)

    def _turned(self, tensor: Tensor) -> Tensor:
        """An output with its channels last: what the operator that turns them first reads."""
        assert tensor.producer is not None
        source = tensor.producer.operands[0]
        assert source is not None
        return source

    def copy(self, x: Tensor) -> Tensor:
        """The same elements in a tensor of their own."""
        dims = x.dims if x.static_dims is not None else None
        shape = self.ints(x.static_dims) if x.static_dims is not None else self.shape_of(x)
        options = {} if dims is None else {"new_shape": x.static_dims}
        copied = Tensor(x.dtype, x.dims, quant=x.quant)
        self.place(Operator("RESHAPE", [x, shape], [copied], options, 1))
        return copied

    def shape_of(self, x: Tensor) -> Tensor:
        """The dims as an i32 vector at run time."""
        found = self._shapes.get(x)
        if found is None:
            code = TYPE_CODES[dtypes.i32]
            found = self.op("SHAPE", x, dims=(x.rank,), dtype=dtypes.i32, out_type=code)
            self._shapes[x] = found
        return found

    def _source(self, value: Value) -> Tensor:
        if isinstance(value, Constant):
            return self._constant(value)
        if self._outer is None:
            raise AssertionError(f"{value} is used before it is computed")
        outside = self._outer[value]
        if outside.array is not None:
            return self._outer[value]
        return self.taken(value)

    def taken(self, value: Value) -> Tensor:
        """The input of this nested graph that holds a value of the surrounding one."""
        assert self._outer is not None, "only nested graphs take values"
        found = self.captured.get(value)
        if found is None:
            outside = self._outer[value]
            found = Tensor(outside.dtype, value.type.dims, name=value.hint, quant=outside.quant)
            self.captured[value] = found
            self.subgraph.inputs.append(found)
        return found

    def _constant(self, value: Constant) -> Tensor:
        require_computed(value.type)
        array: Array = value.array
        if value.type.dtype is dtypes.f16:
            array = array.astype(np.float32)
        dtype = dtypes.dtype_of(array.dtype)
        return Tensor(dtype, array.shape, array, value.hint or "const", quant=value.type.quant)


def prune(subgraph: Subgraph) -> None:
    """Drop operators whose results nobody reads."""
    kept = []
    for operator in reversed(subgraph.operators):
        if any(tensor.readers for tensor in operator.results):
            kept.append(operator)
            continue
        for tensor in operator.operands:
            if tensor is not None:
                tensor.readers -= 1
    subgraph.operators[:] = reversed(kept)


def require_computed(type: TensorType) -> None:
    """Raises Unwritable for element types that no kernel takes."""
    dtype = type.dtype
    if dtype in _NOT_COMPUTED:
        raise Unwritable(_NOT_COMPUTED[dtype], "cast to float32 before")
    if dtype not in TYPE_CODES:
        why = _FLOAT8 if dtype.is_float else f"TensorFlow Lite has no element type {dtype.name}"
        raise Unwritable(why, "cast to float32 or int32 before")


def data_operand(builtin: str) -> int:
    """Which operand holds the data; others lead it with an axis or a shape."""
    return {"SPLIT": 1, "TRANSPOSE_CONV": 2, "CONV_3D_TRANSPOSE": 2}.get(builtin, 0)


def require_kernel(operator: Operator) -> None:
    """Raises Unwritable when no kernel takes operands of this element type or rank."""
    facts = BUILTINS[operator.builtin]
    given = [tensor for tensor in operator.operands if tensor is not None]
    if not given:
        return
    first = given[data_operand(operator.builtin)]
    if first.dtype not in facts.types and first.quant is None:
        known = ", ".join(dtype.name for dtype in facts.types)
        raise Unwritable(f"{operator.builtin} computes on {known}, found {first.dtype.name}")
    if operator.builtin == "CAST" and operator.results[0].dtype not in facts.types:
        raise Unwritable(f"CAST makes no {operator.results[0].dtype.name}")
    rank = max(tensor.rank for tensor in (*given, *operator.results))
    if rank > facts.rank:
        raise Unwritable(f"{operator.builtin} takes {facts.rank} dims at most, found {rank}")
