"""Packing a file: the flatbuffer that schema.fbs of TensorFlow Lite describes.

Buffers are aligned to 16 bytes as the schema demands (``force_align``), and equal ones are written
once. The same file gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgec.ir import Array, Code, Error, dtypes
from edgec.lowering.tflite.builtins import BUILTINS, runtime_of
from edgec.lowering.tflite.runtime import flatbuffer_builder, schema
from edgec.lowering.tflite.tensors import TYPE_CODES, File, Operator, Subgraph, Tensor

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
ALIGNMENT = 16
LARGEST = 2**31 - 1  # of a flatbuffer: its offsets are signed 32-bit numbers
SIGNATURE = "serving_default"
LAST_OLD_CODE = 127  # readers before 2.4 know only this byte
RUNTIME_VERSION_BYTES = 16


def pack(file: File) -> bytes:
    """The bytes of the file. Raises Error when they are more than a flatbuffer holds."""
    return _Packer(file).pack()


class _Packer:
    def __init__(self, file: File) -> None:
        self.file = file
        self.s = schema()
        self.subgraphs = file.main.nested
        self.codes: dict[tuple[str, int], int] = {}
        self.arrays: list[Array | None] = [None]  # buffer 0 is empty
        self.numbers: dict[tuple[int, bytes], int] = {}

    def pack(self) -> bytes:
        for subgraph in self.subgraphs:
            for operator in subgraph.operators:
                self.codes.setdefault((operator.builtin, operator.version), len(self.codes))
        prepared = [_Indexed(subgraph, self._buffer_of) for subgraph in self.subgraphs]
        metadata = [(name, self._text(name, text)) for name, text in self._metadata()]
        size = sum(0 if a is None else a.nbytes + ALIGNMENT for a in self.arrays)
        if size > LARGEST:
            raise Error(
                Code.TOO_LARGE,
                f"the weights take {size / 1e9:.1f} GB, and a .tflite file holds 2 GB at most",
                instead="float16 weights (precision=fp16), or a smaller model",
            )
        self.b = flatbuffer_builder(min(size + (1 << 16), LARGEST))
        return self._finish(prepared, metadata)

    def _finish(self, prepared: list[_Indexed], metadata: list[tuple[str, int]]) -> bytes:
        s, b = self.s, self.b
        buffers = self._tables([self._buffer(array) for array in self.arrays])
        subgraphs = self._tables([self._subgraph(each) for each in prepared])
        codes = self._tables([self._code(*key) for key in self.codes])
        signatures = self._tables([self._signature(prepared[0])])
        entries = self._tables([self._entry(name, number) for name, number in metadata])
        description = b.CreateString(self.file.description)
        s.ModelStart(b)
        s.ModelAddVersion(b, SCHEMA_VERSION)
        s.ModelAddOperatorCodes(b, codes)
        s.ModelAddSubgraphs(b, subgraphs)
        s.ModelAddDescription(b, description)
        s.ModelAddBuffers(b, buffers)
        s.ModelAddMetadata(b, entries)
        s.ModelAddSignatureDefs(b, signatures)
        b.Finish(s.ModelEnd(b), IDENTIFIER)
        return bytes(b.Output())

    # -- buffers ------------------------------------------------------------------------------

    def _buffer_of(self, tensor: Tensor) -> int:
        if tensor.array is None:
            return 0
        array = np.ascontiguousarray(_packed(tensor.array)).reshape(-1).view(np.uint8)
        if not array.size:
            return 0
        key = array.size, hashlib.sha256(array.data).digest()
        if key not in self.numbers:
            self.numbers[key] = len(self.arrays)
            self.arrays.append(array)
        return self.numbers[key]

    def _metadata(self) -> list[tuple[str, str]]:
        needed = max((runtime_of(*key) for key in self.codes), default=(1, 5, 0))
        version = ".".join(map(str, needed)).ljust(RUNTIME_VERSION_BYTES, "\0")
        return [("min_runtime_version", version), *self.file.metadata.items()]

    def _text(self, name: str, text: str) -> int:
        self.arrays.append(np.frombuffer(text.encode(), np.uint8))
        return len(self.arrays) - 1

    def _buffer(self, array: Array | None) -> int:
        s, b = self.s, self.b
        if array is None:
            s.BufferStart(b)
            return int(s.BufferEnd(b))
        b.StartVector(1, array.size, ALIGNMENT)
        b.head = b.Head() - array.size
        b.Bytes[b.Head() : b.Head() + array.size] = array.tobytes()
        data = b.EndVector()
        s.BufferStart(b)
        s.BufferAddData(b, data)
        return int(s.BufferEnd(b))

    # -- tables -------------------------------------------------------------------------------

    def _tables(self, offsets: Sequence[int]) -> int:
        self.b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.b.PrependUOffsetTRelative(offset)
        return int(self.b.EndVector())

    def _vector(self, numbers: Sequence[int] | Sequence[float], type: Any = np.int32) -> int:
        return int(self.b.CreateNumpyVector(np.asarray(numbers, dtype=type)))

    def _subgraph(self, each: _Indexed) -> int:
        s, b = self.s, self.b
        tensors = self._tables([self._tensor(t, n) for t, n in each.buffers.items()])
        operators = self._tables([self._operator(o, each) for o in each.subgraph.operators])
        inputs = self._vector([each.places[t] for t in each.subgraph.inputs])
        outputs = self._vector([each.places[t] for t in each.subgraph.outputs])
        name = b.CreateString(each.subgraph.name)
        s.SubGraphStart(b)
        s.SubGraphAddTensors(b, tensors)
        s.SubGraphAddInputs(b, inputs)
        s.SubGraphAddOutputs(b, outputs)
        s.SubGraphAddOperators(b, operators)
        s.SubGraphAddName(b, name)
        return int(s.SubGraphEnd(b))

    def _tensor(self, tensor: Tensor, buffer: int) -> int:
        s, b = self.s, self.b
        shape = self._vector([dim if isinstance(dim, int) else 1 for dim in tensor.dims])
        name = b.CreateString(tensor.name)
        quantization = self._quantization(tensor)
        open_dims = tensor.static_dims is None
        if open_dims:
            signature = self._vector([d if isinstance(d, int) else -1 for d in tensor.dims])
        s.TensorStart(b)
        s.TensorAddShape(b, shape)
        s.TensorAddType(b, TYPE_CODES[tensor.dtype])
        s.TensorAddBuffer(b, buffer)
        s.TensorAddName(b, name)
        if quantization is not None:
            s.TensorAddQuantization(b, quantization)
        if open_dims:
            s.TensorAddShapeSignature(b, signature)
        s.TensorAddHasRank(b, True)
        if tensor.is_variable:
            s.TensorAddIsVariable(b, True)
        return int(s.TensorEnd(b))

    def _quantization(self, tensor: Tensor) -> int | None:
        if tensor.quant is None:
            return None
        s, b, quant = self.s, self.b, tensor.quant
        scale = self._vector(quant.scale, np.float32)
        zero_point = self._vector(quant.zero_point, np.int64)
        s.QuantizationParametersStart(b)
        s.QuantizationParametersAddScale(b, scale)
        s.QuantizationParametersAddZeroPoint(b, zero_point)
        s.QuantizationParametersAddQuantizedDimension(b, quant.axis or 0)
        return int(s.QuantizationParametersEnd(b))

    def _operator(self, operator: Operator, each: _Indexed) -> int:
        s, b = self.s, self.b
        places = [-1 if t is None else each.places[t] for t in operator.operands]
        inputs = self._vector(places)
        outputs = self._vector([each.places[t] for t in operator.results])
        kind = BUILTINS[operator.builtin].options
        options = self._options(kind, operator) if kind else None
        s.OperatorStart(b)
        s.OperatorAddOpcodeIndex(b, self.codes[operator.builtin, operator.version])
        s.OperatorAddInputs(b, inputs)
        s.OperatorAddOutputs(b, outputs)
        if options is not None:
            s.OperatorAddBuiltinOptionsType(b, getattr(s.BuiltinOptions, str(kind)))
            s.OperatorAddBuiltinOptions(b, options)
        return int(s.OperatorEnd(b))

    def _options(self, kind: str, operator: Operator) -> int:
        s, b = self.s, self.b
        given = dict(operator.options)
        for name, inner in operator.subgraphs.items():
            given[name] = self.subgraphs.index(inner)
        for name, value in given.items():
            if isinstance(value, tuple):
                given[name] = self._vector(value)
        getattr(s, f"{kind}Start")(b)
        for name, value in given.items():
            getattr(s, f"{kind}Add{_camel(name)}")(b, value)
        return int(getattr(s, f"{kind}End")(b))

    def _code(self, builtin: str, version: int) -> int:
        s, b = self.s, self.b
        code = getattr(s.BuiltinOperator, builtin)
        s.OperatorCodeStart(b)
        s.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, LAST_OLD_CODE))
        s.OperatorCodeAddVersion(b, version)
        s.OperatorCodeAddBuiltinCode(b, code)
        return int(s.OperatorCodeEnd(b))

    def _signature(self, main: _Indexed) -> int:
        s, b, file = self.s, self.b, self.file
        inputs = self._names(file.input_names, file.main.inputs, main)
        outputs = self._names(file.output_names, file.main.outputs, main)
        key = b.CreateString(SIGNATURE)
        s.SignatureDefStart(b)
        s.SignatureDefAddInputs(b, inputs)
        s.SignatureDefAddOutputs(b, outputs)
        s.SignatureDefAddSignatureKey(b, key)
        s.SignatureDefAddSubgraphIndex(b, 0)
        return int(s.SignatureDefEnd(b))

    def _names(self, names: Sequence[str], tensors: Sequence[Tensor], main: _Indexed) -> int:
        s, b = self.s, self.b
        offsets = []
        for name, tensor in zip(names, tensors, strict=True):
            text = b.CreateString(name)
            s.TensorMapStart(b)
            s.TensorMapAddName(b, text)
            s.TensorMapAddTensorIndex(b, main.places[tensor])
            offsets.append(int(s.TensorMapEnd(b)))
        return self._tables(offsets)

    def _entry(self, name: str, number: int) -> int:
        s, b = self.s, self.b
        text = b.CreateString(name)
        s.MetadataStart(b)
        s.MetadataAddName(b, text)
        s.MetadataAddBuffer(b, number)
        return int(s.MetadataEnd(b))


class _Indexed:
    """A subgraph with the number of each tensor, and of the buffer that it reads."""

    def __init__(self, subgraph: Subgraph, buffer_of: Any) -> None:
        self.subgraph = subgraph
        self.buffers: dict[Tensor, int] = {t: buffer_of(t) for t in subgraph.tensors}
        self.places = {tensor: index for index, tensor in enumerate(self.buffers)}


def _packed(array: Array) -> Array:
    """Two 4-bit elements a byte, the first one in the lower half."""
    if array.dtype != dtypes.i4.numpy:
        return array
    flat = array.astype(np.int8).reshape(-1).view(np.uint8) & 15
    flat = np.append(flat, np.zeros(flat.size % 2, np.uint8))
    packed: Array = flat[::2] | flat[1::2] << 4
    return packed


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
