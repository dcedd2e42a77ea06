"""TensorFlow Lite: the writer of its files, the rules by family, the runner."""

from edgec.lowering.tflite.files import check_expressible, to_bytes, to_file, write_tflite
from edgec.lowering.tflite.metadata import said_of
from edgec.lowering.tflite.runner import TfliteRunner
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.target import TFLITE_TARGET

__all__ = [
    "TFLITE",
    "TFLITE_TARGET",
    "TfliteRunner",
    "check_expressible",
    "said_of",
    "to_bytes",
    "to_file",
    "write_tflite",
]
