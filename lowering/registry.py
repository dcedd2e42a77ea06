"""The targets that edgec comes with: importing this module registers them."""

from edgec.lowering.edgetpu.target import EDGETPU_TARGET
from edgec.lowering.ethosu.target import ETHOSU_TARGET
from edgec.lowering.onnx.target import ONNX
from edgec.lowering.openvino.target import OPENVINO_TARGET
from edgec.lowering.tensorrt.target import TENSORRT_TARGET
from edgec.lowering.tflite.target import TFLITE_TARGET
from edgec.lowering.tflite_micro.target import TFLITE_MICRO_TARGET

__all__ = [
    "EDGETPU_TARGET",
    "ETHOSU_TARGET",
    "ONNX",
    "OPENVINO_TARGET",
    "TENSORRT_TARGET",
    "TFLITE_MICRO_TARGET",
    "TFLITE_TARGET",
]
