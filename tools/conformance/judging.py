"""Whether outputs are those that a case expects.

The case's own tolerance counts, by numpy's ``assert_allclose`` in float64. Integers and booleans
must be equal. As in ONNX's own runner, bfloat16 has two units in the last place at least.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
import onnx

from edgec.ir import Array, dtypes
from edgec.tools.conformance.cases import Case

BFLOAT16_RTOL = 2.0**-6

Draw = Callable[[], Sequence[Array]]


@dataclass(frozen=True)
class Wider:
    """A tolerance in place of a case's own, and why.

    Attributes:
        everywhere: needed on every CPU; False where some CPU's order of summing meets the case's.
    """

    rtol: float
    atol: float
    why: str
    everywhere: bool = True


_ATTENTION = Wider(
    2.0**-9,
    1e-7,
    "float16: 0.001 is about one unit in the last place; the published result rounds each partial "
    "sum of its matrix products, ours each result once, and one rounding moves another: two units",
)
_DFT = Wider(
    1e-3,
    2e-7,
    "where the exact result is 0, the published one is 1.9e-7, left by float32 sums of numbers up "
    "to 99; ours is below 1e-15",
)
_SQUEEZENET = Wider(
    1e-3,
    1.0,
    "a softmax over 1,000 equal sums of 1.6e10, whose last place is worth 1,024: on a CPU on which "
    "BLAS adds the last columns of a matrix in another order, these alone share the result",
    everywhere=False,
)
WIDER: Mapping[str, Wider] = {
    "test_attention_4d_causal_fp16": _ATTENTION,
    "test_attention_4d_causal_fp16_expanded": _ATTENTION,
    "test_attention_4d_gqa_with_past_and_present_fp16": _ATTENTION,
    "test_attention_4d_gqa_with_past_and_present_fp16_expanded": _ATTENTION,
    "test_dft_inverse": _DFT,
    "test_dft_inverse_opset19": _DFT,
    "test_squeezenet": _SQUEEZENET,
}


def differences(case: Case, names: Sequence[str], found: Sequence[Array], expected: Any) -> str:
    """Which outputs differ, and how; empty when none does."""
    wider = WIDER.get(case.name)
    rtol, atol = (wider.rtol, wider.atol) if wider else (case.rtol, case.atol)
    for name, actual, wanted in zip(names, found, expected, strict=True):
        problem = difference(np.asarray(actual), np.asarray(wanted), rtol, atol)
        if problem:
            return f"output {name!r}: {problem}"
    return ""


def difference(actual: Array, expected: Array, rtol: float, atol: float) -> str:
    """Why two arrays differ; empty when they do not."""
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        return f"{actual.dtype}{actual.shape}, expected {expected.dtype}{expected.shape}"
    dtype = dtypes.dtype_of(expected.dtype)
    if not dtype.is_float:
        return "" if np.array_equal(actual, expected) else f"{actual}, expected {expected}"
    if dtype is dtypes.bf16:
        rtol = max(rtol, BFLOAT16_RTOL)
    found, wanted = (array.astype(np.float64) for array in (actual, expected))
    try:
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)
    except AssertionError as error:
        return str(error)
    return ""


# -- random numbers --------------------------------------------------------------------------------

DRAWS = 1000
_LOG_CHANCE = log(2e12)  # a correct generator fails one comparison in 1e12


def is_drawn(case: Case) -> bool:
    """True when the expected output is one draw of many."""
    return _distribution(case) is not None


def undrawn_seeds(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that draws anew in each run."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    for node in copied.graph.node:
        kept = [attribute for attribute in node.attribute if attribute.name != "seed"]
        del node.attribute[:]
        node.attribute.extend(kept)
    return copied


def distribution_problem(case: Case, inputs: Sequence[Array], expected: Any, draw: Draw) -> str:
    """Why many draws do not have the distribution that the operator states; empty when they do."""
    found = draw()
    for actual, wanted in zip(found, expected, strict=True):
        if actual.dtype != wanted.dtype or actual.shape != wanted.shape:
            return f"{actual.dtype}{actual.shape}, expected {wanted.dtype}{wanted.shape}"
    check = _distribution(case)
    assert check is not None
    return check(inputs, [found, *(draw() for _ in range(DRAWS - 1))])


def _distribution(case: Case) -> Callable[[Sequence[Array], list[Sequence[Array]]], str] | None:
    if case.name.startswith("test_bernoulli"):
        return _bernoulli_expanded if case.name.endswith("_expanded") else _bernoulli
    return _dropout if case.name.startswith("test_training_dropout") else None


def _bernoulli(inputs: Sequence[Array], draws: list[Sequence[Array]]) -> str:
    """Each element is 1 as often as x says, else 0."""
    drawn = np.stack([found[0] for found in draws]).astype(np.float64)
    if not np.isin(drawn, (0, 1)).all():
        return "elements are neither 0 nor 1"
    return _rate_problem(drawn, inputs[0])


def _bernoulli_expanded(inputs: Sequence[Array], draws: list[Sequence[Array]]) -> str:
    """The function body that ONNX gives compares the wrong way round: 1 as often as 1 - x."""
    return _bernoulli([1 - inputs[0]], draws)


def _dropout(inputs: Sequence[Array], draws: list[Sequence[Array]]) -> str:
    """Each element is x / (1 - ratio), or as often as ratio says 0; the mask says which."""
    x, ratio = inputs[0].astype(np.float64), float(inputs[1])
    drawn = np.stack([found[0] for found in draws]).astype(np.float64)
    kept = drawn != 0
    scaled = np.broadcast_to(x / (1 - ratio), drawn.shape)
    if not np.allclose(drawn[kept], scaled[kept], rtol=1e-6):
        return "elements are neither 0 nor x / (1 - ratio)"
    if len(draws[0]) > 1 and not np.array_equal(kept, np.stack([found[1] for found in draws])):
        return "the mask does not say which elements are kept"
    return _rate_problem(kept, np.full(x.shape, 1 - ratio))


def _rate_problem(happened: Array, probability: Array) -> str:
    """Bernstein's inequality bounds how far a rate may be from its probability (Boucheron, Lugosi
    and Massart, "Concentration inequalities", 2013, theorem 2.10)."""
    p = probability.astype(np.float64)
    allowed = np.vectorize(sqrt)(2 * p * (1 - p) * _LOG_CHANCE / len(happened))
    allowed = allowed + _LOG_CHANCE / (3 * len(happened))
    rate = happened.mean(axis=0)
    if np.all(np.abs(rate - p) <= allowed):
        return ""
    return f"rates {rate}, expected {p} within {allowed}"
