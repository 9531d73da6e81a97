"""The restricted problem of a smooth loss: proximal Newton around the quadratic l1 problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._losses import SmoothLoss
from sklearn_wedge._master.columns import (
    ByActivations,
    Columns,
    Optimum,
    at_gradient,
    total_length,
)
from sklearn_wedge._master.model import quadratic_model
from sklearn_wedge._master.truncated import SeveralOutputs

Array = NDArray[np.float64]

MAX_STEPS = 200
# A column enters if it violates the optimality conditions by more than this fraction of alpha.
STATIONARITY_TOLERANCE = 1e-10
# Violators that enter the model of one step, besides the columns in use.
ENTER_AT_ONCE = 100
# Decrease promised by a step, relative to the objective, from which on it is taken in full: its
# effect drowns in the rounding of the objective, and Newton steps only get better.
CLOSE = 1e-12
# Such steps before the point counts as solved to machine precision.
CLOSE_STEPS = 3
# Or it promised so little of the accuracy asked for: what follows it brings less still.
LITTLE = 1e-3
# Fraction of the promised decrease that a step must bring (Armijo).
SUFFICIENT = 1e-4
MAX_HALVINGS = 50
# Several outputs: entries of the Hessian × samples up to which it is formed.
LARGEST_HESSIAN = 1e9


def _is_large(coef: Array, n_samples: int) -> bool:
    """Whether the Hessian of several outputs takes too long to be worth having."""
    return coef.shape[1] > 1 and coef.size**2 * n_samples > LARGEST_HESSIAN


def working_set(values: Array, alpha: float, coef: Array) -> NDArray[np.intp]:
    """Columns of the model of one step: those in use and the worst violators.

    Parameters
    ----------
    values : ndarray of shape (m,)
        What the dual constraint limits to ``alpha``.
    alpha : float
    coef : ndarray of shape (m, q)

    Returns
    -------
    int ndarray
        Indices, ascending.
    """
    in_use = coef.any(axis=1)
    excess = values / alpha - 1
    excess[in_use] = 0.0
    # Rounded: of columns that depend on one another, rounding must not choose.
    at_most = max(1, ENTER_AT_ONCE // coef.shape[1])
    worst = np.argsort(-np.round(excess, 9), kind="stable")[:at_most]
    violators = worst[excess[worst] > STATIONARITY_TOLERANCE]
    return np.sort(np.concatenate([np.flatnonzero(in_use), violators]))


@dataclass(frozen=True)
class _Point:
    """Where the iteration is: coefficients (m, q), intercept (q,), prediction (n, q), objective."""

    coef: Array
    intercept: Array
    prediction: Array
    objective: float


class ProximalNewton(ByActivations[SmoothLoss]):
    """A loss with second derivatives.

    Each step minimises the quadratic model of the loss plus the penalty over the columns in use and
    the worst violators, and takes as much of it as decreases the objective.
    """

    def solve(
        self,
        columns: Columns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
    ) -> Optimum:
        """Optimal coefficients and intercept, started from those given."""
        if _is_large(coef, len(self.weight)):
            rough = SeveralOutputs(self, columns, alpha)
            return rough.solve(coef, intercept, accuracy)
        point = self._point(columns, alpha, columns.feasible(coef), intercept)
        close = 0
        for _ in range(MAX_STEPS):
            dual = self.loss.dual_point(point.prediction, self.target, self.weight)
            working = working_set(columns.values(dual), alpha, point.coef)
            target = self._model_minimiser(columns.take(working), alpha, point, working, dual)
            after, promised = self._towards(columns, alpha, point, target, dual)
            if after is None:
                break
            point = after
            close = close + 1 if promised <= CLOSE * abs(point.objective) else 0
            if close >= CLOSE_STEPS or 0 < promised <= LITTLE * accuracy:
                break
        return at_gradient(self, columns, point.coef, point.intercept)

    def _point(self, columns: Columns, alpha: float, coef: Array, intercept: Array) -> _Point:
        used = np.flatnonzero(coef.any(axis=1))
        prediction = intercept + columns.activations[used].T @ coef[used]
        return _Point(coef, intercept, prediction, self.objective(prediction, coef, alpha))

    def _model_minimiser(
        self, columns: Columns, alpha: float, point: _Point, working: NDArray, dual: Array
    ) -> tuple[Array, Array]:
        """Coefficients and intercept that minimise the quadratic model plus the penalty."""
        curvature = self.loss.curvature(point.prediction, self.target, self.weight)
        relative = point.prediction - point.intercept
        model = quadratic_model(columns, curvature, relative, dual)
        coef = np.zeros_like(point.coef)
        coef[working], shift = model.minimiser(alpha, point.coef[working])
        return coef, point.intercept + shift

    def _towards(
        self,
        columns: Columns,
        alpha: float,
        point: _Point,
        target: tuple[Array, Array],
        dual: Array,
    ) -> tuple[_Point | None, float]:
        """The point reached by a line search, and the decrease that the full step promised."""
        change, shift = target[0] - point.coef, target[1] - point.intercept
        moved = np.flatnonzero(change.any(axis=1))
        direction = shift + columns.activations[moved].T @ change[moved]
        penalty_rises = total_length(target[0]) - total_length(point.coef)
        promised = float((dual * direction).sum()) - alpha * penalty_rises
        length = 1.0
        for _ in range(MAX_HALVINGS):
            coef = target[0] if length == 1.0 else point.coef + length * change
            after = self._point(columns, alpha, coef, point.intercept + length * shift)
            if promised <= (rounding := CLOSE * abs(point.objective)):
                # Unless rounding had the model go far down where the loss goes up.
                risen = not after.objective <= point.objective + rounding
                return None if risen else after, promised
            if after.objective <= point.objective - SUFFICIENT * length * promised:
                return after, promised
            length /= 2
        return None, promised
