"""Reading an ONNX model into a graph.

Everything that cannot be read is found before any work and reported in one error; the ops
themselves are read by the rules of the family modules (``nn.py``, ``movement.py``, …). An operator
that has no rule of its own but that ONNX defines by a function body is replaced by that body.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from edgec.ir import (
    ANY,
    Code,
    Constant,
    Dim,
    Error,
    Finding,
    Graph,
    Kind,
    Refusal,
    Rewriter,
    TensorType,
    Value,
    collector_paused,
    counted,
    parse_dim,
    symbol,
    symbols,
)
from edgec.ir.ops import Reshape
from edgec.lowering.onnx.functions import expand_functions, function_body
from edgec.lowering.onnx.mapped import parse_mapped
from edgec.lowering.onnx.node import (
    READERS,
    STANDARD_DOMAINS,
    AtRunTime,
    Node,
    Undecided,
    Unsupported,
    qualified_name,
)
from edgec.lowering.onnx.opsets import standard_opset
from edgec.lowering.onnx.tensors import dtype_from_onnx, read_sparse_tensor, read_tensor

GIT_LFS = b"version https://git-lfs"
MAX_NESTING = 40  # subgraphs in subgraphs, and functions in functions
MAX_RANK = 64
MAX_REGIONS = 10_000  # a loop's body is read again for every dim that it changes
MAX_DECISIONS = 3  # subgraphs to choose at compile time: each doubles the tries

# What reading an illegal node may raise: its operands and attributes are only checked by use, and
# ONNX's own library instantiates function bodies.
_ILLEGAL = (
    Unsupported,
    ValueError,
    ArithmeticError,
    TypeError,
    LookupError,
    MemoryError,
    RuntimeError,
)

Shapes = Mapping[str, Sequence[Dim | str]]


def read_onnx(
    source: str | os.PathLike[str] | bytes | onnx.ModelProto,
    *,
    input_shapes: Shapes | None = None,
    constants: Mapping[str, Any] | None = None,
) -> Graph:
    """The graph of an ONNX model.

    Args:
        source: a path, the bytes of a model, or a loaded ``onnx.ModelProto``.
        input_shapes: dims by input name, ints or expressions; they replace the declared ones, and
            a symbol that they pin is pinned in every other input.
        constants: values by input name; those inputs become constants.

    Raises:
        Error: of kind READ or UNSUPPORTED, with one finding per offending node.
    """
    model, folder = _load(source)
    with collector_paused():
        return _ModelReader(model, folder, input_shapes or {}, constants or {}).read()


def _load(
    source: str | os.PathLike[str] | bytes | onnx.ModelProto,
) -> tuple[onnx.ModelProto, Path | None]:
    if isinstance(source, onnx.ModelProto):
        return source, None
    model = onnx.ModelProto()
    if isinstance(source, bytes):
        name, folder, data = "the model", None, source
    else:
        path = Path(source)
        name, folder = str(path), path.parent
        mapped = parse_mapped(path)
        if mapped is not None:
            return mapped, folder
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Error(Code.NO_FILE, f"cannot read {path}: {error.strerror}") from error
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        is_pointer = data.startswith(GIT_LFS)
        raise Error(
            Kind.READ,
            f"{name} is not an ONNX model, or is truncated or corrupt ({error})",
            instead="git lfs pull" if is_pointer else "",
        ) from error
    if not model.HasField("graph"):
        raise Error(Kind.READ, f"{name} holds no graph: it is not an ONNX model, or is empty")
    return model, folder


class _ModelReader:
    """Reads one model. Scopes of names nest as subgraphs do."""

    def __init__(
        self,
        model: onnx.ModelProto,
        folder: Path | None,
        input_shapes: Shapes,
        constants: Mapping[str, Any],
    ) -> None:
        self.folder = folder
        self.input_shapes = input_shapes
        self.fixed = constants
        self.model = _guard(lambda: expand_functions(model), "the model's functions")
        self.opset = standard_opset(self.model)
        self.decisions: dict[str, str] = {}
        self.scopes: list[dict[str, Value | None]] = []
        self.depth = 0
        self.regions = 0

    def read(self) -> Graph:
        findings = list(self._unreadable(self.model.graph))
        if findings:
            raise Error(Code.OPERATOR, f"{counted(len(findings), 'node')} cannot be read", findings)
        graph = self._decided()
        unknown = sorted(set(self.input_shapes) - set(graph.input_names) - set(self.fixed))
        if unknown:
            raise Error(
                Code.INPUTS,
                f"the model has no input {', '.join(map(repr, unknown))}",
                instead=f"one of {', '.join(map(repr, graph.input_names))}",
            )
        return self._pinned(graph)

    def _decided(self) -> Graph:
        """The graph, with each subgraph that must be chosen tried in turn (see ``Undecided``)."""
        try:
            return self._whole()
        except Undecided as point:
            open_point = point
        found: dict[str, Graph] = {}
        failures: list[Error] = []
        for option in open_point.options if len(self.decisions) < MAX_DECISIONS else ():
            self.decisions[open_point.name] = option
            try:
                found[option] = self._decided()
            except Error as error:
                failures.append(error)
            del self.decisions[open_point.name]
        if len(found) == 1:
            return found.popitem()[1]
        if failures and not found:
            raise failures[0]
        raise Error(Code.RUN_TIME_DIMS, open_point.why, instead=open_point.instead)

    def _whole(self) -> Graph:
        graph = Graph(self.model.graph.name or "graph")
        graph.metadata = dict(_metadata(self.model))
        self.scopes, self.depth = [], 0
        try:
            self._fill(graph, self.model.graph)
        except Unsupported as error:
            raise Error(error.code, error.why, instead=error.instead) from error
        except RecursionError as error:
            raise Error(Code.NO_MODEL, "subgraphs are nested too deeply") from error
        except (ValueError, KeyError) as error:  # dims or element types that cannot be
            raise Error(Code.NO_MODEL, f"the model cannot be read: {error}") from error
        return graph

    # -- before any work --------------------------------------------------------------------------

    def _unreadable(self, proto: onnx.GraphProto, depth: int = 0) -> Iterable[Finding]:
        if depth > MAX_NESTING:
            yield Finding(f"subgraphs are nested more than {MAX_NESTING} deep")
            return
        if not all(isinstance(name, str) for name in _names(proto)):
            yield Finding("a name is not UTF-8 text")
            return
        for node in proto.node:
            yield from self._unreadable_node(node)
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    yield from self._unreadable(attribute.g, depth + 1)

    def _unreadable_node(self, node: onnx.NodeProto) -> Iterable[Finding]:
        rule = READERS.get(qualified_name(node))
        if rule is None and node.domain not in STANDARD_DOMAINS:
            yield Finding(
                f"{node.op_type} is of domain {node.domain!r}, which is not supported",
                _where(node, self.opset),
                "a plugin that reads it: edgec new op NAME",
            )
            return
        if isinstance(rule, Refusal):
            yield Finding(rule.why, _where(node, self.opset), rule.instead)
        elif rule is None and not function_body(node, self.opset, None):
            yield Finding(
                f"there is no operator {node.op_type}, or edgec does not read it",
                _where(node, self.opset),
            )

    # -- graphs -----------------------------------------------------------------------------------

    def _fill(
        self,
        graph: Graph,
        proto: onnx.GraphProto,
        input_types: Sequence[TensorType] | None = None,
        results: Sequence[TensorType] | None = None,
    ) -> None:
        rewriter = Rewriter(graph)
        scope = self._open_scope(proto)
        self._read_inputs(proto, scope, rewriter, input_types)
        outputs = self._close_scope(proto, rewriter)
        if results is not None:
            outputs = [
                rewriter.add(Reshape(value, to=type.dims)).result
                for value, type in zip(outputs, results, strict=True)
            ]
        rewriter.finish(outputs, [info.name for info in proto.output])

    def _open_scope(self, proto: onnx.GraphProto) -> dict[str, Value | None]:
        scope: dict[str, Value | None] = {"": None}
        self.scopes.append(scope)
        for tensor in proto.initializer:
            scope[tensor.name] = Constant(read_tensor(tensor, self.folder), hint=tensor.name)
        for sparse in proto.sparse_initializer:
            name = sparse.values.name
            scope[name] = Constant(read_sparse_tensor(sparse, self.folder), hint=name)
        return scope

    def _close_scope(self, proto: onnx.GraphProto, rewriter: Rewriter) -> list[Value]:
        for node in proto.node:
            self._read_node(node, rewriter)
        outputs = [self._output(info.name) for info in proto.output]
        self.scopes.pop()
        return outputs

    def _read_inputs(
        self,
        proto: onnx.GraphProto,
        scope: dict[str, Value | None],
        rewriter: Rewriter,
        input_types: Sequence[TensorType] | None,
    ) -> None:
        inputs = [info for info in proto.input if info.name not in scope]
        for index, info in enumerate(inputs):
            if not self.scopes[1:] and info.name in self.fixed:
                scope[info.name] = Constant(np.asarray(self.fixed[info.name]), hint=info.name)
            elif input_types is not None:
                if index >= len(input_types):
                    raise Unsupported(f"subgraph {proto.name!r} has too many inputs")
                scope[info.name] = rewriter.add_input(info.name, input_types[index])
            else:
                scope[info.name] = rewriter.add_input(info.name, self._declared(info))

    def _declared(self, info: onnx.ValueInfoProto) -> TensorType:
        if not info.type.HasField("tensor_type"):
            kind = info.type.WhichOneof("value") or "no type"
            raise Unsupported(f"input {info.name!r} is no tensor ({kind})")
        tensor = info.type.tensor_type
        dtype = dtype_from_onnx(tensor.elem_type)
        if not self.scopes[1:] and info.name in self.input_shapes:
            given = self.input_shapes[info.name]
            return TensorType(dtype, tuple(_given_dim(d) for d in given))
        if not tensor.HasField("shape"):
            raise AtRunTime(
                f"input {info.name!r} has no shape", f"--input-shape {info.name}:1x3x224x224"
            )
        if len(tensor.shape.dim) > MAX_RANK:
            raise Unsupported(f"input {info.name!r} has {len(tensor.shape.dim)} dimensions")
        return TensorType(dtype, tuple(_declared_dim(dim) for dim in tensor.shape.dim))

    def _pinned(self, graph: Graph) -> Graph:
        """Symbols that ``--input-shape`` gave a value hold everywhere: declared against given."""
        bindings: dict[str, Dim] = {}
        for info in self.model.graph.input:
            given = self.input_shapes.get(info.name)
            if given is None or not info.type.tensor_type.HasField("shape"):
                continue
            declared = [_declared_dim(dim) for dim in info.type.tensor_type.shape.dim]
            for old, new in zip(declared, map(_given_dim, given), strict=False):
                if old is not ANY and not isinstance(old, int) and old == symbol(str(old)):
                    bindings[str(old)] = new
        used = {s for v in graph.inputs for d in v.type.dims for s in _symbols(d)}
        bindings = {name: dim for name, dim in bindings.items() if name in used}
        return graph.clone(bindings) if bindings else graph

    # -- nodes ------------------------------------------------------------------------------------

    def _read_node(self, proto: onnx.NodeProto, rewriter: Rewriter) -> None:
        operands = [self._lookup(name, proto) for name in proto.input]
        node = Node(proto, self.opset, operands, rewriter, self)
        try:
            with rewriter.located((_name(proto),)):
                self._dispatch(node, rewriter)
        except _ILLEGAL as error:
            instead = getattr(error, "instead", "")
            finding = Finding(
                str(error) or type(error).__name__, _where(proto, self.opset), instead
            )
            code = error.code if isinstance(error, Unsupported) else Code.NO_MODEL
            raise Error(code, "a node cannot be read", [finding]) from error

    def _dispatch(self, node: Node, rewriter: Rewriter) -> None:
        rule = READERS.get(node.op_type)
        results = None if rule is None or isinstance(rule, Refusal) else rule(node)
        if results is None:
            body = function_body(node.proto, self.opset, node.inputs)
            if body is None:
                raise Unsupported("there is no such operator, or edgec does not read it")
            self._read_body(node, body, rewriter)
            return
        values = [results] if isinstance(results, Value) else list(results)
        self._bind(node, values)

    def _bind(self, node: Node, values: Sequence[Value | None]) -> None:
        for index, name in enumerate(node.outputs):
            if not name:
                continue
            if index >= len(values) or values[index] is None:
                raise Unsupported(f"output {index} ({name!r}) is not supported")
            if name in self.scopes[-1]:
                raise Unsupported(f"{name!r} is defined twice")
            value = values[index]
            assert value is not None
            if not value.hint and value.producer is not None:
                value.hint = name
            self.scopes[-1][name] = value

    def _read_body(self, node: Node, body: Sequence[onnx.NodeProto], rewriter: Rewriter) -> None:
        """Read a function body in place of its node; its names live in a scope of their own."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise Unsupported("function bodies are nested too deeply")
        self.scopes.append({})
        for proto in body:
            inner = onnx.NodeProto()
            inner.CopyFrom(proto)
            inner.name = _name(node.proto)
            self._read_node(inner, rewriter)
        scope = self.scopes.pop()
        self.depth -= 1
        self._bind(node, [scope.get(name) if name else None for name in node.outputs])

    def read_region(
        self,
        proto: onnx.GraphProto,
        outer: Graph,
        input_types: Sequence[TensorType] | None,
        results: Sequence[TensorType] | None,
    ) -> Graph:
        """A subgraph as a region; see ``Node.body``."""
        self.regions += 1
        if self.regions > MAX_REGIONS:
            raise Unsupported(f"more than {MAX_REGIONS} subgraphs were read, some again and again")
        region = Graph(proto.name or "body", enclosing=outer)
        self._fill(region, proto, input_types, results)
        return region

    def read_inline(self, proto: onnx.GraphProto, rewriter: Rewriter) -> list[Value]:
        """The outputs of a subgraph that is read in place of its node."""
        self._open_scope(proto)
        return self._close_scope(proto, rewriter)

    def _lookup(self, name: str, node: onnx.NodeProto) -> Value | None:
        if not name:
            return None
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        finding = Finding(f"reads {name!r}, which nothing defines before it", _where(node, 0))
        raise Error(Code.NO_MODEL, "the model is not in order, or incomplete", [finding])

    def _output(self, name: str) -> Value:
        for scope in reversed(self.scopes):
            value = scope.get(name)
            if value is not None:
                return value
        raise Error(Code.NO_MODEL, f"output {name!r} is not computed by any node")


def _metadata(model: onnx.ModelProto) -> Iterator[tuple[str, str]]:
    for entry in model.metadata_props:
        if isinstance(entry.key, str) and isinstance(entry.value, str):  # bytes where no text
            yield entry.key, entry.value


def _names(proto: onnx.GraphProto) -> Iterator[str | bytes]:
    """Every name in the graph, subgraphs excluded; protobuf gives bytes where it is no text."""
    yield proto.name
    for info in (*proto.input, *proto.output):
        yield info.name
        for dim in info.type.tensor_type.shape.dim:
            yield dim.dim_param
    for tensor in proto.initializer:
        yield tensor.name
    for sparse in proto.sparse_initializer:
        yield sparse.values.name
    for node in proto.node:
        yield node.name
        yield from node.input
        yield from node.output


def _guard(build: Callable[[], onnx.ModelProto], what: str) -> onnx.ModelProto:
    try:
        return build()
    except (RuntimeError, ValueError, TypeError, KeyError, onnx.checker.ValidationError) as error:
        raise Error(Code.NO_MODEL, f"{what} cannot be expanded: {error}") from error


def _name(proto: onnx.NodeProto) -> str:
    return proto.name or next((name for name in proto.output if name), proto.op_type)


def _where(proto: onnx.NodeProto, opset: int) -> str:
    domain = f"{proto.domain}." if proto.domain not in STANDARD_DOMAINS else ""
    version = f" (opset {opset})" if opset and not domain else ""
    return f"node {_name(proto)!r}: {domain}{proto.op_type}{version}"


def _declared_dim(dim: onnx.TensorShapeProto.Dimension) -> Dim:
    if dim.HasField("dim_value"):
        if dim.dim_value < 0:  # some exporters write -1 for "any"
            return ANY
        return int(dim.dim_value)
    return ANY if dim.dim_param in ("", "?") else parse_dim(dim.dim_param)


def _given_dim(dim: Dim | str) -> Dim:
    return parse_dim(dim) if isinstance(dim, str) else dim


def _symbols(dim: Dim) -> tuple[str, ...]:
    return () if isinstance(dim, int) else symbols(dim)
