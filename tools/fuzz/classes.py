"""Which ops random graphs are made of, and how rounding goes through them."""

from __future__ import annotations

from edgec.ir import Effect, Op, Refusal, Return, op_classes
from edgec.ir import ops as declared
from edgec.lowering.registry import ONNX

# What is drawn is also written as ONNX and read again.
CLASSES: tuple[type[Op], ...] = tuple(
    cls
    for cls in op_classes().values()
    if cls is not Return and not cls.has(Effect) and not isinstance(ONNX.rules.get(cls), Refusal)
)

# What networks are made of, and the passes look for: drawn more often than the rest.
COMMON: tuple[type[Op], ...] = (
    declared.Add, declared.AvgPool, declared.BatchNorm, declared.Cast, declared.Clip,
    declared.Concat, declared.Conv, declared.Div, declared.Expand, declared.Gather,
    declared.MatMul, declared.Mul, declared.Pad, declared.ReduceMean, declared.Relu,
    declared.Reshape, declared.Sigmoid, declared.Slice, declared.Softmax, declared.Split,
    declared.Sub, declared.Tile, declared.Transpose,
)  # fmt: skip

# A small change of an operand may change the result by a lot: rounding would decide the outcome.
JUMPS: tuple[type[Op], ...] = (
    declared.ArgMax, declared.ArgMin, declared.Ceil, declared.Compress, declared.DeformConv,
    declared.Equal, declared.Floor, declared.Greater, declared.GreaterEqual, declared.GridSample,
    declared.Hardmax, declared.If, declared.IsInf, declared.IsNan, declared.Less,
    declared.LessEqual, declared.Loop, declared.MaxPool, declared.MaxRoiPool, declared.Mod,
    declared.Bitcast, declared.Cast, declared.Nms, declared.NonZero, declared.Not, declared.OneHot,
    declared.Quantize, declared.Range, declared.Round,
    declared.RoiAlign, declared.Shrink, declared.Sign, declared.ThresholdedRelu, declared.TopK,
    declared.Unique,
)  # fmt: skip

# Results are copies of operands, or follow from them without rounding.
KEEPING: tuple[type[Op], ...] = (
    declared.Abs, declared.Ceil, declared.Clip, declared.Concat, declared.Floor, declared.Hardmax,
    declared.Maximum, declared.Minimum, declared.Neg, declared.Not, declared.Pad,
    declared.ReduceMax, declared.ReduceMin, declared.Relu, declared.Round,
    declared.ScatterElements, declared.Sign, declared.Trilu, declared.Where,
)  # fmt: skip
