"""Preprocessing inside the model: the same numbers as outside, and little left of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgec
from edgec.ir import Array, Error, Graph, Kind, dtypes, parse_graph
from edgec.ir.ops import Add, Div, Gather, Mul, Sub
from edgec.kernels import Judge, run
from edgec.passes import Preprocess, Settings, preprocess_of

PADDED = """graph g(%x: f32[2,3,6,5]) {
  %c = nn.conv %x, w=@w[4,3,3,3], bias=@bias[4], pads=[1,1,1,1]
  %y = act.relu %c
  return y=%y
}"""
UNPADDED = PADDED.replace(", pads=[1,1,1,1]", "")
MEAN, SCALE = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)


def raw(dims: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, dims, dtype=np.uint8)


def prepared(pixels: Array, one: Preprocess) -> Array:
    """What the user would compute before calling the model."""
    numbers = pixels.astype(np.float64)
    if one.layout == "nhwc":
        numbers = numbers.transpose(0, 3, 1, 2)
    if one.reverse_channels:
        numbers = numbers[:, ::-1]
    for text, apply in ((one.mean, np.subtract), (one.scale, np.divide)):
        if text:
            numbers = apply(numbers, np.reshape([*map(float, text.split("|"))], (1, -1, 1, 1)))
    return numbers.astype(np.float32)


def numbers(least: float, most: float) -> st.SearchStrategy[str]:
    one = st.integers(int(least * 10), int(most * 10)).map(lambda tenths: str(tenths / 10))
    return st.one_of(st.just(""), one, st.lists(one, min_size=3, max_size=3).map("|".join))


@given(
    one=st.builds(
        Preprocess,
        mean=numbers(0, 200),
        scale=numbers(1, 200),
        layout=st.sampled_from(["nchw", "nhwc"]),
        dtype=st.sampled_from(["", "u8", "f32", "f16"]),
        reverse_channels=st.booleans(),
    ),
    text=st.sampled_from([PADDED, UNPADDED]),
    seed=st.integers(0, 5),
)
def test_the_model_computes_what_the_user_did(one: Preprocess, text: str, seed: int) -> None:
    plain, made = parse_graph(text), parse_graph(text)
    edgec.optimize(made, f"{one},O2", Settings(check_numerics=True, verify_each=True))
    [x] = made.inputs
    pixels = raw(tuple(dim for dim in x.type.dims if isinstance(dim, int)), seed)
    judge = Judge(plain, {"x": prepared(pixels, one)}, factor=4)
    found = run(made, {"x": pixels.astype(x.type.dtype.numpy)})
    # The user's own float32 arithmetic rounds what goes in, of 0…255, once more.
    assert judge.compare("y", found["y"]) or np.allclose(
        found["y"], judge.expected["y"], rtol=1e-4, atol=1e-4 * np.abs(judge.expected["y"]).max()
    )


def kinds(graph: Graph) -> set[type]:
    return {type(op) for op in graph.ops}


@pytest.mark.parametrize(("text", "left"), [(PADDED, {Add}), (UNPADDED, set())])
def test_what_is_left_after_fusing(text: str, left: set[type]) -> None:
    """Only the mean stays, before a convolution whose zero padding must not see it."""
    graph = parse_graph(text)
    listed = ["|".join(map(str, numbers)) for numbers in (MEAN, SCALE)]
    one = Preprocess(mean=listed[0], scale=listed[1], dtype="u8", reverse_channels=True)
    edgec.optimize(graph, [one])
    assert kinds(graph) >= {Sub, Div, Gather}
    edgec.optimize(graph, "O2")
    assert kinds(graph) & {Add, Sub, Mul, Div, Gather} == left


def test_the_option_reads_lists_with_commas() -> None:
    text = "mean=123.7,116.3,103.5,scale=58.4,57.1,57.4,layout=nhwc,dtype=u8,reverse_channels=true"
    assert preprocess_of(text) == Preprocess(
        mean="123.7|116.3|103.5", scale="58.4|57.1|57.4", layout="nhwc", dtype="u8",
        reverse_channels=True,
    )  # fmt: skip


def test_the_input_keeps_its_name_and_place() -> None:
    graph = parse_graph(
        """graph g(%a: f32[2], %x: f32[1,3,4,4], %b: f32[2]) {
          %s = math.add %a, y=%b
          return s=%s, x=%x
        }"""
    )
    edgec.optimize(graph, [Preprocess(layout="nhwc", dtype="u8")])
    assert graph.input_names == ("a", "x", "b")
    assert graph.inputs[1].type.dims == (1, 4, 4, 3)
    assert graph.inputs[1].type.dtype is dtypes.u8
    assert graph.metadata["layout.x"] == "NHWC"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mean=1,2", "mean is one number, or one for each of the 3 channels"),
        ("mean=a", "mean is one number"),
        ("scale=1,0,1", "a scale divides"),
        ("dtype=u9", "no element type 'u9'"),
        ("layout=hwc", "layout is nchw or nhwc"),
        ("input=z", "no input 'z'"),
        ("nhwc", "has no value"),
        ("size=3", "no option 'size'"),
        ("reverse_channels=yes", "wants a bool"),
    ],
)
def test_refusals(text: str, says: str) -> None:
    with pytest.raises(Error) as raised:
        edgec.optimize(parse_graph(PADDED), [preprocess_of(text)], Settings(repro=None))
    assert raised.value.kind is Kind.USAGE
    assert says in str(raised.value)


@pytest.mark.parametrize(("target", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml")])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_artifacts_take_raw_digits(
    digits: Path, digits_test: Path, tmp_path: Path, target: str, suffix: str, precision: str
) -> None:
    """Calibration, verification and use are all on raw pictures."""
    pytest.importorskip({"onnx": "onnxruntime"}.get(target, target))
    pixels = np.load(digits_test)["x"][:64]
    path = tmp_path / f"m{suffix}"
    np.savez(tmp_path / "raw.npz", pictures=pixels)
    compiled = edgec.compile(
        edgec.load(digits),
        target,
        path,
        preprocess="mean=33.3285,scale=78.565,layout=nhwc,dtype=u8",
        precision=precision,
        calibration=None if precision == "fp32" else tmp_path / "raw.npz",
        verify=True,
    )
    assert compiled.verification
    assert compiled.graph.inputs[0].type.dtype is dtypes.u8
    assert compiled.graph.metadata["edgec.preprocess"] == (
        '["mean=33.3285,scale=78.565,layout=nhwc,dtype=u8"]'
    )
