"""Functions: the model's own are inlined, ONNX's are replaced by the body the standard gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import onnx
import onnx.defs
import onnx.inliner

from edgec.ir import Value
from edgec.lowering.onnx.tensors import dtype_to_onnx

MAX_NODES = 4_000_000  # of a model whose functions are inlined
MAX_CALLS = 100  # functions that call functions, and subgraphs in subgraphs

_Key: TypeAlias = tuple[str, str, str]  # domain, name and overload of a function


def expand_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its local functions inlined (the same object when it has none).

    Raises:
        ValueError: a function calls itself, or the model becomes absurdly large.
    """
    if not model.functions:
        return model
    sizes: dict[_Key, int] = {}
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    if _expanded(model.graph.node, functions, sizes, 0) > MAX_NODES:
        raise ValueError(f"they make more than {MAX_NODES} nodes")
    return onnx.inliner.inline_local_functions(model)


def _expanded(
    nodes: Iterable[onnx.NodeProto],
    functions: Mapping[_Key, onnx.FunctionProto],
    sizes: dict[_Key, int],
    depth: int,
) -> int:
    """How many nodes these become when every call is replaced by the function's body."""
    if depth > MAX_CALLS:
        raise ValueError(f"they call each other, or nest subgraphs, more than {MAX_CALLS} deep")
    total = 0
    for node in nodes:
        key = (node.domain, node.op_type, node.overload)
        total += 1
        if key in functions:
            if key not in sizes:
                sizes[key] = _expanded(functions[key].node, functions, sizes, depth + 1)
            total += sizes[key]
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                total += _expanded(graph.node, functions, sizes, depth + 1)
    return total


def function_body(
    node: onnx.NodeProto, opset: int, inputs: Sequence[Value | None] | None
) -> list[onnx.NodeProto] | None:
    """The nodes that ONNX defines this operator by, reading and writing the node's own names.

    Args:
        inputs: its operands, whose types some bodies depend on; None to ask only whether there is
            a body (the list is then empty of meaning, but not None).

    Returns:
        None when the operator has no function body.
    """
    try:
        schema: Any = onnx.defs.get_schema(node.op_type, opset, node.domain)
    except (onnx.defs.SchemaError, TypeError):  # TypeError: a name that is no text
        return None
    if not (schema.has_function or schema.has_context_dependent_function):
        return None
    if inputs is None:
        return [onnx.NodeProto()]
    function = _function(schema, node, opset, inputs)
    return None if function is None else _instantiated(function, node, schema)


def _function(
    schema: Any, node: onnx.NodeProto, opset: int, inputs: Sequence[Value | None]
) -> onnx.FunctionProto | None:
    function = onnx.FunctionProto()
    if schema.has_context_dependent_function:
        types = [b"" if v is None else _type_proto(v).SerializeToString() for v in inputs]
        versions = [v for v in schema.context_dependent_function_opset_versions if v <= opset]
        body = schema.get_context_dependent_function_with_opset_version(
            max(versions, default=opset), node.SerializeToString(), types
        )
        if body:
            function.ParseFromString(body)
            return function
    if not schema.has_function:
        return None
    versions = [v for v in schema.function_opset_versions if v <= opset]
    function.ParseFromString(schema.get_function_with_opset_version(max(versions, default=opset)))
    return function


def _type_proto(value: Value) -> onnx.TypeProto:
    dims = [dim if isinstance(dim, int) else None for dim in value.type.dims]
    return onnx.helper.make_tensor_type_proto(dtype_to_onnx(value.type.dtype), dims)


def _instantiated(
    function: onnx.FunctionProto, node: onnx.NodeProto, schema: onnx.defs.OpSchema
) -> list[onnx.NodeProto]:
    """The body with formal names replaced by actual ones, inner names made unique, and attribute
    references resolved (to the operator's default where the node gives no value)."""
    prefix = f"{next(filter(None, node.output), node.op_type)}."
    names = {"": ""}
    names.update({formal: "" for formal in function.input})
    names.update(zip(function.input, node.input, strict=False))
    outputs = dict(zip(function.output, node.output, strict=False))
    names.update({formal: actual for formal, actual in outputs.items() if actual})
    given = {attribute.name: attribute for attribute in node.attribute}
    defaults = {name: a.default_value for name, a in schema.attributes.items()}
    defaults = {name: a for name, a in defaults.items() if a.type != onnx.AttributeProto.UNDEFINED}
    given = defaults | {a.name: a for a in function.attribute_proto} | given
    return [_renamed(inner, names, prefix, given) for inner in function.node]


def _renamed(
    inner: onnx.NodeProto,
    names: dict[str, str],
    prefix: str,
    given: dict[str, onnx.AttributeProto],
) -> onnx.NodeProto:
    made = onnx.NodeProto(op_type=inner.op_type, domain=inner.domain, name=inner.name)
    made.input.extend(names.get(name, prefix + name) for name in inner.input)
    made.output.extend(names.get(name, prefix + name if name else "") for name in inner.output)
    for attribute in inner.attribute:
        if attribute.ref_attr_name:
            source = given.get(attribute.ref_attr_name)
            if source is None:
                continue
            made.attribute.add().CopyFrom(source)
            made.attribute[-1].name = attribute.name
        else:
            made.attribute.add().CopyFrom(attribute)
            if attribute.type == onnx.AttributeProto.GRAPH:
                _rename_graph(made.attribute[-1].g, names, prefix, given)
    return made


def _rename_graph(
    graph: onnx.GraphProto,
    names: dict[str, str],
    prefix: str,
    given: dict[str, onnx.AttributeProto],
) -> None:
    """Names that a subgraph defines are its own; the others follow the body's."""
    own = {info.name for info in (*graph.input, *graph.initializer)}
    own |= {name for node in graph.node for name in node.output}
    inner = {name: target for name, target in names.items() if name not in own}
    inner |= {name: name for name in own}
    nodes = [_renamed(node, inner, prefix, given) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
