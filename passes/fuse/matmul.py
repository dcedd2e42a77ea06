"""What stands after a matrix product into the matrix product: bias and scalar factor."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Op, Rewriter, Value
from edgec.ir.ops import Add, MatMul, Mul
from edgec.passes.fuse.channels import float64, is_plain_float, rounded, smallest_normal
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import ANY, Match, Pattern, loose, node, scalar, uniform


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


RULES: tuple[type[Pattern], ...] = (FuseMatMulBias, FuseMatMulFactor, MergeMatMulFactors)
