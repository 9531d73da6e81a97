"""Columns of a restricted problem, and what every way to solve it has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._losses import Loss, SmoothLoss

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """Activations of the neurons of a restricted problem.

    Attributes
    ----------
    activations : ndarray of shape (m, n)
        One row per neuron, as activated on the samples.
    signs : int ndarray of shape (m,)
        The sign, -1 or 1, that the coefficient of a neuron must have (one output only); 0: any.
    """

    activations: Array
    signs: NDArray[np.int8]

    def __len__(self) -> int:
        return self.activations.shape[0]

    def take(self, which: NDArray) -> Columns:
        """The columns at these indices (or where a mask is true)."""
        return Columns(self.activations[which], self.signs[which])

    def predict(self, coef: Array, intercept: Array) -> Array:
        """``intercept + Σ_j coef_j activation_j``, of shape (n, q)."""
        return intercept + self.activations.T @ coef

    def values(self, dual: Array) -> Array:
        """What the dual constraint limits to ``α``, (m,), at a dual point (n, q).

        The norm of ``V·h_j``; where the coefficient must have a sign, the product times that sign.
        """
        products = self.activations @ dual
        values = np.linalg.norm(products, axis=1)
        return np.where(self.signs == 0, values, self.signs * products[:, 0])

    def feasible(self, coef: Array) -> Array:
        """Coefficients, (m, q), with zeros for those of a sign that they must not have."""
        return np.where(self.signs[:, None] * coef < 0, 0.0, coef)


def signs_given(signs: NDArray | None, activations: Array) -> NDArray[np.int8]:
    """The signs of new columns: any, unless they are given."""
    return np.zeros(len(activations), dtype=np.int8) if signs is None else signs


def indices_kept(columns: Columns, kept: NDArray[np.intp] | None) -> NDArray[np.intp]:
    """The columns that stay: all, unless they are given."""
    return np.arange(len(columns)) if kept is None else kept


def rows_and_more(rows: Array, kept: NDArray[np.intp], more: Array) -> Array:
    """The rows at the indices kept (from 0, no mask), (m, n), then more, (k, n).

    In one go: activations are the largest arrays of a fit, and new memory costs more than copies.
    """
    joined = np.empty((len(kept) + len(more), rows.shape[1]))
    # Other modes of take go through a buffer.
    np.take(rows, kept, axis=0, out=joined[: len(kept)], mode="clip")
    joined[len(kept) :] = more
    return joined


AnyColumns = TypeVar("AnyColumns", bound=Columns)
AnyLoss = TypeVar("AnyLoss", bound=Loss)


@dataclass(frozen=True)
class Optimum:
    """Solution of a restricted problem.

    Attributes
    ----------
    coef : ndarray of shape (m, q)
    intercept : ndarray of shape (q,)
    prediction : ndarray of shape (n, q)
        On the samples.
    dual : ndarray of shape (n, q)
        Dual point: minus a (sub)gradient of the mean loss in the prediction, in the domain of the
        conjugate.
    """

    coef: Array
    intercept: Array
    prediction: Array
    dual: Array


def total_length(coef: Array) -> float:
    """``Σ_j ‖z_j‖₂`` over the rows of coefficients, (m, q) or (m,)."""
    if coef.ndim == 1 or coef.shape[1] == 1:
        return float(np.abs(coef).sum())
    return float(np.linalg.norm(coef, axis=1).sum())


class RestrictedProblem(ABC, Generic[AnyColumns, AnyLoss]):
    """``min Σ_i w_i ℓ(t + Σ_j z_j h_ij, y_i) + α Σ_j ‖z_j‖₂`` on columns ``h_j`` at hand.

    Some ``z_j`` may have to be of a given sign.

    Parameters
    ----------
    loss : Loss
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
        Positive, summing to 1.
    """

    def __init__(self, loss: AnyLoss, target: Array, weight: Array):
        self.loss = loss
        self.target = target
        self.weight = weight

    def objective(self, prediction: Array, coef: Array, alpha: float) -> float:
        """Mean loss of a prediction, (n, q), plus penalty of the coefficients."""
        loss = self.loss.value(prediction, self.target, self.weight)
        return loss + alpha * total_length(coef)

    @abstractmethod
    def no_columns(self) -> AnyColumns:
        """The problem without a neuron."""

    @abstractmethod
    def extend(
        self,
        columns: AnyColumns,
        activations: Array,
        signs: NDArray | None = None,
        kept: NDArray[np.intp] | None = None,
    ) -> AnyColumns:
        """Append neurons, given by activations (k, n) and the signs (k,) of their coefficients.

        Of the columns before, those at the indices ``kept`` stay: if None, all.
        """

    @abstractmethod
    def solve(
        self,
        columns: AnyColumns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
    ) -> Optimum:
        """Optimal coefficients and intercept, started from those given.

        The objective may be above the least one by ``accuracy``, where that saves time; by rounding
        only if it is 0.
        """

    @abstractmethod
    def covariance(self, columns: AnyColumns) -> Array:
        """Weighted covariances of the columns, (m, m)."""


class ByActivations(RestrictedProblem[Columns, AnyLoss]):
    """A restricted problem that keeps nothing but the activations."""

    def no_columns(self) -> Columns:
        """The problem without a neuron."""
        return Columns(np.empty((0, len(self.target))), np.empty(0, dtype=np.int8))

    def extend(
        self,
        columns: Columns,
        activations: Array,
        signs: NDArray | None = None,
        kept: NDArray[np.intp] | None = None,
    ) -> Columns:
        """Append neurons to the columns that are kept."""
        kept = indices_kept(columns, kept)
        return Columns(
            rows_and_more(columns.activations, kept, activations),
            np.concatenate([columns.signs[kept], signs_given(signs, activations)]),
        )

    def covariance(self, columns: Columns) -> Array:
        """Weighted covariances of the columns, (m, m)."""
        means = columns.activations @ self.weight
        centred = (columns.activations - means[:, None]) * np.sqrt(self.weight)
        return centred @ centred.T


def at_gradient(
    problem: RestrictedProblem[AnyColumns, SmoothLoss],
    columns: AnyColumns,
    coef: Array,
    intercept: Array,
) -> Optimum:
    """A solution for a smooth loss, with its dual point."""
    prediction = columns.predict(coef, intercept)
    dual = problem.loss.dual_point(prediction, problem.target, problem.weight)
    return Optimum(coef, intercept, prediction, dual)
