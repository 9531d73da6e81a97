"""Exact pricing: every pencil of every order up to the limit. Only this certifies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, islice
from math import comb

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from sklearn_wedge._neurons import NeuronClass
from sklearn_wedge._pricing.hinges import price_hinges
from sklearn_wedge._pricing.pencils import Hyperplanes, Pencils, PointTable
from sklearn_wedge._pricing.sweep import (
    Arrangement,
    Arrangements,
    arrange,
    completed,
    sweep_pencils,
)
from sklearn_wedge._threads import single_threaded_blas

# Pencils generated and swept at a time.
CHUNK = 4096
# Hyperplanes kept for each set of inputs: a round wants good columns from many of them.
KEPT_PER_INPUTS = 16


def n_pencils(n_points: int, n_inputs: int, neuron_class: NeuronClass) -> int:
    """Pencils of all orders: ``C(n, s - 1)`` for each set of ``s`` inputs that go together.

    Of ``d`` inputs that are ``d`` of order 1 and, unless there are groups, ``C(d, s)·C(n, s - 1)``
    of each order ``s``.
    """
    return sum(
        neuron_class.n_input_sets(n_inputs, s) * comb(n_points, s - 1)
        for s in range(1, neuron_class.order + 1)
    )


def _pivot_chunks(n_positions: int, order: int) -> Iterator[NDArray[np.intp]]:
    choices = combinations(range(n_positions), order - 1)
    while chunk := list(islice(choices, CHUNK)):
        yield np.array(chunk, dtype=np.intp)


def _kept_batches(
    table: PointTable,
    key: tuple[tuple[int, ...], int],
    positions: NDArray,
    pencils: Pencils,
    neuron_class: NeuronClass,
) -> tuple[Arrangement, ...] | None:
    """The pencils in batches as sorted in an earlier pricing, if there is room to keep them."""
    if not table.arrangements.has_room(key, Arrangements.bytes_of(pencils, positions.shape[1])):
        return None

    def arranged(_: object) -> Arrangements:
        return Arrangements(tuple(arrange(positions, pencils, neuron_class.norm)))

    return table.arrangements.get(key, arranged).batches


@single_threaded_blas()  # a limit may be one of the thread
def _price_inputs(
    table: PointTable, dual: NDArray, inputs: tuple[int, ...], neuron_class: NeuronClass
) -> Hyperplanes:
    """The best hyperplanes in one set of inputs, through any of their pencils."""
    projection = table.projection(inputs)
    summed = projection.sum(dual)
    s, own_class = len(inputs), neuron_class.within(inputs)
    best = Hyperplanes.empty(s)
    for number, pivots in enumerate(_pivot_chunks(projection.n_positions, s)):
        pencils = Pencils(np.broadcast_to(np.arange(s), (len(pivots), s)), pivots)
        batches = _kept_batches(table, (inputs, number), projection.positions, pencils, own_class)
        swept = sweep_pencils(projection.positions, summed, pencils, own_class, batches=batches)
        found = completed(pencils, swept)
        if len(best):
            found = Hyperplanes.concatenate([best, found], s)
        best = found.best(KEPT_PER_INPUTS)
    points = np.where(best.points >= 0, projection.representatives(best.points), -1)
    return replace(best, inputs=np.asarray(inputs, dtype=np.intp)[best.inputs], points=points)


def price_all(
    table: PointTable, dual: NDArray, neuron_class: NeuronClass, n_jobs: int | None = None
) -> Hyperplanes:
    """The best hyperplanes of a whole class of neurons.

    Rejections are complete up to order 2 only: beyond, a best hyperplane under l2 may pass through
    fewer than ``s - 1`` samples and lie in no pencil.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Dual point on the points, summing to zero.
    neuron_class : NeuronClass
    n_jobs : int or None
        Threads, over sets of inputs.

    Returns
    -------
    Hyperplanes
        The largest of the values is ``M(v)`` of the class; all zero if no neuron has a value.
    """
    varying = [int(k) for k in table.varying_inputs()]
    parts = [price_hinges(table, dual, KEPT_PER_INPUTS, neuron_class)]
    for s in range(2, min(neuron_class.order, len(varying)) + 1):
        tasks = (
            delayed(_price_inputs)(table, dual, inputs, neuron_class)
            for inputs in neuron_class.input_sets(varying, s)
        )
        # Not on whatever runs the fits of a search, such as the workers of dask: they wait.
        parts += Parallel(n_jobs=n_jobs, backend="threading")(tasks)
    return Hyperplanes.concatenate(parts, neuron_class.order)
