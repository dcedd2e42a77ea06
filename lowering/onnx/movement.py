"""ONNX ops that move elements."""

from __future__ import annotations

from edgec.lowering.onnx import reshape as _reshape  # noqa: F401  (fills the tables)
