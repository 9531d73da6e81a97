"""The training problem of data whose activations fit into memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._losses import Loss, SmoothLoss
from sklearn_wedge._master import Columns, RestrictedProblem
from sklearn_wedge._neurons import NeuronClass, Neurons
from sklearn_wedge._pricing import Priced, Pricing, diverse_neurons
from sklearn_wedge._problem import Effort, Restricted
from sklearn_wedge._samples import TrainingSample

Array = NDArray[np.float64]


@dataclass(frozen=True)
class InMemoryProblem:
    """What is solved: samples, loss, the class of neurons, and whether it has to be certified.

    See ``Problem`` for what the loop asks of it.
    """

    sample: TrainingSample
    restricted: RestrictedProblem
    pricing: Pricing
    certified: bool
    scope: str

    @property
    def exact(self) -> bool:
        """Whether the whole class of neurons is priced in the end, asked for or as it is cheap."""
        return self.certified or self.pricing.is_cheap

    @property
    def loss(self) -> Loss:
        """The loss."""
        return self.restricted.loss

    @property
    def neuron_class(self) -> NeuronClass:
        """The neurons that may enter."""
        return self.pricing.neuron_class

    @property
    def dual_is_unique(self) -> bool:
        """Whether columns that do not lower the objective leave the dual point where it is."""
        return isinstance(self.loss, SmoothLoss)

    @cached_property
    def constant_objective(self) -> float:
        """Objective of the best constant model."""
        prediction = np.broadcast_to(self.constant_model(), self.sample.target.shape)
        return self.loss.value(prediction, self.sample.target, self.sample.weight)

    @cached_property
    def scale(self) -> float:
        """What tolerances are relative to: the objective of the best constant model, above what no
        loss can be below.
        """
        floor = self.loss.floor(self.sample.target, self.sample.weight)
        # A floor that a solver found may be above by what it leaves.
        return max(self.constant_objective - floor, 0.0)

    @property
    def n_samples(self) -> int:
        """Number of merged samples."""
        return self.sample.n_samples

    @property
    def least(self) -> float:
        """A bound that always holds."""
        return self.loss.least

    @property
    def efforts(self) -> list[Effort]:
        """What a round may have to go through, by increasing effort; the last one counts."""
        if self.pricing.is_cheap:
            return [Effort.LOCAL_MOVES, Effort.EXACT]
        searches = [Effort.LOCAL_MOVES, Effort.SEARCH]
        return [*searches, Effort.EXACT] if self.certified else searches

    def constant_model(self) -> Array:
        """The best constant prediction, (q,)."""
        return self.loss.constant_model(self.sample.target, self.sample.weight)

    def no_columns(self) -> Columns:
        """Columns of no neuron."""
        return self.restricted.no_columns()

    def extend(
        self, columns: Columns, neurons: Neurons, kept: NDArray[np.intp] | None = None
    ) -> Columns:
        """The columns at the indices kept, if None all, with those of more neurons at the end."""
        activations = self.sample.at_samples(neurons.activations(self.pricing.columns).T).T
        signs = self.neuron_class.coefficient_signs(neurons)
        return self.restricted.extend(columns, activations, signs, kept)

    def solve(
        self, columns: Columns, alpha: float, coef: Array, intercept: Array, accuracy: float
    ) -> Restricted:
        """Optimal coefficients and intercept, or ones whose objective is above by ``accuracy``."""
        found = self.restricted.solve(columns, alpha, coef, intercept, accuracy)
        dual = self.loss.balanced(found.dual, self.sample.target, self.sample.weight)
        objective = self.restricted.objective(found.prediction, found.coef, alpha)
        return Restricted(found.coef, found.intercept, objective, dual, columns.values(dual))

    def means(self, columns: Columns) -> Array:
        """Weighted means of columns, (m,)."""
        return columns.activations @ self.sample.weight

    def covariance(self, columns: Columns) -> Array:
        """Weighted covariances of columns, (m, m)."""
        return self.restricted.covariance(columns)

    def bound(self, dual: Array, shrink: float) -> float:
        """The dual value of a dual point times a number between 0 and 1."""
        return self.loss.dual_value(dual * shrink, self.sample.target, self.sample.weight)

    def price(
        self, dual: Array, effort: Effort, tight: Neurons, turn: int, known: Priced | None
    ) -> Priced:
        """Price a dual point; a search looks around the tight neurons, in turn."""
        dual = self.dual_on_points(dual)
        if effort is Effort.EXACT:
            return self.pricing.price_exactly(dual)
        return self.pricing.propose(dual, tight, turn, effort is Effort.SEARCH, known)

    def diverse(self, neurons: Neurons, at_most: int) -> NDArray[np.intp]:
        """Indices of neurons, best first, none of which does nearly the work of another."""
        columns, weight = self.pricing.columns, self.sample.point_weight
        return diverse_neurons(neurons, columns, weight, at_most)

    def dual_on_points(self, dual: Array) -> Array:
        """A dual point on the samples, summed on the points."""
        return self.sample.sum_over_points(dual)
