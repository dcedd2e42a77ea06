"""The cost model: work against counted products, and rooflines that can be worked out by hand."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from properties.memory_graphs import random_graph

from edgec.ir import Builder, DeviceProfile, Error, Graph, Kind, Op, Value, dtypes, sample_graph
from edgec.ir.ops import Add, Conv, ConvTranspose, Einsum, Gather, If, MatMul, Relu, Reshape, Slice
from edgec.kernels import Executor
from edgec.passes import COMPUTE, MEMORY, START, estimate, latency

DEVICE = DeviceProfile("d", "a device", {"f32": 1e9, "i8": 4e9}, memory_rate=1e8)
PRODUCTS = (Conv, ConvTranspose, MatMul, Einsum)


def conv(out: int, each: int, groups: int = 1, size: int = 8) -> Graph:
    b = Builder()
    x = b.input("x", dtypes.f32, (1, each * groups, size, size))
    w = b.constant(np.ones((out, each, 1, 1), np.float32))
    return b.output(y=b.add(Conv(x, w, groups=groups)).result)


# -- work ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", PRODUCTS, ids=lambda cls: str(cls.op_name))
def test_macs_are_the_products_that_ones_add_up_to(cls: type[Op]) -> None:
    """Where nothing is padded, every product of ones adds one to a result."""
    seen = 0
    for seed in range(80):
        graph, _ = sample_graph(cls, seed)
        [op] = [op for op in graph.ops if type(op) is cls]
        plain = {"bias": None, "act": "none", "pads": (), "auto_pad": "explicit", "alpha": 1.0}
        own = {*cls.attribute_specs, *(spec.name for spec in cls.operand_specs)}
        if isinstance(op, ConvTranspose) and op.output_padding:
            continue
        if isinstance(op, Conv | ConvTranspose):
            dilation = op.dilation or (1,) * len(op.kernel)
            reached = [(k - 1) * d + 1 for k, d in zip(op.kernel, dilation, strict=True)]
            spatial = op.x.type.dims[2:] if op.layout == "nchw" else op.x.type.dims[1:-1]
            if any(isinstance(n, int) and n < r for n, r in zip(spatial, reached, strict=True)):
                continue
        changed = op.copy(**{key: value for key, value in plain.items() if key in own})
        if not all(v.type.dtype is dtypes.f32 for v in changed.present_operands):
            continue
        seen += 1
        assert changed.work().macs == sum_of_ones(changed)
    assert seen > 10


def sum_of_ones(op: Op) -> int:
    b = Builder()
    fresh: dict[Value, Value] = {}
    for number, value in enumerate(dict.fromkeys(op.present_operands)):
        fresh[value] = b.input(f"in{number}", dtypes.f32, value.type.static_dims or ())
    copied = b.add(op.copy(operands=[None if v is None else fresh[v] for v in op.operands]))
    graph = b.output(y=copied.result)
    ones = {v.hint: np.ones(v.type.static_dims or (), np.float32) for v in graph.inputs}
    return int(Executor(graph).run(ones)["y"].sum())


def test_moving_reads_what_it_writes_and_a_reshape_nothing() -> None:
    b = Builder()
    table = b.constant(np.ones((1000, 4), np.float32))
    rows = b.input("rows", dtypes.i64, (2,))
    looked_up = b.add(Gather(table, rows, axis=0))
    cut = b.add(Slice(looked_up.result, b.const(np.array([0])), b.const(np.array([1])), axes=(0,)))
    flat = b.add(Reshape(looked_up.result, to=(8,)))
    b.output(y=cut.result, z=flat.result)
    assert looked_up.work().bytes == 2 * 32 + 16
    assert cut.work().bytes == 2 * 16 + 16
    assert (flat.work().bytes, flat.work().flops) == (0, 0)


def test_an_if_costs_its_larger_branch_once() -> None:
    graphs = (random_graph(random.Random(seed).randint, 30) for seed in range(20))
    graph = next(graph for graph in graphs if any(graph.ops_of(If)))
    found = estimate(graph, DEVICE)
    assert len(found.ops) == len(graph)
    assert found.work.bytes == sum(op.work().bytes for op in graph.ops)


# -- rooflines -------------------------------------------------------------------------------------


def test_the_slower_of_arithmetic_and_memory_decides() -> None:
    graph = conv(64, 64)
    macs, moved = 64 * 64 * 64, 4 * (2 * 64 * 64 + 64 * 64)
    found = estimate(graph, DEVICE)
    assert (found.work.macs, found.work.bytes) == (macs, moved)
    assert found.seconds == pytest.approx(moved / 1e8)
    assert [op.bound for op in found.ops] == [MEMORY]
    faster = replace(DEVICE, memory_rate=1e12)
    assert latency(graph, faster) == pytest.approx(macs / 1e9)
    assert estimate(graph, faster).bound_by(COMPUTE) == 1
    slow_start = replace(DEVICE, op_seconds=1.0)
    assert latency(graph, slow_start) == pytest.approx(1 + moved / 1e8)
    assert estimate(graph, slow_start).ops[0].bound == START


def test_counted_as_bytes_it_moves_a_quarter_and_multiplies_at_that_rate() -> None:
    graph = conv(64, 64)
    plain, small = estimate(graph, DEVICE), estimate(graph, DEVICE, dtypes.i8)
    assert 4 * small.work.bytes == plain.work.bytes
    faster = replace(DEVICE, memory_rate=1e12)
    assert latency(graph, faster) == pytest.approx(4 * latency(graph, faster, dtypes.i8))


@pytest.mark.parametrize(
    ("out", "each", "groups", "filled"),
    [(32, 32, 1, 1), (33, 32, 1, 64 / 33), (48, 32, 1, 64 / 48), (32, 33, 1, 64 / 33),
     (40, 1, 40, 64 / 40), (64, 32, 2, 1), (66, 32, 2, 64 / 33)],
)  # fmt: skip
def test_channels_are_filled_up(out: int, each: int, groups: int, filled: float) -> None:
    device = replace(DEVICE, memory_rate=1e15, round_to={"f32": 32})
    graph = conv(out, each, groups)
    [op] = estimate(graph, device).ops
    assert op.seconds == pytest.approx(op.macs * filled / 1e9)


def test_pruning_channels_never_costs_time_and_pays_in_steps() -> None:
    device = replace(DEVICE, memory_rate=1e15, round_to={"f32": 16})
    seconds = [latency(conv(out, 64), device) for out in range(64, 0, -1)]
    assert seconds == sorted(seconds, reverse=True)
    assert len(set(seconds)) == 4


def test_memory_on_the_chip_counts_at_its_own_rate() -> None:
    graph = conv(64, 64)
    edges, weights = 4 * 2 * 64 * 64, 4 * 64 * 64
    roomy = replace(DEVICE, on_chip_bytes=10**6, on_chip_rate=1e9)
    assert latency(graph, roomy) == pytest.approx(edges / 1e8 + weights / 1e9)
    b = Builder()
    x = b.input("x", dtypes.f32, (1, 1000))
    y = b.add(Relu(b.add(Relu(b.add(Relu(x)).result)).result))
    chain = b.output(y=y.result)
    middle = estimate(chain, roomy).ops[1]
    assert middle.seconds == pytest.approx(8000 / 1e9)
    cramped = replace(roomy, on_chip_bytes=3000)
    assert estimate(chain, cramped).ops[1].seconds == pytest.approx(8000 / 1e8)


def test_a_type_that_the_device_does_not_multiply_is_refused() -> None:
    integers = replace(DEVICE, macs={"i8": 1e9})
    with pytest.raises(Error, match="d multiplies i8, this model f32") as caught:
        estimate(conv(4, 4), integers)
    assert caught.value.kind is Kind.UNSUPPORTED
    assert latency(conv(4, 4), integers, dtypes.i8) > 0


def test_symbols_count_as_the_shapes_say() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, ("N", 8))
    graph = b.output(y=b.add(Add(x, x)).result)
    one = estimate(graph, DEVICE).work.bytes
    assert estimate(graph, DEVICE, shapes={"N": 10}).work.bytes == 10 * one


def test_rates_are_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        replace(DEVICE, memory_rate=0)
