"""What TensorRT's engine inspector says, as data: which layers were fused, and which stayed float.

The JSON of TensorRT 10 and 11 and of TensorRT-RTX: an object with ``Layers``, each an object, or
just a name where the engine was built to tell no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgec.ir import Error, Kind

_TYPES = re.compile(r"\b(int8|int4|fp8|fp4|half|fp16|bf16|bfloat16|float|fp32|int32|int64|bool)\b",
                    re.IGNORECASE)  # fmt: skip
_SPELLED = {"half": "fp16", "float": "fp32", "bfloat16": "bf16"}
_PRODUCTS = ("conv", "gemm", "matmul", "matrix_multiply", "matrixmultiply")


@dataclass(frozen=True)
class EngineLayer:
    """One layer of an engine.

    Attributes:
        name: as TensorRT calls it; fused layers name their parts.
        kind: TensorRT's layer type; empty where it was not told.
        sources: the layers of the network that it computes.
        inputs, outputs: element types: fp32, fp16, int8, …
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def is_fused(self) -> bool:
        return len(self.sources) > 1

    @property
    def is_product(self) -> bool:
        """A convolution or a matrix product."""
        text = f"{self.kind} {self.name}".lower()
        return any(word in text for word in _PRODUCTS)

    @property
    def is_integer(self) -> bool:
        """True when the data that it computes with are 8-bit (or narrower) numbers."""
        return bool(self.inputs) and self.inputs[0] in ("int8", "int4", "fp8", "fp4")


def parse_layers(text: str) -> list[EngineLayer]:
    """The layers in the inspector's JSON. Raises Error when it is none."""
    try:
        found = json.loads(text)
        layers = found["Layers"]
    except (ValueError, KeyError, TypeError) as error:
        raise Error(Kind.READ, "this is no JSON of the engine inspector") from error
    return [_layer(entry) for entry in layers]


def float_products(layers: Iterable[EngineLayer]) -> list[EngineLayer]:
    """Convolutions and matrix products that take no 8-bit numbers."""
    return [layer for layer in layers if layer.is_product and layer.inputs and not layer.is_integer]


def _layer(entry: str | Mapping[str, Any]) -> EngineLayer:
    if isinstance(entry, str):
        return EngineLayer(entry, "", _parts(entry))
    name = str(entry.get("Name", ""))
    metadata = str(entry.get("Metadata", ""))
    sources = tuple(filter(None, re.findall(r"\[(?:ONNX Layer: )?([^\]]+)\]", metadata)))
    return EngineLayer(
        name,
        str(entry.get("LayerType", "")),
        sources or _parts(name),
        _types(entry.get("Inputs", ())),
        _types(entry.get("Outputs", ())),
    )


def _parts(name: str) -> tuple[str, ...]:
    """Fused layers are called ``a + b``; those compiled as one, ``{ForeignNode[a...b]}``."""
    inner = re.search(r"ForeignNode\[(.*)\]", name)
    if inner:
        return tuple(filter(None, inner.group(1).split("...")))
    return tuple(part.strip() for part in re.split(r" \+ |\|\|", name) if part.strip())


def _types(tensors: Iterable[Any]) -> tuple[str, ...]:
    found = []
    for tensor in tensors:
        text = str(tensor.get("Format/Datatype", tensor.get("Datatype", "")))
        match = _TYPES.search(text)
        word = match.group(1).lower() if match else ""
        found.append(_SPELLED.get(word, word))
    return tuple(found)
