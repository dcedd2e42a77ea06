"""The targets that edgec comes with: importing this module registers them."""

from edgec.lowering.onnx.target import ONNX

__all__ = ["ONNX"]
