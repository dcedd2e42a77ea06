"""What goes into a file and comes out of it, where that is not what the model has.

An input of an integer model can come in as the integers that it becomes at once, and an output
leave as those that it was read from. An image is turned where the graph turns it anyway: the
transpose of the layout pass then meets its inverse, and both vanish. What was turned is written
down in the file, so that a runner can be fed as the model is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.ir import Code, DType, Error, Ints, Movement, Quant, Value, dtypes
from edgec.ir.ops import IntegerDequantize, IntegerQuantize, Reshape, Transpose
from edgec.lowering.tflite.table import Unwritable

LAYOUTS = ("nchw", "nhwc")
DTYPES: Mapping[str, DType | None] = {"float": None, "int8": dtypes.i8, "uint8": dtypes.u8}
TO_LAST: Ints = (0, 2, 3, 1)
TO_FIRST: Ints = (0, 3, 1, 2)


@dataclass
class Edges:
    """How inputs and outputs are to be.

    Attributes:
        layout: of images, nchw (as most models are) or nhwc.
        dtype: of numbers that the model turns into integers: float (as they are), int8 or uint8.
        turned: names of the inputs and outputs that were turned to nhwc.
        integers: names of those that are integers in place of floats.
    """

    layout: str = "nchw"
    dtype: str = "float"
    turned: list[str] = field(default_factory=list)
    integers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise Error(Code.OPTION, f"io_layout is one of {LAYOUTS}, found {self.layout!r}")
        if self.dtype not in DTYPES:
            raise Error(Code.OPTION, f"io_dtype is one of {[*DTYPES]}, found {self.dtype!r}")

    def turns_input(self, value: Value) -> bool:
        """True when the graph reads the channels of this input last."""
        return self.layout == "nhwc" and any(
            _swaps(op, value, TO_LAST) for op in value.users if op.operands[0] is value
        )

    def turns_output(self, value: Value) -> bool:
        """True when the graph makes this output with the channels last."""
        op = value.producer
        if self.layout != "nhwc" or op is None or not isinstance(op, (Reshape, Transpose)):
            return False
        return _swaps(op, op.x, TO_FIRST)

    @property
    def stored(self) -> DType | None:
        """The integers that go in and come out; None for floats."""
        return DTYPES[self.dtype]

    def grid_of_input(self, value: Value) -> Quant:
        """The grid that the model puts an input on. Raises Unwritable when it reads floats."""
        pending = [value]
        for each in pending:  # grows while it is walked
            for op in each.users:
                if isinstance(op, IntegerQuantize):
                    return op.grid
                if op.has(Movement) and op.operands[0] is each:
                    pending += op.results
        why = f"input {value.hint} is read as floats, and cannot come in as {self.dtype}"
        raise Unwritable(why, "--io-dtype float")

    def grid_of_output(self, value: Value) -> Quant:
        """The grid that an output is read from. Raises Unwritable for one computed in floats."""
        op = value.producer
        while op is not None and op.has(Movement):
            op = op.operands[0].producer if op.operands[0] is not None else None
        if isinstance(op, IntegerDequantize) and op.x.type.quant is not None:
            return op.x.type.quant
        why = f"output {value.hint} is computed in floats, and cannot leave as {self.dtype}"
        raise Unwritable(why, "--io-dtype float")


def stored_as(quant: Quant, dtype: DType) -> Quant:
    """An i8 grid as u8 holds it: everything 128 higher."""
    if dtype is dtypes.i8:
        return quant
    points = tuple(point + 128 for point in quant.zero_point)
    return Quant(quant.scale, points, quant.axis, 0, 255)


def _swaps(op: object, x: Value, perm: Ints) -> bool:
    """True for the transpose, and for the reshape that it is where only dims of 1 move."""
    if x.type.rank != 4:
        return False
    if isinstance(op, Transpose):
        return op.perm == perm
    if not isinstance(op, Reshape) or op.to is None:
        return False
    moved = [axis for axis in perm if x.type.dims[axis] != 1]
    return moved == sorted(moved) and op.to == tuple(x.type.dims[axis] for axis in perm)
