"""Restricted problems whose activations are never held: only sums over the blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._losses import SmoothLoss, SquaredError
from sklearn_wedge._master import (
    AcrossOutputs,
    Enough,
    SameForAllOutputs,
    SeparateOutputs,
    solve_least_squares,
    solve_quadratic_groups,
    solve_quadratic_l1,
    total_length,
    working_set,
)
from sklearn_wedge._neurons import Neurons
from sklearn_wedge._problem import Restricted
from sklearn_wedge._streaming import passes
from sklearn_wedge._streaming.blocks import Array, Kept, RowBlocks
from sklearn_wedge._streaming.sample import StreamedSample

MAX_STEPS = 100
# Decrease promised by a step, relative to the objective, from which on it is taken in full: its
# effect drowns in the rounding of the objective. Newton steps from there double the digits.
CLOSE = 1e-12
CLOSE_STEPS = 2
# Or so little of the accuracy asked for, that the steps that follow bring less still.
LITTLE = 1e-4
# Fraction of the promised decrease that a step must bring (Armijo).
SUFFICIENT = 1e-4
MAX_HALVINGS = 50
# The minimiser of a majorised model is found to this fraction of alpha: the next one is elsewhere.
MAJORISED_PRECISION = 1e-6
# Entries of the Hessian of outputs that interact × rows up to which it is formed: a minute or so.
MOST_WORK = 1e12


@dataclass(frozen=True)
class StreamedColumns:
    """The columns of a restricted problem by sums over the rows.

    Attributes
    ----------
    neurons : Neurons
        m of them.
    signs : int ndarray of shape (m,)
        The sign that a coefficient must have; 0: any.
    means : ndarray of shape (m,)
        Weighted means of the activations.
    gram : ndarray of shape (m, m)
        Weighted covariances.
    linear : ndarray of shape (m, q)
        Weighted covariances with the target.
    """

    neurons: Neurons
    signs: NDArray[np.int8]
    means: Array
    gram: Array
    linear: Array

    def __len__(self) -> int:
        return len(self.neurons)

    def take(self, which: NDArray) -> StreamedColumns:
        """The columns at these indices (or where a mask is true)."""
        return StreamedColumns(
            self.neurons.take(which),
            self.signs[which],
            self.means[which],
            self.gram[which][:, which],
            self.linear[which],
        )

    def values(self, products: Array) -> Array:
        """What the dual constraint limits, given the products with the dual point, (m, q)."""
        values = np.linalg.norm(products, axis=1)
        return np.where(self.signs == 0, values, self.signs * products[:, 0])


@dataclass(frozen=True)
class DualPoint:
    """A dual point, summing to zero, that stays with the blocks."""

    kept: Kept
    blocks: RowBlocks
    loss: SmoothLoss
    _bounds: dict[float, float] = field(default_factory=dict)

    def bound(self, shrink: float) -> float:
        """Its dual value times a number between 0 and 1."""
        if isinstance(self.loss, SquaredError):
            # A parabola through zero: two values tell it.
            at_one, at_half = self._evaluated(1.0), self._evaluated(0.5)
            square = 4.0 * at_half - 2.0 * at_one
            return shrink * (at_one + (1.0 - shrink) * square)
        return self._evaluated(shrink)

    def _evaluated(self, shrink: float) -> float:
        if shrink not in self._bounds:
            found = self.blocks.sum(passes.dual_value, self.loss, shrink, along=(self.kept,))
            self._bounds[shrink] = float(found[0][0])
        return self._bounds[shrink]


class StreamedMaster(ABC):
    """``min`` mean loss ``+ α Σ_j ‖z_j‖₂`` over the coefficients of columns given by sums.

    Parameters
    ----------
    sample : StreamedSample
    loss : SmoothLoss
    """

    def __init__(self, sample: StreamedSample, loss: SmoothLoss):
        self.sample = sample
        self.loss = loss
        self.blocks, self.scaling = sample.blocks, sample.input_scaling

    def no_columns(self) -> StreamedColumns:
        """Columns of no neuron."""
        none, q = np.empty(0), len(self.sample.target_mean)
        signs = none.astype(np.int8)
        return StreamedColumns(Neurons.empty(1), signs, none, np.empty((0, 0)), np.empty((0, q)))

    def centres(self, neurons: Neurons) -> Array:
        """Means of the activations at the points: close to those over all rows."""
        weight = self.sample.point_weight
        return neurons.activations(self.sample.points.T) @ (weight / weight.sum())

    def extend(
        self, columns: StreamedColumns, neurons: Neurons, signs: NDArray[np.int8]
    ) -> StreamedColumns:
        """Columns with those of more neurons at the end."""
        centres = self.centres(columns.neurons), self.centres(neurons)
        mean = self.sample.target_mean
        old, new, linear, rest = self.blocks.sum(
            passes.cross_products, self.scaling, columns.neurons, neurons, centres, mean
        )
        old -= np.outer(columns.means - centres[0], rest)
        new -= np.outer(rest, rest)
        return StreamedColumns(
            columns.neurons.join(neurons),
            np.concatenate([columns.signs, signs]),
            np.concatenate([columns.means, centres[1] + rest]),
            np.block([[columns.gram, old], [old.T, (new + new.T) / 2]]),
            np.concatenate([columns.linear, linear]),
        )

    @abstractmethod
    def solve(
        self,
        columns: StreamedColumns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float,
    ) -> Restricted:
        """Optimal coefficients and intercept, or ones whose objective is above by ``accuracy``."""

    def predicted(self, columns: StreamedColumns, coef: Array, intercept: Array) -> Kept:
        """Predictions of the rows, kept with them."""
        used = np.flatnonzero(coef.any(axis=1))
        neurons = columns.neurons.take(used)
        return self.blocks.keep(passes.prediction, self.scaling, neurons, coef[used], intercept)

    def objective(self, predicted: Kept, coef: Array, alpha: float) -> float:
        """Mean loss of predictions plus penalty."""
        (loss,) = self.blocks.sum(passes.mean_loss, self.loss, along=(predicted,))
        return float(loss[0]) + alpha * total_length(coef)

    def balanced_dual(self, predicted: Kept) -> DualPoint:
        """The dual point of predictions, made to sum to zero."""
        raw = self.blocks.keep(passes.dual_point, self.loss, along=(predicted,))
        (known,) = self.blocks.sum(passes.imbalance, self.loss, along=(raw,))
        kept = self.blocks.keep(passes.balanced, self.loss, known, along=(raw,))
        return DualPoint(kept, self.blocks, self.loss)


class StreamedLeastSquares(StreamedMaster):
    """The squared loss: solved on the sums alone."""

    @cached_property
    def _half_square(self) -> float:
        """Half the variance of the target: the mean loss of its mean."""
        none, mean = np.empty((0, len(self.sample.target_mean))), self.sample.target_mean
        return self.objective(self.predicted(self.no_columns(), none, mean), none, 0.0)

    def solve(
        self,
        columns: StreamedColumns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float,
    ) -> Restricted:
        """Optimal coefficients and intercept, or ones whose objective is above by ``accuracy``."""
        if len(columns):
            enough = Enough(accuracy, self._half_square) if accuracy > 0 else None
            coef = solve_least_squares(
                columns.gram, columns.linear, alpha, coef, columns.signs, enough
            )
        intercept = self.sample.target_mean - columns.means @ coef
        predicted = self.predicted(columns, coef, intercept)
        values = columns.values(columns.linear - columns.gram @ coef)
        objective = self.objective(predicted, coef, alpha)
        return Restricted(coef, intercept, objective, self.balanced_dual(predicted), values)


@dataclass(frozen=True)
class _Point:
    """Where the iteration is."""

    coef: Array
    intercept: Array
    predicted: Kept
    objective: float


class StreamedNewton(StreamedMaster):
    """A loss with second derivatives, by proximal Newton; every sum is a pass over the rows.

    Where outputs interact, the Hessian of m columns and q outputs has ``(m q)²`` entries. Where it
    is too large, one curvature a row majorises it by an m × m matrix: steps are cheaper and more.

    Parameters
    ----------
    sample : StreamedSample
    loss : SmoothLoss
    hessian_bytes : float
        What the Hessian may take.
    """

    def __init__(self, sample: StreamedSample, loss: SmoothLoss, hessian_bytes: float):
        super().__init__(sample, loss)
        self.hessian_bytes = hessian_bytes

    def _is_majorised(self, coef: Array) -> bool:
        """Whether the Hessian takes too much memory or time."""
        entries = float(coef.size) ** 2
        too_large = 8.0 * entries > self.hessian_bytes or entries * self.blocks.n_rows > MOST_WORK
        return self.loss.outputs_interact and too_large

    def solve(
        self,
        columns: StreamedColumns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float,
    ) -> Restricted:
        """Optimal coefficients and intercept, or ones whose objective is above by ``accuracy``."""
        coef = np.where(columns.signs[:, None] * coef < 0, 0.0, coef)
        point = self._point(columns, alpha, coef, intercept)
        close = 0
        for _ in range(MAX_STEPS):
            after, promised = self._step(columns, alpha, point)
            if after is None:
                break
            point = after
            close = close + 1 if promised <= CLOSE * abs(point.objective) else 0
            if close >= CLOSE_STEPS or promised <= LITTLE * accuracy:
                break
        dual = self.balanced_dual(point.predicted)
        products, _ = self._products(columns.neurons, dual.kept)
        values = columns.values(products)
        return Restricted(point.coef, point.intercept, point.objective, dual, values)

    def _point(
        self, columns: StreamedColumns, alpha: float, coef: Array, intercept: Array
    ) -> _Point:
        predicted = self.predicted(columns, coef, intercept)
        return _Point(coef, intercept, predicted, self.objective(predicted, coef, alpha))

    def _products(self, neurons: Neurons, dual: Kept) -> tuple[Array, Array]:
        """Products of a dual point with columns, (m, q), and its sum, (q,)."""
        products, _ = self.blocks.sum(passes.dual_products, self.scaling, neurons, along=(dual,))
        (total,) = self.blocks.sum(passes.dual_sum, along=(dual,))
        return products, total

    def _step(
        self, columns: StreamedColumns, alpha: float, point: _Point
    ) -> tuple[_Point | None, float]:
        """One step and the decrease that it promised."""
        dual = self.blocks.keep(passes.dual_point, self.loss, along=(point.predicted,))
        products, total = self._products(columns.neurons, dual)
        majorised = self._is_majorised(point.coef)
        # The Gram matrix of a majoriser is small: all columns may enter.
        working = np.arange(len(columns))
        if not majorised:
            working = working_set(columns.values(products), alpha, point.coef)
        neurons = columns.neurons.take(working)
        centre = self.centres(neurons)
        sums = self.blocks.sum(
            passes.model_sums,
            self.scaling,
            neurons,
            centre,
            self.loss,
            point.intercept,
            majorised,
            along=(point.predicted, dual),
        )
        minimise = interacting_minimiser if sums[2].ndim == 2 else separate_minimiser
        coef = np.zeros_like(point.coef)
        coef[working], shift = minimise(
            sums, centre, alpha, point.coef[working], columns.signs[working]
        )
        change = coef - point.coef
        rise = total_length(coef) - total_length(point.coef)
        promised = float((products * change).sum() + total @ shift) - alpha * rise
        length = 1.0
        for _ in range(MAX_HALVINGS):
            tried = coef if length == 1.0 else point.coef + length * change
            after = self._point(columns, alpha, tried, point.intercept + length * shift)
            if promised <= (rounding := CLOSE * abs(point.objective)):
                risen = not after.objective <= point.objective + rounding
                return None if risen else after, promised
            if after.objective <= point.objective - SUFFICIENT * length * promised:
                return after, promised
            length /= 2
        return None, promised


def separate_minimiser(
    sums: tuple[Array, ...], centre: Array, alpha: float, coef: Array, signs: NDArray
) -> tuple[Array, Array]:
    """Minimiser of the quadratic model, and shift of the intercept; outputs do not interact.

    Parameters
    ----------
    sums : tuple of ndarrays
        See ``passes.model_sums``; also those of a majorised model.
    centre : ndarray of shape (m,)
        What activations are relative to.
    alpha : float
    coef : ndarray of shape (m, q)
        The start.
    signs : ndarray of shape (m,)
    """
    grams, moments, total, linear, response = sums
    means = moments / total[:, None]
    grams = grams - total[:, None, None] * means[:, :, None] * means[:, None, :]
    grams = (grams + grams.transpose(0, 2, 1)) / 2
    linear = linear - means.T * response
    if len(coef) == 0:
        pass
    elif coef.shape[1] == 1:
        coef = solve_quadratic_l1(grams[0], linear[:, 0], alpha, coef[:, 0], signs)[:, None]
    elif len(grams) == 1:
        quadratic = SameForAllOutputs(grams[0])
        coef = solve_quadratic_groups(quadratic, linear, alpha, coef, MAJORISED_PRECISION)
    else:
        coef = solve_quadratic_groups(SeparateOutputs(grams), linear, alpha, coef)
    shift = response / total - ((centre + means).T * coef).sum(axis=0)
    return coef, shift


def interacting_minimiser(
    sums: tuple[Array, ...], centre: Array, alpha: float, coef: Array, signs: NDArray
) -> tuple[Array, Array]:
    """The same for outputs that interact on a row."""
    tensor, moments, total, linear, response = sums
    # Only differences of outputs count; their mean has no curvature and stays.
    inverse = np.linalg.inv(total + np.trace(total) / total.size)
    rest = inverse @ response
    explained = np.einsum("jab,bc->jac", moments, inverse)
    tensor = tensor - np.einsum("jac,kcb->jakb", explained, moments.transpose(0, 2, 1))
    tensor = (tensor + tensor.transpose(2, 3, 0, 1)) / 2
    linear = linear - np.einsum("jab,b->ja", moments, rest)
    if len(coef):
        coef = solve_quadratic_groups(AcrossOutputs(tensor), linear, alpha, coef)
    shift = rest - inverse @ np.einsum("jab,ja->b", moments, coef) - centre @ coef
    return coef, shift
