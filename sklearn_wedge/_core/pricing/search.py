"""Local moves: pencils near good neurons. They propose; they do not certify."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing.pencils import Pencils


def _without(array: NDArray, left_out: tuple[int, ...]) -> NDArray:
    return np.delete(array, left_out, axis=1)


def replace_a_point(inputs: NDArray, points: NDArray) -> Pencils:
    """Drop one of the points of each hyperplane: its best replacement is one sweep away."""
    s = inputs.shape[1]
    return Pencils(
        np.concatenate([inputs] * s), np.concatenate([_without(points, (k,)) for k in range(s)])
    )


def add_an_input(inputs: NDArray, points: NDArray, candidates: NDArray) -> Pencils:
    """Let each hyperplane tilt in one more input, keeping all its points."""
    k = len(candidates)
    more = np.hstack([np.repeat(inputs, k, axis=0), np.tile(candidates, len(inputs))[:, None]])
    new = ~(more[:, :-1] == more[:, -1:]).any(axis=1)
    return Pencils(np.sort(more[new], axis=1), np.repeat(points, k, axis=0)[new])


def drop_an_input(inputs: NDArray, points: NDArray) -> Pencils:
    """Let one weight of each hyperplane vanish: it needs one input and two points fewer."""
    s = inputs.shape[1]
    choices = [(k, pair) for k in range(s) for pair in combinations(range(s), 2)]
    return Pencils(
        np.concatenate([_without(inputs, (k,)) for k, _ in choices]),
        np.concatenate([_without(points, pair) for _, pair in choices]),
    )


def turn(inputs: NDArray, points: NDArray) -> Pencils:
    """The pencils that hyperplanes through ``s - 1`` points lie in."""
    return Pencils(inputs, points[:, : inputs.shape[1] - 1])


def local_moves(neurons: Neurons, neuron_class: NeuronClass, candidates: NDArray) -> list[Pencils]:
    """Pencils one move away from these neurons.

    Parameters
    ----------
    neurons : Neurons
        Where to search around.
    neuron_class : NeuronClass
        How many inputs a neuron may have, and which go together.
    candidates : int ndarray
        Inputs that may be added.

    Returns
    -------
    list of Pencils
        Of orders 2 and more; order 1 is always priced completely.
    """
    order, moves = neuron_class.order, []
    for s in range(2, order + 1):
        rows = np.flatnonzero((neurons.order == s) & (neurons.n_points == s - 1))
        if len(rows):
            moves.append(turn(neurons.inputs[rows, :s], neurons.points[rows, :s]))
    for s in range(1, order + 1):
        rows = np.flatnonzero((neurons.order == s) & (neurons.n_points == s))
        if len(rows) == 0:
            continue
        inputs, points = neurons.inputs[rows, :s], neurons.points[rows, :s]
        if s >= 2:
            moves.append(replace_a_point(inputs, points))
        if s >= 3:
            moves.append(drop_an_input(inputs, points))
        if s < order:
            tilted = add_an_input(inputs, points, candidates)
            moves.append(tilted.take(neuron_class.joins(tilted.inputs)))
    return moves
