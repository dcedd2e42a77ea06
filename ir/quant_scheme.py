"""How a target runs a network on small integers: plain data, which targets fill in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from edgec.ir import dtypes
from edgec.ir.codes import Code
from edgec.ir.diagnostics import Error
from edgec.ir.dtypes import DType
from edgec.ir.op import Op
from edgec.ir.table import Refusal


class Role(Enum):
    """How an op runs on integers. An op without a role stays float."""

    WEIGHTED = "weighted"  # constant integer weights, a bias, 32-bit sums; the result is rescaled
    RESCALED = "rescaled"  # each operand and the result have scales of their own
    SAME = "same"  # the result has the scale of the first operand
    TIED = "tied"  # all operands and the result share one scale
    FIXED = "fixed"  # the result's scale is the target's, whatever the numbers are
    EXPANDED = "expanded"  # runs as several ops, which ``quantize`` spells out


@dataclass(frozen=True)
class Grid:
    """real = scale * (stored - zero_point). The zero point is that of i8, whatever is stored: u8
    holds the same numbers with everything 128 higher."""

    scale: float
    zero_point: int


RoleRule: TypeAlias = Role | Refusal | Callable[[Any], Role | Refusal]


@dataclass(frozen=True)
class QuantScheme:
    """What a target does in 8-bit integers, and on which grids.

    Attributes:
        name: as written in ``quantize{scheme=…}``.
        activation: what values between ops are stored as, i8 or u8; one scale per tensor.
        symmetric: real 0 is stored as 0 (128 in u8): the target takes no zero point.
        bias: i32, of the scale of the operand times that of the weights; None for float.
        weight_limit: weights are i8 in ±weight_limit.
        per_channel: op classes whose weights may have one scale per output channel.
        roles: by op class, how it runs on integers: a role, a refusal, or a function of the op.
        fixed: the grid of the results of ops whose role is FIXED.
        absorbed: activations carried by an op (its attribute ``act``) that cost nothing on
            integers. Others are split off.
        clamps: an integer op bounds its result by any numbers; otherwise only by those at which
            its integers stop, and what a ReLU or clip bounds elsewhere is stored before it, too.
        on_demand: a layer hands on its sums as floats, so that values are stored only where another
            op reads their integers; otherwise every result of an integer op is stored.
        adds_before_rounding: a layer adds a stored value to its sums, so that the result of a layer
            is not stored where an addition is its only reader.
        reinterprets: one stored tensor may be read on several grids, so that a multiplication by a
            number costs nothing.
        depthwise_lanes: a depthwise convolution is fast with multiples of so many channels.
        input_lanes: any other convolution is fast with so many input channels or more.
        float_results: op classes whose sums of integers are floats at no cost. They are not stored
            where floats are what is read.
    """

    name: str
    activation: DType = dtypes.i8
    symmetric: bool = False
    bias: DType | None = dtypes.i32
    weight_limit: int = 127
    per_channel: frozenset[type[Op]] = frozenset()
    roles: Mapping[type[Op], RoleRule] = field(default_factory=dict)
    fixed: Mapping[type[Op], Grid] = field(default_factory=dict)
    absorbed: frozenset[str] = frozenset({"relu", "clip"})
    clamps: bool = True
    on_demand: bool = False
    adds_before_rounding: bool = False
    reinterprets: bool = False
    depthwise_lanes: int = 1
    input_lanes: int = 1
    float_results: frozenset[type[Op]] = frozenset()

    def role(self, op: Op) -> Role | Refusal:
        """How this op runs on integers, or why it stays float."""
        rule = self.roles.get(type(op))
        if rule is None:
            return Refusal(f"{self.name} has no {op.op_name} on integers")
        return rule if isinstance(rule, (Role, Refusal)) else rule(op)

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest stored integer, on the i8 grid."""
        return (-127, 127) if self.symmetric else (-128, 127)


_SCHEMES: dict[str, QuantScheme] = {}


def register_scheme(scheme: QuantScheme) -> QuantScheme:
    """Make a scheme known by its name."""
    if _SCHEMES.setdefault(scheme.name, scheme) is not scheme:
        raise TypeError(f"two quantization schemes are named {scheme.name!r}")
    return scheme


def schemes_of(name: str) -> list[str]:
    """A scheme's name and those of its variants, which begin with it: onnx, onnx-7bit, …"""
    return sorted(known for known in _SCHEMES if known == name or known.startswith(f"{name}-"))


def scheme_named(name: str) -> QuantScheme:
    """The scheme with that name. Raises Error of kind USAGE when there is none."""
    found = _SCHEMES.get(name)
    if found is None:
        raise Error(
            Code.OPTION,
            f"there is no quantization scheme {name!r}",
            instead=f"one of {sorted(_SCHEMES)}",
        )
    return found
