"""The training problem of rows in blocks: what the loop of column generation asks of it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._losses import SmoothLoss, SquaredError
from sklearn_wedge._neurons import NeuronClass, Neurons
from sklearn_wedge._pricing import Priced, diverse_neurons
from sklearn_wedge._problem import Effort, Restricted
from sklearn_wedge._streaming.blocks import Array
from sklearn_wedge._streaming.master import (
    DualPoint,
    StreamedColumns,
    StreamedLeastSquares,
    StreamedNewton,
)
from sklearn_wedge._streaming.pricing import StreamedPricing
from sklearn_wedge._streaming.sample import StreamedSample


class StreamedProblem:
    """Rows in blocks, a loss with a gradient, a class of neurons of at most two inputs.

    The same problem as in memory, by sums over blocks. It is searched, never certified.

    Parameters
    ----------
    sample : StreamedSample
    loss : SmoothLoss
    neuron_class : NeuronClass
    scope : str
        What a bound is about, in words.
    hessian_bytes : float
        What the Hessian of a restricted problem may take.
    """

    exact = False
    dual_is_unique = True

    def __init__(
        self,
        sample: StreamedSample,
        loss: SmoothLoss,
        neuron_class: NeuronClass,
        scope: str,
        hessian_bytes: float,
    ):
        self.sample, self.loss, self.neuron_class, self.scope = sample, loss, neuron_class, scope
        if isinstance(loss, SquaredError):
            self.master = StreamedLeastSquares(sample, loss)
        else:
            self.master = StreamedNewton(sample, loss, hessian_bytes)
        self.pricing = StreamedPricing(sample, neuron_class)
        self.efforts = [Effort.LOCAL_MOVES, Effort.SEARCH]
        self.least, self.n_samples = loss.least, sample.blocks.n_rows

    @cached_property
    def _constant(self) -> Restricted:
        none, q = self.no_columns(), len(self.sample.target_mean)
        # Of most losses the best constant depends on the mean alone; the rest start there.
        start = self.loss.constant_model(self.sample.target_mean[None], np.ones(1))
        return self.master.solve(none, 1.0, np.empty((0, q)), start, 0.0)

    @property
    def constant_objective(self) -> float:
        """Objective of the best constant model."""
        return self._constant.objective

    @property
    def scale(self) -> float:
        """What tolerances are relative to: no loss with a gradient has a floor above zero."""
        return self.constant_objective

    def constant_model(self) -> Array:
        """The best constant prediction, (q,)."""
        return self._constant.intercept

    def no_columns(self) -> StreamedColumns:
        """Columns of no neuron."""
        return self.master.no_columns()

    def extend(
        self, columns: StreamedColumns, neurons: Neurons, kept: NDArray[np.intp] | None = None
    ) -> StreamedColumns:
        """The columns at the indices kept, if None all, with those of more neurons at the end."""
        columns = columns if kept is None else columns.take(kept)
        if len(neurons) == 0:
            return columns
        signs = self.neuron_class.coefficient_signs(neurons)
        return self.master.extend(columns, neurons, signs)

    def solve(
        self,
        columns: StreamedColumns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
    ) -> Restricted:
        """Optimal coefficients and intercept, or ones whose objective is above by ``accuracy``."""
        return self.master.solve(columns, alpha, coef, intercept, accuracy)

    def means(self, columns: StreamedColumns) -> Array:
        """Weighted means of columns, (m,)."""
        return columns.means

    def covariance(self, columns: StreamedColumns) -> Array:
        """Weighted covariances of columns, (m, m)."""
        return columns.gram

    def bound(self, dual: DualPoint, shrink: float) -> float:
        """The dual value of a dual point times a number between 0 and 1."""
        return dual.bound(shrink)

    def price(
        self, dual: DualPoint, effort: Effort, tight: Neurons, turn: int, known: Priced | None
    ) -> Priced:
        """Price a dual point; a search looks around the tight neurons, in turn."""
        return self.pricing.propose(dual.kept, tight, turn, thorough=effort is Effort.SEARCH)

    def diverse(self, neurons: Neurons, at_most: int) -> NDArray[np.intp]:
        """Indices of neurons, best first, none of which does nearly the work of another."""
        columns, weight = self.pricing.table.columns, self.sample.point_weight
        return diverse_neurons(neurons, columns, weight, at_most)
