"""ReLU and clip cost nothing where the integers stop at the same numbers."""

from __future__ import annotations

from math import inf

from edgec.ir import Graph, Grid, Op, QuantScheme, Rewriter, Role, Value
from edgec.ir.ops import Clip, Conv, ConvTranspose, Dequantize, LeakyRelu, MatMul, Quantize, Relu
from edgec.passes.quantize.existing import grid_in
from edgec.passes.quantize.grids import stored_at

_ABSORBING = (Role.WEIGHTED, Role.RESCALED)


def clamp_after(op: Op, scheme: QuantScheme) -> Op | None:
    """The ReLU or clip that is the only reader of the op's result, where the op on integers stores
    its result after it."""
    if scheme.role(op) not in _ABSORBING or len(op.results) != 1 or op.result.use_count != 1:
        return None
    (user,) = op.result.users
    if isinstance(user, Relu) and "relu" in scheme.absorbed:
        return user
    return user if isinstance(user, Clip) and "clip" in scheme.absorbed else None


def drop_clamps(graph: Graph, scheme: QuantScheme) -> int:
    """Take away each ReLU and clip whose result is stored on a grid that saturates as it does;
    returns their number."""
    dropped = 0
    for op in tuple(graph.ops_of(Quantize)):
        grid = grid_in(op, op.to) if op.to is scheme.activation else None
        clamp = op.x.producer
        if grid is None or clamp is None or len(op.x.users) != 1:
            continue
        bounds = _bounds(clamp)
        if bounds is not None and _saturates(grid, bounds, scheme):
            _drop(clamp, op)
            dropped += 1
    return dropped


def separate_clamps(graph: Graph, scheme: QuantScheme) -> int:
    """Let an op whose clamp could not be dropped store its result before the clamp as well, on the
    same grid: rounding is monotone, so that no number changes. Returns how many did."""
    if scheme.clamps:
        return 0
    separated = 0
    for op in tuple(graph.ops_of(Quantize)):
        clamp = op.x.producer
        if op.to is not scheme.activation or clamp is None or _bounds(clamp) is None:
            continue
        carried = isinstance(clamp, Conv | ConvTranspose | MatMul)
        if carried or not isinstance(clamp.operands[0].producer, Dequantize):  # type: ignore[union-attr]  # a clamp reads
            _separate(clamp, op)
            separated += 1
    return separated


def _separate(clamp: Op, reader: Quantize) -> None:
    assert clamp.graph is not None
    rw = Rewriter(clamp.graph).at(clamp)
    bounds = _bounds(clamp)
    before = clamp.operands[0]
    if isinstance(clamp, Conv | ConvTranspose | MatMul):
        before = rw.add(clamp.copy(act="none", act_params=())).result
    assert before is not None
    assert bounds is not None
    stored = rw.add(reader.copy(x=before)).result
    read = rw.add(Dequantize(stored, reader.scale, reader.zero_point)).result
    alone = (
        LeakyRelu(read, alpha=0.0)
        if bounds == (0.0, inf)
        else Clip(read, low=bounds[0], high=bounds[1])
    )
    rw.replace_with(clamp, alone)


def _bounds(op: Op) -> tuple[float, float] | None:
    """What a clamp, or an op that carries one, bounds its result by."""
    if isinstance(op, Relu):
        return 0.0, inf
    if isinstance(op, Clip):
        return op.low, op.high
    if isinstance(op, Conv | ConvTranspose | MatMul):
        if op.act == "relu":
            return 0.0, inf
        if op.act == "clip":
            return op.act_params[0], op.act_params[1]
    return None


def _saturates(grid: Grid, bounds: tuple[float, float], scheme: QuantScheme) -> bool:
    low, high = (stored_at(grid, bound, scheme) for bound in bounds)
    return (low, high) == scheme.bounds


def _drop(clamp: Op, reader: Op) -> None:
    assert clamp.graph is not None
    rw = Rewriter(clamp.graph)
    if isinstance(clamp, Conv | ConvTranspose | MatMul):
        rw.replace_with(clamp, clamp.copy(act="none", act_params=()))
        return
    before: Value | None = clamp.operands[0]
    assert before is not None
    if before.use_count == 1 and before.producer is not None:
        before.hint, before.range = clamp.result.hint, clamp.result.range
    rw.set_operand(reader, 0, before)
    rw.erase(clamp)
