"""The one place that imports OpenVINO, late."""

from __future__ import annotations

from typing import Any

from edgec.lowering.target import Runtime

RUNTIME = Runtime("openvino", "openvino")


def openvino() -> Any:
    """The package. Raises Error when it is not installed."""
    RUNTIME.require()
    import openvino as package

    return package


def opset() -> Any:
    """The operators as functions."""
    RUNTIME.require()
    from openvino import opset15

    return opset15
