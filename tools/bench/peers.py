"""The other graph optimizers that ours is measured against."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx

from edgec.tools import driver


def edgec_model(path: Path) -> onnx.ModelProto:
    """Ours: read, default pipeline, write; as a model in memory."""
    from edgec.lowering.onnx import to_model

    graph = driver.load(path)
    driver.optimize(graph)
    return to_model(graph)


def onnxsim_model(path: Path) -> onnx.ModelProto:
    import onnxsim

    with contextlib.redirect_stdout(io.StringIO()):
        model: onnx.ModelProto = onnxsim.simplify(onnx.load(path))[0]
    return model


def onnxslim_model(path: Path) -> onnx.ModelProto:
    import onnxslim

    with contextlib.redirect_stdout(io.StringIO()):
        model: onnx.ModelProto = onnxslim.slim(str(path))
    return model


def original_model(path: Path) -> onnx.ModelProto:
    return onnx.load(path)


OPTIMIZERS: Mapping[str, Callable[[Path], onnx.ModelProto]] = {
    "original": original_model,
    "onnxsim": onnxsim_model,
    "onnxslim": onnxslim_model,
    "edgec": edgec_model,
}


def node_count(graph: onnx.GraphProto) -> int:
    """Nodes as onnxruntime would load them: Constant nodes become initializers and do not count,
    those of subgraphs do."""
    inner: int = sum(
        node_count(attribute.g)
        for node in graph.node
        for attribute in node.attribute
        if attribute.type == onnx.AttributeProto.GRAPH
    )
    own: int = sum(node.op_type != "Constant" for node in graph.node)
    return inner + own
