"""Writing a graph as an ONNX model: valid, deterministic, and equal to ours when read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto

from edgec.ir import (
    Array,
    Code,
    Constant,
    DType,
    Error,
    Finding,
    Graph,
    Kind,
    Op,
    Refusal,
    RuleTable,
    TensorType,
    Value,
    Weight,
    collector_paused,
    dtypes,
    write_atomically,
    write_together,
)
from edgec.lowering.onnx.node import load_families
from edgec.lowering.onnx.tensors import dtype_to_onnx, pack
from edgec.lowering.onnx.wire import stored, stream_model

# onnxruntime 1.16 and later load opset 19 in IR version 9; newer ones also what needs more.
DEFAULT_OPSET = 19
IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13}
PROTOBUF_LIMIT = 2_000_000_000  # bytes; protobuf refuses messages of 2 GiB

WriteRule: TypeAlias = "Callable[[Any, Writer], None]"
WRITERS: RuleTable[WriteRule] = RuleTable("onnx", load_families)
Operand: TypeAlias = "Value | str | None"


class CannotWrite(Exception):
    """An op that this opset cannot express; the message says why."""


class Writer:
    """Collects the nodes of one graph. Write rules call ``node``, ``const`` and ``temporary``.

    Attributes:
        opset: the version of the standard operator set to write.
    """

    def __init__(
        self, opset: int, outer: Writer | None = None, proto: onnx.GraphProto | None = None
    ) -> None:
        self.opset = opset
        self.proto = onnx.GraphProto() if proto is None else proto
        self._outer = outer
        self._names: dict[Value, str] = dict(outer._names) if outer else {}
        self._taken: set[str] = outer._taken if outer else set()
        self._suffixes: dict[str, int] = outer._suffixes if outer else {}
        self._weights: dict[Any, str] = outer._weights if outer else {}
        self.initializers: dict[str, Weight] = outer.initializers if outer else {}
        self.loc: tuple[str, ...] = ()
        self._node_names: set[str] = outer._node_names if outer else set()

    # -- for the rules ----------------------------------------------------------------------------

    def node(
        self,
        op_type: str,
        inputs: Sequence[Operand],
        outputs: Sequence[Operand],
        *,
        domain: str = "",
        **attributes: Any,
    ) -> None:
        """Append a node. An attribute that is None is left out; so are trailing absent operands."""
        names_in = [self._operand(value) for value in inputs]
        names_out = [self._operand(value) for value in outputs]
        for names in (names_in, names_out):
            while names and not names[-1]:
                names.pop()
        made = onnx.NodeProto(op_type=op_type, domain=domain, input=names_in, output=names_out)
        made.name = self._unique_node_name(names_out[0] if names_out else op_type)
        for key in sorted(attributes):
            if attributes[key] is not None:
                made.attribute.append(_attribute(key, attributes[key]))
        self.proto.node.append(made)

    def const(
        self, data: Any, dtype: DType | None = None, hint: str = "const", *, shared: bool = True
    ) -> str:
        """The name of an initializer that holds that data; equal data is stored once, unless it
        must not be shared."""
        array = np.asarray(data, dtype=dtype.numpy if dtype else None)
        if not shared:
            return self._new_initializer(Weight(array), hint)
        return self._initializer(Weight(array), hint)

    def ints(self, values: Sequence[int], hint: str = "ints") -> str:
        """The name of a 1-D int64 initializer."""
        return self.const(np.asarray(values, dtype=np.int64), hint=hint)

    def temporary(self, hint: str) -> str:
        """A fresh name for a value between two nodes of one rule."""
        return self._unique(hint)

    def body(self, region: Graph) -> onnx.GraphProto:
        """A region as a subgraph attribute."""
        inner = Writer(self.opset, outer=self)
        return inner.graph(region)

    def name(self, value: Value) -> str:
        """The ONNX name of a value."""
        found = self._names.get(value)
        if found is None:
            if isinstance(value, Constant):
                found = self._initializer(value.weight, value.hint or "const")
            else:
                found = self._unique(value.hint or _inner_name(value))
            self._names[value] = found
        return found

    # -- graphs -----------------------------------------------------------------------------------

    def graph(self, graph: Graph) -> onnx.GraphProto:
        """The graph and everything nested in it. Only the outermost one carries initializers."""
        proto = self.proto
        proto.name = graph.name
        if self._outer is None:
            for reserved in (*graph.input_names, *graph.output_names):
                self._taken.add(reserved)
        for value in graph.inputs:
            name = value.hint if self._outer is None else self._unique(value.hint or "in")
            self._names[value] = name
            proto.input.append(value_info(name, value.type))
        outputs = self._name_outputs(graph)
        for op in graph.ops:
            self._write(op)
        for value, name in zip(graph.outputs, outputs, strict=True):
            if self._names.get(value) != name:
                self.node("Identity", [value], [name])
            proto.output.append(value_info(name, value.type))
        return proto

    def _name_outputs(self, graph: Graph) -> list[str]:
        """Results that leave the graph get the output's own name, once each."""
        own = {result for op in graph.ops for result in op.results}
        names: list[str] = []
        for value, wanted in zip(
            graph.outputs, graph.output_names or ("",) * len(graph.outputs), strict=True
        ):
            name = wanted if self._outer is None else self._unique(wanted or value.hint or "out")
            if value in own and value not in self._names:
                self._names[value] = name
            names.append(name)
        return names

    def _write(self, op: Op) -> None:
        rule = WRITERS.get(type(op))
        if isinstance(rule, Refusal):
            raise CannotWrite(str(rule))
        self.loc = op.loc
        rule(op, self)

    # -- names ------------------------------------------------------------------------------------

    def _operand(self, value: Operand) -> str:
        if value is None:
            return ""
        return value if isinstance(value, str) else self.name(value)

    def _initializer(self, weight: Weight, hint: str) -> str:
        key = (weight.dtype, weight.stored.shape, weight.digest)
        found = self._weights.get(key)
        if found is None:
            found = self._weights[key] = self._new_initializer(weight, hint)
        return found

    def _new_initializer(self, weight: Weight, hint: str) -> str:
        name = self._unique(hint)
        self.initializers[name] = weight
        return name

    def _unique(self, hint: str) -> str:
        return _unique(hint, self._taken, self._suffixes)

    def _unique_node_name(self, fallback: str) -> str:
        hint = "+".join(self.loc[:4]) or fallback
        return _unique(hint, self._node_names, self._suffixes)


def _unique(hint: str, taken: set[str], suffixes: dict[str, int]) -> str:
    name = hint
    while name in taken:
        suffixes[hint] = suffixes.get(hint, 0) + 1
        name = f"{hint}.{suffixes[hint]}"
    taken.add(name)
    return name


# -- whole models -------------------------------------------------------------------------------


def to_model(graph: Graph, *, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """The ONNX model of a graph, weights included.

    Raises:
        Error: some ops cannot be written (one finding each), or the opset is out of range.
    """
    model, initializers = _lowered(graph, opset)
    for name, weight in initializers.items():
        model.graph.initializer.append(_tensor(name, weight.array, weight.dtype))
    return model


def write_onnx(graph: Graph, path: Path, *, opset: int = DEFAULT_OPSET) -> None:
    """Write ``path``; weights of more than 2 GB in all go into ``path`` + ``.data`` beside it.

    Raises:
        Error: as ``to_model``, or the disk refuses. No partial file is left.
    """
    model, initializers = _lowered(graph, opset)
    total = sum(weight.type.nbytes() for weight in initializers.values())
    if total > PROTOBUF_LIMIT:
        data = path.with_name(path.name + ".data")
        write_together(
            [
                (data, lambda p: _write_external(model, initializers, p, data.name)),
                (path, lambda p: _write_model(model, p)),
            ]
        )
        return
    write_atomically(path, lambda p: _write_streamed(model, initializers, p))


def check_writable(graph: Graph, opset: int = DEFAULT_OPSET) -> list[Finding]:
    """One finding per op that has no write rule."""
    return [
        Finding(rule.why, _where(op), rule.instead)
        for op in graph.walk
        if isinstance(rule := WRITERS.get(type(op)), Refusal)
    ]


def _lowered(graph: Graph, opset: int) -> tuple[onnx.ModelProto, dict[str, Weight]]:
    """The model without its weights, and these by name."""
    if opset not in IR_VERSIONS:
        raise Error(
            Code.OPTION, f"opset {opset} cannot be written", instead=f"one of {list(IR_VERSIONS)}"
        )
    findings = check_writable(graph)
    if findings:
        raise Error(Kind.UNSUPPORTED, "some ops cannot be written as ONNX", findings)
    needed = max(_needed_opset(op) for part in graph.graphs for op in (*part.ops, part.terminator))
    model = onnx.ModelProto(producer_name="edgec")
    writer = Writer(max(opset, needed), proto=model.graph)
    try:
        with collector_paused():
            writer.graph(graph)
    except CannotWrite as error:
        where = f"from {', '.join(writer.loc)}"
        raise Error(
            Kind.UNSUPPORTED, "an op cannot be written as ONNX", [Finding(str(error), where)]
        ) from error
    _describe(model, graph, writer.opset)
    return model, writer.initializers


_DTYPE_OPSETS = {
    dtypes.f8e4m3fn: 19,
    dtypes.f8e4m3fnuz: 19,
    dtypes.f8e5m2: 19,
    dtypes.f8e5m2fnuz: 19,
    dtypes.i4: 21,
    dtypes.u4: 21,
    dtypes.f4e2m1: 23,
    dtypes.f8e8m0: 24,
    dtypes.i2: 25,
    dtypes.u2: 25,
}


# The first opset that has the operator of an op, filled in by the rules of its family.
FIRST_OPSETS: dict[type[Op], Callable[[Any], int]] = {}


def _needed_opset(op: Op) -> int:
    """The first opset that knows this op and the element types around it."""
    values = (*op.present_operands, *op.results)
    own = FIRST_OPSETS[type(op)](op) if type(op) in FIRST_OPSETS else 0
    return max([own, *(_DTYPE_OPSETS.get(value.type.dtype, 0) for value in values)])


def _describe(model: onnx.ModelProto, graph: Graph, opset: int) -> None:
    """Enter what a model says about its graph."""
    model.ir_version = IR_VERSIONS[opset]
    model.opset_import.add(domain="", version=opset)
    for domain in sorted({node.domain for node in model.graph.node} - {""}):
        model.opset_import.add(domain=domain, version=1)
    for key, text in sorted(graph.metadata.items()):
        model.metadata_props.add(key=key, value=text)


def _write_model(model: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString(deterministic=True))


def _write_streamed(model: onnx.ModelProto, initializers: Mapping[str, Weight], path: Path) -> None:
    with path.open("wb") as file:
        stream_model(model, initializers, file)


def _write_external(
    model: onnx.ModelProto, initializers: Mapping[str, Weight], path: Path, location: str
) -> None:
    """Stream every weight into one file, aligned to 64 bytes; small ones stay in the model."""
    with path.open("wb") as file:
        for name, weight in initializers.items():
            size = weight.type.nbytes()
            if size < 1024:
                model.graph.initializer.append(_tensor(name, weight.array, weight.dtype))
                continue
            file.write(b"\0" * (-file.tell() % 64))
            tensor = TensorProto(name=name, data_type=dtype_to_onnx(weight.dtype))
            tensor.dims.extend(weight.stored.shape)
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", location), ("offset", file.tell()), ("length", size)):
                tensor.external_data.add(key=key, value=str(value))
            model.graph.initializer.append(tensor)
            for piece in stored(weight):
                file.write(piece)


def _tensor(name: str, array: Array, dtype: DType) -> TensorProto:
    tensor = TensorProto(name=name, data_type=dtype_to_onnx(dtype))
    tensor.dims.extend(array.shape)
    tensor.raw_data = pack(array, dtype)
    return tensor


def value_info(name: str, type: TensorType) -> onnx.ValueInfoProto:
    """Name and type of a graph input or output."""
    info = onnx.ValueInfoProto(name=name)
    tensor = info.type.tensor_type
    tensor.elem_type = dtype_to_onnx(type.dtype)
    tensor.shape.SetInParent()
    for dim in type.dims:
        entry = tensor.shape.dim.add()
        if isinstance(dim, int):
            entry.dim_value = dim
        else:
            entry.dim_param = str(dim)
    return info


def _attribute(name: str, value: Any) -> AttributeProto:
    """An attribute; the type follows from the value's (an empty list counts as ints)."""
    if isinstance(value, np.ndarray):
        value = _tensor("", value, dtypes.dtype_of(value.dtype))
    if isinstance(value, (list, tuple)) and not value:
        return AttributeProto(name=name, type=AttributeProto.INTS)
    if isinstance(value, bool):
        value = int(value)
    return onnx.helper.make_attribute(name, value)


def _inner_name(value: Value) -> str:
    """A name for a value that has none: no value of the model can be called like this."""
    loc = value.producer.loc if value.producer is not None else ()
    return f"{loc[-1] if loc else 'value'}~inner"


def _where(op: Op) -> str:
    return f"{op.op_name} from {', '.join(op.loc) or 'an unnamed node'}"
