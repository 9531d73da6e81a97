"""Blocks of a deep network, each solved on what those before pass on; and all of them as one.

As a whole they are a network like any other, with neurons of unit norm in the layers before the
last. The penalty of the last block is then one of all weights, and neither scaling a neuron nor
scaling it back changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import NEGLIGIBLE_WEIGHT, Neurons, inputs_in_use
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.rows import Sample, TrainingSample
from sklearn_wedge._core.sliding import as_neurons, balanced_weights
from sklearn_wedge._core.solution import Solution

Array = NDArray[np.float64]

# The training problem of samples with more inputs: the same loss, options and penalty.
Build = Callable[[TrainingSample], Problem]


@dataclass(frozen=True)
class SolvedBlock:
    """One block: what was solved, and what later ones have of it.

    Attributes
    ----------
    problem : Problem
        On the inputs and the activations of all blocks before.
    sample : Sample
        Its samples, with these activations as they are now.
    solution : Solution or None
        The network of this block, when it was the last; None if its neurons were given.
    passed_on : Neurons
        Those whose activations later blocks have as inputs: of the solution, or moved since, or
        found since.
    coef : ndarray of shape (k, q)
        What their coefficients were in the solution; 0 of those found since.
    """

    problem: Problem
    sample: Sample
    solution: Solution | None
    passed_on: Neurons
    coef: Array

    @property
    def objective(self) -> float:
        """Mean loss plus penalty of the network of this block."""
        return self.solution.certificate.objective

    def passing(self, which: NDArray[np.intp]) -> SolvedBlock:
        """The same block, with these neurons of the solution passed on."""
        solution = self.solution
        return replace(self, passed_on=solution.neurons.take(which), coef=solution.coef[which])

    def sample_after(self) -> TrainingSample:
        """The samples of the next block."""
        return self.sample.with_activations(self.passed_on.activations(self.sample.points.T).T)


def last_block(problem: Problem, sample: Sample, solution: Solution) -> SolvedBlock:
    """A block that passes nothing on."""
    nothing = np.empty(0, dtype=np.intp)
    return SolvedBlock(problem, sample, solution, solution.neurons, solution.coef).passing(nothing)


@dataclass(frozen=True)
class LastLayer:
    """The neurons in use of a last block.

    Attributes
    ----------
    neurons : Neurons
        m of them.
    coef : ndarray of shape (m, q)
        No row is zero.
    intercept : ndarray of shape (q,)
    """

    neurons: Neurons
    coef: Array
    intercept: Array


def moved_together(
    before: Sequence[SolvedBlock], last: LastLayer, problem: Problem, alpha: float, n_steps: int
) -> tuple[tuple[SolvedBlock, ...], LastLayer]:
    """All hidden layers after a slide, as a network; nothing is solved anew.

    Parameters
    ----------
    before : sequence of SolvedBlock
        All blocks before the last.
    last : LastLayer
    problem : Problem
        Of the last block.
    alpha : float
        Penalty.
    n_steps : int
        Of the slide, at most.

    Returns
    -------
    before : tuple of SolvedBlock
        Neurons that nothing builds on are where they were.
    last : LastLayer
    """
    first, dense = before[0], problem.is_dense and problem.neuron_class.norm == "l2"
    start = balanced_weights(last.neurons, last.coef, last.intercept, problem.sample.n_inputs)
    start = replace(
        start,
        hidden=_of_activations(start.hidden, problem.sample),
        before=tuple(_hidden_layer(block) for block in before),
    )
    moved = first.problem.slid_layers(start, alpha, dense, n_steps)
    sample, blocks = first.sample, []
    for block, hidden in zip(before, moved.before, strict=True):
        neurons = _unit_neurons(_of_activations(hidden, sample, -1), block.problem)
        blocks.append(replace(block, sample=sample, passed_on=neurons))
        sample = blocks[-1].sample_after()
    weights = replace(moved, hidden=_of_activations(moved.hidden, sample, -1), before=())
    return tuple(blocks), LastLayer(*as_neurons(weights, sample.points, problem.neuron_class))


def _hidden_layer(block: SolvedBlock) -> Array:
    """The neurons that a block passes on, as (d + k + 1, m) weights and biases."""
    neurons = block.passed_on
    hidden = np.vstack([neurons.weight_matrix(block.sample.n_inputs), neurons.offsets[None]])
    return _of_activations(hidden, block.sample)


def _unit_neurons(hidden: Array, problem: Problem) -> Neurons:
    """The inverse, of weights of unit norm; through no points that are known."""
    unit = np.where(np.abs(hidden[:-1]) < NEGLIGIBLE_WEIGHT, 0.0, hidden[:-1])
    inputs, named = inputs_in_use(unit.T, problem.neuron_class.order)
    return Neurons.unbounded(inputs, named, hidden[-1])


def _of_activations(hidden: Array, sample: TrainingSample, sign: int = 1) -> Array:
    """Weights and biases, (d + k + 1, m), on activations as they are instead of centred ones.

    With ``sign=-1`` the other way around.
    """
    k, shifted = sample.n_activations, hidden.copy()
    if k:
        shifted[-1] -= sign * (sample.input_scaling.mean[-k:] @ hidden[-1 - k : -1])
    return shifted
