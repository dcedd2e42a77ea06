"""Where data come from: a folder of pictures, an .npz of arrays, random numbers, Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from edgec.ir import Array, Code, Dim, Error, Graph, Value, dtypes
from edgec.kernels import Dataset, Sample, Streamed, dataset_of, random_dataset
from edgec.lowering import read_npz
from edgec.tools.images import ImageInput, pictures_in, read_picture

RANDOM = "random"
RANDOM_SAMPLES = 16

Source: TypeAlias = "str | Path | Dataset | Iterable[Sample]"


def data_of(source: Source, graph: Graph, images: ImageInput | None = None) -> Dataset:
    """The samples that a user names.

    Args:
        source: a folder of pictures, the path of an .npz, 'random', or samples themselves.
        graph: what the samples are for.
        images: how pictures become inputs.

    Raises:
        Error: what is there does not fit the graph's inputs.
    """
    if not isinstance(source, (str, Path)):
        return dataset_of(source, "samples given in Python")
    if source == RANDOM:
        return random_dataset(graph, RANDOM_SAMPLES)
    path = Path(source)
    images = images or ImageInput()
    if path.is_dir():
        return _folder(path, graph, images)
    return _arrays(path, graph, images)


def _folder(folder: Path, graph: Graph, images: ImageInput) -> Dataset:
    pictures = pictures_in(folder)
    if not pictures:
        raise Error(Code.PICTURES, f"there are no pictures in {folder}")
    value = _only_input(graph, folder)
    fitted = _stated(images, folder).fitted(value.type)
    return Streamed(
        len(pictures),
        lambda index: {
            value.hint: _typed(fitted.array(read_picture(pictures[index], fitted)), value)
        },
        f"{folder.name}: {len(pictures)} pictures, {fitted}",
    )


def _arrays(path: Path, graph: Graph, images: ImageInput) -> Dataset:
    arrays = read_npz(path)
    pixels = _pixels(arrays, graph)
    if pixels is None:
        return _taken_apart(arrays, path, graph)
    value = _only_input(graph, path)
    fitted = _stated(images, path).fitted(value.type)
    height, width = pixels.shape[1:3]
    if fitted.size and fitted.size != (height, width):
        raise Error(
            Code.PICTURES,
            f"the pictures in {path} are {height}×{width}, the model wants "
            f"{fitted.size[0]}×{fitted.size[1]}",
        )
    return Streamed(
        len(pixels),
        lambda index: {value.hint: _typed(fitted.array(pixels[index]), value)},
        f"{path.name}: {len(pixels)} pictures, {fitted}",
    )


def _taken_apart(arrays: dict[str, Array], path: Path, graph: Graph) -> Dataset:
    """Arrays under the input names, with samples along the first axis: as many entries of it make
    a sample as the model takes at once, one where it takes any number. An array that holds a
    single sample goes with all of them."""
    missing = [name for name in graph.input_names if name not in arrays]
    if missing:
        raise Error(
            Code.DATA_NAMES,
            f"{path} has no array for {missing}",
            instead=f"arrays named {list(graph.input_names)}; found {sorted(arrays)}",
        )
    series = {value.hint: _Series(value, arrays[value.hint], path) for value in graph.inputs}
    counts = {one.count for one in series.values()} - {1} or {1}
    if len(counts) != 1:
        raise Error(
            Code.DATA_TYPES, f"the arrays of {path} have different numbers of samples: {counts}"
        )
    [count] = counts
    return Streamed(
        count,
        lambda index: {name: one.sample(index) for name, one in series.items()},
        f"{path.name}: {count} samples",
    )


def _fits(shape: tuple[int, ...], dims: Sequence[Dim]) -> bool:
    """True when the entries of an array are as an input's, the first dim being the samples."""
    if not dims:
        return len(shape) <= 1
    known = [isinstance(dim, int) and dim != size for dim, size in zip(dims, shape, strict=False)]
    return len(shape) == len(dims) and not any(known[1:])


class _Series:
    """The samples of one input, in one array."""

    def __init__(self, value: Value, array: Array, path: Path) -> None:
        rank = value.type.rank
        if array.dtype != value.type.dtype.numpy or not _fits(array.shape, value.type.dims):
            raise Error(
                Code.DATA_TYPES,
                f"the array {value.hint!r} in {path} is {array.dtype}{list(array.shape)}, the "
                f"model wants {value.type}",
            )
        self.array = array
        self.scalar = rank == 0
        first = value.type.dims[0] if rank else 1
        self.size = max(first, 1) if isinstance(first, int) else 1
        self.count = len(array) // self.size if array.ndim else 1

    def sample(self, index: int) -> Array:
        if self.scalar:
            return np.asarray(self.array if self.array.ndim == 0 else self.array[index])
        if self.count == 1:
            return self.array
        return self.array[index * self.size : (index + 1) * self.size]


def _pixels(arrays: dict[str, Array], graph: Graph) -> Array | None:
    """Pictures u8[n,H,W] or u8[n,H,W,C] for a model of one input that wants other numbers, or
    knows them by another name: under the input's name, or the only ones in the file."""
    if len(graph.inputs) != 1:
        return None
    if graph.inputs[0].hint in arrays:
        if graph.inputs[0].type.dtype is dtypes.u8:
            return None
        found = [arrays[graph.inputs[0].hint]]
    else:
        found = [array for array in arrays.values() if array.ndim >= 3]
    fitting = [a for a in found if a.dtype == "uint8" and a.ndim in (3, 4)]
    return fitting[0] if len(fitting) == 1 else None


def _typed(numbers: Array, value: Value) -> Array:
    """In the element type of the input that they go into."""
    return numbers.astype(value.type.dtype.numpy, copy=False)


def _only_input(graph: Graph, path: Path) -> Value:
    if len(graph.inputs) != 1:
        raise Error(
            Code.PICTURES,
            f"{path} holds pictures, the model has {len(graph.inputs)} inputs",
            instead=f"an .npz with arrays named {list(graph.input_names)}",
        )
    return graph.inputs[0]


def _stated(images: ImageInput, path: Path) -> ImageInput:
    if not images.is_stated:
        raise Error(
            Code.PICTURES,
            f"{path} holds pixels, and nothing says how the model wants them scaled",
            instead="--mean and --std (and --divide 255), or the table [input] in a TOML file "
            "beside the model",
        )
    return images
