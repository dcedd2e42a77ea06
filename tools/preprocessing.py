"""Preprocessing inside the artifact: the model as the user will call it, and its pictures raw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgec.ir import Graph
from edgec.passes import PassManager, Preprocess, preprocess_of
from edgec.tools import provenance
from edgec.tools.images import ImageInput


def with_preprocessing(
    graph: Graph,
    wanted: str | Preprocess | Sequence[str | Preprocess],
    images: ImageInput | None,
) -> tuple[Graph, ImageInput | None]:
    """The model with the preprocessing in front, and how pictures become its inputs then: as they
    are, in its layout. Without any preprocessing both as they were.

    Raises:
        Error: the model has no such input, or its texts do not read.
    """
    listed = [wanted] if isinstance(wanted, (str, Preprocess)) else wanted
    passes = [preprocess_of(one) if isinstance(one, str) else one for one in listed]
    if not passes:
        return graph, images
    prepared = graph.clone()
    PassManager(passes).run(prepared)
    provenance.inherit(prepared, graph, [_text(one) for one in passes])
    return prepared, _raw(images or ImageInput(), passes[0], prepared)


_REVERSED = {"rgb": "bgr", "bgr": "rgb"}


def _raw(images: ImageInput, one: Preprocess, prepared: Graph) -> ImageInput:
    """Pictures as they are. Their channels stand as the model was trained with unless the
    preprocessing turns them round."""
    channels = images.channels
    if one.reverse_channels:
        channels = _REVERSED.get(channels, channels)
    axis = 3 if one.layout == "nhwc" else 1
    if len(prepared.inputs) == 1 and prepared.inputs[0].type.dims[axis] == 1:
        channels = "gray"
    return replace(images, mean=(0.0,), std=(), divide=1.0, channels=channels, layout=one.layout)


def _text(one: Preprocess) -> str:
    """As ``--preprocess`` reads it."""
    return str(one).removeprefix(f"{one.name}{{").removesuffix("}")
