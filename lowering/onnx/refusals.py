"""ONNX operators that edgec does not read, in words."""

from __future__ import annotations

from edgec.lowering.onnx.node import READERS

READERS.refuse(
    "SequenceAt",
    "SequenceConstruct",
    "SequenceEmpty",
    "SequenceErase",
    "SequenceInsert",
    "SequenceLength",
    "SequenceMap",
    "SplitToSequence",
    "ConcatFromSequence",
    why="values are tensors, and this operator works on sequences of tensors",
    instead="export with tensors of fixed number (Split, Concat)",
)

READERS.refuse(
    "Optional",
    why="values are tensors, and this operator makes an optional value",
    instead="export the model with the optional inputs decided",
)

READERS.refuse(
    "StringConcat",
    "StringNormalizer",
    "StringSplit",
    "RegexFullMatch",
    why="it works on text, and there are no string tensors",
    instead="do this step before the model is called",
)

READERS.refuse(
    "ImageDecoder",
    why="it decodes image files",
    instead="decode the image before the model is called",
)
