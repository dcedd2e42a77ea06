"""Which slices of which axes must be removed, or scaled, together."""

from edgec.passes.channels.classes import ChannelGroup, Channels, find_channels
from edgec.passes.channels.explain import Explanation, explain_channels
from edgec.passes.channels.links import CHANNELS, Axis, Links

__all__ = [
    "CHANNELS",
    "Axis",
    "ChannelGroup",
    "Channels",
    "Explanation",
    "Links",
    "explain_channels",
    "find_channels",
]
