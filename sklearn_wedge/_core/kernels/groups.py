"""Steps on single rows, along lines and by Newton's method, of the quadratic group-l1 problem.

See ``restricted.groups``.
"""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled

# Outputs have at least this part of the largest curvature of a row: where one has none, the row
# could go anywhere.
LEAST_CURVATURE = 1e-2
# Steps to the length of a row, and when they are over.
MOST_STEPS, PRECISION = 50, 1e-15


@compiled()
def _minimiser(curvatures, alpha, slope, before, after):
    """The best row where the others stay, in place.

    ``curvatures`` ``c``, positive, are one for all outputs or one for each. With ``b = c z - g``
    the row is ``b / (c + α/r)``, where its length ``r`` solves ``Σ (b / (c r + α))² = 1``.
    """
    last, total = len(curvatures) - 1, 0.0
    for a in range(len(before)):
        after[a] = curvatures[min(a, last)] * before[a] - slope[a]
        total += after[a] ** 2
    length = 0.0
    if np.sqrt(total) > alpha:
        for _ in range(MOST_STEPS):
            total, steep = 0.0, 0.0
            for a in range(len(before)):
                reached = curvatures[min(a, last)] * length + alpha
                total += (after[a] / reached) ** 2
                steep += after[a] ** 2 * curvatures[min(a, last)] / reached**3
            # The inverse root of the sum is concave in the length: Newton steps only rise.
            step = total * (np.sqrt(total) - 1.0) / steep
            length += step
            if step <= PRECISION * length:
                break
    for a in range(len(before)):
        after[a] *= length / (curvatures[min(a, last)] * length + alpha)


@compiled()
def _move(grams, row, after, coef, gradients):
    """Another value of a row, in place."""
    m, last = len(coef), len(grams) - 1
    for a in range(len(after)):
        change = after[a] - coef[row, a]
        coef[row, a] = after[a]
        if change != 0.0:
            gram, gradient = grams[min(a, last), row], gradients[a]
            for j in range(m):
                gradient[j] += gram[j] * change


@compiled("void(f8[:,:,::1], f8, i8[::1], f8[:,::1], f8[:,::1])")
def step_on_rows(grams, alpha, rows, coef, gradient):
    """Minimise over one row after the other, in place; the gradient of all of them follows.

    Or over a majoriser, where an output has next to no curvature. ``grams`` are one for all outputs
    or one for each.
    """
    after, own = np.empty(coef.shape[1]), np.empty(len(grams))
    # By outputs: what a step on a row changes is then contiguous.
    gradients = gradient.T.copy()
    for row in rows:
        own[:] = grams[:, row, row]
        largest = own.max()
        if largest > 0.0:
            own[:] = np.maximum(own, LEAST_CURVATURE * largest)
            _minimiser(own, alpha, gradients[:, row], coef[row], after)
            _move(grams, row, after, coef, gradients)
    gradient[:] = gradients.T


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


@compiled("void(f8[:,:,::1], i8[::1], f8[::1], f8[:,:,::1])")
def restrict(grams, rows, diagonal, restricted):
    """Gram matrices on some rows, with more on the diagonal, into an array."""
    for a in range(len(grams)):
        for i in range(len(rows)):
            for j in range(len(rows)):
                restricted[a, i, j] = grams[a, rows[i], rows[j]]
            restricted[a, i, i] += diagonal[i]


@compiled("void(f8[:,::1])")
def mirror(matrix):
    """What is above the diagonal of a symmetric matrix, below it, in place."""
    for i in range(len(matrix)):
        for j in range(i):
            matrix[i, j] = matrix[j, i]


@compiled("void(f8[:,:,::1], f8[:,::1], f8[:,::1])")
def left_along(inverses, along, left):
    """The identity less ``Σ_a along_ja along_ka inverse_ajk``, up to the diagonal, into an array.

    ``inverses`` are one for all outputs or one for each; ``along`` is of shape (q, k).
    """
    last = len(inverses) - 1
    for i in range(len(left)):
        row = left[i]
        row[: i + 1] = 0.0
        row[i] = 1.0
        for a in range(len(along)):
            inverse, each, own = inverses[min(a, last), i], along[a], along[a, i]
            for j in range(i + 1):
                row[j] -= own * each[j] * inverse[j]
