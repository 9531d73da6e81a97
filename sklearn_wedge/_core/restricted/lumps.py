"""Restricted problems of losses with kinks: rows near these, and the others in lumps.

On one line of its loss a row counts by its slope alone: all that are on the same line are as good
as one row with their means. Where some of them come to lie on the other side, the loss of the means
is below the mean of the losses (Jensen): the problem of the lumps is a relaxation, and its dual
point, shared out by weight, is one of all rows with the same bound. (S. Portnoy and R. Koenker,
Statistical Science 12, 1997, call that globbing.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import PiecewiseLinear
from sklearn_wedge._core.rows import Activations, Kept, KeptActivations, OneChunk, Rows, lumps

Array = NDArray[np.float64]

# A lump is on one side of its kinks.
SIDES = 2


@dataclass(frozen=True)
class Lumped:
    """Some rows by themselves, the others in lumps.

    Attributes
    ----------
    rows : OneChunk
        Rows alone, then the lumps that are not empty.
    activations : KeptActivations
        On these.
    lumps : Kept
        The lump of each row of all.
    alone : int ndarray
        Numbers of the rows alone, ascending.
    used : int ndarray
        Numbers of the lumps that are not empty.
    n_lumps : int
        How many there could be.
    """

    rows: OneChunk
    activations: KeptActivations
    lumps: Kept
    alone: NDArray[np.intp]
    used: NDArray[np.intp]
    n_lumps: int

    @classmethod
    def of(
        cls, rows: Rows, loss: PiecewiseLinear, of_rows: Kept, activations: Activations
    ) -> Lumped:
        """The rows alone and the lumps, in memory.

        Parameters
        ----------
        rows : Rows
            Of one output.
        loss : PiecewiseLinear
        of_rows : Kept
            The lump of each row.
        activations : Activations
        """
        found = rows.map(lumps.rows_alone, activations, along=(of_rows,))
        which, *parts = (list(part) for part in zip(*found, strict=True))
        values, target, weight = parts
        n_lumps = SIDES * loss.n_pairs
        sums, targets, weights = rows.sum(lumps.lump_sums, activations, n_lumps, along=(of_rows,))
        used = np.flatnonzero(weights)
        values = np.hstack([*values, sums[:, used] / weights[used]])
        target = np.concatenate([*target, (targets[used] / weights[used])[:, None]])
        weight = np.concatenate([*weight, weights[used]])
        few = OneChunk(np.empty((len(weight), 0)), target, weight)
        return cls(few, KeptActivations(values), of_rows, np.concatenate(which), used, n_lumps)

    def dual_of_all(self, rows: Rows, dual: Kept) -> Kept:
        """The dual point of all rows that one of these stands for."""
        slopes = dual[0][:, 0] / self.rows.chunk.weight
        of_lumps = np.zeros(self.n_lumps)
        of_lumps[self.used] = slopes[len(self.alone) :]
        args = of_lumps, self.alone, slopes[: len(self.alone)]
        return rows.keep(lumps.dual_of_lumps, *args, along=(self.lumps,))
