"""TensorFlow Lite for Microcontrollers: the arena, the operators to register, C++ sources."""

from edgec.lowering.tflite_micro.arena import ArenaSize, arena_of
from edgec.lowering.tflite_micro.ops import METHODS, registrations
from edgec.lowering.tflite_micro.sources import model_of
from edgec.lowering.tflite_micro.target import TFLITE_MICRO_TARGET

__all__ = [
    "METHODS",
    "TFLITE_MICRO_TARGET",
    "ArenaSize",
    "arena_of",
    "model_of",
    "registrations",
]
