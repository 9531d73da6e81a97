"""The problem of one envelope of a loss with kinks, and steps on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import PiecewiseLinear
from sklearn_wedge._core.restricted.columns import Columns, total_length
from sklearn_wedge._core.restricted.groups import STATIONARITY_TOLERANCE
from sklearn_wedge._core.restricted.model import Point
from sklearn_wedge._core.restricted.newton import CLOSE, ProximalNewton, newton_step
from sklearn_wedge._core.restricted.touching import Touching
from sklearn_wedge._core.rows import Activations, Kept, OneChunk, Rows, passes

Array = NDArray[np.float64]

# Steps in a row that promised nothing but rounding.
CLOSE_STEPS = 3
# The model of a step on several outputs is solved to this part of the gap.
ROUGH_MODEL = 0.3
# Damping of the first step; how much less the next one has after one in full, and how much more
# after a shorter one; what is less than the least is none.
FIRST_DAMPING, AFTER_FULL, AFTER_SHORT = 0.1, 0.3, 4.0
LEAST_DAMPING = 1e-3


class Envelope(ProximalNewton):
    """The problem of the envelope of a loss, around a dual point.

    Parameters
    ----------
    loss : PiecewiseLinear
    rows : Rows
    nothing : Activations
        Those of no column.
    width : float
    around : Kept or None
        The dual point; None: zero.
    """

    def __init__(
        self,
        loss: PiecewiseLinear,
        rows: Rows,
        nothing: Activations,
        width: float,
        around: Kept | None,
    ):
        super().__init__(loss.smoothed(width), rows, nothing)
        self.width, self.around = width, around
        self._damping = 1.0
        self._touching: Touching | None = None

    def predict(self, columns: Columns, coef: Array, intercept: Array) -> Kept:
        """Where the envelope around zero is evaluated."""
        predicted = super().predict(columns, coef, intercept)
        if self.around is None:
            return predicted
        return self.rows.keep(passes.moved, self.width, along=(predicted, self.around))

    def model_sums(
        self,
        activations: Activations,
        working: NDArray[np.intp],
        predicted: Kept,
        levelled: bool,
    ) -> tuple[Array, ...]:
        """Those of the rows around their kinks and, as far as steps are damped, of all of them."""
        if self._damping == 0.0:
            sums, some = passes.bent_model_sums, activations.take(working)
            return self.rows.sum(sums, some, self.loss, along=(predicted,))
        if self._touching is None:
            self._touching = Touching(self.rows, self.loss, activations, predicted)
        of_kinks = self.rows.sum(
            passes.damped_model_sums,
            *(activations, working, self.loss),
            along=(predicted, self._touching.centres),
        )
        of_all = self._touching.sums(working)
        return tuple(a + self._damping * b for a, b in zip(of_kinks, of_all, strict=True))

    def descended(
        self, start: Point, accuracy: float, farthest: float, at_most: int
    ) -> tuple[Point, int]:
        """Steps from a point until the own gap of the envelope is small: the end, and how many.

        The decrease that a step promises does not tell: a narrow envelope is steep, and far from
        its optimum only in the gradient. The first models have some of the curvature of the
        parabolas that touch the envelope where steps began, and are nowhere below: with all of it
        the first step is in full, if a modest one. The more steps are taken in full, the less of
        that, down to Newton's own; after a shorter one the parabolas are those at its end.
        """
        point, close, self._damping = self._with_best_intercept(start), 0, FIRST_DAMPING
        self._touching = None
        for n_steps in range(at_most):
            gap = _gap(point, farthest)
            if gap <= accuracy:
                return point, n_steps
            precision = ROUGH_MODEL * gap / abs(point.objective) if point.objective else 0.0
            step = newton_step(point, max(precision, STATIONARITY_TOLERANCE))
            if step.after is None:
                return point, n_steps
            point = self._with_best_intercept(step.after)
            self._damping = _damping_after(self._damping, step.length)
            if step.length < 1.0:  # only parabolas at the point itself are nowhere below
                self._touching = None
            close = close + 1 if step.promised <= CLOSE * abs(point.objective) else 0
            if close >= CLOSE_STEPS:
                return point, n_steps + 1
        return point, at_most

    def _with_best_intercept(self, point: Point) -> Point:
        """The same coefficients with the best intercept, which takes little; in chunks the same."""
        if not isinstance(self.rows, OneChunk):
            return point
        shift = self.rows.map(passes.best_shift, self.loss, along=(point.predicted,))[0]
        return point.shifted(shift)


def _damping_after(damping: float, length: float) -> float:
    if length < 1.0:
        return min(AFTER_SHORT * max(damping, LEAST_DAMPING), 1.0)
    after = AFTER_FULL * damping
    return after if after > LEAST_DAMPING else 0.0


def _gap(point: Point, farthest: float) -> float:
    """The duality gap of an envelope, about, once its dual point is made feasible."""
    products, dual_sum = point.products
    largest = point.columns.values(products).max(initial=0.0)
    share = min(1.0, point.alpha / largest) if largest > 0 else 1.0
    penalty = point.alpha * total_length(point.coef)
    slack = penalty - share * float((products * point.coef).sum())
    unbalanced = farthest * float(np.abs(dual_sum).sum())
    return (1.0 - share) * (point.objective - penalty) + slack + unbalanced
