"""Operators as they were before opset 7, Scan before opset 9, and what is read by its pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgec import Error, run
from edgec.ir import Array
from edgec.lowering.onnx import read_onnx

Shape = Sequence[int]
TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64,
         np.dtype(np.bool_): TensorProto.BOOL}  # fmt: skip


def model_of(
    op_type: str,
    arrays: Sequence[Array],
    opset: int,
    outputs: int = 1,
    **attributes: Any,
) -> onnx.ModelProto:
    """One node on inputs of these types."""
    names = [f"x{index}" for index in range(len(arrays))]
    results = [f"y{index}" for index in range(outputs)]
    node = helper.make_node(op_type, names, results, **attributes)
    infos = [
        helper.make_tensor_value_info(name, TYPES[array.dtype], array.shape)
        for name, array in zip(names, arrays, strict=True)
    ]
    made = [helper.make_empty_tensor_value_info(name) for name in results]
    graph = helper.make_graph([node], "g", infos, made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def computed(op_type: str, arrays: Sequence[Array], opset: int, **attributes: Any) -> Any:
    graph = read_onnx(model_of(op_type, arrays, opset, **attributes))
    return run(graph, arrays)["y0"]


def numbers(shape: Shape, seed: int) -> Array:
    return np.random.default_rng(seed).uniform(0.5, 2, shape).astype(np.float32)


FUNCTIONS = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide,
             "Pow": np.power, "Greater": np.greater, "Less": np.less}  # fmt: skip


@given(
    st.sampled_from(sorted(FUNCTIONS)),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.data(),
)
def test_an_operand_begins_at_the_stated_axis(op_type: str, dims: list[int], data: Any) -> None:
    begin = data.draw(st.integers(0, len(dims) - 1))
    end = data.draw(st.integers(begin, len(dims)))
    x, y = numbers(dims, 1), numbers(dims[begin:end], 2)
    axis = begin - data.draw(st.sampled_from([0, len(dims)]))
    actual = computed(op_type, [x, y], 6, broadcast=1, axis=axis)
    expected = FUNCTIONS[op_type](x, y.reshape(*y.shape, *(1,) * (len(dims) - end)))
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_without_an_axis_the_last_dims_are_meant() -> None:
    x, y = numbers((2, 3, 4), 1), numbers((3, 4), 2)
    np.testing.assert_array_equal(computed("Add", [x, y], 6, broadcast=1), x + y)


def test_an_operand_that_reaches_beyond_is_refused() -> None:
    with pytest.raises(Error, match="from axis 2 on"):
        computed("Add", [numbers((2, 3, 4), 1), numbers((4, 5), 2)], 6, broadcast=1, axis=2)


def test_the_axis_of_later_opsets_is_nobody_s() -> None:
    x, y = numbers((3, 3), 1), numbers((3,), 2)
    np.testing.assert_array_equal(computed("Add", [x, y], 7, broadcast=1, axis=0), x + y)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_prelu_s_slopes_are_the_channels_before_opset_7(shape: Shape) -> None:
    x, slope = numbers(shape, 1) - 1, numbers((3,), 2)
    column = slope.reshape(3, *(1,) * (len(shape) - 2))
    expected = np.where(x < 0, x * column, x)
    np.testing.assert_allclose(computed("PRelu", [x, slope], 6), expected, rtol=1e-6)


def test_what_trains_by_default_is_refused() -> None:
    x, parameters = numbers((2, 3, 4), 1), [numbers((3,), seed) for seed in range(4)]
    with pytest.raises(Error, match="to train"):
        computed("BatchNormalization", [x, *parameters], 6)
    with pytest.raises(Error, match="to train"):
        computed("Dropout", [x], 6)
    assert np.array_equal(computed("Dropout", [x], 6, is_test=1), x)
    by_test = computed("BatchNormalization", [x, *parameters], 6, is_test=1)
    np.testing.assert_allclose(by_test, computed("BatchNormalization", [x, *parameters], 9))


def test_an_older_opset_is_read_where_nothing_changed() -> None:
    x = np.array([[True, False]])
    np.testing.assert_array_equal(computed("Not", [x], 1), ~x)
    with pytest.raises(Error, match="operator set 5; 6 to"):
        computed("Add", [numbers((2,), 1), numbers((2,), 2)], 5)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("direction", [0, 1])
def test_scan_before_opset_9_runs_each_entry_of_the_batch(batch: int, direction: int) -> None:
    state, x = numbers((batch, 2), 1), numbers((batch, 5, 2), 2)
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in ("s", "e", "t", "p")]
    nodes = [helper.make_node("Add", ["s", "e"], ["t"]), helper.make_node("Identity", ["t"], ["p"])]
    body = helper.make_graph(nodes, "body", infos[:2], infos[2:])
    model = model_of("Scan", [state, x], 8, 2, num_scan_inputs=1, body=body, directions=[direction])
    model.graph.node[0].input.insert(0, "")
    last, sums = run(read_onnx(model), [state, x]).values()
    ordered = x[:, ::-1] if direction else x
    np.testing.assert_allclose(sums, state[:, None] + np.cumsum(ordered, axis=1), rtol=1e-6)
    np.testing.assert_allclose(last, state + x.sum(axis=1), rtol=1e-6)


def counted(row: Sequence[int], gram: Sequence[int], skips: int) -> int:
    """How often a gram occurs, by definition."""
    steps = range(1, 2 if len(gram) == 1 else skips + 2)
    spans = ((begin, step) for step in steps for begin in range(len(row)))
    found = Counter(tuple(row[begin::step][: len(gram)]) for begin, step in spans)
    return found[tuple(gram)]


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), min_size=1, max_size=2),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(["TF", "IDF", "TFIDF"]),
)
def test_n_grams_are_counted_as_defined(
    rows: list[list[int]], skips: int, shortest: int, longest: int, mode: str
) -> None:
    shortest, longest = sorted((shortest, longest))
    grams = [(0,), (2,), (0, 1), (1, 1), (2, 0), (0, 1, 2), (1, 1, 1)]
    weights = [0.5 + index for index in range(len(grams))]
    actual = computed(
        "TfIdfVectorizer", [np.array(rows)], 9,
        mode=mode, max_skip_count=skips, min_gram_length=shortest, max_gram_length=longest,
        pool_int64s=[element for gram in grams for element in gram], ngram_counts=[0, 2, 8],
        ngram_indexes=range(len(grams)), weights=weights,
    )  # fmt: skip
    for row, found in zip(rows, actual, strict=True):
        for gram, weight, value in zip(grams, weights, found, strict=True):
            count = counted(row, gram, skips) if shortest <= len(gram) <= longest else 0
            expected = {"TF": count, "IDF": weight * bool(count), "TFIDF": weight * count}[mode]
            assert value == np.float32(expected)


def test_weights_of_n_grams_that_are_permuted_are_refused() -> None:
    given_weights = {"weights": [1.0, 2.0], "pool_int64s": [4, 5], "ngram_counts": [0]}
    lengths = {"min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0}
    with pytest.raises(Error, match="numbers weights by n-gram"):
        computed("TfIdfVectorizer", [np.array([4, 5])], 9, mode="IDF", ngram_indexes=[1, 0],
                 **given_weights, **lengths)  # fmt: skip


def test_dropout_that_trains_keeps_the_expectation() -> None:
    x = np.ones((100, 100), np.float32)
    ratio, training = np.array(0.25, np.float32), np.array(True)
    model = model_of("Dropout", [x, ratio, training], 22, 2)
    graph = read_onnx(model, constants={"x2": training})
    y, mask = run(graph, [x, ratio]).values()
    np.testing.assert_allclose(np.unique(y), [0, 4 / 3], rtol=1e-6)
    np.testing.assert_array_equal(y != 0, mask)
    assert abs(mask.mean() - 0.75) < 0.03
