"""The fusions that other optimizers document, and what serves in their place here.

Each row names the rules (or passes) that do the same, or says why it serves no inference on our
targets. Sources: onnxruntime 1.23, "Graph Optimizations" and the transformers that it registers;
onnx/optimizer 0.4, whose passes onnxsim runs; onnxslim 0.1.98; TensorRT 10, "Layer Fusion Catalog".
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgec.passes import Pass, Pattern, PatternPass, pass_classes


@dataclass(frozen=True)
class Peer:
    """One fusion of another optimizer.

    Attributes:
        name: as its own documentation or source calls it.
        ours: names of rules or passes here, separated by spaces.
        why: what ours does instead, or why there is none.
    """

    name: str
    ours: str = ""
    why: str = ""


_KERNEL = "a kernel of that runtime alone: it finds the ops itself in what is written"
_READER = "ends in the reader"
_TRAINING = "a part of training"
_QUANT = "quantized models: see the quantization passes"
_SHAPES = "shape arithmetic is followed as dims, and folded"

_BATCH_NORM = "FuseBatchNormAfter FuseBatchNormBefore"
_CONV_ADD = "FuseAddAfter FuseSubAfter FuseSubFromAfter"
_CONV_MUL = "FuseMulAfter FuseDivAfter FuseNegAfter"
_LAYER_NORM = "LayerNormFromDiv LayerNormFromMul LayerNormFromAffine ScaleLayerNorm ShiftLayerNorm"
_PAD = "FusePadConv FusePadAvgPool FusePadMaxPool"
_SCALES = "FuseMatMulFactor MergeMatMulFactors ScaleBeforeMatMul ScaleBeforeMoves"
_ATTENTION = "GathersOfUnits SplitOfUnits TransposeIntoMatMul SoftmaxOfDifference " + _SCALES
_ATTENTION_WHY = "no op of its own: brought to one form, see above"
_TRANSPOSES = (
    "layout MergeTransposes CancelAroundElementwise TransposeAfterElementwise TransposeAfterConcat "
    "TransposeBeforeReshape MergeTransposesAroundReshape ReduceOfTranspose FuseFlattenedTranspose"
)

ONNXRUNTIME = (
    Peer("Constant folding", "fold"),
    Peer("Identity, dropout elimination", why=_READER),
    Peer("Slice elimination", "DropSlice MergeSlices"),
    Peer("Unsqueeze elimination", "MergeReshapes DropReshape fold"),
    Peer("Expand elimination", "DropExpand MergeExpands DropExpandOfOperand"),
    Peer("Cast, cast chain elimination", "DropCast MergeCasts"),
    Peer("No-op elimination", "DropNeutralOperand"),
    Peer("Pre-shape node elimination", why=_SHAPES),
    Peer("Div mul fusion", "QuotientFromReciprocal MergeDivMul"),
    Peer("Relu clip fusion", "MergeClips"),
    Peer("Gemm sum fusion", "FuseMatMulBias"),
    Peer("Gemm transpose, matmul transpose fusion", "TransposeIntoMatMul TransposeConstant"),
    Peer("Not where fusion", "WhereNot"),
    Peer("Conv add fusion", _CONV_ADD),
    Peer("Conv mul fusion", _CONV_MUL),
    Peer("Conv batch norm, matmul batch norm fusion", _BATCH_NORM),
    Peer("Pad fusion", _PAD),
    Peer("Label encoder fusion", why="no op of networks"),
    Peer("Constant sharing", "cse", "the writer stores equal constants once"),
    Peer("Common subexpression elimination", "cse"),
    Peer("Matmul add fusion", "FuseMatMulBias"),
    Peer("Reshape fusion", "ReshapeToKnownDims MergeReshapes"),
    Peer("Free dimension override", why="the option --input-shape"),
    Peer("Transpose optimizer", _TRANSPOSES),
    Peer("Clip quant, relu quant fusion; QDQ transformers", why=_QUANT),
    Peer("Dynamic quantize matmul, matmul integer to float, matmul n bits", why=_QUANT),
    Peer("Gemm activation, conv activation, matmul activation fusion", "CarryActivation"),
    Peer("Conv add activation fusion", why=_KERNEL),
    Peer("Gelu fusion", "GeluFromErf"),
    Peer("Fast gelu fusion", "GeluFromTanh"),
    Peer("Quick gelu fusion", "SiluFromScaledSigmoid"),
    Peer("Gelu approximation", why="changes numbers beyond rounding"),
    Peer("Bias gelu, bias softmax fusion", why=_KERNEL),
    Peer("Layer norm fusion", _LAYER_NORM),
    Peer("Simplified layer norm fusion", "RmsNormFromDiv RmsNormFromMul RmsNormFromScale"),
    Peer("Skip layer norm, embed layer norm fusion", why=_KERNEL),
    Peer("Attention, group query attention fusion", _ATTENTION, _ATTENTION_WHY),
    Peer("Matmul scale fusion", _SCALES),
    Peer("Gather slice to split fusion", "SlicesToSplit GathersOfUnits SplitOfUnits"),
    Peer("Gather to slice fusion", "GatherToSlice KeepGatheredDim"),
    Peer("Bias dropout, bitmask dropout, loss fusions", why=_TRAINING),
    Peer("NCHWc, NHWC layout", "layout", "blocked layouts are the runtime's own"),
)

ONNXSIM = (
    Peer("eliminate_nop_cast", "DropCast"),
    Peer("eliminate_nop_dropout, eliminate_identity, eliminate_nop_flatten", why=_READER),
    Peer("eliminate_nop_pad", "DropPad"),
    Peer("eliminate_nop_concat, eliminate_nop_split", "DropConcat DropSplit JoinParts"),
    Peer("eliminate_nop_expand", "DropExpand DropExpandOfOperand"),
    Peer("eliminate_nop_reshape", "DropReshape"),
    Peer("eliminate_nop_transpose", "DropTranspose TransposeToReshape"),
    Peer("eliminate_nop_monotone_argmax", "ArgOfSoftmax", "others may round to ties"),
    Peer("eliminate_nop_with_unit", "DropNeutralOperand"),
    Peer("eliminate_consecutive_idempotent_ops", "DropRepeated MergeReshapes"),
    Peer("eliminate_common_subexpression, eliminate_duplicate_initializer", "cse"),
    Peer("eliminate_deadend, eliminate_unused_initializer", "dce"),
    Peer("eliminate_if_with_const_cond", "InlineBranch"),
    Peer("eliminate_shape_op, _gather, _slice; eliminate_slice_after_shape", "fold", _SHAPES),
    Peer("extract_constant_to_initializer", why=_READER),
    Peer("fuse_add_bias_into_conv", _CONV_ADD),
    Peer("fuse_mul_into_conv", _CONV_MUL),
    Peer("fuse_bn_into_conv", _BATCH_NORM),
    Peer("fuse_attention, fuse_qkv", _ATTENTION, _ATTENTION_WHY),
    Peer("fuse_gelu", "GeluFromErf GeluFromTanh"),
    Peer("fuse_concat_into_reshape, fuse_concat_and_reshape", "ReshapeToKnownDims"),
    Peer("fuse_consecutive_concats", "FlattenConcat"),
    Peer("fuse_consecutive_log_softmax", "LogSoftmaxFromLog"),
    Peer("fuse_consecutive_reduce_unsqueeze", "KeepReducedDims KeepDimsFromReshape"),
    Peer("fuse_consecutive_slices", "MergeSlices"),
    Peer("fuse_consecutive_squeezes, _unsqueezes, _squeeze_unsqueeze", "MergeReshapes"),
    Peer("fuse_consecutive_transposes", "MergeTransposes"),
    Peer("fuse_matmul_add_bias_into_gemm", "FuseMatMulBias"),
    Peer("fuse_pad_into_conv, fuse_pad_into_pool", _PAD),
    Peer("fuse_transpose_into_gemm", "TransposeIntoMatMul"),
    Peer("replace_einsum_with_matmul", why="einsum is taken apart by the targets that lack it"),
    Peer("rewrite_where", "WhereNot"),
    Peer("adjust_add", "ConstantRight"),
    Peer("adjust_slice_and_matmul", why="changes the order only; no op less"),
)

ONNXSLIM = (
    Peer("ConvBatchNorm, ConvTransposeBatchNorm", _BATCH_NORM),
    Peer("ConvAdd, ConvTransposeAdd", _CONV_ADD),
    Peer("ConvMul, ConvTransposeMul", _CONV_MUL),
    Peer("PadConv", "FusePadConv"),
    Peer("MatMulAdd, GemmAdd", "FuseMatMulBias"),
    Peer("GemmMul", "FuseMulAfter FuseMatMulFactor"),
    Peer("Gelu", "GeluFromErf GeluFromTanh"),
    Peer("Reduce", "KeepReducedDims KeepDimsFromReshape"),
    Peer("ConcatReshape", "ReshapeToKnownDims"),
    Peer("Concat", "FlattenConcat"),
    Peer("Reshape, ReshapeAs, Unsqueeze", "DropReshape MergeReshapes"),
    Peer("Slice", "MergeSlices"),
    Peer("Transpose, TransposeAsReshape", "MergeTransposes TransposeToReshape"),
    Peer("TransposeViewTranspose", "MergeTransposesAroundReshape TransposeBeforeReshape"),
    Peer("Dead nodes, equal nodes, tied weights, folding", "dce cse fold"),
)

TENSORRT = (
    Peer("Convolution and ReLU, convolution and GELU", "CarryActivation"),
    Peer("Convolution and clip; activations after matrix products", "CarryActivation"),
    Peer("Scale and activation", why=_KERNEL),
    Peer("Convolution and elementwise sum", why=_KERNEL),
    Peer("Padding and convolution or deconvolution", "FusePadConv"),
    Peer("Shuffle and shuffle, shuffle without effect", "MergeReshapes MergeTransposes"),
    Peer("Shuffle and reduce", "ReduceOfTranspose KeepReducedDims"),
    Peer("Scale, scale and scale", "MergeMulMul MergeAddAdd MergeDivMul DropNeutralOperand"),
    Peer("Convolution and scale", f"{_BATCH_NORM} {_CONV_MUL} {_CONV_ADD}"),
    Peer("Convolution and generic activation", "CarryActivation"),
    Peer("Reduce", "GlobalAvgPool MeanFromMul MeanFromDiv MergeReductions"),
    Peer("Convolution and pooling", why=_KERNEL),
    Peer("Depthwise separable convolution", why=_KERNEL),
    Peer("Softmax and log", "LogSoftmaxFromLog"),
    Peer("Softmax and top-k", why=_KERNEL),
    Peer("GELU", "GeluFromErf GeluFromTanh"),
    Peer("L1 norm", "L1FromSum"),
    Peer("Sum of squares", "SumSquareFromSum"),
    Peer("L2 norm", "L2FromSumSquare L2FromPow"),
    Peer("Log of sum", "LogSumFromLog"),
    Peer("Log of sum of exponentials", "LogSumExpFromLog LogSumExpOfDifference"),
    Peer("Pointwise fusion", why=_KERNEL),
    Peer("Multi-head attention", _ATTENTION, _ATTENTION_WHY),
    Peer("Horizontal fusion of layers that read one value", why=_KERNEL),
    Peer("Removal of concatenation, of dead layers", "dce", "concats in place: memory planning"),
    Peer("Q/DQ fusion", why=_QUANT),
)

PEERS: Mapping[str, tuple[Peer, ...]] = {
    "onnxruntime (basic, extended, layout)": ONNXRUNTIME,
    "onnxsim": ONNXSIM,
    "onnxslim": ONNXSLIM,
    "TensorRT": TENSORRT,
}


RULE_PASSES = ("canonicalize", "fuse", "reduce-strength", "fuse-activation")


@dataclass(frozen=True)
class Theme:
    """The rules of one module: what its docstring says, and the reasons for which they leave a
    graph alone."""

    name: str
    summary: str
    rules: tuple[Pattern, ...]
    refusals: tuple[str, ...]


def themes(cls: type[Pass]) -> Iterator[Theme]:
    """The rules of a pass, by the modules in which they stand."""
    by_module: dict[str, list[Pattern]] = {}
    for rule in _rules(cls):
        by_module.setdefault(type(rule).__module__, []).append(rule)
    for name, rules in by_module.items():
        module = sys.modules[name]
        summary = (module.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
        refusals = tuple(dict.fromkeys(_reasons(ast.parse(inspect.getsource(module)))))
        yield Theme(name.rpartition(".")[2].replace("_", " "), summary, tuple(rules), refusals)


def escaped(text: str) -> str:
    """Text as it stands in a cell of a table."""
    return text.replace("|", "\\|")


def rule_names() -> Iterator[str]:
    """Every rule of every pass, and the passes themselves."""
    for name, cls in pass_classes().items():
        yield name
        yield from (rule.name for rule in _rules(cls))


def _rules(cls: type[Pass]) -> Sequence[Pattern]:
    return cls().patterns() if issubclass(cls, PatternPass) else ()


def _reasons(module: ast.Module) -> Iterator[str]:
    """The sentences that the functions of a module return; an ellipsis for what is filled in."""
    named: dict[str, ast.expr] = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            named[statement.targets[0].id] = statement.value
    for found in ast.walk(module):
        if isinstance(found, ast.Return) and found.value is not None:
            yield from (text for text in _texts(found.value, named) if " " in text)


def _texts(node: ast.expr, named: Mapping[str, ast.expr]) -> Iterator[str]:
    if isinstance(node, ast.Name) and node.id in named:
        yield from _texts(named[node.id], {})
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, named)
        yield from _texts(node.orelse, named)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values)
