"""Directions that climbs start from: varied, as those of the neurons at hand lead nowhere new.

After a slide the directions of the neurons in use are stationary points of the value. Neurons that
the dual point asks for are found from differences of samples, normals of hyperplanes through
samples, sums and differences of neurons, few inputs, from all distances from neurons, and from
neurons with some weights of another sign or size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import NeuronClass

Array = NDArray[np.float64]

# Inputs of a sparse direction.
FEW_INPUTS = 3
# How far a perturbed neuron is from the neuron, which has length 1: about this power of ten, at
# least and at most. What is found near by and far off is not the same.
PERTURBATION = (-1.5, 0.0)
# Of the weights of a neuron, those whose sign changes.
SHARE_TURNED = 0.1
# The size of a weight that is drawn anew.
REDRAWN = 0.5
# Samples of more inputs are not made into normals: each takes the solution of a linear system.
MOST_INPUTS_OF_NORMALS = 64


def varied_directions(
    points: Array,
    neurons: Array,
    neuron_class: NeuronClass,
    how_many: int,
    seed: int | tuple[int, ...],
) -> Array:
    """Directions of every kind, as many of each, (k, d) with k about ``how_many``.

    Parameters
    ----------
    points : ndarray of shape (p, d)
    neurons : ndarray of shape (m, d)
        Directions of neurons at hand.
    neuron_class : NeuronClass
    how_many : int
    seed : int or tuple of int
        From the round alone: the same data give the same network everywhere.
    """
    rng = np.random.default_rng(seed)
    kinds = [_within_groups, _sparse, _differences]
    if points.shape[1] <= min(MOST_INPUTS_OF_NORMALS, len(points)):
        kinds.append(_normals)
    if len(neurons):
        kinds += [_pairs, _perturbed, _turned, _redrawn]
    each = -(-how_many // len(kinds))
    return np.concatenate([kind(rng, each, points, neurons, neuron_class) for kind in kinds])


def _within_groups(rng, how_many: int, points: Array, neurons: Array, kind: NeuronClass) -> Array:
    """Of no particular direction, each in one group of inputs if there are any."""
    directions = rng.standard_normal((how_many, points.shape[1]))
    if kind.groups is not None:
        for row, group in enumerate(rng.integers(len(kind.groups), size=how_many)):
            outside = np.delete(np.arange(points.shape[1]), kind.groups[group])
            directions[row, outside] = 0.0
    return directions


def _sparse(rng, how_many: int, points: Array, neurons: Array, kind: NeuronClass) -> Array:
    """Of few inputs."""
    d = points.shape[1]
    directions = np.zeros((how_many, d))
    for row in directions:
        inputs = rng.choice(d, min(FEW_INPUTS, d), replace=False)
        row[inputs] = rng.standard_normal(len(inputs))
    return directions


def _differences(rng, how_many: int, points: Array, neurons: Array, kind: NeuronClass) -> Array:
    """From one sample to another."""
    begin, end = rng.integers(len(points), size=(2, how_many))
    return points[end] - points[begin]


def _normals(rng, how_many: int, points: Array, neurons: Array, kind: NeuronClass) -> Array:
    """Of hyperplanes through as many samples as there are inputs."""
    d = points.shape[1]
    corners = np.array([rng.choice(len(points), d, replace=False) for _ in range(how_many)])
    corners = points[corners.reshape(how_many, d)]
    spans = corners[:, 1:] - corners[:, :1]
    # The last right singular vector is orthogonal to all differences.
    return np.linalg.svd(spans, full_matrices=True)[2][:, -1]


def _pairs(rng, how_many: int, points: Array, neurons: Array, kind: NeuronClass) -> Array:
    """Sums and differences of two neurons."""
    first, second = rng.integers(len(neurons), size=(2, how_many))
    return neurons[first] + rng.choice([-1.0, 1.0], how_many)[:, None] * neurons[second]


def _perturbed(rng, how_many: int, points: Array, neurons: Array, kind: NeuronClass) -> Array:
    """Some way from a neuron."""
    d = points.shape[1]
    distance = 10 ** rng.uniform(*PERTURBATION, size=(how_many, 1)) / np.sqrt(d)
    away = distance * rng.standard_normal((how_many, d))
    return neurons[rng.integers(len(neurons), size=how_many)] + away


def _turned(rng, how_many: int, points: Array, neurons: Array, kind: NeuronClass) -> Array:
    """Neurons with the signs of some weights changed."""
    chosen = neurons[rng.integers(len(neurons), size=how_many)]
    return np.where(rng.random(chosen.shape) < SHARE_TURNED, -chosen, chosen)


def _redrawn(rng, how_many: int, points: Array, neurons: Array, kind: NeuronClass) -> Array:
    """Neurons with one weight changed."""
    chosen = neurons[rng.integers(len(neurons), size=how_many)]
    weight = rng.integers(points.shape[1], size=how_many)
    chosen[np.arange(how_many), weight] = REDRAWN * rng.standard_normal(how_many)
    return chosen
