"""Pictures as inputs: how pixels become the numbers that a model was trained on."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Array, Code, Error, Kind, TensorType, dtypes

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
CHANNELS = {"rgb": 3, "bgr": 3, "gray": 1}
FITS = ("stretch", "crop")


@dataclass(frozen=True)
class ImageInput:
    """How a picture becomes an input: resized, then ``(pixel / divide - mean) / std``.

    It stands in the table ``[input]`` of a TOML file beside the model, named like it.

    Attributes:
        size: height and width; the model's own where it fixes them, the picture's where None.
        mean: subtracted per channel.
        std: divided by per channel.
        divide: what pixels of 0…255 are divided by first; 255 for models trained on 0…1.
        channels: 'rgb', 'bgr' or 'gray'.
        layout: 'nchw' or 'nhwc'.
        fit: 'stretch' to the size, or 'crop' the middle after the shorter side fits.
    """

    size: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    divide: float = 1.0
    channels: str = "rgb"
    layout: str = "nchw"
    fit: str = "stretch"

    def __post_init__(self) -> None:
        wrong = [
            text
            for text, holds in (
                (f"channels is one of {sorted(CHANNELS)}", self.channels in CHANNELS),
                ("layout is nchw or nhwc", self.layout in ("nchw", "nhwc")),
                (f"fit is one of {list(FITS)}", self.fit in FITS),
                ("size is height and width", not self.size or _is_size(self.size)),
                ("mean has one number, or one per channel", len(self.mean) in (0, 1, self.depth)),
                ("std has one number, or one per channel", len(self.std) in (0, 1, self.depth)),
                ("std and divide are not zero", 0 not in (*self.std, self.divide)),
            )
            if not holds
        ]
        if wrong:
            raise Error(Code.OPTION, f"preprocessing of images: {'; '.join(wrong)}, found {self}")

    @property
    def depth(self) -> int:
        return CHANNELS.get(self.channels, 3)

    @property
    def is_stated(self) -> bool:
        """True when somebody said how pixels are scaled; nobody should guess it."""
        return bool(self.mean or self.std or self.divide != 1)

    def __str__(self) -> str:
        shown = [
            f"{field.name} {getattr(self, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return ", ".join(shown) or "as they are"

    def fitted(self, type: TensorType) -> ImageInput:
        """With the size that the model fixes. Raises Error when the model takes no such images."""
        if type.rank != 4 or not (type.dtype.is_float or type.dtype is dtypes.u8):
            raise Error(
                Code.PICTURES,
                f"images are calibration data for an input f32[N,C,H,W], the model wants {type}",
                instead="an .npz whose arrays carry the model's input names",
            )
        height, width = type.dims[2:] if self.layout == "nchw" else type.dims[1:3]
        depth = type.dims[1] if self.layout == "nchw" else type.dims[3]
        if isinstance(depth, int) and depth != self.depth:
            raise Error(
                Code.PICTURES,
                f"images with channels {self.channels!r} in layout {self.layout} do not fit {type}",
                instead="--channels gray|rgb|bgr, or layout in the model's TOML file",
            )
        if isinstance(height, int) and isinstance(width, int):
            return replace(self, size=(height, width))
        return self

    def array(self, pixels: Array) -> Array:
        """u8[H,W], u8[H,W,1] or u8[H,W,3] (rgb), of the final size, as f32 of batch one."""
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        if pixels.shape[2] != self.depth:
            raise Error(
                Code.PICTURES,
                f"a picture has {pixels.shape[2]} channels, channels={self.channels!r} wants "
                f"{self.depth}",
                instead="--channels gray|rgb|bgr",
            )
        if self.channels == "bgr":
            pixels = pixels[:, :, ::-1]
        numbers = pixels.astype(np.float32)
        if self.divide != 1:
            numbers /= np.float32(self.divide)
        numbers -= np.array(self.mean or (0,), np.float32)
        numbers /= np.array(self.std or (1,), np.float32)
        placed = numbers.transpose(2, 0, 1) if self.layout == "nchw" else numbers
        return np.ascontiguousarray(placed[None])


def _is_size(size: Sequence[int]) -> bool:
    return len(size) == 2 and min(size) > 0


def input_beside(model: Path | None, chosen: Mapping[str, Any]) -> ImageInput:
    """What the TOML file beside a model says, with what was chosen on the command line over it.

    Raises:
        Error: the file does not read, or holds what it should not.
    """
    path = Path("model.toml") if model is None else model.with_suffix(".toml")
    table = _table(path) if model is not None and path.is_file() else {}
    table |= {name: value for name, value in chosen.items() if value is not None}
    known = {field.name: field for field in fields(ImageInput)}
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise Error(Code.CONFIG, f"{path} has [input] {unknown}", instead=f"one of {sorted(known)}")
    return ImageInput(**{name: _typed(name, value, path) for name, value in table.items()})


def _table(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("input", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Error(Code.TOML, f"cannot read {path}: {error}") from error
    if not isinstance(found, dict):
        raise Error(Code.TOML, f"input is no table in {path}", instead="[input] and lines below it")
    return dict(found)


def _typed(name: str, value: Any, path: Path) -> Any:
    wanted = ImageInput.__dataclass_fields__[name].default
    try:
        if isinstance(wanted, str):
            return str(value)
        if isinstance(wanted, tuple):
            kind = int if name == "size" else float
            return tuple(map(kind, value if isinstance(value, Sequence) else (value,)))
        return float(value)
    except (TypeError, ValueError) as error:
        raise Error(Code.CONFIG, f"cannot read {name} = {value!r} in {path}") from error


def pictures_in(folder: Path) -> list[Path]:
    """The picture files in a folder and its folders, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def read_picture(path: Path, wanted: ImageInput) -> Array:
    """The pixels of a picture file, u8[H,W,C], brought to the wanted size.

    Raises:
        Error: pillow is not installed, or the file is no picture.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise Error(
            Kind.RUNTIME_MISSING, "pillow is not installed", instead="pip install 'edgec[images]'"
        ) from error
    mode = "L" if wanted.channels == "gray" else "RGB"
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert(mode)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        raise Error(Code.CORRUPT, f"cannot read the picture {path}: {error}") from error
    if wanted.size:
        height, width = wanted.size
        if wanted.fit == "crop":
            picture = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
        else:
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture)
