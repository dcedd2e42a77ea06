"""Which operator set a model is read by."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import onnx.defs

from edgec.ir import Code, Error
from edgec.lowering.onnx.node import STANDARD_DOMAINS

MIN_OPSET = 6


def standard_opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators to read the model by. Models of a version before
    ``MIN_OPSET`` count as of that one where none of their operators changed until then.

    Raises:
        Error: there is none, or it is too old or too new.
    """
    versions = [e.version for e in model.opset_import if e.domain in STANDARD_DOMAINS]
    newest = onnx.defs.onnx_opset_version()
    if not versions and not model.opset_import:
        raise Error(Code.NO_MODEL, "the model imports no operator set")
    if not versions:
        return int(newest)  # every node is of another domain, and refused with its name
    version = int(max(versions))
    if MIN_OPSET <= version <= newest:
        return version
    if 0 < version < MIN_OPSET and all(_unchanged(node, version) for node in _nodes(model.graph)):
        return MIN_OPSET
    raise Error(
        Code.OPSET,
        f"the model uses operator set {version}; {MIN_OPSET} to {newest} can be read",
        instead="onnx.version_converter.convert_version, or export again",
    )


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of all that is nested in it."""
    pending = [graph]
    while pending:
        for node in pending.pop().node:
            yield node
            pending += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]


def _unchanged(node: onnx.NodeProto, version: int) -> bool:
    try:
        old, new = (onnx.defs.get_schema(node.op_type, opset, "") for opset in (version, MIN_OPSET))
    except (onnx.defs.SchemaError, TypeError):  # TypeError: a name that is no text
        return False
    return bool(old.since_version == new.since_version)
