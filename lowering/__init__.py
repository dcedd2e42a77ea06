"""Lowering: what a target is, the check of artifacts, and one folder per format."""

from edgec.lowering.golden import (
    Accuracy,
    LayerDifference,
    Verification,
    check_artifact,
    first_difference,
    load_samples,
    read_npz,
)
from edgec.lowering.golden_lossy import check_lossy
from edgec.lowering.legalize import legalize
from edgec.lowering.saturation import OVERFLOW_ADVICE
from edgec.lowering.survey import Place, Survey
from edgec.lowering.target import (
    TARGETS,
    Options,
    Partitioned,
    Runner,
    Runtime,
    Target,
    register,
    target_named,
)

__all__ = [
    "OVERFLOW_ADVICE",
    "TARGETS",
    "Accuracy",
    "LayerDifference",
    "Options",
    "Partitioned",
    "Place",
    "Runner",
    "Runtime",
    "Survey",
    "Target",
    "Verification",
    "check_artifact",
    "check_lossy",
    "first_difference",
    "legalize",
    "load_samples",
    "read_npz",
    "register",
    "target_named",
]
