"""Ramps: where both of their hyperplanes lie, and which of them violate the dual constraint most.

Along a direction ``u`` let ``H(c) = V·(u·x - c)_+``. A ramp from ``a`` to ``b`` has the product
``H(a) - H(b)``, a hinge that of a ramp without an end, as ``H`` vanishes far out: the best neuron
of the direction joins two places that are farthest apart in ``H``, and these are at samples. So one
sort prices all ramps of a direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import SERIAL, Threads, ready
from sklearn_wedge._core.kernels.rounding import TIE
from sklearn_wedge._core.neurons import NeuronClass, Neurons, neurons_at, widened
from sklearn_wedge._core.pricing.budget import DEFAULT, SearchBudget
from sklearn_wedge._core.pricing.candidates import Priced, merged
from sklearn_wedge._core.pricing.pencils import (
    PointTable,
    first_of_equal_rows,
    significant,
    whose_turn,
)
from sklearn_wedge._core.pricing.sweep import ascending_order

Array = NDArray[np.float64]

# Of one input: the best ramp; the best ones before and after it; and so once more. Each is the
# number of the ramp beside which it is looked for, and on which side.
STRETCHES = np.array([[-1, 0], [0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]], dtype=np.int64)
# Directions × points in one batch.
BATCH_SIZE = 200_000


@dataclass(frozen=True)
class Ramps:
    """Ramps as pricing finds them: a direction, and a point on each of the two hyperplanes.

    Attributes
    ----------
    inputs : int ndarray of shape (k, s)
        Padded with -1.
    normals : ndarray of shape (k, s)
        Of any length; 0 in the padding.
    pairs : int ndarray of shape (k, 2)
        Where they begin and end, or the other way round.
    values : ndarray of shape (k,)
    """

    inputs: NDArray[np.intp]
    normals: Array
    pairs: NDArray[np.intp]
    values: Array

    def __len__(self) -> int:
        return len(self.values)

    def take(self, which: NDArray) -> Ramps:
        """Those at these indices (or where a mask is true)."""
        return Ramps(self.inputs[which], self.normals[which], self.pairs[which], self.values[which])

    def best(self, at_most: int) -> Ramps:
        """Those of the largest values, in descending order; ties in their order."""
        order = np.argsort(-significant(self.values), kind="stable")
        return self.take(order[:at_most])

    def neurons(self, table: PointTable, neuron_class: NeuronClass) -> Neurons:
        """The ramps as neurons: those that are none but for a hinge on the points are left out.

        Of the points that they pass through, those of the pairs are named.
        """
        inputs, normals, (starts, ends) = self.inputs, self.normals, self.pairs.T
        samples = np.full(inputs.shape, -1, dtype=np.intp)
        samples[:, 0] = starts
        made = neurons_at(table.points, inputs, samples, normals, neuron_class.norm)
        made = made.ending_at(table.points, ends)
        falls = made.heights < 0
        made = replace(
            made,
            weights=np.where(falls[:, None], -made.weights, made.weights),
            offsets=np.where(falls, -made.offsets, made.offsets),
            heights=np.abs(made.heights),
        )
        return made.take(_are_bounded(table, made))


def _are_bounded(table: PointTable, ramps: Neurons) -> NDArray[np.bool_]:
    """Which ramps have points on either side of both hyperplanes; others are hinges there."""
    parts = [np.empty(0, dtype=bool)]
    for some in _batches(table, ramps):
        distances = some.signed_distances(table.columns)
        low, high = distances.min(axis=1), distances.max(axis=1)
        least = TIE * (high - low)
        inside = (some.heights > least) & (some.heights < high - least)
        parts.append((low < -least) & inside)
    return np.concatenate(parts)


def _batches(table: PointTable, ramps: Neurons) -> list[Neurons]:
    """Ramps of which the distances from all points are not much at a time."""
    size = max(1, BATCH_SIZE // table.n_points)
    return [ramps.take(slice(k, k + size)) for k in range(0, len(ramps), size)]


def _on(distances: Array, least: Array) -> NDArray[np.bool_]:
    """Which points are on a hyperplane; the nearest is, whatever rounding made of it."""
    distances = np.abs(distances)
    return distances <= np.maximum(least, distances.min(axis=1, keepdims=True))


def _named(table: PointTable, ramps: Neurons) -> Neurons:
    """Ramps with as many of their points as lie on one of the hyperplanes, at most their order.

    They begin at the one with more of them: a ramp is also one minus the ramp from its end.
    """
    points, ends = ramps.points.copy(), ramps.ends.copy()
    turned, j = np.zeros(len(ramps), dtype=bool), 0
    for some in _batches(table, ramps):
        distances = some.signed_distances(table.columns)
        least = TIE * np.ptp(distances, axis=1, keepdims=True)
        at_start, at_end = _on(distances, least), _on(distances - some.heights[:, None], least)
        for inputs, order, *places in zip(some.inputs, some.order, at_start, at_end, strict=True):
            seen = table.columns[inputs[:order]]
            start, end = (_apart(np.flatnonzero(place), seen) for place in places)
            turned[j] = len(end) > len(start)
            first, second = (end, start) if turned[j] else (start, end)
            points[j, : len(first)], ends[j] = first, second[0]
            j += 1
    return replace(
        ramps,
        weights=np.where(turned[:, None], -ramps.weights, ramps.weights),
        offsets=np.where(turned, ramps.heights - ramps.offsets, ramps.offsets),
        points=points,
        ends=ends,
    )


def _apart(points: NDArray[np.intp], columns: Array) -> NDArray[np.intp]:
    """The first of these points, as many as there are columns, that differ in these."""
    if len(points) == 1 or (len(points) == 2 and np.any(np.diff(columns[:, points]))):
        return points[: len(columns)]
    return np.sort(points[first_of_equal_rows(columns[:, points].T)])[: len(columns)]


def no_ramps(order: int) -> Ramps:
    """None at all."""
    none = np.empty((0, order))
    return Ramps(none.astype(np.intp), none, np.empty((0, 2), dtype=np.intp), np.empty(0))


def joined(parts: list[Ramps], order: int) -> Ramps:
    """All of these, padded to one order."""
    parts = [*parts, no_ramps(order)]
    return Ramps(
        np.concatenate([widened(part.inputs, order, -1) for part in parts]),
        np.concatenate([widened(part.normals, order, 0.0) for part in parts]),
        np.concatenate([part.pairs for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def ramps_of_single_inputs(
    table: PointTable, dual: Array, per_input: int, neuron_class: NeuronClass
) -> Ramps:
    """The best ramps of every input; exact: none of order 1 is better than the best here.

    A ramp without points beyond its end, or before its beginning, is a hinge: then this is what the
    best hinge is worth.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Summing to zero over the points.
    per_input : int
        Ramps returned per input.
    neuron_class : NeuronClass
        Which inputs may be used, and in which direction.
    """
    parts = [no_ramps(1)]
    values = np.empty(len(STRETCHES))
    pairs = np.empty((len(STRETCHES), 2), dtype=np.int64)
    for (k,) in neuron_class.input_sets([int(k) for k in table.varying_inputs()], 1):
        projection = table.projection((k,))
        direction = 0 if neuron_class.monotone is None else neuron_class.monotone[k]
        positions, summed = ready(projection.positions[0]), ready(projection.sum(dual))
        kernels.ramps.between(positions, summed, direction, STRETCHES, values, pairs)
        best = np.argsort(-significant(values), kind="stable")[:per_input]
        best = best[values[best] > 0]
        points = projection.representatives(pairs[best])
        inputs = np.full((len(best), 1), k, dtype=np.intp)
        parts.append(Ramps(inputs, np.ones((len(best), 1)), points, values[best]))
    return joined(parts, 1)


def ramps_along(
    table: PointTable,
    dual: Array,
    directions: Neurons,
    neuron_class: NeuronClass,
    threads: Threads = SERIAL,
) -> Ramps:
    """The best ramp along the direction of each of these neurons, which are of the class.

    Where none is worth anything it begins and ends at one point.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Summing to zero over the points.
    directions : Neurons
    neuron_class : NeuronClass
    threads : Threads
        Over which directions are shared out.
    """
    signs = neuron_class.coefficient_signs(directions).astype(np.int64)
    outputs, size = ready(dual.T), max(1, BATCH_SIZE // table.n_points)

    def work(begin: int) -> Ramps:
        some = directions.take(slice(begin, begin + size))
        reach = replace(some, offsets=np.zeros(len(some))).signed_distances(table.columns)
        values, pairs = np.empty(len(some)), np.empty((len(some), 2), dtype=np.int64)
        wanted = signs[begin : begin + size]
        kernels.ramps.along(reach, ascending_order(reach), outputs, wanted, values, pairs)
        return Ramps(some.inputs, some.weights, pairs.astype(np.intp), values)

    return joined(threads.map(work, range(0, len(directions), size)), directions.inputs.shape[1])


def ramps_turned(
    table: PointTable,
    dual: Array,
    inputs: NDArray[np.intp],
    pairs: NDArray[np.intp],
    neuron_class: NeuronClass,
    threads: Threads = SERIAL,
) -> Ramps:
    """The best ramp of two given inputs each, (k, 2), through two given points, (k, 2)."""
    directions = np.array(neuron_class.monotone or np.zeros(table.n_inputs))[inputs]
    outputs, columns = ready(dual.T), ready(table.columns)
    size = max(1, BATCH_SIZE // table.n_points)

    def work(begin: int) -> Ramps:
        rows = slice(begin, begin + size)
        values, normals = np.empty(len(inputs[rows])), np.zeros((len(inputs[rows]), 2))
        kernels.ramps.turned(
            *(columns, outputs, ready(inputs[rows], np.int64), ready(pairs[rows], np.int64)),
            *(ready(directions[rows]), neuron_class.has_rejections, values, normals),
        )
        return Ramps(inputs[rows], normals, pairs[rows], values)

    found = joined(threads.map(work, range(0, len(inputs), size)), 2)
    return found.take(found.values > 0)


def priced_ramps(
    table: PointTable,
    dual: Array,
    ramps: Ramps,
    at_most: int,
    neuron_class: NeuronClass,
    threads: Threads = SERIAL,
) -> Priced:
    """The best of some ramps, as neurons priced on their activations; see ``evaluate``."""
    neurons = ramps.best(at_most).neurons(table, neuron_class)
    neurons = neurons.take(neuron_class.allows(neurons))
    neurons = _named(table, neurons.take(_distinct(neurons, table.size)))
    values = neuron_class.values(neurons, neurons.products(table.columns, dual, threads))
    order = np.argsort(-significant(values), kind="stable")
    bound = float(values.max(initial=0.0))
    return Priced(neurons.take(order).padded(neuron_class.order), values[order], bound)


def _distinct(ramps: Neurons, size: float) -> NDArray[np.intp]:
    """First occurrence of every different ramp, from whichever end it is seen."""
    falls = ramps.weights[:, 0] < 0
    weights = np.where(falls[:, None], -ramps.weights, ramps.weights)
    offsets = np.where(falls, ramps.heights - ramps.offsets, ramps.offsets)
    numbers = np.column_stack([offsets, ramps.heights]) / (size or 1.0)
    rounded = np.round(np.column_stack([weights, numbers]), 9) + 0.0
    return np.sort(first_of_equal_rows(np.column_stack([ramps.inputs, rounded])))


def propose_ramps(
    table: PointTable,
    dual: Array,
    known: Priced,
    tight: Neurons,
    inputs_to_add: NDArray[np.intp],
    neuron_class: NeuronClass,
    round_number: int,
    threads: Threads = SERIAL,
    budget: SearchBudget = DEFAULT,
) -> Priced:
    """What is known, and good ramps: of single inputs, along the directions of neurons, and turned.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Dual point on the points, summing to zero.
    known : Priced
        What was found at this dual point: ramps are looked for along these directions.
    tight : Neurons
        The tight neurons of the restricted problem: along theirs, too.
    inputs_to_add : int ndarray
        Inputs by which a ramp may be turned.
    neuron_class : NeuronClass
    round_number : int
        Varies what a limited budget leaves out.
    threads : Threads
    budget : SearchBudget
    """
    single = ramps_of_single_inputs(table, dual, budget.hinges_per_input, neuron_class)
    parts = [single]
    if neuron_class.order > 1:
        at_most = int(np.clip(budget.ramp_steps // table.n_points, *budget.ramps_turned))
        best = known.neurons.take(slice(0, at_most)).join(tight)
        directions = _directions(best, at_most, round_number)
        parts.append(ramps_along(table, dual, directions, neuron_class, threads))
        best = joined(parts, neuron_class.order).best(budget.ramps_to_turn)
        near = best.neurons(table, neuron_class).join(tight)
        inputs, pairs = _to_turn(near, inputs_to_add, neuron_class)
        some = whose_turn(len(inputs), at_most, round_number)
        through = inputs[some], pairs[some]
        turned = ramps_turned(table, dual, *through, neuron_class, threads).best(at_most)
        neurons = turned.neurons(table, neuron_class)
        parts += [turned, ramps_along(table, dual, neurons, neuron_class, threads)]
    ramps = joined(parts, neuron_class.order)
    priced = priced_ramps(table, dual, ramps, budget.ramps_evaluated, neuron_class, threads)
    return merged(known, priced)


def _directions(neurons: Neurons, at_most: int, round_number: int) -> Neurons:
    """Of several inputs, each once, those whose turn it is."""
    several = neurons.take(neurons.order > 1)
    sign = np.where(several.weights[:, :1] < 0, -1.0, 1.0)
    key = np.column_stack([several.inputs, np.round(sign * several.weights, 9) + 0.0])
    several = several.take(np.sort(first_of_equal_rows(key)))
    return several.take(whose_turn(len(several), at_most, round_number))


def _to_turn(
    neurons: Neurons, candidates: NDArray[np.intp], neuron_class: NeuronClass
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of inputs, and of points, of the ramps of one or two inputs among these neurons."""
    ramps = neurons.take(neurons.are_ramps & (neurons.ends >= 0) & (neurons.points[:, 0] >= 0))
    one, two = (ramps.take(ramps.order == s) for s in (1, 2))
    k = len(candidates)
    inputs = np.column_stack([np.repeat(one.inputs[:, 0], k), np.tile(candidates, len(one))])
    pairs = np.repeat(np.column_stack([one.points[:, 0], one.ends]), k, axis=0)
    new = inputs[:, 0] != inputs[:, 1]
    inputs, pairs = np.sort(inputs[new], axis=1), pairs[new]
    fits = neuron_class.joins(inputs)
    inputs = np.concatenate([inputs[fits], two.inputs[:, :2]])
    own = [np.column_stack([two.points[:, which], two.ends]) for which in range(2)]
    known = own[1][:, 0] >= 0
    inputs = np.concatenate([inputs, two.inputs[known, :2]])
    return inputs, np.concatenate([pairs[fits], own[0], own[1][known]])
