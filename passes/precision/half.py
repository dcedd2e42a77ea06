"""16-bit floats where the numbers allow it, 32 bits where they would overflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgec.ir import Array, Constant, DType, Graph, Op, OpError, Rewriter, Value, dtypes
from edgec.ir.ops import (
    Cast,
    CumProd,
    CumSum,
    Dequantize,
    Dft,
    Exp,
    HardSigmoid,
    InstanceNorm,
    LayerNorm,
    LogSoftmax,
    LpNorm,
    LpPool,
    Lrn,
    MaxRoiPool,
    MelWeightMatrix,
    Nms,
    Pow,
    Quantize,
    Range,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
    Resize,
    RmsNorm,
    RoiAlign,
    Sigmoid,
    Softmax,
    Softsign,
    Stft,
    Tanh,
)
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.pattern import Miss
from edgec.passes.promise import Lossy, Promise

# Their operands are positions, sizes or parameters that 11 bits of mantissa do not hold.
_POSITIONS = (Dft, MaxRoiPool, MelWeightMatrix, Nms, Range, RoiAlign, Stft)
# Sums of many, powers and exponentials leave the range of float16 where operands and result do not.
_WIDE_INSIDE = (
    CumProd, CumSum, Exp, LogSoftmax, LpNorm, LpPool, Lrn, Pow, ReduceL1, ReduceL2, ReduceLogSum,
    ReduceLogSumExp, ReduceProd, ReduceSum, ReduceSumSquare,
)  # fmt: skip
# However large their operands are, their results are not.
_BOUNDED = (HardSigmoid, InstanceNorm, LayerNorm, RmsNorm, Sigmoid, Softmax, Softsign, Tanh)
_HEADROOM = 2.0  # other inputs than the calibration's may be larger
# Operands that stay as they are.
_PARAMETERS: Mapping[type[Op], tuple[str, ...]] = {Resize: ("scales", "roi")}


class _Half(Pass):
    """Turns float32 arithmetic into that of a 16-bit float."""

    dtype: ClassVar[DType]

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        narrow = _Narrowing(graph, self.dtype)
        for op in tuple(graph.ops):
            if not any(result.type.dtype is dtypes.f32 for result in op.results):
                continue
            reason = narrow.why_not(op)
            if reason is None and context.fuel.spend(self.name, op):
                reason = narrow.narrowed(op)
            if reason is None:
                context.statistics.applied[f"{op.op_name} in {self.dtype}"] += 1
            else:
                context.statistics.missed(self.name, Miss(reason, near=True), op)
        narrow.drop_idle_casts()


@dataclass(frozen=True)
class Fp16(_Half):
    """Compute in float16 what stays within its range; inputs and outputs keep their types.

    Ranges that ``calibrate`` recorded, and constants, tell what would overflow: those ops stay in
    float32, and so do sums, powers and exponentials, which overflow inside.
    """

    name = "fp16"
    promise: ClassVar[Promise] = Lossy("sqnr_db", 40.0)  # an error of 1e-2 of the signal
    dtype = dtypes.f16


@dataclass(frozen=True)
class Bf16(_Half):
    """Compute in bfloat16, which has the range of float32 and 8 bits of precision.

    Inputs and outputs keep their types.
    """

    name = "bf16"
    promise: ClassVar[Promise] = Lossy("sqnr_db", 20.0)
    dtype = dtypes.bf16


class _Narrowing:
    """The 16-bit twins of a graph's values, made as they are asked for."""

    def __init__(self, graph: Graph, dtype: DType) -> None:
        self.graph = graph
        self.dtype = dtype
        self.twins: dict[Value, Value] = {}
        self.widened: list[Op] = []
        self.wide: set[Value | None] = set()  # may lie beyond float16, for all that is known

    def why_not(self, op: Op) -> str | None:
        """Why this op stays in float32, None when it need not."""
        if op.regions:
            return "control flow keeps the types of what its branches read"
        if isinstance(op, (Cast, Quantize, Dequantize)):
            return "it converts between types already"
        if isinstance(op, _POSITIONS):
            return f"{self.dtype} does not tell neighbouring positions apart"
        if self.dtype is not dtypes.f16:
            return None
        if isinstance(op, _WIDE_INSIDE):
            self.wide.update(op.results)
            return "its intermediate sums leave the range of float16"
        known = all(result.range is not None for result in op.results)
        if not known and not isinstance(op, _BOUNDED) and self.wide.intersection(op.operands):
            self.wide.update(op.results)
            return "it reads an exponential or a sum whose range is not known: calibrate first"
        return next(filter(None, map(_overflow, (*op.present_operands, *op.results))), None)

    def narrowed(self, op: Op) -> str | None:
        """Let a 16-bit copy take the op's place; the reason when the op does not take that type."""
        rw = Rewriter(self.graph).at(op)
        fixed = _PARAMETERS.get(type(op), ())
        operands = [
            value if value is None or op.operand_name(index) in fixed else self._narrow(value, rw)
            for index, value in enumerate(op.operands)
        ]
        try:
            types = [made.type.dtype for made in op.copy(operands=operands).results]
            made = op.copy(
                operands=operands,
                types=[r.type.with_dtype(t) for r, t in zip(op.results, types, strict=True)],
            )
            made.check()
        except OpError as error:
            return f"it has no form in {self.dtype}: {error}"
        rw.add(made)
        rw.replace(op, *[self._wide(old, new, rw) for old, new in _pairs(op, made)])
        return None

    def _narrow(self, value: Value, rw: Rewriter) -> Value:
        if value.type.dtype is not dtypes.f32:
            return value
        found = self.twins.get(value)
        if found is None:
            if isinstance(value, Constant):
                found = Constant(_rounded(value.array, self.dtype), hint=value.hint)
            else:
                found = self._cast_after(value)
                found.range = value.range
            self.twins[value] = found
        return found

    def _cast_after(self, value: Value) -> Value:
        """A cast right behind its operand, so that it stands before every reader."""
        after = self.graph.first if value.producer is None else value.producer.next
        assert after is not None, "every graph ends with a return"
        return Rewriter(self.graph).add(Cast(value, to=self.dtype), before=after).result

    def _wide(self, old: Value, new: Value, rw: Rewriter) -> Value:
        """What readers in float32 see: it dies when there are none. The name is the result's."""
        new.hint, new.range = old.hint, old.range
        if new.type.dtype is old.type.dtype:
            return new
        cast = rw.add(Cast(new, to=dtypes.f32))
        self.widened.append(cast)
        self.twins[cast.result] = new
        return cast.result

    def drop_idle_casts(self) -> None:
        rw = Rewriter(self.graph)
        for cast in self.widened:
            if not cast.result.is_used:
                rw.erase(cast)


def _pairs(old: Op, new: Op) -> Sequence[tuple[Value, Value]]:
    return list(zip(old.results, new.results, strict=True))


def _rounded(array: Array, dtype: DType) -> Array:
    return array.astype(dtype.numpy)


def _overflow(value: Value) -> str | None:
    """Why a value does not fit float16, None when it does or nothing is known of it."""
    if value.type.dtype is not dtypes.f32:
        return None
    largest = float(np.finfo(np.float16).max)
    if isinstance(value, Constant):
        return _constant_overflow(value, largest)
    if value.range is None:
        return None
    reached = max(abs(value.range.low), abs(value.range.high))
    if reached * _HEADROOM <= largest:
        return None
    return f"%{value.hint} reaches {reached:.3g}, and float16 ends at {largest:g}"


def _constant_overflow(value: Constant, largest: float) -> str | None:
    magnitude = np.abs(value.array[np.isfinite(value.array)])
    if not magnitude.size:
        return None
    if magnitude.max() > largest:
        return f"a constant is {magnitude.max():.3g}, and float16 ends at {largest:g}"
    vanishes = (magnitude != 0) & (magnitude.astype(np.float16) == 0)
    if vanishes.any() and magnitude.size <= 8:  # a guard against division by zero, say
        return f"a constant of {magnitude[vanishes].min():.3g} is 0 in float16"
    return None
