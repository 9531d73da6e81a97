"""What the restricted problem and the certificate need to know of a loss.

Every array of predictions, targets or duals has shape (n, q). Weights have shape (n,), are positive
and sum to 1, so that a weighted sum is the mean of the training problem.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import cvxpy

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """What makes a restricted problem well scaled for a numerical solver.

    Attributes
    ----------
    centre, spread : float
        Of predictions.
    worth : float
        Of the loss: what it varies by over a spread.
    """

    centre: float = 0.0
    spread: float = 1.0
    worth: float = 1.0


class Loss(ABC):
    """A convex loss with its dual.

    Attributes
    ----------
    target_scaling : {"standardize", "mean", "none"}
        How a target may be scaled before the fit: centred and scaled, divided by its mean, or not.
    least : float
        A value that no sample's loss is below.
    mean_tells_constant : bool
        Whether the best constant prediction depends on the mean of the targets alone.
    """

    target_scaling: ClassVar[Literal["standardize", "mean", "none"]] = "standardize"
    least: ClassVar[float] = 0.0
    mean_tells_constant: ClassVar[bool] = False

    @property
    def outputs_of_target(self) -> int:
        """How many outputs are of one target, which is repeated then."""
        return 1

    def rescaled(self, target_scale: Array) -> Loss:
        """The same loss for targets divided by this, (q,)."""
        return self

    def impossible(self, target: Array) -> str | None:
        """What is wrong with a target in original units, or None."""
        return None

    @abstractmethod
    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""

    @abstractmethod
    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``: a lower bound on the problem wherever ``dual`` is feasible."""

    @abstractmethod
    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction, of shape (q,)."""

    def floor(self, target: Array, weight: Array) -> float:
        """A value that no mean loss is below: what counts is how far above it one is."""
        return 0.0

    def units(self, target: Array, weight: Array) -> Units:
        """Units in which the problem is well scaled; targets that were scaled have them already."""
        return Units()

    @abstractmethod
    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY: of the shape of ``target``, or of its rows."""

    def imbalance(self, dual: Array, target: Array, weight: Array) -> Array:
        """Sums over samples, (2, q), that tell ``balance`` what a dual point lacks."""
        return _sums_by_sign(dual)

    def balance(self, imbalance: Array, dual: Array, target: Array, weight: Array) -> Array:
        """Samples of a dual point of the domain, changed so that the whole of it sums to zero."""
        return _shrunk(imbalance, dual)

    def balanced(self, dual: Array, target: Array, weight: Array) -> Array:
        """A dual point of the domain made to sum to zero without leaving it."""
        return self.balance(self.imbalance(dual, target, weight), dual, target, weight)


class SmoothLoss(Loss):
    """A loss with derivatives: its dual point is minus the gradient."""

    @abstractmethod
    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss in the prediction, (n, q)."""

    @abstractmethod
    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction; positive.

        Of shape (n, q), or (n, q, q) if the outputs of a sample interact.
        """

    def total_curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """The sum of the second derivatives over the samples, (q,) or (q, q)."""
        return self.curvature(prediction, target, weight).sum(axis=0)

    def mean_curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """The mean over the outputs of the second derivatives of each sample, (n,)."""
        return self.curvature(prediction, target, weight).mean(axis=1)

    def curvature_operator(
        self, prediction: Array, target: Array, weight: Array
    ) -> Callable[[Array], Array]:
        """The second derivative as a function from directions, (n, q), to their images."""
        curvature = self.curvature(prediction, target, weight)
        return lambda direction: curvature * direction


class KinkedLoss(Loss):
    """A loss without a gradient everywhere: its dual point comes from a dual solution."""

    @abstractmethod
    def within_domain(self, dual: Array, target: Array, weight: Array) -> Array:
        """The nearest dual point whose ``-v/w`` is in the domain of the conjugate."""


def sum_of_squares(dual: Array, weight: Array) -> float:
    """``Σ v²/w`` by the residuals ``v/w``: the inverse of a tiny weight overflows."""
    return float((dual * (dual / weight[:, None])).sum())


def _sums_by_sign(dual: Array) -> Array:
    """What of each column, (n, q), is positive, and what is negative: (2, q)."""
    return np.array([np.maximum(dual, 0.0).sum(axis=0), np.maximum(-dual, 0.0).sum(axis=0)])


def _shrunk(by_sign: Array, dual: Array) -> Array:
    level = by_sign.min(axis=0)
    up, down = np.divide(level, by_sign, out=np.ones_like(by_sign), where=by_sign > 0)
    return np.maximum(dual, 0.0) * up - np.maximum(-dual, 0.0) * down


def balanced(dual: Array) -> Array:
    """Make every column of a dual point sum to zero by shrinking its heavier sign.

    Subtracting the mean could leave the domain of the conjugate; shrinking towards zero cannot.
    """
    return _shrunk(_sums_by_sign(dual), dual)
