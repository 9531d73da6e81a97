"""A convex loss written by the user as a CVXPY expression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_wedge._core.losses.base import Array, KinkedLoss, Units
from sklearn_wedge._core.losses.solver import ONE_AT_A_TIME, solve_in_place

if TYPE_CHECKING:
    import cvxpy

# Slopes towards infinity are taken between this and twice this, in units of the target.
FAR = 1e6
# Fraction by which a dual point stays inside its domain: on the edge, a solver cannot tell.
INSIDE = 1e-9
# Asked of the solver; how close it gets does not matter for a bound, only for how good it is.
TOLERANCES = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
# Distances, in units, at which losses are looked at on both sides of where the solver ended.
STEPS = 10.0 ** np.arange(-9.0, 4.0, 0.5)
# What is left of a difference of two values by rounding, relative to the larger of them, with
# chords prolonged by up to three times their length.
ROUNDING = 16 * np.finfo(float).eps
# Agreement of losses with those of the same samples in another order, or fewer of them.
ELEMENTWISE = 1e-9


@dataclass(frozen=True)
class OwnLoss(KinkedLoss):
    """``function(f, y)``: elementwise losses of predictions and targets in original units.

    Everything else is derived with CVXPY: the conjugate is the least value of the Lagrangian, one
    small problem; the domain of the dual comes from the slopes of the loss far out.

    Parameters
    ----------
    function : callable
        Takes a CVXPY expression and an array, both of shape (n,); returns an expression of shape
        (n,), convex in the first.
    """

    function: Callable[[Any, Array], Any]
    _kept: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    target_scaling = "none"
    least = -np.inf

    def __getstate__(self) -> dict[str, Any]:
        return {"function": self.function, "_kept": {}}

    def rescaled(self, target_scale: Array) -> OwnLoss:
        """The same loss with nothing kept: of each sample something else is, perhaps in threads."""
        return OwnLoss(self.function)

    def impossible(self, target: Array) -> str | None:
        """What makes the function no convex elementwise loss that is bounded below."""
        import cvxpy

        n = len(target)
        try:
            losses = self.function(cvxpy.Variable(n), target[:, 0])
        except Exception as error:
            raise ValueError(
                f"{self._name} failed when called with a CVXPY variable and an array, both of "
                f"shape ({n},): {type(error).__name__}: {error} Write it with CVXPY's own "
                "functions (https://www.cvxpy.org/tutorial/functions/)."
            ) from error
        if not isinstance(losses, cvxpy.Expression):
            return f"{self._name} must return a CVXPY expression, got {type(losses).__name__}."
        if losses.shape != (n,):
            return (
                f"{self._name} must return one loss per sample, of shape ({n},), got shape "
                f"{losses.shape}. Do not sum over the samples: they are weighted and averaged."
            )
        if not losses.is_convex():
            return (
                f"{self._name} is not convex in its first argument by the rules of CVXPY (DCP): "
                f"its curvature is {losses.curvature}. See https://dcp.stanford.edu/."
            )
        return self._not_elementwise(target) or self._not_bounded(target)

    def _not_elementwise(self, target: Array) -> str | None:
        """Whether the loss of a sample depends on anything but its prediction and target."""
        reverse, first = slice(None, None, -1), slice(0, (len(target) + 1) // 2)
        prediction = _spread(target) * np.cos(np.arange(len(target))) + np.median(target)
        losses = self._losses(prediction, target)
        for part in (reverse, first):
            try:
                again = self._losses(prediction[part], target[part])
                size = np.abs(losses[np.isfinite(losses)]).max(initial=0.0)
                same = np.allclose(again, losses[part], rtol=0.0, atol=ELEMENTWISE * size)
            except ValueError:  # shapes: it holds on to an array of its own
                same = False
            if not same and np.all(np.isfinite(losses)):
                return (
                    f"{self._name} must depend on f and y element by element: the loss of a sample "
                    "changes with the other samples, or with their order. Rows are merged and "
                    "reordered inside; pass weights as sample_weight."
                )
        return None

    def _not_bounded(self, target: Array) -> str | None:
        low, high = self._slopes(target)
        if np.any(low > 0) or np.any(high < 0):
            return (
                f"{self._name} is not bounded below: it falls without end as a prediction goes to "
                "infinity, and there is no best network."
            )
        return None

    @property
    def _name(self) -> str:
        return f"loss={getattr(self.function, '__name__', repr(self.function))}"

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        return float(weight @ self._losses(prediction[:, 0], target))

    def _losses(self, prediction: Array, target: Array) -> Array:
        """Losses of the samples; infinite outside the domain of the expression."""
        import cvxpy

        variable = cvxpy.Variable(len(prediction), value=prediction)
        losses = self.function(variable, target[:, 0])
        with np.errstate(all="ignore"):
            values = np.array(losses.value, dtype=np.float64)
        for constraint in losses.domain:
            violated = np.asarray(constraint.violation())
            if violated.shape == values.shape:
                values[violated > 0] = np.inf
        return values

    def units(self, target: Array, weight: Array) -> Units:
        """A centre and spread of predictions, and what the loss varies by over these."""
        if not self._keeps(target, weight):
            self._kept.clear()
            order = np.argsort(target[:, 0], kind="stable")
            middle = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
            centre = float(target[order[min(middle, len(order) - 1)], 0])
            units = Units(centre, _spread(target), self._variation(centre, target, weight))
            self._kept.update(target=target, weight=weight, units=units)
        return self._kept["units"]

    def _keeps(self, target: Array, weight: Array) -> bool:
        return self._kept.get("target") is target and self._kept.get("weight") is weight

    def _variation(self, centre: float, target: Array, weight: Array) -> float:
        spread, ones = _spread(target), np.ones(len(target))
        middle, low, high = (
            self._losses((centre + side * spread) * ones, target) for side in (0.0, -1.0, 1.0)
        )
        with np.errstate(invalid="ignore"):
            change = np.concatenate([np.abs(low - middle), np.abs(high - middle)])
        usable = np.isfinite(change)
        if not usable.any():
            return 1.0
        return float(np.tile(weight, 2)[usable] @ change[usable]) or 1.0

    def _slopes(self, target: Array) -> tuple[Array, Array]:
        """Slopes of the losses far to the left and far to the right, (n,) each."""
        far = FAR * (float(np.abs(target).max(initial=0.0)) or 1.0)
        losses = [self._losses(np.full(len(target), end * far), target) for end in (-2, -1, 1, 2)]
        with np.errstate(over="ignore", invalid="ignore"):
            low, high = (losses[1] - losses[0]) / far, (losses[3] - losses[2]) / far
        # Where both ends are infinite the loss rises beyond all bounds.
        return np.nan_to_num(low, nan=-np.inf), np.nan_to_num(high, nan=np.inf)

    def within_domain(self, dual: Array, target: Array, weight: Array) -> Array:
        """The nearest dual point with ``-v/w`` between the slopes of the loss far out."""
        self.units(target, weight)
        if "slopes" not in self._kept:
            self._kept["slopes"] = self._slopes(target)
        low, high = self._kept["slopes"]
        shrunk = 1.0 - INSIDE
        bounds = -shrunk * high * weight, -shrunk * low * weight
        return np.clip(dual[:, 0], *bounds)[:, None]

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``: the least value of ``Σ w ℓ(f) + v·f``, bounded from below."""
        at = self._minimiser(dual[:, 0], target, weight)
        if at is None:
            return -np.inf
        steps = self.units(target, weight).spread * STEPS
        least = self._bounds(at, dual[:, 0] / weight, steps, target)
        return float(weight @ least) if np.all(np.isfinite(least)) else -np.inf

    def _bounds(self, at: Array, slope: Array, steps: Array, target: Array) -> Array:
        """Lower bounds on the least values of ``ℓ(f) + slope·f``, (n,), from values alone.

        Between two points, a convex function is above the chords of the points to the left and of
        those to the right, prolonged. No solver has to be trusted for that.
        """
        offsets = np.concatenate([-steps[::-1], [0.0], steps])
        points = at[:, None] + offsets
        n, k = points.shape
        tiled = np.repeat(target, k, axis=0)
        losses, linear = self._losses(points.ravel(), tiled).reshape(n, k), slope[:, None] * points
        values = losses + linear
        noise = ROUNDING * (np.where(np.isfinite(losses), np.abs(losses), 0.0) + np.abs(linear))
        with np.errstate(all="ignore"):
            bounds = _below_chords(values, noise, np.diff(offsets))
            # Outside the second and the last but one point no bound is known: values must rise
            # towards them. A rise that is less than rounding may be a fall.
            left, right = values[:, 1] - values[:, 2], values[:, -2] - values[:, -3]
            rises = left > noise[:, 1:3].max(axis=1), right > noise[:, -3:-1].max(axis=1)
        ends = np.isinf(values[:, 1]) | rises[0], np.isinf(values[:, -2]) | rises[1]
        return np.where(ends[0] & ends[1] & np.isfinite(bounds), bounds, -np.inf)

    def floor(self, target: Array, weight: Array) -> float:
        """The mean of the least losses of the samples, as near as the solver gets."""
        at = self._minimiser(np.zeros(len(target)), target, weight)
        return 0.0 if at is None else self.value(at[:, None], target, weight)

    def _minimiser(self, dual: Array, target: Array, weight: Array) -> Array | None:
        """Where ``Σ w ℓ(f) + v·f`` is least, (n,), as near as the solver gets; None if it fails."""
        units = self.units(target, weight)
        problem, multiplier, prediction = self._lagrangian(target, weight)
        multiplier.value = dual * (units.spread / units.worth)
        solve_in_place(problem, **TOLERANCES)
        if prediction.value is None:
            return None
        return units.centre + units.spread * prediction.value

    def _lagrangian(
        self, target: Array, weight: Array
    ) -> tuple[cvxpy.Problem, cvxpy.Parameter, cvxpy.Variable]:
        """The problem of ``_minimiser`` in units, compiled once for a sample."""
        import cvxpy

        units = self.units(target, weight)
        if "lagrangian" not in self._kept:
            with ONE_AT_A_TIME:
                f, multiplier = cvxpy.Variable(len(target)), cvxpy.Parameter(len(target))
                losses = self.function(units.centre + units.spread * f, target[:, 0]) / units.worth
                problem = cvxpy.Problem(cvxpy.Minimize(weight @ losses + multiplier @ f))
            self._kept["lagrangian"] = problem, multiplier, f
        return self._kept["lagrangian"]

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (1,)."""
        import cvxpy

        units, constant = self.units(target, weight), cvxpy.Variable()
        everywhere = (units.centre + units.spread * constant) * np.ones(len(target))
        losses = self.function(everywhere, target[:, 0]) / units.worth
        problem = cvxpy.Problem(cvxpy.Minimize(weight @ losses))
        solve_in_place(problem, **TOLERANCES)
        if constant.value is None:
            raise ValueError(
                f"{self._name} has no best constant prediction that CVXPY (CLARABEL) can find: it "
                f"ended as {problem.status}. Check that the loss is finite and not badly scaled."
            )
        return np.array([units.centre + units.spread * float(constant.value)])

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Losses of the samples for CVXPY, (n,)."""
        return self.function(prediction, target)


def _below_chords(values: Array, noise: Array, gaps: Array) -> Array:
    """The least that convex functions can be between their second and last but one points, (n,).

    ``values``, (n, k), are at points that are ``gaps`` apart, and known up to ``noise``. Far out
    they may be huge, which must not blur a bound elsewhere: each line has its own noise.
    """
    finite = np.isfinite(values)
    rise = np.diff(np.where(finite, values, 0.0), axis=1) / gaps
    blur = np.maximum(noise[:, :-1], noise[:, 1:])
    known = finite[:, :-1] & finite[:, 1:]
    gap, low, high = gaps[1:-1], values[:, 1:-2], values[:, 2:-1]
    # Without a chord, outside the domain, there is no line.
    from_left = np.where(known[:, :-2], rise[:, :-2], np.nan)
    from_right = np.where(known[:, 2:], rise[:, 2:], np.nan)
    left = low - blur[:, :-2]
    right = high - gap * from_right - blur[:, 2:]
    # Where the lines go the same way, the larger of their least values is the least of the larger.
    least = np.fmax(
        left + gap * np.minimum(from_left, 0.0), right + gap * np.minimum(from_right, 0.0)
    )
    # Else it is where they cross: of both lines the lower there, as rounding moves the place.
    with np.errstate(invalid="ignore", divide="ignore"):
        share = ((right - left) / (from_left - from_right)).clip(0.0, gap)
    crossing = np.minimum(left + share * from_left, right + share * from_right)
    least = np.where((from_left < 0) & (from_right > 0), np.fmax(least, crossing), least)
    outside = np.isinf(low) & np.isinf(high)
    return np.where(outside, np.inf, np.where(np.isnan(least), -np.inf, least)).min(axis=1)


def _spread(target: Array) -> float:
    """A length for predictions: the standard deviation of the target, or 1."""
    low, high = float(target.min()), float(target.max())
    if low == high:
        return abs(low) or 1.0
    return float(np.std(target / (high - low))) * (high - low)
