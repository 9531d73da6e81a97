"""Sums over cells, and the lines through the cells of a grid in fixed directions."""

from __future__ import annotations

from math import sqrt

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled
from sklearn_wedge._core.kernels.rounding import TIE
from sklearn_wedge._core.kernels.sweeps import largest


@compiled("void(u2[::1], f8[:,::1], f8[::1], f8[::1], f8[:,:,::1])")
def cell_sums(cells, dual, first, second, sums):
    """``Σ v``, ``Σ v x`` of both inputs over the points of each cell, into (q, 3, m)."""
    sums[:] = 0.0
    for k in range(len(dual)):
        for i in range(len(cells)):
            cell, v = cells[i], dual[k, i]
            sums[k, 0, cell] += v
            sums[k, 1, cell] += v * first[i]
            sums[k, 2, cell] += v * second[i]


@compiled("void(f8[:,::1], u2[:,::1], f8[:,::1], f8[:,:,::1], f8[::1], f8[::1], i8[::1])")
def best_lines(weights, order, means, sums, directions, values, cells):
    """The best line through a cell in every direction: its value, and the cell.

    Parameters
    ----------
    weights : (D, 2)
        Normals of the lines.
    order : (D, m)
        Cells in ascending order along each direction.
    means : (2, m)
        Where they lie.
    sums : (q, 3, m)
        ``Σ v``, ``Σ v x`` of both inputs over each cell.
    directions : (2,), or (0,)
        Those in which the inputs are constrained (one output).
    values, cells : (D,)
        What is found.
    """
    n_directions, n_cells = order.shape
    n_outputs = len(sums)
    behind, before, found = np.empty((3, n_cells))
    for d in range(n_directions):
        behind[:] = 0.0
        before[:] = 0.0
        agreement, n_constrained = 0.0, 0.0
        for j in range(len(directions)):
            agreement += directions[j] * np.sign(weights[d, j])
            n_constrained += abs(directions[j])
        for k in range(n_outputs):
            mass, moment = 0.0, 0.0
            for p in range(n_cells):
                c = order[d, p]
                mass += sums[k, 0, c]
                moment += weights[d, 0] * sums[k, 1, c] + weights[d, 1] * sums[k, 2, c]
                position = weights[d, 0] * means[0, c] + weights[d, 1] * means[1, c]
                found[p] = mass * position - moment
            for p in range(n_cells):
                falling = found[p]
                rising = falling + moment
                if n_outputs > 1:
                    falling, rising = falling * falling, rising * rising
                behind[p] += falling
                before[p] += rising
        if n_outputs > 1:
            for p in range(n_cells):
                found[p] = sqrt(max(behind[p], before[p]))
        elif n_constrained == 0:
            for p in range(n_cells):
                found[p] = max(abs(behind[p]), abs(before[p]))
        elif abs(agreement) < n_constrained:
            # Weights that partly follow and partly oppose their directions: not monotone.
            found[:] = 0.0
        else:
            sign = np.sign(agreement)
            for p in range(n_cells):
                found[p] = max(sign * before[p], -sign * behind[p], 0.0)
        values[d] = largest(found)
        for p in range(n_cells):
            if found[p] >= (1 - TIE) * values[d]:
                cells[d] = order[d, p]
                break
