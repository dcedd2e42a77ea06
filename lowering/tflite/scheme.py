"""What LiteRT does on integers: asymmetric i8 activations, symmetric i8 weights per channel, i32
biases (LiteRT 8-bit quantization specification). The grids of lookup tables are fixed there."""

from __future__ import annotations

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
)
from edgec.lowering.schemes import FIXED_GRIDS, roles, weights_are_constant


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


TFLITE_SCHEME = register_scheme(
    QuantScheme(
        name="tflite",
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
