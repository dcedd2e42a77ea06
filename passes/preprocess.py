"""The pass ``preprocess``: the model takes pictures as they come, and prepares them itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from edgec.ir import (
    Code,
    DType,
    Error,
    Finding,
    Graph,
    Rewriter,
    TensorType,
    Value,
    dtypes,
)
from edgec.ir.ops import Cast, Div, Gather, Sub, Transpose
from edgec.passes.base import Pass, make_pass
from edgec.passes.promise import Anew

LAYOUTS = ("nchw", "nhwc")
LAYOUT_KEY = "layout."  # metadata layout.NAME: how the axes of that input lie, as in NHWC


@dataclass(frozen=True)
class Preprocess(Pass):
    """Let an input take raw pictures: ``(x - mean) / scale`` per channel runs inside the model.

    ``mean`` and ``scale`` are one number, or one per channel separated by ``|``, in the order of
    the channels that the model was trained with; a scale divides. ``layout`` is that of the new
    input (nchw or nhwc), ``model_layout`` that of the model's own. ``dtype`` is the element type
    of the new input; the model's where it is empty. With ``reverse_channels`` the pictures come
    with their channels the other way round, BGR for a model of RGB. ``input`` names the input; the
    only one with four dims where it is empty. O2 then moves the scale and the order of the
    channels into the first convolution, and the mean where no zero padding sees it.
    """

    name = "preprocess"
    promise = Anew()
    input: str = ""
    mean: str = ""
    scale: str = ""
    layout: str = "nchw"
    model_layout: str = "nchw"
    dtype: str = ""
    reverse_channels: bool = False

    def run(self, graph: Graph, rw: Rewriter) -> None:
        old = self._input(graph)
        axis = 1 if self.model_layout == "nchw" else old.type.rank - 1
        mean = _numbers("mean", self.mean, old, axis)
        scale = _numbers("scale", self.scale, old, axis)
        self._require(old, axis, scale)
        new = rw.exchange_input(old, self._type(old.type))
        inside = rw.at(graph.first) if graph.first else rw
        with inside.located((f"preprocess.{old.hint}",)):
            x = self._arranged(new, inside)
            if x.type.dtype is not old.type.dtype:
                x = inside.add(Cast(x, to=old.type.dtype)).result
            x = self._scaled(x, axis, mean, scale, inside)
            if self.reverse_channels:
                order = np.arange(_channels(old, axis))[::-1]
                x = inside.add(Gather(x, inside.constant(order.copy()), axis=axis)).result
        rw.replace_uses(old, x)
        graph.metadata[f"{LAYOUT_KEY}{old.hint}"] = self.layout.upper()

    def _input(self, graph: Graph) -> Value:
        named = [value for value in graph.inputs if value.hint == self.input]
        images = [value for value in graph.inputs if value.type.rank == 4]
        found = named if self.input else images
        if len(found) != 1:
            raise Error(
                Code.INPUTS,
                f"the model has no input {self.input!r}"
                if self.input
                else f"{len(images)} inputs of the model have four dims",
                instead=f"input=NAME, one of {list(graph.input_names)}",
            )
        return found[0]

    def _require(self, old: Value, axis: int, scale: Sequence[float]) -> None:
        wrong = []
        if old.type.rank != 4:
            wrong.append(f"pictures have four dims, the input is {old.type}")
        if not old.type.dtype.is_float:
            wrong.append(f"the model takes floats where pictures go in, found {old.type}")
        wrong += [
            f"{key} is nchw or nhwc, found {text!r}"
            for key, text in (("layout", self.layout), ("model_layout", self.model_layout))
            if text not in LAYOUTS
        ]
        if 0 in scale:
            wrong.append("a scale divides, so it is not 0")
        if self.reverse_channels and not isinstance(old.type.dims[axis], int):
            wrong.append(f"the number of channels of {old.type} is not known")
        if wrong:
            raise Error(
                Code.INPUTS,
                f"input {old.hint!r} cannot be preprocessed so",
                [Finding(text) for text in wrong],
                instead="mean=123.7|116.3|103.5,scale=58.4|57.1|57.4,layout=nhwc,dtype=u8",
            )

    def _type(self, old: TensorType) -> TensorType:
        dims = old.dims
        if self.layout != self.model_layout:
            to_last = self.layout == "nhwc"
            dims = tuple(dims[axis] for axis in ((0, 2, 3, 1) if to_last else (0, 3, 1, 2)))
        return TensorType(_dtype(self.dtype) if self.dtype else old.dtype, dims)

    def _arranged(self, x: Value, rw: Rewriter) -> Value:
        """In the model's layout, while the elements are still small."""
        if self.layout == self.model_layout:
            return x
        perm = (0, 3, 1, 2) if self.layout == "nhwc" else (0, 2, 3, 1)
        return rw.add(Transpose(x, perm=perm)).result

    def _scaled(
        self, x: Value, axis: int, mean: Sequence[float], scale: Sequence[float], rw: Rewriter
    ) -> Value:
        """Before the channels are put in order, which then stands next to the convolution."""
        for op, numbers, neutral in ((Sub, mean, 0.0), (Div, scale, 1.0)):
            if all(number == neutral for number in numbers):
                continue
            ordered = numbers[::-1] if self.reverse_channels else numbers
            dims = [1] * x.type.rank
            dims[axis] = len(ordered)
            constant = np.asarray(ordered, x.type.dtype.numpy).reshape(dims)
            x = rw.add(op(x, rw.constant(constant))).result
        return x


def _channels(value: Value, axis: int) -> int:
    dim = value.type.dims[axis]
    assert isinstance(dim, int), "asked before"
    return dim


def _numbers(key: str, text: str, value: Value, axis: int) -> Sequence[float]:
    """The numbers of a list; none for an empty text."""
    if not text:
        return ()
    try:
        found = [float(part) for part in text.strip("[]()").split("|")]
    except ValueError:
        found = []
    channels = value.type.dims[axis] if axis < value.type.rank else 1
    if not np.all(np.isfinite(found)) or len(found) not in {1, channels}:
        raise Error(
            Code.OPTION,
            f"{key} is one number, or one for each of the {channels} channels of input "
            f"{value.hint!r}, found {text!r}",
            instead=f"{key}=123.7|116.3|103.5",
        )
    return found


def _dtype(text: str) -> DType:
    try:
        return dtypes.dtype_named(text)
    except (KeyError, ValueError) as error:
        raise Error(
            Code.OPTION, f"there is no element type {text!r}", instead="dtype=u8"
        ) from error


def preprocess_of(text: str) -> Preprocess:
    """The pass that an option's text asks for.

    A comma separates options, and the numbers of a list as well: ``mean=1,2,3,layout=nhwc``.

    Raises:
        Error: the text does not read.
    """
    known = sorted(field.name for field in fields(Preprocess))
    options: dict[str, str] = {}
    last = ""
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, separator, value = item.partition("=")
        if separator:
            last = key.strip()
            options[last] = value.strip()
        elif last:
            options[last] += f"|{item}"
        else:
            raise Error(
                Code.OPTION, f"preprocessing of {item!r} has no value", instead=f"one of {known}"
            )
    made = make_pass(Preprocess.name, options)
    assert isinstance(made, Preprocess), "declared above"
    return made
