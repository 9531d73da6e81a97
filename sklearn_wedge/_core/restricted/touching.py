"""What damps the steps on an envelope: parabolas that touch it, where the steps began."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import Smoothed
from sklearn_wedge._core.rows import Activations, Kept, Rows, passes

Array = NDArray[np.float64]


class Touching:
    """Sums over all rows for the models of damped steps, taken once.

    The parabolas are those at a point, and stay while the steps go on: a model that is damped by a
    part of them need not know where exactly rows far from their kinks are by now, and sums over all
    rows are most of what a step costs.

    Parameters
    ----------
    rows : Rows
    loss : Smoothed
    activations : Activations
        Of m columns.
    predicted : Kept
        At the point.
    """

    def __init__(self, rows: Rows, loss: Smoothed, activations: Activations, predicted: Kept):
        self.centres = rows.keep(passes.centres, activations)
        root = rows.keep(passes.root_of_touching, loss, along=(predicted,))
        along = root, self.centres
        self._gram, *self._linear = rows.sum(passes.sums_of_touching, activations, along=along)

    def sums(self, working: NDArray[np.intp]) -> tuple[Array, ...]:
        """``passes.model_sums`` of some columns, of one output."""
        centred, moments, total = self._linear
        return self._gram[np.ix_(working, working)], centred[working], moments[working], total
