"""ONNX: the reader, the writer, and the rules of both by family."""

from edgec.lowering.onnx.graphsurgeon import from_graphsurgeon, to_graphsurgeon
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.reader import read_onnx
from edgec.lowering.onnx.runner import OnnxRunner
from edgec.lowering.onnx.specialized import Specialized
from edgec.lowering.onnx.target import ONNX
from edgec.lowering.onnx.workarounds import loses_its_transpose
from edgec.lowering.onnx.writer import (
    DEFAULT_OPSET,
    WRITERS,
    Writer,
    check_writable,
    to_model,
    write_onnx,
)

__all__ = [
    "DEFAULT_OPSET",
    "ONNX",
    "READERS",
    "WRITERS",
    "Node",
    "OnnxRunner",
    "Specialized",
    "Writer",
    "check_writable",
    "from_graphsurgeon",
    "loses_its_transpose",
    "read_onnx",
    "to_graphsurgeon",
    "to_model",
    "write_onnx",
]
