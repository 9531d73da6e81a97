"""The average of networks is a network: its hidden layers have the neurons of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.network import Block, HiddenNeurons, Network, balance

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

# Neurons are equal if their weights, offsets and heights differ by rounding: after this digit.
DIGITS = 10


def average(networks: Sequence[Network], shares: Sequence[float]) -> Network:
    """The network whose outputs are a weighted mean of those of others.

    The output sees the last hidden layer only, so that the last ones of all networks are one layer,
    and earlier ones are joined from the first on. Neurons of the last layer that several networks
    have are one. Layers of several networks have no certificate.

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
    n_inputs, depth = first.clip_bounds.shape[1], max(len(each.blocks) for each in networks)
    members = [_Member(each, s, depth) for each, s in zip(networks, shares, strict=True)]
    layers: list[_Layer] = []
    for k in range(depth):
        layers.append(_joined(members, layers, k, n_inputs))
    hidden = [_hidden(members, layers, k, n_inputs) for k in range(depth)]
    intercept = sum(each.share * each.network.intercepts[-1] for each in members)
    blocks = tuple(_block(members, layer, k) for k, layer in enumerate(layers))
    return Network(
        coefs=[*(weights for weights, _ in hidden), _output(members, layers[-1])],
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
            return _take(self.network.neurons, np.zeros(0, dtype=np.intp))
        neurons = self.network.blocks[own].neurons
        return replace(neurons, coef=self.share * neurons.coef) if k == self.depth - 1 else neurons


@dataclass(frozen=True)
class _Layer:
    """A hidden layer of the average.

    Attributes
    ----------
    neurons : HiddenNeurons
        Numbered as in the average.
    numbers : list of int ndarrays
        Of each member the numbers of its neurons in the layer.
    units : list of int ndarrays
        The same of the columns of its weights: second units of ramps come after all neurons.
    """

    neurons: HiddenNeurons
    numbers: list[Numbers]
    units: list[Numbers]

    @property
    def width(self) -> int:
        """Columns of its weights."""
        return len(self.neurons) + int(np.count_nonzero(self.neurons.are_ramps))


def _joined(members: Sequence[_Member], layers: Sequence[_Layer], k: int, n_inputs: int) -> _Layer:
    """The neurons of all members; in the last layer equal ones are one, the strongest first."""
    parts = [_numbered(members, layers, m, k, n_inputs) for m in range(len(members))]
    neurons = _together(parts)
    place = np.arange(len(neurons))
    if k == members[0].depth - 1:
        neurons, place = _strongest_first(neurons)
    ends = list(accumulate(map(len, parts)))
    numbers = [place[end - len(each) : end] for each, end in zip(parts, ends, strict=True)]
    second = len(neurons) - 1 + np.cumsum(neurons.are_ramps)
    units = [
        np.append(own, second[own[each.are_ramps]])
        for own, each in zip(numbers, parts, strict=True)
    ]
    return _Layer(neurons, numbers, units)


def _numbered(
    members: Sequence[_Member], layers: Sequence[_Layer], m: int, k: int, n_inputs: int
) -> HiddenNeurons:
    """Neurons of a member whose inputs are numbered as in the average."""
    neurons, own = members[m].neurons(k), members[m].layer(k) or 0
    starts = accumulate((len(each.neurons) for each in layers[:own]), initial=n_inputs)
    seen = [each.numbers[m] + start for each, start in zip(layers[:own], starts, strict=False)]
    number = np.concatenate([np.arange(n_inputs), *seen, [-1]])  # the last one is the padding
    return replace(neurons, inputs=number[neurons.inputs])


def _strongest_first(neurons: HiddenNeurons) -> tuple[HiddenNeurons, Numbers]:
    """Each distinct neuron once, by descending coefficient; and where each of those given is."""
    heights = np.where(neurons.are_ramps, neurons.heights, -1.0)
    numbers = np.column_stack([neurons.weights, neurons.offsets, heights]).round(DIGITS) + 0.0
    keys = np.column_stack([neurons.inputs, numbers])
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    coef = np.zeros((len(first), neurons.coef.shape[1]))
    np.add.at(coef, group.ravel(), neurons.coef)
    # Of equal coefficients the one that comes first.
    order = np.lexsort((first, -np.linalg.norm(coef, axis=1)))
    distinct = replace(_take(neurons, first[order]), coef=coef[order])
    return distinct, np.argsort(order)[group.ravel()]


def _hidden(
    members: Sequence[_Member], layers: Sequence[_Layer], k: int, n_inputs: int
) -> tuple[Array, Array]:
    """Weights (inputs, width) and biases of a layer; of the last one for balanced outputs."""
    layer, is_last = layers[k], k == len(layers) - 1
    weights = np.zeros((n_inputs + sum(each.width for each in layers[:k]), layer.width))
    biases = np.zeros(layer.width)
    starts = list(accumulate((each.width for each in layers[:k]), initial=n_inputs))
    for m, each in enumerate(members):
        own = each.layer(k)
        if own is None:
            continue
        seen = [layers[j].units[m] + starts[j] for j in range(min(own, k))]
        rows, columns = np.concatenate([np.arange(n_inputs), *seen]), layer.units[m]
        size = np.ones(len(columns))
        if is_last:
            size = balance(layer.neurons)[columns] / balance(each.network.neurons)
        weights[np.ix_(rows, columns)] = each.network.coefs[own] * size
        biases[columns] = each.network.intercepts[own] * size
    return weights, biases


def _output(members: Sequence[_Member], last: _Layer) -> Array:
    """Weights of the output (width, n_outputs), balanced with those of the last layer."""
    root = balance(last.neurons)
    output = np.zeros((last.width, members[0].network.coefs[-1].shape[1]))
    for each, units in zip(members, last.units, strict=True):
        own = balance(each.network.neurons)
        output[units] += each.share * own[:, None] * each.network.coefs[-1]
    return np.divide(output, root[:, None], out=np.zeros_like(output), where=root[:, None] > 0)


def _block(members: Sequence[_Member], layer: _Layer, k: int) -> Block:
    """A layer, and how it was found if one network has it."""
    own = [(each.network, each.layer(k)) for each in members]
    blocks = [network.blocks[j] for network, j in own if j is not None]
    if len(members) == 1:
        return replace(blocks[0], neurons=layer.neurons)
    n_neurons = (
        len(layer.neurons) if k == members[0].depth - 1 else sum(each.n_neurons for each in blocks)
    )
    return Block(layer.neurons, n_neurons, None, ())


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
