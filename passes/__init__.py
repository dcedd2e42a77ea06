"""Passes: what they are, how they are run, and the ones that there are."""

from edgec.passes.analysis import (
    COMPUTE,
    MEMORY,
    START,
    Estimate,
    MemoryReport,
    OpCost,
    PeakTensor,
    Rectangle,
    estimate,
    latency,
    memory_report,
)
from edgec.passes.base import Pass, Predicate, make_pass, pass_classes, static_shapes
from edgec.passes.calibrate import (
    Calibrate,
    can_be_calibrated,
    is_calibrated,
    is_quantized,
    needs_no_data,
)
from edgec.passes.channels import Explanation, explain_channels
from edgec.passes.context import PassContext, PatternPass, Progress, current
from edgec.passes.driver import Statistics, apply_patterns
from edgec.passes.drop_blocks import DropBlocks
from edgec.passes.factorize import Factorize
from edgec.passes.integerize import Integerize
from edgec.passes.layout import Layout
from edgec.passes.manager import FAILURES, PassManager, PassReport, Settings
from edgec.passes.moves import Move
from edgec.passes.numerics import NumericJudge
from edgec.passes.pattern import (
    ANY,
    CARRY,
    CONST,
    Match,
    Miss,
    Pattern,
    const,
    either,
    explain_misses,
    loose,
    maybe,
    node,
    scalar,
    try_match,
    uniform,
    var,
)
from edgec.passes.pipeline import parse_pipeline, pipeline_text
from edgec.passes.pipelines import DEFAULT_PIPELINE, PIPELINES, Pipeline
from edgec.passes.precision import Bf16, Fp16, WeightsOnly
from edgec.passes.preprocess import Preprocess, preprocess_of
from edgec.passes.presets import PRESETS, Preset, preset_named, with_preset
from edgec.passes.promise import Anew, Close, Exact, Lossy, Promise
from edgec.passes.prune import Prune
from edgec.passes.quality import AdaRound, BiasCorrect
from edgec.passes.quantize import Quantize
from edgec.passes.recover import Recover
from edgec.passes.reorder import Reordering, reordered
from edgec.passes.sparsify import Sparsify
from edgec.passes.stepping import Steps, run_limited

__all__ = [
    "ANY",
    "CARRY",
    "COMPUTE",
    "CONST",
    "DEFAULT_PIPELINE",
    "FAILURES",
    "MEMORY",
    "PIPELINES",
    "PRESETS",
    "START",
    "AdaRound",
    "Anew",
    "Bf16",
    "BiasCorrect",
    "Calibrate",
    "Close",
    "DropBlocks",
    "Estimate",
    "Exact",
    "Explanation",
    "Factorize",
    "Fp16",
    "Integerize",
    "Layout",
    "Lossy",
    "Match",
    "MemoryReport",
    "Miss",
    "Move",
    "NumericJudge",
    "OpCost",
    "Pass",
    "PassContext",
    "PassManager",
    "PassReport",
    "Pattern",
    "PatternPass",
    "PeakTensor",
    "Pipeline",
    "Predicate",
    "Preprocess",
    "Preset",
    "Progress",
    "Promise",
    "Prune",
    "Quantize",
    "Recover",
    "Rectangle",
    "Reordering",
    "Settings",
    "Sparsify",
    "Statistics",
    "Steps",
    "WeightsOnly",
    "apply_patterns",
    "can_be_calibrated",
    "const",
    "current",
    "either",
    "estimate",
    "explain_channels",
    "explain_misses",
    "is_calibrated",
    "is_quantized",
    "latency",
    "loose",
    "make_pass",
    "maybe",
    "memory_report",
    "needs_no_data",
    "node",
    "parse_pipeline",
    "pass_classes",
    "pipeline_text",
    "preprocess_of",
    "preset_named",
    "reordered",
    "run_limited",
    "scalar",
    "static_shapes",
    "try_match",
    "uniform",
    "var",
    "with_preset",
]
