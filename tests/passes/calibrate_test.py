"""Calibration: ranges by every method, streaming, and what it refuses."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.ir import Array, Error, Graph, Kind, Range, parse_graph
from edgec.kernels import Dataset, InMemory, Streamed, dataset_of
from edgec.passes import Calibrate, PassManager, Settings, is_calibrated
from edgec.passes.calibrate.estimators import METHODS, Knobs

KNOBS = Knobs(percentile=99.9, rate=0.1, levels=256)


def tiny(dims: str = "N,4") -> Graph:
    return parse_graph(f"graph g(%x: f32[{dims}]) {{ %y = act.relu %x  return y=%y }}")


def calibrated(graph: Graph, data: Dataset | None, **options: object) -> list[Range | None]:
    PassManager([Calibrate(**options)], Settings(data=data)).run(graph)  # type: ignore[arg-type]
    return [graph.inputs[0].range, *(op.results[0].range for op in graph.ops)]


def samples(*arrays: Sequence[Sequence[float]]) -> Dataset:
    return InMemory([{"x": np.array(a, np.float32)} for a in arrays], "a test's samples")


def test_ranges_of_inputs_and_results_are_recorded_with_their_origin() -> None:
    graph = tiny()
    assert not is_calibrated(graph)
    data = samples([[-2, 0, 1, 3]], [[-1, 0, 5, 2]])
    assert calibrated(graph, data) == [Range(-2, 5), Range(0, 5)]
    assert is_calibrated(graph)
    assert graph.metadata["calibration"] == "calibrate: a test's samples"
    assert "in(-2.0,5.0)" in str(graph)


def test_a_moving_average_forgets_the_odd_one_out() -> None:
    data = samples(*([[[-1, 0, 0, 1]]] * 50), [[-100, 0, 0, 100]])
    [range_of_x, _] = calibrated(tiny(), data, method="moving")
    assert range_of_x is not None
    assert range_of_x.high == pytest.approx(1 + 99 / 51)


def test_samples_run_together_give_the_same_ranges_as_alone() -> None:
    rng = np.random.default_rng(0)
    arrays = [{"x": rng.standard_normal((1, 4)).astype(np.float32)} for _ in range(11)]
    for method in METHODS:
        together = calibrated(tiny("N,4"), InMemory(arrays, ""), method=method)
        alone = calibrated(tiny("1,4"), InMemory(arrays, ""), method=method)
        assert together == alone


def test_samples_of_several_shapes_are_not_joined() -> None:
    data = samples([[1.0] * 4], [[2.0] * 4] * 3, [[9.0] * 4])
    assert calibrated(tiny("N,4"), data)[0] == Range(1, 9)
    graph = parse_graph("graph g(%x: f32[N,M]) { %y = act.relu %x  return y=%y }")
    assert calibrated(graph, samples([[1.0]], [[2.0, 3.0]]))[1] == Range(1, 3)


@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow_with_the_number_of_samples(method: str) -> None:
    def peak(count: int) -> int:
        def make(index: int) -> dict[str, Array]:
            rng = np.random.default_rng(index)
            return {"x": rng.standard_normal((1, 3, 32, 32)).astype(np.float32) * (1 + index % 7)}

        graph = parse_graph(
            "graph g(%x: f32[N,3,32,32]) { %y = act.relu %x  %z = math.neg %y  return z=%z }"
        )
        tracemalloc.start()
        calibrated(graph, Streamed(count, make, "made"), method=method)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(8)  # kernels are compiled and tables made once
    few, many = peak(32), peak(3200)
    assert many < few + 256 * 1024, "3,168 samples more are 39 MB more to keep"


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_value_has_the_range_of_one_number(method: str) -> None:
    data = samples([[3.0] * 4], [[3.0] * 4])
    assert calibrated(tiny(), data, method=method) == [Range(3, 3), Range(3, 3)]
    zero = samples([[0.0] * 4])
    assert calibrated(tiny(), zero, method=method) == [Range(0, 0), Range(0, 0)]


def test_what_never_holds_an_element_gets_no_range() -> None:
    graph = tiny("N,M")
    data = InMemory([{"x": np.zeros((1, 0), np.float32)}], "empty")
    assert calibrated(graph, data) == [None, None]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(sorted(METHODS)),
    st.integers(0, 2**31),
    st.floats(1e-6, 1e6),
    st.sampled_from([-1.0, 0.0, 0.3, 5.0]),
)
def test_a_range_lies_within_the_extremes(
    method: str, seed: int, scale: float, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    estimator = METHODS[method].make(KNOBS)
    arrays = [((rng.standard_normal(500) + shift) * scale).astype(np.float32) for _ in range(3)]
    for array in arrays:
        estimator.observe(array, float(array.min()), float(array.max()))
    found = estimator.range()
    everything = np.concatenate(arrays)
    assert found is not None
    assert everything.min() <= found.low < found.high <= everything.max()


def quantized(array: Array, low: float, high: float, levels: int = 256) -> Array:
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / (levels - 1)
    zero = round(-low / step)
    grid = np.clip(np.round(array.astype(np.float64) / step) + zero, 0, levels - 1)
    return np.asarray((grid - zero) * step)


@pytest.mark.parametrize("levels", [256, 16])
@pytest.mark.parametrize("kind", ["normal", "laplace", "relu", "outlier", "uniform"])
def test_mse_is_the_best_of_all_ranges_tried(kind: str, levels: int) -> None:
    rng = np.random.default_rng(3)
    array = {
        "normal": rng.standard_normal(50_000),
        "laplace": rng.laplace(size=50_000),
        "relu": np.maximum(rng.standard_normal(50_000), 0),
        "outlier": np.append(rng.standard_normal(50_000), 30.0),
        "uniform": rng.uniform(-1, 3, 50_000),
    }[kind].astype(np.float32)
    low, high = float(array.min()), float(array.max())
    errors = {}
    for method in METHODS:
        estimator = METHODS[method].make(Knobs(99.99, 0.01, levels))
        estimator.observe(array, low, high)
        found = estimator.range()
        assert found is not None
        difference = quantized(array, found.low, found.high, levels) - array
        errors[method] = float(np.mean(difference**2))
    assert errors["mse"] <= 1.05 * min(errors.values()), errors
    if kind == "outlier" and levels == 16:
        assert errors["mse"] < errors["minmax"] / 2


def test_entropy_and_percentile_cut_off_what_is_rare() -> None:
    rng = np.random.default_rng(0)
    array = np.append(rng.standard_normal(100_000), [400.0]).astype(np.float32)
    for method in ("entropy", "percentile"):
        estimator = METHODS[method].make(KNOBS)
        estimator.observe(array, float(array.min()), float(array.max()))
        found = estimator.range()
        assert found is not None
        assert 2 < found.high < 40, method


# -- what is refused --------------------------------------------------------------------------


def test_no_data_is_one_clear_error() -> None:
    with pytest.raises(Error, match="no data were given") as caught:
        calibrated(tiny(), None)
    assert caught.value.kind is Kind.CALIBRATION
    assert "--calibration" in caught.value.instead
    with pytest.raises(Error, match="holds no samples"):
        calibrated(tiny(), samples())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "no calibration method 'magic'"),
        ({"percentile": 20.0}, "out of bounds"),
        ({"rate": 0.0}, "out of bounds"),
        ({"levels": 1}, "out of bounds"),
    ],
)
def test_options_out_of_bounds(options: dict[str, object], words: str) -> None:
    with pytest.raises(Error, match=words):
        calibrated(tiny(), samples([[1.0] * 4]), **options)


def test_a_sample_without_the_input_is_refused() -> None:
    data = InMemory([{"y": np.zeros((1, 4), np.float32)}], "wrong.npz")
    with pytest.raises(Error, match=r"wrong\.npz has no array for \['x'\]"):
        calibrated(tiny(), data)


def test_arrays_that_are_no_inputs_are_left_aside() -> None:
    data = InMemory([{"x": np.ones((1, 4), np.float32), "label": np.ones(1)}], "")
    assert calibrated(tiny(), data)[0] == Range(1, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(Error, match="input 'x' holds NaN or infinity"):
        calibrated(tiny(), samples([[1, 2, 3, bad]]))


def test_infinite_results_are_left_out_and_nan_is_blamed_on_its_layer() -> None:
    graph = parse_graph("graph g(%x: f32[N,2]) { %y = math.log %x  return y=%y }")
    assert calibrated(graph, samples([[0.0, 1.0]]))[1] == Range(0, 0)
    with pytest.raises(Error, match=r"math\.log") as caught:
        calibrated(graph, samples([[-1.0, 1.0]]))
    assert caught.value.kind is Kind.CALIBRATION


# -- datasets ---------------------------------------------------------------------------------


def test_a_generator_is_read_once_and_can_be_iterated_again() -> None:
    arrays = [{"x": np.full((1, 2), i, np.float32)} for i in range(5)]
    data = dataset_of(iter(arrays), "generated")
    for _ in range(2):
        assert [float(sample["x"][0, 0]) for sample in data] == [0, 1, 2, 3, 4]
    assert len(data) == 5
    with pytest.raises(Error, match="mapping of input names"):
        dataset_of([np.zeros(3)])  # type: ignore[list-item]
