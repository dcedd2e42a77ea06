"""Layers of a network: what rules are written with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgec.ir import Array, Code, Constant, DType, Error, Value, dtypes
from edgec.lowering.tensorrt.runtime import logger, tensorrt
from edgec.lowering.tensorrt.table import Tensor

TYPE_NAMES: Mapping[DType, str] = {
    dtypes.f32: "float32",
    dtypes.f16: "float16",
    dtypes.bf16: "bfloat16",
    dtypes.i32: "int32",
    dtypes.i64: "int64",
    dtypes.i8: "int8",
    dtypes.u8: "uint8",
    dtypes.i4: "int4",
    dtypes.f8e4m3fn: "fp8",
    dtypes.boolean: "bool",
}
_UNREADABLE = (dtypes.bf16, dtypes.i4, dtypes.f8e4m3fn)


@dataclass
class Network:
    """A network definition, with what must live as long as it does.

    Attributes:
        definition: the ``INetworkDefinition``.
        builder: what made it.
        layers: the names of the layers that compute each op of the graph, by the op's results.
        arrays: the weights; the definition holds pointers to them.
        hidden: constants of types that TensorRT does not read back, with their tensors.
    """

    definition: Any
    builder: Any
    layers: dict[str, list[str]] = field(default_factory=dict)
    arrays: list[Array] = field(default_factory=list)
    hidden: list[tuple[Any, Array]] = field(default_factory=list)


class Layers:
    """A network under construction, and the layers that rules add to it.

    Attributes:
        trt: the package.
        net: the network definition.
    """

    def __init__(self) -> None:
        self.trt = tensorrt()
        builder = self.trt.Builder(logger())
        if builder is None:
            raise Error(Code.REFUSED, f"TensorRT cannot start: {said()}")
        flag = 1 << int(self.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self.net: Any = builder.create_network(flag)
        self.made = Network(self.net, builder)
        self._tensors: dict[Value, Tensor] = {}

    # -- values ----------------------------------------------------------------------------------

    def __getitem__(self, value: Value) -> Tensor:
        """The tensor that holds a value."""
        found = self._tensors.get(value)
        if found is None:
            assert isinstance(value, Constant), f"{value} is used before it is computed"
            found = self._tensors[value] = self.const(value.array)
        return found

    def __setitem__(self, value: Value, tensor: Tensor) -> None:
        """Let a tensor stand for a value: in a nested graph."""
        self._tensors[value] = tensor

    def dtype(self, dtype: DType) -> Any:
        """TensorRT's element type."""
        return getattr(self.trt, TYPE_NAMES[dtype])

    def weights(self, array: Array) -> Any:
        """Weights that live as long as the network."""
        kept = np.ascontiguousarray(array)
        dtype = dtypes.dtype_of(kept.dtype)
        count = kept.size
        if dtype is dtypes.i4:
            kept = _packed(kept)
        self.made.arrays.append(kept)
        return self.trt.Weights(self.dtype(dtype), kept.ctypes.data, count)

    def const(self, data: Any, dtype: DType | None = None) -> Tensor:
        """A constant."""
        array = np.asarray(data, dtype=dtype.numpy if dtype else None)
        if array.size:
            tensor = out(self.net.add_constant(array.shape, self.weights(array)))
            if dtypes.dtype_of(array.dtype) in _UNREADABLE:
                self.made.hidden.append((tensor, array))
            return tensor
        one = self.const(np.zeros((1,) * array.ndim, array.dtype))
        return self.slice(one, [0] * array.ndim, array.shape, [0] * array.ndim)

    def ints(self, values: Sequence[int]) -> Tensor:
        """A 1-D i64 constant."""
        return self.const(values, dtypes.i64)

    def like(self, data: Any, tensor: Tensor) -> Tensor:
        """A constant of a tensor's element type, of rank 0 when ``data`` is a number."""
        return self.const(data, dtype_named(tensor.dtype))

    # -- layers ----------------------------------------------------------------------------------

    def unary(self, name: str, x: Tensor) -> Tensor:
        """One of ``trt.UnaryOperation``; the layer wants an axis."""
        kind = getattr(self.trt.UnaryOperation, name)
        if len(x.shape):
            return out(self.net.add_unary(x, kind))
        return self.reshape(out(self.net.add_unary(self.reshape(x, (1,)), kind)), ())

    def binary(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """One of ``trt.ElementWiseOperation``, with numpy's broadcasting."""
        x, y = self.aligned(x, y)
        return out(self.net.add_elementwise(x, y, getattr(self.trt.ElementWiseOperation, name)))

    def activation(self, name: str, x: Tensor, alpha: float = 0.0, beta: float = 0.0) -> Tensor:
        """One of ``trt.ActivationType``; the layer wants an axis."""
        if not len(x.shape):
            return self.reshape(self.activation(name, self.reshape(x, (1,)), alpha, beta), ())
        layer = self.net.add_activation(x, getattr(self.trt.ActivationType, name))
        out(layer)
        layer.alpha, layer.beta = alpha, beta
        return layer.get_output(0)

    def select(self, cond: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """x where cond, else y, with numpy's broadcasting."""
        return out(self.net.add_select(*self.aligned(cond, x, y)))

    def cast(self, x: Tensor, dtype: DType) -> Tensor:
        """As another element type."""
        return x if x.dtype == self.dtype(dtype) else out(self.net.add_cast(x, self.dtype(dtype)))

    def reduce(self, name: str, x: Tensor, axes: Iterable[int], keep: bool) -> Tensor:
        """One of ``trt.ReduceOperation``; x itself where there are no axes."""
        mask = sum(1 << axis for axis in axes)
        if not mask:
            return x
        return out(self.net.add_reduce(x, getattr(self.trt.ReduceOperation, name), mask, keep))

    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        layer = self.net.add_concatenation([*parts])
        out(layer)
        layer.axis = axis
        return layer.get_output(0)

    def transpose(self, x: Tensor, perm: Sequence[int]) -> Tensor:
        """Dim k of the result is dim perm[k] of x."""
        if [*perm] == [*range(len(perm))]:
            return x
        layer = self.net.add_shuffle(x)
        layer.first_transpose = [*perm]
        return out(layer)

    def slice(
        self, x: Tensor, start: Sequence[int], size: Sequence[int], step: Sequence[int]
    ) -> Tensor:
        """``size`` elements from ``start`` on, ``step`` apart (0 repeats one)."""
        return out(self.net.add_slice(x, [*start], [*size], [*step]))

    def slice_computed(self, x: Tensor, start: Tensor, size: Tensor, step: Tensor) -> Tensor:
        """A slice whose bounds are i64 tensors."""
        rank = len(x.shape)
        layer = self.net.add_slice(x, [0] * rank, [0] * rank, [1] * rank)
        for index, given in enumerate((start, size, step), 1):
            layer.set_input(index, given)
        return out(layer)

    # -- shapes ----------------------------------------------------------------------------------

    def reshape(self, x: Tensor, dims: Sequence[int]) -> Tensor:
        """Other dims, -1 standing for what is left over."""
        if tuple(x.shape) == tuple(dims) and -1 not in dims:
            return x
        layer = self.net.add_shuffle(x)
        layer.zero_is_placeholder = False
        layer.reshape_dims = [*dims]
        return out(layer)

    def reshape_computed(self, x: Tensor, dims: Tensor) -> Tensor:
        """Dims from an i64[rank] tensor."""
        layer = self.net.add_shuffle(x)
        layer.zero_is_placeholder = False
        layer.set_input(1, dims)
        return out(layer)

    def shape(self, x: Tensor) -> Tensor:
        """The dims as i64[rank]."""
        dims = tuple(x.shape)
        return self.ints(dims) if -1 not in dims else out(self.net.add_shape(x))

    def size(self, x: Tensor, axis: int) -> Tensor:
        """The length of an axis as i64[1]."""
        found = x.shape[axis]
        if found >= 0:
            return self.ints([found])
        return self.slice(out(self.net.add_shape(x)), [axis], [1], [1])

    def under(self, x: Tensor, dims: Sequence[int | Tensor]) -> Tensor:
        """x under dims of which some are i64[1] tensors."""
        unknown = [dim for dim in dims if not isinstance(dim, int)]
        if len(unknown) <= 1 and 0 not in dims:
            return self.reshape(x, [dim if isinstance(dim, int) else -1 for dim in dims])
        return self.reshape_computed(x, self.listed(dims))

    def listed(self, dims: Sequence[int | Tensor]) -> Tensor:
        """Ints and i64[1] tensors as one i64[n]."""
        return self.concat([self.ints([d]) if isinstance(d, int) else d for d in dims], 0)

    def sizes(self, x: Tensor) -> list[int | Tensor]:
        """Each dim: an int, or an i64[1] tensor that computes it."""
        return [dim if dim >= 0 else self.size(x, axis) for axis, dim in enumerate(x.shape)]

    def ranked(self, x: Tensor, rank: int) -> Tensor:
        """x with ones in front until it has that rank."""
        missing = rank - len(x.shape)
        return x if missing <= 0 else self.under(x, [*(1,) * missing, *self.sizes(x)])

    def aligned(self, *tensors: Tensor) -> list[Tensor]:
        """The tensors with the rank of the highest of them."""
        rank = max(len(x.shape) for x in tensors)
        return [self.ranked(x, rank) for x in tensors]

    def expand(self, x: Tensor, dims: Sequence[int | Tensor]) -> Tensor:
        """x repeated along its dims of 1; where both are unknown x must have the wanted dim."""
        x = self.ranked(x, len(dims))
        own = tuple(x.shape)
        steps = [0 if dim == 1 else 1 for dim in own]
        if all(isinstance(dim, int) for dim in dims):
            return x if own == tuple(dims) else self.slice(x, [0] * len(own), [*dims], steps)
        zeros = self.ints([0] * len(own))
        return self.slice_computed(x, zeros, self.listed(dims), self.ints(steps))


def dtype_named(given: Any) -> DType:
    """Our element type for one of TensorRT's."""
    trt = tensorrt()
    return next(dtype for dtype, name in TYPE_NAMES.items() if getattr(trt, name, None) == given)


class Rejected(Exception):
    """TensorRT made no layer; its log says why."""


def out(layer: Any) -> Tensor:
    """The first result of a layer. Raises Rejected when there is none."""
    if layer is None:
        raise Rejected
    tensor = layer.get_output(0)
    if tensor is None:
        raise Rejected
    return tensor


def said() -> str:
    """What TensorRT logged as errors since the last call."""
    return "; ".join(logger().taken())


def _packed(array: Array) -> Array:
    """Two 4-bit elements a byte, the first in the low half."""
    flat = array.reshape(-1).astype(np.int8).view(np.uint8) & 15
    padded = np.pad(flat, (0, flat.size % 2))
    both: Array = padded[0::2] | (padded[1::2] << 4)
    return both
