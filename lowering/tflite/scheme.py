"""What LiteRT does on integers: asymmetric i8 activations, symmetric i8 weights per channel, i32
biases (LiteRT 8-bit quantization specification). The grids of lookup tables are fixed there."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from edgec.ir import QuantScheme, Refusal, Role, dtypes, register_scheme
from edgec.ir.ops import (
    Clip,
    Conv,
    ConvTranspose,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LogSoftmax,
    MatMul,
    Silu,
    Softmax,
)
from edgec.lowering.schemes import FIXED_GRIDS, matmul, roles, weights_are_constant

LARGEST_SOFTMAX = 1 << 14  # elements: 0.25 ms on integers


def _conv(op: Conv) -> Role | Refusal:
    if op.x.type.rank > 4:
        return Refusal("CONV_3D computes on floats only")
    return weights_are_constant(op)


def _conv_transpose(op: ConvTranspose) -> Role | Refusal:
    if op.groups != 1 or any(step != 1 for step in op.dilation) or op.x.type.rank > 4:
        return Refusal("TRANSPOSE_CONV on integers takes images, one group and no dilation")
    return weights_are_constant(op)


def _elu(op: Elu) -> Role | Refusal:
    return Role.RESCALED if op.alpha == 1 else Refusal("ELU has an alpha of 1")


def _softmax(op: Softmax) -> Role | Refusal:
    count = op.x.type.elements()
    if count > LARGEST_SOFTMAX:
        return Refusal(
            "LiteRT's SOFTMAX on integers takes 15 ns an element, 10 times as long as on floats"
        )
    return Role.FIXED


def _matmul(op: MatMul) -> Role | Refusal:
    found = matmul(op)
    if found is not Role.RESCALED:
        return found
    return Refusal(
        "LiteRT multiplies two computed tensors of integers 20 times as slowly as floats, unless "
        "the right one has a zero point of 0"
    )


# For devices that compute on integers alone, where one operator with a table is the cheapest.
DEVICE_SCHEME = register_scheme(
    QuantScheme(
        name="tflite-micro",
        activation=dtypes.i8,
        bias=dtypes.i32,
        per_channel=frozenset({Conv, ConvTranspose, MatMul}),
        roles=roles(
            {
                Conv: _conv,
                ConvTranspose: _conv_transpose,
                Clip: Role.RESCALED,
                Elu: _elu,
                Gelu: Role.RESCALED,
                HardSwish: Role.RESCALED,
                HardSigmoid: Role.EXPANDED,
                Silu: Role.EXPANDED,
                LogSoftmax: Refusal("its results are read as floats"),
            }
        ),
        fixed=FIXED_GRIDS,
    )
)

# For processors, by what XNNPACK has: no HARD_SWISH of integers, where LiteRT's own alone takes 1.4
# times as long as all the rest of PP-OCR's detector. It becomes MUL, ADD with its grid as the
# clamp, MUL.
TFLITE_SCHEME = register_scheme(
    replace(
        DEVICE_SCHEME,
        name="tflite",
        roles=MappingProxyType(
            {**DEVICE_SCHEME.roles, HardSwish: Role.EXPANDED, MatMul: _matmul, Softmax: _softmax}
        ),
    )
)
