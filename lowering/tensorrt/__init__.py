"""TensorRT: networks built from graphs, the rules by family, engines, the runner on a GPU."""

from edgec.lowering.tensorrt.build import Settings, build_engine, to_network, write_engine
from edgec.lowering.tensorrt.inspector import EngineLayer, float_products, parse_layers
from edgec.lowering.tensorrt.layers import Network
from edgec.lowering.tensorrt.limits import check_expressible
from edgec.lowering.tensorrt.package import write_package
from edgec.lowering.tensorrt.profiles import Bounds, parse_bounds
from edgec.lowering.tensorrt.readback import Readback
from edgec.lowering.tensorrt.runner import TensorrtRunner
from edgec.lowering.tensorrt.scheme import TENSORRT_SCHEME
from edgec.lowering.tensorrt.table import TENSORRT
from edgec.lowering.tensorrt.target import TENSORRT_TARGET

__all__ = [
    "TENSORRT",
    "TENSORRT_SCHEME",
    "TENSORRT_TARGET",
    "Bounds",
    "EngineLayer",
    "Network",
    "Readback",
    "Settings",
    "TensorrtRunner",
    "build_engine",
    "check_expressible",
    "float_products",
    "parse_bounds",
    "parse_layers",
    "to_network",
    "write_engine",
    "write_package",
]
