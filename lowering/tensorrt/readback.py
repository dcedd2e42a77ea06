"""What a network definition computes: its layers read back through TensorRT's own getters, and run
in numpy by the meaning that TensorRT documents for each.

An engine runs on a GPU only. The definition that it is built from can be compared with the graph
anywhere, layer by layer: wrong axes, paddings, weights, types and wiring show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgec.ir import Array, Error, Kind
from edgec.lowering.tensorrt import readback_moves as _moves  # noqa: F401  (fills LAYERS)
from edgec.lowering.tensorrt import readback_sums as _sums  # noqa: F401  (fills LAYERS)
from edgec.lowering.tensorrt.layers import Network
from edgec.lowering.tensorrt.readback_layers import LAYERS, Layer, classes
from edgec.lowering.tensorrt.runtime import tensorrt

Tensors = dict[str, Array]
_NO_DATA = ("CONDITION", "RECURRENCE", "ITERATOR", "TRIP_LIMIT")  # of what surrounds them


class Readback:
    """A network definition as a program.

    Attributes:
        layers: every layer in the order in which it was added, as the class that it is of.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.layers = [*_layers(network)]
        self._makers = {name: layer for layer in self.layers for name in layer.outputs}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""
        definition = self.network.definition
        found = self.tensors(inputs)
        names = [definition.get_output(i).name for i in range(definition.num_outputs)]
        return {name: self._demanded(name, found) for name in names}

    def tensors(self, inputs: Mapping[str, Array]) -> Tensors:
        """Tensors outside loops, by name. What a layer takes may stand behind it."""
        found: Tensors = dict(inputs)
        for layer in self.layers:
            if layer.kind in ("LOOP_OUTPUT", "CONDITIONAL_OUTPUT"):
                self._demanded(layer.outputs[0], found)
            elif layer.kind not in _NO_DATA and all(n is None or n in found for n in layer.inputs):
                self._compute(layer, found)
        return found

    def _demanded(self, name: str, found: Tensors) -> Array:
        """A tensor, with all that it takes."""
        if name in found:
            return found[name]
        layer = self._makers[name]
        if layer.kind == "LOOP_OUTPUT":
            found[name] = self._loop_output(layer, found)
        elif layer.kind == "CONDITIONAL_OUTPUT":
            found[name] = self._demanded(self._branch(layer, found), found)
        else:
            for needed in layer.inputs:
                if needed is not None:
                    self._demanded(needed, found)
            self._compute(layer, found)
        return found[name]

    def _compute(self, layer: Layer, found: Tensors) -> None:
        rule = LAYERS.get(layer.kind)
        if rule is None:
            raise Error(Kind.LOWERING, f"layers of kind {layer.kind} are not read back")
        given = [None if name is None else found[name] for name in layer.inputs]
        with np.errstate(all="ignore"):
            made = rule(layer, *given)
        arrays = made if isinstance(made, list) else [made]
        found.update(zip(layer.outputs, arrays, strict=False))

    def _branch(self, layer: Layer, found: Tensors) -> str:
        """What a conditional hands on: its first operand where the condition holds."""
        mine = layer.own.conditional
        [condition] = [
            other.inputs[0] or ""
            for other in self.layers
            if other.kind == "CONDITION" and other.own.conditional == mine
        ]
        return layer.inputs[0 if self._demanded(condition, found) else 1] or ""

    # -- loops -----------------------------------------------------------------------------------

    def _loop_output(self, layer: Layer, outside: Tensors) -> Array:
        """Runs the whole loop for each of its outputs: networks that are read back are small."""
        loop = layer.own.loop
        mine = [other for other in self.layers if _is_of(other, loop)]
        [limit] = [other for other in mine if other.kind == "TRIP_LIMIT"]
        trips = int(self._demanded(limit.inputs[0] or "", outside))
        recurrences = [other for other in mine if other.kind == "RECURRENCE"]
        state = {r.outputs[0]: self._demanded(r.inputs[0] or "", outside) for r in recurrences}
        shown, kind = [], str(layer.own.kind).rpartition(".")[2]
        for step in range(trips):
            inner: Tensors = {**outside, **state}
            for iterator in mine:
                if iterator.kind == "ITERATOR":
                    place = trips - 1 - step if iterator.own.reverse else step
                    source = self._demanded(iterator.inputs[0] or "", outside)
                    inner[iterator.outputs[0]] = np.take(source, place, iterator.own.axis)
            wanted = layer.inputs[0] or ""
            if kind != "LAST_VALUE":
                shown.append(self._demanded(wanted, inner))
            state = {r.outputs[0]: self._demanded(r.inputs[1] or "", inner) for r in recurrences}
        if kind == "LAST_VALUE":
            return state[layer.inputs[0] or ""]
        ordered = shown[::-1] if kind == "REVERSE" else shown
        return np.stack(ordered, axis=layer.own.axis)


def _layers(network: Network) -> Iterator[Layer]:
    definition, by_kind = network.definition, classes(tensorrt())
    for index in range(definition.num_layers):
        own: Any = definition.get_layer(index)
        kind = str(own.type).rpartition(".")[2]
        own.__class__ = by_kind[kind]
        inputs = [own.get_input(i) for i in range(own.num_inputs)]
        outputs = [own.get_output(i) for i in range(own.num_outputs)]
        yield Layer(
            kind,
            own,
            [tensor and tensor.name for tensor in inputs],
            [tensor.name for tensor in outputs if tensor is not None],
            network,
        )


def _is_of(layer: Layer, loop: Any) -> bool:
    return layer.kind in ("RECURRENCE", "ITERATOR", "TRIP_LIMIT") and layer.own.loop == loop
