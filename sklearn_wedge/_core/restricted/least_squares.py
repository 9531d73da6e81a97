"""The restricted problem of the squared loss: cross products kept, an active set, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._core.restricted.active_set import Enough, solve_quadratic_l1
from sklearn_wedge._core.restricted.columns import Columns, DualPoint, Optimum, RestrictedProblem
from sklearn_wedge._core.restricted.groups import precision_of, solve_quadratic_groups
from sklearn_wedge._core.restricted.quadratics import ByOutput
from sklearn_wedge._core.rows import Activations

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MomentColumns(Columns):
    """Columns with their weighted cross products.

    Everything is centred: the free intercept is solved for, not iterated on.

    Attributes
    ----------
    means : ndarray of shape (m,)
        Weighted means.
    gram : ndarray of shape (m, m)
        Weighted covariances.
    linear : ndarray of shape (m, q)
        Weighted covariances with the target.
    """

    means: Array
    gram: Array
    linear: Array

    def take(self, which: NDArray) -> MomentColumns:
        """The columns at these indices (or where a mask is true)."""
        return MomentColumns(
            self.activations.take(which),
            self.signs[which],
            self.means[which],
            self.gram[which][:, which],
            self.linear[which],
        )


class LeastSquares(RestrictedProblem[MomentColumns, SquaredError]):
    """The weighted squared loss."""

    @cached_property
    def _half_square(self) -> float:
        """Half the variance of the target: the mean loss of its mean."""
        none = np.empty((0, len(self.target_mean)))
        return self.objective(self.predict(self.no_columns(), none, self.target_mean), none, 0.0)

    def no_columns(self) -> MomentColumns:
        """The restricted problem without a neuron."""
        none = super().no_columns()
        q = len(self.target_mean)
        moments = np.empty(0), np.empty((0, 0)), np.empty((0, q))
        return MomentColumns(none.activations, none.signs, *moments)

    def extend(
        self,
        columns: MomentColumns,
        activations: Activations,
        signs: NDArray | None = None,
        kept: NDArray[np.intp] | None = None,
    ) -> MomentColumns:
        """Append neurons to the columns that are kept."""
        kept = np.arange(len(columns)) if kept is None else kept
        joined = super().extend(columns, activations, signs, kept)
        before = columns.means[kept]
        products, linear, means = self.cross_products(joined.activations, len(kept), before)
        old, new = np.split(products, [len(kept)])
        gram = columns.gram[np.ix_(kept, kept)]
        return MomentColumns(
            joined.activations,
            joined.signs,
            np.concatenate([before, means]),
            np.block([[gram, old], [old.T, (new + new.T) / 2]]),
            np.concatenate([columns.linear[kept], linear]),
        )

    def solve(
        self,
        columns: MomentColumns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
        smoothed: float | None = None,
    ) -> Optimum:
        """Optimal coefficients and intercept, started from those given."""
        gram, linear = columns.gram, columns.linear
        if coef.shape[1] > 1:
            precision = precision_of(accuracy, self._half_square)
            coef = solve_quadratic_groups(ByOutput(gram[None]), linear, alpha, coef, precision)
        else:
            enough = Enough(accuracy, self._half_square) if accuracy > 0 else None
            start, signs = coef[:, 0], columns.signs
            coef = solve_quadratic_l1(gram, linear[:, 0], alpha, start, signs, enough)[:, None]
        return self.at_gradient(columns, coef, self.target_mean - columns.means @ coef)

    def values(self, columns: MomentColumns, coef: Array, dual: DualPoint) -> Array:
        """What the dual constraint limits, (m,), at the dual point of coefficients."""
        return columns.values(columns.linear - columns.gram @ coef)

    def moments(self, columns: MomentColumns) -> tuple[Array, Array]:
        """Weighted means, (m,), and covariances, (m, m), of the columns."""
        return columns.means, columns.gram
