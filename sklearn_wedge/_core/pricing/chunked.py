"""Pricing of rows in chunks: a search whose every step is a sum over them.

Hyperplanes pass through the points, a few thousand rows that are held in memory. What a hyperplane
is worth comes from all the rows:

1. every hinge at the start of a quantile bin, exactly, from sums over the bins;
2. pairs of inputs by sums over the cells of a grid, approximately: they propose pencils, and local
   moves around good neurons are swept over the same cells;
3. with more effort, the best of these pencils once more: all lines through the pivot and several
   hundred points, exactly, from sums over the sectors between them;
4. the best of everything, exactly, on the activations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing import histograms
from sklearn_wedge._core.pricing.binned import Fan, best_cells, fan_of, monotone_values
from sklearn_wedge._core.pricing.bins import Bins, bins_of
from sklearn_wedge._core.pricing.budget import CHUNKED, ChunkedBudget
from sklearn_wedge._core.pricing.candidates import Priced, candidates, ranked
from sklearn_wedge._core.pricing.grids import bin_starts
from sklearn_wedge._core.pricing.hinges import local_maxima
from sklearn_wedge._core.pricing.pencils import (
    Hyperplanes,
    KeptWhileThereIsRoom,
    Pencils,
    PointTable,
    significant,
    whose_turn,
)
from sklearn_wedge._core.pricing.search import add_an_input, local_moves
from sklearn_wedge._core.pricing.sweep import completed, sweep_pencils
from sklearn_wedge._core.rows import GOLDEN_RATIO, ChunkedSample, Kept

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Grid:
    """The cells of a pair of inputs.

    Attributes
    ----------
    order : int ndarray of shape (p,)
        Points by cell; ``starts`` and ``count``, of shape (cells,), say where each begins in it and
        how many points it has.
    centres : ndarray of shape (2, cells)
        Means of the bins of both inputs.
    """

    order: NDArray[np.int32]
    starts: NDArray[np.intp]
    count: NDArray[np.intp]
    centres: Array

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(a.nbytes for a in (self.order, self.starts, self.count, self.centres))


class ChunkedPricing:
    """Prices dual points that stay with the chunks.

    It is never cheap: hyperplanes pass through some of the rows only.

    Parameters
    ----------
    sample : ChunkedSample
    neuron_class : NeuronClass
        Of order 1 or 2, under l1.
    budget : ChunkedBudget
        How far a search goes.
    """

    is_cheap = confirms_at_once = False

    def __init__(
        self,
        sample: ChunkedSample,
        neuron_class: NeuronClass,
        budget: ChunkedBudget = CHUNKED,
    ):
        self.sample, self.neuron_class, self.budget = sample, neuron_class, budget
        self.rows, self.scaling = sample.rows, sample.input_scaling
        self.n_outputs = len(sample.target_scaling.mean)
        self.table = PointTable(sample.points)
        self.varying = [int(k) for k in self.table.varying_inputs()]
        self.hinge_inputs = [k for (k,) in neuron_class.input_sets(self.varying, 1)]
        columns = self.table.columns
        self.hinge_bins = {
            k: bins_of(bin_starts(columns[k], self.budget.hinge_bins)) for k in self.varying
        }
        self.cell_bins = {
            k: bins_of(bin_starts(columns[k], self.budget.cell_bins)) for k in self.varying
        }
        self._place = {k: bins.count(columns[k]) - 1 for k, bins in self.cell_bins.items()}
        self.pairs = list(neuron_class.input_sets(self.varying, 2))
        self._scale = columns.std(axis=1)
        self._grids = KeptWhileThereIsRoom(budget.cache_bytes // 2)
        self._fans = KeptWhileThereIsRoom(budget.cache_bytes // 2)

    def propose(
        self,
        dual: Kept,
        tight: Neurons,
        turn: int,
        thorough: bool,
        known: Priced | None = None,
    ) -> Priced:
        """Good neurons; those known already are found again.

        Parameters
        ----------
        dual : Kept
            Dual point, (r, q) in each chunk, summing to zero.
        tight : Neurons
            The search looks around them too.
        turn : int
            Varies what a limited budget leaves out.
        thorough : bool
            Whether to price hinges at all points near good ones, and the lines of good pencils.
        """
        hinges = self._hinges(dual, self.hinge_bins)
        if thorough:
            near = self._between_bins(hinges)
            hinges = Hyperplanes.concatenate([hinges, self._hinges(dual, near)], 1)
        if self.neuron_class.order == 1 or not self.pairs:
            return self._evaluate(hinges, dual)
        promise = np.zeros(self.table.n_inputs)
        np.maximum.at(promise, hinges.inputs[:, 0], hinges.values)
        moves = self._moves(hinges, tight, promise)
        pairs = self._pairs_of_this_turn(promise, moves, turn)
        (sums,) = self.rows.sum(
            histograms.cell_sums,
            self.scaling,
            self.cell_bins,
            pairs,
            self.budget.cell_bins,
            along=(dual,),
        )
        by_pair = dict(zip(pairs, sums, strict=True))
        proposed = self._from_fans(by_pair, turn)
        planes = self._swept([proposed, *moves], by_pair, turn)
        if thorough:
            exact = self._along_sectors(planes, tight, dual, turn)
            planes = Hyperplanes.concatenate([planes.best(self.budget.evaluated // 4), exact], 2)
        best = [hinges.best(self.budget.evaluated // 2), planes.best(self.budget.evaluated)]
        return self._evaluate(Hyperplanes.concatenate(best, 2), dual)

    def _evaluate(self, planes: Hyperplanes, dual: Kept) -> Priced:
        neurons = candidates(self.table, planes, len(planes), self.neuron_class)
        products, moments = self.rows.sum(
            histograms.neuron_sums, self.scaling, neurons, along=(dual,)
        )
        linear = neurons.sparse_weights(self.table.n_inputs) @ moments
        return ranked(neurons, products, linear, self.neuron_class)

    # --- order 1 ---------------------------------------------------------------------------------

    def _hinges(self, dual: Kept, bins: dict[int, Bins]) -> Hyperplanes:
        """The best hinges of each input at the starts of bins, which are positions of points."""
        wanted = [(k, bins[k]) for k in self.hinge_inputs if k in bins]
        if not wanted:
            return Hyperplanes.empty(1)
        parts = [Hyperplanes.empty(1)]
        sums = self.rows.sum(histograms.hinge_sums, self.scaling, wanted, along=(dual,))
        monotone = self.neuron_class.monotone
        for (k, of_input), sums_of_input in zip(wanted, sums, strict=True):
            starts = of_input.starts
            direction = 0 if monotone is None else monotone[k]
            values = histograms.hinge_values_of_bins(starts, sums_of_input, direction)
            best = local_maxima(values, self.budget.hinges_per_input)
            projection = self.table.projection((k,))
            places = np.searchsorted(projection.positions[0], starts[best])
            points = projection.representatives(places)
            inputs = np.full((len(best), 1), k, dtype=np.intp)
            parts.append(Hyperplanes.through(inputs, points[:, None], values[best]))
        return Hyperplanes.concatenate(parts, order=1)

    def _between_bins(self, hinges: Hyperplanes) -> dict[int, Bins]:
        """Bins that start at all the points around good hinges."""
        near: dict[int, list[Array]] = {}
        for k, point in zip(hinges.inputs[:, 0], hinges.points[:, 0], strict=True):
            starts, positions = self.hinge_bins[int(k)].starts, self.table.projection((int(k),))
            place = np.searchsorted(starts, self.table.columns[k, point])
            low = starts[max(place - 1, 0)]
            high = starts[place + 1] if place + 1 < len(starts) else np.inf
            inside = (positions.positions[0] >= low) & (positions.positions[0] <= high)
            near.setdefault(int(k), []).append(positions.positions[0][inside])
        return {k: bins_of(np.unique(np.concatenate(parts))) for k, parts in near.items()}

    # --- pairs -----------------------------------------------------------------------------------

    def _moves(self, hinges: Hyperplanes, tight: Neurons, promise: Array) -> list[Pencils]:
        """Pencils one move away from the best hinges and the tight neurons."""
        inputs = np.argsort(-significant(promise), kind="stable")[: self.budget.inputs_to_add]
        best = hinges.best(self.budget.hinges_to_tilt)
        tilted = add_an_input(best.inputs, best.points, inputs)
        tilted = tilted.take(self.neuron_class.joins(tilted.inputs))
        return [tilted, *local_moves(tight, self.neuron_class, inputs)]

    def _pairs_of_this_turn(
        self, promise: Array, moves: list[Pencils], turn: int
    ) -> list[tuple[int, int]]:
        """The most promising pairs, in turn the others, and those of the tight neurons."""
        at_most = max(8, self.budget.pairs_per_round // self.n_outputs)
        if len(self.pairs) <= at_most:
            return self.pairs
        promise = significant(promise)
        score = np.array([promise[k] + promise[j] for k, j in self.pairs])
        # Where neurons are already, better ones are likely.
        place = {pair: number for number, pair in enumerate(self.pairs)}
        for pencils in moves[1:]:
            for pair in map(tuple, np.unique(pencils.inputs, axis=0).tolist()):
                score[place[pair]] += 0.5
        ranking = np.argsort(-score, kind="stable")
        half = at_most // 2
        others = np.sort(ranking[half:])
        chosen = np.concatenate([ranking[:half], others[whose_turn(len(others), half, turn)]])
        return [self.pairs[k] for k in np.sort(chosen)]

    def _grid(self, pair: tuple[int, int]) -> _Grid:
        return self._grids.get(pair, self._grid_of)

    def _grid_of(self, pair: tuple[int, int]) -> _Grid:
        cell = self._place[pair[0]] * self.budget.cell_bins + self._place[pair[1]]
        count = np.bincount(cell, minlength=self.budget.cell_bins**2)
        first, second = np.divmod(np.arange(self.budget.cell_bins**2), self.budget.cell_bins)
        centres = np.array([self._bin_means(pair[0])[first], self._bin_means(pair[1])[second]])
        order = np.argsort(cell, kind="stable").astype(np.int32)
        return _Grid(order, np.cumsum(count) - count, count, centres)

    def _fan_of(self, pair: tuple[int, int]) -> Fan:
        scale = self._scale[list(pair)]
        return fan_of(self._grid(pair).centres, scale, self.neuron_class.norm)

    def _bin_means(self, k: int) -> Array:
        """Means of the points in each bin of an input; of bins that there are not, the last."""
        count = np.bincount(self._place[k], minlength=self.budget.cell_bins)
        sums = np.bincount(self._place[k], self.table.columns[k], self.budget.cell_bins)
        used = int(np.count_nonzero(count))
        means = sums[:used] / count[:used]
        return np.append(means, np.full(self.budget.cell_bins - used, means[-1]))

    def _points_of_cells(
        self, pair: tuple[int, int], cells: NDArray[np.intp], turn: int
    ) -> NDArray[np.intp]:
        """A point of each of these cells, another one every round, or the one nearest to it."""
        grid = self._grid(pair)
        share = (turn + 1) * GOLDEN_RATIO % 1.0
        count = grid.count[cells]
        places = grid.starts[cells] + (share * count).astype(np.intp)
        points = grid.order[np.minimum(places, len(grid.order) - 1)].astype(np.intp)
        scale = self._scale[list(pair)][:, None]
        for k in np.flatnonzero(count == 0):
            away = (self.table.columns[list(pair)] - grid.centres[:, cells[k], None]) / scale
            points[k] = np.argmin(significant((away**2).sum(axis=0)))
        return points

    def _directions(self, pair: tuple[int, int]) -> NDArray | None:
        monotone = self.neuron_class.monotone
        return None if monotone is None else np.array([monotone[k] for k in pair])

    def _from_fans(self, sums: dict[tuple[int, int], Array], turn: int) -> Pencils:
        """Pencils through the cells of the best lines in fixed directions."""
        found = []
        for pair, of_pair in sums.items():
            fan = self._fans.get(pair, self._fan_of)
            found.append(fan.best(of_pair, self._directions(pair)))
        of_pair, cell = best_cells(found, self.budget.fans_to_sweep)
        pairs = list(sums)
        points = [
            self._points_of_cells(pairs[k], np.array([c]), turn)
            for k, c in zip(of_pair, cell, strict=True)
        ]
        inputs = np.array(pairs)[of_pair]
        return Pencils(inputs, np.array(points, dtype=np.intp).reshape(-1, 1))

    def _swept(
        self, parts: list[Pencils], sums: dict[tuple[int, int], Array], turn: int
    ) -> Hyperplanes:
        """The best hyperplane, by cells, of every pencil of the pairs that were looked at."""
        pencils = Pencils(
            np.concatenate([part.inputs for part in parts]),
            np.concatenate([part.points for part in parts]),
        ).distinct()
        pencils = pencils.take(whose_turn(len(pencils), self.budget.most_pencils, turn))
        found = [Hyperplanes.empty(2)]
        for pair, of_pair in sums.items():
            rows = np.flatnonzero((pencils.inputs == pair).all(axis=1))
            if len(rows):
                found.append(self._swept_pair(pair, of_pair, pencils.points[rows, 0], turn))
        return Hyperplanes.concatenate(found, 2)

    def _swept_pair(
        self, pair: tuple[int, int], sums: Array, pivots: NDArray[np.intp], turn: int
    ) -> Hyperplanes:
        # What has no row, or no dual, turns no line.
        cells = np.flatnonzero(np.abs(sums[:, 0]).max(axis=0) > 0)
        columns = self.table.columns[list(pair)]
        positions = np.hstack([self._grid(pair).centres[:, cells], columns[:, pivots]])
        # The pivots come after the cells, and weigh nothing.
        padded = np.pad(sums[:, :, cells], ((0, 0), (0, 0), (0, len(pivots))))
        renamed = Pencils(
            np.broadcast_to(np.arange(2), (len(pivots), 2)),
            len(cells) + np.arange(len(pivots))[:, None],
        )
        own_class = self.neuron_class.within(pair)
        swept = sweep_pencils(
            np.ascontiguousarray(positions), padded[:, 0], renamed, own_class, padded[:, 1:]
        )
        found = completed(renamed, swept)
        first = pivots[found.points[:, 0] - len(cells)]
        at_cell = found.points[:, 1] < len(cells)
        second = pivots[np.maximum(found.points[:, 1] - len(cells), 0)]
        second[at_cell] = self._points_of_cells(pair, cells[found.points[at_cell, 1]], turn)
        distinct = np.any(columns[:, first] != columns[:, second], axis=0)
        inputs = np.broadcast_to(np.array(pair, dtype=np.intp), (len(found), 2))
        return Hyperplanes.through(inputs, np.column_stack([first, second]), found.values).take(
            distinct
        )

    # --- pencils, exactly ------------------------------------------------------------------------

    def _along_sectors(
        self, planes: Hyperplanes, tight: Neurons, dual: Kept, turn: int
    ) -> Hyperplanes:
        """The best lines of the pencils of good hyperplanes and of the tight neurons."""
        steps = self.budget.sector_steps // (self.rows.n_rows * self.n_outputs)
        at_most = int(np.clip(steps, self.budget.least_pencils, self.budget.most_sectors))
        rows = np.flatnonzero((tight.order == 2) & (tight.n_points == 2))
        both = [
            np.concatenate([tight.points[rows, :2], tight.points[rows, 1::-1]]),
            np.concatenate([tight.inputs[rows, :2]] * 2),
        ]
        chosen = whose_turn(len(both[0]), at_most // 2, turn)
        best = planes.best(at_most - len(chosen))
        # Each is a pivot and the other point, next to which the lines are close.
        points = np.concatenate([both[0][chosen], best.points])
        inputs = np.concatenate([both[1][chosen], best.inputs])
        made = [self._sectors(*plane, turn) for plane in zip(inputs, points, strict=True)]
        made = [(sectors, others) for sectors, others in made if len(others)]
        if not made:
            return Hyperplanes.empty(2)
        pencils = [sectors for sectors, _ in made]
        sums = self.rows.sum(histograms.sector_sums, self.scaling, pencils, along=(dual,))
        found = [Hyperplanes.empty(2)]
        pivots = [self._pivot(sectors) for sectors in pencils]
        for (sectors, others), pivot, of_pencil in zip(made, pivots, sums, strict=True):
            found.append(self._best_lines(sectors, pivot, others, of_pencil))
        return Hyperplanes.concatenate(found, 2)

    def _pivot(self, sectors: histograms.Sectors) -> int:
        """A point at the pivot: the first in canonical order."""
        at = self.table.columns[list(sectors.inputs)] == sectors.pivot[:, None]
        return int(np.flatnonzero(at.all(axis=0))[0])

    def _sectors(
        self, inputs: NDArray[np.intp], points: NDArray[np.intp], turn: int
    ) -> tuple[histograms.Sectors, NDArray[np.intp]]:
        """Lines through the first point and others: close to the second one, and all around."""
        pair = (int(inputs[0]), int(inputs[1]))
        columns = self.table.columns[list(pair)]
        pivot = columns[:, points[0]]
        x, y = columns - pivot[:, None]
        others = np.flatnonzero((x != 0) & (y != 0))
        slopes = y[others] / x[others]
        order = np.argsort(slopes, kind="stable")
        others, slopes = others[order], slopes[order]
        away = columns[:, points[1]] - pivot
        place = int(np.searchsorted(slopes, away[1] / away[0])) if away[0] != 0 else 0
        near = np.arange(
            max(place - self.budget.lines_near // 2, 0),
            min(place + self.budget.lines_near // 2, len(others)),
        )
        share = (turn + 1) * GOLDEN_RATIO % 1.0
        around = (
            (np.arange(self.budget.lines_around) + share) * len(others) / self.budget.lines_around
        ).astype(np.intp)
        lines = np.union1d(near, around) if len(others) else near
        slopes, first = np.unique(slopes[lines], return_index=True)
        bins = bins_of(histograms.flattened(slopes)) if len(slopes) else None
        return histograms.Sectors(pair, pivot, slopes, bins), others[lines[first]]

    def _best_lines(
        self,
        sectors: histograms.Sectors,
        pivot: int,
        others: NDArray[np.intp],
        sums: Array,
    ) -> Hyperplanes:
        first, second = histograms.sides_of_lines(sectors.slopes, sums)
        directions = self._directions(sectors.inputs)
        if directions is None:
            values = np.sqrt(np.maximum((first**2).sum(axis=0), (second**2).sum(axis=0)))
        else:
            weights = histograms.line_weights(sectors.slopes)
            values = monotone_values(weights, directions, second[0], first[0])
        best = local_maxima(values, self.budget.hinges_per_input)
        points = np.column_stack([np.full(len(best), pivot), others[best]])
        inputs = np.broadcast_to(np.array(sectors.inputs, dtype=np.intp), points.shape)
        return Hyperplanes.through(inputs, points, values[best])
