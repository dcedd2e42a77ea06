"""What stands after a matrix product into the matrix product: bias and scalar factor."""

from __future__ import annotations

from edgec.ir import Constant, Op
from edgec.ir.ops import Add, MatMul, Mul
from edgec.passes.fuse.channels import is_plain_float
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


RULES: tuple[type[Pattern], ...] = (FuseMatMulBias, FuseMatMulFactor)
