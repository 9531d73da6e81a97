"""Hyperplanes through random samples, whose samples are exchanged for better ones. They propose.

Local moves start from the best of few inputs, and from the neurons at hand; a hyperplane in three
inputs or more may be good and lead to none of these. What climbs are where directions are a
continuum, these are where best hyperplanes pass through samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.kernels import SERIAL, Threads
from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing.budget import DEFAULT, SearchBudget
from sklearn_wedge._core.pricing.pencils import (
    Hyperplanes,
    Pencils,
    PointTable,
    first_of_equal_rows,
)
from sklearn_wedge._core.pricing.search import replace_a_point
from sklearn_wedge._core.pricing.sweep import sweep

# Inputs of a group permuted at a time, for all rows of a block: some megabytes.
AT_ONCE = 1_000_000


def random_pencils(
    table: PointTable,
    neurons: Neurons,
    neuron_class: NeuronClass,
    how_many: int,
    seed: tuple[int, ...],
) -> Pencils:
    """Pencils through random points, in inputs of two neurons and another that may go together.

    They are of the highest order that any neuron may have; none, if this is below two: hinges are
    priced completely. Inputs in groups of fewer have no pencils here.

    Parameters
    ----------
    table : PointTable
    neurons : Neurons
        Those at hand, whose inputs matter; none: inputs are random.
    neuron_class : NeuronClass
        How many inputs a neuron may have, and which go together.
    how_many : int
        Fewer, where inputs are drawn that are to be kept apart.
    seed : tuple of int
        From the round alone: the same data give the same network everywhere.
    """
    rng = np.random.default_rng(seed)
    varying = table.varying_inputs()
    order = max(2, neuron_class.most_together(varying))
    groups = [group for group in neuron_class.groups_of(varying) if len(group) >= order]
    if not groups:
        how_many = 0
    of_neurons = [_within(neurons, group) for group in groups]
    inputs = np.empty((how_many, order), dtype=np.intp)
    numbers = _groups_drawn(rng, [len(inside) for inside in of_neurons], how_many)
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        drawn = _inputs_drawn(rng, of_neurons[number], groups[number], (len(rows), order))
        inputs[rows] = drawn
    points = rng.integers(table.n_points, size=(how_many, order - 1))
    pencils = Pencils(np.sort(inputs, axis=1), np.sort(points, axis=1))
    return pencils.take(neuron_class.joins(pencils.inputs))


def _within(neurons: Neurons, group: NDArray[np.intp]) -> NDArray[np.intp]:
    """Inputs, padded with -1, of the neurons that have them all in a group."""
    inside = np.isin(neurons.inputs, group) | (neurons.inputs < 0)
    return neurons.inputs[inside.all(axis=1)]


def _groups_drawn(
    rng: np.random.Generator, n_neurons: Sequence[int], how_many: int
) -> NDArray[np.intp]:
    """Which of the groups, each with so many neurons; of every second draw one of a neuron.

    The others are of any: neurons at hand may all be in a few.
    """
    if how_many == 0:
        return np.empty(0, dtype=np.intp)
    numbers = rng.integers(len(n_neurons), size=how_many)
    used = np.repeat(np.arange(len(n_neurons)), n_neurons)
    if len(used):
        numbers[1::2] = rng.choice(used, how_many // 2)
    return numbers


def _inputs_drawn(
    rng: np.random.Generator,
    of_neurons: NDArray[np.intp],
    group: NDArray[np.intp],
    shape: tuple[int, int],
) -> NDArray[np.intp]:
    """Inputs of a group, (n, order): of two neurons of it and one more; any if these are too few.

    Rows are drawn together: one by one that took as long as all sweeps of a long search.
    """
    n, order = shape
    some = rng.choice(group, (n, 1))
    if len(of_neurons):
        of_two = of_neurons[rng.integers(len(of_neurons), size=(n, 2))].reshape(n, -1)
        some = np.hstack([some, of_two])
    some = np.hstack([_each_once(some), np.full(shape, -1)])
    few = np.flatnonzero((some >= 0).sum(axis=1) < order)
    n_blocks = 1 + len(few) * len(group) // AT_ONCE
    for rows in np.array_split(few, n_blocks):
        some[rows, -order:] = rng.permuted(np.tile(group, (len(rows), 1)), axis=1)[:, :order]
    some = _each_once(some)
    # What is padding comes last.
    place = np.where(some >= 0, rng.random(some.shape), 1.0)
    return np.take_along_axis(some, np.argsort(place, axis=1, kind="stable")[:, :order], axis=1)


def _each_once(inputs: NDArray[np.intp]) -> NDArray[np.intp]:
    """Each row in ascending order; what is there already becomes padding, -1."""
    inputs = np.sort(inputs, axis=1)
    inputs[:, 1:][inputs[:, 1:] == inputs[:, :-1]] = -1
    return inputs


def exchange(
    table: PointTable,
    dual: NDArray,
    pencils: Pencils,
    neuron_class: NeuronClass,
    threads: Threads = SERIAL,
    budget: SearchBudget = DEFAULT,
) -> Hyperplanes:
    """The best hyperplanes of pencils, after exchanges of one of their points for the best one.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Dual point on the points, summing to zero.
    pencils : Pencils
        Where to start.
    neuron_class : NeuronClass
        Without rejections: best hyperplanes pass through as many samples as they have inputs.
    threads : Threads
        Over which pencils are shared out.
    budget : SearchBudget
        How many are exchanged, and how often.
    """
    found = sweep(table, dual, pencils, neuron_class, threads)
    for _ in range(budget.exchanges):
        best = _distinct(found).best(budget.exchanged)
        better = replace_a_point(best.inputs, best.points)
        better = sweep(table, dual, better, neuron_class, threads)
        found = Hyperplanes.concatenate([found, better], pencils.order)
    return _distinct(found)


def _distinct(planes: Hyperplanes) -> Hyperplanes:
    """Each once, whichever pencil it was found in."""
    named = np.hstack([planes.inputs, np.sort(planes.points, axis=1)])
    return planes.take(np.sort(first_of_equal_rows(named)))
