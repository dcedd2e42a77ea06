"""How far two correct computations of one graph may differ."""

from __future__ import annotations

from dataclasses import replace

from edgec.ir import DType, Graph, Movement, Op, Value
from edgec.kernels.compare import Tolerance, tolerance_for_path


def tolerance_of(graph: Graph, factor: float = 1.0, stored: DType | None = None) -> Tolerance:
    """The oracle's tolerance for the outputs of a graph: the bound of ``compare.py`` along the path
    with the most roundings, ``factor`` times over.

    The lengths are those of the reductions (multiply-accumulates per result element) on the path;
    an elementwise op counts as one rounding, an op that moves elements as none. ``stored`` is what
    layers round their weights or results to; the narrowest type of the outputs when None.
    """
    longest: dict[Value, tuple[int, int]] = {}  # roundings and layers behind a value
    best = (1, 1)
    for op in graph.walk:
        total, layers = max((longest.get(v, (0, 0)) for v in op.present_operands), default=(0, 0))
        own = roundings(op)
        behind = (total + own, layers + (own > 0))
        for result in op.results:
            longest[result] = behind
        best = max(best, behind)
    dtypes = [value.type.dtype for value in graph.outputs if value.type.dtype.is_float]
    dtypes = [stored] if stored else dtypes
    dtype = min(dtypes, key=lambda d: d.bits).numpy if dtypes else "float32"
    total, layers = best
    tolerance = tolerance_for_path(dtype, [total - layers + 1] + [1] * (layers - 1))
    return replace(tolerance, relative=min(1.0, tolerance.relative * factor))


def roundings(op: Op) -> int:
    """Roundings behind one element of the result: the length of its reduction."""

    if op.has(Movement):
        return 0
    elements = max(sum(result.type.elements() for result in op.results), 1)
    return max(op.work().macs // elements, 1)
