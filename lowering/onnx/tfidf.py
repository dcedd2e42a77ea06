"""ONNX's TfIdfVectorizer on numbers, as slices, comparisons and a sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edgec.ir import Array, Value, dtypes
from edgec.ir.ops import (
    Add,
    And,
    Cast,
    Concat,
    Equal,
    Fill,
    MatMul,
    Minimum,
    ReduceSum,
    Reshape,
    Slice,
)
from edgec.lowering.onnx.node import READERS, Node, Unsupported

MAX_COMPARISONS = 10_000  # nodes that one operator may become
_TO_THE_END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class _Grams:
    """The n-grams of one length: i64[count, length], and where each is in the pool."""

    patterns: Array
    positions: range


@READERS.rule("TfIdfVectorizer")
def read_tfidf(node: Node) -> Value:
    """y[…, i] = how often the n-gram i occurs in x[…, :], contiguous or with up to
    ``max_skip_count`` elements left out between any two (TF); 1 for that (IDF); or both (TFIDF).
    IDF and TFIDF are times the weight."""
    if node.has("pool_strings"):
        raise Unsupported(
            "its n-grams are of text, and there are no string tensors",
            "do this step before the model is called",
        )
    x = node.add(Cast(node.input(0), to=dtypes.i64)).result
    pool = list(_grams(node))
    counted = {grams.positions: grams for grams in pool if _wanted(node, grams)}
    skips = node.int("max_skip_count")
    length = max((grams.patterns.shape[1] for grams in counted.values()), default=0)
    if length * (skips + 1) * len(counted) > MAX_COMPARISONS:
        raise Unsupported(f"n-grams of {length} with up to {skips} skipped are too many")
    counts = [_occurrences(node, x, grams, skips) for grams in counted.values()]
    order = [position for positions in counted for position in positions]
    return _placed(node, x, counts, order, sum(len(grams.positions) for grams in pool))


def _wanted(node: Node, grams: _Grams) -> bool:
    shortest, longest = node.int("min_gram_length"), node.int("max_gram_length")
    return bool(grams.positions) and shortest <= grams.patterns.shape[1] <= longest


def _grams(node: Node) -> Iterator[_Grams]:
    """The pool: first all n-grams of one element, then all of two, …"""
    pool = np.asarray(node.ints("pool_int64s"), dtype=np.int64)
    begins = [*node.ints("ngram_counts"), len(pool)]
    first = 0
    for length, (begin, end) in enumerate(pairwise(begins), start=1):
        if not 0 <= begin <= end <= len(pool) or (end - begin) % length:
            raise Unsupported(f"ngram_counts {begins[:-1]} do not cut {len(pool)} elements")
        patterns = pool[begin:end].reshape(-1, length)
        yield _Grams(patterns, range(first, first + len(patterns)))
        first += len(patterns)


def _occurrences(node: Node, x: Value, grams: _Grams, skips: int) -> Value:
    """f32[…, n-gram]: how often each occurs, over all distances between its elements."""
    length = grams.patterns.shape[1]
    distances = range(1, 2 if length == 1 else skips + 2)
    total = _at_distance(node, x, grams, distances[0])
    for distance in distances[1:]:
        total = node.add(Add(total, _at_distance(node, x, grams, distance))).result
    return total


def _at_distance(node: Node, x: Value, grams: _Grams, distance: int) -> Value:
    length = grams.patterns.shape[1]
    span = (length - 1) * distance
    equal: Value | None = None
    for k in range(length):
        begin, behind = k * distance, span - k * distance
        window = Slice(
            x,
            node.const([begin], np.int64),
            node.const([-behind if behind else _TO_THE_END], np.int64),
            axes=(x.type.rank - 1,),
        )
        elements = node.add(window).result
        column = node.add(Reshape(elements, to=(*elements.type.dims, 1))).result
        same = node.add(Equal(column, node.const(grams.patterns[:, k]))).result
        equal = same if equal is None else node.add(And(equal, same)).result
    assert equal is not None
    ones = node.add(Cast(equal, to=dtypes.f32)).result
    return node.add(ReduceSum(ones, axes=(x.type.rank - 1,), keepdims=False)).result


def _placed(node: Node, x: Value, counts: list[Value], order: list[int], size: int) -> Value:
    """The counts, weighted, at the places that ``ngram_indexes`` gives them."""
    places = node.ints("ngram_indexes")
    if len(places) != size or min(places, default=0) < 0:
        raise Unsupported(f"ngram_indexes has {len(places)} elements for {size} n-grams")
    weights = _weights(node, places)
    matrix = np.zeros((len(order), max(places, default=-1) + 1), np.float32)
    for row, position in enumerate(order):
        matrix[row, places[position]] = weights[position]
    if not counts:
        dims = (*x.type.dims[:-1], matrix.shape[1])
        if not all(isinstance(dim, int) for dim in dims):
            raise Unsupported("it counts no n-gram at all")
        return node.add(Fill(node.const(dims, np.int64), value=0.0, dtype=dtypes.f32)).result
    found = node.add(Concat(tuple(counts), axis=x.type.rank - 1)).result
    if node.string("mode") == "IDF":
        found = node.add(Minimum(found, node.const(1, np.float32))).result
    return node.add(MatMul(found, node.const(matrix))).result


def _weights(node: Node, places: tuple[int, ...]) -> Mapping[int, float]:
    """The weight of each n-gram by its position in the pool."""
    mode = node.string("mode")
    if mode not in ("TF", "IDF", "TFIDF"):
        raise Unsupported(f"mode {mode!r} is not one of ONNX's")
    given = node.floats("weights", ())
    if mode == "TF" or not given:
        return dict.fromkeys(range(len(places)), 1.0)
    if len(given) != len(places):
        raise Unsupported(f"there are {len(given)} weights for {len(places)} n-grams")
    if len(set(given)) > 1 and list(places) != sorted(places):
        raise Unsupported(
            "the standard numbers weights by n-gram, runtimes by place in the result",
            "give weights of n-grams whose ngram_indexes ascend",
        )
    return dict(enumerate(given))
