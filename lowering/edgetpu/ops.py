"""What the Edge TPU computes: one row per operator, its limits, and where each is known from.

Coral publishes a table; the compiler itself is closed. What is not in the table but was seen in
public logs of the compiler says so. A limit is a sentence and a test of an operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgec.ir import Dim
from edgec.lowering.tflite.tensors import Operator, Tensor
from edgec.lowering.tflite.writer import data_operand

DOCS = "Coral documentation, TensorFlow models on the Edge TPU (supported operations)"
OLDER = "the same table as of 2019"
RELEASE_13 = "Edge TPU release notes, runtime version 13"
UNVERIFIED = "listed by Coral; the limits are not verified here"
ISSUE_193 = "google-coral/edgetpu issue 193: from compiler 16, some of them"

# google-coral/edgetpu issue 461: a mean over 1x256x128x3 was refused, over 1x64x128x3 accepted.
LARGEST_MEAN = 64 * 128
LARGEST_SOFTMAX = 16_000


@dataclass(frozen=True)
class Limit:
    """One condition: how it is said, when it holds, and what to do where it does not."""

    text: str
    holds: Callable[[Operator], bool]
    instead: str = ""


@dataclass(frozen=True)
class Row:
    """A supported operator, its limits besides those of every operator, and a source."""

    source: str
    limits: tuple[Limit, ...] = ()


def first(operator: Operator) -> Tensor:
    """The operand that holds the data."""
    found = operator.operands[data_operand(operator.builtin)]
    assert found is not None, "an operator reads something"
    return found


def _second(operator: Operator) -> Tensor:
    found = operator.operands[1]
    assert found is not None, "the second operand is not optional"
    return found


def _numbers(tensor: Tensor | None) -> list[int]:
    """The elements of a constant vector; none where it is not constant."""
    if tensor is None or tensor.array is None:
        return []
    return [int(number) for number in tensor.array.reshape(-1)]


def _axes(operator: Operator) -> list[int]:
    rank = first(operator).rank
    return [axis % rank for axis in _numbers(operator.operands[1])]


def _equal_dilation(operator: Operator) -> bool:
    options = operator.options
    return bool(options["dilation_h_factor"] == options["dilation_w_factor"])


def _one_group(operator: Operator) -> bool:
    return first(operator).dims[-1] == _second(operator).dims[-1]


def _plain(operator: Operator) -> bool:
    return not operator.options.get("fused_activation_function")


def _one_row(operator: Operator) -> bool:
    return all(dim == 1 for dim in operator.results[0].dims[:-1])


def _not_over_batch(operator: Operator) -> bool:
    return first(operator).rank < 2 or 0 not in _axes(operator)


def _depth_by_four(operator: Operator) -> bool:
    x = first(operator)
    depth = x.dims[-1]
    return x.rank - 1 not in _axes(operator) or (isinstance(depth, int) and depth % 4 == 0)


def mean_size(operator: Operator) -> int:
    """How many elements each mean is taken of."""
    dims = [first(operator).dims[axis] for axis in _axes(operator)]
    return math.prod(dim for dim in dims if isinstance(dim, int))


def _pads_no_batch(operator: Operator) -> bool:
    return not any(_numbers(operator.operands[1])[:2])


def _splits_no_batch(operator: Operator) -> bool:
    axis = _numbers(operator.operands[0])
    return first(operator).rank < 2 or not axis or axis[0] % first(operator).rank != 0


def _zeros_in_pairs(operator: Operator) -> bool:
    """A constant part is all zeros, and one of two."""
    constants = [t for t in operator.operands if t is not None and t.array is not None]
    if not constants:
        return True
    zero = all(_stands_for_zero(tensor) for tensor in constants)
    return zero and len(operator.operands) == 2


def _stands_for_zero(tensor: Tensor) -> bool:
    assert tensor.array is not None
    point = 0 if tensor.quant is None else tensor.quant.zero_point[0]
    return bool((tensor.array == point).all())


def _alpha_by_channel(operator: Operator) -> bool:
    return all(dim == 1 for dim in _second(operator).dims[:-1])


def _small_vector(operator: Operator) -> bool:
    *others, last = first(operator).dims
    small = isinstance(last, int) and last <= LARGEST_SOFTMAX
    return small and all(dim == 1 for dim in others)


def _steps_of_one(operator: Operator) -> bool:
    masks = ("ellipsis_mask", "new_axis_mask")
    steps = _numbers(operator.operands[3])
    return all(step == 1 for step in steps) and not any(map(operator.options.get, masks))


_PLAIN = Limit("no activation of its own", _plain, "leave the activation to the op before")
_OVER_BATCH = Limit("not over the batch", _not_over_batch, "reduce over other axes")
_DILATION = Limit("the same dilation along both axes", _equal_dilation,
                  "train with one dilation for both axes")  # fmt: skip

ROWS: Mapping[str, Row] = MappingProxyType(
    {
        "ADD": Row(DOCS),
        "AVERAGE_POOL_2D": Row(DOCS, (_PLAIN,)),
        "CONCATENATION": Row(
            DOCS,
            (
                _PLAIN,
                Limit("a constant part is all zeros and one of two", _zeros_in_pairs,
                      "add the constant part after the model"),
            ),
        ),
        "CONV_2D": Row(
            DOCS,
            (
                _DILATION,
                Limit("one group (groups came with version 6 of CONV_2D, after the compiler)",
                      _one_group, "groups=1, or groups equal to the channels (depthwise)"),
            ),
        ),
        "DEPTHWISE_CONV_2D": Row(DOCS, (_DILATION,)),
        "EXPAND_DIMS": Row(RELEASE_13),
        "FULLY_CONNECTED": Row(
            DOCS, (Limit("one row of results", _one_row, "batch 1, or a 1x1 convolution"),)
        ),
        "L2_NORMALIZATION": Row(DOCS),
        "LOGISTIC": Row(DOCS),
        "MAXIMUM": Row(DOCS),
        "MAX_POOL_2D": Row(DOCS, (_PLAIN,)),
        "MEAN": Row(
            DOCS,
            (
                _OVER_BATCH,
                Limit("over channels: their number is a multiple of 4", _depth_by_four,
                      "a number of channels that is a multiple of 4"),
                Limit(f"of at most {LARGEST_MEAN} elements (issue 461: 64x128 was accepted, "
                      "256x128 refused)", lambda o: mean_size(o) <= LARGEST_MEAN,
                      "an average pooling before it, whose windows divide the image"),
            ),
        ),
        "MINIMUM": Row(DOCS),
        "MUL": Row(DOCS),
        "PACK": Row(RELEASE_13),
        "PAD": Row(DOCS, (Limit("not along the batch", _pads_no_batch, "pad other axes"),)),
        "PRELU": Row(
            DOCS, (Limit("one alpha per channel", _alpha_by_channel, "share alpha over the image"),)
        ),
        "QUANTIZE": Row(RELEASE_13),
        "REDUCE_MAX": Row(DOCS, (_OVER_BATCH,)),
        "REDUCE_MIN": Row(DOCS, (_OVER_BATCH,)),
        "RELU": Row(DOCS),
        "RELU6": Row(DOCS),
        "RELU_N1_TO_1": Row(DOCS),
        "RESHAPE": Row(DOCS),
        "RESIZE_BILINEAR": Row(DOCS),
        "RESIZE_NEAREST_NEIGHBOR": Row(DOCS),
        "SLICE": Row(OLDER),
        "SOFTMAX": Row(
            OLDER,
            (
                Limit(f"of one vector of at most {LARGEST_SOFTMAX} elements", _small_vector,
                      "take the softmax after the model"),
            ),
        ),
        "SPACE_TO_DEPTH": Row(OLDER),
        "SPLIT": Row(UNVERIFIED, (Limit("not along the batch", _splits_no_batch),)),
        "STRIDED_SLICE": Row(
            OLDER, (Limit("steps of 1, no ellipsis, no new axes", _steps_of_one, "slice by 1"),)
        ),
        "SUB": Row(DOCS),
        "SUM": Row(UNVERIFIED, (_OVER_BATCH,)),
        "TANH": Row(DOCS),
        "TRANSPOSE_CONV": Row(RELEASE_13),
    }
)  # fmt: skip

# Operators that are not in the table, with what is known of them.
MISSING: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "TRANSPOSE": (
            f"the compiler maps some transposes only, by rules not published ({ISSUE_193})",
            "--io-layout nhwc, and axes in the order in which they are computed",
        ),
        "BATCH_MATMUL": (
            "the Edge TPU multiplies by constant weights only",
            "a network without attention, or attention on the CPU after the convolutions",
        ),
        "EXP": ("the table has no exponential", "leave it to the program that reads the output"),
    }
)


def known_dims(tensor: Tensor) -> list[Dim]:
    """Its dims outside the innermost three."""
    return list(tensor.dims[:-3])
