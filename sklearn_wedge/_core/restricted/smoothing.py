"""The restricted problem of a loss with kinks: envelopes of it, each closer than the one before.

The Moreau envelope of a loss is smooth, and its dual points are dual points of the loss: the gap
that counts is that of the loss itself. Where it is too large, the next envelope is narrower, and
around the dual point ``u`` reached: the conjugate of the loss plus ``width / 2 Σ (v - u)²/w``,
which is that of the envelope at predictions less ``width u/w``. These are proximal steps on the
dual problem (the method of multipliers): they end at its solution although no width is zero.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import PiecewiseLinear
from sklearn_wedge._core.restricted.columns import Columns, Optimum, RestrictedProblem
from sklearn_wedge._core.restricted.envelopes import Envelope
from sklearn_wedge._core.restricted.interior_point import InteriorPoint
from sklearn_wedge._core.restricted.lumps import Lumped
from sklearn_wedge._core.restricted.model import Point
from sklearn_wedge._core.rows import Activations, Kept, OneChunk, Rows, lumps, passes

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
# Of several outputs, what is left of a gap, as a fraction of the one wanted: their last digits take
# more time than a few more rounds.
ACCURACY_OF_SEVERAL = 0.4
# So many coefficients of several outputs take longer than rounds that dual points more exact save.
MANY_COEFFICIENTS = 300
# What the dual point of an envelope may lose of the accuracy asked for by being infeasible.
OF_ENVELOPE = 0.3
# Fraction of the objective that the gap may be where none is asked for; what the first envelope may
# leave then, as the next ones have to close it.
ROUNDING, ROUGHLY = 1e-13, 1e-3
# What is left of the objective where envelopes count as unable to solve; of so many rows CVXPY then
# goes on.
UNSOLVED, FEW_ROWS = 1e-6, 500
# Of more rows, and of all in many chunks, where a step is several passes, those far from their
# kinks are taken together, in lumps; so many are not, at least. Each column of the working set
# may bring a row to its kink: where there are many, so are the rows that change sides.
MANY_ROWS, SHARE_ALONE, LEAST_ALONE = 4000, 0.25, 1000
ALONE_PER_COLUMN, MOST_ALONE = 10, 0.5
# Times that rows leave their lumps; margins are told apart by roots of two.
MAX_LUMPINGS, HALVINGS = 8, 40
# What the problem on lumps may leave of a gap, as a part of what all rows may.
OF_LUMPS = 0.5
# Steps on one envelope, and on all of them.
MAX_STEPS, MAX_STEPS_OF_ALL = 200, 1000


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


def alone_at_first(n_rows: int, n_columns: int) -> float:
    """How many rows are by themselves when all others go into lumps."""
    of_columns = min(ALONE_PER_COLUMN * n_columns, MOST_ALONE * n_rows)
    return max(LEAST_ALONE, SHARE_ALONE * n_rows, of_columns)


class Smoothing(RestrictedProblem[Columns, PiecewiseLinear]):
    """A loss of two lines.

    Parameters
    ----------
    loss : PiecewiseLinear
    rows : Rows
    nothing : Activations, default=None
        See ``RestrictedProblem``.
    array_bytes : float, default=inf
        What the activations of rows near their kinks may take.
    """

    def __init__(
        self,
        loss: PiecewiseLinear,
        rows: Rows,
        nothing: Activations | None = None,
        array_bytes: float = np.inf,
    ):
        super().__init__(loss, rows, nothing)
        self.array_bytes = array_bytes

    def of_one_output(self) -> Smoothing | None:
        """See ``RestrictedProblem``: of several quantiles the hardest."""
        hardest = self.loss.hardest_output()
        if hardest is None or not isinstance(self.rows, OneChunk):
            return None
        output, loss = hardest
        return Smoothing(loss, self.rows.with_output(output), self.nothing, self.array_bytes)

    def is_slow(self, coef: Array) -> bool:
        """Many coefficients of several outputs."""
        return coef.shape[1] > 1 and coef.size > MANY_COEFFICIENTS

    def accuracy(self, coef: Array) -> float:
        """Coarser of several outputs."""
        return ACCURACY_OF_SEVERAL if coef.shape[1] > 1 else super().accuracy(coef)

    def solve(
        self,
        columns: Columns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
        smoothed: float | None = None,
    ) -> Optimum:
        """Coefficients and intercept, no worse than those given, within ``accuracy``, about.

        If it is 0, of the duality gap over the columns nothing is left but rounding. Envelopes are
        as narrow as ``smoothed`` takes, however rough steps on them may be: wider ones would lead
        away from where rounds before have come to.
        """
        smoothed = accuracy if smoothed is None else smoothed
        best = self.start(columns, alpha, coef, intercept)
        # Who knows no objective yet may allow anything.
        wanted = min(GAP_OF_ACCURACY * smoothed, best.objective)
        rough = min(accuracy - smoothed, best.objective) if accuracy > smoothed else 0.0
        few_rows = isinstance(self.rows, OneChunk) and self.rows.n_rows <= MANY_ROWS
        if len(intercept) == 1 and not few_rows:
            best = self._by_lumps(best, columns, alpha, wanted)
        best = self.by_envelopes(best, columns, alpha, wanted, rough)
        if best.gap > max(wanted + rough, UNSOLVED * best.objective) and self._is_small:
            best = self._by_interior_point(best, columns, alpha)
        return best.optimum()

    @property
    def _is_small(self) -> bool:
        """Whether CVXPY takes no longer than another round."""
        return isinstance(self.rows, OneChunk) and self.rows.n_rows <= FEW_ROWS

    def _by_interior_point(self, best: _Reached, columns: Columns, alpha: float) -> _Reached:
        """What CVXPY finds, if that is better: it has no width that would have to vanish.

        It uses many more columns: these have to be worth something.
        """
        # Where it fails, what is reached is a solution with a gap that is known.
        with suppress(RuntimeError):
            solver = InteriorPoint(self.loss, self.rows, self.nothing)
            found = solver.solve(columns, alpha, best.coef, best.intercept)
            better = self._better(best, columns, alpha, found)
            if better.objective < best.objective - UNSOLVED * best.objective:
                return better
            return replace(best, dual=better.dual, bound=better.bound)
        return best

    def start(self, columns: Columns, alpha: float, coef: Array, intercept: Array) -> _Reached:
        """What is reached by coefficients as they are given, without those of a wrong sign."""
        coef = columns.feasible(coef)
        predicted = self.predict(columns, coef, intercept)
        return _Reached(coef, intercept, predicted, self.objective(predicted, coef, alpha))

    def _by_lumps(self, best: _Reached, columns: Columns, alpha: float, wanted: float) -> _Reached:
        """Solutions on the rows near their kinks, and lumps of the others: more near each time.

        It ends above what is wanted where too many rows would be alone.
        """
        most = self.array_bytes / (8.0 * max(len(columns), 1))
        n_alone = int(min(alone_at_first(self.rows.n_rows, len(columns)), most))
        predicted, coef, intercept = best.predicted, best.coef, best.intercept
        of_rows = self.rows.keep(
            lumps.lump_of_rows, self.loss, self._margin(predicted, n_alone), along=(predicted,)
        )
        for _ in range(MAX_LUMPINGS):
            few = Lumped.of(self.rows, self.loss, of_rows, columns.activations)
            inner = Smoothing(self.loss, few.rows)
            of_few = Columns(few.activations, columns.signs)
            start = inner.start(of_few, alpha, coef, intercept)
            found = inner.by_envelopes(start, of_few, alpha, OF_LUMPS * wanted)
            coef, intercept = found.coef, found.intercept
            predicted = self.predict(columns, coef, intercept)
            on_all = Optimum(coef, intercept, predicted, few.dual_of_all(self.rows, found.dual))
            best = self._better(best, columns, alpha, on_all)
            margin = self._margin(predicted, n_alone // 4)
            of_rows = self.rows.keep(lumps.separated, self.loss, margin, along=(predicted, of_rows))
            if best.gap <= wanted or self._n_alone(of_rows) > most:
                break
        return best

    def _n_alone(self, of_rows: Kept) -> float:
        return float(self.rows.sum(lumps.n_alone, along=(of_rows,))[0][0])

    def _margin(self, predicted: Kept, n_rows: int) -> float:
        """The largest margin, about, around kinks that so many rows are within."""
        largest = max(self.rows.map(lumps.farthest, self.loss, along=(predicted,)))
        margins = np.append(0.0, 2.0 * largest * 0.5 ** (np.arange(HALVINGS)[::-1] / 2))
        (within,) = self.rows.sum(lumps.within_margins, self.loss, margins, along=(predicted,))
        return float(margins[max(np.count_nonzero(within <= n_rows) - 1, 0)])

    def by_envelopes(
        self, best: _Reached, columns: Columns, alpha: float, accuracy: float, rough: float = 0.0
    ) -> _Reached:
        """Steps on one envelope after the other."""
        coef, intercept = best.coef, best.intercept
        wanted = max(accuracy, ROUNDING * best.objective)
        close = OF_ENVELOPE * wanted + rough
        if best.gap <= wanted:
            return best
        farthest = max(self.rows.map(passes.farthest_from_kink, self.loss, intercept))
        width = self._first_width(best.predicted, max(accuracy, ROUGHLY * best.objective))
        narrowest, around = NARROWEST * width, None
        fruitless, left = 0, MAX_STEPS_OF_ALL
        for _ in range(MAX_ENVELOPES):
            envelope = Envelope(self.loss, self.rows, self.nothing, width, around)
            start = Point(envelope, columns, alpha, coef, intercept)
            point, n_steps = envelope.descended(start, close, farthest, min(MAX_STEPS, left))
            coef, intercept, around = point.coef, point.intercept, point.dual
            reached = Optimum(coef, intercept, self.predict(columns, coef, intercept), around)
            last, best = best.gap, self._better(best, columns, alpha, reached)
            fruitless = 0 if best.gap < LEFT_BY_PROGRESS * last else fruitless + 1
            left -= n_steps
            if best.gap <= wanted + rough or fruitless >= FRUITLESS or left <= 0:
                break
            width = max(width * NARROWER, narrowest)
        return best

    def _first_width(self, predicted: Kept, accuracy: float) -> float:
        """The largest width whose envelope leaves so much of a gap, about, where nothing moves."""
        # The least of them leaves less, wherever the rows are.
        widths = (accuracy or 1.0) * 2.0 ** np.arange(DOUBLINGS)
        (left,) = self.rows.sum(passes.left_by_widths, self.loss, widths, along=(predicted,))
        return float(widths[max(np.count_nonzero(left <= accuracy) - 1, 0)])

    def _better(self, best: _Reached, columns: Columns, alpha: float, found: Optimum) -> _Reached:
        """The best so far, with what a point and a dual point say of the loss itself."""
        balanced = self.balanced(found.dual)
        largest = self.values(columns, found.coef, balanced).max(initial=0.0)
        bound = balanced.bound(min(1.0, alpha / largest) if largest > 0 else 1.0)
        if bound > best.bound:
            best = replace(best, dual=found.dual, bound=bound)
        for shift in (None, self._best_shift(found.predicted)):
            best = self._lower(best, alpha, found, shift)
        return best

    def _best_shift(self, predicted: Kept) -> Array | None:
        """What to add to the intercept for the loss to be least; None: not known in chunks."""
        if not isinstance(self.rows, OneChunk):
            return None
        return self.rows.map(passes.best_shift, self.loss, along=(predicted,))[0]

    def _lower(self, best: _Reached, alpha: float, found: Optimum, shift: Array | None) -> _Reached:
        """The best so far, or the point found with a shift of its intercept."""
        intercept, predicted = found.intercept, found.predicted
        if shift is not None:
            intercept = intercept + shift
            predicted = self.rows.keep(passes.shifted, shift, along=(predicted,))
        objective = self.objective(predicted, found.coef, alpha)
        if not objective < best.objective:
            return best
        return replace(
            best, coef=found.coef, intercept=intercept, predicted=predicted, objective=objective
        )
