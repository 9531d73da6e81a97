"""Hidden layers before the last one of a trained network, as blocks of a deep one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.blocks import Build, SolvedBlock
from sklearn_wedge._core.neurons import Neurons, inputs_in_use
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._polish.given_neurons import check_order, unit_weights
from sklearn_wedge._polish.trained_network import TrainedNetwork

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GivenBlocks:
    """Hidden layers with neurons of unit norm, and a network of one hidden layer on all of them.

    Attributes
    ----------
    before : tuple of SolvedBlock
        One per hidden layer before the last.
    problem : Problem
        Of the last block.
    last : TrainedNetwork
        The last hidden layer and the output, on the inputs and the activations before it.
    inputs : ndarray of shape (n, d + k)
        These, at the rows of the data.
    """

    before: tuple[SolvedBlock, ...]
    problem: Problem
    last: TrainedNetwork
    inputs: Array


def given_blocks(
    network: TrainedNetwork, X: NDArray, problem: Problem, build: Build
) -> GivenBlocks:
    """The same function on the rows. Neurons that are constant there go into biases.

    Parameters
    ----------
    network : TrainedNetwork
    X : ndarray of shape (n, d)
    problem : Problem
        On the inputs alone.
    build : callable
        The problem of samples with more inputs.

    Raises
    ------
    ValueError
        If a neuron has more inputs than the class allows.
    """
    inputs, before = np.asarray(X, dtype=np.float64), []
    layers = [*network.before, (network.hidden, network.hidden_bias)]
    for k in range(len(network.before)):
        hidden, bias = layers[k]
        active = np.maximum(inputs @ hidden + bias, 0.0)
        constant = active.max(axis=0) == active.min(axis=0)
        used = np.flatnonzero(~constant)
        block, size = _block(hidden[:, used], bias[used], problem)
        weights, its_bias = layers[k + 1]
        # The next layer has what enters this one too, without a weight.
        none = np.zeros((inputs.shape[1], weights.shape[1]))
        on_all = np.vstack([none, weights[used] * size[:, None]])
        layers[k + 1] = on_all, its_bias + (constant * active[0]) @ weights
        inputs = np.hstack([inputs, active[:, used] / size])
        before.append(block)
        problem = build(block.sample_after())
    hidden, bias = layers[-1]
    last = replace(network, before=(), hidden=hidden, hidden_bias=bias)
    return GivenBlocks(tuple(before), problem, last, inputs)


def _block(hidden: Array, bias: Array, problem: Problem) -> tuple[SolvedBlock, Array]:
    """Neurons as a block that passes all of them on, and the norms that their weights had."""
    unit, size = unit_weights(hidden, problem.neuron_class.norm)
    check_order(unit, problem.neuron_class)
    inputs, weights = inputs_in_use(unit, problem.neuron_class.order)
    offsets = (bias + problem.sample.input_scaling.mean @ hidden) / size
    neurons = Neurons.unbounded(inputs, weights, offsets)
    no_coef = np.zeros((len(neurons), len(problem.constant.intercept)))
    return SolvedBlock(problem, problem.sample, None, neurons, no_coef), size
