"""Between real numbers and the small integers (or floats) that stand for them."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.dtypes import DType
from edgec.ir.op import Ints, Op, OpError, Types, attr, operand
from edgec.ir.ops.common import require_dim
from edgec.ir.sampling import Sampler
from edgec.ir.value import Value

INTEGERS = (
    dtypes.i8, dtypes.u8, dtypes.i16, dtypes.u16, dtypes.i4, dtypes.u4, dtypes.i2, dtypes.u2,
)  # fmt: skip
FLOATS8 = (dtypes.f8e4m3fn, dtypes.f8e4m3fnuz, dtypes.f8e5m2, dtypes.f8e5m2fnuz)
STORED = (*INTEGERS, *FLOATS8, dtypes.f4e2m1)


class Quantize(Op, name="quant.quantize"):
    """y = saturate(round(x / scale) + zero_point), halves to even (ONNX QuantizeLinear-25)

    ``scale`` and ``zero_point`` are a scalar (or one element), one per slice along ``axis``, or
    with ``block`` one per ``block`` slices of it and for each place on the other axes. The quotient
    is rounded to ``precision`` (the type of ``scale`` when None) before it is rounded to ``to``.
    8-bit floats out of range take their largest value unless not ``saturate``.
    """

    x: Value = operand()
    scale: Value = operand()
    zero_point: Value | None = operand(default=None)
    to: DType = attr(kw_only=True)
    axis: int = attr(default=1)
    block: int = attr(default=0)
    saturate: bool = attr(default=True)
    precision: DType | None = attr(default=None)

    def infer(self) -> Types:
        _require_parameters(self.x, self.scale, self.zero_point, self.axis, self.block)
        return (self.x.type.with_dtype(self.to),)

    def check(self) -> None:
        if self.to not in STORED:
            raise OpError(f"to is one of {STORED}, found {self.to}")
        if self.zero_point is not None and self.zero_point.type.dtype is not self.to:
            raise OpError(f"zero_point wants {self.to}, found {self.zero_point.type}")
        if not self.scale.type.dtype.is_float:
            raise OpError(f"scale wants floats, found {self.scale.type}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        to = draw.choice(STORED)
        dims, axis, block, parameters = _draw_granularity(draw)
        dtype = draw.choice((dtypes.f32, dtypes.f32, dtypes.f16))
        pointed = to in INTEGERS and draw.chance()
        return cls(
            draw.value(dtype, dims, low=-12, high=12),
            draw.value(dtype, parameters, low=0.05, high=1),
            draw.value(to, parameters, low=-5, high=5) if pointed else None,
            to=to,
            axis=axis,
            block=block,
            saturate=draw.chance() if to in FLOATS8 else True,
        )


class Dequantize(Op, name="quant.dequantize"):
    """y = (x - zero_point) * scale, rounded to ``to`` once (ONNX DequantizeLinear-25)

    ``scale`` and ``zero_point`` as for quantize.
    """

    x: Value = operand()
    scale: Value = operand()
    zero_point: Value | None = operand(default=None)
    axis: int = attr(default=1)
    block: int = attr(default=0)
    to: DType = attr(default=dtypes.f32)

    def infer(self) -> Types:
        _require_parameters(self.x, self.scale, self.zero_point, self.axis, self.block)
        return (self.x.type.with_dtype(self.to),)

    def check(self) -> None:
        stored = (*STORED, dtypes.i32)
        if self.x.type.dtype not in stored:
            raise OpError(f"x is of {stored}, found {self.x.type}")
        if self.zero_point is not None and self.zero_point.type.dtype is not self.x.type.dtype:
            raise OpError(f"zero_point wants {self.x.type.dtype}, found {self.zero_point.type}")
        if not (self.to.is_float and self.scale.type.dtype.is_float):
            raise OpError(f"scale and to want floats, found {self.scale.type} and {self.to}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        stored = draw.choice((*STORED, dtypes.i32))
        dims, axis, block, parameters = _draw_granularity(draw)
        dtype = draw.choice((dtypes.f32, dtypes.f32, dtypes.f16))
        pointed = stored in INTEGERS and draw.chance()
        return cls(
            draw.value(stored, dims, low=-100, high=100),
            draw.value(dtype, parameters, low=0.05, high=1),
            draw.value(stored, parameters, low=-5, high=5) if pointed else None,
            axis=axis,
            block=block,
            to=draw.choice((dtype, dtypes.f32, dtypes.f16)),
        )


def is_per_tensor(scale: Value) -> bool:
    """True when one scale holds for all elements."""
    return scale.type.rank == 0 or scale.type.dims == (1,)


def _require_parameters(
    x: Value, scale: Value, zero_point: Value | None, axis: int, block: int
) -> None:
    if zero_point is not None and not (is_per_tensor(scale) and is_per_tensor(zero_point)):
        if zero_point.type.rank != scale.type.rank:
            raise OpError(f"zero_point wants the dims of scale, found {zero_point.type}")
        for found, wanted in zip(zero_point.type.dims, scale.type.dims, strict=True):
            require_dim(found, wanted, "a dim of zero_point")
    if is_per_tensor(scale) and not block:
        return
    dims = x.type.dims
    if not 0 <= axis < len(dims):
        raise OpError(f"axis is one of x, counted from the front, found {axis} for {x.type}")
    if block < 0 or scale.type.rank != (len(dims) if block else 1):
        raise OpError(f"scale {scale.type} does not fit {x.type} with block {block}")
    if not block:
        require_dim(scale.type.dims[0], dims[axis], "the length of scale")
        return
    for i, (found, dim) in enumerate(zip(scale.type.dims, dims, strict=True)):
        wanted = -(-dim // block) if i == axis else dim
        require_dim(found, wanted, f"dim {i} of scale")


def _draw_granularity(draw: Sampler) -> tuple[Ints, int, int, Ints]:
    """Dims of x, axis, block, and dims of the scale."""
    dims = draw.shape(draw.integer(1, 4), 1, 6)
    kind = draw.choice(("tensor", "axis", "block"))
    if kind == "tensor":
        return dims, 1, 0, draw.choice(((), (1,)))
    axis = draw.integer(0, len(dims) - 1)
    if kind == "axis":
        return dims, axis, 0, (dims[axis],)
    block = draw.integer(1, 3)
    return dims, axis, block, (*dims[:axis], -(-dims[axis] // block), *dims[axis + 1 :])
