"""edgec doctor"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from edgec.kernels import adds_bytes_in_16_bits
from edgec.lowering import OVERFLOW_ADVICE, TARGETS, Target
from edgec.tools import report
from edgec.tools.plugins import PLUGINS

NAME = "doctor"
SUMMARY = "print versions, CPU features, and the runtimes found and missing, with what to install"
EXAMPLES = """\
  edgec doctor
  edgec doctor --json"""
LIBRARIES = ("edgec", "numpy", "numba", "llvmlite", "onnx", "networkx", "ml_dtypes", "safetensors")
NEEDED_PYTHON = (3, 11)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


@dataclass(frozen=True)
class Findings:
    """What there is on this machine."""

    python: str
    system: str
    cpu: str
    features: list[str]
    versions: dict[str, str]
    runtimes: list[dict[str, str]]
    plugins: list[dict[str, Any]]
    advice: list[str]


def run(chosen: argparse.Namespace) -> int:
    found = Findings(
        python=f"{platform.python_version()} ({sys.executable})",
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        cpu=f"{_cpu_name()}, {os.cpu_count()} cores",
        features=_cpu_features(),
        versions={name: _version(name) for name in LIBRARIES},
        runtimes=[_runtime(target) for target in TARGETS.values()],
        plugins=[vars(plugin) for plugin in PLUGINS],
        advice=_advice(),
    )
    if chosen.json:
        report.print_json(vars(found))
    else:
        _print(found)
    return 0


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _cpu_features() -> list[str]:
    """The vector extensions that numpy finds here."""
    known = np.show_config(mode="dicts") or {}
    simd = known.get("SIMD Extensions", {})
    return [*simd.get("baseline", ()), *simd.get("found", ())]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _runtime(target: Target) -> dict[str, str]:
    runtime = target.runtime
    install = f"pip install 'edgec[{runtime.extra}]'"
    if not runtime.is_installed:
        return {"target": target.name, "runtime": runtime.module, "found": "", "install": install}
    found = _version(runtime.module.replace("_", "-")) or _version(runtime.module) or "yes"
    return {"target": target.name, "runtime": runtime.module, "found": found, "install": ""}


def _advice() -> list[str]:
    """What would keep something from working."""
    advice = []
    if sys.version_info[:2] < NEEDED_PYTHON:
        advice.append(f"Python {'.'.join(map(str, NEEDED_PYTHON))} or newer is needed")
    if not shutil.which("edgec"):
        advice.append("the command edgec is not on PATH: python -m edgec.tools.cli does the same")
    cache = os.environ.get("NUMBA_CACHE_DIR")
    if cache and not os.access(cache, os.W_OK):
        advice.append(f"NUMBA_CACHE_DIR={cache} is not writable: kernels are compiled every time")
    if adds_bytes_in_16_bits():
        advice.append(OVERFLOW_ADVICE)
    advice += [f"plugin {p.name!r} ({p.origin}) is broken: {p.error}" for p in PLUGINS if p.error]
    return advice


def _print(found: Findings) -> None:
    versions = ", ".join(f"{name} {text}" for name, text in found.versions.items() if text)
    for name, text in (
        ("python", found.python),
        ("system", found.system),
        ("cpu", found.cpu),
        ("features", " ".join(found.features) or "unknown"),
        ("versions", versions),
    ):
        print(f"{name:9} {text}")
    print()
    rows = [tuple(row.values()) for row in found.runtimes]
    report.print_table(("target", "runtime", "found", "install"), rows)
    for line in found.advice:
        print(f"advice: {line}")
