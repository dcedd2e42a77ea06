"""Non-maximum suppression of boxes, per batch and class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import flat_input, jit

Array = NDArray[Any]


def non_max_suppression(
    boxes: Array,
    scores: Array,
    max_per_class: int,
    iou_threshold: float,
    score_threshold: float | None,
    center_point_box: bool,
) -> NDArray[np.int64]:
    """Rows (batch, class, box) of ONNX NonMaxSuppression-11, best score first within a class.

    ``boxes`` is [N, B, 4], ``scores`` [N, K, B], float32 or float64. A box needs a score above the
    threshold; it falls if its intersection over union with a kept box exceeds ``iou_threshold``.
    Equal scores keep the order of the boxes.
    """
    threshold = boxes.dtype.type(iou_threshold)
    found = [np.empty((0, 3), np.int64)]
    for n in range(boxes.shape[0]):
        corners = flat_input(_corners(boxes[n], center_point_box))
        for k in range(scores.shape[1]):
            candidates = np.argsort(-scores[n, k], kind="stable")
            if score_threshold is not None:
                candidates = candidates[scores[n, k][candidates] > score_threshold]
            kept = np.empty(max(0, min(max_per_class, candidates.size)), np.int64)
            count = suppress(corners, candidates, threshold, kept)
            rows = np.empty((count, 3), np.int64)
            rows[:, 0], rows[:, 1], rows[:, 2] = n, k, kept[:count]
            found.append(rows)
    return np.concatenate(found)


def _corners(boxes: Array, center_point_box: bool) -> Array:
    """[B, 4] as contiguous rows low, low, high, high."""
    if center_point_box:
        low = boxes[:, :2] - boxes[:, 2:] / 2
        high = boxes[:, :2] + boxes[:, 2:] / 2
    else:
        low = np.minimum(boxes[:, :2], boxes[:, 2:])
        high = np.maximum(boxes[:, :2], boxes[:, 2:])
    return np.concatenate([low, high], axis=1)


@jit
def suppress(corners: Any, candidates: Any, threshold: Any, kept: Any) -> int:
    """Fill ``kept`` with surviving candidates, in order; returns how many."""
    count = 0
    for candidate in candidates:
        if count == kept.shape[0]:
            break
        survives = True
        for i in range(count):
            if overlaps(corners, candidate, kept[i], threshold):
                survives = False
                break
        if survives:
            kept[count] = candidate
            count += 1
    return count


@jit
def overlaps(corners: Any, a: int, b: int, threshold: Any) -> bool:
    """Whether intersection over union exceeds the threshold; empty boxes overlap nothing."""
    p, q = corners[4 * a : 4 * a + 4], corners[4 * b : 4 * b + 4]
    first = min(p[2], q[2]) - max(p[0], q[0])
    second = min(p[3], q[3]) - max(p[1], q[1])
    if first <= 0 or second <= 0:
        return False
    area_p = (p[2] - p[0]) * (p[3] - p[1])
    area_q = (q[2] - q[0]) * (q[3] - q[1])
    both = first * second
    union = area_p + area_q - both
    if area_p <= 0 or area_q <= 0 or union <= 0:
        return False
    return bool(both / union > threshold)
