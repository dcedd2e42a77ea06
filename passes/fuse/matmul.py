"""What stands around a matrix product into it: bias, scalar factor, the order of its rows."""

from __future__ import annotations

import math

import numpy as np

from edgec.ir import Constant, Op, Rewriter, Value
from edgec.ir.ops import Add, MatMul, Mul, Reshape, Transpose
from edgec.passes.fuse.channels import float64, is_plain_float, rounded, smallest_normal
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import ANY, CARRY, Match, Pattern, loose, maybe, node, scalar, uniform


class FuseMatMulBias(Fusion):
    """matmul(a, b) + c  ->  matmul(a, b, bias=c);  c constant, or the result a matrix

    A computed bias of a higher rank would be written as the addition that it was.
    """

    match = node(Add, loose(MatMul) @ "matmul", ANY @ "c")

    def fused(self, m: Match) -> Op | str:
        matmul: MatMul = m.matmul
        if matmul.bias is not None:
            return "matmul has a bias"
        if matmul.act != "none":
            return f"matmul carries the activation {matmul.act}"
        if not isinstance(m.c, Constant) and matmul.result.type.rank != 2:
            return "only a constant is a bias of a product of tensors"
        return matmul.copy(bias=m.c)


class FuseMatMulFactor(Fusion):
    """matmul(a, b, alpha) * c  ->  matmul(a, b, alpha * c);  c scalar, the result a matrix"""

    match = node(Mul, loose(MatMul) @ "matmul", scalar() @ "c")

    def fused(self, m: Match) -> Op | str:
        matmul: MatMul = m.matmul
        if matmul.bias is not None:
            return "matmul has a bias"
        if matmul.act != "none":
            return f"matmul carries the activation {matmul.act}"
        if matmul.result.type.rank != 2 or not is_plain_float(matmul.a):
            return "only a product of matrices of floats has a factor of its own"
        number = uniform(m.c)
        assert number is not None
        return matmul.copy(alpha=matmul.alpha * number)


class MergeMatMulFactors(Pattern):
    """matmul(x * c, y * d)  ->  matmul(x * (c * d), y);  scalars, as attention scales both sides"""

    match = (
        loose(
            MatMul,
            node(Mul, ANY @ "x", scalar() @ "c") @ "left",
            node(Mul, ANY @ "y", scalar() @ "d") @ "right",
        )
        @ "matmul"
    )

    def check(self, m: Match) -> str | None:
        if not is_plain_float(m.c, m.d):
            return "only floats are merged"
        if m.left.result.type != m.x.type or m.right.result.type != m.y.type:
            return "a constant enlarges an operand"
        product = float64(m.c) * float64(m.d).reshape(-1)[0]
        factor = rounded(product, m.c)
        if factor is None or not np.all(np.abs(product) >= smallest_normal(m.c.type.dtype)):
            return "the product of the factors leaves the range of their element type"
        m.captures["factor"] = factor
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        scaled = rw.add(m.left.copy(operands=[m.x, m.factor])).result
        matmul: MatMul = m.matmul
        return rw.add(matmul.copy(a=scaled, b=m.y)).result


class FuseFlattenedTranspose(Fusion):
    """matmul(reshape(transpose(x, p)), w)  ->  matmul(reshape(x), w')  for a reshape that joins
    what p moves into the rows of a constant w, which are put in the order of x"""

    match = loose(MatMul, node(Reshape, node(Transpose, ANY @ "x", attrs=CARRY) @ "transpose",
                               maybe(ANY), attrs=CARRY) @ "flat") @ "matmul"  # fmt: skip

    def fused(self, m: Match) -> Op | str:
        matmul: MatMul = m.matmul
        if not isinstance(matmul.b, Constant) or matmul.b.type.rank != 2:
            return "w is no constant matrix"
        if matmul.transpose_a or matmul.transpose_b:
            return "a matrix is read transposed"
        dims, perm = m.transpose.result.type.dims, m.transpose.perm
        kept = next((axis for axis, old in enumerate(perm) if axis != old), len(perm))
        joined = [dim for dim in dims[kept:] if isinstance(dim, int)]
        rows = matmul.b.type.dims[0]
        if len(joined) != len(dims) - kept or math.prod(joined) != rows:
            return "the reshape does more than join what the transpose moves"
        order = [perm.index(axis) - kept for axis in range(kept, len(perm))]
        turned = matmul.b.array.reshape(*joined, -1).transpose(*order, len(joined))
        weights = Constant(turned.reshape(matmul.b.array.shape), hint=matmul.b.hint)
        m.captures["weights"] = weights
        return matmul.copy(b=weights)

    def build(self, m: Match, rw: Rewriter) -> Value:
        flat = rw.add(Reshape(m.x, to=m.flat.result.type.dims)).result
        matmul: MatMul = m.matmul
        return rw.add(matmul.copy(a=flat, b=m.weights)).result


RULES: tuple[type[Pattern], ...] = (
    FuseMatMulBias,
    FuseMatMulFactor,
    MergeMatMulFactors,
    FuseFlattenedTranspose,
)
