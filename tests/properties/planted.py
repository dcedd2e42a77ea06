"""Ten bugs to plant, five in passes and five in write rules, each with a model that meets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import edgec.passes.canonicalize.transposes as transposes
import edgec.passes.cse as cse
import edgec.passes.fold as fold
import edgec.passes.fuse.activation as activation
import edgec.passes.fuse.batch_norm as batch_norm
from edgec.ir import Graph, Op, RuleTable, parse_graph
from edgec.ir.ops import BatchNorm, Concat, Conv, LeakyRelu, Sub
from edgec.lowering.onnx.writer import WRITERS
from edgec.lowering.openvino.table import OPENVINO
from edgec.tools import driver

Plant = Callable[[pytest.MonkeyPatch], None]
DIGITS = Path(__file__).resolve().parents[2] / "tools" / "data" / "digits_mbv2.onnx"
MANY = 30  # innocent ops before and after the ones that a bug is about
INNOCENT = ("math.neg", "math.asinh", "math.sinh")  # in turn, they neither grow nor shrink numbers


@dataclass(frozen=True)
class Bug:
    """A bug, the model that meets it, and what bisect must say of it.

    Attributes:
        plant: puts the bug in place.
        model: makes the model.
        pipeline: passes that run; those before the write rules for a target.
        rule: what bisect names.
        layer: a source layer that bisect names.
        target: whose write rule is wrong; "" for a bug in a pass.
    """

    name: str
    plant: Plant
    model: Callable[[], Graph]
    pipeline: str
    rule: str
    layer: str
    target: str = ""


def digits() -> Graph:
    return driver.load(DIGITS)


def crowded(body: str, result: str) -> Graph:
    """A graph in which a few ops, which read %in, stand between many others."""
    lines = ["graph crowded(%x: f32[2,6,6]) {", '  %a0 = math.neg %x loc("first")']
    for n in range(1, MANY):
        lines.append(f'  %a{n} = {INNOCENT[n % 3]} %a{n - 1} loc("before{n}")')
    lines.append(body.replace("%in", f"%a{MANY - 1}"))
    lines.append(f'  %b0 = math.neg %{result} loc("between")')
    for n in range(1, MANY):
        lines.append(f'  %b{n} = {INNOCENT[n % 3]} %b{n - 1} loc("after{n}")')
    lines.append(f"  return y=%b{MANY - 1}\n}}")
    return parse_graph("\n".join(lines))


# -- in passes -------------------------------------------------------------------------------------


def wide(op: Op) -> bool:
    """One of the wide depthwise layers, in the middle of the model."""
    return op.result.type.dims[1] == 96


def plant_batch_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean is added where it should be subtracted, in wide layers."""
    right = batch_norm.batch_norm_affine

    def wrong(op: BatchNorm) -> Any:
        affine = right(op)
        return replace(affine, shift=-affine.shift) if affine and wide(op) else affine

    monkeypatch.setattr(batch_norm, "batch_norm_affine", wrong)


def plant_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip from 0 to 6 is carried as one from 0 to 1, in wide layers."""
    right = activation.CarryActivation.fused

    def wrong(self: Any, m: Any) -> Any:
        made = right(self, m)
        if isinstance(made, Op) and wide(m.root):
            return made.copy(act="clip", act_params=(0.0, 1.0))
        return made

    monkeypatch.setattr(activation.CarryActivation, "fused", wrong)


def plant_transpose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transpose passes for a reshape."""
    monkeypatch.setattr(transposes.TransposeToReshape, "check", lambda self, m: None)


def plant_cse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ops that differ in attributes only are taken for the same."""
    monkeypatch.setattr(cse, "_key", lambda op: (type(op), tuple(op.operands), op.result.type))


def plant_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subtractions are folded the other way round."""
    right = fold._executed

    def wrong(op: Op, left: int) -> Any:
        found = right(op, left)
        return [-array for array in found] if found and isinstance(op, Sub) else found

    monkeypatch.setattr(fold, "_executed", wrong)


TRANSPOSED = """
  %t = move.transpose %in, perm=[0,2,1] loc("turn")
  %c = math.mul %t, f32[6](1.0,2.0,3.0,4.0,5.0,6.0) loc("scale")"""
TWINS = """
  %l = act.leaky_relu %in, alpha=0.1 loc("left")
  %r = act.leaky_relu %in, alpha=0.7 loc("right")
  %d = math.div %r, f32[](3.0) loc("third")
  %c = math.sub %l, %d loc("join")"""
FOLDED = """
  %k = math.sub f32[2](5.0,3.0), f32[2](1.0,9.0) loc("difference")
  %w = move.reshape %k, to=[2,1,1] loc("shape")
  %c = math.mul %in, %w loc("weigh")"""

# -- in write rules --------------------------------------------------------------------------------


def spoiled(
    monkeypatch: pytest.MonkeyPatch,
    table: RuleTable[Any],
    cls: type[Op],
    wrong: Callable[[Any], Mapping[str, Any] | None],
) -> None:
    """Let the rule of an op class see attributes and operands that ``wrong`` makes of an op's own;
    None for an op that is to be written as it is."""
    right = table.get(cls)
    assert callable(right)

    def rule(op: Op, out: Any) -> Any:
        found = wrong(op)
        if found is None:
            return right(op, out)
        attributes, operands = op._attributes, op._operands
        op._attributes = {**attributes, **found.get("attributes", {})}
        op._operands = found.get("operands", operands)
        try:
            return right(op, out)
        finally:
            op._attributes, op._operands = attributes, operands

    rule.__module__, rule.__name__ = right.__module__, right.__name__
    monkeypatch.setitem(table._rules, cls, rule)


def without_bias(op: Conv) -> Mapping[str, Any] | None:
    """Depthwise convolutions of wide layers lose their bias."""
    if op.bias is None or op.groups == 1 or not wide(op):
        return None
    slot = [spec.name for spec in op.operand_specs].index("bias")
    return {"operands": [None if i == slot else v for i, v in enumerate(op.operands)]}


def plant_onnx_conv(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled(monkeypatch, WRITERS, Conv, without_bias)


def plant_openvino_conv(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled(monkeypatch, OPENVINO, Conv, without_bias)


def plant_onnx_concat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are written in reverse."""
    spoiled(monkeypatch, WRITERS, Concat, lambda op: {"operands": list(reversed(op.operands))})


def plant_onnx_leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slope is forgotten: ONNX's default is 0.01."""
    spoiled(monkeypatch, WRITERS, LeakyRelu, lambda op: {"attributes": {"alpha": 0.01}})


def plant_openvino_leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled(monkeypatch, OPENVINO, LeakyRelu, lambda op: {"attributes": {"alpha": 0.01}})


JOINED = """
  %h = act.hard_swish %in loc("hard")
  %j = move.concat [%h, %in], axis=1 loc("join")
  %c = nn.conv %j, w=@w[4,12,3] loc("mix")"""

BUGS = (
    Bug("batch-norm", plant_batch_norm, digits, "O2", "FuseBatchNormAfter",
        "/3/m/m.0/m.0.1/BatchNormalization"),
    Bug("activation", plant_activation, digits, "O2", "CarryActivation",
        "/3/m/m.0/m.0.2/Clip"),
    Bug("transpose", plant_transpose, lambda: crowded(TRANSPOSED, "c"), "O2",
        "TransposeToReshape", "turn"),
    Bug("cse", plant_cse, lambda: crowded(TWINS, "c"), "O2", "replace", "right"),
    Bug("fold", plant_fold, lambda: crowded(FOLDED, "c"), "O2", "fold", "difference"),
    Bug("onnx-conv", plant_onnx_conv, digits, "O2", "write_conv",
        "/3/m/m.1/m.1.0/Conv", "onnx"),
    Bug("onnx-concat", plant_onnx_concat, lambda: crowded(JOINED, "c"), "O2",
        "write_concat", "join", "onnx"),
    Bug("onnx-leaky", plant_onnx_leaky, lambda: crowded(TWINS, "c"), "O2",
        "write", "left", "onnx"),
    Bug("openvino-conv", plant_openvino_conv, digits, "O2", "conv",
        "/3/m/m.1/m.1.0/Conv", "openvino"),
    Bug("openvino-leaky", plant_openvino_leaky, lambda: crowded(TWINS, "c"), "O2",
        "leaky", "left", "openvino"),
)  # fmt: skip
