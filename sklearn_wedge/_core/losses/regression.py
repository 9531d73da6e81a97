"""Losses of a quantity: squared, Huber, absolute and quantile, Poisson, gamma."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import xlogy

from sklearn_wedge._core.losses.base import Array, SmoothLoss, sum_of_squares
from sklearn_wedge._core.losses.piecewise import PiecewiseLinear

if TYPE_CHECKING:
    import cvxpy

# Curvature of the Huber loss where it is linear, so that a step has a length.
CURVATURE_OF_LINES = 1e-8
# Predicted logarithms beyond this are so far off that only the direction matters.
LARGEST_LOGARITHM = 700.0


@dataclass(frozen=True)
class SquaredError(SmoothLoss):
    """Half the squared error, ``(f - y)² / 2``: the scaling of scikit-learn's ``Lasso``."""

    mean_tells_constant = True

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        return 0.5 * float(weight @ ((prediction - target) ** 2).sum(axis=1))

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss in the prediction: weight times residual."""
        return weight[:, None] * (target - prediction)

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction."""
        return np.broadcast_to(weight[:, None], target.shape)

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``: a lower bound on the problem wherever ``dual`` is feasible."""
        return float((dual * target).sum()) - 0.5 * sum_of_squares(dual, weight)

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,)."""
        return weight @ target

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""
        import cvxpy

        return cvxpy.square(prediction - target) / 2


@dataclass(frozen=True)
class Huber(SmoothLoss):
    """Half the squared error up to ``epsilon``, from there on linear with slope ``epsilon``.

    Parameters
    ----------
    epsilon : float or tuple of q floats
        Of all outputs, or of each.
    """

    epsilon: float | tuple[float, ...]

    @property
    def _epsilon(self) -> Array:
        return np.array(self.epsilon)

    def rescaled(self, target_scale: Array) -> Huber:
        """The same loss for targets divided by this."""
        return replace(self, epsilon=tuple((self._epsilon / target_scale).tolist()))

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        size = np.abs(prediction - target)
        inner = np.minimum(size, self._epsilon)
        return float(weight @ (inner**2 / 2 + self._epsilon * (size - inner)).sum(axis=1))

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss: weight times clipped residual."""
        return weight[:, None] * np.clip(target - prediction, -self._epsilon, self._epsilon)

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction."""
        inside = np.abs(target - prediction) <= self._epsilon
        return weight[:, None] * np.where(inside, 1.0, CURVATURE_OF_LINES)

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """As for the squared error; the domain is ``|v| <= w epsilon``."""
        return float((dual * target).sum()) - 0.5 * sum_of_squares(dual, weight)

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,)."""
        epsilons = np.broadcast_to(self._epsilon, target.shape[1])
        columns = zip(target.T, epsilons, strict=True)
        return np.array([_huber_constant(column, weight, eps) for column, eps in columns])

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""
        import cvxpy

        # CVXPY's function takes one epsilon for all entries.
        epsilon = np.broadcast_to(self._epsilon, target.shape)
        inside = cvxpy.huber(cvxpy.multiply(1.0 / epsilon, prediction - target), 1.0)
        return cvxpy.multiply(epsilon**2 / 2, inside)


def _huber_constant(target: Array, weight: Array, epsilon: float) -> float:
    """The best constant prediction of one target, (n,)."""

    def slope(constant: float) -> float:
        return float(weight @ np.clip(target - constant, -epsilon, epsilon))

    low, high = float(target.min()), float(target.max())
    if low == high or slope(low) <= 0:
        return low
    if slope(high) >= 0:
        return high
    return brentq(slope, low, high, xtol=1e-15 * (high - low), rtol=1e-14)


@dataclass(frozen=True)
class Pinball(PiecewiseLinear):
    """``above·(y - f)_+ + below·(f - y)_+``: the quantile at level ``above / (above + below)``.

    With both 1 it is the absolute error.

    Parameters
    ----------
    above, below : float or tuple of q floats
        Of all outputs, or of each: then the outputs are several quantiles of one target, which is
        repeated.
    """

    above: float | tuple[float, ...]
    below: float | tuple[float, ...]

    @property
    def outputs_of_target(self) -> int:
        """How many outputs are of one target."""
        return np.size(self.above)

    def hardest_output(self) -> tuple[int, Pinball] | None:
        """Of several quantiles the one next to the median."""
        if self.outputs_of_target == 1:
            return None
        above, below = np.array(self.above), np.array(self.below)
        hardest = int(np.argmax(above * below / (above + below)))
        return hardest, Pinball(float(above[hardest]), float(below[hardest]))

    def kinks(self, target: Array) -> Array:
        """The targets."""
        return target

    def slopes(self, target: Array) -> tuple[Array, Array]:
        """The same for all samples."""
        return -np.array(self.below), np.array(self.above)

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,): a quantile of each target."""
        above, below = np.array(self.above), np.array(self.below)
        levels = np.broadcast_to(above / (above + below), target.shape[1])
        columns = zip(target.T, levels, strict=True)
        return np.array([_quantile(column, weight, level) for column, level in columns])

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""
        import cvxpy

        low, high = (np.broadcast_to(slope, target.shape) for slope in self.slopes(target))
        residual = target - prediction
        return cvxpy.maximum(cvxpy.multiply(high, residual), cvxpy.multiply(low, residual))


def _quantile(target: Array, weight: Array, level: float) -> float:
    """The best constant prediction of one target, (n,)."""
    order = np.argsort(target, kind="stable")
    place = np.searchsorted(np.cumsum(weight[order]), level * weight.sum())
    return target[order[min(place, len(order) - 1)]]


@dataclass(frozen=True)
class Poisson(SmoothLoss):
    """Half the Poisson deviance with log link, ``exp f - y f + (y log y - y)``."""

    target_scaling = "mean"
    mean_tells_constant = True

    def impossible(self, target: Array) -> str | None:
        """Counts are not negative, and zeros alone have no minimiser."""
        if np.any(target < 0):
            return "Some value(s) of y are negative, which loss='poisson' does not allow."
        if not np.all(np.any(target > 0, axis=0)):
            which = "All y" if target.shape[1] == 1 else "All values of a column of y"
            return f"{which} are zero: loss='poisson' has no minimiser, predictions tend to 0."
        return None

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        constant = xlogy(target, target) - target
        return float(weight @ (_exp(prediction) - target * prediction + constant).sum(axis=1))

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss: weight times (target - mean)."""
        return weight[:, None] * (target - _exp(prediction))

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction."""
        return weight[:, None] * _exp(prediction)

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``, by the mean ``y - v/w >= 0`` that a dual point stands for."""
        mean = np.maximum(target - dual / weight[:, None], 0.0)
        constant = xlogy(target, target) - target
        return float(weight @ (constant - xlogy(mean, mean) + mean).sum(axis=1))

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,)."""
        return np.log(weight @ target)

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""
        import cvxpy

        constant = xlogy(target, target) - target
        return cvxpy.exp(prediction) - cvxpy.multiply(target, prediction) + constant


@dataclass(frozen=True)
class Gamma(SmoothLoss):
    """Half the gamma deviance with log link, ``f + y exp(-f) - log y - 1``."""

    target_scaling = "none"
    mean_tells_constant = True

    def impossible(self, target: Array) -> str | None:
        """Only positive quantities have a gamma deviance."""
        if np.any(target <= 0):
            return "Some value(s) of y are zero or negative, which loss='gamma' does not allow."
        return None

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        difference = np.log(target) - prediction
        return float(weight @ (_exp(difference) - difference - 1.0).sum(axis=1))

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss: weight times (target / mean - 1)."""
        return weight[:, None] * (_exp(np.log(target) - prediction) - 1.0)

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction."""
        return weight[:, None] * _exp(np.log(target) - prediction)

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``, by the ratio ``1 + v/w >= 0`` of target and mean."""
        ratio = np.maximum(1.0 + dual / weight[:, None], 0.0)
        # min over f of the loss + v f / w, at exp(-f) = ratio / y.
        least = ratio - 1.0 - xlogy(ratio, ratio) + (ratio - 1.0) * np.log(target)
        return float(weight @ least.sum(axis=1))

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,)."""
        return np.log(weight @ target)

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, of the shape of ``target``."""
        import cvxpy

        difference = np.log(target) - prediction
        return cvxpy.exp(difference) - difference - 1.0


def _exp(logarithm: Array) -> Array:
    return np.exp(np.minimum(logarithm, LARGEST_LOGARITHM))
