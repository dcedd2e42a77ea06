"""What a case asks for, from its model alone: plain tensors, or something beyond them."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import AttributeProto, TensorProto

from edgec.tools.conformance.cases import Case

PLAIN = "plain tensors"
NARROW = "8-bit floats, 4-bit and 2-bit numbers"
IMAGE_FILES = "image files"
# Refusing these is no failure; values are tensors of numbers, and an image file is no tensor.
BEYOND = ("sequences", "optional values", "text", "other domains", IMAGE_FILES)

_NARROW_TYPES = frozenset(
    code
    for name, code in TensorProto.DataType.items()
    if name.startswith(("FLOAT8", "FLOAT4", "INT4", "UINT4", "INT2", "UINT2"))
)
_TEXT_OPERATORS = ("StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch")


def scope(case: Case) -> str:
    """``PLAIN``, ``NARROW``, or one of ``BEYOND``."""
    graph = case.model.graph
    asked = set(map(_of_node, _nodes(graph))) | set(map(_of_value, _values(graph)))
    return next((name for name in (*BEYOND, NARROW) if name in asked), PLAIN)


def _of_node(node: onnx.NodeProto) -> str:
    if node.domain not in ("", "ai.onnx"):
        return "other domains"
    if node.op_type == "Optional":
        return "optional values"
    if "Sequence" in node.op_type and node.op_type != "ReverseSequence":
        return "sequences"
    if node.op_type == "ImageDecoder":
        return IMAGE_FILES
    types = {attribute.i for attribute in node.attribute if attribute.name == "to"}
    if TensorProto.STRING in types or node.op_type in _TEXT_OPERATORS:
        return "text"
    return NARROW if types & _NARROW_TYPES else PLAIN


def _of_value(info: onnx.ValueInfoProto) -> str:
    kind = info.type.WhichOneof("value")
    if kind == "optional_type":
        return "optional values"
    if kind == "sequence_type":
        return "sequences"
    if info.type.tensor_type.elem_type == TensorProto.STRING:
        return "text"
    return NARROW if info.type.tensor_type.elem_type in _NARROW_TYPES else PLAIN


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _nodes(attribute.g)


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from (*graph.input, *graph.output, *graph.value_info)
