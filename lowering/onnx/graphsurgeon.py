"""Graphs to and from onnx-graphsurgeon, for scripts that edit models with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgec.ir import Error, Graph, Kind
from edgec.lowering.onnx.reader import read_onnx
from edgec.lowering.onnx.writer import DEFAULT_OPSET, to_model

if TYPE_CHECKING:
    import onnx_graphsurgeon as gs


def from_graphsurgeon(graph: gs.Graph) -> Graph:
    """The graph of an onnx-graphsurgeon graph.

    Raises:
        Error: onnx-graphsurgeon is not installed, or the graph cannot be read.
    """
    surgeon = _module()
    return read_onnx(surgeon.export_onnx(graph))


def to_graphsurgeon(graph: Graph, *, opset: int = DEFAULT_OPSET) -> gs.Graph:
    """An onnx-graphsurgeon graph of ours, weights included.

    Raises:
        Error: onnx-graphsurgeon is not installed, or an op cannot be written as ONNX.
    """
    return _module().import_onnx(to_model(graph, opset=opset))


def _module() -> Any:
    try:
        import onnx_graphsurgeon as surgeon
    except ImportError as error:
        raise Error(
            Kind.RUNTIME_MISSING,
            "onnx_graphsurgeon is not installed",
            instead="pip install 'edgec[graphsurgeon]'",
        ) from error
    return surgeon
