"""Activations: tables of 256 results, and softmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgec.ir import Op, OpError, Value
from edgec.ir.ops import (
    Clip,
    Elu,
    Exp,
    Gelu,
    HardSwish,
    IntegerHardSwish,
    IntegerLeakyRelu,
    IntegerLookup,
    IntegerRequantize,
    IntegerSoftmax,
    LeakyRelu,
    Relu,
    Sigmoid,
    Softmax,
    Tanh,
)
from edgec.ir.ops.integer_pointwise import FIXED_GRIDS
from edgec.passes.integerize.moves import FLOAT_OPERAND
from edgec.passes.integerize.products import FLOAT_RESULT
from edgec.passes.integerize.site import Site, clamp_of
from edgec.passes.integerize.table import INTEGERIZE, Answer

_FUNCTIONS: Mapping[type[Op], Callable[[Any], str]] = {
    Elu: lambda op: "elu" if op.alpha == 1 else "",
    Exp: lambda op: "exp",
    Gelu: lambda op: "gelu_tanh" if op.approximate == "tanh" else "gelu",
    Sigmoid: lambda op: "sigmoid",
    Tanh: lambda op: "tanh",
}


@INTEGERIZE.rule(Elu, Exp, Gelu, Sigmoid, Tanh)
def lookup(op: Any, site: Site) -> Answer:
    """Some have a grid that is always the same: another one is reached by requantizing."""
    x = _ready(op.x, site)
    if isinstance(x, str):
        return x
    assert site.grid is not None, "the site is ready"
    function = _FUNCTIONS[type(op)](op)
    if not function:
        return f"{op.op_name} on integers has alpha 1"
    scale, point = FIXED_GRIDS.get(function) or (site.grid.scale[0], site.grid.zero_point[0])
    made = site.add(IntegerLookup(x, function=function, scale=scale, zero_point=point))
    return site.requantized(made, site.grid)


@INTEGERIZE.rule(LeakyRelu)
def leaky_relu(op: LeakyRelu, site: Site) -> Answer:
    x = _ready(op.x, site)
    if isinstance(x, str):
        return x
    return site.add(IntegerLeakyRelu(x, alpha=op.alpha, **site.fields()))


@INTEGERIZE.rule(HardSwish)
def hard_swish(op: HardSwish, site: Site) -> Answer:
    x = _ready(op.x, site)
    if isinstance(x, str):
        return x
    made = IntegerHardSwish(x, **site.fields())
    try:
        made.check()
    except OpError as error:
        return str(error)
    return site.add(made)


@INTEGERIZE.rule(Relu, Clip)
def clamp(op: Relu | Clip, site: Site) -> Answer:
    """A clamp that no op carries."""
    site.act, site.act_params = clamp_of(op)
    x = site.integer(op.x)
    if x is None:
        return FLOAT_OPERAND
    if site.grid is None:
        return FLOAT_RESULT
    fields = site.fields()
    if fields["activation"] == "none" and x.type.quant == site.grid:
        return site.clamped(x)
    return site.clamped(site.add(IntegerRequantize(x, **fields)))


@INTEGERIZE.rule(Softmax)
def softmax(op: Softmax, site: Site) -> Answer:
    """Its grid is always the same: another one is reached by requantizing."""
    x = _ready(op.x, site)
    if isinstance(x, str):
        return x
    assert site.grid is not None, "the site is ready"
    return site.requantized(site.add(IntegerSoftmax(x, axis=op.axis)), site.grid)


def _ready(operand: Value, site: Site) -> Value | str:
    """The operand's integers, where the result is wanted in integers without a clamp."""
    x = site.integer(operand)
    if x is None:
        return FLOAT_OPERAND
    return FLOAT_RESULT if site.grid is None or site.act != "none" else x
