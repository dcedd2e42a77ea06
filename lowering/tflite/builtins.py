"""TensorFlow Lite's builtin operators that are written here: facts about each.

``types`` are the element types that the kernels of LiteRT compute on without quantization, checked
against its interpreter by the generated tests; ``rank`` is the highest rank of its operands.
``since`` lists the release of TensorFlow that brought each version, first version first (LiteRT,
tflite/converter/tools/versioning/runtime_version.cc). ``newer`` gives the version that the element
type of the first operand asks for; further rules are in ``versions.py``. The last version of
DEQUANTIZE, for 4 bits, is on no such list: TensorFlow 2.19 is the oldest seen to run it. Of
DEPTH_TO_SPACE and TILE the first version moves 8-bit integers, too, and it is the only one that the
reference kernels know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.ir import DType, dtypes

f32, i8, i16, i32, i64 = dtypes.f32, dtypes.i8, dtypes.i16, dtypes.i32, dtypes.i64
u8, u32, boolean = dtypes.u8, dtypes.u32, dtypes.boolean
FLOAT = (f32,)
ARITHMETIC = (f32, i32, i64)
PLAIN = (f32, i32, i64, boolean, i8, u8)  # moved, not computed on
EVERYTHING = (*PLAIN, i16)
INT8 = {i8: 2}
ANY_RANK = 8


@dataclass(frozen=True)
class Builtin:
    """Facts about one builtin operator; see the module's first paragraph."""

    options: str | None
    types: tuple[DType, ...]
    since: str
    rank: int = ANY_RANK
    newer: Mapping[DType, int] = field(default_factory=dict)


BUILTINS: Mapping[str, Builtin] = {
    "ABS": Builtin("AbsOptions", (f32, i32), "1.13 2.4 2.5 2.6 2.12", newer={i8: 2, u8: 2, i32: 5}),
    "ADD": Builtin("AddOptions", ARITHMETIC, "1.5 1.14 2.4 2.6", 6, {i8: 2, i64: 4}),
    "ARG_MAX": Builtin("ArgMaxOptions", (f32, i32, i8, u8), "1.9 1.14 2.9", newer=INT8),
    "ARG_MIN": Builtin("ArgMinOptions", (f32, i32, i8, u8), "1.9 1.14 2.9", newer=INT8),
    "ATAN2": Builtin("ATan2Options", FLOAT, "2.10"),
    "AVERAGE_POOL_2D": Builtin("Pool2DOptions", FLOAT, "1.5 1.14 2.3", 4, INT8),
    "BATCH_MATMUL": Builtin("BatchMatMulOptions", FLOAT, "2.3 2.3 2.4 2.5", 5, INT8),
    "BITCAST": Builtin("BitcastOptions", (f32, i32, u32), "2.13"),
    "BITWISE_XOR": Builtin("BitwiseXorOptions", (i8, i16, i32, u8, dtypes.u16, u32), "2.13", 4),
    "BROADCAST_TO": Builtin("BroadcastToOptions", (f32, i32, i64, boolean), "2.5 2.5 2.5",
                            newer={i8: 3}),
    "CAST": Builtin("CastOptions", (f32, dtypes.f16, i32, i64, boolean, i8, u8, i16, u32),
                    "1.5 2.7 2.8 2.9 2.12 2.15"),
    "CEIL": Builtin(None, FLOAT, "1.14"),
    "CONCATENATION": Builtin("ConcatenationOptions", EVERYTHING, "1.5 1.14 2.3", 8,
                             {i8: 2, i16: 3}),
    "CONV_2D": Builtin("Conv2DOptions", FLOAT, "1.5 1.14 1.14 2.3 2.4 2.9", 4),
    "CONV_3D": Builtin("Conv3DOptions", FLOAT, "2.5", 5),
    "CONV_3D_TRANSPOSE": Builtin("Conv3DOptions", FLOAT, "2.6", 5),
    "COS": Builtin("CosOptions", FLOAT, "1.14"),
    "CUMSUM": Builtin("CumsumOptions", (f32, i32, i64), "2.4"),
    "DEPTHWISE_CONV_2D": Builtin("DepthwiseConv2DOptions", FLOAT, "1.5 1.12 1.14 2.2 2.3 2.3", 4),
    "DEPTH_TO_SPACE": Builtin("DepthToSpaceOptions", (f32, i32, i64, i8, u8), "2.1 2.5", 4),
    "DEQUANTIZE": Builtin("DequantizeOptions", (dtypes.f16, i8, u8, dtypes.i4),
                          "1.13 1.14 1.15 2.2 2.7 2.19", newer={i8: 2, i16: 3, dtypes.f16: 3}),
    "DIV": Builtin("DivOptions", (f32, i32), "1.6 2.3", 5),
    "DYNAMIC_UPDATE_SLICE": Builtin(None, (f32, i32, i64, boolean, i8), "2.9"),
    "ELU": Builtin(None, FLOAT, "1.14"),
    "EQUAL": Builtin("EqualOptions", (f32, i32, i64, boolean), "1.14 1.14 2.3", 4, INT8),
    "EXP": Builtin("ExpOptions", FLOAT, "1.7 2.12", newer=INT8),
    "FILL": Builtin("FillOptions", (i32, i64), "1.13 2.3 2.5"),
    "FLOOR": Builtin(None, FLOAT, "1.9"),
    "FLOOR_DIV": Builtin("FloorDivOptions", (f32, i32), "1.14 1.14", 4, {f32: 2}),
    "FLOOR_MOD": Builtin("FloorModOptions", (f32, i32, i64), "1.13", 4),
    "FULLY_CONNECTED": Builtin("FullyConnectedOptions", FLOAT,
                               "1.5 1.10 1.14 1.14 2.0 2.1 2.3 2.3 2.3 2.11 2.15 2.17"),
    "GATHER": Builtin("GatherOptions", EVERYTHING, "1.6 1.14 1.15 2.4 2.5", 8,
                      {i8: 2, boolean: 3, i16: 4}),
    "GATHER_ND": Builtin("GatherNdOptions", (f32, i32, i64, i8, u8, i16), "1.14 2.3 2.5", 5,
                         {i16: 3}),
    "GELU": Builtin("GeluOptions", FLOAT, "2.9 2.9", newer=INT8),
    "GREATER": Builtin("GreaterOptions", (f32, i32, i64), "1.14 1.14", 4, INT8),
    "GREATER_EQUAL": Builtin("GreaterEqualOptions", (f32, i32, i64), "1.14 1.14", 4, INT8),
    "HARD_SWISH": Builtin("HardSwishOptions", FLOAT, "1.15"),
    "IF": Builtin("IfOptions", EVERYTHING, "1.15"),
    "LEAKY_RELU": Builtin("LeakyReluOptions", FLOAT, "1.13"),
    "LESS": Builtin("LessOptions", (f32, i32, i64), "1.14 1.14", 4, INT8),
    "LESS_EQUAL": Builtin("LessEqualOptions", (f32, i32, i64), "1.14 1.14", 4, INT8),
    "LOCAL_RESPONSE_NORMALIZATION": Builtin("LocalResponseNormalizationOptions", FLOAT, "1.5", 4),
    "LOG": Builtin(None, FLOAT, "1.14"),
    "LOGICAL_AND": Builtin("LogicalAndOptions", (boolean,), "1.11", 4),
    "LOGICAL_NOT": Builtin("LogicalNotOptions", (boolean,), "1.11"),
    "LOGICAL_OR": Builtin("LogicalOrOptions", (boolean,), "1.11", 4),
    "LOGISTIC": Builtin(None, FLOAT, "1.14 1.14", newer=INT8),
    "LOG_SOFTMAX": Builtin("LogSoftmaxOptions", FLOAT, "1.14 1.14", 4, INT8),
    "MAXIMUM": Builtin("MaximumMinimumOptions", (f32, i32, i64, i8, u8), "1.14 1.14 2.3", 5, INT8),
    "MAX_POOL_2D": Builtin("Pool2DOptions", FLOAT, "1.5 1.14 2.3", 4, INT8),
    "MEAN": Builtin("ReducerOptions", FLOAT, "1.6 1.14", newer=INT8),
    "MINIMUM": Builtin("MaximumMinimumOptions", (f32, i32, i64, i8, u8), "1.14 1.14 2.3", 5, INT8),
    "MIRROR_PAD": Builtin("MirrorPadOptions", (f32, i32, i64, i8, u8), "1.13 2.3", newer=INT8),
    "MUL": Builtin("MulOptions", ARITHMETIC, "1.5 1.14 1.15 2.3 2.6", 6, {i8: 2, i64: 5}),
    "NEG": Builtin("NegOptions", ARITHMETIC, "1.9"),
    "NON_MAX_SUPPRESSION_V4": Builtin("NonMaxSuppressionV4Options", FLOAT, "2.1"),
    "NOT_EQUAL": Builtin("NotEqualOptions", (f32, i32, i64, boolean), "1.14 1.14 2.3", 4, INT8),
    "ONE_HOT": Builtin("OneHotOptions", (i32, i64), "1.11"),
    "PACK": Builtin("PackOptions", PLAIN, "1.11 1.14", newer=INT8),
    "PAD": Builtin("PadOptions", (f32, i32, i64, u8), "1.5 1.14 2.4 2.6", 5, INT8),
    "PADV2": Builtin("PadV2Options", (f32, i32, i64, u8), "1.9 1.14 2.4 2.6", 5, INT8),
    "POW": Builtin("PowOptions", (f32, i32), "1.10", 4),
    "PRELU": Builtin(None, FLOAT, "1.8", 4),
    "QUANTIZE": Builtin("QuantizeOptions", FLOAT, "1.14 1.15 2.7"),
    "RANGE": Builtin("RangeOptions", (f32, i32, i64), "1.13 2.14", newer={i64: 2}),
    "REDUCE_ALL": Builtin("ReducerOptions", (boolean,), "2.6"),
    "REDUCE_ANY": Builtin("ReducerOptions", (boolean,), "1.11"),
    "REDUCE_MAX": Builtin("ReducerOptions", (f32, i32, i64, u8), "1.11 1.14", newer=INT8),
    "REDUCE_MIN": Builtin("ReducerOptions", (f32, i32, i64, u8), "1.11 1.14", newer=INT8),
    "REDUCE_PROD": Builtin("ReducerOptions", ARITHMETIC, "1.11 2.6", newer=INT8),
    "RELU": Builtin(None, FLOAT, "1.5 2.1", newer={i8: 2, u8: 2}),
    "RELU6": Builtin(None, FLOAT, "1.5 1.14", newer=INT8),
    "RELU_0_TO_1": Builtin(None, FLOAT, "2.10"),
    "RELU_N1_TO_1": Builtin(None, FLOAT, "1.5"),
    "RESHAPE": Builtin("ReshapeOptions", (*EVERYTHING, u32, dtypes.u16, dtypes.u64), "1.5"),
    "RESIZE_BILINEAR": Builtin("ResizeBilinearOptions", FLOAT, "1.7 1.14 2.2", 4),
    "RESIZE_NEAREST_NEIGHBOR": Builtin("ResizeNearestNeighborOptions", (f32, i8, u8),
                                       "1.13.1 1.14 2.3", 4),
    "REVERSE_SEQUENCE": Builtin("ReverseSequenceOptions", (f32, i32, i64, u8), "1.14"),
    "REVERSE_V2": Builtin("ReverseV2Options", (f32, i32, i64, u8, boolean), "1.14 2.2 2.5",
                          newer={boolean: 2, i8: 3}),
    "RIGHT_SHIFT": Builtin("RightShiftOptions", (i8, i16, i32, u8, dtypes.u16, u32), "2.13", 4),
    "ROUND": Builtin(None, FLOAT, "1.14"),
    "RSQRT": Builtin(None, FLOAT, "1.10 2.5", newer=INT8),
    "SCATTER_ND": Builtin("ScatterNdOptions", (f32, i32, i64, i8, u8), "2.1"),
    "SELECT_V2": Builtin("SelectV2Options", (boolean,), "2.2", 5),
    "SHAPE": Builtin("ShapeOptions", EVERYTHING, "1.10"),
    "SIGN": Builtin("SignOptions", (f32, i32), "2.11 2.12", newer={i32: 2}),
    "SIN": Builtin(None, FLOAT, "1.9"),
    "SLICE": Builtin("SliceOptions", EVERYTHING, "1.14 1.14 1.14 2.4 2.5", 5, {i8: 2, i16: 4}),
    "SOFTMAX": Builtin("SoftmaxOptions", FLOAT, "1.5 1.14", 4, INT8),
    "SPACE_TO_DEPTH": Builtin("SpaceToDepthOptions", (f32, i32, i64, i8, u8), "1.5 1.14", 4, INT8),
    "SPLIT": Builtin("SplitOptions", (f32, i32, i8, u8, i16), "1.5 1.14 1.14 2.3",
                     newer={i8: 2, i32: 3, i16: 4}),
    "SPLIT_V": Builtin("SplitVOptions", (f32, i32, i64, i8, u8, i16), "1.13.1 2.3", newer=INT8),
    "SQRT": Builtin(None, FLOAT, "1.10"),
    "SQUARE": Builtin("SquareOptions", FLOAT, "1.12"),
    "SQUARED_DIFFERENCE": Builtin("SquaredDifferenceOptions", (f32, i32), "1.13.1 2.5", 4, INT8),
    "STRIDED_SLICE": Builtin("StridedSliceOptions", EVERYTHING, "1.6 1.14 2.1 2.2", 5,
                             {i8: 2, boolean: 3}),
    "SUB": Builtin("SubOptions", ARITHMETIC, "1.6 1.14 2.3 2.4", 6, {i8: 2, i64: 4}),
    "SUM": Builtin("ReducerOptions", (f32, i32, i64), "1.10 1.15", newer=INT8),
    "TANH": Builtin(None, FLOAT, "1.14 1.14", newer=INT8),
    "TILE": Builtin("TileOptions", (f32, i32, i64, boolean, u8, i8), "1.10.1 2.2 2.8"),
    "TOPK_V2": Builtin("TopKV2Options", (f32, i32, i64, i8, u8), "1.7 1.14", newer=INT8),
    "TRANSPOSE": Builtin("TransposeOptions", EVERYTHING, "1.6 1.14 1.15 2.3 2.4 2.12", 6,
                         {i8: 2, boolean: 3, i16: 5}),
    "TRANSPOSE_CONV": Builtin("TransposeConvOptions", FLOAT, "1.9 2.2 2.3 2.13", 4),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Builtin("UnidirectionalSequenceLSTMOptions", FLOAT, "1.13.1"),
    "UNPACK": Builtin("UnpackOptions", PLAIN, "1.11 1.14 2.2", newer={i8: 2, u8: 2, boolean: 3}),
    "WHERE": Builtin("WhereOptions", (boolean,), "1.14"),
    "WHILE": Builtin("WhileOptions", EVERYTHING, "1.15"),
}  # fmt: skip


def runtime_of(builtin: str, version: int) -> tuple[int, ...]:
    """The release of TensorFlow that first ran this version: major, minor, patch."""
    listed = BUILTINS[builtin].since.split()
    numbers = [int(part) for part in listed[version - 1].split(".")]
    return (*numbers, *[0] * (3 - len(numbers)))
