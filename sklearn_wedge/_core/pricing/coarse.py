"""Given pencils of order 2 swept over cells: at a cost almost free of n.

The values are approximate: they propose and are priced again on all rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.kernels import SERIAL, Threads, ready
from sklearn_wedge._core.neurons import NeuronClass
from sklearn_wedge._core.pricing.grids import Grids
from sklearn_wedge._core.pricing.pencils import Hyperplanes, Pencils
from sklearn_wedge._core.pricing.sweep import completed, sweep_pencils

Array = NDArray[np.float64]


def sweep_cells(
    grids: Grids,
    dual: Array,
    pencils: Pencils,
    neuron_class: NeuronClass,
    round_number: int,
    threads: Threads = SERIAL,
) -> Hyperplanes:
    """The best hyperplane, by cells, of every pencil; those without one are left out.

    Parameters
    ----------
    grids : Grids
    dual : ndarray of shape (p, q)
        Dual point on the points, summing to zero.
    pencils : Pencils
        Of order 2; repetitions count once.
    neuron_class : NeuronClass
        Its norm, its directions, and whether hyperplanes between two cells count.
    round_number : int
        Which point of a cell stands for it.
    threads : Threads
        Over which pairs of inputs are shared out.
    """
    pencils = pencils.distinct()
    if len(pencils) == 0:
        return Hyperplanes.empty(2)
    starts = np.flatnonzero(np.any(np.diff(pencils.inputs, axis=0, prepend=-1), axis=1))
    dual = ready(dual.T)
    parts = threads.map(
        lambda rows: _sweep_pair(grids, dual, pencils.take(rows), neuron_class, round_number),
        np.split(np.arange(len(pencils)), starts[1:]),
    )
    return Hyperplanes.concatenate(parts, order=2)


def _sweep_pair(
    grids: Grids, dual: Array, pencils: Pencils, neuron_class: NeuronClass, round_number: int
) -> Hyperplanes:
    pair = (int(pencils.inputs[0, 0]), int(pencils.inputs[0, 1]))
    cells, columns = grids.cells(pair), grids.table.columns[list(pair)]
    # The points of the pencils come after the representatives of the cells, and weigh nothing.
    points = np.concatenate([cells.representatives(round_number), pencils.points[:, 0]])
    sums = np.zeros((len(dual), 3, len(points)))
    sums[:, :, : len(cells)] = cells.sums(dual, columns)
    renamed = Pencils(
        np.broadcast_to(np.arange(2), pencils.inputs.shape),
        len(cells) + np.arange(len(pencils))[:, None],
    )
    positions = np.ascontiguousarray(columns[:, points])
    swept = sweep_pencils(positions, sums[:, 0], renamed, neuron_class.within(pair), sums[:, 1:])
    found = completed(renamed, swept)
    return replace(
        found,
        inputs=np.asarray(pair, dtype=np.intp)[found.inputs],
        points=np.where(found.points >= 0, points[found.points], -1),
    )
