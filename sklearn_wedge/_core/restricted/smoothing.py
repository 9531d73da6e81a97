"""The restricted problem of a loss with kinks: envelopes of it, each closer than the one before.

The Moreau envelope of a loss is smooth, and its dual points are dual points of the loss: the gap
that counts is that of the loss itself. Where it is too large, the next envelope is narrower, and
around the dual point ``u`` reached: the conjugate of the loss plus ``width / 2 Σ (v - u)²/w``,
which is that of the envelope at predictions less ``width u/w``. These are proximal steps on the
dual problem (the method of multipliers): they end at its solution although no width is zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import PiecewiseLinear
from sklearn_wedge._core.restricted.columns import Columns, Optimum, RestrictedProblem, total_length
from sklearn_wedge._core.restricted.groups import precision_of
from sklearn_wedge._core.restricted.model import Point
from sklearn_wedge._core.restricted.newton import CLOSE, ROUGH_MODEL, ProximalNewton, newton_step
from sklearn_wedge._core.rows import Activations, Kept, passes

Array = NDArray[np.float64]

# The first width is at most so many doublings of what it may leave of a gap.
DOUBLINGS = 30
# Each envelope is narrower than the one before by this factor.
NARROWER = 0.25
NARROWEST = NARROWER**8
MAX_ENVELOPES = 25
# Envelopes that may leave more than this part of a gap before what is left counts as rounding.
FRUITLESS, LEFT_BY_PROGRESS = 3, 0.99
# The gap over the columns may be so many times the accuracy asked for: of what it is, the objective
# has a part only.
GAP_OF_ACCURACY = 2.0
# What the dual point of an envelope may lose of the accuracy asked for by being infeasible.
OF_ENVELOPE = 0.3
# Fraction of the objective that the gap may be where none is asked for; what the first envelope may
# leave then, as the next ones have to close it.
ROUNDING, ROUGHLY = 1e-13, 1e-3
# Steps on one envelope, and on all of them.
MAX_STEPS, MAX_STEPS_OF_ALL = 200, 1000
# Steps in a row that promised nothing but rounding.
CLOSE_STEPS = 3


class Envelope(ProximalNewton):
    """The problem of the envelope of a loss, around a dual point: if None, around zero."""

    def __init__(self, of: Smoothing, width: float, around: Kept | None):
        super().__init__(of.loss.smoothed(width), of.rows, of.nothing)
        self.width, self.around = width, around

    def predict(self, columns: Columns, coef: Array, intercept: Array) -> Kept:
        """Where the envelope around zero is evaluated."""
        predicted = super().predict(columns, coef, intercept)
        if self.around is None:
            return predicted
        return self.rows.keep(passes.moved, self.width, along=(predicted, self.around))

    def model_sums(
        self, activations: Activations, predicted: Kept, levelled: bool
    ) -> tuple[Array, ...]:
        """Those of the rows around their kinks, which are few, and what keeps steps short."""
        return self.rows.sum(passes.bent_model_sums, activations, self.loss, along=(predicted,))


@dataclass(frozen=True)
class _Reached:
    """The best so far: a primal point with its objective, a dual point with its bound."""

    coef: Array
    intercept: Array
    predicted: Kept
    objective: float
    dual: Kept | None = None
    bound: float = -np.inf

    @property
    def gap(self) -> float:
        return self.objective - self.bound

    def optimum(self) -> Optimum:
        return Optimum(self.coef, self.intercept, self.predicted, self.dual)


class Smoothing(RestrictedProblem[Columns, PiecewiseLinear]):
    """A loss of two lines.

    Parameters
    ----------
    loss : PiecewiseLinear
    rows : Rows
    nothing : Activations, default=None
        See ``RestrictedProblem``.
    """

    def solve(
        self,
        columns: Columns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
    ) -> Optimum:
        """Coefficients and intercept, no worse than those given, within ``accuracy``, about.

        If it is 0, of the duality gap over the columns nothing is left but rounding.
        """
        coef = columns.feasible(coef)
        predicted = self.predict(columns, coef, intercept)
        best = _Reached(coef, intercept, predicted, self.objective(predicted, coef, alpha))
        # Who knows no objective yet may allow anything.
        accuracy = min(GAP_OF_ACCURACY * accuracy, best.objective)
        farthest = max(self.rows.map(passes.farthest_from_kink, self.loss, intercept))
        width = self._first_width(predicted, max(accuracy, ROUGHLY * best.objective))
        narrowest = NARROWEST * width
        wanted, around = max(accuracy, ROUNDING * best.objective), None
        fruitless, left = 0, MAX_STEPS_OF_ALL
        for _ in range(MAX_ENVELOPES):
            start = Point(Envelope(self, width, around), columns, alpha, coef, intercept)
            at_most = min(MAX_STEPS, left)
            point, n_steps = _descended(start, OF_ENVELOPE * wanted, farthest, at_most)
            coef, intercept, around = point.coef, point.intercept, point.dual
            last, best = best.gap, self._better(best, point)
            fruitless = 0 if best.gap < LEFT_BY_PROGRESS * last else fruitless + 1
            left -= n_steps
            if best.gap <= wanted or fruitless >= FRUITLESS or left <= 0:
                break
            width = max(width * NARROWER, narrowest)
        return best.optimum()

    def _first_width(self, predicted: Kept, accuracy: float) -> float:
        """The largest width whose envelope leaves so much of a gap, about, where nothing moves."""
        # The least of them leaves less, wherever the rows are.
        widths = (accuracy or 1.0) * 2.0 ** np.arange(DOUBLINGS)
        (left,) = self.rows.sum(passes.left_by_widths, self.loss, widths, along=(predicted,))
        return float(widths[max(np.count_nonzero(left <= accuracy) - 1, 0)])

    def _better(self, best: _Reached, point: Point) -> _Reached:
        """The best so far, with what the point of an envelope says of the loss itself."""
        predicted = self.predict(point.columns, point.coef, point.intercept)
        objective = self.objective(predicted, point.coef, point.alpha)
        balanced = self.balanced(point.dual)
        largest = self.values(point.columns, point.coef, balanced).max(initial=0.0)
        bound = balanced.bound(min(1.0, point.alpha / largest) if largest > 0 else 1.0)
        if objective < best.objective:
            best = replace(
                best,
                coef=point.coef,
                intercept=point.intercept,
                predicted=predicted,
                objective=objective,
            )
        return replace(best, dual=point.dual, bound=bound) if bound > best.bound else best


def _descended(point: Point, accuracy: float, farthest: float, at_most: int) -> tuple[Point, int]:
    """Steps on an envelope, until its own gap is small: where they end, and how many.

    The decrease that a step promises does not tell: a narrow envelope is steep, and far from its
    optimum only in the gradient.
    """
    close = 0
    for n_steps in range(at_most):
        gap = _gap(point, farthest)
        if gap <= accuracy:
            return point, n_steps
        precision = precision_of(ROUGH_MODEL * gap, point.objective)
        after, promised = newton_step(point, precision)
        if after is None:
            return point, n_steps
        point = after
        close = close + 1 if promised <= CLOSE * abs(point.objective) else 0
        if close >= CLOSE_STEPS:
            return point, n_steps + 1
    return point, at_most


def _gap(point: Point, farthest: float) -> float:
    """The duality gap of an envelope, about, once its dual point is made feasible."""
    products, dual_sum = point.products
    largest = point.columns.values(products).max(initial=0.0)
    share = min(1.0, point.alpha / largest) if largest > 0 else 1.0
    penalty = point.alpha * total_length(point.coef)
    slack = penalty - share * float((products * point.coef).sum())
    unbalanced = farthest * float(np.abs(dual_sum).max())
    return (1.0 - share) * (point.objective - penalty) + slack + unbalanced
