"""ONNX tensors and element types to and from ours. Data is viewed where it lies, never trusted."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import onnx
from onnx import TensorProto

from edgec.ir import Array, DType, dtypes
from edgec.lowering.onnx.node import Unsupported, WeightsAway

MAX_DENSE = 1 << 32  # bytes of a sparse tensor made dense
MAX_BYTES = 1 << 36  # of one tensor: 64 GiB; anything above is a corrupt header

_TYPES: dict[int, DType] = {
    TensorProto.FLOAT: dtypes.f32,
    TensorProto.DOUBLE: dtypes.f64,
    TensorProto.FLOAT16: dtypes.f16,
    TensorProto.BFLOAT16: dtypes.bf16,
    TensorProto.FLOAT8E4M3FN: dtypes.f8e4m3fn,
    TensorProto.FLOAT8E4M3FNUZ: dtypes.f8e4m3fnuz,
    TensorProto.FLOAT8E5M2: dtypes.f8e5m2,
    TensorProto.FLOAT8E5M2FNUZ: dtypes.f8e5m2fnuz,
    TensorProto.FLOAT8E8M0: dtypes.f8e8m0,
    TensorProto.FLOAT4E2M1: dtypes.f4e2m1,
    TensorProto.INT2: dtypes.i2,
    TensorProto.INT4: dtypes.i4,
    TensorProto.INT8: dtypes.i8,
    TensorProto.INT16: dtypes.i16,
    TensorProto.INT32: dtypes.i32,
    TensorProto.INT64: dtypes.i64,
    TensorProto.UINT2: dtypes.u2,
    TensorProto.UINT4: dtypes.u4,
    TensorProto.UINT8: dtypes.u8,
    TensorProto.UINT16: dtypes.u16,
    TensorProto.UINT32: dtypes.u32,
    TensorProto.UINT64: dtypes.u64,
    TensorProto.BOOL: dtypes.boolean,
}
_CODES = {dtype: code for code, dtype in _TYPES.items()}


def dtype_from_onnx(code: int) -> DType:
    """Our element type for ``TensorProto.DataType``. Raises Unsupported for strings, complex, …"""
    found = _TYPES.get(code)
    if found is None:
        known = code in TensorProto.DataType.values()
        name = TensorProto.DataType.Name(code) if known else str(code)
        raise Unsupported(f"element type {name} is not supported")
    return found


def dtype_to_onnx(dtype: DType) -> int:
    """``TensorProto.DataType`` for our element type."""
    return int(_CODES[dtype])


def read_tensor(proto: onnx.TensorProto, folder: Path | None) -> Array:
    """The data of a tensor: a view into the message, or into its external file (mapped).

    Args:
        folder: the model's folder, outside which no external data is read; None when the model
            did not come from a file.

    Raises:
        Unsupported: sizes that do not match, an escape from the folder, a missing file.
    """
    dtype = dtype_from_onnx(proto.data_type)
    shape = tuple(proto.dims)
    if any(dim < 0 for dim in shape):
        raise Unsupported(f"tensor {proto.name!r} has a negative dimension: {list(shape)}")
    count = math.prod(shape)
    if count * dtype.bits > MAX_BYTES * 8:
        raise Unsupported(f"tensor {proto.name!r} claims {count} elements")
    if proto.data_location == TensorProto.EXTERNAL:
        return _from_bytes(_external(proto, folder, dtype, count), dtype, shape, proto.name)
    if proto.HasField("raw_data"):
        raw = np.frombuffer(proto.raw_data, dtype=np.uint8)
        return _from_bytes(raw, dtype, shape, proto.name)
    return _from_fields(proto, dtype, shape, count)


def read_sparse_tensor(proto: onnx.SparseTensorProto, folder: Path | None) -> Array:
    """The dense form of a sparse tensor: ``indices`` count elements, or list coordinates.

    Raises:
        Unsupported: as ``read_tensor``, or an index lies outside the dims.
    """
    values, indices = read_tensor(proto.values, folder), read_tensor(proto.indices, folder)
    shape = tuple(proto.dims)
    if any(dim < 0 for dim in shape) or math.prod(shape) * values.itemsize > MAX_DENSE:
        raise Unsupported(f"sparse tensor {proto.values.name!r} has dims {list(shape)}")
    if np.any(indices < 0):
        raise Unsupported(f"sparse tensor {proto.values.name!r} has negative indices")
    dense = np.zeros(shape, dtype=values.dtype)
    try:
        flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), shape)
        dense.reshape(-1)[flat] = values
    except (ValueError, IndexError) as error:
        raise Unsupported(f"sparse tensor {proto.values.name!r}: {error}") from error
    return dense


def packed_size(dtype: DType, count: int) -> int:
    """Bytes that ``count`` elements take in a file; sub-byte elements are packed."""
    return (count * dtype.bits + 7) // 8


def _from_bytes(raw: Array, dtype: DType, shape: tuple[int, ...], name: str) -> Array:
    count = math.prod(shape)
    if raw.size != packed_size(dtype, count):
        raise Unsupported(
            f"tensor {name!r} holds {raw.size} bytes, its type {dtype.name}{list(shape)} wants "
            f"{packed_size(dtype, count)}"
        )
    if dtype.bits < 8:
        return _unpack(raw, dtype, count).reshape(shape)
    if sys.byteorder == "big":  # ONNX stores little-endian
        return raw.view(dtype.numpy.newbyteorder("<")).astype(dtype.numpy).reshape(shape)
    return raw.view(dtype.numpy).reshape(shape)


def _unpack(raw: Array, dtype: DType, count: int) -> Array:
    """Elements of 2 or 4 bits, the first in the low bits of its byte."""
    per_byte = 8 // dtype.bits
    shifts = np.arange(per_byte, dtype=np.uint8) * dtype.bits
    fields = (raw[:, None] >> shifts) & ((1 << dtype.bits) - 1)
    flat = fields.reshape(-1)[:count]
    if dtype.is_integer and dtype.is_signed:
        sign = 1 << (dtype.bits - 1)
        return ((flat.astype(np.int8) ^ sign) - sign).astype(dtype.numpy)
    if dtype.is_float:
        return np.ascontiguousarray(flat).view(dtype.numpy)
    return flat.astype(dtype.numpy)


def pack(array: Array, dtype: DType) -> bytes:
    """The bytes of an array as ONNX's raw data holds them."""
    if dtype.bits >= 8:
        return np.ascontiguousarray(array).tobytes()
    mask = (1 << dtype.bits) - 1
    flat = array.reshape(-1)
    codes = flat.view(np.uint8) if dtype.is_float else flat.astype(np.int8).view(np.uint8)
    per_byte = 8 // dtype.bits
    padded = np.zeros(-(-codes.size // per_byte) * per_byte, dtype=np.uint8)
    padded[: codes.size] = codes & mask
    shifts = np.arange(per_byte, dtype=np.uint8) * dtype.bits
    return bytes(np.bitwise_or.reduce(padded.reshape(-1, per_byte) << shifts, axis=1).tobytes())


def _from_fields(
    proto: onnx.TensorProto, dtype: DType, shape: tuple[int, ...], count: int
) -> Array:
    """The typed repeated fields, as ``onnx.numpy_helper`` reads them; sizes are checked first."""
    field = onnx.helper.tensor_dtype_to_field(proto.data_type)
    stored = len(getattr(proto, field))
    wanted = packed_size(dtype, count) if dtype.bits < 8 else count
    if stored != wanted:
        raise Unsupported(f"tensor {proto.name!r} holds {stored} elements, its shape wants {count}")
    array: Any = onnx.numpy_helper.to_array(proto)
    return np.asarray(array).astype(dtype.numpy, copy=False).reshape(shape)


def _external(proto: onnx.TensorProto, folder: Path | None, dtype: DType, count: int) -> Array:
    info = {entry.key: entry.value for entry in proto.external_data}
    location = info.get("location", "")
    if folder is None:
        raise WeightsAway(f"tensor {proto.name!r} is in {location!r}, but the model has no folder")
    path = inside(folder, location)
    try:
        offset = int(info.get("offset", "0"))
        length = int(info["length"]) if "length" in info else packed_size(dtype, count)
        size = path.stat().st_size
    except (ValueError, OSError) as error:
        raise WeightsAway(f"external data of {proto.name!r} in {location!r}: {error}") from error
    if offset < 0 or length < 0 or offset + length > size:
        raise WeightsAway(
            f"external data of {proto.name!r} is bytes {offset}…{offset + length} of {location!r}, "
            f"which has {size}"
        )
    if length == 0:
        return np.empty(0, dtype=np.uint8)
    return _mapped(path)[offset : offset + length]


_MAPS: WeakValueDictionary[tuple[Path, int, int, int], np.memmap[Any, Any]] = WeakValueDictionary()


def _mapped(path: Path) -> Array:
    """The bytes of a file; one map for all of its tensors, since a process may have only some ten
    thousand maps."""
    stat = path.stat()
    key = (path, stat.st_ino, stat.st_mtime_ns, stat.st_size)
    found = _MAPS.get(key)
    if found is None:
        found = _MAPS[key] = np.memmap(path, dtype=np.uint8, mode="r")
    return found


def inside(folder: Path, location: str) -> Path:
    """The file at ``location`` below ``folder``.

    Raises:
        WeightsAway: it is absolute, leaves the folder (``..`` or a link), or is no regular file.
    """
    refused = f"external data {location!r} lies outside the model's folder"
    if not location or "\x00" in location or "\\" in location or os.path.isabs(location):
        raise WeightsAway(refused)
    if location[1:2] == ":" or ".." in Path(location).parts:
        raise WeightsAway(refused)
    root = folder.resolve()
    path = (root / location).resolve()
    if not path.is_relative_to(root) or path != root / location:
        raise WeightsAway(refused, "replace links by the files that they point to")
    if not path.is_file():
        raise WeightsAway(f"external data {location!r} is missing or not a regular file")
    return path
