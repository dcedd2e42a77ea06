"""Dims that are known only when the model runs, computed by operators on vectors of length 1."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir import Dim, DimExpr, symbol
from edgec.lowering.tflite.table import Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

_ARITHMETIC = {"//": "FLOOR_DIV", "%": "FLOOR_MOD", "max": "MAXIMUM", "min": "MINIMUM"}

_KEEPING = ("CAST", "DEQUANTIZE", "QUANTIZE", "RESHAPE", "TRANSPOSE")


def vector(dims: Sequence[Dim], sources: Sequence[Tensor], w: Writer) -> Tensor:
    """Dims as an i32 vector; a constant where all of them are known.

    What is not known is read from a source that has it among its dims, or from an input of the
    model, or computed from such. Raises Unwritable when it follows from none of them.
    """
    parts: list[Tensor] = []
    known: list[int] = []
    for dim in dims:
        if isinstance(dim, int):
            known.append(dim)
            continue
        if known:
            parts.append(w.ints(known))
            known = []
        parts.append(element(dim, sources, w))
    if known or not parts:
        parts.append(w.ints(known))
    if len(parts) == 1:
        return parts[0]
    return w.op("CONCATENATION", *parts, dims=(len(dims),), axis=0)


def element(dim: Dim, sources: Sequence[Tensor], w: Writer) -> Tensor:
    """One dim as an i32 vector of length 1."""
    if isinstance(dim, int):
        return w.ints([dim])
    found = w.sizes.get(dim)
    if found is None:
        found = w.sizes[dim] = _computed(dim, sources, w)
    return found


def _computed(dim: DimExpr, sources: Sequence[Tensor], w: Writer) -> Tensor:
    for value in w.root_inputs:
        if dim in value.type.dims:
            return size_of(w[value], value.type.dims.index(dim), w)
    for source in sources:
        if source.array is None and dim in source.dims:
            return size_of(source, source.dims.index(dim), w)
    if not dim.terms or dim == symbol(str(dim)):
        raise Unwritable(f"the dim {dim} follows from no operand and no input")
    return _sum(dim, sources, w)


def size_of(x: Tensor, axis: int, w: Writer) -> Tensor:
    """One dim of x at run time, as an i32 vector of length 1; read before what only moves x."""
    dim = x.dims[axis]
    while x.producer is not None and x.producer.builtin in _KEEPING:
        before = x.producer.operands[0]
        if before is None or before.array is not None or dim not in before.dims:
            break
        x, axis = before, before.dims.index(dim)
    return w.op("SLICE", w.shape_of(x), w.ints([axis]), w.ints([1]), dims=(1,))


def _sum(dim: DimExpr, sources: Sequence[Tensor], w: Writer) -> Tensor:
    total: Tensor | None = None
    for monomial, coefficient in dim.terms:
        term: Tensor | None = None
        for factor in monomial:
            if factor.kind == "symbol":
                value = element(symbol(factor.name), sources, w)
            else:
                args = [element(arg, sources, w) for arg in factor.args]
                value = args[0]
                for other in args[1:]:
                    value = w.op(_ARITHMETIC[factor.kind], value, other)
            term = value if term is None else w.op("MUL", term, value)
        if term is None:
            term = w.ints([coefficient])
        elif coefficient != 1:
            term = w.op("MUL", term, w.ints([coefficient]))
        total = term if total is None else w.op("ADD", total, term)
    assert total is not None
    return total
