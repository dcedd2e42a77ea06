"""Running ONNX's published backend test cases against the reference kernels.

As a script: ``python tests/conformance/suite.py [substring] [--kind node]`` prints what fails.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests, load_node_model_tests

from edgec.ir import Effect, Error, Kind, dtypes, verify
from edgec.kernels import run
from edgec.lowering.onnx import read_onnx
from edgec.lowering.onnx.node import Unsupported
from edgec.lowering.onnx.tensors import read_tensor

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")


@dataclass(frozen=True)
class Outcome:
    """What became of a case: 'pass', 'refused' (with the reason) or 'wrong' (with the error)."""

    status: str
    detail: str = ""


def cases(kind: str) -> list[TestCase]:
    """The published cases of a kind."""
    if kind != "node":
        return load_model_tests(kind=kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes its expectations with overflowing casts
        return load_node_model_tests()


def data_sets(case: TestCase) -> Iterator[tuple[list[Any], list[Any]]]:
    """Input and expected output arrays of each data set of a case."""
    if case.data_sets is not None:
        for inputs, outputs in case.data_sets:
            yield [*map(_plain, inputs)], [*map(_plain, outputs)]
        return
    assert case.model_dir is not None
    for data in sorted(Path(case.model_dir).glob("test_data_set_*")):
        yield _arrays(data, "input"), _arrays(data, "output")


def _arrays(folder: Path, stem: str) -> list[Any]:
    found = []
    for index in range(len(list(folder.glob(f"{stem}_*.pb")))):
        message = onnx.TensorProto()
        message.ParseFromString((folder / f"{stem}_{index}.pb").read_bytes())
        found.append(read_tensor(message, None))
    return found


def _plain(data: Any) -> Any:
    """Element types that onnx has no numpy type for come as messages."""
    return read_tensor(data, None) if isinstance(data, onnx.TensorProto) else data


def model_of(case: TestCase) -> onnx.ModelProto:
    if case.model is not None:
        return case.model
    assert case.model_dir is not None
    return onnx.load(Path(case.model_dir) / "model.onnx")


def run_case(case: TestCase) -> Outcome:
    """Read, verify and run one case; inputs that must be known when compiling become constants."""
    model = model_of(case)
    try:
        for inputs, expected in data_sets(case):
            names = [info.name for info in model.graph.input]
            outcome = _run_data(model, dict(zip(names, inputs, strict=False)), expected, case)
            if outcome.status != "pass":
                return outcome
    except Error as error:
        words = ("is no tensor", "element type STRING is not supported")
        refused = error.kind is Kind.UNSUPPORTED or any(word in str(error) for word in words)
        return Outcome("refused" if refused else "wrong", str(error))
    except Unsupported as error:  # the data itself is of a type that is not read
        return Outcome("refused", str(error))
    return Outcome("pass")


def _run_data(
    model: onnx.ModelProto, arrays: dict[str, Any], expected: list[Any], case: TestCase
) -> Outcome:
    try:
        graph = read_onnx(model)
    except Error as error:
        if "computed at run time" not in str(error):
            raise
        small = {n: a for n, a in arrays.items() if a.dtype.kind in "iub" and a.size <= 64}
        graph = read_onnx(model, constants=small)
    verify(graph)
    outputs = run(graph, {name: arrays[name] for name in graph.input_names})
    drawn = any(op.has(Effect) for op in graph.walk)
    for name, array in zip(graph.output_names, expected, strict=True):
        problem = _difference(outputs[name], np.asarray(array), case, drawn=drawn)
        if problem:
            return Outcome("wrong", f"output {name!r}: {problem}")
    return Outcome("pass")


def _difference(actual: Any, expected: Any, case: TestCase, *, drawn: bool) -> str:
    """Why two outputs differ, empty when they do not. Of random numbers only the type is compared.

    The case's tolerances count, but nothing is held closer than the element type can say: two
    units in the last place (as in ONNX's own runner), and one of the largest element, which is how
    far a transform computed in that type lies from the exact one.
    """
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        return f"{actual.dtype}{actual.shape}, expected {expected.dtype}{expected.shape}"
    if drawn:
        return ""
    if not dtypes.dtype_of(expected.dtype).is_float:
        return "" if np.array_equal(actual, expected) else f"{actual}\nexpected {expected}"
    unit = float(ml_dtypes.finfo(expected.dtype).eps)
    wide = expected.astype(np.float64)
    largest = np.max(np.abs(wide), initial=0.0, where=np.isfinite(wide))
    try:
        np.testing.assert_allclose(
            actual.astype(np.float64),
            wide,
            rtol=max(case.rtol, 2 * unit),
            atol=max(case.atol, unit * largest),
        )
    except AssertionError as error:
        return str(error)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("substring", nargs="?", default="")
    parser.add_argument("--kind", default="node", choices=KINDS)
    chosen = parser.parse_args()
    counts: Counter[str] = Counter()
    for case in cases(chosen.kind):
        if chosen.substring in case.name:
            outcome = run_case(case)
            counts[outcome.status] += 1
            if outcome.status != "pass":
                print(f"{outcome.status:8} {case.name}: {outcome.detail[:400]}")
    print(dict(counts))


if __name__ == "__main__":
    main()
