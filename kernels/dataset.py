"""Datasets: sets of inputs that a pass may run the graph on, as often as it wants."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Protocol, TypeAlias, runtime_checkable

import numpy as np

from edgec.ir import Array, Code, Error, Graph
from edgec.kernels.inputs import seeded_inputs

Sample: TypeAlias = Mapping[str, Array]
"""One set of inputs: arrays by input name, the batch dimension included."""


@runtime_checkable
class Dataset(Protocol):
    """A sequence of samples of known length; every iteration starts anew and gives the same."""

    @property
    def description(self) -> str:
        """Where the data come from, for the metadata of what is made from them."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Sample]: ...


@dataclass(frozen=True)
class InMemory:
    """Samples that are held in memory."""

    samples: Sequence[Sample]
    description: str

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)


@dataclass(frozen=True)
class Streamed:
    """Samples that are made, or read from disk, whenever they are asked for.

    Attributes:
        length: number of samples.
        sample: makes the one of that index.
    """

    length: int
    sample: Callable[[int], Sample]
    description: str

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Sample]:
        return map(self.sample, range(self.length))


class Spooled:
    """Samples of an iterator that runs only once, kept in a temporary file to be read again.

    Raises:
        Error: what the iterator gives is no mapping of names to arrays.
    """

    def __init__(self, samples: Iterable[Sample], description: str) -> None:
        self.description = description
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as self
        weakref.finalize(self, self._file.close)
        self._places: list[dict[str, int]] = []
        for sample in samples:
            place: dict[str, int] = {}
            for name, array in _named(sample).items():
                place[name] = self._file.tell()
                np.lib.format.write_array(self._file, np.asarray(array), allow_pickle=False)
            self._places.append(place)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Sample]:
        for place in self._places:
            yield {name: self._read(position) for name, position in place.items()}

    def _read(self, position: int) -> Array:
        self._file.seek(position)
        array: Array = np.lib.format.read_array(self._file, allow_pickle=False)
        return array


def dataset_of(data: Dataset | Iterable[Sample], description: str = "samples") -> Dataset:
    """What the user gave as data, as a dataset.

    Args:
        data: a dataset, a sequence of samples, or an iterable of them (a generator is read once
            and kept in a temporary file).

    Raises:
        Error: a sample is no mapping of input names to arrays.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, Sequence):
        return InMemory([_named(sample) for sample in data], description)
    return Spooled(data, description)


def random_dataset(graph: Graph, count: int, seed: int = 0) -> Dataset:
    """Seeded random samples for the graph's inputs (see ``seeded_inputs``)."""
    return Streamed(
        count,
        lambda index: seeded_inputs(graph, seed=seed + index),
        f"random: {count} normally distributed samples, which say nothing about real inputs",
    )


def _named(sample: Sample) -> Sample:
    if not isinstance(sample, Mapping):
        raise Error(
            Code.DATA_NAMES,
            f"a sample is a mapping of input names to arrays, found {type(sample).__name__}",
            instead="{'input': array, …} for every sample",
        )
    return sample
