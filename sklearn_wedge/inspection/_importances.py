"""How much of the variance of a network's output comes from each input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge.inspection._effects import Distribution, Layers, functional_anova

Array = NDArray[np.float64]

# A standard deviation of this fraction of the output is what rounding leaves of a constant.
ROUNDING = 16 * np.finfo(np.float64).eps


def importances(
    layers: Layers, marginals: Sequence[Distribution], points: Array, weight: Array
) -> Array:
    """``Cov(share of the input, f) / Var(f)`` over the training data, (d,).

    The share of an input is its main effect and half of each of its interactions: its Shapley value
    (L. Shapley, 1953). A neuron of more than two inputs is shared out along the straight line from
    the mean of the inputs to the point: the Aumann-Shapley value (M. Sundararajan et al.,
    "Axiomatic Attribution for Deep Networks", arXiv 1703.01365), in closed form. All shares sum to
    the output up to a constant, so that importances sum to 1; of a constant network all are 0. Of
    several outputs, covariances and variances are added up.

    Parameters
    ----------
    layers : Layers
        The network, in the units of the points.
    marginals : sequence of Distribution
        One per input, of these as the network sees them.
    points : ndarray of shape (n, d)
        Inputs as the network sees them.
    weight : ndarray of shape (n,)
        Summing to 1.
    """
    few = np.count_nonzero(layers.weights, axis=0) <= 2
    output = _output(layers, points)
    centred = output - weight @ output
    variance = np.sum(weight @ centred**2)
    if variance <= ROUNDING**2 * np.sum(weight @ output**2):
        return np.zeros(points.shape[1])
    direction = weight[:, None] * centred
    covariances = _of_effects(_part(layers, few), marginals, points, direction)
    if not few.all():
        covariances += _along_the_line(_part(layers, ~few), points, weight @ points, direction)
    return covariances / variance


def _part(layers: Layers, which: NDArray[np.bool_]) -> Layers:
    weights, biases, coef = layers.weights[:, which], layers.biases[which], layers.coef[which]
    return Layers(weights, biases, coef, layers.intercept)


def _output(layers: Layers, points: Array) -> Array:
    hidden = points @ layers.weights + layers.biases
    return np.maximum(hidden, 0.0, out=hidden) @ layers.coef + layers.intercept


def _of_effects(
    layers: Layers, marginals: Sequence[Distribution], points: Array, direction: Array
) -> Array:
    """Covariances of main effects and half interactions with the output."""
    covariances = np.zeros(points.shape[1])
    _, effects = functional_anova(layers, marginals)
    for inputs, effect in effects.items():
        covariances[list(inputs)] += np.sum(direction * effect(points[:, inputs])) / len(inputs)
    return covariances


def _along_the_line(layers: Layers, points: Array, mean: Array, direction: Array) -> Array:
    """Covariances of the shares on the way from the mean with the output.

    A neuron rises by ``Σ_k w_k (x_k - mean_k)`` times the part of the way on which it is active.
    """
    start, end = mean @ layers.weights + layers.biases, points @ layers.weights + layers.biases
    change = np.maximum(end, 0.0) - np.maximum(start, 0.0)
    way = end - start
    active = np.divide(change, way, out=np.tile(start > 0, (len(end), 1)) * 1.0, where=way != 0)
    covariances = np.zeros(points.shape[1])
    for along, coef in zip(direction.T, layers.coef.T, strict=True):
        moments = ((points - mean) * along[:, None]).T @ active
        covariances += (layers.weights * moments) @ coef
    return covariances
