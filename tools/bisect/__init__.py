"""Finding the first pass, and in it the first rewrite, that breaks a check; or the op that a
target's write rule gets wrong."""

from edgec.tools.bisect.lowering import Miswritten, bisect_lowering
from edgec.tools.bisect.passes import Culprit, bisect_passes

__all__ = ["Culprit", "Miswritten", "bisect_lowering", "bisect_passes"]
