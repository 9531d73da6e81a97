"""The quadratic group-l1 problem: several outputs share their columns.

``min Z·HZ/2 - B·Z + α Σ_j ‖z_j‖₂`` over rows ``z_j`` of an (m, q) array. Newton steps on the rows
in use, each with an exact line search, alternate with exact or majorised steps on single rows,
which alone let a row enter. The row steps converge on their own, slowly; the Newton steps make them
fast, also on dependent columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.restricted.columns import total_length
from sklearn_wedge._core.restricted.quadratics import GroupCurvature, NewtonSystem, Quadratic

Array = NDArray[np.float64]

# Relative sizes of the ridge in a Newton step (not in the problem), until one makes progress.
RIDGES = (1e-12, 1e-9, 1e-6)
# Optimality conditions hold if no row violates them by more than this fraction of alpha,
STATIONARITY_TOLERANCE = 1e-9
# A precision below this is not worth its while: what has to be proved goes by sharp conditions.
LEAST_ROUGH = 2e-4
# or than rounding leaves of a gradient, in units of eps × Σ|Z| × the largest entry of H. The same
# multiple of eps × the objective is what rounding leaves of that.
ROUNDING = 16.0
# Rows that enter together, unless the solution may be rough.
ENTER_AT_ONCE = 10
# The share of a step that an exact line search finds is known to this.
SHARE = 1e-15
# A row that a step shortens to less than this fraction is tried at zero.
VANISHING = 0.2
# Times that rows which a step would reverse are left out of it.
MAX_REVERSALS = 4
# A rough solution is good enough once a round gains less than this part of what its precision may
# cost: rows that enter only to leave again would go on for long.
GOOD_ENOUGH = 0.01
# Where the objective is flat, a step counts if it leaves at most this fraction of the violation.
SETTLING = 0.5
# Far more than any real problem takes.
MAX_ROUNDS = 500
MAX_STEPS = 100


class _Descent:
    """The iterate with its gradient ``HZ - B``."""

    def __init__(
        self, quadratic: Quadratic, linear: Array, alpha: float, coef: Array, precision: float
    ):
        self.quadratic, self.linear, self.alpha = quadratic, linear, alpha
        self.precision = precision
        self.coef = coef.copy()
        self.refresh()

    def refresh(self) -> None:
        """The gradient anew: updates accumulate rounding."""
        self.gradient = np.ascontiguousarray(self.quadratic.times(self.coef) - self.linear)

    @property
    def allowed(self) -> float:
        """Violation that counts as none."""
        noise = ROUNDING * np.finfo(float).eps * self.quadratic.size * np.abs(self.coef).sum()
        return max(self.precision * self.alpha, noise)

    @property
    def active(self) -> NDArray[np.intp]:
        """The rows in use."""
        return np.flatnonzero(self.coef.any(axis=1))

    def violation(self, rows: NDArray[np.intp]) -> float:
        """How far rows in use are from stationary."""
        z = self.coef[rows]
        residual = self.gradient[rows] + self.alpha * z / _length(z)
        return float(np.abs(residual).max(initial=0.0))

    def step_on_rows(self, rows: NDArray[np.intp]) -> None:
        """Minimise over one row after the other, or over majorisers, some times."""
        for _ in range(self.quadratic.sweeps):
            self.quadratic.step_on_rows(rows, self.alpha, self.coef, self.gradient)

    def newton_step(self) -> bool:
        """A Newton step on the rows in use; False if it makes no progress."""
        rows = self.active
        length = _length(self.coef[rows])
        unit = self.coef[rows] / length
        penalty = GroupCurvature(unit, self.alpha / length[:, 0])
        system, slope = self.quadratic.newton_system(rows, penalty), self._slope(rows, unit)
        step = -system.solve(slope, RIDGES[0])
        if self._without_reversed(rows, unit, system, step) or self._move(rows, step):
            return True
        return any(self._move(rows, -system.solve(slope, ridge)) for ridge in RIDGES[1:])

    def _slope(self, rows: NDArray[np.intp], unit: Array) -> Array:
        """The gradient of everything along rows of such a direction."""
        return self.gradient[rows] + self.alpha * unit

    def _without_reversed(
        self, rows: NDArray[np.intp], unit: Array, system: NewtonSystem, step: Array
    ) -> bool:
        """Take the rows that a step would reverse to zero and step on the others; False if that is
        no better, or there are none.

        The norm has a kink at zero: any of these rows would end the step there, one at a time.
        """
        before, start, staying = self.objective, self.coef.copy(), np.zeros(len(rows), dtype=bool)
        for _ in range(MAX_REVERSALS):
            reversed_ = ((self.coef[rows] + step) * self.coef[rows]).sum(axis=1) < 0.0
            if not reversed_.any() or np.all(reversed_ | staying):
                break
            self._put(rows[reversed_], 0.0)
            staying |= reversed_
            step = -system.solve(self._slope(rows, unit), RIDGES[0], staying)
        if not staying.any():
            return False
        self._put(rows, self.coef[rows] + self._share_of(rows, step) * step)
        if self.objective < before:
            return True
        self._put(np.arange(len(start)), start)
        return False

    def _move(self, rows: NDArray[np.intp], step: Array) -> bool:
        """Go to the minimum along a step; False if that is where it starts."""
        before, start, unsettled = self.objective, self.coef[rows], self.violation(rows)
        moved = start + self._share_of(rows, step) * step
        # A row on its way to zero would get there in ever smaller steps: it may go at once if what
        # the step has gained pays for it.
        vanishing = _length(moved) < VANISHING * _length(start)
        self._put(rows, np.where(vanishing, 0.0, moved))
        if vanishing.any() and self.objective >= before:
            self._put(rows, moved)
        if self.objective < before:
            return True
        # Close to the optimum the objective is flat to rounding: the gradient is not.
        flat = self.objective <= before + ROUNDING * np.finfo(float).eps * abs(before)
        if flat and self.violation(self.active) < SETTLING * unsettled:
            return True
        self._put(rows, start)
        return False

    @property
    def objective(self) -> float:
        """``Z·HZ/2 - B·Z + α Σ_j ‖z_j‖₂``."""
        smooth = 0.5 * float((self.coef * (self.gradient - self.linear)).sum())
        return smooth + self.alpha * float(_length(self.coef).sum())

    def _put(self, rows: NDArray[np.intp], values: Array | float) -> None:
        self.coef[rows] = values
        self.refresh()

    def _share_of(self, rows: NDArray[np.intp], step: Array) -> float:
        """Of a step: exact, on [0, 1]."""
        whole = np.zeros_like(self.coef)
        whole[rows] = step
        curvature = float((whole * self.quadratic.times(whole)).sum())
        slope = float((self.gradient[rows] * step).sum())
        start, step = self.coef[rows], kernels.ready(step)
        return kernels.groups.least_along(start, step, slope, curvature, self.alpha, SHARE)


def _length(rows: Array) -> Array:
    """Norms of rows, (k, 1): as of ``np.linalg.norm``, which takes three times as long for few."""
    return np.sqrt(np.add.reduce(rows * rows, axis=1, keepdims=True))


def precision_of(accuracy: float, objective: float) -> float:
    """The precision that leaves at most so much of an objective.

    Conditions that hold to a fraction of ``alpha`` leave that fraction of the penalty, at most.
    """
    fraction = accuracy / abs(objective) if objective else 0.0
    return fraction if fraction > LEAST_ROUGH else STATIONARITY_TOLERANCE


def solve_quadratic_groups(
    quadratic: Quadratic,
    linear: Array,
    alpha: float,
    coef: Array,
    precision: float = STATIONARITY_TOLERANCE,
) -> Array:
    """Minimise ``Z·HZ/2 - B·Z + α Σ_j ‖z_j‖₂``.

    Parameters
    ----------
    quadratic : Quadratic
        ``H``, positive semi-definite; may be singular.
    linear : ndarray of shape (m, q)
        ``B``.
    alpha : float
        Penalty, positive.
    coef : ndarray of shape (m, q)
        Where to start.
    precision : float
        Violation of the optimality conditions, as a fraction of ``alpha``, that counts as none.

    Returns
    -------
    ndarray of shape (m, q)
    """
    at = _Descent(quadratic, linear, alpha, coef, precision)
    rough, last = precision > STATIONARITY_TOLERANCE, np.inf
    at_once = len(coef) if rough else ENTER_AT_ONCE
    for _ in range(MAX_ROUNDS):
        _descend(at)
        gained, last = last - at.objective, at.objective
        excess = _length(at.gradient)[:, 0] - alpha
        excess[at.active] = 0.0
        # Rounded: of dependent columns, rounding must not choose.
        worst = np.argsort(-np.round(excess / alpha, 9), kind="stable")[:at_once]
        entering = worst[excess[worst] > at.allowed]
        enough = rough and gained <= GOOD_ENOUGH * precision * alpha * total_length(at.coef)
        if len(entering) == 0 or enough:
            break
        at.step_on_rows(entering)
    return at.coef


def _descend(at: _Descent) -> None:
    """Optimise the rows in use; those that end at zero leave."""
    for _ in range(MAX_STEPS):
        at.step_on_rows(at.active)
        at.refresh()
        rows = at.active
        if len(rows) == 0 or at.violation(rows) <= at.allowed or not at.newton_step():
            return
