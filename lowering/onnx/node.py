"""What a read rule sees of one ONNX node, and the table of read rules."""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import onnx

from edgec.ir import Code, Constant, Graph, Op, Refusal, Rewriter, TensorType, Value, known_ints

STANDARD_DOMAINS = ("", "ai.onnx")
OpT = TypeVar("OpT", bound=Op)
Read: TypeAlias = "Value | Sequence[Value | None]"
# None: the node is replaced by the function body that ONNX gives it
ReadRule: TypeAlias = "Callable[[Node], Read | None]"


class Unsupported(Exception):
    """A node that cannot be read. The message says why; ``instead`` says what to do."""

    code = Code.OPERATOR

    def __init__(self, why: str, instead: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.instead = instead


class WeightsAway(Unsupported):
    """A node whose external data are missing, too short, or outside the model's folder."""

    code = Code.WEIGHTS


class AtRunTime(Unsupported):
    """A node that wants a number now which is only computed when the model runs."""

    code = Code.RUN_TIME_DIMS


class Host(Protocol):
    """What a node asks of the reader that reads it.

    Attributes:
        folder: the model's, None when it did not come from a file.
        decisions: the subgraph to take, by the first output's name of the node.
    """

    folder: Path | None
    decisions: dict[str, str]

    def read_region(
        self,
        proto: onnx.GraphProto,
        outer: Graph,
        input_types: Sequence[TensorType] | None,
        results: Sequence[TensorType] | None,
    ) -> Graph: ...

    def read_inline(self, proto: onnx.GraphProto, rewriter: Rewriter) -> list[Value]: ...


class Undecided(Exception):
    """A subgraph must be chosen at compile time, and nothing says which.

    The reader then tries each: where just one lets the rest of the model be read, the model can
    only ever take that one without failing.
    """

    def __init__(self, name: str, options: Sequence[str], why: str, instead: str) -> None:
        super().__init__(why)
        self.name = name
        self.options = options
        self.why = why
        self.instead = instead


def qualified_name(proto: onnx.NodeProto) -> str:
    """The operator's name, after its domain where that is another than the standard one."""
    op_type: str = proto.op_type
    return op_type if proto.domain in STANDARD_DOMAINS else f"{proto.domain}.{op_type}"


class Node:
    """One ONNX node being read.

    Attributes:
        op_type: the operator's name, after its domain where that is another than the standard one.
        opset: the version of the operator set of its domain that the model imports.
        inputs: its operands; an empty name is None. Trailing absent inputs are not listed.
        outputs: names of its outputs; an empty name is an output that nobody wants.
        folder: where the model's external data lies; None when it did not come from a file.
    """

    def __init__(
        self,
        proto: onnx.NodeProto,
        opset: int,
        inputs: Sequence[Value | None],
        rewriter: Rewriter,
        host: Host,
    ) -> None:
        self.proto = proto
        self.op_type = qualified_name(proto)
        self.opset = opset
        self.folder = host.folder
        self.inputs = list(inputs)
        self.outputs: list[str] = list(proto.output)
        self._rewriter = rewriter
        self._host = host
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}

    # -- operands -------------------------------------------------------------------------------

    def input(self, index: builtins.int) -> Value:
        """A required input. Raises Unsupported when it is absent."""
        value = self.optional(index)
        if value is None:
            raise Unsupported(f"input {index} is missing")
        return value

    def optional(self, index: builtins.int) -> Value | None:
        """An input, None when it is absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def present(self) -> list[Value]:
        """All inputs of a variadic operator. Raises Unsupported when one is absent."""
        return [self.input(index) for index in range(len(self.inputs))]

    def array(self, index: builtins.int) -> np.ndarray[Any, Any] | None:
        """The data of an input when it is a constant, else None."""
        value = self.optional(index)
        return value.array if isinstance(value, Constant) else None

    def constant_ints(self, index: builtins.int, what: str) -> tuple[builtins.int, ...]:
        """The elements of an input that must be known at compile time, such as axes.

        Raises:
            AtRunTime: the input is computed at run time.
        """
        found = known_ints(self.input(index))
        if found is None:
            name = self.proto.input[index]
            raise AtRunTime(
                f"{what} ({name!r}) is computed at run time",
                f"give its value when loading: constants={{{name!r}: …}}",
            )
        return found

    # -- attributes -------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        return name in self._attributes

    def int(self, name: str, default: builtins.int | None = None) -> builtins.int:
        return builtins.int(self._get(name, default, "i"))

    def float(self, name: str, default: builtins.float | None = None) -> builtins.float:
        return _meant(self._get(name, default, "f"), default)

    def string(self, name: str, default: str | None = None) -> str:
        found = self._get(name, default, "s")
        return found.decode() if isinstance(found, bytes) else str(found)

    def ints(
        self, name: str, default: Sequence[builtins.int] | None = None
    ) -> tuple[builtins.int, ...]:
        return tuple(int(item) for item in self._get(name, default, "ints"))

    def floats(
        self, name: str, default: Sequence[builtins.float] | None = None
    ) -> tuple[builtins.float, ...]:
        return tuple(_meant(item) for item in self._get(name, default, "floats"))

    def strings(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        return tuple(
            item.decode() if isinstance(item, bytes) else str(item)
            for item in self._get(name, default, "strings")
        )

    def tensor(self, name: str) -> onnx.TensorProto | None:
        attribute = self._attributes.get(name)
        return None if attribute is None else attribute.t

    def sparse_tensor(self, name: str) -> onnx.SparseTensorProto | None:
        attribute = self._attributes.get(name)
        return None if attribute is None else attribute.sparse_tensor

    def body(
        self,
        name: str,
        input_types: Sequence[TensorType] | None = None,
        results: Sequence[TensorType] | None = None,
    ) -> Graph:
        """A subgraph attribute, read into a region.

        Args:
            input_types: replace the declared types of its inputs.
            results: types that its outputs are reshaped to.
        """
        outer = self._rewriter.graph
        return self._host.read_region(self._subgraph(name), outer, input_types, results)

    def inline(self, name: str) -> list[Value]:
        """Read a subgraph attribute without inputs in place of the node; returns its outputs."""
        return self._host.read_inline(self._subgraph(name), self._rewriter)

    @property
    def decision(self) -> str | None:
        """The subgraph that is to be taken as the only possible one, see ``Undecided``."""
        return self._host.decisions.get(self.outputs[0])

    def _subgraph(self, name: str) -> onnx.GraphProto:
        attribute = self._attributes.get(name)
        if attribute is None:
            raise Unsupported(f"attribute {name!r} is missing")
        graph: onnx.GraphProto = attribute.g
        return graph

    def discard(self, region: Graph) -> None:
        """Drop a region that ``body`` returned and that no op takes."""
        self._rewriter.discard(region)

    def _get(self, name: str, default: Any, field: str) -> Any:
        attribute = self._attributes.get(name)
        if attribute is None:
            if default is None:
                raise Unsupported(f"attribute {name!r} is missing")
            return default
        if attribute.type != _ATTRIBUTE_TYPES[field]:
            raise Unsupported(f"attribute {name!r} has the wrong type")
        return getattr(attribute, field)

    # -- results ----------------------------------------------------------------------------------

    def wants(self, index: builtins.int) -> bool:
        """True when the model names that output."""
        return index < len(self.outputs) and bool(self.outputs[index])

    def add(self, op: OpT) -> OpT:
        """Insert an op; it is located at this node."""
        return self._rewriter.add(op)

    def const(self, data: Any, dtype: np.dtype[Any] | type | None = None) -> Constant:
        """A constant from anything numpy takes."""
        return Constant(np.asarray(data, dtype=dtype))


def _meant(value: float, default: float | None = None) -> float:
    """The number that a float32 attribute was rounded from: the default, or else the shortest
    decimal. Ops hold float64, in which 0.1 and the float32 nearest to it differ."""
    single = np.float32(value)
    if default is not None and single == np.float32(default):
        return default
    return float(str(single))


_ATTRIBUTE_TYPES: Mapping[str, int] = {
    "i": onnx.AttributeProto.INT,
    "f": onnx.AttributeProto.FLOAT,
    "s": onnx.AttributeProto.STRING,
    "ints": onnx.AttributeProto.INTS,
    "floats": onnx.AttributeProto.FLOATS,
    "strings": onnx.AttributeProto.STRINGS,
}


class ReadTable:
    """Read rules by ONNX operator name."""

    def __init__(self) -> None:
        self._rules: dict[str, ReadRule] = {}
        self._refusals: dict[str, Refusal] = {}
        self._loaded = False

    def rule(self, *op_types: str) -> Callable[[ReadRule], ReadRule]:
        """Register the decorated function for these operators, named as ``Node.op_type``."""

        def register(function: ReadRule) -> ReadRule:
            for op_type in op_types:
                if op_type in self._rules:
                    raise TypeError(f"{op_type} has two read rules")
                self._rules[op_type] = function
            return function

        return register

    def refuse(self, *op_types: str, why: str, instead: str = "") -> None:
        """State in words that these operators are not read."""
        for op_type in op_types:
            self._refusals[op_type] = Refusal(why, instead)

    def get(self, op_type: str) -> ReadRule | Refusal | None:
        """The rule, the refusal, or None for an operator that nobody mentioned (it may still have
        a function body)."""
        if not self._loaded:
            load_families()
            self._loaded = True
        return self._rules.get(op_type) or self._refusals.get(op_type)

    def op_types(self) -> list[str]:
        """Every operator with a rule, sorted."""
        self.get("")
        return sorted(self._rules)


FAMILIES = (
    "activation",
    "binary",
    "control",
    "detect",
    "einsum",
    "index",
    "integer",
    "linear",
    "movement",
    "nn",
    "norm",
    "pool",
    "quant",
    "random",
    "recurrent",
    "reduce",
    "resize",
    "scan_axis",
    "shape",
    "signal",
    "softmax",
    "tfidf",
    "unary",
)


def load_families() -> None:
    """Import every family module, which fills the read and the write table."""
    for family in FAMILIES:
        importlib.import_module(f"edgec.lowering.onnx.{family}")


READERS = ReadTable()
