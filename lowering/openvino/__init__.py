"""OpenVINO: the writer of its intermediate representation, the rules by family, the runner."""

from edgec.lowering.openvino.limits import check_expressible
from edgec.lowering.openvino.runner import OpenvinoRunner
from edgec.lowering.openvino.table import OPENVINO
from edgec.lowering.openvino.target import OPENVINO_TARGET
from edgec.lowering.openvino.writer import to_model, write_openvino

__all__ = [
    "OPENVINO",
    "OPENVINO_TARGET",
    "OpenvinoRunner",
    "check_expressible",
    "to_model",
    "write_openvino",
]
