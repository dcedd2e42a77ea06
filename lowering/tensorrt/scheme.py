"""What TensorRT does on integers: symmetric i8 between quantize and dequantize layers, a float
bias, and every elementwise activation fused behind a product (NVIDIA, "Working with Quantized
Types": quantize the inputs of products and of residual sums, leave the rest float)."""

from __future__ import annotations

from edgec.ir import QuantScheme, Refusal, Role, dtypes, register_scheme
from edgec.ir.ops import (
    AvgPool,
    Conv,
    ConvTranspose,
    LeakyRelu,
    MatMul,
    Maximum,
    Minimum,
    Mul,
    Pad,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    Relu,
    Sigmoid,
    Softmax,
    Sub,
    Tanh,
)
from edgec.ir.ops.fused import FUSED_ACTIVATIONS
from edgec.lowering.schemes import matmul, roles, weights_are_constant

_FLOAT = Refusal("TensorRT fuses it into its float neighbours")


def _conv_transpose(op: ConvTranspose) -> Role | Refusal:
    """In groups a deconvolution has no integer kernels."""
    if op.groups != 1:
        return Refusal("deconvolutions in groups stay float")
    return weights_are_constant(op)


TENSORRT_SCHEME = register_scheme(
    QuantScheme(
        name="tensorrt",
        activation=dtypes.i8,
        symmetric=True,
        bias=None,
        per_channel=frozenset({Conv, ConvTranspose, MatMul}),
        roles=roles(
            {
                ConvTranspose: _conv_transpose,
                MatMul: matmul,
                AvgPool: _FLOAT,
                LeakyRelu: _FLOAT,
                Maximum: _FLOAT,
                Minimum: _FLOAT,
                Mul: _FLOAT,
                Pad: _FLOAT,
                ReduceMax: _FLOAT,
                ReduceMean: _FLOAT,
                ReduceMin: _FLOAT,
                Relu: _FLOAT,
                Sigmoid: _FLOAT,
                Softmax: _FLOAT,
                Sub: _FLOAT,
                Tanh: _FLOAT,
            }
        ),
        absorbed=frozenset(FUSED_ACTIVATIONS) - {"none"},
    )
)
