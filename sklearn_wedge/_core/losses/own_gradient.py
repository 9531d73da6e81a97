"""A convex loss written by the user with its derivatives and its conjugate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from sklearn_wedge._core.losses.base import Array, SmoothLoss

if TYPE_CHECKING:
    import cvxpy

# Second derivatives below this fraction of the largest are replaced by it: a step has a length.
LEAST_CURVATURE = 1e-8
# Places at which a loss is held against its conjugate, in units of the spread of the target.
PLACES = (-2.0, -0.7, 0.1, 0.9, 2.3)
# How far values may be from what the conjugate says of them, relative to their size.
AGREEMENT = 1e-7
# Doublings of an interval until the best constant is inside.
DOUBLINGS = 60


@runtime_checkable
class LossWithGradient(Protocol):
    """What ``loss`` of a regressor may be: a convex loss of your own with a gradient.

    Any object with these methods will do. All take and return arrays of shape (n,), in original
    units, and work element by element. The loss is convex and differentiable in the prediction, and
    bounded below. Fits are as fast as those by names; without a gradient, pass a function of CVXPY.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import LossWithGradient, WedgeReLURegressor
    >>> class Expectile:
    ...     def __init__(self, level):
    ...         self.level = level
    ...
    ...     def _side(self, above):
    ...         return np.where(above, self.level, 1 - self.level)
    ...
    ...     def value(self, f, y):
    ...         return self._side(y > f) * (y - f) ** 2
    ...
    ...     def gradient(self, f, y):
    ...         return 2 * self._side(y > f) * (f - y)
    ...
    ...     def curvature(self, f, y):
    ...         return 2 * self._side(y > f)
    ...
    ...     def conjugate(self, slope, y):
    ...         return slope * y + slope**2 / (4 * self._side(slope < 0))
    >>> isinstance(Expectile(0.9), LossWithGradient)
    True
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> y = np.abs(X[:, 0])
    >>> model = WedgeReLURegressor(alpha=0.01, loss=Expectile(0.9)).fit(X, y)
    >>> model.certificate_.exact
    True
    """

    def value(self, f: NDArray, y: NDArray) -> NDArray:
        """Losses of predictions ``f`` and targets ``y``."""

    def gradient(self, f: NDArray, y: NDArray) -> NDArray:
        """Their derivatives in the predictions."""

    def curvature(self, f: NDArray, y: NDArray) -> NDArray:
        """Their second derivatives in the predictions, not negative."""

    def conjugate(self, slope: NDArray, y: NDArray) -> NDArray:
        """``sup over f of slope · f - value(f, y)``: infinite where there is no such number."""


@dataclass(frozen=True)
class OwnSmoothLoss(SmoothLoss):
    """A loss of the user's own with a gradient, in original units."""

    own: LossWithGradient

    target_scaling = "none"
    least = -np.inf

    def _of(self, method: str, first: Array, target: Array) -> Array:
        """What a method makes of a column, (n, 1), and the targets."""
        found = getattr(self.own, method)(first[:, 0], target[:, 0])
        return np.asarray(found, dtype=np.float64)[:, None]

    @property
    def _name(self) -> str:
        return f"loss={type(self.own).__name__}"

    def impossible(self, target: Array) -> str | None:
        """What makes the methods no convex loss with its conjugate."""
        y = target[:, 0]
        spread = float(np.std(y)) or abs(float(y[0])) or 1.0
        for place in PLACES:
            wrong = self._wrong_at(np.full_like(y, np.median(y) + place * spread), y)
            if wrong is not None:
                return wrong
        if not np.all(np.isfinite(self.own.conjugate(np.zeros_like(y), y))):
            return f"{self._name} is not bounded below: its conjugate is infinite at slope 0."
        return None

    def _wrong_at(self, f: Array, y: Array) -> str | None:
        """What is wrong with the methods at predictions and targets, (n,) each."""
        methods = self.own.value, self.own.gradient, self.own.curvature
        value, slope, curvature = (np.asarray(method(f, y), dtype=np.float64) for method in methods)
        shapes = [part.shape for part in (value, slope, curvature) if part.shape != y.shape]
        if shapes:
            return (
                f"{self._name} must return one number per sample, of shape {y.shape}, got shape "
                f"{shapes[0]}. Do not sum over the samples: they are weighted and averaged."
            )
        if np.any(curvature < 0):
            return f"{self._name} is not convex: some of its curvatures are negative."
        touching = slope * f - np.asarray(self.own.conjugate(slope, y))
        size = 1.0 + np.abs(value) + np.abs(slope * f)
        if not np.all(np.abs(value - touching) <= AGREEMENT * size):
            return (
                f"{self._name}: at its gradient g the conjugate must be g · f - value(f, y); some "
                "of value, gradient and conjugate are not of the same convex loss."
            )
        return None

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        return float(weight @ self._of("value", prediction, target)[:, 0])

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss in the prediction."""
        return -weight[:, None] * self._of("gradient", prediction, target)

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction."""
        curvature = self._of("curvature", prediction, target)
        least = LEAST_CURVATURE * (float(curvature.max(initial=0.0)) or 1.0)
        return weight[:, None] * np.maximum(curvature, least)

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``."""
        return -float(weight @ self._of("conjugate", -dual / weight[:, None], target)[:, 0])

    def floor(self, target: Array, weight: Array) -> float:
        """The mean of the least losses of the samples."""
        return self.dual_value(np.zeros_like(target), target, weight)

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (1,)."""

        def slope(constant: float) -> float:
            return -float(self.dual_point(np.full_like(target, constant), target, weight).sum())

        low, high = float(target.min()), float(target.max())
        reach = (high - low) or abs(low) or 1.0
        for _ in range(DOUBLINGS):
            if slope(low) <= 0 <= slope(high):
                break
            low, high = low - reach * (slope(low) > 0), high + reach * (slope(high) < 0)
            reach *= 2
        else:
            raise ValueError(f"{self._name} has no best constant prediction.")
        if low == high:
            return np.array([low])
        return np.array([brentq(slope, low, high, xtol=1e-15 * (high - low), rtol=1e-14)])

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Losses for CVXPY, if the object can also be called with an expression."""
        return self.own(prediction, target)
