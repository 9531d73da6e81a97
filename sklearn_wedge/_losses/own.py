"""A convex loss written by the user as a CVXPY expression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_wedge._losses.base import Array, KinkedLoss

if TYPE_CHECKING:
    import cvxpy

# Slopes towards infinity are taken between this and twice this, in units of the target.
FAR = 1e6
# Fraction by which a dual point stays inside its domain: on the edge, a solver cannot tell.
INSIDE = 1e-9


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
        import cvxpy

        losses = self.function(cvxpy.Constant(prediction), target[:, 0])
        return np.asarray(losses.value, dtype=np.float64)

    def _slopes(self, target: Array) -> tuple[Array, Array]:
        """Slopes of the losses far to the left and far to the right, (n,) each."""
        far = FAR * max(1.0, float(np.abs(target).max(initial=0.0)))
        ends = np.array([-2.0, -1.0, 1.0, 2.0]) * far
        with np.errstate(over="ignore", invalid="ignore"):
            losses = [self._losses(np.full(len(target), end), target) for end in ends]
            low, high = (losses[1] - losses[0]) / far, (losses[3] - losses[2]) / far
        # Where both ends overflow the loss rises beyond all bounds.
        return np.nan_to_num(low, nan=-np.inf), np.nan_to_num(high, nan=np.inf)

    def within_domain(self, dual: Array, target: Array, weight: Array) -> Array:
        """The nearest dual point with ``-v/w`` between the slopes of the loss far out."""
        low, high = self._slopes(target)
        shrunk = 1.0 - INSIDE
        bounds = -shrunk * high * weight, -shrunk * low * weight
        return np.clip(dual[:, 0], *bounds)[:, None]

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``: the least value of ``Σ w ℓ(f) + v·f``."""
        problem, multiplier = self._lagrangian(target, weight)
        multiplier.value = dual[:, 0]
        least = problem.solve(solver="CLARABEL")
        return float(least) if np.isfinite(least) else -np.inf

    def _lagrangian(self, target: Array, weight: Array) -> tuple[cvxpy.Problem, cvxpy.Parameter]:
        """The problem of ``dual_value``, compiled once for a sample."""
        import cvxpy

        if self._kept.get("target") is not target or self._kept.get("weight") is not weight:
            f, multiplier = cvxpy.Variable(len(target)), cvxpy.Parameter(len(target))
            losses = weight @ self.function(f, target[:, 0])
            problem = cvxpy.Problem(cvxpy.Minimize(losses + multiplier @ f))
            self._kept.update(target=target, weight=weight, lagrangian=(problem, multiplier))
        return self._kept["lagrangian"]

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (1,)."""
        import cvxpy

        constant = cvxpy.Variable()
        losses = self.function(constant * np.ones(len(target)), target[:, 0])
        cvxpy.Problem(cvxpy.Minimize(weight @ losses)).solve(solver="CLARABEL")
        return np.array([float(constant.value)])

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Losses of the samples for CVXPY, (n,)."""
        return self.function(prediction, target)
