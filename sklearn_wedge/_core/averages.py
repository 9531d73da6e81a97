"""The average of networks is a network: its hidden layers have the neurons of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.network import Block, HiddenNeurons, Network

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]


def average(networks: Sequence[Network], shares: Sequence[float]) -> Network:
    """The network whose outputs are a weighted mean of those of others.

    The output sees the last hidden layer only, so that the last ones of all networks are one layer,
    and earlier ones are joined from the first on. Certificates and histories are those of the first
    network.

    Parameters
    ----------
    networks : sequence of Network
        Fitted to the same rows, whose inputs they clip and encode alike.
    shares : sequence of float
        Positive, summing to 1.

    Returns
    -------
    Network
        With all neurons, those of the last layer by descending coefficient.
    """
    first = networks[0]
    depth = max(len(each.blocks) for each in networks)
    members = [_Member(each, s, depth) for each, s in zip(networks, shares, strict=True)]
    layers = [_Layer.joined(members, k, k == depth - 1) for k in range(depth)]
    hidden = [_hidden(members, layers, k, first.clip_bounds.shape[1]) for k in range(depth)]
    output = np.zeros((layers[-1].width, len(first.intercepts[-1])))
    for each, units in zip(members, layers[-1].units, strict=True):
        output[units] = each.network.coefs[-1] * each.share**0.5
    intercept = sum(each.share * each.network.intercepts[-1] for each in members)
    blocks = tuple(_block(members, layers, k, first.clip_bounds.shape[1]) for k in range(depth))
    return Network(
        coefs=[*(weights for weights, _ in hidden), output],
        intercepts=[*(biases for _, biases in hidden), intercept],
        clip_bounds=first.clip_bounds,
        encoding=first.encoding,
        neurons=blocks[-1].neurons,
        blocks=blocks,
    )


@dataclass(frozen=True)
class _Member:
    """A network in an average of so many hidden layers."""

    network: Network
    share: float
    depth: int

    def layer(self, k: int) -> int | None:
        """Which of its hidden layers is in the k-th one of the average; None: none is."""
        n_own = len(self.network.blocks)
        if k == self.depth - 1:
            return n_own - 1
        return k if k < n_own - 1 else None

    def neurons(self, k: int) -> HiddenNeurons:
        """Its neurons there; those of the last layer with their coefficients in the average."""
        own = self.layer(k)
        if own is None:
            nobody = np.zeros(0, dtype=np.intp)
            return _take(self.network.neurons, nobody)
        neurons = self.network.blocks[own].neurons
        return replace(neurons, coef=self.share * neurons.coef) if k == self.depth - 1 else neurons


@dataclass(frozen=True)
class _Layer:
    """A hidden layer of the average.

    Attributes
    ----------
    order : int ndarray of shape (n_neurons,)
        Its neurons, as numbers of those of all members, one member after the other.
    numbers : list of int ndarrays
        Of each member the numbers of its neurons in the layer.
    units : list of int ndarrays
        The same of the columns of its weights: second units of ramps come after all neurons.
    width : int
    """

    order: Numbers
    numbers: list[Numbers]
    units: list[Numbers]
    width: int

    @classmethod
    def joined(cls, members: Sequence[_Member], k: int, is_last: bool) -> _Layer:
        """The neurons of all members, of the last layer by descending coefficient."""
        neurons = [each.neurons(k) for each in members]
        order = np.arange(sum(map(len, neurons)))
        if is_last:
            sizes = np.concatenate([np.linalg.norm(each.coef, axis=1) for each in neurons])
            order = np.argsort(-sizes, kind="stable")
        place = np.argsort(order)
        ends = list(accumulate(map(len, neurons)))
        numbers = [place[end - len(each) : end] for each, end in zip(neurons, ends, strict=True)]
        are_ramps = np.concatenate([each.are_ramps for each in neurons])[order]
        second = len(order) - 1 + np.cumsum(are_ramps)
        units = [
            np.append(own, second[own[each.are_ramps]])
            for own, each in zip(numbers, neurons, strict=True)
        ]
        return cls(order, numbers, units, len(order) + np.count_nonzero(are_ramps))


def _hidden(
    members: Sequence[_Member], layers: Sequence[_Layer], k: int, n_inputs: int
) -> tuple[Array, Array]:
    """Weights (inputs, width) and biases of a layer; of the last one for balanced outputs."""
    width, is_last = layers[k].width, k == len(layers) - 1
    weights = np.zeros((n_inputs + sum(each.width for each in layers[:k]), width))
    biases = np.zeros(width)
    starts = list(accumulate((each.width for each in layers[:k]), initial=n_inputs))
    for m, each in enumerate(members):
        own = each.layer(k)
        if own is None:
            continue
        seen = [layers[j].units[m] + starts[j] for j in range(min(own, k))]
        rows, columns = np.concatenate([np.arange(n_inputs), *seen]), layers[k].units[m]
        size = each.share**0.5 if is_last else 1.0
        weights[np.ix_(rows, columns)] = each.network.coefs[own] * size
        biases[columns] = each.network.intercepts[own] * size
    return weights, biases


def _block(members: Sequence[_Member], layers: Sequence[_Layer], k: int, n_inputs: int) -> Block:
    """The neurons of a layer, numbered as in the average; what the first network says of it."""
    starts = list(accumulate((len(each.order) for each in layers[:k]), initial=n_inputs))
    parts = []
    for m, each in enumerate(members):
        neurons = each.neurons(k)
        own = each.layer(k) or 0
        seen = [layers[j].numbers[m] + starts[j] for j in range(own)]
        number = np.concatenate([np.arange(n_inputs), *seen, [-1]])  # the last one is the padding
        parts.append(replace(neurons, inputs=number[neurons.inputs]))
    joined = _take(_together(parts), layers[k].order)
    own = [(each.network, each.layer(k)) for each in members]
    n_neurons = sum(net.blocks[j].n_neurons for net, j in own if j is not None)
    first, j = own[0]
    if j is None:
        return Block(joined, n_neurons, None, ())
    return Block(joined, n_neurons, first.blocks[j].certificate, first.blocks[j].history)


def _together(parts: Sequence[HiddenNeurons]) -> HiddenNeurons:
    order = max(each.inputs.shape[1] for each in parts)
    return HiddenNeurons(
        inputs=np.concatenate([_padded(each.inputs, order, -1) for each in parts]),
        weights=np.concatenate([_padded(each.weights, order, 0.0) for each in parts]),
        offsets=np.concatenate([each.offsets for each in parts]),
        rows=np.concatenate([_padded(each.rows, order, -1) for each in parts]),
        heights=np.concatenate([each.heights for each in parts]),
        end_rows=np.concatenate([each.end_rows for each in parts]),
        coef=np.concatenate([each.coef for each in parts]),
    )


def _padded(values: NDArray, order: int, by: float) -> NDArray:
    return np.pad(values, ((0, 0), (0, order - values.shape[1])), constant_values=by)


def _take(neurons: HiddenNeurons, which: Numbers) -> HiddenNeurons:
    return HiddenNeurons(*(getattr(neurons, name)[which] for name in vars(neurons)))
