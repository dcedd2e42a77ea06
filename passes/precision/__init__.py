"""Floats of fewer bits, and weights stored as small integers beside float arithmetic."""

from edgec.passes.precision.gptq import Gptq
from edgec.passes.precision.half import Bf16, Fp16
from edgec.passes.precision.weights import WeightsOnly

__all__ = ["Bf16", "Fp16", "Gptq", "WeightsOnly"]
