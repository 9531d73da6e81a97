"""What column generation solves, and what it asks of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.layers import SmoothedLoss, layered_loss
from sklearn_wedge._core.losses import Loss, Multinomial, OwnLoss, PiecewiseLinear, SmoothLoss
from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing import Priced, diverse_neurons, price_all
from sklearn_wedge._core.pricing.pencils import PointTable
from sklearn_wedge._core.restricted import Columns, DualPoint, RestrictedProblem
from sklearn_wedge._core.rows import Sample, TrainingSample, passes
from sklearn_wedge._core.sliding import (
    NetworkLoss,
    SlideRule,
    Weights,
    as_neurons,
    balanced_weights,
    drafted,
    random_weights,
    slid,
)

Array = NDArray[np.float64]


# Steps of a slide at most: nearly all end sooner.
STEPS_PER_SLIDE = 400
# A loss with kinks is smoothed for a slide, to this fraction of that of the constant model.
WIDTH_OF_SLIDES = 0.02
# A network trained from random weights: enough neurons to find those of a small network, and as
# many steps as find most of what more of them find.
NEURONS_OF_DRAFT = 200
STEPS_OF_DRAFT = 150
# Of networks that a fit starts from, several together.
STEPS_OF_THOROUGH_DRAFT = 300
# What tells what is missing has to be of about the quality of the network at hand: this part of its
# neurons, and random ones, as many as it has in all, trained together for so many steps. They lead
# to what 20 times as many other directions do not find; a network of random neurons only, to less
# for five times the price.
KEPT_OF_RENEWED, STEPS_OF_RENEWED = 0.5, 100
# There are so many random ones at least, as small as this beside coefficients of about 1 together.
LEAST_NEW, SIZE_OF_NEW = 50, 0.1
# Long searches after the first that have to agree with it: one that finds something ends a round.
# Who asks in each of a hundred rounds is twice told by luck that there is nothing: on concrete at
# alpha=1e-4 two searches saw 0.2 % of the objective where nine in ten see 2 to 5 %.
CONFIRMATIONS = 3
# Up to this order a search looks at all sets of inputs, if need be in turn; beyond, only at what is
# a move away from what is good.
ORDER_OF_ALL_SETS = 2
# Of more rows it sees so many; with half of the rows of a small table it finds much less.
ROWS_OF_DRAFT = 20_000


class Effort(Enum):
    """How much of the class of neurons a pricing looks at."""

    LOCAL_MOVES = "local moves"
    SEARCH = "search"
    LONG_SEARCH = "long search"
    CONFIRMATION = "repeated long search"
    EXACT = "exact"


LONG_SEARCHES = (Effort.LONG_SEARCH, Effort.CONFIRMATION)


@dataclass(frozen=True)
class Restricted:
    """Solution of a restricted problem.

    Attributes
    ----------
    coef : ndarray of shape (m, q)
    intercept : ndarray of shape (q,)
    objective : float
    dual : DualPoint
    values : ndarray of shape (m,)
        ``‖V·(Xu + c)_+‖`` of the columns, signed where the coefficient must have a sign.
    """

    coef: Array
    intercept: Array
    objective: float
    dual: DualPoint
    values: Array


class Pricing(Protocol):
    """Prices dual points, as ``Sample.dual_to_price`` hands them on.

    Attributes
    ----------
    neuron_class : NeuronClass
        Which neurons are priced.
    table : PointTable
        The points.
    is_cheap : bool
        Whether the whole class is priced instead of searched.
    confirms_at_once : bool
        Whether exact pricing, if it has to come, need not wait for a search.
    """

    neuron_class: NeuronClass
    table: PointTable
    is_cheap: bool
    confirms_at_once: bool

    def price_exactly(self, dual: Any) -> Priced:
        """The best neurons of the whole class."""

    def propose(
        self, dual: Any, neurons: Neurons, turn: int, everywhere: bool, known: Priced | None
    ) -> Priced:
        """Good neurons by search, also around neurons given."""

    def search_on(
        self,
        dual: Any,
        alpha: float,
        neurons: Neurons,
        drafted: Neurons,
        turn: int,
        known: Priced,
    ) -> Priced:
        """What is known, and what a search in many more directions finds."""


@dataclass(frozen=True)
class Problem:
    """What is solved: samples, loss, the class of neurons, and whether it has to be certified.

    Everything that has an entry per row stays behind it.

    Attributes
    ----------
    sample : Sample
    restricted : RestrictedProblem
    pricing : Pricing
    certified : bool
        Whether it has to be certified.
    scope : str
        What a bound is about, in words.
    """

    sample: Sample
    restricted: RestrictedProblem
    pricing: Pricing
    certified: bool
    scope: str

    @property
    def loss(self) -> Loss:
        """The loss."""
        return self.restricted.loss

    @property
    def neuron_class(self) -> NeuronClass:
        """The neurons that may enter."""
        return self.pricing.neuron_class

    def of_one_output(self) -> Problem | None:
        """That of one output whose neurons are a start for all; None: there is none like that."""
        restricted = self.restricted.of_one_output()
        if restricted is None:
            return None
        sample = replace(self.sample, rows=restricted.rows)
        return replace(self, sample=sample, restricted=restricted, certified=False)

    @property
    def dual_is_unique(self) -> bool:
        """Whether columns that do not lower the objective leave the dual point where it is."""
        return isinstance(self.loss, SmoothLoss)

    @cached_property
    def constant(self) -> Restricted:
        """The best constant model."""
        start = self.sample.constant_model(self.loss)
        nothing = self.restricted.no_columns()
        return self.solve(nothing, 1.0, np.empty((0, len(start))), start)

    @cached_property
    def scale(self) -> float:
        """What tolerances are relative to: the objective of the best constant model, above what no
        loss can be below.
        """
        (floor,) = self.sample.rows.sum(passes.floor, self.loss)
        # A floor that a solver found may be above by what it leaves.
        return max(self.constant.objective - float(floor[0]), 0.0)

    @property
    def exact(self) -> bool:
        """Whether the whole class of neurons is priced in the end, asked for or as it is cheap."""
        return self.certified or self.pricing.is_cheap

    def efforts(self, proves: bool) -> list[Effort]:
        """What a round may have to go through, by increasing effort; the last one counts.

        Of a fit that proves something, an estimate is of several long searches, where any sees a
        small part of the class: what one of them found to be the end was the luck of its starts as
        often as not.
        """
        if self.exact and self.pricing.confirms_at_once:
            return [Effort.LOCAL_MOVES, Effort.EXACT]
        searches = [Effort.LOCAL_MOVES, Effort.SEARCH]
        if self.exact:
            return [*searches, Effort.EXACT]
        if not (proves and self.is_sampled):
            return searches
        if not self.climbs:
            # Random pencils are cheaper than a search, and find more.
            return [Effort.LOCAL_MOVES, Effort.LONG_SEARCH, Effort.SEARCH, Effort.CONFIRMATION]
        return [*searches, Effort.LONG_SEARCH, *CONFIRMATIONS * [Effort.CONFIRMATION]]

    def extend(
        self, columns: Columns, neurons: Neurons, kept: NDArray[np.intp] | None = None
    ) -> Columns:
        """The columns at the indices kept, if None all, with those of more neurons at the end."""
        signs = self.neuron_class.coefficient_signs(neurons)
        return self.restricted.extend(columns, self.sample.activations(neurons), signs, kept)

    def solve(
        self,
        columns: Columns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
        smoothed: float | None = None,
    ) -> Restricted:
        """Optimal coefficients and intercept, or ones whose objective is above by ``accuracy``.

        See ``RestrictedProblem.solve``.
        """
        found = self.restricted.solve(columns, alpha, coef, intercept, accuracy, smoothed)
        dual = self.restricted.balanced(found.dual)
        objective = self.restricted.objective(found.predicted, found.coef, alpha)
        values = self.restricted.values(columns, found.coef, dual)
        return Restricted(found.coef, found.intercept, objective, dual, values)

    def price(
        self,
        dual: DualPoint,
        alpha: float,
        effort: Effort,
        tight: Neurons,
        others: Neurons,
        turn: int,
        known: Priced | None,
    ) -> Priced:
        """Price a dual point; a search looks around the tight neurons, in turn.

        A long one looks around ``others``, too. ``known`` is what less effort has found at this
        dual point in this round, if anything.
        """
        to_price = self.sample.dual_to_price(dual.kept)
        if effort is Effort.EXACT:
            return self.pricing.price_exactly(to_price)
        if effort in LONG_SEARCHES:
            return self.pricing.search_on(to_price, alpha, tight, others, turn, known)
        return self.pricing.propose(to_price, tight, turn, effort is Effort.SEARCH, known)

    def value_of_single_inputs(self, dual: DualPoint) -> float:
        """The largest value of all neurons of one input, exactly; 0 where rows go in chunks."""
        if not isinstance(self.sample, TrainingSample):
            return 0.0
        hinges = replace(self.neuron_class, order=1, ramps=False)
        planes = price_all(self.pricing.table, self.sample.dual_to_price(dual.kept), hinges)
        return float(np.max(planes.values, initial=0.0))

    @property
    def slides(self) -> bool:
        """Whether neurons are moved between pricings: where their directions are a continuum that
        is searched. Best neurons of other classes pass through samples, and are found as fast.
        Ramps are not moved, and where neurons may be ramps none is.
        """
        kind = self.neuron_class
        return self.climbs and self.has_gradient and kind.monotone is None and not kind.ramps

    @property
    def has_gradient(self) -> bool:
        """Whether a network of this problem can slide: losses with kinks are smoothed."""
        return not isinstance(self.loss, OwnLoss)

    @property
    def climbs(self) -> bool:
        """Whether neurons are searched for by climbs, from directions of all kinds."""
        kind = self.neuron_class
        in_memory = isinstance(self.sample, TrainingSample)
        return in_memory and kind.has_rejections and kind.order > 1 and not self.exact

    @property
    def is_sampled(self) -> bool:
        """Whether searches look at a small part of the class, and miss some of the gap."""
        return self.climbs or (self._most_inputs > ORDER_OF_ALL_SETS and not self.exact)

    @cached_property
    def _most_inputs(self) -> int:
        """Of a neuron; those that do not vary are none."""
        return self.neuron_class.most_together(self.pricing.table.varying_inputs())

    @cached_property
    def _sliding_loss(self) -> SmoothLoss:
        """The loss that a slide lowers: one that has a gradient everywhere."""
        if isinstance(self.loss, PiecewiseLinear):
            return self.loss.smoothed(WIDTH_OF_SLIDES * self.scale)
        return self.loss

    @property
    def _slid_on(self) -> tuple[Array, Array, Array, SmoothLoss]:
        """Inputs, target and weight of the rows that a slide is on, and the loss."""
        chunk = self.restricted.rows.chunk
        return chunk.inputs, chunk.target, chunk.weight, self._sliding_loss

    @cached_property
    def _network_loss(self) -> NetworkLoss:
        return NetworkLoss(*self._slid_on, threads=self.restricted.rows.chunk.threads)

    def _smoothed_loss(self, start: Weights, width: float) -> SmoothedLoss:
        threads = self.restricted.rows.chunk.threads
        return SmoothedLoss(*self._slid_on, start, width, threads=threads)

    def slid(
        self,
        neurons: Neurons,
        coef: Array,
        intercept: Array,
        alpha: float,
        rule: SlideRule | None,
        width: float | None,
    ) -> tuple[Neurons, Array, Array]:
        """Neurons in use, their coefficients and the intercept after a slide, as a network.

        Its kinks are smoothed to this width, if any; see ``SmoothedLoss``.
        """
        d = self.sample.n_inputs
        start = balanced_weights(neurons, coef, intercept, d)
        loss = self._network_loss if width is None else self._smoothed_loss(start, width)
        moved = slid(loss, start, alpha, self.is_dense, STEPS_PER_SLIDE, rule)
        return as_neurons(moved, self.sample.points, self.neuron_class)

    def slid_layers(self, start: Weights, alpha: float, dense: bool, n_steps: int) -> Weights:
        """A network of several hidden layers on the inputs of this problem, after a slide."""
        loss = layered_loss(*self._slid_on, start, dense, self.restricted.rows.chunk.threads)
        return slid(loss, start, alpha, dense, n_steps, SlideRule(), self.neuron_class.norm)

    @property
    def is_dense(self) -> bool:
        """Whether any neuron may use any input."""
        kind = self.neuron_class
        return kind.order >= self.sample.n_inputs and kind.groups is None and kind.apart is None

    @property
    def drafts(self) -> bool:
        """Whether a network trained from random weights is of the class of neurons."""
        return self.slides and self.is_dense

    @property
    def tells_classes_apart(self) -> bool:
        """Whether outputs are several classes, of which the loss takes one sum."""
        return isinstance(self.loss, Multinomial)

    def drafted(
        self, alpha: float, n_neurons: int, seed: tuple[int, ...], n_steps: int = STEPS_OF_DRAFT
    ) -> tuple[Neurons, Array, Array]:
        """Neurons, their coefficients and the intercept of a network trained from random weights.

        It is trained for so few steps, at most, that it is but a start; its neurons are of
        directions that no climb at a dual point finds.
        """
        points = self.sample.points
        start = random_weights(points, self.constant.intercept, n_neurons, seed)
        moved = drafted(self._loss_of_draft(seed), start, alpha, n_steps)
        return as_neurons(moved, points, self.neuron_class)

    def renewed(
        self, neurons: Neurons, coef: Array, intercept: Array, alpha: float, seed: tuple[int, ...]
    ) -> Neurons:
        """What becomes of a network after random neurons have taken the place of some of its own.

        It is nearly as good as the network at hand and not the same: its neurons are of directions
        that the dual point asks for, and that no climb finds.
        """
        points, n_neurons = self.sample.points, len(neurons)
        kept = np.random.default_rng(seed).permutation(n_neurons)
        kept = np.sort(kept[: int(KEPT_OF_RENEWED * n_neurons)])
        old = balanced_weights(neurons.take(kept), coef[kept], intercept, self.sample.n_inputs)
        n_new = max(LEAST_NEW, n_neurons)
        new = random_weights(points, self.constant.intercept, n_new, seed)
        start = old.joined(new.scaled(SIZE_OF_NEW**0.5))
        moved = slid(self._loss_of_draft(seed), start, alpha, True, STEPS_OF_RENEWED)
        return as_neurons(moved, points, self.neuron_class)[0]

    def _loss_of_draft(self, seed: tuple[int, ...]) -> NetworkLoss:
        """That of all rows; of some, if they are many."""
        rows = self.restricted.rows.chunk
        if len(rows.weight) <= ROWS_OF_DRAFT:
            return self._network_loss
        some = np.random.default_rng(seed).permutation(len(rows.weight))[:ROWS_OF_DRAFT]
        weight = rows.weight[some] / rows.weight[some].sum()
        data = rows.inputs[some], rows.target[some], weight
        return NetworkLoss(*data, self._sliding_loss, threads=rows.threads)

    def diverse(self, neurons: Neurons, at_most: int) -> NDArray[np.intp]:
        """Indices of neurons, best first, none of which does nearly the work of another."""
        columns, weight = self.pricing.table.columns, self.sample.point_weight
        return diverse_neurons(neurons, columns, weight, at_most)
