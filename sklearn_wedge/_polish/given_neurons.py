"""Neurons that were not built from samples, in the balanced form of the convex problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_wedge._core.neurons import (
    NEGLIGIBLE_WEIGHT,
    NeuronClass,
    Neurons,
    Norm,
    inputs_in_use,
    length,
    neurons_through,
)
from sklearn_wedge._polish.trained_network import TrainedNetwork

Array = NDArray[np.float64]

# A sample is passed over when it is closer to the flat of those chosen than this fraction of the
# farthest: a hyperplane through samples that lie close together could turn away from the old one.
WELL_SPREAD = 0.1
ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class GivenNeurons:
    """A network as unit-norm neurons with coefficients.

    Attributes
    ----------
    neurons : Neurons
        m of them, for centred inputs; through no samples that are known.
    coef : ndarray of shape (m, q)
        Of the unit-norm neurons.
    intercept : ndarray of shape (q,)
    """

    neurons: Neurons
    coef: Array
    intercept: Array


def balanced_penalty(network: TrainedNetwork, norm: Norm) -> float:
    """``Σ_j ‖w_j‖ ‖a_j‖₂``: half of ``Σ_j ‖w_j‖² + ‖a_j‖²`` at the best scale of each neuron."""
    return float(length(network.hidden.T, norm) @ np.linalg.norm(network.output, axis=1))


def given_neurons(
    network: TrainedNetwork, X: NDArray, mean: Array, neuron_class: NeuronClass
) -> GivenNeurons:
    """The same function on the samples, with neurons of unit norm.

    Neurons that are constant on the samples are not columns: they go into the intercept. One that
    is active on all samples is linear there; its hyperplane is moved to the nearest of them, since
    far from the data its offset would swamp the rest. Inputs that move a neuron by next to nothing
    are not its inputs: a weight may be tiny where an input is large.

    Parameters
    ----------
    network : TrainedNetwork
    X : ndarray of shape (n, d)
        The samples.
    mean : ndarray of shape (d,)
        Where the inputs of the neurons are centred.
    neuron_class : NeuronClass
        Whose norm and order the neurons get.

    Raises
    ------
    ValueError
        If a neuron has more inputs than the class allows.
    """
    unit, size = unit_weights(network.hidden, neuron_class.norm)
    moves = np.abs(unit) * _extent(X, mean)
    unit[moves < NEGLIGIBLE_WEIGHT * moves.max(axis=1, keepdims=True)] = 0.0
    bias = network.hidden_bias + mean @ network.hidden
    low, high = _reach(X, mean, unit)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        offsets = bias / size  # infinite or undefined only where a neuron is constant
    constant = (size == 0) | (high == low)
    used = ~constant & (offsets + high > 0)
    linear = used & (offsets + low >= 0)
    level = np.where(constant, np.maximum(bias + size * low, 0.0), 0.0)
    level[linear] = bias[linear] + (size * low)[linear]
    offsets[linear] = -low[linear]
    check_order(unit[used], neuron_class)
    inputs, weights = inputs_in_use(unit[used], neuron_class.order)
    return GivenNeurons(
        Neurons.unbounded(inputs, weights, offsets[used]),
        (network.output * size[:, None])[used],
        network.output_bias + level @ network.output,
    )


def unit_weights(hidden: Array, norm: Norm) -> tuple[Array, Array]:
    """Weights of unit norm, (m, d), of neurons given by columns, and the norms that they had."""
    largest = np.abs(hidden).max(axis=0)
    # Divided by the largest first: squares of tiny weights must not underflow.
    unit = (hidden / np.where(largest > 0, largest, 1.0)).T
    size = length(unit, norm)
    return unit / np.where(size > 0, size, 1.0)[:, None], size * largest


def _extent(X: NDArray, mean: Array) -> Array:
    """How far each centred input, (d,), goes on the samples."""
    farthest = np.zeros(len(mean))
    for rows in gen_batches(len(X), ROWS_AT_A_TIME):
        np.maximum(farthest, np.abs(X[rows] - mean).max(axis=0), out=farthest)
    return farthest


def _reach(X: NDArray, mean: Array, unit: Array) -> tuple[Array, Array]:
    """Least and largest ``u·x`` over the centred samples, of each row of weights."""
    low, high = np.full(len(unit), np.inf), np.full(len(unit), -np.inf)
    for rows in gen_batches(len(X), ROWS_AT_A_TIME):
        reach = (X[rows] - mean) @ unit.T
        low, high = np.minimum(low, reach.min(axis=0)), np.maximum(high, reach.max(axis=0))
    return low, high


def check_order(unit: Array, neuron_class: NeuronClass) -> None:
    """Raise if a neuron has more inputs than the class allows."""
    most = int(np.count_nonzero(unit, axis=1).max(initial=0))
    if most > neuron_class.order:
        raise ValueError(
            f"A neuron of network combines {most} inputs and interaction_order="
            f"{neuron_class.order} allows at most that many: no network of that kind has its "
            "hyperplanes. Use interaction_order=None."
        )


def snapped(neurons: Neurons, points: Array, norm: Norm) -> Neurons:
    """Wedge neurons near others: through the samples nearest to each hyperplane.

    Parameters
    ----------
    neurons : Neurons
    points : ndarray of shape (p, d)
        The distinct samples, centred.
    norm : {"l1", "l2"}
        In which weights have unit length.

    Returns
    -------
    Neurons
        Oriented as their originals; without those near which samples span no hyperplane.
    """
    made = Neurons.empty(neurons.inputs.shape[1])
    distances = np.abs(neurons.signed_distances(points.T))
    for s in np.unique(neurons.order):
        rows = np.flatnonzero(neurons.order == s)
        inputs = neurons.inputs[rows, :s]
        nearest = np.array(
            [
                _nearest_in_general_position(points[:, each], distances[row])
                for each, row in zip(inputs, rows, strict=True)
            ]
        )
        spanned = (nearest >= 0).all(axis=1)
        for through, row in zip(nearest[spanned], rows[spanned], strict=True):
            one = neurons_through(points, neurons.inputs[row : row + 1, :s], through[None], norm)
            same_side = one.weights @ neurons.weights[row, :s] >= 0
            made = made.join(one if np.all(same_side) else one.reversed())
    return made


def _nearest_in_general_position(points: Array, distances: Array) -> NDArray[np.intp]:
    """Indices of s of the points, (p, s), that span a hyperplane, nearest first; -1: none left."""
    s = points.shape[1]
    chosen = np.full(s, -1, dtype=np.intp)
    chosen[0] = np.argmin(distances)
    away = points - points[chosen[0]]
    for k in range(1, s):
        size = np.linalg.norm(away, axis=1)
        usable = np.flatnonzero(size > max(WELL_SPREAD * size.max(), NEGLIGIBLE_WEIGHT))
        if len(usable) == 0:
            return chosen
        chosen[k] = usable[np.argmin(distances[usable])]
        direction = away[chosen[k]] / size[chosen[k]]
        away = away - np.outer(away @ direction, direction)
    return chosen
