"""The restricted problem of a smooth loss: proximal Newton around the quadratic l1 problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._master.active_set import solve_quadratic_l1
from sklearn_wedge._master.columns import ByActivations, Columns

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
# Fraction of the promised decrease that a step must bring (Armijo).
SUFFICIENT = 1e-4
MAX_HALVINGS = 50


@dataclass(frozen=True)
class _Point:
    """Where the iteration is: coefficients, intercept, prediction, objective."""

    coef: Array
    intercept: float
    prediction: Array
    objective: float


class ProximalNewton(ByActivations):
    """A loss with a second derivative, one output.

    Each step minimises the quadratic model of the loss plus the penalty over the columns in use and
    the worst violators, and takes as much of it as decreases the objective.
    """

    def solve(
        self, columns: Columns, alpha: float, coef: Array, intercept: Array
    ) -> tuple[Array, Array]:
        """Optimal coefficients (m, 1) and intercept (1,), started from those given."""
        point = self._point(columns, alpha, columns.feasible(coef)[:, 0], float(intercept[0]))
        close = 0
        for _ in range(MAX_STEPS):
            dual = self.loss.dual_point(point.prediction[:, None], self.target, self.weight)[:, 0]
            working = self._working_set(columns, alpha, point.coef, dual)
            target = self._model_minimiser(columns.take(working), alpha, point, working, dual)
            after, promised = self._towards(columns, alpha, point, target, dual)
            if after is None:
                break
            point = after
            close = close + 1 if promised <= CLOSE * abs(point.objective) else 0
            if close >= CLOSE_STEPS:
                break
        return point.coef[:, None], np.array([point.intercept])

    def _point(self, columns: Columns, alpha: float, coef: Array, intercept: float) -> _Point:
        used = np.flatnonzero(coef)
        prediction = intercept + columns.activations[used].T @ coef[used]
        objective = self.objective(prediction[:, None], coef, alpha)
        return _Point(coef, intercept, prediction, objective)

    def _working_set(
        self, columns: Columns, alpha: float, coef: Array, dual: Array
    ) -> NDArray[np.intp]:
        """Columns in use and the worst violators."""
        excess = columns.values(dual[:, None]) / alpha - 1
        excess[coef != 0] = 0.0
        # Rounded: of columns that depend on one another, rounding must not choose.
        worst = np.argsort(-np.round(excess, 9), kind="stable")[:ENTER_AT_ONCE]
        violators = worst[excess[worst] > STATIONARITY_TOLERANCE]
        return np.sort(np.concatenate([np.flatnonzero(coef), violators]))

    def _model_minimiser(
        self, columns: Columns, alpha: float, point: _Point, working: NDArray, dual: Array
    ) -> tuple[Array, float]:
        """Coefficients and intercept that minimise the quadratic model plus the penalty."""
        activations = columns.activations
        curvature = self.loss.curvature(point.prediction[:, None], self.target, self.weight)
        total = curvature.sum()
        means = activations @ (curvature / total)
        centred = activations - means[:, None]
        gram = (centred * curvature) @ centred.T
        # Curvature times working response; the response itself may be huge where there is none.
        response = curvature * (point.prediction - point.intercept) + dual
        coef = np.zeros_like(point.coef)
        coef[working] = solve_quadratic_l1(
            gram, centred @ response, alpha, point.coef[working], columns.signs
        )
        intercept = point.intercept + float(response.sum() / total - means @ coef[working])
        return coef, intercept

    def _towards(
        self,
        columns: Columns,
        alpha: float,
        point: _Point,
        target: tuple[Array, float],
        dual: Array,
    ) -> tuple[_Point | None, float]:
        """The point reached by a line search, and the decrease that the full step promised."""
        change, shift = target[0] - point.coef, target[1] - point.intercept
        moved = np.flatnonzero(change)
        direction = shift + columns.activations[moved].T @ change[moved]
        before = float(np.abs(point.coef).sum())
        promised = float(dual @ direction) - alpha * (float(np.abs(target[0]).sum()) - before)
        length = 1.0
        for _ in range(MAX_HALVINGS):
            coef = target[0] if length == 1.0 else point.coef + length * change
            after = self._point(columns, alpha, coef, point.intercept + length * shift)
            if promised <= CLOSE * abs(point.objective):
                return after, promised
            if after.objective <= point.objective - SUFFICIENT * length * promised:
                return after, promised
            length /= 2
        return None, promised
