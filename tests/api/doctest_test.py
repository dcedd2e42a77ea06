"""Every example in a docstring of ours runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import edgec

OPTIONAL = {"onnxsim", "onnxslim", "psutil", "onnx_graphsurgeon", "onnxruntime"}
ROOMS = ("ir", "kernels", "passes", "lowering", "tools")
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> list[str]:
    """Every module by name. An editable installation maps each room to a folder of its own."""
    found = [edgec.__name__]
    for room in ROOMS:
        package = importlib.import_module(f"edgec.{room}")
        walked = pkgutil.walk_packages(package.__path__, f"edgec.{room}.")
        found += [package.__name__, *(m.name for m in walked if not m.name.endswith("__main__"))]
    return found


MODULES = modules()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"needs {error.name}")
    assert doctest.testmod(module, optionflags=FLAGS).failed == 0


def test_there_are_examples() -> None:
    assert len(MODULES) > 50
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert sum(len(t.examples) for t in finder.find(importlib.import_module("edgec.ir.dims"))) > 0
