"""Convex losses as pure functions of prediction and target, with their duals.

Every array of predictions, targets or duals has shape (n, q). Weights have shape (n,), are positive
and sum to 1, so that a weighted sum is the mean of the training problem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
