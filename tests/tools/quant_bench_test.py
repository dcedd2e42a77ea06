"""The side-by-side table of quantizers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.tools.bench import quantization
from edgec.tools.bench.quant_cases import Case, cases_in
from edgec.tools.bench.quant_peers import QUANTIZERS
from edgec.tools.bench.quantization import Row, rows_of, sqnr, tables
from edgec.tools.demo import normalized


def test_a_quantizer_gets_a_row_and_one_that_fails_says_so(digits: Path, digits_test: Path) -> None:
    with np.load(digits_test) as arrays:
        inputs, labels = normalized(arrays["x"][:64]), arrays["y"][:64]
    singles = [inputs[i : i + 1] for i in range(64)]
    case = Case(digits, edgec.load(digits).input_names[0], singles[:16], singles, labels)

    def broken(*arguments: object) -> None:
        raise RuntimeError("no such luck")

    quantizers = {"edgec int8-fast": QUANTIZERS["edgec int8-fast"], "broken": broken}
    ours, bad, float_ = rows_of(case, quantizers, rounds=2, repeats=1)
    assert ours.sqnr_db is not None
    assert ours.sqnr_db > 25
    assert ours.agreement is not None
    assert ours.agreement > 0.95
    assert (ours.latency is not None, ours.seconds is not None) == (True, True)
    assert bad.failure == "RuntimeError: no such luck"
    assert float_.accuracy is not None
    assert float_.accuracy > 0.9
    text = tables([ours, bad, float_])
    assert "| broken | RuntimeError: no such luck |" in text
    assert f"| edgec int8-fast | {ours.sqnr_db:.2f} |" in text


def test_the_page_keeps_what_stands_around_the_table() -> None:
    page = f"before\n{quantization.BEGIN}\nold\n{quantization.END}\nafter\n"
    found = quantization.inserted(page, tables([Row("model", "quantizer", sqnr_db=1.0)]))
    assert found.startswith("before\n")
    assert found.endswith("after\n")
    assert "old" not in found
    assert "### model" in found


def test_signal_to_noise() -> None:
    truth = np.array([3.0, 4.0])
    assert sqnr(np.array([3.0, 4.5]), truth) == pytest.approx(20.0)
    assert sqnr(truth, truth) == float("inf")


def test_the_cases_of_the_real_models(models: Path) -> None:
    for make in cases_in(models).values():
        case = make()
        assert len(case.calibration) >= 16
        assert case.model.is_file()
        shapes = {sample.shape for sample in (*case.calibration, *case.evaluation)}
        assert len(shapes) == 1
        ours = {sample.tobytes() for sample in case.calibration}
        shared = sum(sample.tobytes() in ours for sample in case.evaluation)
        assert shared <= len(case.evaluation) // 100, "judged on other samples"
