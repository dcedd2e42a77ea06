"""The targets that edgec comes with: importing this module registers them."""

from edgec.lowering.onnx.target import ONNX
from edgec.lowering.openvino.target import OPENVINO_TARGET

__all__ = ["ONNX", "OPENVINO_TARGET"]
