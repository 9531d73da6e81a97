"""From a solution to a network: the inverse of the convex reformulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from sklearn_wedge._core.blocks import SolvedBlock
from sklearn_wedge._core.encoding import Encoding
from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._core.solution import Certificate, Round, Solution
from sklearn_wedge._core.threads import single_threaded_blas

Array = NDArray[np.float64]

# A product with hidden weights is sparse if at most this fraction of them is not zero.
SPARSE = 0.25


@dataclass(frozen=True, repr=False)
class HiddenNeurons:
    """A hidden layer to be read: each neuron is ``coef · min((weights · x + offset)_+, height)``.

    Here ``x`` are the inputs in the units of the problem solved: clipped, encoded if there is an
    encoding, centred and, with ``standardize=True``, scaled; in a further block of a deep network
    they are followed by the activations of the neurons in the layers before, as they are. Neurons
    come by descending ``|coef|``. The height of all but ramps is infinite; a ramp is one neuron
    here, and two in the layer weights.

    Attributes
    ----------
    inputs : int ndarray of shape (n_neurons, order)
        Input columns of each neuron, ascending, padded with -1. In a further block, with d columns,
        ``d + k`` is the k-th hidden neuron of the layers before, one layer after the other.
    weights : ndarray of shape (n_neurons, order)
        Weights on these inputs, of unit norm; 0 in the padding.
    offsets : ndarray of shape (n_neurons,)
        Offset of each neuron.
    rows : int ndarray of shape (n_neurons, order)
        Rows of the ``X`` given to ``fit`` that the neuron's hyperplane passes through, padded with
        -1. Where rows were equal, the first of them. A neuron that L-BFGS has moved, in a search
        under l2 or with all layers of a deep network, passes through none: all -1.
    heights : ndarray of shape (n_neurons,)
        Of ramps how far they rise; else infinite.
    end_rows : int ndarray of shape (n_neurons,)
        A row that the second hyperplane of a ramp passes through, where it ends; -1 if none is
        known, or the neuron is no ramp.
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
    heights: Array
    end_rows: NDArray[np.intp]
    coef: Array

    @property
    def are_ramps(self) -> NDArray[np.bool_]:
        """Which neurons are ramps, (n_neurons,)."""
        return np.isfinite(self.heights)

    @property
    def every_row(self) -> NDArray[np.intp]:
        """``rows``, and ``end_rows`` as one more column if there are ramps."""
        return np.column_stack([self.rows, self.end_rows]) if self.are_ramps.any() else self.rows

    def __len__(self) -> int:
        return self.offsets.shape[0]

    def __repr__(self) -> str:
        return f"HiddenNeurons(n_neurons={len(self)}, order={self.inputs.shape[1]})"


def balance(neurons: HiddenNeurons) -> Array:
    """By what units of the last layer are multiplied: of neurons, then of second units of ramps."""
    root = np.sqrt(np.linalg.norm(neurons.coef, axis=1))
    return np.append(root, root[neurons.are_ramps])


@dataclass(frozen=True, repr=False)
class Block:
    """One block of a network: a hidden layer, and how it was found.

    Attributes
    ----------
    neurons : HiddenNeurons
        The hidden layer. Of a block before the last: neurons that later ones build on, where they
        have moved to, with their coefficients in the block's own network; 0 if they came later.
    n_neurons : int
        Neurons of the block's own network, which was optimal given the blocks before when it was
        the last.
    certificate : Certificate or None
        Of the block's own network, when it was the last; None of a layer that was given, or that
        has neurons of several networks averaged.
    history : tuple of Round
        Its pricing rounds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(200, 2))
    >>> y = np.abs(np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1])) - 0.3)
    >>> model = WedgeReLURegressor(alpha=1e-3, n_blocks=2, tol=1e-2).fit(X, y)
    >>> first, second = model.blocks_
    >>> second.certificate.objective < first.certificate.objective
    True
    """

    neurons: HiddenNeurons
    n_neurons: int
    certificate: Certificate | None
    history: tuple[Round, ...]

    def __repr__(self) -> str:
        if self.certificate is None:
            return f"Block(n_neurons={self.n_neurons}, no certificate)"
        gap = self.certificate.relative_gap
        return f"Block(n_neurons={self.n_neurons}, relative_gap={gap:.1e})"


@dataclass(frozen=True, repr=False)
class Network:
    """A ReLU network in original units, applied to inputs that are clipped and encoded.

    With one hidden layer; or with several, one per block, each of which has the inputs and all
    hidden layers before it as its inputs, while the output sees the last one only.

    Attributes
    ----------
    coefs : list of ndarrays
        Layer weights. With one hidden layer, of shapes (d, n_neurons) and (n_neurons, n_outputs),
        as in scikit-learn's ``MLPRegressor``; a further layer has a row for each input and then for
        each neuron of the hidden layers before. A ramp is two neurons here; the second one, of
        opposite weight, comes after all others of its layer.
    intercepts : list of ndarrays, of shapes (n_neurons,) and (n_outputs,)
        Layer biases.
    clip_bounds : ndarray of shape (2, d)
        Lower and upper bounds that inputs are clipped to first; infinite where they are not.
    encoding : Encoding
        What is done to clipped inputs next; it leaves columns as they are unless asked for.
    neurons : HiddenNeurons
        The last hidden layer in the units of the problem solved.
    blocks : tuple of Block
        One per hidden layer.

    Examples
    --------
    >>> from sklearn_wedge import wedge_relu_path
    >>> path = wedge_relu_path([[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0], alphas=[0.1])
    >>> (network,) = path.networks
    >>> [weights.shape for weights in network.coefs]
    [(1, 2), (2, 1)]
    >>> network.predict([[0.5], [2.0]]).shape
    (2, 1)
    """

    coefs: list[Array]
    intercepts: list[Array]
    clip_bounds: Array
    encoding: Encoding
    neurons: HiddenNeurons
    blocks: tuple[Block, ...]

    def predict(self, X: ArrayLike) -> Array:
        """Outputs for ``X``, (n, d), in original units: an array of shape (n, n_outputs)."""
        # A row for each input, so that its bounds are the same along it: several times faster.
        inputs = np.array(np.asarray(X).T, dtype=np.float64, order="C")
        np.clip(inputs, *self.clip_bounds[:, :, None], out=inputs)
        self.encoding.transform_in_place(inputs)
        hidden = inputs[:0]
        *layers, output = self._weights
        for weights, bias in zip(layers, self.intercepts[:-1], strict=True):
            if len(hidden):
                inputs = np.concatenate([inputs, hidden])
            hidden = _product(weights, inputs)
            hidden += bias[:, None]
            np.maximum(hidden, 0.0, out=hidden)
        return _product(output, hidden).T + self.intercepts[-1]

    def shifted(self, by: Array) -> Network:
        """With constants, (n_outputs,), added to its outputs."""
        *hidden, output = self.intercepts
        return replace(self, intercepts=[*hidden, output + by])

    def __repr__(self) -> str:
        *hidden, n_outputs = map(len, self.intercepts)
        n_neurons = hidden[0] if len(hidden) == 1 else tuple(hidden)
        n_inputs = self.clip_bounds.shape[1]
        return f"Network(n_inputs={n_inputs}, n_neurons={n_neurons}, n_outputs={n_outputs})"

    def __getstate__(self) -> dict[str, Any]:
        """What is saved: nothing that can be computed again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _weights(self) -> list[Array | csr_array]:
        """Weights of the layers, (width, inputs): sparse where that costs next to nothing."""
        transposed = [weights.T for weights in self.coefs]
        return [csr_array(w) if _is_sparse(w) else w for w in transposed]


def _is_sparse(weights: Array) -> bool:
    return len(weights) == 1 or np.count_nonzero(weights) <= SPARSE * weights.size


def _product(weights: Array | csr_array, inputs: Array) -> Array:
    """Weights times inputs, bit for bit the same whatever other threads do."""
    if isinstance(weights, csr_array):  # is multiplied on the calling thread
        return weights @ inputs
    with single_threaded_blas():  # chunks are too small to share out
        return weights @ inputs


def network_of(solution: Solution, sample: Sample) -> Network:
    """The network with one hidden layer of a solution: balanced in the units of the problem.

    ``w = u √|z|``, ``b = c √|z|``, ``a = sign(z) √|z|`` turn a unit-norm neuron with coefficient z
    into one with ``‖w‖ = |a|``, at which the penalty of the network equals that of the convex
    problem (M. Pilanci, arXiv 2309.16512). Then it is brought into original units.
    """
    return _network([_Layer(solution, solution.neurons, solution.coef, sample)])


def deep_network_of(blocks: Sequence[SolvedBlock]) -> Network:
    """The network of blocks: of those before the last, the neurons that later ones build on.

    Before the last layer neurons are of unit norm, as the blocks after them saw them.
    """
    *before, last = blocks
    layers = [_Layer(each.solution, each.passed_on, each.coef, each.sample) for each in before]
    solution = last.solution
    layers.append(_Layer(solution, solution.neurons, solution.coef, last.sample))
    return _network(_without_idle(layers))


@dataclass(frozen=True)
class _Layer:
    """A hidden layer: neurons, their coefficients in the solution of their block, and its sample.

    Attributes
    ----------
    solution : Solution or None
    neurons : Neurons
    coef : ndarray
    sample : Sample
    activations : tuple of int ndarrays
        Numbers of those that are in the network, layer by layer.
    ramps : tuple of int ndarrays
        Of these the ramps, which are two neurons of their layer.
    """

    solution: Solution | None
    neurons: Neurons
    coef: Array
    sample: Sample
    activations: tuple[NDArray[np.intp], ...] = ()
    ramps: tuple[NDArray[np.intp], ...] = ()

    def take(self, which: NDArray) -> _Layer:
        return replace(self, neurons=self.neurons.take(which), coef=self.coef[which])

    @property
    def n_columns(self) -> int:
        """Inputs that are columns of X."""
        return self.sample.n_inputs - self.sample.n_activations

    def uses(self) -> NDArray[np.bool_]:
        """Which activations of earlier layers some neuron has as an input."""
        return self.neurons.weight_matrix(self.sample.n_inputs)[self.n_columns :].any(axis=1)

    def weights(self, size: Array) -> tuple[Array, Array]:
        """Weights (inputs, width) and biases in original units, of neurons of given norms.

        After all neurons come the second ones of ramps: ``min((s)_+, h) = (s)_+ - (s - h)_+``.
        """
        inputs, neurons = self.sample.input_scaling, self.neurons
        hidden = neurons.weight_matrix(self.sample.n_inputs) * size / inputs.scale[:, None]
        bias = neurons.offsets * size - inputs.mean @ hidden
        ramps = np.flatnonzero(neurons.are_ramps)
        if len(ramps):
            ends = bias[ramps] - neurons.heights[ramps] * size[ramps]
            hidden, bias = np.hstack([hidden, hidden[:, ramps]]), np.append(bias, ends)
        rows, signs = self._rows()
        seen = np.take(hidden.T, rows, axis=1).T
        seen[signs < 0] *= -1.0
        return seen, bias

    def _rows(self) -> tuple[NDArray[np.intp], Array]:
        """Which input each row of the layer weights is of, and its sign."""
        d = self.n_columns
        parts = [(np.arange(d), 1.0)]
        for kept, ramps in zip(self.activations, self.ramps, strict=True):
            parts += [(d + kept, 1.0), (d + ramps, -1.0)]
        numbers = [part for part, _ in parts]
        signs = np.repeat([sign for _, sign in parts], list(map(len, numbers)))
        return np.concatenate(numbers), signs

    def readable(self) -> HiddenNeurons:
        """The neurons with activations that are numbered as in the network, and not centred."""
        neurons, sample, d = self.neurons, self.sample, self.n_columns
        centred = sample.input_scaling.mean[d:] @ neurons.weight_matrix(sample.n_inputs)[d:]
        number = np.full(sample.n_inputs + 1, -1)  # the last one is that of the padding
        read = [np.arange(d), *(d + kept for kept in self.activations)]
        number[np.concatenate(read)] = np.arange(sum(map(len, read)))
        first_row = sample.first_row
        return HiddenNeurons(
            inputs=number[neurons.inputs],
            weights=neurons.weights,
            offsets=neurons.offsets - centred,
            rows=np.where(neurons.points >= 0, first_row[neurons.points], -1),
            heights=neurons.heights,
            end_rows=np.where(neurons.ends >= 0, first_row[neurons.ends], -1),
            coef=self.coef,
        )

    def block(self) -> Block:
        solution = self.solution
        if solution is None:
            return Block(self.readable(), len(self.neurons), None, ())
        n_neurons = len(solution.neurons)
        return Block(self.readable(), n_neurons, solution.certificate, solution.history)


def _without_idle(layers: list[_Layer]) -> list[_Layer]:
    """The layers without neurons that no later one has as an input, and without empty layers."""
    ends = np.cumsum([len(layer.neurons) for layer in layers])
    used = np.zeros(ends[-1], dtype=bool)
    used[ends[-1] - len(layers[-1].neurons) :] = True
    kept: list[_Layer] = []
    for layer, end in zip(reversed(layers), reversed(ends), strict=True):
        layer = layer.take(used[end - len(layer.neurons) : end])
        needed = layer.uses()
        used[: len(needed)] |= needed
        kept.insert(0, layer)
    kept = [layer for layer in kept if len(layer.neurons) or layer is kept[-1]]
    return [_with_activations(layer, layers, used) for layer in kept]


def _with_activations(layer: _Layer, layers: list[_Layer], used: NDArray[np.bool_]) -> _Layer:
    """A layer with the activations before it that are in the network, by layer and number."""
    activations, ramps, begin = [], [], 0
    for before in layers:
        if begin == layer.sample.n_activations:
            break
        end = begin + len(before.neurons)
        numbers = begin + np.flatnonzero(used[begin:end])
        activations.append(numbers)
        ramps.append(numbers[before.neurons.are_ramps[numbers - begin]])
        begin = end
    return replace(layer, activations=tuple(activations), ramps=tuple(ramps))


def _network(layers: list[_Layer]) -> Network:
    """Layers in original units; the last one is balanced with the output."""
    *before, last = layers
    solution, inputs, output = last.solution, last.sample.input_scaling, last.sample.output_scaling
    root = np.sqrt(np.linalg.norm(solution.coef, axis=1))
    out = np.divide(
        solution.coef, root[:, None], out=np.zeros_like(solution.coef), where=root[:, None] > 0
    )
    hidden = [layer.weights(np.ones(len(layer.neurons))) for layer in before]
    hidden.append(last.weights(root))
    ramps = last.neurons.are_ramps
    out = np.concatenate([out, -out[ramps]])
    blocks = tuple(layer.block() for layer in layers)
    return Network(
        coefs=[*(weights for weights, _ in hidden), out * output.scale],
        intercepts=[*(b for _, b in hidden), solution.intercept * output.scale + output.mean],
        clip_bounds=np.stack([inputs.lower, inputs.upper])[:, : last.n_columns],
        encoding=inputs.encoding,
        neurons=blocks[-1].neurons,
        blocks=blocks,
    )
