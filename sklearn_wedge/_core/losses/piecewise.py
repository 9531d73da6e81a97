"""Losses of two lines that meet in a kink, and what smooths them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import ready
from sklearn_wedge._core.losses.base import Array, KinkedLoss, SmoothLoss, sum_of_squares

if TYPE_CHECKING:
    import cvxpy

# Curvature of lines in the model of a step, relative to that around the kink, so that the step has
# a length.
CURVATURE_OF_LINES = 1e-9


class PiecewiseLinear(KinkedLoss):
    """``max(low·r, high·r)`` in each output, of the distance ``r`` of a prediction from a kink.

    The slopes ``low <= 0 <= high`` limit the dual point: ``v / w`` is between them. Of how many
    pairs they are is ``n_pairs``.
    """

    n_pairs: ClassVar[int] = 1

    @abstractmethod
    def kinks(self, target: Array) -> Array:
        """The predictions at which the losses have their kinks, (n, q)."""

    @abstractmethod
    def slopes(self, target: Array) -> tuple[Array, Array]:
        """``low`` and ``high``, of a shape that broadcasts to (n, q)."""

    def pair_of_slopes(self, target: Array) -> NDArray[np.intp]:
        """Which pair of slopes a row of one output has, (n,): a number below ``n_pairs``."""
        return np.zeros(len(target), dtype=np.intp)

    def hardest_output(self) -> tuple[int, PiecewiseLinear] | None:
        """Of several outputs of one target the one with the largest loss, and its own loss."""
        return None

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        distance = self.kinks(target) - prediction
        low, high = self.slopes(target)
        return float(weight @ np.maximum(low * distance, high * distance).sum(axis=1))

    def best_shift(self, prediction: Array, target: Array, weight: Array) -> Array:
        """The constants to add to predictions at which the mean loss is least, (q,)."""
        distance = self.kinks(target) - prediction
        low, high = (np.broadcast_to(slope, distance.shape) for slope in self.slopes(target))
        order = np.argsort(distance, axis=0, kind="stable")
        # What the loss falls by along the constant, before any row is passed; and what each takes.
        rises = np.take_along_axis((high - low) * weight[:, None], order, axis=0).cumsum(axis=0)
        place = np.count_nonzero(rises < weight @ high, axis=0)
        place = np.minimum(place, len(distance) - 1)
        outputs = np.arange(distance.shape[1])
        return distance[order[place, outputs], outputs]

    def within_domain(self, dual: Array, target: Array, weight: Array) -> Array:
        """The nearest dual point with ``v / w`` between the slopes."""
        low, high = self.slopes(target)
        return np.clip(dual, low * weight[:, None], high * weight[:, None])

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """``-Σ w ℓ*(-v/w)``: linear on the domain."""
        return float((dual * self.kinks(target)).sum())

    def smoothed(self, width: float) -> Smoothed:
        """Its Moreau envelope."""
        return Smoothed(self, width)

    def left_by_widths(
        self, prediction: Array, target: Array, weight: Array, widths: Array
    ) -> Array:
        """What envelopes of some widths lose of the duality gap, about, (k,).

        Only rows whose slope is between those of the lines lose: on average a sixth of the width
        times a mean of squared slopes.
        """
        distance = self.kinks(target) - prediction
        low, high = (np.broadcast_to(slope, distance.shape) for slope in self.slopes(target))
        reach = np.where(distance > 0, high, np.abs(low))
        with np.errstate(divide="ignore", invalid="ignore"):
            # The width from which on a row is around its kink.
            within = np.where(distance == 0, 0.0, np.abs(distance) / reach)
        each = weight[:, None] * (high**3 - low**3) / (6 * (high - low))
        order = np.argsort(within, axis=None)
        total = np.append(0.0, np.cumsum(each.ravel()[order]))
        return widths * total[np.searchsorted(within.ravel()[order], widths, side="right")]


@dataclass(frozen=True)
class Smoothed(SmoothLoss):
    """The Moreau envelope ``min over g of ℓ(g, y) + (f - g)² / (2 width)`` of a loss with kinks.

    Its conjugate is that of the loss plus a square: its dual points are dual points of the loss.

    Parameters
    ----------
    loss : PiecewiseLinear
    width : float
        Positive.
    """

    loss: PiecewiseLinear
    width: float

    def _slope(self, prediction: Array, target: Array) -> tuple[Array, Array, Array]:
        """Distances from the kinks; minus the slopes of the losses; those of a plain square."""
        distance = self.loss.kinks(target) - prediction
        steep = distance / self.width
        low, high = self.loss.slopes(target)
        return distance, np.clip(steep, low, high), steep

    def value(self, prediction: Array, target: Array, weight: Array) -> float:
        """Weighted mean loss."""
        distance, slope, _ = self._slope(prediction, target)
        return float(weight @ (slope * (distance - self.width / 2 * slope)).sum(axis=1))

    def dual_point(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Minus the gradient of the mean loss: it is in the domain of the loss itself."""
        return weight[:, None] * self._slope(prediction, target)[1]

    def best_shift(self, prediction: Array, target: Array, weight: Array) -> Array:
        """The constants to add to predictions at which the mean of the envelopes is least, (q,)."""
        distance = ready(self.loss.kinks(target) - prediction)
        slopes = (np.broadcast_to(each, distance.shape) for each in self.loss.slopes(target))
        low, high = (ready(each.astype(float)) for each in slopes)
        shift = np.zeros(distance.shape[1])
        kernels.envelopes.best_shift(distance, low, high, ready(weight), self.width, shift)
        return shift

    def curvature(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Second derivative of the mean loss in the prediction: 0 on the lines."""
        _, slope, steep = self._slope(prediction, target)
        return np.where(slope == steep, weight[:, None] / self.width, 0.0)

    def curvature_of_lines(self, prediction: Array, target: Array, weight: Array) -> Array:
        """What an undamped step takes for the curvature on the lines, (n, q): very little."""
        _, slope, steep = self._slope(prediction, target)
        return np.where(slope == steep, 0.0, weight[:, None] * (CURVATURE_OF_LINES / self.width))

    def touching(self, prediction: Array, target: Array, weight: Array) -> Array:
        """The curvature of parabolas that touch the envelope and are nowhere below, (n, q).

        On a line: of the one that touches the other line too. Around the kink: its own.
        """
        distance = self.loss.kinks(target) - prediction
        low, high = self.loss.slopes(target)
        from_centre = np.abs(distance - self.width / 2 * (low + high))
        half = (high - low) / 2
        return weight[:, None] * (half / np.maximum(from_centre, self.width * half))

    def dual_value(self, dual: Array, target: Array, weight: Array) -> float:
        """That of the loss, less ``width / 2 Σ v²/w``."""
        of_loss = self.loss.dual_value(dual, target, weight)
        return of_loss - self.width / 2 * sum_of_squares(dual, weight)

    def constant_model(self, target: Array, weight: Array) -> Array:
        """The best constant prediction of the loss, (q,)."""
        return self.loss.constant_model(target, weight)

    def expression(self, prediction: cvxpy.Expression, target: Array) -> cvxpy.Expression:
        """Elementwise losses for CVXPY, once the variable that they bring along is minimised."""
        import cvxpy

        near = cvxpy.Variable(prediction.shape)
        of_loss = self.loss.expression(near, target)
        return of_loss + cvxpy.square(prediction - near) / (2 * self.width)
