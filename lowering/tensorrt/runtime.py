"""The one place that imports TensorRT, late: TensorRT-RTX, or TensorRT 10 and later."""

from __future__ import annotations

import ctypes
import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

from edgec.ir import Code, Error, Kind
from edgec.lowering.target import Runtime

PACKAGES = ("tensorrt_rtx", "tensorrt")
CHOICE = "EDGEC_TENSORRT"  # names the package where both are installed
NO_GPU = "running a TensorRT engine needs an NVIDIA GPU with its driver, and there is none here"


@dataclass(frozen=True)
class GpuRuntime(Runtime):
    """Building needs the package, running also a GPU."""

    @property
    def is_installed(self) -> bool:
        return package_name() is not None

    @property
    def is_runnable(self) -> bool:
        return self.is_installed and gpu_count() > 0

    def require(self) -> None:
        """Raises Error of kind RUNTIME_MISSING when the package or the GPU is missing."""
        require_package()
        if not gpu_count():
            raise Error(
                Code.NO_DEVICE,
                NO_GPU,
                instead="edgec compile without --verify here, edgec verify where the GPU is",
            )


RUNTIME = GpuRuntime("tensorrt_rtx", "tensorrt")


def package_name() -> str | None:
    """The installed package that is used, None when there is none. Raises Error on a bad choice."""
    chosen = os.environ.get(CHOICE)
    if chosen and chosen not in PACKAGES:
        raise Error(Code.OPTION, f"{CHOICE} is one of {list(PACKAGES)}, found {chosen!r}")
    names = (chosen,) if chosen else PACKAGES
    return next((name for name in names if importlib.util.find_spec(name) is not None), None)


def require_package() -> str:
    """The package's name. Raises Error of kind RUNTIME_MISSING when none is installed."""
    name = package_name()
    if name is None:
        raise Error(
            Kind.RUNTIME_MISSING,
            f"neither {' nor '.join(PACKAGES)} is installed",
            instead="pip install 'edgec[tensorrt]', or --package DIR to build on the device",
        )
    return name


def tensorrt() -> Any:
    """The package. Raises Error when it is not installed."""
    if require_package() == "tensorrt_rtx":
        import tensorrt_rtx as package
    else:
        import tensorrt as package
    return package


@cache
def gpu_count() -> int:
    """GPUs that the CUDA driver of this machine shows; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def compute_capability() -> int:
    """Of the first GPU: 89 for 8.9. Raises Error when there is none."""
    RUNTIME.require()
    driver = ctypes.CDLL("libcuda.so.1")
    numbers = []
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
        found = ctypes.c_int(0)
        driver.cuDeviceGetAttribute(ctypes.byref(found), attribute, 0)
        numbers.append(found.value)
    return 10 * numbers[0] + numbers[1]


@cache
def logger() -> Any:
    """Collects what TensorRT reports as errors, silently: they are raised, not printed."""
    base: Any = tensorrt().ILogger

    class Log(base):  # type: ignore[misc]  # the package is imported late
        def __init__(self) -> None:
            base.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (base.Severity.ERROR, base.Severity.INTERNAL_ERROR):
                self.errors.append(message)

        def taken(self) -> list[str]:
            """The errors since the last call."""
            found, self.errors = self.errors, []
            return found

    return Log()
