"""From hyperplanes to columns: evaluate, remove repetitions, choose a diverse batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.kernels import SERIAL, Threads
from sklearn_wedge._core.neurons import NeuronClass, Neurons, Norm, neurons_at, neurons_through
from sklearn_wedge._core.pricing.pencils import (
    Hyperplanes,
    PointTable,
    first_of_equal_rows,
    significant,
)

# Two columns that correlate more than this do the same work in one round.
SAME_DIRECTION = 0.95
# Candidates compared at a time.
CHUNK = 256
# Whether neurons differ enough is judged on so many points, and on some more for each neuron that
# is idle on these.
POINTS_COMPARED, TELLING_POINTS = 512, 8
# Entries of what is computed to find those.
ACTIVATIONS_AT_ONCE = 2**22
# Differences of activations that are rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Priced:
    """Answer of a pricing: the best neurons, best first, and the largest value seen.

    Attributes
    ----------
    neurons : Neurons
        Distinct, with the orientation of the larger value.
    values : ndarray of shape (k,)
        ``‖V·(Xu + c)_+‖`` of exactly these neurons, recomputed from their activations; signed
        where the coefficient must have a sign.
    bound : float
        The largest value over everything priced: ``M(v)`` if the whole class was.
    searches : tuple of float
        The largest value that each long search has found, of those that knew nothing of one
        another.
    """

    neurons: Neurons
    values: NDArray[np.float64]
    bound: float
    searches: tuple[float, ...] = ()


def _neurons_of(table: PointTable, planes: Hyperplanes, norm: Norm) -> Neurons:
    """Neurons of hyperplanes of mixed order."""
    width = planes.inputs.shape[1]
    neurons = Neurons.empty(width)
    orders = (planes.inputs >= 0).sum(axis=1)
    by_points = np.isnan(planes.normals[:, 0])
    for s in range(1, width + 1):
        for through in (True, False):
            rows = np.flatnonzero((orders == s) & (by_points == through))
            if len(rows) == 0:
                continue
            named = planes.inputs[rows, :s], planes.points[rows, :s]
            if through:
                made = neurons_through(table.points, *named, norm)
            else:
                made = neurons_at(table.points, *named, planes.normals[rows, :s], norm)
            neurons = neurons.join(made)
    return neurons.padded(width)


def _distinct(neurons: Neurons, size: float) -> NDArray[np.intp]:
    """First occurrence of every different hyperplane: each lies in several pencils."""
    rounded = np.round(np.column_stack([neurons.weights, neurons.offsets / (size or 1.0)]), 9)
    # One hyperplane has two orientations: that with a positive first weight names it.
    rounded *= np.where(neurons.weights[:, :1] < 0, -1.0, 1.0)
    keys = np.column_stack([neurons.inputs, rounded + 0.0])
    return np.sort(first_of_equal_rows(keys))


def evaluate(
    table: PointTable,
    planes: Hyperplanes,
    dual: NDArray,
    at_most: int,
    neuron_class: NeuronClass,
    threads: Threads = SERIAL,
) -> Priced:
    """Build the neurons of the best hyperplanes and price them on their activations.

    Parameters
    ----------
    table : PointTable
    planes : Hyperplanes
        Of any orders, with exact or approximate values.
    dual : ndarray of shape (p, q)
        Dual point on the points.
    at_most : int
        Hyperplanes looked at, those of the largest values.
    neuron_class : NeuronClass
        The norm in which weights have unit length, and which signs they may have.
    threads : Threads
        Over which neurons are shared out.
    """
    neurons = candidates(table, planes, at_most, neuron_class)
    linear = neurons.sparse_weights(table.n_inputs) @ (table.columns @ dual)
    return ranked(neurons, neurons.products(table.columns, dual, threads), linear, neuron_class)


def candidates(
    table: PointTable, planes: Hyperplanes, at_most: int, neuron_class: NeuronClass
) -> Neurons:
    """The distinct neurons of the best hyperplanes that may enter, in one orientation each."""
    neurons = _neurons_of(table, planes.best(at_most), neuron_class.norm)
    # Before repetitions go: of two that differ by rounding only, one may not be allowed.
    neurons = neurons.take(neuron_class.allows(neurons))
    return neurons.take(_distinct(neurons, table.size))


def ranked(
    neurons: Neurons, products: NDArray, linear: NDArray, neuron_class: NeuronClass
) -> Priced:
    """Both orientations of neurons, best first.

    Parameters
    ----------
    neurons : Neurons
        m of them.
    products : ndarray of shape (m, q)
        ``V·(Xu + c)_+``.
    linear : ndarray of shape (m, q)
        ``V·Xu``.
    neuron_class : NeuronClass
    """
    # (-h)_+ = (h)_+ - h, and V sums to zero: the other orientation costs next to nothing.
    both = neurons.join(neurons.reversed())
    values = neuron_class.values(both, np.concatenate([products, products - linear]))
    return _best_first(both, values, float(values.max(initial=0.0)))


def merged(one: Priced, other: Priced) -> Priced:
    """What both have found at one dual point; neurons may be there twice."""
    values = np.concatenate([one.values, other.values])
    bound = float(np.maximum(one.bound, other.bound))  # NaN, if one of them is
    both = _best_first(one.neurons.join(other.neurons), values, bound)
    return replace(both, searches=one.searches + other.searches)


def _best_first(neurons: Neurons, values: NDArray, bound: float) -> Priced:
    order = np.argsort(-significant(values), kind="stable")
    return Priced(neurons.take(order), values[order], bound)


def diverse_neurons(
    neurons: Neurons, columns: NDArray[np.float64], weight: NDArray, at_most: int
) -> NDArray[np.intp]:
    """Greedy choice from neurons in order of preference: skip what does the work of one chosen.

    Parameters
    ----------
    neurons : Neurons
        Best first.
    columns : ndarray of shape (d, p)
        The points by columns.
    weight : ndarray of shape (p,)
        Their weights.
    at_most : int
        How many to choose.

    Returns
    -------
    int ndarray
        Indices of the neurons chosen, ascending.
    """
    n_points = columns.shape[1]
    spread = np.arange(0, n_points, -(-n_points // POINTS_COMPARED))
    activations = neurons.activations(columns[:, spread])
    # Of an input that is nearly always the same, a neuron may be idle on all of these.
    level = activations[:, 0]
    above, below = activations.max(axis=1) - level, level - activations.min(axis=1)
    idle = np.maximum(above, below) <= ROUNDING * level
    compared = spread
    if idle.any():
        rows = np.flatnonzero(idle)
        compared = np.union1d(spread, _telling_points(neurons.take(rows), columns, level[rows]))
        activations = neurons.activations(columns[:, compared])
    return diverse(activations, weight[compared], at_most)


def _telling_points(neurons: Neurons, columns: NDArray, level: NDArray) -> NDArray[np.intp]:
    """Some points where each neuron, (k,), is far from a level that it has at most others."""
    found = []
    chunk = max(1, ACTIVATIONS_AT_ONCE // columns.shape[1])
    for begin in range(0, len(neurons), chunk):
        which = np.arange(begin, min(begin + chunk, len(neurons)))
        away = np.abs(neurons.take(which).activations(columns) - level[which, None])
        for row in away:
            far = np.flatnonzero(row >= 0.5 * row.max())
            found.append(far[:: -(-len(far) // TELLING_POINTS)])
    return np.concatenate(found)


def diverse(activations: NDArray[np.float64], weight: NDArray, at_most: int) -> NDArray[np.intp]:
    """Greedy choice from rows in order of preference: skip what correlates with one chosen.

    Parameters
    ----------
    activations : ndarray of shape (k, n)
        Best first.
    weight : ndarray of shape (n,)
        Sample weights.
    at_most : int
        How many to choose.

    Returns
    -------
    int ndarray
        Indices of the rows chosen, ascending.
    """
    root, total = np.sqrt(weight), weight.sum()
    # Single precision is enough to tell what correlates.
    chosen = np.empty((0, activations.shape[1]), dtype=np.float32)
    chosen_rows = np.empty(0, dtype=np.intp)
    # A chunk at a time: as a rule enough are found long before the last.
    for begin in range(0, len(activations), CHUNK):
        chunk = activations[begin : begin + CHUNK]
        centred = (chunk - (chunk @ weight)[:, None] / total) * root
        length = np.linalg.norm(centred, axis=1)
        unit = (centred / np.where(length > 0, length, 1.0)[:, None]).astype(np.float32)
        new = np.flatnonzero(length > 0)
        if len(chosen):
            new = new[~_similar(unit[new], chosen).any(axis=1)]
        new = new[_first_of_their_kind(_similar(unit[new], unit[new]))]
        chosen = np.concatenate([chosen, unit[new]])[:at_most]
        chosen_rows = np.concatenate([chosen_rows, begin + new])[:at_most]
        if len(chosen_rows) == at_most:
            break
    return chosen_rows


def _similar(first: NDArray, second: NDArray) -> NDArray[np.bool_]:
    """Which rows of unit length do nearly the same, up to their sign."""
    return np.abs(first @ second.T) > SAME_DIRECTION


def _first_of_their_kind(similar: NDArray[np.bool_]) -> list[int]:
    """Greedily the rows that are not similar to one taken before."""
    taken: list[int] = []
    passed = np.zeros(len(similar), dtype=bool)
    for row in range(len(similar)):
        if not passed[row]:
            taken.append(row)
            passed |= similar[:, row]
    return taken
