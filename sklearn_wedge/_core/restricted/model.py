"""Quadratic models of a smooth loss, minimised with the penalty: one step of proximal Newton.

With curvatures ``W_i`` of the rows and the dual point ``V``, the model in a change ``δ`` of the
coefficients and ``τ`` of the intercept is
``Σ_i (h_i·δ + τ)·W_i (h_i·δ + τ) / 2 - v_i·(h_i·δ + τ)``. The intercept is eliminated, so that only
the coefficients are iterated on. The linear term comes from the dual point alone: rounding of the
curvatures cannot move the point that the steps end at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import SmoothLoss
from sklearn_wedge._core.restricted.active_set import solve_quadratic_l1
from sklearn_wedge._core.restricted.columns import Columns, RestrictedProblem
from sklearn_wedge._core.restricted.groups import STATIONARITY_TOLERANCE, solve_quadratic_groups
from sklearn_wedge._core.restricted.quadratics import (
    AcrossOutputs,
    ByOutput,
    Quadratic,
)
from sklearn_wedge._core.rows import Kept, passes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class QuadraticModel:
    """The model of m columns, of one output or several that share the columns.

    Attributes
    ----------
    quadratic : Quadratic
        In the change of the coefficients, without the intercept.
    slope : ndarray of shape (m, q)
        What it falls by along each coefficient.
    means : ndarray of shape (m, 1), (m, q) or (m, q, q)
        What the intercept gives way by, for a change of a coefficient.
    shift : ndarray of shape (q,)
        The change of the intercept if coefficients stay.
    total : ndarray of shape (1,), (q,) or (q, q)
        Sums of the curvatures.
    """

    quadratic: Quadratic
    slope: Array
    means: Array
    shift: Array
    total: Array

    def minimiser(
        self,
        alpha: float,
        coef: Array,
        signs: NDArray[np.int8],
        precision: float = STATIONARITY_TOLERANCE,
    ) -> tuple[Array, Array]:
        """Coefficients (m, q), started from ``coef``, and the shift of the intercept, (q,).

        ``precision`` is that of ``solve_quadratic_groups``.
        """
        linear = self.quadratic.times(coef) + self.slope
        if coef.shape[1] == 1:
            gram, start = self.quadratic.grams[0], coef[:, 0]
            found = solve_quadratic_l1(gram, linear[:, 0], alpha, start, signs)[:, None]
        else:
            found = solve_quadratic_groups(self.quadratic, linear, alpha, coef, precision)
        change = found - coef
        if self.means.ndim == 3:
            return found, self.shift - np.einsum("jab,ja->b", self.means, change)
        return found, self.shift - (self.means * change).sum(axis=0)


def quadratic_model(sums: tuple[Array, ...], products: Array, dual_sum: Array) -> QuadraticModel:
    """The model of a loss at a point.

    Parameters
    ----------
    sums : tuple of ndarrays
        See ``passes.model_sums``.
    products : ndarray of shape (m, q)
        Of the dual point with the columns.
    dual_sum : ndarray of shape (q,)
    """
    grams, centred, moments, total = sums
    if total.ndim == 2:
        return _interacting(grams, centred, moments, total, products, dual_sum)
    off, means = centred / total[:, None], (moments / total[:, None]).T
    grams = grams - total[:, None, None] * off[:, :, None] * off[:, None, :]
    grams = (grams + grams.transpose(0, 2, 1)) / 2
    slope = products - means * dual_sum
    return QuadraticModel(ByOutput(grams), slope, means, dual_sum / total, total)


def _interacting(
    tensor: Array, centred: Array, moments: Array, total: Array, products: Array, dual_sum: Array
) -> QuadraticModel:
    """The model for outputs that interact on a row."""
    # Only differences of outputs count; their mean has no curvature and stays.
    inverse = np.linalg.inv(total + np.trace(total) / total.size)
    off, means = centred @ inverse, moments @ inverse
    tensor = tensor - np.einsum("jac,kcb->jakb", off, centred.transpose(0, 2, 1))
    tensor = (tensor + tensor.transpose(2, 3, 0, 1)) / 2
    slope = products - means @ dual_sum
    return QuadraticModel(AcrossOutputs(tensor), slope, means, inverse @ dual_sum, total)


@dataclass(frozen=True)
class Point:
    """Where an iteration is: coefficients, (m, q), and intercept, (q,), of columns."""

    problem: RestrictedProblem[Columns, SmoothLoss]
    columns: Columns
    alpha: float
    coef: Array
    intercept: Array

    def at(self, coef: Array, intercept: Array) -> Point:
        """Another one."""
        return Point(self.problem, self.columns, self.alpha, coef, intercept)

    def shifted(self, shift: Array) -> Point:
        """One with another intercept: predictions are known."""
        after = self.at(self.coef, self.intercept + shift)
        vars(after)["predicted"] = self.problem.rows.keep(
            passes.shifted, shift, along=(self.predicted,)
        )
        return after

    @cached_property
    def dual_sum(self) -> Array:
        """What the mean loss falls by along the intercept, (q,)."""
        return self.problem.rows.sum(passes.dual_sum, along=(self.dual,))[0]

    @cached_property
    def predicted(self) -> Kept:
        """Predictions of the rows."""
        return self.problem.predict(self.columns, self.coef, self.intercept)

    @cached_property
    def objective(self) -> float:
        """Mean loss plus penalty."""
        return self.problem.objective(self.predicted, self.coef, self.alpha)

    @cached_property
    def dual(self) -> Kept:
        """Minus the gradient of the mean loss."""
        loss = self.problem.loss
        return self.problem.rows.keep(passes.dual_point, loss, along=(self.predicted,))

    @cached_property
    def products(self) -> tuple[Array, Array]:
        """Those of the dual point with the columns, (m, q), and its sum, (q,)."""
        return self.problem.products(self.columns, self.dual)

    def model(self, working: NDArray[np.intp], levelled: bool) -> QuadraticModel:
        """The quadratic model of the loss over some of the columns."""
        activations, predicted = self.columns.activations, self.predicted
        sums = self.problem.model_sums(activations, working, predicted, levelled)
        products, dual_sum = self.products
        return quadratic_model(sums, products[working], dual_sum)
