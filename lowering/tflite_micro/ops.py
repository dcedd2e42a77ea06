"""The operators that TensorFlow Lite for Microcontrollers has, and how each is registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from edgec.ir import Finding, Graph
from edgec.lowering.survey import layer_of
from edgec.lowering.tflite.devices import open_inputs
from edgec.lowering.tflite.tensors import Subgraph
from edgec.lowering.tflite.writer import Writer

# Names whose words are not simply joined (micro_mutable_op_resolver.h).
_SPELLED = {
    "AVERAGE_POOL_2D": "AveragePool2D",
    "BATCH_MATMUL": "BatchMatMul",
    "CONV_2D": "Conv2D",
    "CUMSUM": "CumSum",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "MAX_POOL_2D": "MaxPool2D",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
_KNOWN = (
    "ABS", "ADD", "ARG_MAX", "ARG_MIN", "AVERAGE_POOL_2D", "BATCH_MATMUL", "BROADCAST_TO", "CAST",
    "CEIL", "CONCATENATION", "CONV_2D", "COS", "CUMSUM", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE",
    "DEQUANTIZE", "DIV", "DYNAMIC_UPDATE_SLICE", "ELU", "EQUAL", "EXP", "FILL", "FLOOR",
    "FLOOR_DIV", "FLOOR_MOD",
    "FULLY_CONNECTED", "GATHER", "GATHER_ND", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "IF",
    "LEAKY_RELU", "LESS", "LESS_EQUAL", "LOG", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR",
    "LOGISTIC", "LOG_SOFTMAX", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL",
    "NEG", "NOT_EQUAL", "PACK", "PAD", "PADV2", "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN",
    "RELU", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2",
    "ROUND", "RSQRT", "SELECT_V2", "SHAPE", "SIN", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT",
    "SPLIT_V", "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TANH",
    "TRANSPOSE", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNPACK", "WHILE",
)  # fmt: skip


def _method(builtin: str) -> str:
    joined = "".join(word.capitalize() for word in builtin.split("_"))
    return f"Add{_SPELLED.get(builtin, joined)}"


METHODS: Mapping[str, str] = MappingProxyType({name: _method(name) for name in _KNOWN})


def registrations(main: Subgraph) -> Sequence[str]:
    """The methods of MicroMutableOpResolver to call, each once, by name.

    Raises KeyError for an operator that it does not have; ``refused`` says so first.
    """
    used = {operator.builtin for each in main.nested for operator in each.operators}
    return sorted({METHODS[builtin] for builtin in used})


def refused(graph: Graph) -> list[Finding]:
    """Open dims, what no builtin says, and builtins that are not there on microcontrollers."""
    found = open_inputs(graph)
    if found:
        return found
    writer = Writer()
    main = writer.write(graph)
    if writer.findings:
        return writer.findings
    return [
        Finding(
            f"TensorFlow Lite for Microcontrollers has no {operator.builtin}",
            f"{operator.builtin} from {layer_of(operator.source, operator.results[0].name)}",
            "another op in its place, or leave it to the program around the model",
        )
        for each in main.nested
        for operator in each.operators
        if operator.builtin not in METHODS
    ]
