"""Several outputs on many rows: levelled steps and truncated Newton steps, no Hessian.

The Hessian of a network with ``m`` neurons and ``q`` outputs that interact has ``(m q)²`` entries,
each a sum over the rows. Here nothing is larger than the ``m × m`` Gram matrix of one curvature
a row, the mean over its outputs: a levelled model of the loss. Its minimiser with the penalty lets
rows enter and leave; between two of these steps a Newton step on the rows in use, solved by
conjugate gradients with that matrix as preconditioner, makes convergence fast. (With the largest
curvature of each row the model would be a majoriser, but so stiff that rows that enter stay short,
and twice as many steps are needed.)
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from sklearn_wedge._core.restricted.columns import total_length
from sklearn_wedge._core.restricted.groups import STATIONARITY_TOLERANCE
from sklearn_wedge._core.restricted.model import Point, QuadraticModel
from sklearn_wedge._core.restricted.quadratics import GroupCurvature
from sklearn_wedge._core.rows import passes

Array = NDArray[np.float64]

# Pairs of steps at most; a few are enough where the start is warm.
MAX_STEPS = 200
# The minimiser of the levelled model is found to this fraction of alpha, as the next one is
# elsewhere; or closer if that is what the accuracy asked for takes.
PRECISION = 5e-2
# Conjugate gradients: iterations at most, and by how much they reduce the residual.
CG_ITERATIONS = 30
CG_REDUCTION = 0.1
# Relative to the mean of the diagonal of the Gram matrix.
RIDGES = (1e-10, 1e-7, 1e-4)
# A row that a Newton step shortens to less than this fraction is tried at zero.
VANISHING = 0.2
MAX_HALVINGS = 12
# Newton steps in the intercept alone after each of these steps, until no sum over the dual point is
# more than a fraction of alpha.
INTERCEPT_STEPS = 5
UNBALANCED = 1e-3
# Steps that lower the objective by less than this fraction are rounding.
ROUNDING = 1e-14
# Or they brought so little of the accuracy asked for, so many pairs of steps in a row. The gap is
# that of a dual point that the worst column scales: on covtype20k, of 735 columns, it is 20 times
# the accuracy after 6 pairs, and all that the next 20 bring is 0.02 of that.
LITTLE, PAIRS_OF_LITTLE = 1e-2, 2


def solved_without_hessian(point: Point, accuracy: float) -> Point:
    """A point within ``accuracy`` of the least objective, from where the steps start.

    As far as the duality gap over the columns tells, or that steps bring hardly any of it.
    """
    n_of_little = 0
    for _ in range(MAX_STEPS):
        before = point.objective
        point, levelled = _levelled_step(point, accuracy)
        if _gap(point) <= accuracy:
            break
        point = _newton_step(point, levelled)
        gained = before - point.objective
        n_of_little = n_of_little + 1 if gained <= LITTLE * accuracy else 0
        is_over = n_of_little >= PAIRS_OF_LITTLE or gained <= ROUNDING * before
        if is_over or _gap(point) <= accuracy:
            break
    return point


def _gap(point: Point) -> float:
    """Objective less the bound from the dual point, scaled to be feasible on the columns."""
    dual = point.problem.balanced(point.dual)
    largest = point.problem.values(point.columns, point.coef, dual).max(initial=0.0)
    return point.objective - dual.bound(min(1.0, point.alpha / largest) if largest > 0 else 1.0)


def _levelled_step(point: Point, accuracy: float) -> tuple[Point, QuadraticModel]:
    size = point.alpha * total_length(point.coef)
    # Rows that violate by a fraction p of alpha may cost the bound p times the penalty.
    needed = 0.5 * accuracy / size if size > 0 else PRECISION
    precision = min(PRECISION, max(STATIONARITY_TOLERANCE, needed))
    levelled = point.model(np.arange(len(point.columns)), levelled=True)
    coef, shift = levelled.minimiser(point.alpha, point.coef, point.columns.signs, precision)
    return _towards(point, coef - point.coef, shift), levelled


def _towards(point: Point, change: Array, shift: Array) -> Point:
    """The first point along a step, halved as often as needed, that is lower."""
    share = 1.0
    for _ in range(MAX_HALVINGS):
        intercept = point.intercept + share * shift
        for coef in _with_rows_at_zero(point.coef, share * change):
            after = point.at(coef, intercept)
            if after.objective < point.objective:
                return _with_best_intercept(after)
        share /= 2
    return point


def _with_best_intercept(point: Point) -> Point:
    """The same coefficients with an intercept at which the dual point nearly sums to zero.

    To balance one that does not costs more of the bound than all else that is wrong with it.
    """
    loss, rows = point.problem.loss, point.problem.rows
    for _ in range(INTERCEPT_STEPS):
        if np.abs(point.dual_sum).max() <= UNBALANCED * point.alpha:
            break
        (total,) = rows.sum(passes.total_curvature, loss, along=(point.predicted,))
        if total.ndim == 1:
            shift = point.dual_sum / total
        else:  # of outputs of which only differences count
            shift = np.linalg.solve(total + np.trace(total) / total.size, point.dual_sum)
        after = point.shifted(shift)
        if not after.objective <= point.objective:
            break
        point = after
    return point


def _with_rows_at_zero(coef: Array, change: Array) -> list[Array]:
    """Where a step leads: first with the rows at zero that it nearly takes there."""
    moved = coef + change
    length = np.linalg.norm(coef, axis=1)
    along = (moved * coef).sum(axis=1)
    vanishing = (along < VANISHING * length**2) & (length > 0) & change.any(axis=1)
    if not vanishing.any():
        return [moved]
    return [np.where(vanishing[:, None], 0.0, moved), moved]


def _newton_step(point: Point, levelled: QuadraticModel) -> Point:
    """A truncated Newton step on the rows in use."""
    rows = np.flatnonzero(point.coef.any(axis=1))
    if len(rows) == 0:
        return point
    change = np.zeros_like(point.coef)
    change[rows], shift = _NewtonSystem(point, rows, levelled).solve()
    return _towards(point, change, shift)


class _NewtonSystem:
    """The Newton equations of loss plus penalty on the rows in use, by conjugate gradients.

    Unknowns are the changes of the rows, (k, q), and of the intercept, (q,).
    """

    def __init__(self, point: Point, rows: NDArray[np.intp], levelled: QuadraticModel):
        self.rows, loss = point.problem.rows, point.problem.loss
        # Steps need not be exact, and a gradient in double precision decides what they lead to.
        self.activations = point.columns.activations.take(rows).rounded()
        self.operators = self.rows.keep(passes.curvature_operators, loss, along=(point.predicted,))
        length = np.linalg.norm(point.coef[rows], axis=1)
        unit = point.coef[rows] / length[:, None]
        self.penalty = GroupCurvature(unit, point.alpha / length)
        products, dual_sum = point.products
        self.right = products[rows] - point.alpha * unit, dual_sum
        self.total, self.means = levelled.total, levelled.means[rows, 0]
        self.ridge, self.factor = self._factored(levelled.quadratic.grams[0][np.ix_(rows, rows)])

    def _factored(self, gram: Array) -> tuple[float, tuple]:
        """The least ridge at which rounding leaves the preconditioner definite; its factor."""
        size = np.trace(gram) / len(gram)
        for ridge in RIDGES:
            with suppress(LinAlgError):
                return ridge * size, cho_factor(gram + np.diag(self.penalty.pull + ridge * size))
        return size, cho_factor(gram + np.diag(self.penalty.pull + size))

    def times(self, change: Array, shift: Array) -> tuple[Array, Array]:
        """The Hessian times a change."""
        own, total = self.rows.sum(
            passes.hessian_product, self.activations, change, shift, along=(self.operators,)
        )
        return own + self.penalty.times(change) + self.ridge * change, total

    def preconditioned(self, change: Array, shift: Array) -> tuple[Array, Array]:
        """The inverse of the levelled model, with the penalty, times a residual."""
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
