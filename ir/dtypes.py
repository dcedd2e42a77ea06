"""Element types. Each knows its numpy type (ml_dtypes where numpy has none) and its width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np

Family = Literal["float", "int", "uint", "bool"]


@dataclass(frozen=True, eq=False)
class DType:
    """An element type; compared by identity, one object per type."""

    name: str
    numpy: np.dtype[Any]
    bits: int
    family: Family

    @property
    def is_float(self) -> bool:
        return self.family == "float"

    @property
    def is_integer(self) -> bool:
        return self.family in ("int", "uint")

    @property
    def is_signed(self) -> bool:
        return self.family in ("int", "float")

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest finite value."""
        if self.family == "bool":
            return 0, 1
        describe: Any = ml_dtypes.finfo if self.is_float else ml_dtypes.iinfo
        info = describe(self.numpy)
        return (
            (float(info.min), float(info.max)) if self.is_float else (int(info.min), int(info.max))
        )

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return dtype_named, (self.name,)


def _float(name: str, numpy_type: Any, bits: int) -> DType:
    return DType(name, np.dtype(numpy_type), bits, "float")


f64 = _float("f64", np.float64, 64)
f32 = _float("f32", np.float32, 32)
f16 = _float("f16", np.float16, 16)
bf16 = _float("bf16", ml_dtypes.bfloat16, 16)
f8e4m3fn = _float("f8e4m3fn", ml_dtypes.float8_e4m3fn, 8)
f8e4m3fnuz = _float("f8e4m3fnuz", ml_dtypes.float8_e4m3fnuz, 8)
f8e5m2 = _float("f8e5m2", ml_dtypes.float8_e5m2, 8)
f8e5m2fnuz = _float("f8e5m2fnuz", ml_dtypes.float8_e5m2fnuz, 8)
f8e8m0 = _float("f8e8m0", ml_dtypes.float8_e8m0fnu, 8)
f4e2m1 = _float("f4e2m1", ml_dtypes.float4_e2m1fn, 4)
i2 = DType("i2", np.dtype(ml_dtypes.int2), 2, "int")
i4 = DType("i4", np.dtype(ml_dtypes.int4), 4, "int")
i8 = DType("i8", np.dtype(np.int8), 8, "int")
i16 = DType("i16", np.dtype(np.int16), 16, "int")
i32 = DType("i32", np.dtype(np.int32), 32, "int")
i64 = DType("i64", np.dtype(np.int64), 64, "int")
u2 = DType("u2", np.dtype(ml_dtypes.uint2), 2, "uint")
u4 = DType("u4", np.dtype(ml_dtypes.uint4), 4, "uint")
u8 = DType("u8", np.dtype(np.uint8), 8, "uint")
u16 = DType("u16", np.dtype(np.uint16), 16, "uint")
u32 = DType("u32", np.dtype(np.uint32), 32, "uint")
u64 = DType("u64", np.dtype(np.uint64), 64, "uint")
boolean = DType("bool", np.dtype(np.bool_), 8, "bool")

ALL = (
    f64, f32, f16, bf16, f8e4m3fn, f8e4m3fnuz, f8e5m2, f8e5m2fnuz, f8e8m0, f4e2m1,
    i2, i4, i8, i16, i32, i64, u2, u4, u8, u16, u32, u64, boolean,
)  # fmt: skip
_BY_NAME = {dtype.name: dtype for dtype in ALL}
_BY_NUMPY = {dtype.numpy: dtype for dtype in ALL}


def dtype_named(name: str) -> DType:
    """The dtype with that name. Raises ``KeyError`` when there is none."""
    return _BY_NAME[name]


def dtype_of(array_type: np.dtype[Any]) -> DType:
    """The dtype of a numpy array's elements. Raises ``KeyError`` when edgec has none for it."""
    return _BY_NUMPY[array_type]
