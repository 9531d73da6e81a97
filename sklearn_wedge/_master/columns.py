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
    """

    activations: Array

    def __len__(self) -> int:
        return self.activations.shape[0]

    def take(self, which: NDArray) -> Columns:
        """The columns at these indices (or where a mask is true)."""
        return Columns(self.activations[which])

    def predict(self, coef: Array, intercept: Array) -> Array:
        """``intercept + Σ_j coef_j activation_j``, of shape (n, q)."""
        return intercept + self.activations.T @ coef


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
    def extend(self, columns: AnyColumns, activations: Array) -> AnyColumns:
        """Append neurons, given by their activations of shape (k, n)."""

    @abstractmethod
    def solve(self, columns: AnyColumns, alpha: float, coef: Array, intercept: Array) -> Optimum:
        """Optimal coefficients and intercept, started from those given."""

    @abstractmethod
    def covariance(self, columns: AnyColumns) -> Array:
        """Weighted covariances of the columns, (m, m)."""


class ByActivations(RestrictedProblem[Columns, AnyLoss]):
    """A restricted problem that keeps nothing but the activations."""

    def no_columns(self) -> Columns:
        """The problem without a neuron."""
        return Columns(np.empty((0, len(self.target))))

    def extend(self, columns: Columns, activations: Array) -> Columns:
        """Append neurons, given by their activations of shape (k, n)."""
        return Columns(np.concatenate([columns.activations, activations]))

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
