"""Columns of a restricted problem, and what every way to solve it has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import Loss, SquaredError
from sklearn_wedge._core.rows import Activations, Kept, KeptActivations, Rows, passes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """The columns of a restricted problem.

    Attributes
    ----------
    activations : Activations
        Of m neurons on the rows.
    signs : int ndarray of shape (m,)
        The sign, -1 or 1, that the coefficient of a neuron must have (one output only); 0: any.
    """

    activations: Activations
    signs: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.signs)

    def take(self, which: NDArray) -> Columns:
        """The columns at these indices (or where a mask is true)."""
        return Columns(self.activations.take(which), self.signs[which])

    def values(self, products: Array) -> Array:
        """What the dual constraint limits to ``α``, (m,), by the products ``V·h_j``, (m, q).

        Their norm; where the coefficient must have a sign, the product times that sign.
        """
        values = np.linalg.norm(products, axis=1)
        return np.where(self.signs == 0, values, self.signs * products[:, 0])

    def feasible(self, coef: Array) -> Array:
        """Coefficients, (m, q), with zeros for those of a sign that they must not have."""
        return np.where(self.signs[:, None] * coef < 0, 0.0, coef)


# What a restricted problem is solved to, as a fraction of the gap wanted.
ACCURACY = 0.1

AnyColumns = TypeVar("AnyColumns", bound=Columns)
AnyLoss = TypeVar("AnyLoss", bound=Loss)


@dataclass(frozen=True)
class Optimum:
    """Solution of a restricted problem.

    Attributes
    ----------
    coef : ndarray of shape (m, q)
    intercept : ndarray of shape (q,)
    predicted : Kept
        Predictions of the rows, (r, q) in each chunk.
    dual : Kept
        Dual point: minus a (sub)gradient of the mean loss in the prediction, in the domain of the
        conjugate.
    """

    coef: Array
    intercept: Array
    predicted: Kept
    dual: Kept


@dataclass(frozen=True)
class DualPoint:
    """A dual point that sums to zero and stays with the rows."""

    kept: Kept
    rows: Rows
    loss: Loss
    _bounds: dict[float, float] = field(default_factory=dict)

    def bound(self, shrink: float) -> float:
        """The dual value of its multiple by a number between 0 and 1."""
        if isinstance(self.loss, SquaredError):
            # A parabola through zero: two values tell it.
            at_one, at_half = self._evaluated(1.0), self._evaluated(0.5)
            square = 4.0 * at_half - 2.0 * at_one
            return shrink * (at_one + (1.0 - shrink) * square)
        return self._evaluated(shrink)

    def _evaluated(self, shrink: float) -> float:
        if shrink not in self._bounds:
            found = self.rows.sum(passes.dual_value, self.loss, shrink, along=(self.kept,))
            self._bounds[shrink] = float(found[0][0])
        return self._bounds[shrink]


def total_length(coef: Array) -> float:
    """``Σ_j ‖z_j‖₂`` over the rows of coefficients, (m, q) or (m,)."""
    if coef.ndim == 1 or coef.shape[1] == 1:
        return float(np.abs(coef).sum())
    return float(np.linalg.norm(coef, axis=1).sum())


class RestrictedProblem(ABC, Generic[AnyColumns, AnyLoss]):
    """``min Σ_i w_i ℓ(t + Σ_j z_j h_ij, y_i) + α Σ_j ‖z_j‖₂`` on columns ``h_j`` at hand.

    Some ``z_j`` may have to be of a given sign. Everything with an entry per row is summed over, or
    stays with the rows.

    Parameters
    ----------
    loss : Loss
    rows : Rows
        With weights that sum to 1.
    nothing : Activations, default=None
        Those of no column; None: of rows in memory.
    """

    def __init__(self, loss: AnyLoss, rows: Rows, nothing: Activations | None = None):
        self.loss, self.rows = loss, rows
        self.nothing = KeptActivations(np.empty((0, rows.n_rows))) if nothing is None else nothing

    @cached_property
    def target_mean(self) -> Array:
        """Weighted mean of the target, (q,)."""
        return self.rows.sum(passes.target_mean)[0]

    def no_columns(self) -> AnyColumns:
        """The problem without a neuron."""
        return Columns(self.nothing, np.empty(0, dtype=np.int8))

    def of_one_output(self) -> RestrictedProblem | None:
        """That of one output whose columns are a start for all; None: there is none like that."""
        return None

    def extend(
        self,
        columns: AnyColumns,
        activations: Activations,
        signs: NDArray | None = None,
        kept: NDArray[np.intp] | None = None,
    ) -> AnyColumns:
        """Append neurons, given by activations of k and the signs (k,) of their coefficients.

        Of the columns before, those at the indices ``kept`` stay: if None, all.
        """
        kept = np.arange(len(columns)) if kept is None else kept
        signs = np.zeros(len(activations), dtype=np.int8) if signs is None else signs
        return Columns(
            columns.activations.joined(kept, activations),
            np.concatenate([columns.signs[kept], signs]),
        )

    def is_slow(self, coef: Array) -> bool:
        """Whether the last digits of so many coefficients take most of the time of a round."""
        return False

    def accuracy(self, coef: Array) -> float:
        """What so many coefficients may be solved to, as a fraction of the gap wanted."""
        return ACCURACY

    @abstractmethod
    def solve(
        self,
        columns: AnyColumns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
        smoothed: float | None = None,
    ) -> Optimum:
        """Optimal coefficients and intercept, started from those given.

        The objective may be above the least one by ``accuracy``, where that saves time; by rounding
        only if it is 0. So much of it as ``smoothed`` (None: all) may be what a loss with kinks
        loses by being smoothed.
        """

    def predict(self, columns: AnyColumns, coef: Array, intercept: Array) -> Kept:
        """``intercept + Σ_j coef_j h_j``."""
        return self.rows.keep(passes.prediction, columns.activations, coef, intercept)

    def objective(self, predicted: Kept, coef: Array, alpha: float) -> float:
        """Mean loss of predictions plus penalty of the coefficients."""
        (loss,) = self.rows.sum(passes.mean_loss, self.loss, along=(predicted,))
        return float(loss[0]) + alpha * total_length(coef)

    def at_gradient(self, columns: AnyColumns, coef: Array, intercept: Array) -> Optimum:
        """A solution for a smooth loss, with its dual point."""
        predicted = self.predict(columns, coef, intercept)
        dual = self.rows.keep(passes.dual_point, self.loss, along=(predicted,))
        return Optimum(coef, intercept, predicted, dual)

    def model_sums(
        self,
        activations: Activations,
        working: NDArray[np.intp],
        predicted: Kept,
        levelled: bool,
    ) -> tuple[Array, ...]:
        """What the quadratic model of a smooth loss is made of: see ``passes.model_sums``."""
        some, sums = activations.take(working), passes.model_sums
        return self.rows.sum(sums, some, self.loss, levelled, along=(predicted,))

    def balanced(self, dual: Kept) -> DualPoint:
        """A dual point of the domain made to sum to zero without leaving it."""
        (known,) = self.rows.sum(passes.imbalance, self.loss, along=(dual,))
        kept = self.rows.keep(passes.balanced, self.loss, known, along=(dual,))
        return DualPoint(kept, self.rows, self.loss)

    def products(self, columns: AnyColumns, dual: Kept) -> tuple[Array, Array]:
        """``V·h_j``, (m, q), and the sum of the dual point, (q,)."""
        return self.rows.sum(passes.dual_products, columns.activations, along=(dual,))

    def values(self, columns: AnyColumns, coef: Array, dual: DualPoint) -> Array:
        """What the dual constraint limits, (m,), at the dual point of coefficients."""
        return columns.values(self.products(columns, dual.kept)[0])

    def cross_products(
        self, activations: Activations, n_old: int, means: Array
    ) -> tuple[Array, Array, Array]:
        """Weighted covariances of new columns with all, (m, k), and the target; their means.

        Parameters
        ----------
        activations : Activations
            Of all m columns, the k new ones last.
        n_old : int
        means : ndarray of shape (n_old,)
            Weighted means of the others.
        """
        products, linear, rest, new = self.rows.sum(
            passes.cross_products, activations, n_old, self.target_mean
        )
        # Centring one factor of a cross product centres it; centres may be off by ``rest``.
        return products - np.outer(np.append(means, new), rest), linear, new

    def moments(self, columns: AnyColumns) -> tuple[Array, Array]:
        """Weighted means, (m,), and covariances, (m, m), of the columns."""
        covariance, _, means = self.cross_products(columns.activations, 0, np.empty(0))
        return means, (covariance + covariance.T) / 2
