"""Where calibration data come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.ir import Array, Error, Graph, Kind, parse_graph
from edgec.kernels import Dataset
from edgec.tools.data_sources import data_of
from edgec.tools.images import ImageInput, input_beside

SCALED = ImageInput(mean=(127.0,), std=(128.0,))


def images(dims: str = "N,3,4,6", dtype: str = "f32") -> Graph:
    return parse_graph(f"graph g(%x: {dtype}[{dims}]) {{ %y = math.neg %x  return y=%y }}")


def arrays(data: Dataset, name: str = "x") -> list[Array]:
    return [sample[name] for sample in data]


def pixels(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


# -- .npz -------------------------------------------------------------------------------------


def test_samples_lie_along_the_first_axis(tmp_path: Path) -> None:
    stored = np.arange(5 * 72, dtype=np.float32).reshape(5, 3, 4, 6)
    np.savez(tmp_path / "x.npz", x=stored, label=np.arange(5))
    for dims, count in (("N,3,4,6", 5), ("1,3,4,6", 5), ("5,3,4,6", 1)):
        data = data_of(tmp_path / "x.npz", images(dims))
        assert len(data) == len(arrays(data)) == count
        np.testing.assert_array_equal(np.concatenate(arrays(data)), stored)
    assert data.description == "x.npz: 1 samples"


def test_an_array_of_one_sample_goes_with_all(tmp_path: Path) -> None:
    graph = parse_graph(
        "graph g(%a: f32[1,2], %state: f32[2,1,3], %rate: i64[]) {"
        " %y = math.neg %a  return y=%y, s=%state, r=%rate }"
    )
    np.savez(
        tmp_path / "x.npz",
        a=np.ones((4, 2), np.float32),
        state=np.zeros((2, 1, 3), np.float32),
        rate=np.array(16000),
    )
    data = data_of(str(tmp_path / "x.npz"), graph)
    assert len(data) == 4
    for sample in data:
        assert (sample["a"].shape, sample["state"].shape, sample["rate"].shape) == (
            (1, 2),
            (2, 1, 3),
            (),
        )


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"z": np.zeros((1, 3, 4, 6), np.float32)}, r"no array for \['x'\]"),
        ({"x": np.zeros((1, 3, 4, 6), np.float64)}, r"float64\[1, 3, 4, 6\], the model wants f32"),
        ({"x": np.zeros((3, 4, 6), np.float32)}, r"float32\[3, 4, 6\], the model wants f32"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, stored: dict[str, Array], words: str) -> None:
    np.savez(tmp_path / "x.npz", **stored)  # type: ignore[arg-type]
    with pytest.raises(Error, match=words) as caught:
        data_of(tmp_path / "x.npz", images())
    assert caught.value.kind is Kind.CALIBRATION


def test_different_numbers_of_samples(tmp_path: Path) -> None:
    graph = parse_graph("graph g(%a: f32[1,2], %b: f32[1,2]) { return a=%a, b=%b }")
    np.savez(tmp_path / "x.npz", a=np.ones((4, 2), np.float32), b=np.ones((3, 2), np.float32))
    with pytest.raises(Error, match="different numbers of samples"):
        data_of(tmp_path / "x.npz", graph)


# -- pictures ---------------------------------------------------------------------------------


def test_pixels_in_an_npz_are_scaled_as_the_model_wants(tmp_path: Path) -> None:
    stored = pixels(7, 4, 6, 3)
    for name in ("x", "photos"):
        np.savez(tmp_path / "x.npz", **{name: stored, "label": np.arange(7)})  # type: ignore[arg-type]
        found = np.concatenate(arrays(data_of(tmp_path / "x.npz", images(), SCALED)))
        wanted = (stored.astype(np.float64).transpose(0, 3, 1, 2) - 127) / 128
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        assert found.dtype == np.float32


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_channels_and_layout(tmp_path: Path, channels: str, layout: str) -> None:
    stored = pixels(1, 4, 6, 3)
    np.savez(tmp_path / "x.npz", x=stored)
    wanted = ImageInput(
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        divide=255,
        channels=channels,
        layout=layout,
    )
    graph = images("N,3,4,6" if layout == "nchw" else "N,4,6,3")
    [found] = arrays(data_of(tmp_path / "x.npz", graph, wanted))
    turned = stored[..., ::-1] if channels == "bgr" else stored
    expected = (turned / 255.0 - wanted.mean) / wanted.std
    expected = expected.transpose(0, 3, 1, 2) if layout == "nchw" else expected
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_gray_pixels(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=pixels(2, 4, 6))
    gray = ImageInput(divide=255, channels="gray")
    assert len(data_of(tmp_path / "x.npz", images("N,1,4,6"), gray)) == 2
    with pytest.raises(Error, match="channels 'gray' in layout nchw do not fit"):
        data_of(tmp_path / "x.npz", images("N,3,4,6"), gray)


def test_a_model_that_takes_pixels_gets_them(tmp_path: Path) -> None:
    stored = pixels(2, 3, 4, 6)
    np.savez(tmp_path / "x.npz", x=stored)
    graph = parse_graph("graph g(%x: u8[N,3,4,6]) { %y = math.cast %x, to=f32  return y=%y }")
    np.testing.assert_array_equal(
        np.concatenate(arrays(data_of(tmp_path / "x.npz", graph))), stored
    )


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    stored = pixels(4, 6, 3)
    (tmp_path / "inner").mkdir()
    image.fromarray(stored).save(tmp_path / "b.png")
    image.fromarray(stored[:, :, 0]).save(tmp_path / "inner" / "a.png")
    image.fromarray(pixels(40, 90, 3)).save(tmp_path / "large.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    data = data_of(tmp_path, images(), SCALED)
    assert len(data) == 3
    first, second, third = arrays(data)
    np.testing.assert_allclose(first[0], (stored.transpose(2, 0, 1) - 127.0) / 128, rtol=1e-6)
    assert np.ptp(second[0], axis=0).max() == 0, "a gray picture has equal channels"
    assert third.shape == (1, 3, 4, 6)
    assert (
        data.description == f"{tmp_path.name}: 3 pictures, size (4, 6), mean (127.0,), std (128.0,)"
    )


def test_crop_keeps_the_aspect(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    wide = np.zeros((8, 40, 3), np.uint8)
    wide[:, 16:24] = 255
    image.fromarray(wide).save(tmp_path / "wide.png")
    for fit, share in (("stretch", 0.2), ("crop", 1.0)):
        wanted = ImageInput(size=(8, 8), divide=255, fit=fit)
        [found] = arrays(data_of(tmp_path, images("N,3,8,8"), wanted))
        assert found.mean() == pytest.approx(share, abs=0.1)


def test_what_no_picture_can_be_made_of(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image")
    with pytest.raises(Error, match="there are no pictures"):
        data_of(tmp_path, images(), SCALED)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(Error, match=r"cannot read the picture .*broken\.png"):
        arrays(data_of(tmp_path, images(), SCALED))
    with pytest.raises(Error, match="images are calibration data for an input"):
        data_of(tmp_path, images("N,4"), SCALED)
    two = parse_graph("graph g(%a: f32[1,2], %b: f32[1,2]) { return a=%a, b=%b }")
    with pytest.raises(Error, match="holds pictures, the model has 2 inputs"):
        data_of(tmp_path, two, SCALED)


def test_nobody_guesses_how_pixels_are_scaled(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=pixels(2, 4, 6, 3))
    with pytest.raises(Error, match="nothing says how the model wants them scaled") as caught:
        data_of(tmp_path / "x.npz", images())
    assert "--mean" in caught.value.instead


# -- how pictures become inputs ---------------------------------------------------------------


def test_the_toml_beside_the_model(tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    (tmp_path / "net.toml").write_text(
        "[input]\nsize = [224, 160]\nmean = 127\nstd = [1, 2, 3]\nchannels = 'bgr'\n"
    )
    found = input_beside(model, {"mean": None, "channels": "rgb"})
    assert found == ImageInput(size=(224, 160), mean=(127.0,), std=(1.0, 2.0, 3.0), channels="rgb")
    assert input_beside(tmp_path / "other.onnx", {}) == ImageInput()
    assert input_beside(None, {"divide": 255}).divide == 255


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[input", "cannot read"),
        ("input = 3", "input is no table"),
        ("[input]\nmeans = 3", r"has \[input\] \['means'\]"),
        ("[input]\nmean = 'gray'", "cannot read mean = 'gray'"),
        ("[input]\nmean = [1, 2]", "mean has one number, or one per channel"),
        ("[input]\nstd = 0", "std and divide are not zero"),
        ("[input]\nsize = [1, 2, 3]", "size is height and width"),
        ("[input]\nchannels = 'cmyk'", "channels is one of"),
        ("[input]\nlayout = 'chw'", "layout is nchw or nhwc"),
        ("[input]\nfit = 'tile'", "fit is one of"),
    ],
)
def test_a_toml_that_says_something_else(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "net.toml").write_text(text)
    with pytest.raises(Error, match=words):
        input_beside(tmp_path / "net.onnx", {})


# -- others -----------------------------------------------------------------------------------


def test_random_data_say_that_they_are() -> None:
    data = data_of("random", images())
    assert data.description.startswith("random: ")
    first, again = arrays(data), arrays(data)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])


def test_samples_from_python() -> None:
    def generated() -> object:
        yield {"x": np.ones((1, 3, 4, 6), np.float32)}

    data = data_of(generated(), images())  # type: ignore[arg-type]
    assert len(data) == len(arrays(data)) == 1
