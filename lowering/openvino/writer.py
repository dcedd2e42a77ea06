"""Writing a graph as OpenVINO's intermediate representation: an .xml and the .bin beside it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgec.ir import (
    Array,
    Code,
    Constant,
    DType,
    Error,
    Graph,
    Kind,
    Op,
    Refusal,
    TensorType,
    Value,
    dtypes,
)
from edgec.lowering.openvino.axes import layouts_of
from edgec.lowering.openvino.runtime import RUNTIME, openvino, opset
from edgec.lowering.openvino.table import OPENVINO, Output

TYPE_NAMES: Mapping[DType, str] = {
    **{dtype: dtype.name for dtype in (dtypes.f32, dtypes.f16, dtypes.i8, dtypes.i16, dtypes.i32,
                                       dtypes.i64, dtypes.u8, dtypes.u16, dtypes.u32)},
    dtypes.boolean: "boolean",
    dtypes.i4: "i4",
    dtypes.u4: "u4",
}  # fmt: skip


PACKED = (dtypes.i4, dtypes.u4)  # element types that constants may have, and nothing else
Axes: TypeAlias = Mapping[int, int]
NO_AXES: Axes = {}
# OpenVINO takes the information of this name for the version of its own format.
OWN_KEYS = {"version": "model_version"}


class Writer:
    """Builds the model of one graph. Rules call the operators of ``ops`` on ``w[op.x]``.

    Attributes:
        ops: OpenVINO's operators as functions.
        captured: in a nested graph, the parameter for each value of the surrounding one.
    """

    def __init__(self, outer: Writer | None = None) -> None:
        self.ops: Any = opset()
        self.captured: dict[Value, Any] = {}
        self._outer = outer
        self._outputs: dict[Value, Output] = {}
        self._named: set[str] = set()
        self._node_names: dict[str, int] = {}
        self._tensor_names: dict[str, int] = outer._tensor_names if outer else {}

    # -- for the rules --------------------------------------------------------------------------

    def __getitem__(self, value: Value) -> Output:
        """The output that holds a value."""
        found = self._outputs.get(value)
        if found is None:
            found = self._outputs[value] = self._source(value)
        return found

    def const(self, data: Any, dtype: DType | None = None) -> Output:
        """A constant."""
        array = np.asarray(data, dtype=dtype.numpy if dtype else None)
        packed = next((held for held in PACKED if held.numpy == array.dtype), None)
        if packed is not None:
            return packed_constant(array, packed)
        return self.ops.constant(np.asarray(array, order="C"))

    def named(self, data: Array, hint: str) -> Output:
        """A constant under its own name."""
        node = self.const(data)
        self._settle(node, hint or "const")
        return node

    def ints(self, values: Sequence[int]) -> Output:
        """A 1-D i64 constant."""
        return self.const(values, dtypes.i64)

    def like(self, data: Any, value: Value) -> Output:
        """A constant of the element type of a value."""
        return self.const(data, value.type.dtype)

    def reshaped(self, value: Value, dims: Sequence[int]) -> Output:
        """A value under other dims, -1 standing for what is left over; a constant at once."""
        if isinstance(value, Constant):
            return self.const(value.array.reshape(tuple(dims)))
        return self.ops.reshape(self[value], self.ints(dims), False)

    def convert(self, x: Output, dtype: DType) -> Output:
        """As another element type."""
        return self.ops.convert(x, TYPE_NAMES[dtype])

    # -- graphs ---------------------------------------------------------------------------------

    def model(self, graph: Graph, cut: Axes = NO_AXES, stacked: Axes = NO_AXES) -> Any:
        """The graph and everything nested in it.

        Args:
            cut: for the inputs that are slices the axis along which a loop cuts them; there the
                parameter has one element.
            stacked: for the outputs that a loop stacks the axis for that.
        """
        for name in (*graph.input_names, *graph.output_names) if self._outer is None else ():
            self._tensor_names[name] = 0
        parameters = [
            self._parameter(value, value.hint, cut.get(index))
            for index, value in enumerate(graph.inputs)
        ]
        for index, (value, parameter) in enumerate(zip(graph.inputs, parameters, strict=True)):
            whole = parameter.output(0)
            axis = cut.get(index)
            self._outputs[value] = (
                whole if axis is None else self.ops.squeeze(whole, self.ints([axis])).output(0)
            )
        names = self._names_of_outputs(graph)
        for op in graph.ops:
            self._write(op, names)
        results = self._results(graph, stacked)
        return openvino().Model(results, [*parameters, *self.captured.values()], graph.name)

    def _write(self, op: Op, names: Mapping[Value, str]) -> None:
        outputs = self._outputs_of(op)
        for value, output in zip(op.results, outputs, strict=True):
            single = output.output(0) if isinstance(output, openvino().Node) else output
            self._outputs[value] = single
            self._name(op, value, single, names.get(value))

    def _outputs_of(self, op: Op) -> Sequence[Output]:
        """By its rule, unless nothing is left to compute: the plugin stops at empty tensors."""
        empty = [value.type for value in op.results if 0 in (value.type.static_dims or ())]
        if len(empty) == len(op.results):
            return [self.const(np.zeros(type.dims, type.dtype.numpy)) for type in empty]
        rule = OPENVINO.get(type(op))
        if isinstance(rule, Refusal):
            raise Error(Kind.UNSUPPORTED, f"{op.op_name}: {rule}")
        made = rule(op, self)
        return made if isinstance(made, (list, tuple)) else [made]

    def _names_of_outputs(self, graph: Graph) -> dict[Value, str]:
        """The user's name of each value that leaves the outermost graph."""
        if self._outer is not None:
            return {}
        return dict(reversed([*zip(graph.outputs, graph.output_names, strict=True)]))

    def _results(self, graph: Graph, stacked: Axes) -> list[Any]:
        names = graph.output_names or ("",) * len(graph.outputs)
        taken = {_key(self[value]) for value in graph.inputs}
        results = []
        for index, (value, name) in enumerate(zip(graph.outputs, names, strict=True)):
            source = self[value]
            if index in stacked:
                source = self.ops.unsqueeze(source, self.ints([stacked[index]])).output(0)
            elif _key(source) in taken or isinstance(value, Constant):
                source = self._copy(source, value, name)
            taken.add(_key(source))
            result = self.ops.result(source)
            result.set_friendly_name(self._unique(self._node_names, f"{name or 'out'}/result"))
            if self._outer is None:
                result.output(0).get_tensor().set_names({name})
            results.append(result)
        return results

    def _copy(self, source: Output, value: Value, name: str) -> Output:
        """A tensor of its own, which can have a name of its own."""
        copied = self.convert(source, value.type.dtype)
        copied.set_friendly_name(self._unique(self._node_names, f"{name or 'out'}/copy"))
        return copied.output(0)

    # -- values and names -----------------------------------------------------------------------

    def _source(self, value: Value) -> Output:
        if isinstance(value, Constant):
            return self.named(value.array, value.hint).output(0)
        if self._outer is None:
            raise AssertionError(f"{value} is used before it is computed")
        node = self._parameter(value, value.hint or "captured")
        self.captured[value] = node
        return node.output(0)

    def _parameter(self, value: Value, name: str, cut: int | None = None) -> Any:
        type = value.type
        if cut is not None:
            type = type.with_dims((*type.dims[:cut], 1, *type.dims[cut:]))
        node = self.ops.parameter(partial_shape(type), openvino_type(type.dtype))
        self._settle(node, name or "in")
        if self._outer is None:
            node.output(0).get_tensor().set_names({name})
        return node

    def _name(self, op: Op, value: Value, output: Output, wanted: str | None) -> None:
        """Name the node that computes a result after its layer, and what leads to it after both."""
        node = output.get_node()
        if node.get_name() not in self._named:
            hint = "+".join(op.loc[:4]) or value.hint or op.op_name
            self._settle(node, hint)
            self._name_interior(node, hint)
        if not output.get_names():
            name = wanted or self._unique(self._tensor_names, value.hint or "value")
            output.get_tensor().set_names({name})

    def _name_interior(self, node: Any, hint: str) -> None:
        pending = [node]
        while pending:
            for source in pending.pop().input_values():
                inner = source.get_node()
                if inner.get_name() not in self._named:
                    self._settle(inner, f"{hint}/{inner.get_type_name().lower()}")
                    pending.append(inner)

    def _settle(self, node: Any, hint: str) -> None:
        self._named.add(node.get_name())
        node.set_friendly_name(self._unique(self._node_names, hint))

    def _unique(self, taken: dict[str, int], hint: str) -> str:
        name = hint
        while name in taken:
            taken[hint] += 1
            name = f"{hint}.{taken[hint]}"
        taken[name] = 0
        return name


def packed_constant(array: Array, dtype: DType) -> Output:
    """A constant of elements of four bits, two to a byte, the first in the lower half."""
    ov = openvino()
    halves = array.reshape(-1).astype(np.int8).view(np.uint8) & 15
    pairs = np.pad(halves, (0, halves.size % 2)).reshape(-1, 2)
    held = (pairs[:, 0] | pairs[:, 1] << 4).astype(np.uint8)
    tensor = ov.Tensor(held, ov.Shape(list(array.shape)), openvino_type(dtype))
    return ov.op.Constant(tensor, shared_memory=False)


def _key(output: Output) -> tuple[str, int]:
    return output.get_node().get_name(), output.get_index()


def partial_shape(type: TensorType) -> Any:
    """The dims, those that are not known unbounded."""
    ov = openvino()
    return ov.PartialShape([dim if isinstance(dim, int) else ov.Dimension(-1) for dim in type.dims])


def openvino_type(dtype: DType) -> Any:
    """OpenVINO's element type."""
    return getattr(openvino().Type, TYPE_NAMES[dtype])


def to_model(graph: Graph) -> Any:
    """The graph as an ``openvino.Model``. Raises Error when OpenVINO is missing or refuses it."""
    RUNTIME.require()
    try:
        model = Writer().model(graph)
        layouts = layouts_of(graph)
        for value, parameter in zip(graph.inputs, model.get_parameters(), strict=True):
            if value in layouts:
                parameter.set_layout(openvino().Layout(layouts[value]))
        return model
    except RuntimeError as error:
        raise Error(Code.REFUSED, f"OpenVINO refuses the model: {error}") from error


def write_openvino(graph: Graph, path: Path, *, precision: str = "fp32") -> None:
    """Write ``path`` (an .xml) and the weights beside it (a .bin of the same name).

    Args:
        precision: fp32, or fp16 to store the weights in half their size.

    Raises:
        Error: as ``to_model``, or the path or the precision will not do.
    """
    if path.suffix != ".xml":
        raise Error(Code.SUFFIX, f"OpenVINO reads models named .xml, found {path.name!r}",
                    instead=path.with_suffix(".xml").name)  # fmt: skip
    if precision not in ("fp32", "fp16"):
        raise Error(Code.OPTION, f"precision is fp32 or fp16, found {precision!r}")
    model = to_model(graph)
    for key, text in sorted(graph.metadata.items()):
        model.set_rt_info(text, [OWN_KEYS.get(key, key)])
    try:
        openvino().save_model(model, str(path), compress_to_fp16=precision == "fp16")
    except RuntimeError as error:
        # A stream's error names no reason; a full disk is the one that users meet.
        weights = sum(constant.type.nbytes() for constant in graph.constants)
        full = shutil.disk_usage(path.parent).free < weights
        why = os.strerror(errno.ENOSPC) if full else str(error)
        raise Error(Kind.LOWERING, f"cannot write {path}: {why}") from error
