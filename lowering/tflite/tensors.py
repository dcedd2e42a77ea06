"""What a .tflite file is made of, before it is packed: tensors, operators, subgraphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgec.ir import Array, Dim, DType, Op, Quant, dtypes

ENTRY = "edgec"  # the metadata entry that says how a file was made
# TensorType in schema.fbs
TYPE_CODES: Mapping[DType, int] = {
    dtypes.f32: 0,
    dtypes.f16: 1,
    dtypes.i32: 2,
    dtypes.u8: 3,
    dtypes.i64: 4,
    dtypes.boolean: 6,
    dtypes.i16: 7,
    dtypes.i8: 9,
    dtypes.f64: 10,
    dtypes.u64: 12,
    dtypes.u32: 15,
    dtypes.u16: 16,
    dtypes.i4: 17,
}


@dataclass(eq=False)
class Tensor:
    """A tensor; ``array`` holds the elements of a constant.

    Attributes:
        name: as the file has it, unique there; given when the file is put together.
        fixed: a name that the user knows, which no other tensor may take.
        producer: the operator that computes it.
        readers: how many operators (and outputs) read it.
        is_variable: it keeps its elements between operators and between runs.
    """

    dtype: DType
    dims: tuple[Dim, ...]
    array: Array | None = None
    name: str = ""
    fixed: bool = False
    quant: Quant | None = None
    producer: Operator | None = None
    readers: int = 0
    is_variable: bool = False

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def static_dims(self) -> tuple[int, ...] | None:
        """The dims when every one of them is known."""
        known = tuple(dim for dim in self.dims if isinstance(dim, int))
        return known if len(known) == len(self.dims) else None


@dataclass(eq=False)
class Operator:
    """A builtin operator, its options by their names in schema.fbs; None is an absent operand.

    ``source`` is the op that it was written for; None at the edges of the graph.
    """

    builtin: str
    operands: list[Tensor | None]
    results: list[Tensor]
    options: dict[str, Any]
    version: int
    subgraphs: dict[str, Subgraph] = field(default_factory=dict)
    source: Op | None = None


@dataclass(eq=False)
class Subgraph:
    """Operators in order; a branch or a loop body is a subgraph of its own."""

    name: str
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)

    @property
    def nested(self) -> list[Subgraph]:
        """This one, then all that its operators run, outer before inner."""
        found = [self]
        for operator in self.operators:
            for inner in operator.subgraphs.values():
                found += inner.nested
        return found

    @property
    def tensors(self) -> list[Tensor]:
        """Inputs first, then each tensor where it is first mentioned."""
        found: dict[Tensor, None] = dict.fromkeys(self.inputs)
        for operator in self.operators:
            for tensor in (*operator.operands, *operator.results):
                if tensor is not None:
                    found[tensor] = None
        found.update(dict.fromkeys(self.outputs))
        return list(found)


@dataclass
class File:
    """Everything that is packed.

    Attributes:
        main: the outermost subgraph; its inputs and outputs are those of the signature.
        input_names, output_names: as the user knows them.
        description: one line for people.
        metadata: texts by name.
    """

    main: Subgraph
    input_names: Sequence[str]
    output_names: Sequence[str]
    description: str
    metadata: Mapping[str, str]
