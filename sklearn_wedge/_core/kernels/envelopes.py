"""The best constant to add to predictions, under envelopes of losses with two lines."""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled

# Every other step halves the interval from here on; and no loss has as many steps left by then.
STEPS, MOST_STEPS = 30, 200
# What is left of the slope counts as rounding, in units of eps times what all rows may have of it.
ROUNDING = 2.0


@compiled()
def _slope(distance, low, high, weight, width, k, shift):
    """Of minus the mean envelope of one output along a constant, and its curvature."""
    total, curvature = 0.0, 0.0
    for i in range(len(weight)):
        steep = (distance[i, k] - shift) / width
        inside = low[i, k] < steep < high[i, k]
        total += weight[i] * min(max(steep, low[i, k]), high[i, k])
        curvature += weight[i] if inside else 0.0
    return total, curvature / width


@compiled()
def _interval(distance, low, high, weight, width, k):
    """Where all rows are on one line, and where on the other; what counts as rounding."""
    first, last, most = np.inf, -np.inf, 0.0
    for i in range(len(weight)):
        first = min(first, distance[i, k] - width * high[i, k])
        last = max(last, distance[i, k] - width * low[i, k])
        most += weight[i] * max(-low[i, k], high[i, k])
    return first, last, ROUNDING * np.finfo(np.float64).eps * most


@compiled("void(f8[:,::1], f8[:,::1], f8[:,::1], f8[::1], f8, f8[::1])")
def best_shift(distance, low, high, weight, width, shift):
    """Where the mean envelope of each output is least, by Newton's steps in an interval, in place.

    Distances (n, q) are those of predictions from the kinks, ``low`` and ``high``, (n, q), the
    slopes. Where no row is around its kink, any constant is as good.
    """
    for k in range(len(shift)):
        first, last, rounding = _interval(distance, low, high, weight, width, k)
        if not first <= last:  # a prediction is no number
            shift[k] = np.nan
            continue
        at = min(max(0.0, first), last)
        for step in range(MOST_STEPS):
            slope, curvature = _slope(distance, low, high, weight, width, k, at)
            if abs(slope) <= rounding:
                break
            if slope > 0.0:
                first = at
            else:
                last = at
            middle = first + (last - first) / 2
            after = at + slope / curvature if curvature > 0.0 else middle
            if not first < after < last or (step > STEPS and step % 2):
                after = middle
            if after == at or not first < last:
                break
            at = after
        shift[k] = at
