"""The type of a value: element type, dims, and how integers stand for real numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.ir.dims import ANY, Dim, DimExpr, could_equal, evaluate, substitute, symbols
from edgec.ir.dtypes import DType

MAX_RANK = 64  # of arrays in numpy
MAX_DIM = 2**63 - 1


@dataclass(frozen=True)
class Quant:
    """real = scale * (stored - zero_point), per tensor (axis None) or per slice along ``axis``.

    ``low`` and ``high`` bound the stored integers (for example -127…127 for weights).
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None
    low: int
    high: int

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.zero_point) or not self.scale:
            raise ValueError("quantization wants one zero point per scale, and at least one")
        if self.axis is None and len(self.scale) != 1:
            raise ValueError("per-tensor quantization wants exactly one scale")
        if any(not (scale > 0 and math.isfinite(scale)) for scale in self.scale):
            raise ValueError("every quantization scale must be positive and finite")
        if any(not self.low <= point <= self.high for point in self.zero_point):
            raise ValueError(f"every zero point must lie in {self.low}…{self.high}")


@dataclass(frozen=True, slots=True)
class TensorType:
    """dtype × dims × optional quantization. A dim is an int or an expression over symbols."""

    dtype: DType
    dims: tuple[Dim, ...]
    quant: Quant | None = None
    is_static: bool = field(init=False, repr=False, compare=False)  # every dim is an int

    def __post_init__(self) -> None:
        static = True
        if len(self.dims) > MAX_RANK:
            raise ValueError(f"a tensor has {MAX_RANK} dimensions at most, found {len(self.dims)}")
        for dim in self.dims:
            if isinstance(dim, int):
                if not 0 <= dim <= MAX_DIM:
                    raise ValueError(f"a dimension is negative or too large: {self.dims}")
            elif isinstance(dim, DimExpr):
                static = False
            else:
                raise ValueError(f"a dimension is an int or an expression, found {dim!r}")
        object.__setattr__(self, "is_static", static)
        if self.quant is not None:
            _check_quant(self.quant, self.dims)

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def static_dims(self) -> tuple[int, ...] | None:
        """The dims when every one of them is known, else None."""
        return self.dims if self.is_static else None  # type: ignore[return-value]  # all ints

    def elements(self, bindings: Mapping[str, int] | None = None) -> int:
        """Number of elements; symbols are looked up in ``bindings``, 1 where it is None."""
        count = 1
        for dim in self.dims:
            count *= dim if isinstance(dim, int) else _bound(dim, bindings)
        return count

    def nbytes(self, bindings: Mapping[str, int] | None = None) -> int:
        """Bytes when packed (two 4-bit elements a byte)."""
        return (self.elements(bindings) * self.dtype.bits + 7) // 8

    def with_dims(self, dims: tuple[Dim, ...]) -> TensorType:
        return self if dims == self.dims else TensorType(self.dtype, dims, self.quant)

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.dims, self.quant)

    def substitute(self, bindings: Mapping[str, Dim]) -> TensorType:
        if self.is_static:
            return self
        return self.with_dims(tuple(substitute_dim(dim, bindings) for dim in self.dims))

    def compatible(self, other: TensorType) -> bool:
        """True unless the two provably differ: equal dtype, rank, and dims that could be equal."""
        if self is other:
            return True
        if self.dtype is not other.dtype or self.quant != other.quant:
            return False
        return self.dims == other.dims or (
            len(self.dims) == len(other.dims) and all(map(could_equal, self.dims, other.dims))
        )

    def __str__(self) -> str:
        dims = ",".join(str(dim) for dim in self.dims)
        text = f"{self.dtype.name}[{dims}]"
        return text if self.quant is None else f"{text}{quant_text(self.quant)}"


def _check_quant(quant: Quant, dims: tuple[Dim, ...]) -> None:
    if quant.axis is None:
        return
    if not 0 <= quant.axis < len(dims):
        raise ValueError(f"quantization axis {quant.axis} is out of range for rank {len(dims)}")
    size = dims[quant.axis]
    if isinstance(size, int) and size != len(quant.scale):
        raise ValueError(f"axis {quant.axis} has {size} slices and {len(quant.scale)} scales")


def quant_text(quant: Quant) -> str:
    """The text form of a quantization, as it follows a type: ``q(0.5,0,-128,127)``."""
    scales = "|".join(repr(scale) for scale in quant.scale)
    points = "|".join(str(point) for point in quant.zero_point)
    axis = "" if quant.axis is None else f",axis={quant.axis}"
    return f"q({scales},{points},{quant.low},{quant.high}{axis})"


def substitute_dim(dim: Dim, bindings: Mapping[str, Dim]) -> Dim:
    return dim if isinstance(dim, int) or dim is ANY else substitute(dim, bindings)


def _bound(dim: Dim, bindings: Mapping[str, int] | None) -> int:
    if dim is ANY:
        return 1
    if bindings is None:
        return max(evaluate(dim, dict.fromkeys(symbols(dim), 1)), 0)
    return evaluate(dim, bindings)
