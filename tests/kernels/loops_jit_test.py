"""The compiler wrapper: reports, caching without a writable folder, few specializations."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from edgec.kernels.jit import flat_input, report_compilations
from edgec.kernels.loops.conv_same import convolve_planes

PROGRAM = """
import sys
import numpy as np
from looped import twice
from edgec.kernels.jit import report_compilations
seen = []
with report_compilations(lambda name, seconds: seen.append(name)):
    assert twice(np.ones(3)).sum() == 6
print(len(seen))
"""
LOOP = """
from edgec.kernels.jit import jit

@jit
def twice(x):
    return x * 2
"""


def test_reports_each_compilation_once(tmp_path: Path) -> None:
    path = tmp_path / "looped_once.py"
    path.write_text(LOOP)
    spec = spec_from_file_location("looped_once", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    seen: list[tuple[str, float]] = []
    with report_compilations(lambda name, seconds: seen.append((name, seconds))):
        assert module.twice(1) == 2
        assert module.twice(2) == 4
    assert [name for name, _ in seen] == ["looped_once.twice"]
    assert seen[0][1] > 0


@pytest.mark.parametrize("home_is_writable", [True, False])
def test_works_where_the_folder_of_the_loops_is_read_only(
    tmp_path: Path, home_is_writable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain file where __pycache__ would be blocks even a privileged user."""
    (tmp_path / "looped.py").write_text(LOOP)
    (tmp_path / "__pycache__").write_text("")
    home = tmp_path / "home"
    if home_is_writable:
        home.mkdir()
    else:
        home.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    counts = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert counts == (["1", "0"] if home_is_writable else ["1", "1"])


def test_editing_a_called_function_in_another_file_recompiles_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    caller = "import callee\n" + LOOP.replace("x * 2", "callee.change(x)")
    (tmp_path / "looped.py").write_text(caller)
    results = []
    for body in ("x + x", "x + x + x"):
        text = LOOP.replace("twice", "change").replace("x * 2", body)
        (tmp_path / "callee.py").write_text(text)
        program = "import looped; print(looped.twice(1))"
        done = subprocess.run(
            [sys.executable, "-B", "-c", program], check=True, capture_output=True, text=True
        )
        results.append(done.stdout.strip())
    assert results == ["2", "3"]


def test_flat_input_is_a_read_only_view() -> None:
    x = np.arange(6).reshape(2, 3)
    view = flat_input(x)
    assert view.base is not None
    assert not view.flags.writeable
    assert x.flags.writeable
    assert flat_input(x.T).tolist() == [0, 3, 1, 4, 2, 5]


def test_convolution_compiles_once_per_dtype() -> None:
    from edgec.kernels.loops.conv import conv
    from edgec.kernels.loops.scratch import Scratch

    for dtype, stride, writeable in [("f4", 1, True), ("f4", 2, False), ("f4", 1, False)]:
        x, w = np.ones((1, 4, 8, 8), dtype), np.ones((4, 1, 3, 3), dtype)
        x.flags.writeable = w.flags.writeable = writeable
        out = np.empty((1, 4, 8 // stride, 8 // stride), dtype)
        bias = np.zeros(4, dtype) if writeable else None
        pads = (1, 1), (1, 1)
        conv(x, w, bias, (stride,) * 2, *pads, (1, 1), 4, 0.0, 6.0, out, Scratch())
    signatures = getattr(convolve_planes, "signatures")  # noqa: B009
    assert len([s for s in signatures if "float32" in str(s[0])]) == 1
