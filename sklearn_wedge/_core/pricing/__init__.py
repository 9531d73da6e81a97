"""Pricing: the neurons that violate the dual constraint most, and by how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.kernels import Threads
from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing.ascent import ascend
from sklearn_wedge._core.pricing.binned import BinnedPairs
from sklearn_wedge._core.pricing.budget import DEFAULT, SearchBudget
from sklearn_wedge._core.pricing.candidates import (
    Priced,
    diverse,
    diverse_neurons,
    evaluate,
    merged,
)
from sklearn_wedge._core.pricing.coarse import sweep_cells
from sklearn_wedge._core.pricing.every_ramp import price_all_ramps
from sklearn_wedge._core.pricing.exact import n_pencils, n_steps, price_all
from sklearn_wedge._core.pricing.exchanges import exchange, random_pencils
from sklearn_wedge._core.pricing.grids import Grids
from sklearn_wedge._core.pricing.hinges import price_hinges
from sklearn_wedge._core.pricing.pencils import (
    Hyperplanes,
    Pencils,
    PointTable,
    significant,
    whose_turn,
)
from sklearn_wedge._core.pricing.ramps import propose_ramps
from sklearn_wedge._core.pricing.search import local_moves
from sklearn_wedge._core.pricing.starts import varied_directions
from sklearn_wedge._core.pricing.sweep import sweep

__all__ = [
    "Priced",
    "Pricing",
    "SearchBudget",
    "diverse",
    "diverse_neurons",
    "n_pencils",
    "n_steps",
    "significant",
]


# Of alpha: where a climb ends is not looked at closely below.
NEARLY = 0.95


def sketched(
    dual: NDArray, round_number: int, budget: SearchBudget = DEFAULT
) -> NDArray[np.float64]:
    """Few random combinations of many outputs: on average, values are those of all outputs.

    A search over them costs no more than over a few outputs, and looks at others in every round.
    """
    n_outputs = dual.shape[1]
    if n_outputs <= budget.sketched_outputs or dual.size <= budget.entries_searched:
        return dual
    # Seeded by the round alone: the same data give the same network everywhere.
    shape = n_outputs, budget.sketched_outputs
    mixing = np.random.default_rng(round_number).standard_normal(shape)
    return dual @ mixing / np.sqrt(budget.sketched_outputs)


class Pricing:
    """Prices dual points over a class of neurons on given points.

    Parameters
    ----------
    points : ndarray of shape (p, d)
        Distinct, centred, in canonical order.
    neuron_class : NeuronClass
        Which neurons are priced.
    n_threads : int
        Threads to share work out over; what is found does not depend on it.
    budget : SearchBudget
        How far a search goes.

    Attributes
    ----------
    is_cheap : bool
        Whether the whole class is priced instead of searched.
    confirms_at_once : bool
        Whether exact pricing, if it has to come, need not wait for a search.
    """

    def __init__(
        self,
        points: NDArray[np.float64],
        neuron_class: NeuronClass,
        n_threads: int = 1,
        budget: SearchBudget = DEFAULT,
    ):
        self.budget = budget
        self.table = PointTable(points, budget.bytes_of_one_cache)
        self.neuron_class = neuron_class
        self.order = neuron_class.order
        self.threads = Threads(n_threads)
        self.binned = BinnedPairs(self.table, neuron_class, self.threads, budget)
        n_points, n_inputs = points.shape
        many = n_points > self.budget.cells_from
        self.fine = (
            Grids(self.table, budget.fine_bins, budget.bytes_of_one_cache // 2) if many else None
        )
        steps = n_steps(n_points, n_inputs, neuron_class)
        self.is_cheap = steps <= budget.exact_instead
        self.confirms_at_once = steps <= budget.exact_at_once

    @property
    def columns(self) -> NDArray[np.float64]:
        """The points by columns, (d, p)."""
        return self.table.columns

    def price_exactly(self, dual: NDArray) -> Priced:
        """The best neurons of the whole class; the bound is ``M(v)``.

        Parameters
        ----------
        dual : ndarray of shape (p, q)
            Dual point on the points, summing to zero.
        """
        planes = price_all(
            self.table, dual, self.neuron_class, self.threads, self.budget.kept_per_inputs
        )
        priced = self._evaluate(planes, dual, self.budget.evaluated)
        # A hyperplane too ill-conditioned to become a neuron still counts in the bound.
        priced = replace(priced, bound=float(planes.values.max(initial=priced.bound)))
        if not self.neuron_class.ramps:
            return priced
        ramps = price_all_ramps(self.table, dual, self.neuron_class, self.threads, self.budget)
        return merged(priced, ramps)

    def propose(
        self,
        dual: NDArray,
        neurons: Neurons,
        round_number: int,
        everywhere: bool,
        known: Priced | None = None,
    ) -> Priced:
        """Good neurons by search: hinges, the binned sweep, and local moves around the best.

        Parameters
        ----------
        dual : ndarray of shape (p, q)
            Dual point on the points, summing to zero.
        neurons : Neurons
            The tight neurons of the restricted problem: the search looks around them too.
        round_number : int
            Varies what a limited budget leaves out.
        everywhere : bool
            Whether to make the binned sweep too, not only local moves, and to sweep these over all
            points even if they are many.
        known : Priced, default=None
            What a search of this dual point around these neurons has found in this round, not
            everywhere. It is part of the answer, and not looked for again, unless points are many:
            it was looked for in cells of them then.

        Returns
        -------
        Priced
            Its bound is the largest value seen: a lower estimate of ``M(v)``.
        """
        hinges = price_hinges(self.table, dual, self.budget.hinges_per_input, self.neuron_class)
        promise = np.zeros(self.table.n_inputs)
        np.maximum.at(promise, hinges.inputs[:, 0], hinges.values)
        if self.order == 1:
            priced = self._evaluate(hinges, dual, self.budget.evaluated)
        else:
            priced = self._searched(dual, hinges, promise, neurons, round_number, everywhere, known)
        return self._with_ramps(priced, dual, neurons, promise, round_number)

    def _searched(
        self,
        dual: NDArray,
        hinges: Hyperplanes,
        promise: NDArray,
        neurons: Neurons,
        round_number: int,
        everywhere: bool,
        known: Priced | None,
    ) -> Priced:
        """Good neurons of several inputs, and these hinges; each input's best is its promise."""
        whole, dual = dual, sketched(dual, round_number, self.budget)
        if self.fine is not None:
            known = None
        found, start = [], Neurons.empty(self.order)
        if known is None:
            found.append(hinges)
            start = self._evaluate(hinges, whole, self.budget.hinges_to_tilt).neurons
        if everywhere:
            at_most = min(self._pencils_at_most(self.table.n_points), self.budget.fans_to_sweep)
            promising = self.binned.propose(dual, promise, round_number, at_most)
            found.append(sweep(self.table, dual, promising, self.neuron_class, self.threads))
            start = start.join(self._evaluate(found[-1], dual, self.budget.fans_to_refine).neurons)
        if self.neuron_class.has_rejections:
            climbers = start.join(neurons) if known is None else start
            found.append(self._ascend(climbers, neurons, dual, round_number, everywhere))
        # Of many inputs, best hyperplanes lie in few pencils, and the ascent is much cheaper.
        if everywhere or self.neuron_class.lies_in_pencils:
            swept = self.neuron_class.lies_in_pencils and known is not None
            inputs = self._inputs_to_add(promise)
            if everywhere:
                inputs = self._with_others_in_turn(inputs, round_number)
            for around in (start,) if swept else (start, neurons):
                for move in local_moves(around, self.neuron_class, inputs):
                    found.append(self._sweep(move, dual, round_number, everywhere))
        priced = self._evaluate(
            Hyperplanes.concatenate(found, self.order), whole, self.budget.evaluated
        )
        return priced if known is None else merged(priced, known)

    def _with_ramps(
        self, priced: Priced, dual: NDArray, tight: Neurons, promise: NDArray, round_number: int
    ) -> Priced:
        """What is priced, and ramps if neurons may be ramps; see ``propose_ramps``."""
        kind = self.neuron_class
        if not kind.ramps:
            return priced
        inputs = self._inputs_to_add(promise)
        how = kind, round_number, self.threads, self.budget
        return propose_ramps(self.table, dual, priced, tight, inputs, *how)

    def search_on(
        self,
        dual: NDArray,
        alpha: float,
        neurons: Neurons,
        drafted: Neurons,
        turn: int,
        known: Priced,
    ) -> Priced:
        """What is known of a dual point, and what a search from many more starts finds.

        Climbs start from the directions of the drafted neurons, too. Starts are others in each
        round, ``turn``, and in each search that is known; the other parameters are those of
        ``propose``.
        """
        sketch = sketched(dual, turn, self.budget)
        seed = turn, len(known.searches), 2
        if self.neuron_class.has_rejections:
            # What is nearly as good leads to what is better.
            near = neurons.join(known.neurons.take(known.values >= NEARLY * alpha))
            of_draft = drafted.weight_matrix(self.table.n_inputs).T
            starts = np.concatenate([of_draft, self._many_directions(near, len(neurons), seed)])
            # The best of some offsets is nearly as good as the best of all, and what is well below
            # alpha is of no interest.
            planes = self._climb(sketch, starts, NEARLY * alpha if sketch is dual else 0.0)
        else:
            planes = self._exchange(sketch, neurons, seed)
        found = self._evaluate(planes, dual, self.budget.evaluated)
        found = self._with_ramps(found, dual, neurons, np.zeros(self.table.n_inputs), turn)
        return merged(known, replace(found, searches=(found.bound,)))

    def _many_directions(
        self, near: Neurons, n_tight: int, seed: tuple[int, ...]
    ) -> NDArray[np.float64]:
        """Those of a long search."""
        at_most = self.budget.positions_of_climbs // self.table.n_points
        wanted = max(self.budget.climbs_at_the_end, self.budget.climbs_per_neuron * n_tight)
        return self._new_directions(near, min(wanted, at_most), seed)

    def _exchange(self, dual: NDArray, tight: Neurons, seed: tuple[int, ...]) -> Hyperplanes:
        """From hyperplanes through random points to better ones."""
        order = min(self.order, self.budget.order_of_exchanges)
        kind, how_many = self.neuron_class, self._pencils_at_most(self.table.n_points)
        pencils = random_pencils(self.table, tight, replace(kind, order=order), how_many, seed)
        found = exchange(self.table, dual, pencils, kind, self.threads, self.budget)
        return Hyperplanes.concatenate([found], self.order)

    def _evaluate(self, planes: Hyperplanes, dual: NDArray, at_most: int) -> Priced:
        return evaluate(self.table, planes, dual, at_most, self.neuron_class, self.threads)

    def _inputs_to_add(self, promise: NDArray) -> NDArray[np.intp]:
        """The inputs of the best hinges, of each group if there are any."""
        ranking = np.argsort(-significant(promise), kind="stable")
        groups = self.neuron_class.groups
        best = [ranking] if groups is None else [ranking[np.isin(ranking, g)] for g in groups]
        return np.unique(np.concatenate([inputs[: self.budget.inputs_to_add] for inputs in best]))

    def _with_others_in_turn(self, best: NDArray, round_number: int) -> NDArray[np.intp]:
        """These inputs and, of all others, the next ones."""
        others = np.setdiff1d(self.table.varying_inputs(), best)
        turn = whose_turn(len(others), self.budget.inputs_in_turn, round_number)
        return np.union1d(best, others[turn])

    def _ascend(
        self, start: Neurons, tight: Neurons, dual: NDArray, round_number: int, everywhere: bool
    ) -> Hyperplanes:
        """Climb from the directions of neurons whose turn it is, and from new ones."""
        directions = start.weight_matrix(self.table.n_inputs).T
        in_turn = whose_turn(len(directions), self.budget.climbs, round_number)
        how_many = self.budget.climbs_everywhere if everywhere else self.budget.new_climbs
        new = self._new_directions(tight, how_many, (round_number, int(everywhere)))
        return self._climb(dual, np.concatenate([directions[np.sort(in_turn)], new]))

    def _new_directions(
        self, tight: Neurons, how_many: int, seed: tuple[int, ...]
    ) -> NDArray[np.float64]:
        near = tight.weight_matrix(self.table.n_inputs).T
        return varied_directions(self.table.points, near, self.neuron_class, how_many, seed)

    def _climb(self, dual: NDArray, directions: NDArray, least: float = 0.0) -> Hyperplanes:
        kind, threads = self.neuron_class, self.threads
        return ascend(self.table, dual, directions, kind, threads, self.budget, least)

    def _pencils_at_most(self, n_positions: int) -> int:
        """How many pencils a move may sweep over so many positions."""
        return int(
            np.clip(
                self.budget.steps_per_move // n_positions,
                self.budget.least_pencils,
                self.budget.most_pencils,
            )
        )

    def _sweep(
        self, pencils: Pencils, dual: NDArray, round_number: int, everywhere: bool
    ) -> Hyperplanes:
        """The best hyperplanes of these pencils, or of those whose turn it is."""
        by_cells = self.fine is not None and pencils.order == 2 and not everywhere
        positions = self.budget.fine_bins**2 if by_cells else self.table.n_points
        at_most = self._pencils_at_most(positions)
        pencils = pencils.take(whose_turn(len(pencils), at_most, round_number))
        if by_cells:
            return sweep_cells(
                self.fine, dual, pencils, self.neuron_class, round_number, self.threads
            )
        return sweep(self.table, dual, pencils, self.neuron_class, self.threads)
