"""Lowering: what a target is, the check of artifacts, and one folder per format."""

from edgec.lowering.golden import (
    LayerDifference,
    Verification,
    check_artifact,
    first_difference,
    load_samples,
    read_npz,
)
from edgec.lowering.legalize import legalize
from edgec.lowering.target import (
    TARGETS,
    Options,
    Runner,
    Runtime,
    Target,
    register,
    target_named,
)

__all__ = [
    "TARGETS",
    "LayerDifference",
    "Options",
    "Runner",
    "Runtime",
    "Target",
    "Verification",
    "check_artifact",
    "first_difference",
    "legalize",
    "load_samples",
    "read_npz",
    "register",
    "target_named",
]
