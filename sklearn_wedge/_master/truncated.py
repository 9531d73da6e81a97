"""Several outputs on many samples: majorised steps and truncated Newton steps, no Hessian.

The Hessian of a network with ``m`` neurons and ``q`` outputs that interact has ``(m q)²`` entries,
each a sum over the samples. Here nothing is larger than the ``m × m`` Gram matrix of one curvature
a sample, a majoriser of the loss. Its minimiser with the penalty lets rows enter and leave; between
two of these steps a Newton step on the rows in use, solved by conjugate gradients with that matrix
as preconditioner, makes convergence fast.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from sklearn_wedge._losses import SmoothLoss
from sklearn_wedge._master.columns import (
    ByActivations,
    Columns,
    Optimum,
    at_gradient,
    total_length,
)
from sklearn_wedge._master.groups import STATIONARITY_TOLERANCE, solve_quadratic_groups
from sklearn_wedge._master.quadratics import GroupCurvature, SameForAllOutputs

Array = NDArray[np.float64]

# Pairs of steps at most; a few are enough where the start is warm.
MAX_STEPS = 200
# The minimiser of the majoriser is found to this fraction of alpha, as the next one is elsewhere;
# or closer if that is what the accuracy asked for takes.
PRECISION = 1e-3
# Conjugate gradients: iterations at most, and by how much they reduce the residual.
CG_ITERATIONS = 30
CG_REDUCTION = 0.1
# Relative to the mean of the diagonal of the Gram matrix.
RIDGES = (1e-10, 1e-7, 1e-4)
# A row that a Newton step shortens to less than this fraction is tried at zero.
VANISHING = 0.2
MAX_HALVINGS = 12
# Steps that lower the objective by less than this fraction are rounding.
ROUNDING = 1e-14


@dataclass(frozen=True)
class _Point:
    """Coefficients (m, q), intercept (q,), prediction (n, q), objective, dual point (n, q)."""

    coef: Array
    intercept: Array
    prediction: Array
    objective: float
    dual: Array


@dataclass(frozen=True)
class _Majoriser:
    """One curvature a sample, for all outputs, and the cross products of the columns under it.

    Attributes
    ----------
    total : float
        Sum of the curvatures.
    means : ndarray of shape (m,)
        Of the columns, weighted by them.
    centred : ndarray of shape (m, n)
        Columns minus their means.
    gram : ndarray of shape (m, m)
        Weighted cross products of the centred columns.
    curvature : ndarray of shape (n,)
    """

    total: float
    means: Array
    centred: Array
    gram: Array
    curvature: Array

    @classmethod
    def of(cls, activations: Array, curvature: Array) -> _Majoriser:
        """The majoriser of some columns."""
        total = float(curvature.sum())
        means = activations @ (curvature / total)
        centred = activations - means[:, None]
        return cls(total, means, centred, (centred * curvature) @ centred.T, curvature)

    def minimiser(self, alpha: float, point: _Point, precision: float) -> tuple[Array, Array]:
        """Coefficients and intercept that minimise the majoriser plus the penalty.

        ``precision`` is the violation, as a fraction of ``alpha``, that counts as none.
        """
        relative = point.prediction - point.intercept
        response = self.curvature[:, None] * relative + point.dual
        quadratic, linear = SameForAllOutputs(self.gram), self.centred @ response
        coef = solve_quadratic_groups(quadratic, linear, alpha, point.coef, precision)
        return coef, point.intercept + response.sum(axis=0) / self.total - self.means @ coef


class SeveralOutputs:
    """The restricted problem of a smooth loss of several outputs, solved to a given gap.

    Parameters
    ----------
    problem : ByActivations
    columns : Columns
    alpha : float
        Penalty.
    """

    def __init__(self, problem: ByActivations[SmoothLoss], columns: Columns, alpha: float):
        self.problem, self.columns, self.alpha = problem, columns, alpha

    def solve(self, coef: Array, intercept: Array, accuracy: float) -> Optimum:
        """Coefficients and intercept within ``accuracy`` of the least objective, as far as the
        duality gap over these columns tells, started from those given.
        """
        point = self._point(coef, intercept)
        for _ in range(MAX_STEPS):
            before = point.objective
            point, majoriser = self._majorised_step(point, accuracy)
            if self._gap(point) <= accuracy:
                break
            point = self._newton_step(point, majoriser)
            if self._gap(point) <= accuracy or before - point.objective <= ROUNDING * before:
                break
        return at_gradient(self.problem, self.columns, point.coef, point.intercept)

    def _point(self, coef: Array, intercept: Array) -> _Point:
        problem, used = self.problem, np.flatnonzero(coef.any(axis=1))
        prediction = intercept + self.columns.activations[used].T @ coef[used]
        objective = problem.objective(prediction, coef, self.alpha)
        dual = problem.loss.dual_point(prediction, problem.target, problem.weight)
        return _Point(coef, intercept, prediction, objective, dual)

    def _gap(self, point: _Point) -> float:
        """Objective less the bound from the dual point, scaled to be feasible on the columns."""
        problem = self.problem
        dual = problem.loss.balanced(point.dual, problem.target, problem.weight)
        largest = self.columns.values(dual).max(initial=0.0)
        scaled = dual * min(1.0, self.alpha / largest) if largest > 0 else dual
        return point.objective - problem.loss.dual_value(scaled, problem.target, problem.weight)

    def _majorised_step(self, point: _Point, accuracy: float) -> tuple[_Point, _Majoriser]:
        problem, size = self.problem, self.alpha * total_length(point.coef)
        # Rows that violate by a fraction p of alpha may cost the bound p times the penalty.
        needed = 0.5 * accuracy / size if size > 0 else PRECISION
        precision = min(PRECISION, max(STATIONARITY_TOLERANCE, needed))
        curvature = problem.loss.largest_curvature(point.prediction, problem.target, problem.weight)
        majoriser = _Majoriser.of(self.columns.activations, curvature)
        coef, intercept = majoriser.minimiser(self.alpha, point, precision)
        return self._towards(point, coef - point.coef, intercept - point.intercept), majoriser

    def _towards(self, point: _Point, change: Array, shift: Array) -> _Point:
        """The first point along a step, halved as often as needed, that is lower."""
        share = 1.0
        for _ in range(MAX_HALVINGS):
            intercept = point.intercept + share * shift
            for coef in self._with_rows_at_zero(point.coef, share * change):
                after = self._point(coef, intercept)
                if after.objective < point.objective:
                    return after
            share /= 2
        return point

    @staticmethod
    def _with_rows_at_zero(coef: Array, change: Array) -> list[Array]:
        """Where a step leads: first with the rows at zero that it nearly takes there."""
        moved = coef + change
        length = np.linalg.norm(coef, axis=1)
        along = (moved * coef).sum(axis=1)
        vanishing = (along < VANISHING * length**2) & (length > 0) & change.any(axis=1)
        if not vanishing.any():
            return [moved]
        return [np.where(vanishing[:, None], 0.0, moved), moved]

    def _newton_step(self, point: _Point, majoriser: _Majoriser) -> _Point:
        """A truncated Newton step on the rows in use."""
        rows = np.flatnonzero(point.coef.any(axis=1))
        if len(rows) == 0:
            return point
        system = _NewtonSystem(self, point, rows, majoriser)
        change = np.zeros_like(point.coef)
        change[rows], shift = system.solve()
        return self._towards(point, change, shift)


class _NewtonSystem:
    """The Newton equations of loss plus penalty on the rows in use, by conjugate gradients.

    Unknowns are the changes of the rows, (k, q), and of the intercept, (q,).
    """

    def __init__(
        self, of: SeveralOutputs, point: _Point, rows: NDArray[np.intp], majoriser: _Majoriser
    ):
        problem, alpha = of.problem, of.alpha
        self.activations = of.columns.activations[rows]
        self.curvature_times = problem.loss.curvature_operator(
            point.prediction, problem.target, problem.weight
        )
        length = np.linalg.norm(point.coef[rows], axis=1)
        unit = point.coef[rows] / length[:, None]
        self.penalty = GroupCurvature(unit, alpha / length)
        self.right = self.activations @ point.dual - alpha * unit, point.dual.sum(axis=0)
        self.total, self.means = majoriser.total, majoriser.means[rows]
        self.ridge, self.factor = self._factored(majoriser.gram[np.ix_(rows, rows)])

    def _factored(self, gram: Array) -> tuple[float, tuple]:
        """The least ridge at which rounding leaves the preconditioner definite; its factor."""
        size = np.trace(gram) / len(gram)
        for ridge in RIDGES:
            with suppress(LinAlgError):
                return ridge * size, cho_factor(gram + np.diag(self.penalty.pull + ridge * size))
        return size, cho_factor(gram + np.diag(self.penalty.pull + size))

    def times(self, change: Array, shift: Array) -> tuple[Array, Array]:
        """The Hessian times a change."""
        effect = self.curvature_times(self.activations.T @ change + shift)
        own = self.activations @ effect + self.penalty.times(change) + self.ridge * change
        return own, effect.sum(axis=0)

    def preconditioned(self, change: Array, shift: Array) -> tuple[Array, Array]:
        """The inverse of the majoriser, with the penalty, times a residual."""
        rows = cho_solve(self.factor, change - np.outer(self.means, shift))
        return rows, shift / self.total - self.means @ rows

    def solve(self) -> tuple[Array, Array]:
        """The step, approximately."""
        change, shift = np.zeros_like(self.right[0]), np.zeros_like(self.right[1])
        rest, rest_shift = self.right[0].copy(), self.right[1].copy()
        along, along_shift = self.preconditioned(rest, rest_shift)
        size = start = _product(rest, rest_shift, along, along_shift)
        for _ in range(CG_ITERATIONS):
            if size <= CG_REDUCTION**2 * start:
                break
            image, image_shift = self.times(along, along_shift)
            curvature = _product(along, along_shift, image, image_shift)
            if curvature <= 0.0:  # saturated samples: the loss is linear this way
                break
            length = size / curvature
            change, shift = change + length * along, shift + length * along_shift
            rest, rest_shift = rest - length * image, rest_shift - length * image_shift
            towards, towards_shift = self.preconditioned(rest, rest_shift)
            size, last = _product(rest, rest_shift, towards, towards_shift), size
            along = towards + size / last * along
            along_shift = towards_shift + size / last * along_shift
        return change, shift


def _product(first: Array, first_shift: Array, second: Array, second_shift: Array) -> float:
    return float((first * second).sum() + first_shift @ second_shift)
