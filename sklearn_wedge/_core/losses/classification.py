"""Losses of classes, as 0 or 1 in each output: log loss, multinomial, hinge, squared hinge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, xlog1py, xlogy

from sklearn_wedge._core.losses.base import Array, SmoothLoss, sum_of_squares
from sklearn_wedge._core.losses.piecewise import PiecewiseLinear

if TYPE_CHECKING:
    import cvxpy

# Second derivatives below this are replaced by it: a saturated sample must not make the quadratic
# model of the loss singular.
LEAST_CURVATURE = 1e-16
# Curvature of the squared hinge where it is zero, so that a step has a length.
CURVATURE_OF_ZERO = 1e-8


def _side(target: Array) -> Array:
    """-1 for 0, 1 for 1."""
    return 2.0 * target - 1.0


def _softmax(prediction: Array) -> Array:
    """Probabilities; SciPy's function takes twice as long to say the same of some hundred rows."""
    p = np.exp(prediction - prediction.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p


@dataclass(frozen=True)
class LogLoss(SmoothLoss):
    """The log loss of two classes, ``log(1 + exp f) - y f`` with targets 0 and 1."""

    target_scaling = "none"
    mean_tells_constant = True

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
        """Second derivative of the mean loss in the prediction."""
        curvature = expit(prediction) * expit(-prediction)
        return weight[:, None] * np.maximum(curvature, LEAST_CURVATURE)

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

        return cvxpy.logistic(cvxpy.multiply(-_side(target), prediction))


@dataclass(frozen=True)
class Multinomial(SmoothLoss):
    """The log loss of several classes, ``log Σ_k exp f_k - f_y``; targets are one-hot."""

    target_scaling = "none"
    mean_tells_constant = True

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        # Relative to the class of the sample: nothing cancels where the loss is small.
        relative = prediction - (prediction * target).sum(axis=1, keepdims=True)
        relative[target > 0.5] = -np.inf
        largest = relative.max(axis=1)
        np.exp(np.subtract(relative, largest[:, None], out=relative), out=relative)
        others = largest + np.log(relative.sum(axis=1))
        return float(weight @ np.logaddexp(0.0, others))

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss: weight times (target - probability)."""
        others = np.where(target > 0.5, 0.0, _softmax(prediction))
        # 1 - p of the class of the sample is the sum of the others.
        residual = np.where(target > 0.5, others.sum(axis=1, keepdims=True), -others)
        return weight[:, None] * residual

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivatives of the mean loss in the prediction, (n, q, q)."""
        p = np.maximum(_softmax(prediction), LEAST_CURVATURE)
        curvature = -p[:, :, None] * p[:, None, :]
        k = np.arange(p.shape[1])
        curvature[:, k, k] += p
        return weight[:, None, None] * curvature

    def total_curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """The sum of the second derivatives over the samples, (q, q)."""
        p = np.maximum(_softmax(prediction), LEAST_CURVATURE)
        weighted = weight[:, None] * p
        return np.diag(weighted.sum(axis=0)) - weighted.T @ p

    def mean_curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """The mean over the classes of the second derivatives of each sample, (n,)."""
        p = _softmax(prediction)
        return weight * np.maximum((p * (1.0 - p)).mean(axis=1), LEAST_CURVATURE)

    def curvature_operator(
        self, prediction: Array, target: Array, weight: Array
    ) -> Callable[[Array], Array]:
        """The second derivatives as a function from directions, (n, q), to their images."""
        p = _softmax(prediction)

        def times(direction: Array) -> Array:
            along = p * direction
            return weight[:, None] * (along - p * along.sum(axis=1, keepdims=True))

        return times

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``: the mean entropy of the probabilities ``y - v/w``."""
        residual = dual / weight[:, None]
        p = np.clip(target - residual, 0.0, 1.0)
        # Near 1 the logarithm comes from what is missing.
        entropy = np.where(target > 0.5, -xlog1py(p, -np.clip(residual, 0.0, 1.0)), -xlogy(p, p))
        return float(weight @ entropy.sum(axis=1))

    def imbalance(self, dual: Array, target: Array, weight: Array) -> Array:
        """Means of the probabilities that the dual point stands for, and of the targets, (2, q)."""
        return np.array([weight @ (target - dual / weight[:, None]), weight @ target])

    def balance(self, imbalance: Array, dual: Array, target: Array, weight: Array) -> Array:
        """Mix the probabilities that the dual point stands for with others of the right mean.

        Shrinking single entries would leave the simplex. With ``p`` the mean of the probabilities
        and ``y`` that of the targets, the least share ``ε`` of ``r = p + (y - p) / ε`` with
        ``r >= 0`` makes the means equal.
        """
        mean, wanted = imbalance
        shortfall = 1.0 - np.divide(wanted, mean, out=np.ones_like(mean), where=mean > 0)
        share = float(np.maximum(shortfall, 0.0).max())
        if share == 0.0:
            return dual
        rest = np.maximum(mean + (wanted - mean) / share, 0.0)
        # The residuals are mixed: probabilities near 1 would lose what is missing.
        residual = dual / weight[:, None]
        return weight[:, None] * ((1.0 - share) * residual + share * (target - rest))

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,); sums to zero."""
        logarithm = np.log(weight @ target)
        return logarithm - logarithm.mean()

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Losses of the samples for CVXPY, (n,)."""
        import cvxpy

        own = cvxpy.sum(cvxpy.multiply(target, prediction), axis=1)
        return cvxpy.log_sum_exp(prediction, axis=1) - own


@dataclass(frozen=True)
class Hinge(PiecewiseLinear):
    """``(1 - s f)_+`` in each output, with ``s = -1`` for target 0 and ``1`` for target 1."""

    target_scaling = "none"
    mean_tells_constant = True
    n_pairs = 2

    def kinks(self, target: Array) -> Array:
        """The margins of 1."""
        return _side(target)

    def slopes(self, target: Array) -> tuple[Array, Array]:
        """One of them is 0: beyond the margin nothing is lost."""
        return np.minimum(_side(target), 0.0), np.maximum(_side(target), 0.0)

    def pair_of_slopes(self, target: Array) -> NDArray[np.intp]:
        """That of the class."""
        return target[:, 0].astype(np.intp)

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,): the side of the majority."""
        return np.sign(weight @ _side(target))

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""
        import cvxpy

        return cvxpy.pos(1.0 - cvxpy.multiply(_side(target), prediction))


@dataclass(frozen=True)
class SquaredHinge(SmoothLoss):
    """``(1 - s f)_+²`` in each output, with ``s = -1`` for target 0 and ``1`` for target 1."""

    target_scaling = "none"
    mean_tells_constant = True

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        short = np.maximum(1.0 - _side(target) * prediction, 0.0)
        return float(weight @ (short**2).sum(axis=1))

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss."""
        side = _side(target)
        return 2.0 * weight[:, None] * side * np.maximum(1.0 - side * prediction, 0.0)

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction."""
        inside = _side(target) * prediction <= 1.0
        return 2.0 * weight[:, None] * np.where(inside, 1.0, CURVATURE_OF_ZERO)

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``; the domain is ``s v >= 0``."""
        return float((dual * _side(target)).sum()) - 0.25 * sum_of_squares(dual, weight)

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,)."""
        return weight @ _side(target)

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""
        import cvxpy

        return cvxpy.square(cvxpy.pos(1.0 - cvxpy.multiply(_side(target), prediction)))
