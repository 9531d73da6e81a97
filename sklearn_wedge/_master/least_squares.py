"""The restricted problem of the squared loss: cross products kept, an active set, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._losses import SquaredError
from sklearn_wedge._master.active_set import Enough, solve_quadratic_l1
from sklearn_wedge._master.columns import (
    Columns,
    Optimum,
    RestrictedProblem,
    at_gradient,
    indices_kept,
    rows_and_more,
    signs_given,
)
from sklearn_wedge._master.groups import solve_quadratic_groups
from sklearn_wedge._master.quadratics import SameForAllOutputs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MomentColumns(Columns):
    """Activations with their weighted cross products.

    Everything is centred: the free intercept is solved for, not iterated on.

    Attributes
    ----------
    activations : ndarray of shape (m, n)
        One row per neuron, as activated on the samples.
    signs : int ndarray of shape (m,)
        See ``Columns``.
    means : ndarray of shape (m,)
        Weighted means of the rows.
    gram : ndarray of shape (m, m)
        Weighted covariances of the rows.
    linear : ndarray of shape (m, q)
        Weighted covariances of the rows with the target.
    """

    means: Array
    gram: Array
    linear: Array

    def take(self, which: NDArray) -> MomentColumns:
        """The columns at these indices (or where a mask is true)."""
        gram = self.gram[which][:, which]
        return MomentColumns(
            self.activations[which], self.signs[which], self.means[which], gram, self.linear[which]
        )


def solve_least_squares(
    gram: Array,
    linear: Array,
    alpha: float,
    coef: Array,
    signs: NDArray[np.int8],
    enough: Enough | None,
) -> Array:
    """Optimal coefficients of centred columns, given by their cross products.

    Parameters
    ----------
    gram : ndarray of shape (m, m)
    linear : ndarray of shape (m, q)
        Cross products with the target.
    alpha : float
    coef : ndarray of shape (m, q)
        Where to start.
    signs : int ndarray of shape (m,)
        See ``Columns``.
    enough : Enough or None
        When to stop before the solution is exact, (one output).
    """
    if coef.shape[1] > 1:
        return solve_quadratic_groups(SameForAllOutputs(gram), linear, alpha, coef)
    return solve_quadratic_l1(gram, linear[:, 0], alpha, coef[:, 0], signs, enough)[:, None]


class LeastSquares(RestrictedProblem[MomentColumns, SquaredError]):
    """The weighted squared loss."""

    @cached_property
    def _half_square(self) -> float:
        """Half the variance of the target, (one output)."""
        centred = self.target - self.weight @ self.target
        return 0.5 * float(self.weight @ (centred**2).sum(axis=1))

    def no_columns(self) -> MomentColumns:
        """The restricted problem without a neuron."""
        n, q = self.target.shape
        return MomentColumns(
            np.empty((0, n)),
            np.empty(0, dtype=np.int8),
            np.empty(0),
            np.empty((0, 0)),
            np.empty((0, q)),
        )

    def extend(
        self,
        columns: MomentColumns,
        activations: Array,
        signs: NDArray | None = None,
        kept: NDArray[np.intp] | None = None,
    ) -> MomentColumns:
        """Append neurons to the columns that are kept."""
        kept = indices_kept(columns, kept)
        joined = rows_and_more(columns.activations, kept, activations)
        means = activations @ self.weight
        weighted = (activations - means[:, None]) * self.weight
        # Centring one factor of a cross product centres it.
        products = joined @ weighted.T
        old, new = np.split(products, [len(kept)])
        new = (new + new.T) / 2
        gram = columns.gram[np.ix_(kept, kept)]
        return MomentColumns(
            joined,
            np.concatenate([columns.signs[kept], signs_given(signs, activations)]),
            np.concatenate([columns.means[kept], means]),
            np.block([[gram, old], [old.T, new]]),
            np.concatenate([columns.linear[kept], weighted @ self.target]),
        )

    def solve(
        self,
        columns: MomentColumns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
    ) -> Optimum:
        """Optimal coefficients and intercept, started from those given."""
        enough = Enough(accuracy, self._half_square) if accuracy > 0 else None
        coef = solve_least_squares(columns.gram, columns.linear, alpha, coef, columns.signs, enough)
        intercept = self.weight @ self.target - columns.means @ coef
        return at_gradient(self, columns, coef, intercept)

    def covariance(self, columns: MomentColumns) -> Array:
        """Weighted covariances of the columns, (m, m)."""
        return columns.gram
