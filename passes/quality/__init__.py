"""Passes that bring a quantized model nearer to the float one."""

from edgec.passes.quality.adaround import AdaRound
from edgec.passes.quality.bias_correct import BiasCorrect
from edgec.passes.quality.equalize import Equalize
from edgec.passes.quality.mixed import Mixed
from edgec.passes.quality.smooth import Smooth

__all__ = ["AdaRound", "BiasCorrect", "Equalize", "Mixed", "Smooth"]
