"""Where the real models are, and what all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Few random examples and always the same ones; with HYPOTHESIS_PROFILE=fuzz many and new ones
# (EXAMPLES=n of each property).
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=_SLOW)
settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("EXAMPLES", "5000")),
    deadline=None,
    print_blob=True,
    suppress_health_check=_SLOW,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ROOT = Path(__file__).resolve().parent.parent
MODELS = Path(os.environ.get("EDGEC_MODELS", ROOT.parent / "shared" / "models"))


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of real models; the test is skipped where there is none."""
    if not MODELS.is_dir():
        pytest.skip(f"needs the real models in {MODELS.name}/ (set EDGEC_MODELS)")
    return MODELS


@pytest.fixture(scope="session")
def digits() -> Path:
    """The bundled model: a MobileNetV2 trained on digits."""
    return ROOT / "tools" / "data" / "digits_mbv2.onnx"


@pytest.fixture(scope="session")
def digits_test() -> Path:
    """Its labelled test images."""
    return ROOT / "tools" / "data" / "digits_test.npz"
