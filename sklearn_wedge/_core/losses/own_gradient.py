"""A convex loss written by the user with its derivatives and its conjugate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from sklearn_wedge._core.losses.base import Array, SmoothLoss

if TYPE_CHECKING:
    import cvxpy

# Second derivatives below this are replaced by it: a step has a length.
LEAST_CURVATURE = 1e-12
# Places at which a loss is held against its conjugate, in units of the spread of the target.
PLACES = (-2.0, -0.7, 0.1, 0.9, 2.3)
# How far values may be from what the conjugate says of them, relative to their size.
AGREEMENT = 1e-7
# Or so many times what rounding is seen to be next to a place: at so small a fraction of a distance
# values are on a line but for rounding.
ROUNDINGS, NUDGE, NUDGES = 64.0, 1e-6, (-1.0, -0.4, 0.3, 0.7)
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
            wrong = self._wrong_at(np.full_like(y, np.median(y) + place * spread), y, spread)
            if wrong is not None:
                return wrong
        if not np.all(np.isfinite(self.own.conjugate(np.zeros_like(y), y))):
            return f"{self._name} is not bounded below: its conjugate is infinite at slope 0."
        return None

    def _wrong_at(self, f: Array, y: Array, spread: float) -> str | None:
        """What is wrong with the methods at predictions and targets, (n,) each, of a spread."""
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
        conjugate = np.asarray(self.own.conjugate(slope, y), dtype=np.float64)
        noise = _noise(lambda f: self.own.value(f, y), value, f, slope, np.full_like(f, spread))
        noise += _noise(lambda g: self.own.conjugate(g, y), conjugate, slope, f, np.abs(slope))
        size = np.abs(value) + np.abs(slope * f) + np.abs(conjugate)
        allowed = AGREEMENT * size + ROUNDINGS * noise
        if not np.all(np.abs(value - (slope * f - conjugate)) <= allowed):
            return (
                f"{self._name}: at its gradient g the conjugate must be g · f - value(f, y); some "
                "of value, gradient and conjugate are not of the same convex loss, or, for targets "
                "so close to one another, little but rounding is left of them."
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
        return weight[:, None] * np.maximum(curvature, LEAST_CURVATURE)

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

        return np.array([root_of_slope(slope, float(target.min()), float(target.max()))])

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Losses for CVXPY, if the object can also be called with an expression."""
        return self.own(prediction, target)


def root_of_slope(slope: Callable[[float], float], low: float, high: float) -> float:
    """Where the slope of a convex function is zero, looked for from an interval on.

    Raises
    ------
    ValueError
        If it is zero nowhere that doubled intervals reach.
    """
    reach = (high - low) or abs(low) or 1.0
    for _ in range(DOUBLINGS):
        at_low, at_high = slope(low), slope(high)
        if at_low <= 0 <= at_high:
            break
        low, high = low - reach * (at_low > 0), high + reach * (at_high < 0)
        reach *= 2
    else:
        raise ValueError("The loss has no best constant prediction.")
    if low == high:
        return low
    return float(brentq(slope, low, high, xtol=1e-15 * (high - low), rtol=1e-14))


def _noise(
    function: Callable[[Array], NDArray], values: Array, at: Array, slope: Array, size: Array
) -> Array:
    """How far values close to these are from the line through them: what rounding does."""
    seen = np.zeros_like(at)
    reach = np.maximum(NUDGE * size, 8 * np.finfo(float).eps * np.abs(at))
    for nudge in NUDGES:
        near = at + nudge * reach
        with np.errstate(all="ignore"):
            off = np.abs(np.asarray(function(near)) - values - slope * (near - at))
        seen = np.maximum(seen, np.where(np.isfinite(off), off, 0.0))
    return seen
