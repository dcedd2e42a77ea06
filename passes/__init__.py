"""Passes: what they are, how they are run, and the ones that there are."""

from edgec.passes.base import Pass, Predicate, make_pass, pass_classes, static_shapes
from edgec.passes.context import PassContext, PatternPass
from edgec.passes.driver import Statistics, apply_patterns
from edgec.passes.layout import Layout
from edgec.passes.manager import PassManager, PassReport, Settings
from edgec.passes.moves import Move
from edgec.passes.pattern import (
    ANY,
    CARRY,
    CONST,
    Match,
    Miss,
    Pattern,
    const,
    either,
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
from edgec.passes.promise import Close, Exact, Lossy, Promise

__all__ = [
    "ANY",
    "CARRY",
    "CONST",
    "DEFAULT_PIPELINE",
    "PIPELINES",
    "Bf16",
    "Close",
    "Exact",
    "Fp16",
    "Layout",
    "Lossy",
    "Match",
    "Miss",
    "Move",
    "Pass",
    "PassContext",
    "PassManager",
    "PassReport",
    "Pattern",
    "PatternPass",
    "Pipeline",
    "Predicate",
    "Promise",
    "Settings",
    "Statistics",
    "WeightsOnly",
    "apply_patterns",
    "const",
    "either",
    "loose",
    "make_pass",
    "maybe",
    "node",
    "parse_pipeline",
    "pass_classes",
    "pipeline_text",
    "scalar",
    "static_shapes",
    "try_match",
    "uniform",
    "var",
]
