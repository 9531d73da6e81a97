"""A solution carried to another sample: the same neurons, in the units of that sample."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import (
    NEGLIGIBLE_WEIGHT,
    Neurons,
    Norm,
    length,
    neurons_at,
    normals_through,
)
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.rows import Sample, Scaling, rounded
from sklearn_wedge._core.solution import Solution, WarmStart

Array = NDArray[np.float64]


def carried(solution: Solution, before: Sample, inputs: Array, problem: Problem) -> Solution:
    """A solution on some rows, as a start on others of the same columns and outputs.

    Neurons pass through the rows that they passed through, if all of these are points of the other
    sample; the others keep their hyperplanes, through no points that are known.

    Parameters
    ----------
    solution : Solution
    before : Sample
        The one that it is of.
    inputs : ndarray of shape (p, d)
        The points of that sample in original units.
    problem : Problem
        What it is a start for.

    Returns
    -------
    Solution
        At the same penalty; only its ``warm_start`` is about the other sample.
    """
    kept, after, norm = solution.warm_start, problem.sample, problem.neuron_class.norm
    if not problem.neuron_class.ramps:  # a fit in chunks of rows, after one of some rows in memory
        which = ~kept.neurons.are_ramps
        kept = replace(kept, neurons=kept.neurons.take(which), coef=kept.coef[which])
    neurons, size = _in_other_units(kept.neurons, before.input_scaling, after.input_scaling, norm)
    neurons = _through_points(neurons, kept.neurons, _places(inputs, after), after, norm)
    old, new = before.output_scaling, after.output_scaling
    coef = kept.coef * size[:, None] * (old.scale / new.scale)
    intercept = (kept.intercept * old.scale + old.mean - new.mean) / new.scale
    return replace(solution, warm_start=WarmStart(neurons, coef, intercept, kept.turn))


def _in_other_units(
    neurons: Neurons, old: Scaling, new: Scaling, norm: Norm
) -> tuple[Neurons, Array]:
    """The same hyperplanes with weights of unit norm, and by how much the old ones were longer."""
    change, shift = new.scale / old.scale, (new.mean - old.mean) / old.scale
    weights = neurons.weights * change[neurons.inputs]  # padding has no weight
    offsets = neurons.offsets + np.einsum("ms,ms->m", neurons.weights, shift[neurons.inputs])
    size = length(weights, norm)
    nowhere, no_end = np.full_like(neurons.points, -1), np.full_like(neurons.ends, -1)
    unit, heights = weights / size[:, None], neurons.heights / size
    return Neurons(neurons.inputs, unit, offsets / size, nowhere, heights, no_end), size


def _places(inputs: Array, sample: Sample) -> NDArray[np.intp]:
    """Which points of a sample these rows, in original units, are; -1: none."""
    place = {point.tobytes(): k for k, point in enumerate(rounded(sample.points))}
    rows = rounded(sample.input_scaling.transform(inputs))
    return np.array([place.get(row.tobytes(), -1) for row in rows], dtype=np.intp)


def _through_points(
    neurons: Neurons,
    before: Neurons,
    places: NDArray[np.intp],
    sample: Sample,
    norm: Norm,
) -> Neurons:
    """Neurons put exactly through the points that they passed through where they came from.

    Those that do not span a hyperplane there, or one that turns a weight around, stay as they are;
    so do ramps that would end where they begin, or before.
    """
    inputs, weights, offsets, through, heights, ends = (
        getattr(neurons, each.name).copy() for each in fields(neurons)
    )
    known, known_end = _renamed(before.points, places), _renamed(before.ends, places)
    for s in np.unique(neurons.order):
        rows = np.flatnonzero((neurons.order == s) & ((known >= 0).sum(axis=1) == s))
        rows = rows[~neurons.are_ramps[rows] | (known_end[rows] >= 0)]
        normals = normals_through(sample.points, inputs[rows, :s], known[rows, :s])
        # A cross product has either orientation.
        side = np.sign(np.einsum("ms,ms->m", normals, weights[rows, :s]))
        normals *= side[:, None]
        same = (np.sign(normals) == np.sign(weights[rows, :s])).all(axis=1)
        same &= length(normals, norm) > NEGLIGIBLE_WEIGHT
        rows, normals = rows[same], normals[same]
        made = neurons_at(sample.points, inputs[rows, :s], known[rows, :s], normals, norm)
        made = made.ending_at(sample.points, known_end[rows])
        rises = made.heights > 0
        rows, made = rows[rises], made.take(rises)
        weights[rows, :s], offsets[rows], through[rows, :s] = (
            made.weights,
            made.offsets,
            made.points,
        )
        heights[rows], ends[rows] = made.heights, made.ends
    return Neurons(inputs, weights, offsets, through, heights, ends)


def _renamed(points: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Points of one sample as those of another; -1: none."""
    return np.where(points >= 0, places[points], -1) if len(places) else points
