"""What a graph costs on a device: a roofline estimate per op.

    seconds(op) = max(arithmetic / peak rate, bytes / bandwidth) + the time to start an op

(Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model", 2009.)
Arithmetic is ``work()`` with the channels of convolutions and matrix products filled up to what the
device takes at once. Bytes on the chip count at its rate: all of them when weights and activations
fit, else the activations of those ops whose own fit. docs/cost-model.md says what it is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edgec.ir import (
    Code,
    Constant,
    DeviceProfile,
    DType,
    Error,
    Finding,
    Graph,
    Movement,
    Op,
    Value,
    Work,
)
from edgec.ir.ops import (
    Concat,
    Conv,
    ConvTranspose,
    IntegerConv,
    IntegerConvTranspose,
    IntegerLinear,
    IntegerMatMul,
    MatMul,
    Pad,
)
from edgec.ir.ops.linear import matrix_dims
from edgec.kernels import Memory, default_shapes, peak_of

COMPUTE, MEMORY, START = "compute", "memory", "start"


@dataclass(frozen=True)
class OpCost:
    """One op on the device.

    Attributes:
        name: of the source node, or of the result.
        kind: the op's name.
        macs, flops, bytes: its work, as it is, not filled up.
        seconds: the estimate.
        bound: what takes longest: compute, memory or start.
    """

    name: str
    kind: str
    macs: int
    flops: int
    bytes: int
    seconds: float
    bound: str


@dataclass(frozen=True)
class Estimate:
    """A graph on a device: its ops in order, and all of them together.

    ``foreign`` are the ops that compute in a type which the device does not have; they count as if
    they ran at its lowest rate.
    """

    device: str
    ops: tuple[OpCost, ...]
    foreign: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return sum(op.seconds for op in self.ops)

    @property
    def work(self) -> Work:
        return sum((Work(op.macs, op.flops, op.bytes) for op in self.ops), Work())

    @property
    def intensity(self) -> float:
        """Multiply-accumulates per byte touched."""
        return self.work.macs / max(self.work.bytes, 1)

    def bound_by(self, limit: str) -> float:
        """Which part of the time, 0 to 1, goes to ops that this limit bounds."""
        return sum(op.seconds for op in self.ops if op.bound == limit) / max(self.seconds, 1e-30)


def latency(graph: Graph, device: DeviceProfile, precision: DType | None = None) -> float:
    """The estimate in seconds; see ``estimate``."""
    return estimate(graph, device, precision).seconds


def estimate(
    graph: Graph,
    device: DeviceProfile,
    precision: DType | None = None,
    shapes: Mapping[str, int] | None = None,
) -> Estimate:
    """What each op of the graph costs on the device.

    Args:
        precision: count every float tensor as if it were of this type.
        shapes: values of dimension symbols, over those of ``default_shapes``.

    Raises:
        Error: the device computes in none of the types that the products of this graph have.
    """
    symbols = default_shapes(graph) | dict(shapes or {})
    bound = graph.clone(dict(symbols)) if symbols else graph
    model = _Roofline(bound, device, precision)
    costs = tuple(model.cost(op) for op in bound.ops)
    return Estimate(device.name, costs, tuple(model.foreign))


class _Roofline:
    """The estimate of single ops, given what does not depend on the op."""

    def __init__(self, graph: Graph, device: DeviceProfile, precision: DType | None) -> None:
        self.foreign: list[str] = []
        self._device = device
        self._precision = precision
        self._edges = {*graph.inputs, *graph.outputs}
        self._check_products(graph)
        results = [result for op in graph.ops for result in op.results]
        raw = sum(value.type.nbytes() for value in results)
        scale = sum(map(self._bytes, results)) / max(raw, 1)
        weights = sum(map(self._bytes, graph.constants))
        self._all_fits = weights + peak_of(graph, {}, Memory()) * scale <= device.on_chip_bytes

    def cost(self, op: Op) -> OpCost:
        device, work = self._device, op.work()
        copies = op.has(Movement) or isinstance(op, Concat | Pad)
        flops = 0 if copies else work.flops
        far, near = self._traffic(op, work)
        seconds = {
            COMPUTE: (round(work.macs * self._filling(op)) + flops) / self._rate(op, work),
            MEMORY: far / device.memory_rate,
            START: device.op_seconds if work.bytes else 0.0,
        }
        if device.on_chip_rate:
            seconds[MEMORY] += near / device.on_chip_rate
        total = max(seconds[COMPUTE], seconds[MEMORY]) + seconds[START]
        limit = max(seconds, key=seconds.__getitem__)
        return OpCost(_name(op), op.op_name, work.macs, flops, round(far + near), total, limit)

    def _traffic(self, op: Op, work: Work) -> tuple[float, float]:
        """Bytes to and from the memory beside the chip, and on the chip."""
        values = [*op.present_operands, *op.results]
        raw = sum(value.type.nbytes() for value in values)
        touched = work.bytes * sum(map(self._bytes, values)) / max(raw, 1)
        made = sum(map(self._bytes, op.results))
        held = sum(self._bytes(v) for v in op.present_operands if isinstance(v, Constant))
        constants = max(min(held, touched - made), 0.0)
        edges = min(sum(self._bytes(v) for v in values if v in self._edges), touched - constants)
        inside = touched - constants - edges
        if self._all_fits:
            return edges, constants + inside
        if inside <= self._device.on_chip_bytes:
            return constants + edges, inside
        return touched, 0.0

    def _rate(self, op: Op, work: Work) -> float:
        rate = self._device.rate(self._dtype(op))
        if rate is None:
            if work.macs:
                self.foreign.append(_name(op))
            return min(self._device.macs.values())
        return rate

    def _filling(self, op: Op) -> float:
        """How much larger a product becomes when its channels are filled up."""
        multiple = self._device.multiple(self._dtype(op))
        return _filled(op, multiple) if multiple > 1 else 1.0

    def _dtype(self, op: Op) -> DType:
        first = next(iter(op.present_operands), None) or op.result
        own = first.type.dtype
        return self._precision if self._precision is not None and own.is_float else own

    def _bytes(self, value: Value) -> int:
        type = value.type
        if self._precision is not None and type.dtype.is_float:
            type = type.with_dtype(self._precision)
        return type.nbytes()

    def _check_products(self, graph: Graph) -> None:
        products = [op for op in graph.ops if op.work().macs]
        types = {self._dtype(op) for op in products}
        if not products or any(self._device.rate(dtype) is not None for dtype in types):
            return
        names = ", ".join(self._device.macs)
        found = ", ".join(sorted(dtype.name for dtype in types))
        raise Error(
            Code.PRECISION,
            f"{self._device.name} multiplies {names}, this model {found}",
            [Finding(f"{len(products)} products, the first is {_name(products[0])}")],
            instead=f"quantize it first, or ask what it would take as --precision "
            f"{next(iter(self._device.macs))}",
        )


def _filled(op: Op, multiple: int) -> float:
    """How much larger the product becomes when both its channel counts are filled up."""
    if isinstance(op, Conv | IntegerConv):
        out, each, *kernel = op.w.type.static_dims or (1, 1)
        if each == 1 and op.groups > 1:
            return _fill(out, multiple)
        return _fill(out // op.groups, multiple) * _depth(each, math.prod(kernel), multiple)
    if isinstance(op, ConvTranspose):
        channels, out, *kernel = op.w.type.static_dims or (1, 1)
        depth = _depth(channels // op.groups, math.prod(kernel), multiple)
        return _fill(out, multiple) * depth
    if isinstance(op, IntegerConvTranspose | IntegerLinear):
        out, channels, *kernel = op.w.type.static_dims or (1, 1)
        return _fill(out, multiple) * _depth(channels, math.prod(kernel), multiple)
    if isinstance(op, MatMul | IntegerMatMul) and op.b.type.rank >= 2:
        rows, columns = matrix_dims(op.b.type, op.transpose_b)[-2:]
        if isinstance(rows, int) and isinstance(columns, int):
            return _fill(rows, multiple) * _fill(columns, multiple)
    return 1.0


def _fill(count: int, multiple: int) -> float:
    return -(-count // multiple) * multiple / max(count, 1)


def _depth(channels: int, area: int, multiple: int) -> float:
    """Few channels are taken together with their neighbours in the window."""
    return min(_fill(channels, multiple), _fill(channels * area, multiple))


def _name(op: Op) -> str:
    if op.loc:
        return op.loc[-1]
    return op.results[0].hint if op.results else op.op_name
