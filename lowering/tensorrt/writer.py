"""Building a graph as a TensorRT network: strongly typed, every layer named after its source."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir import Code, Constant, Dim, Error, Graph, Kind, Op, Refusal, Value
from edgec.lowering.tensorrt.layers import TYPE_NAMES, Layers, Network, Rejected, said
from edgec.lowering.tensorrt.runtime import logger, tensorrt
from edgec.lowering.tensorrt.table import TENSORRT, Tensor

_UNNAMED = "(Unnamed Layer"  # how the names begin that TensorRT gives


class Writer(Layers):
    """Builds the network of one graph."""

    def __init__(self) -> None:
        super().__init__()
        self._layer_names: dict[str, int] = {}
        self._tensor_names: dict[str, int] = {}

    def network(self, graph: Graph) -> Network:
        """The whole graph. Raises Error when TensorRT refuses a layer."""
        for name in (*graph.input_names, *graph.output_names):
            self._tensor_names[name] = 0
        for value in graph.inputs:
            self._tensors[value] = self._input(value)
        for op in graph.ops:
            self.write(op)
        taken = {value.hint for value in graph.inputs}
        for value, name in zip(graph.outputs, graph.output_names, strict=True):
            self._mark_output(value, name, taken)
        self.net.name = graph.name
        return self.made

    def write(self, op: Op) -> None:
        """Add the layers of one op."""
        first = self.net.num_layers
        logger().taken()
        for value, tensor in zip(op.results, self._tensors_of(op), strict=True):
            if tensor.name.startswith(_UNNAMED):
                tensor.name = self._unique(self._tensor_names, value.hint or "value")
            self._tensors[value] = tensor
        self._name_layers(op, first)

    def _tensors_of(self, op: Op) -> Sequence[Tensor]:
        rule = TENSORRT.get(type(op))
        if isinstance(rule, Refusal):
            raise Error(Kind.UNSUPPORTED, f"{op.op_name}: {rule}")
        try:
            made = rule(op, self)
            tensors = made if isinstance(made, (list, tuple)) else [made]
            for value, tensor in zip(op.results, tensors, strict=True):
                _check(op, value, tensor)
        except (Rejected, TypeError, ValueError, RuntimeError) as error:
            raise Error(
                Code.REFUSED,
                f"TensorRT refuses {op.op_name} from {', '.join(op.loc) or 'an unnamed node'}: "
                f"{said() or error}",
            ) from error
        return tensors

    def _input(self, value: Value) -> Tensor:
        dims = [dim if isinstance(dim, int) else -1 for dim in value.type.dims]
        tensor = self.net.add_input(value.hint, self.dtype(value.type.dtype), dims)
        if tensor is None:
            raise Error(Code.REFUSED, f"TensorRT refuses the input {value.hint!r}: {said()}")
        for axis, dim in enumerate(value.type.dims):
            if _is_symbol(dim):
                tensor.set_dimension_name(axis, str(dim))
        return tensor

    def _mark_output(self, value: Value, name: str, taken: set[str]) -> None:
        """An input, a constant, or a value that is an output already gets a tensor of its own."""
        tensor = self[value]
        if isinstance(value, Constant) or tensor.name in taken:
            layer = self.net.add_identity(tensor)
            layer.name = self._unique(self._layer_names, f"{name}/copy")
            tensor = layer.get_output(0)
        tensor.name = name
        taken.add(name)
        self.net.mark_output(tensor)

    def _name_layers(self, op: Op, first: int) -> None:
        """The last layer is named after the op's source, those that lead to it after both."""
        hint = "+".join(op.loc[:4]) or op.result.hint or op.op_name
        last = self.net.num_layers - 1
        names = []
        for index in range(first, last + 1):
            layer = self.net.get_layer(index)
            if layer.name.startswith(_UNNAMED):
                kind = str(layer.type).rpartition(".")[2].lower()
                wanted = hint if index == last else f"{hint}/{kind}"
                layer.name = self._unique(self._layer_names, wanted)
            names.append(layer.name)
        self.made.layers[op.result.hint or hint] = names

    def _unique(self, taken: dict[str, int], hint: str) -> str:
        name = hint
        while name in taken:
            taken[hint] += 1
            name = f"{hint}.{taken[hint]}"
        taken[name] = 0
        return name


def _check(op: Op, value: Value, tensor: Tensor) -> None:
    """TensorRT infers types by itself: they must be those of the graph."""
    dims = tuple(tensor.shape)
    agrees = len(dims) == value.type.rank and all(
        found < 0 or not isinstance(dim, int) or found == dim
        for found, dim in zip(dims, value.type.dims, strict=True)
    )
    name = TYPE_NAMES.get(value.type.dtype, "")
    if agrees and tensor.dtype == getattr(tensorrt(), name, None):
        return
    raise Error(
        Code.REFUSED,
        f"TensorRT infers {tensor.dtype}{list(dims)} for {op.op_name} from "
        f"{', '.join(op.loc) or 'an unnamed node'}, which is {value.type} in the graph",
    )


def _is_symbol(dim: Dim) -> bool:
    return not isinstance(dim, int) and str(dim).isidentifier()
