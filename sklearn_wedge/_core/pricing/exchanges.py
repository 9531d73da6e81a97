"""Hyperplanes through random samples, whose samples are exchanged for better ones. They propose.

Local moves start from the best of few inputs, and from the neurons at hand; a hyperplane in three
inputs or more may be good and lead to none of these. What climbs are where directions are a
continuum, these are where best hyperplanes pass through samples.
"""

from __future__ import annotations

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


def random_pencils(
    table: PointTable,
    neurons: Neurons,
    neuron_class: NeuronClass,
    how_many: int,
    seed: tuple[int, ...],
) -> Pencils:
    """Pencils of the highest order through random points, in inputs of two neurons and another.

    Parameters
    ----------
    table : PointTable
    neurons : Neurons
        Those at hand, whose inputs matter; none: inputs are random.
    neuron_class : NeuronClass
        How many inputs a neuron may have, and which go together: pencils of others are left out.
    how_many : int
    seed : tuple of int
        From the round alone: the same data give the same network everywhere.
    """
    rng = np.random.default_rng(seed)
    varying = table.varying_inputs()
    order = min(neuron_class.order, len(varying))
    inputs = [_some_inputs(rng, neurons, varying, order) for _ in range(how_many)]
    inputs = np.sort(np.array(inputs, dtype=np.intp).reshape(how_many, order), axis=1)
    points = rng.integers(table.n_points, size=(how_many, order - 1))
    pencils = Pencils(inputs, np.sort(points, axis=1))
    return pencils.take(neuron_class.joins(inputs))


def _some_inputs(
    rng: np.random.Generator, neurons: Neurons, varying: NDArray[np.intp], order: int
) -> NDArray[np.intp]:
    """Of two neurons and one more; any if these are too few."""
    some = rng.choice(varying, 1)
    if len(neurons):
        of_neurons = neurons.inputs[rng.integers(len(neurons), size=2)].ravel()
        some = np.union1d(some, of_neurons[of_neurons >= 0])
    if len(some) < order:
        some = np.union1d(some, rng.choice(varying, order, replace=False))
    return rng.choice(some, order, replace=False)


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
