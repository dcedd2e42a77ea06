"""What ONNX Runtime does on integers: which ops between dequantize and quantize it turns into
integer operators of its own (version 1.32, seen in the optimized graphs that it saves)."""

from __future__ import annotations

from dataclasses import replace

from edgec.ir import Constant, QuantScheme, Refusal, Role, dtypes, register_scheme
from edgec.ir.ops import (
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    HardSigmoid,
    HardSwish,
    MatMul,
    Maximum,
    Minimum,
    Pad,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    Relu,
    Resize,
    Silu,
    Softmax,
    SpaceToDepth,
    Sub,
    Tanh,
    expressible,
)
from edgec.ir.ops.common import product
from edgec.lowering.schemes import FIXED_GRIDS, matmul, resize, roles, weights_are_constant

_FLOAT = Refusal("ONNX Runtime has no integer operator for it")
_SLOW = Refusal("ONNX Runtime is 6 to 13 times faster with it in floats")


def _conv(op: Conv) -> Role | Refusal:
    """A first layer with a large kernel is gathered three bytes at a time, which takes 700 of 1100
    us in a YOLOX: its kernel of 6 is one of 3 over blocks of 2 by 2 pixels. The blocks are made of
    floats: ONNX Runtime does not make them of integers between dequantize and quantize."""
    role = weights_are_constant(op)
    if not isinstance(op.w, Constant) or op.w.type.rank != 4 or op.layout != "nchw":
        return role
    step = op.window.strides[0]
    sizes = (*op.kernel, *op.pads, *op.x.type.dims[2:])
    blocks = all(isinstance(size, int) and size % step == 0 for size in sizes)
    plain = op.groups == 1 and op.auto_pad == "explicit" and set(op.window.dilations) == {1}
    large = op.kernel[0] >= 2 * step > 2 and set(op.window.strides) == {step}
    few = op.w.array.shape[1] <= 4 and op.x.producer is None
    return Role.EXPANDED if blocks and plain and large and few else role


def _conv_transpose(op: ConvTranspose) -> Role | Refusal:
    """As a pointwise convolution where windows tile the result: there is no integer operator."""
    tiles = (
        isinstance(op.w, Constant)
        and op.w.type.rank == 4
        and op.kernel[0] == op.kernel[1] > 1
        and op.window.strides == op.kernel
        and set(op.window.dilations) == {1}
    )
    plain = not (any(op.pads) or any(op.output_padding)) and op.groups == 1
    if tiles and plain and op.layout == "nchw":
        return Role.EXPANDED
    return Refusal("ONNX Runtime has no integer operator for overlapping windows")


def _matmul(op: MatMul) -> Role | Refusal:
    """A bias goes into the product of two matrices only (Gemm)."""
    role = matmul(op)
    if isinstance(op.b, Constant):
        if role is not Role.WEIGHTED or op.bias is None or op.a.type.rank == 2:
            return role
        rows = (product(op.a.type.dims[:-1]), op.a.type.dims[-1])
        flat = (rows[0], op.result.type.dims[-1])
        if op.a.type.rank < 3 or op.b.type.rank != 2:
            return Refusal("the bias is added to more than two dimensions")
        if expressible(op.a.type.dims, rows) and expressible(flat, op.result.type.dims):
            return Role.EXPANDED
        return Refusal("the rows of its matrices cannot be counted ahead of time")
    if op.bias is None and (op.transpose_a or op.transpose_b or op.alpha not in (0, 1)):
        return Role.EXPANDED
    return role


def _mean(op: ReduceMean) -> Role | Refusal:
    spatial = tuple(range(2, op.x.type.rank))
    if op.axes == spatial and len(spatial) == 2:
        return Role.RESCALED
    return Refusal("ONNX Runtime averages in integers over height and width only")


def _avg_pool(op: AvgPool) -> Role | Refusal:
    return Role.SAME if op.layout == "nchw" else _FLOAT


def _resize(op: Resize) -> Role | Refusal:
    if op.mode != "nearest":
        return Refusal("ONNX Runtime interpolates in floats")
    return resize(op)


ONNX_SCHEME = register_scheme(
    QuantScheme(
        name="onnx",
        activation=dtypes.u8,
        per_channel=frozenset({Conv, MatMul}),
        roles=roles(
            {
                Concat: Role.RESCALED,
                Conv: _conv,
                AvgPool: _avg_pool,
                ConvTranspose: _conv_transpose,
                HardSigmoid: Role.EXPANDED,
                HardSwish: Role.EXPANDED,
                MatMul: _matmul,
                Maximum: _FLOAT,
                Minimum: _FLOAT,
                Pad: _FLOAT,
                ReduceMax: _FLOAT,
                ReduceMean: _mean,
                ReduceMin: _FLOAT,
                Relu: Role.EXPANDED,
                Resize: _resize,
                Silu: Role.EXPANDED,
                Softmax: _SLOW,
                SpaceToDepth: _FLOAT,
                Sub: _FLOAT,
                Tanh: Role.EXPANDED,
            }
        ),
        fixed=FIXED_GRIDS,
        clamps=False,
        reinterprets=True,
        # 16 channels: 2.0 to 2.8 times faster than 200, 120, 116, 88, 72 or 58 are (AVX-512). Four
        # inputs: 240 us for the first layer of EfficientNet-Lite0, and 830 with three.
        depthwise_lanes=16,
        input_lanes=4,
        float_results=frozenset({MatMul}),
    )
)
# For readers that want signed activations; measured 4 to 10 times slower on x86.
ONNX_S8_SCHEME = register_scheme(replace(ONNX_SCHEME, name="onnx-s8", activation=dtypes.i8))
# For readers that take no integer bias.
ONNX_FLOAT_BIAS_SCHEME = register_scheme(replace(ONNX_SCHEME, name="onnx-float-bias", bias=None))
# For x86 without VNNI, whose 16-bit sums of two products saturate at full range.
ONNX_7_BIT_SCHEME = register_scheme(replace(ONNX_SCHEME, name="onnx-7bit", weight_limit=63))
