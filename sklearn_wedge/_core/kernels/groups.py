"""Steps on single rows, and along lines, of the quadratic group-l1 problem.

See ``restricted.groups``.
"""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled


@compiled()
def _minimiser(curvatures, largest, alpha, slope, before, after):
    """The best row where the others stay, in place, or that of a majoriser.

    ``curvatures`` are one for all outputs or one for each.
    """
    pull, without = 0.0, 0.0
    for a in range(len(before)):
        own = curvatures[min(a, len(curvatures) - 1)]
        without += (own * before[a] - slope[a]) ** 2
        after[a] = largest * before[a] - slope[a]
        pull += after[a] ** 2
    stays = np.sqrt(without) > alpha and pull > 0.0
    shrunk = max(0.0, 1.0 - alpha / np.sqrt(pull)) / largest if stays else 0.0
    for a in range(len(before)):
        after[a] *= shrunk


@compiled("void(f8[:,:,::1], f8[::1], f8, i8[::1], f8[:,::1], f8[:,::1])")
def step_on_rows(grams, curvatures, alpha, rows, coef, gradient):
    """Minimise over one row after the other, in place; the gradient of all of them follows.

    ``grams`` are one for all outputs or one for each.
    """
    m, q = coef.shape
    after, change, own = np.empty(q), np.empty(q), np.empty(len(grams))
    for row in rows:
        if curvatures[row] <= 0.0:
            continue
        for g in range(len(grams)):
            own[g] = grams[g, row, row]
        _minimiser(own, curvatures[row], alpha, gradient[row], coef[row], after)
        moved = False
        for a in range(q):
            change[a] = after[a] - coef[row, a]
            coef[row, a] = after[a]
            moved |= change[a] != 0.0
        if not moved:
            continue
        for j in range(m):
            if len(grams) == 1:
                entry = grams[0, row, j]
                for a in range(q):
                    gradient[j, a] += entry * change[a]
            else:
                for a in range(q):
                    gradient[j, a] += grams[a, row, j] * change[a]


@compiled()
def _derivative(start, step, slope, curvature, alpha, share):
    """At ``start + share step``; behind the kink if a row is zero there."""
    total = slope + share * curvature
    for j in range(len(start)):
        size, towards, behind = 0.0, 0.0, 0.0
        for a in range(start.shape[1]):
            reached = start[j, a] + share * step[j, a]
            size += reached * reached
            towards += reached * step[j, a]
            behind += step[j, a] * step[j, a]
        total += alpha * (towards / np.sqrt(size) if size > 0.0 else np.sqrt(behind))
    return total


@compiled("f8(f8[:,::1], f8[:,::1], f8, f8, f8, f8)")
def least_along(start, step, slope, curvature, alpha, precision):
    """The share, between 0 and 1, of a step at which a quadratic plus the norms of rows is least.

    ``slope`` and ``curvature`` are those of the quadratic along the step, at its start.
    """
    if _derivative(start, step, slope, curvature, alpha, 1.0) <= 0.0:
        return 1.0
    low, high = 0.0, 1.0
    if _derivative(start, step, slope, curvature, alpha, low) >= 0.0:
        return low
    while high - low > precision:
        middle = low + (high - low) / 2
        if _derivative(start, step, slope, curvature, alpha, middle) > 0.0:
            high = middle
        else:
            low = middle
    return low
