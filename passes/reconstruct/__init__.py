"""What a layer reads and should give, as second moments: how weights are repaired from data."""

from edgec.passes.reconstruct.covariances import Covariances
from edgec.passes.reconstruct.fitting import Fit, fit
from edgec.passes.reconstruct.lockstep import Lockstep, bare, evenly, name_results, twins_of
from edgec.passes.reconstruct.masked import on_support
from edgec.passes.reconstruct.moments import Moments, gather
from edgec.passes.reconstruct.patches import Positions, outputs_at, patches_at, rows_of, unrows
from edgec.passes.reconstruct.sensitivity import sensitivities
from edgec.passes.reconstruct.targets import Target, target_of
from edgec.passes.reconstruct.teacher import Teacher

__all__ = [
    "Covariances",
    "Fit",
    "Lockstep",
    "Moments",
    "Positions",
    "Target",
    "Teacher",
    "bare",
    "evenly",
    "fit",
    "gather",
    "name_results",
    "on_support",
    "outputs_at",
    "patches_at",
    "rows_of",
    "sensitivities",
    "target_of",
    "twins_of",
    "unrows",
]
