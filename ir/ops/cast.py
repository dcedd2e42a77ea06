"""Changing the element type."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.contents import Contents, contents
from edgec.ir.dtypes import DType
from edgec.ir.op import Op, OpError, Types, attr
from edgec.ir.ops.ratios import Ratio, Ratios, each, fitting, ratios, ratios_of_ints
from edgec.ir.ops.unary import ANY_FAMILY, Unary
from edgec.ir.sampling import NUMERIC, SIGNED, Sampler
from edgec.ir.traits import Elementwise

ROUND_MODES = ("up", "down", "nearest")


class Cast(Unary, name="math.cast", traits=(Elementwise,)):
    """y = x as another element type: floats to ints truncate, ints to narrower ints wrap.

    With ``saturate`` what is out of range of an 8-bit float becomes its largest value.
    ``round_mode`` says how f8e8m0 (powers of two) rounds: up, down, or nearest (halves up).
    """

    accepts = ANY_FAMILY
    sampled = (*NUMERIC, dtypes.boolean)

    to: DType = attr()
    saturate: bool = attr(default=True)
    round_mode: str = attr(default="up")

    def infer(self) -> Types:
        return (self.x.type.with_dtype(self.to),)

    def check(self) -> None:
        if self.x.type.quant is not None:
            raise OpError(f"{self.x.type} is quantized: dequantize it instead")
        if self.round_mode not in ROUND_MODES:
            raise OpError(f"round_mode is one of {ROUND_MODES}, found {self.round_mode!r}")

    def contents(self, index: int) -> Contents | None:
        source = self.x.type.dtype
        if self.to.family == "bool":
            return each(lambda x: int(x != 0) if isinstance(x, int) else None, contents(self.x))
        found = each(Ratio.truncated, ratios(self.x)) if source.is_float else contents(self.x)
        return fitting(found, self.to)

    def ratios(self, depth: int) -> Ratios | None:
        source = self.x.type.dtype
        if self.to not in (dtypes.f32, dtypes.f64):
            return None
        return ratios(self.x, depth) if source.is_float else ratios_of_ints(self.x)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        x = cls.sampled_x(draw)
        small = (dtypes.bf16, dtypes.f8e4m3fn, dtypes.f8e5m2)
        signed = (dtypes.i4,) if x.type.dtype.is_signed else ()
        targets = (*SIGNED, dtypes.boolean, *small, *signed)
        return cls(x, to=draw.choice(targets), saturate=draw.chance(0.7))


class Bitcast(Unary, name="math.bitcast", traits=(Elementwise,)):
    """y = the bits of x read as another element type of the same width"""

    accepts = ANY_FAMILY
    sampled = (dtypes.f32, dtypes.i32, dtypes.u32)

    to: DType = attr()

    def infer(self) -> Types:
        if self.to.bits != self.x.type.dtype.bits:
            raise OpError(f"{self.to.name} has another width than {self.x.type.dtype.name}")
        return (self.x.type.with_dtype(self.to),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(cls.sampled_x(draw), to=draw.choice(cls.sampled))
