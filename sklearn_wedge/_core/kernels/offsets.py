"""The best offset along each of many directions: through samples, or at edges of histograms."""

from __future__ import annotations

from math import sqrt

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled
from sklearn_wedge._core.kernels.hinges import hinge_values
from sklearn_wedge._core.kernels.rounding import TIE
from sklearn_wedge._core.kernels.sweeps import largest


@compiled("void(f8[:,::1], u4[:,::1], f8[:,::1], f8[::1], i8[::1])")
def best_offsets(reach, order, dual, values, pivots):
    """The best hyperplane through a sample along each direction: its value, and the sample.

    ``reach``, (B, m), are projections of the samples, ``order`` sorts them, ``dual`` is (q, m).
    """
    n_directions, n_positions = reach.shape
    ordered = np.empty((len(dual), n_positions))
    positions, found, squares = np.empty((3, n_positions))
    for b in range(n_directions):
        for p in range(n_positions):
            i = order[b, p]
            positions[p] = reach[b, i]
            for k in range(len(dual)):
                ordered[k, p] = dual[k, i]
        hinge_values(positions, ordered, 0.0, found, squares)
        best = largest(found)
        for p in range(n_positions):
            if found[p] >= (1 - TIE) * best:
                pivots[b] = order[b, p]
                break
        values[b] = best


@compiled("void(f8[:,::1], f8[:,::1], i8, f8[::1], f8[::1], f8[:,:,::1])")
def best_edges(reach, dual, n_bins, values, edges, active):
    """The best hyperplane along each direction between evenly spaced bins.

    Histograms of the projections give the value at every edge.

    Parameters
    ----------
    reach : (B, m)
        Projections of the samples.
    dual : (q, m)
        Dual point.
    n_bins : int
        How many.
    values : (B,)
        The largest value along each direction.
    edges : (B,)
        Where; with a minus sign of its own in ``active`` if what is below is active.
    active : (q, B, m)
        The dual point of the active samples, 0 elsewhere.
    """
    n_directions, n_positions = reach.shape
    n_outputs = len(dual)
    bins = np.empty(n_positions, dtype=np.int32)
    mass, moment = np.empty((2, n_outputs, n_bins))
    found = np.empty(2 * (n_bins - 1))
    for b in range(n_directions):
        row = reach[b]
        low, high = row[0], row[0]
        for i in range(n_positions):
            low = min(low, row[i])
            high = max(high, row[i])
        width = max((high - low) / n_bins, np.finfo(np.float64).tiny)
        for i in range(n_positions):
            # A sample on an edge, but for rounding, belongs above it.
            bins[i] = np.int32(min((row[i] - low) / width + TIE, n_bins - 1.0))
        mass[:] = 0.0
        moment[:] = 0.0
        for k in range(n_outputs):
            for i in range(n_positions):
                mass[k, bins[i]] += dual[k, i]
                moment[k, bins[i]] += dual[k, i] * row[i]
        found[:] = 0.0
        for k in range(n_outputs):
            total_mass, total_moment = mass[k].sum(), moment[k].sum()
            so_far, moment_so_far = 0.0, 0.0
            for p in range(n_bins - 1):
                so_far += mass[k, p]
                moment_so_far += moment[k, p]
                edge = low + width * (p + 1)
                below = edge * so_far - moment_so_far
                above = (total_moment - moment_so_far) - edge * (total_mass - so_far)
                found[p] += below * below
                found[n_bins - 1 + p] += above * above
        best = largest(found)
        at = 0
        while found[at] < (1 - TIE) * best:
            at += 1
        is_above = at >= n_bins - 1
        place = at - (n_bins - 1) if is_above else at
        values[b] = sqrt(found[at]) if is_above else -sqrt(found[at])
        edges[b] = low + width * (place + 1)
        for k in range(n_outputs):
            for i in range(n_positions):
                active[k, b, i] = dual[k, i] if (bins[i] > place) == is_above else 0.0
