"""The restricted problem of a smooth loss: proximal Newton around the quadratic l1 problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import SmoothLoss
from sklearn_wedge._core.restricted.columns import Columns, Optimum, RestrictedProblem, total_length
from sklearn_wedge._core.restricted.groups import precision_of
from sklearn_wedge._core.restricted.model import Point
from sklearn_wedge._core.restricted.truncated import solved_without_hessian
from sklearn_wedge._core.rows import Activations, Rows

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
# What the model of a step is solved to, as a fraction of the accuracy asked for in units of the
# objective: see ``solve_quadratic_groups``.
ROUGH_MODEL = 0.1
# Fraction of the promised decrease that a step must bring (Armijo).
SUFFICIENT = 1e-4
MAX_HALVINGS = 50
# Several outputs: entries of the Hessian × rows up to which it is formed.
LARGEST_HESSIAN = 1e9


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


class ProximalNewton(RestrictedProblem[Columns, SmoothLoss]):
    """A loss with second derivatives.

    Each step minimises the quadratic model of the loss plus the penalty over the columns in use and
    the worst violators, and takes as much of it as decreases the objective.

    Parameters
    ----------
    loss : SmoothLoss
    rows : Rows
    nothing : Activations, default=None
        See ``RestrictedProblem``.
    hessian_bytes : float, default=inf
        What the Hessian of several outputs may take.
    """

    def __init__(
        self,
        loss: SmoothLoss,
        rows: Rows,
        nothing: Activations | None = None,
        hessian_bytes: float = np.inf,
    ):
        super().__init__(loss, rows, nothing)
        self.hessian_bytes = hessian_bytes

    def is_slow(self, coef: Array) -> bool:
        """Whether the Hessian of several outputs takes too long or too much to be worth having."""
        entries = float(coef.size) ** 2
        large = entries * self.rows.n_rows > LARGEST_HESSIAN or 8.0 * entries > self.hessian_bytes
        return coef.shape[1] > 1 and large

    def solve(
        self,
        columns: Columns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
        smoothed: float | None = None,
    ) -> Optimum:
        """Optimal coefficients and intercept, started from those given."""
        point = Point(self, columns, alpha, columns.feasible(coef), intercept)
        if self.is_slow(coef):
            point = solved_without_hessian(point, accuracy)
        else:
            point = _solved(point, accuracy)
        return Optimum(point.coef, point.intercept, point.predicted, point.dual)


def _solved(point: Point, accuracy: float) -> Point:
    """Where the steps from a point end."""
    close, precision = 0, precision_of(ROUGH_MODEL * accuracy, point.objective)
    for _ in range(MAX_STEPS):
        step = newton_step(point, precision)
        if step.after is None:
            return point
        point = step.after
        close = close + 1 if step.promised <= CLOSE * abs(point.objective) else 0
        if close >= CLOSE_STEPS or 0 < step.promised <= LITTLE * accuracy:
            return point
    return point


@dataclass(frozen=True)
class Step:
    """Where a step leads, if it does; the decrease that all of it promised; how much is taken."""

    after: Point | None
    promised: float
    length: float


def newton_step(point: Point, precision: float) -> Step:
    """One step, as much of it as decreases the objective."""
    products, dual_sum = point.products
    working = working_set(point.columns.values(products), point.alpha, point.coef)
    model, signs = point.model(working, levelled=False), point.columns.signs[working]
    target = np.zeros_like(point.coef)
    target[working], shift = model.minimiser(point.alpha, point.coef[working], signs, precision)
    change = target - point.coef
    penalty_rises = total_length(target) - total_length(point.coef)
    promised = float((products * change).sum() + dual_sum @ shift) - point.alpha * penalty_rises
    length = 1.0
    for _ in range(MAX_HALVINGS):
        coef = target if length == 1.0 else point.coef + length * change
        after = point.at(coef, point.intercept + length * shift)
        if promised <= (rounding := CLOSE * abs(point.objective)):
            # Unless rounding had the model go far down where the loss goes up.
            risen = not after.objective <= point.objective + rounding
            return Step(None if risen else after, promised, length)
        if after.objective <= point.objective - SUFFICIENT * length * promised:
            return Step(after, promised, length)
        length /= 2
    return Step(None, promised, length)
