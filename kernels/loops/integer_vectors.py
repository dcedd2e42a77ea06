"""Instructions on vectors of 16 sums: dot products of bytes, and TFLite's rescaling.

Written once for LLVM; the CPU's dot-product instruction is used where there is one (x86 VNNI),
elsewhere it is spelled out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgec.kernels.jit import host_has, llvm

LANES = 16
DEPTH = 4  # products of one dot product
HAS_DOT = host_has("avx512vnni")

BYTE, WORD, LONG = llvm.IntType(8), llvm.IntType(32), llvm.IntType(64)
SUMS = llvm.VectorType(WORD, LANES)
WIDE = llvm.VectorType(LONG, LANES)
BYTES = llvm.VectorType(BYTE, LANES)
_DOT = "llvm.x86.avx512.vpdpbusd.512"

Emit = Any  # llvmlite's builder and values have no types
DotProduct = Any


def number(value: int, type: Any = LONG) -> Emit:
    """A constant, in every lane of a vector type."""
    if isinstance(type, llvm.VectorType):
        return llvm.Constant(type, [value] * type.count)
    return llvm.Constant(type, value)


def offset(builder: Emit, at: Emit, pitch: Emit, index: int) -> Emit:
    """``at + pitch * index``"""
    return builder.add(at, builder.mul(pitch, number(index)))


def address(builder: Emit, base: Emit, element: Emit, type: Any) -> Emit:
    """Where that element of an array is, to load or store a value of ``type``."""
    return builder.bitcast(builder.gep(base, [element]), type.as_pointer())


def loaded(builder: Emit, base: Emit, element: Emit, type: Any, align: int = 1) -> Emit:
    """A value of ``type`` from that element of an array on."""
    return builder.load(address(builder, base, element, type), align=align)


def splat(builder: Emit, scalar: Emit, type: Any = SUMS) -> Emit:
    """A scalar in every lane."""
    empty = llvm.Constant(type, llvm.Undefined)
    single = builder.insert_element(empty, scalar, number(0, WORD))
    return builder.shuffle_vector(single, empty, number(0, llvm.VectorType(WORD, type.count)))


def native_dot(builder: Emit, sums: Emit, a: Emit, b: Emit) -> Emit:
    """``sums + a . b`` by the CPU's instruction: in each lane four u8 of ``a``, four i8 of
    ``b``."""
    found = builder.module.declare_intrinsic(_DOT, fnty=llvm.FunctionType(SUMS, [SUMS, SUMS, SUMS]))
    return builder.call(found, [sums, a, b])


def portable_dot(builder: Emit, sums: Emit, a: Emit, b: Emit) -> Emit:
    """``native_dot`` in shifts and products."""
    for byte in range(DEPTH):
        up = number(24 - 8 * byte, SUMS)
        left = builder.lshr(builder.shl(a, up), number(24, SUMS))
        right = builder.ashr(builder.shl(b, up), number(24, SUMS))
        sums = builder.add(sums, builder.mul(left, right))
    return sums


dot: DotProduct = native_dot if HAS_DOT else portable_dot


@dataclass(frozen=True)
class Ends:
    """Zero point and bounds of results, in every lane."""

    zero_point: Emit
    low: Emit
    high: Emit

    @classmethod
    def splat(cls, builder: Emit, numbers: Sequence[Emit]) -> Ends:
        """From three numbers (i64)."""
        return cls(*(splat(builder, builder.trunc(number, WORD)) for number in numbers))


FACTOR_ROWS = 4


@dataclass(frozen=True)
class Factors:
    """What rescales 16 columns: bias, left shift, mantissa, right shift (at most 30; one of the
    shifts is 0); half of what is shifted out, and all bits set where something is."""

    bias: Emit
    left: Emit
    mantissa: Emit
    right: Emit
    half: Emit
    moves: Emit

    @classmethod
    def load(cls, builder: Emit, table: Emit, first: Emit) -> Factors:
        """From a table with the first four in turn for every 16 columns, of those from ``first``
        on."""
        start = builder.mul(first, number(FACTOR_ROWS))
        rows = [
            loaded(builder, table, builder.add(start, number(LANES * row)), SUMS, align=4)
            for row in range(FACTOR_ROWS)
        ]
        bias, left, mantissa, right = rows
        one = number(1, SUMS)
        half = builder.lshr(builder.shl(one, right), one)
        moves = builder.sext(builder.icmp_signed(">", right, number(0, SUMS)), SUMS)
        return cls(bias, left, mantissa, right, half, moves)


def rescaled(builder: Emit, sums: Emit, by: Factors, ends: Ends) -> Emit:
    """The sums of 16 columns as i8: high half of the doubled product, halves up; then the shift,
    halves away from zero. The sums, shifted left, stay below 1.5 * 2^30."""
    total = builder.shl(builder.add(sums, by.bias), by.left)
    product = builder.mul(builder.sext(total, WIDE), builder.sext(by.mantissa, WIDE))
    high = builder.ashr(builder.add(product, number(1 << 30, WIDE)), number(31, WIDE))
    whole = builder.trunc(high, SUMS)
    down = builder.and_(builder.ashr(whole, number(31, SUMS)), by.moves)
    moved = builder.add(builder.add(whole, by.half), down)
    result = builder.add(builder.ashr(moved, by.right), ends.zero_point)
    result = builder.select(builder.icmp_signed("<", result, ends.low), ends.low, result)
    result = builder.select(builder.icmp_signed(">", result, ends.high), ends.high, result)
    return builder.trunc(result, BYTES)


class Loop:
    """A loop that carries vectors: ``count`` (at least 1) times.

    Used as ``with Loop(builder, count, start) as loop: loop.carry(new values)``; afterwards
    ``loop.values`` are the last ones.
    """

    def __init__(self, builder: Emit, count: Emit, start: Sequence[Emit]) -> None:
        self._builder, self._count = builder, count
        before = builder.block
        self._body = builder.append_basic_block("body")
        self._after = builder.append_basic_block("after")
        builder.branch(self._body)
        builder.position_at_end(self._body)
        self.index = builder.phi(LONG)
        self.index.add_incoming(number(0), before)
        self._phis = [builder.phi(value.type) for value in start]
        for phi, value in zip(self._phis, start, strict=True):
            phi.add_incoming(value, before)
        self.values: list[Emit] = list(self._phis)

    def __enter__(self) -> Loop:
        return self

    def carry(self, values: Sequence[Emit]) -> None:
        """The values for the next turn."""
        self.values = list(values)

    def __exit__(self, *_: object) -> None:
        builder = self._builder
        following = builder.add(self.index, number(1))
        self.index.add_incoming(following, self._body)
        for phi, value in zip(self._phis, self.values, strict=True):
            phi.add_incoming(value, self._body)
        builder.cbranch(builder.icmp_signed("<", following, self._count), self._body, self._after)
        builder.position_at_end(self._after)
