"""Convex losses as pure functions of prediction and target, with their duals.

Every array of predictions, targets or duals has shape (n, q). Weights have shape (n,), are positive
and sum to 1, so that a weighted sum is the mean of the training problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, xlog1py, xlogy

if TYPE_CHECKING:
    import cvxpy

Array = NDArray[np.float64]

# Second derivatives below this are replaced by it: a saturated sample must not make the quadratic
# model of the loss singular.
LEAST_CURVATURE = 1e-16


class Loss(Protocol):
    """What the restricted problem and the certificate need to know of a loss."""

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss in the prediction, (n, q)."""

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction, (n,); positive."""

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``: a lower bound on the problem wherever ``dual`` is feasible."""

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,)."""

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""


@dataclass(frozen=True)
class SquaredError:
    """Half the squared error, ``(f - y)² / 2``: the scaling of scikit-learn's ``Lasso``."""

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        return 0.5 * float(weight @ ((prediction - target) ** 2).sum(axis=1))

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss in the prediction: weight times residual."""
        return weight[:, None] * (target - prediction)

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction, one per sample."""
        return weight

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``: a lower bound on the problem wherever ``dual`` is feasible."""
        return float((dual * target).sum() - 0.5 * (dual**2).sum(axis=1) @ (1.0 / weight))

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,)."""
        return weight @ target

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""
        import cvxpy

        return cvxpy.square(prediction - target) / 2


@dataclass(frozen=True)
class LogLoss:
    """The log loss of two classes, ``log(1 + exp f) - y f`` with targets 0 and 1."""

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        # log(1 + exp f) - y f, from the side on which nothing cancels.
        margin = np.where(target > 0.5, prediction, -prediction)
        return float(weight @ np.logaddexp(0.0, -margin).sum(axis=1))

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss: weight times (target - probability)."""
        residual = np.where(target > 0.5, expit(-prediction), -expit(prediction))
        return weight[:, None] * residual

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction, one per sample."""
        curvature = expit(prediction[:, 0]) * expit(-prediction[:, 0])
        return weight * np.maximum(curvature, LEAST_CURVATURE)

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``; the conjugate is minus the entropy of the probability ``y - v/w``."""
        # |v| / w is the probability of the class that the sample is not of.
        other = np.clip(np.abs(dual) / weight[:, None], 0.0, 1.0)
        entropy = -xlogy(other, other) - xlog1py(1.0 - other, -other)
        return float(weight @ entropy.sum(axis=1))

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (1,): the log odds."""
        # Not the log odds of a mean that may round to 1.
        return np.log(weight @ target) - np.log(weight @ (1.0 - target))

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""
        import cvxpy

        return cvxpy.logistic(cvxpy.multiply(1.0 - 2.0 * target, prediction))


def balanced(dual: Array) -> Array:
    """Make every column of a dual point sum to zero by shrinking its heavier sign.

    Subtracting the mean could leave the domain of the conjugate; shrinking towards zero cannot.
    """
    up, down = np.maximum(dual, 0.0), np.maximum(-dual, 0.0)
    total_up, total_down = up.sum(axis=0), down.sum(axis=0)
    level = np.minimum(total_up, total_down)
    shrink_up = np.divide(level, total_up, out=np.ones_like(level), where=total_up > 0)
    shrink_down = np.divide(level, total_down, out=np.ones_like(level), where=total_down > 0)
    return up * shrink_up - down * shrink_down
