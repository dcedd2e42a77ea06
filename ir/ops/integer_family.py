"""All ops in TFLite's integer arithmetic, for consumers that treat them alike."""

from __future__ import annotations

from edgec.ir.op import Op
from edgec.ir.ops.integer import IntegerDequantize, IntegerQuantize, IntegerRequantize
from edgec.ir.ops.integer_arithmetic import IntegerAdd, IntegerMean, IntegerMul, IntegerSub
from edgec.ir.ops.integer_pointwise import (
    IntegerHardSwish,
    IntegerLeakyRelu,
    IntegerLookup,
    IntegerSoftmax,
)
from edgec.ir.ops.integer_products import (
    IntegerConv,
    IntegerConvTranspose,
    IntegerLinear,
    IntegerMatMul,
)
from edgec.ir.ops.integer_windows import IntegerAvgPool, IntegerResize

INTEGER_OPS: tuple[type[Op], ...] = (
    IntegerAdd,
    IntegerAvgPool,
    IntegerConv,
    IntegerConvTranspose,
    IntegerDequantize,
    IntegerHardSwish,
    IntegerLeakyRelu,
    IntegerLinear,
    IntegerLookup,
    IntegerMatMul,
    IntegerMean,
    IntegerMul,
    IntegerQuantize,
    IntegerRequantize,
    IntegerResize,
    IntegerSoftmax,
    IntegerSub,
)
