"""From a solution to a network: the inverse of the convex reformulation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_wedge._samples import TrainingSample
from sklearn_wedge._solution import Solution
from sklearn_wedge._streaming import StreamedSample

Array = NDArray[np.float64]

# A product with hidden weights is sparse if at most this fraction of them is not zero.
SPARSE = 0.25


@dataclass(frozen=True)
class HiddenNeurons:
    """The hidden layer to be read: each neuron is ``coef · (weights · x + offset)_+``.

    Here ``x`` are the inputs in the units of the problem solved: clipped, centred and, with
    ``standardize=True``, scaled. Neurons come by descending ``|coef|``.

    Attributes
    ----------
    inputs : int ndarray of shape (n_neurons, order)
        Input columns of each neuron, ascending, padded with -1.
    weights : ndarray of shape (n_neurons, order)
        Weights on these inputs, of unit norm; 0 in the padding.
    offsets : ndarray of shape (n_neurons,)
        Offset of each neuron.
    rows : int ndarray of shape (n_neurons, order)
        Rows of the ``X`` given to ``fit`` that the neuron's hyperplane passes through, padded with
        -1. Where rows were equal, the first of them.
    coef : ndarray of shape (n_neurons, n_outputs)
        Output coefficient of each unit-norm neuron, in the units of the problem solved.

    Examples
    --------
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> X, y = [[0.0, 5.0], [1.0, 3.0], [2.0, 4.0]], [0.0, 0.0, 1.0]
    >>> neurons = WedgeReLURegressor(alpha=0.1, clip_quantile=None).fit(X, y).neurons_
    >>> neurons.inputs.shape == neurons.weights.shape == neurons.rows.shape == (len(neurons), 2)
    True
    """

    inputs: NDArray[np.intp]
    weights: Array
    offsets: Array
    rows: NDArray[np.intp]
    coef: Array

    def __len__(self) -> int:
        return self.offsets.shape[0]


@dataclass(frozen=True)
class Network:
    """A one-hidden-layer ReLU network in original units, applied to clipped inputs.

    Attributes
    ----------
    coefs : list of two ndarrays, of shapes (d, n_neurons) and (n_neurons, n_outputs)
        Layer weights, as in scikit-learn's ``MLPRegressor``.
    intercepts : list of two ndarrays, of shapes (n_neurons,) and (n_outputs,)
        Layer biases.
    clip_bounds : ndarray of shape (2, d)
        Lower and upper bounds that inputs are clipped to first; infinite where they are not.
    neurons : HiddenNeurons
        The same hidden layer in the units of the problem solved.
    """

    coefs: list[Array]
    intercepts: list[Array]
    clip_bounds: Array
    neurons: HiddenNeurons

    def predict(self, X: NDArray) -> Array:
        """Network outputs for ``X`` of shape (n, d): an array of shape (n, n_outputs)."""
        inputs = np.clip(np.asarray(X, dtype=np.float64), *self.clip_bounds)
        hidden = self._weights @ np.ascontiguousarray(inputs.T)
        hidden += self.intercepts[0][:, None]
        np.maximum(hidden, 0.0, out=hidden)
        return hidden.T @ self.coefs[1] + self.intercepts[1]

    def __getstate__(self) -> dict[str, Any]:
        """What is saved: nothing that can be computed again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _weights(self) -> Array | csr_array:
        """Hidden weights, (n_neurons, d): sparse where neurons have few of the inputs."""
        weights = self.coefs[0].T
        sparse = np.count_nonzero(weights) <= SPARSE * weights.size
        return csr_array(weights) if sparse else weights


def network_of(solution: Solution, sample: TrainingSample | StreamedSample) -> Network:
    """Layer weights of a solution: balanced in the units of the problem, then in original units.

    ``w = u √|z|``, ``b = c √|z|``, ``a = sign(z) √|z|`` turn a unit-norm neuron with coefficient z
    into one with ``‖w‖ = |a|``, at which the penalty of the network equals that of the convex
    problem (M. Pilanci, arXiv 2309.16512).
    """
    neurons, coef = solution.neurons, solution.coef
    root = np.sqrt(np.linalg.norm(coef, axis=1))
    hidden, bias = neurons.weight_matrix(sample.n_inputs) * root, neurons.offsets * root
    out = np.divide(coef, root[:, None], out=np.zeros_like(coef), where=root[:, None] > 0)

    inputs, output = sample.input_scaling, sample.output_scaling
    hidden = hidden / inputs.scale[:, None]
    rows = np.where(neurons.points >= 0, sample.first_row[neurons.points], -1)
    return Network(
        coefs=[hidden, out * output.scale],
        intercepts=[bias - inputs.mean @ hidden, solution.intercept * output.scale + output.mean],
        clip_bounds=np.stack([inputs.lower, inputs.upper]),
        neurons=HiddenNeurons(neurons.inputs, neurons.weights, neurons.offsets, rows, coef),
    )
