"""The mean loss of a network, smoothed, of one hidden layer or several, with its gradient.

Best neurons pass through samples, where their activations have kinks: L-BFGS would stay there.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import SERIAL, Threads
from sklearn_wedge._core.losses import SmoothLoss
from sklearn_wedge._core.sliding import NetworkLoss, Weights

Array = NDArray[np.float64]

# Half the width to which the kink of an activation is smoothed, as a fraction of the standard
# deviation of its argument.
WIDTH = 0.01
# Rows, at least, that these are judged on.
ROWS_OF_WIDTHS = 2048
# Loops over the inputs that neurons have take less time than products of matrices if these are
# fewer than this part of what enters their layers.
FEW_INPUTS = 0.25
# Then so many times as many rows go at a time: calls take more of the time, and memory less.
MORE_ROWS = 2


def layered_loss(
    inputs: Array,
    target: Array,
    weight: Array,
    loss: SmoothLoss,
    start: Weights,
    dense: bool,
    threads: Threads = SERIAL,
) -> LayeredLoss:
    """The loss of networks; unless they are ``dense``, weights that are zero at the start stay so.

    For the other parameters see ``LayeredLoss``.
    """
    layers = (*start.before, start.hidden)
    used = sum(_inputs_used(hidden).size for hidden in layers)
    few = used < FEW_INPUTS * sum(hidden[:-1].size for hidden in layers)
    kind = SparseLayeredLoss if few and not dense else LayeredLoss
    return kind(inputs, target, weight, loss, start, threads=threads)


class SmoothedLoss(NetworkLoss):
    """The mean loss of a network of one hidden layer with smoothed activations, and its gradient.

    It is that of ``LayeredLoss``, in less time.

    Parameters
    ----------
    inputs, target, weight, loss, start, dtype, threads
        See ``LayeredLoss``.
    width : float
        Half the width to which kinks are smoothed; see ``WIDTH``.
    """

    def __init__(
        self,
        inputs: Array,
        target: Array,
        weight: Array,
        loss: SmoothLoss,
        start: Weights,
        width: float,
        dtype: type = np.float32,
        threads: Threads = SERIAL,
    ):
        super().__init__(inputs, target, weight, loss, dtype, threads)
        (self.band,) = 2 * width * np.array(_spreads(inputs, weight, start))

    def __call__(self, at: Weights) -> tuple[float, Weights]:
        """The mean loss, and its gradient in the weights."""
        # In units in which the band where an activation is curved goes from 0 to 1.
        hidden = at.hidden / self.band
        hidden[-1] += 0.5
        value, slope = super().__call__(
            Weights(hidden, at.outer * self.band[:, None], at.intercept)
        )
        slope.outer[:] *= self.band[:, None]
        slope.hidden[:] /= self.band
        return value, slope

    def _complete(self, slope: Weights, at: Weights) -> None:
        """Of a single output, the factors of whole columns."""
        if at.outer.shape[1] == 1:
            slope.hidden[:] *= at.outer[:, 0]

    def _of_rows(self, at: Weights, rows: slice, room: NDArray) -> tuple[float, Weights]:
        """The share of some rows in the loss and its gradient."""
        inputs, target, weight = self.inputs[rows], self.target[rows], self.weight[rows]
        active = np.matmul(inputs, at.hidden, out=room[: len(inputs)])
        step = np.clip(active, 0.0, 1.0)
        active -= 0.5 * step
        active *= step
        prediction = at.intercept + active @ at.outer
        value = self.loss.value(prediction, target, weight)
        pull = -self.loss.dual_point(prediction, target, weight)
        intercept, pull = pull.sum(axis=0), pull.astype(self.dtype)
        outer = active.T @ pull
        if pull.shape[1] == 1:
            return value, Weights((inputs * pull).T @ step, outer, intercept)
        step *= pull @ at.outer.T
        return value, Weights(inputs.T @ step, outer, intercept)


class LayeredLoss(NetworkLoss):
    """The mean loss of a network with smoothed activations, and its gradient in all layers.

    Each hidden layer is on the inputs and the activations of all layers before it.

    Parameters
    ----------
    inputs : ndarray of shape (n, d)
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
        Summing to 1.
    loss : SmoothLoss
    start : Weights
        What the widths are for: they stay as they are.
    dtype : type, default=numpy.float32
        Of products of matrices.
    threads : Threads
        Over which rows are shared out.
    """

    def __init__(
        self,
        inputs: Array,
        target: Array,
        weight: Array,
        loss: SmoothLoss,
        start: Weights,
        dtype: type = np.float32,
        threads: Threads = SERIAL,
    ):
        super().__init__(inputs, target, weight, loss, dtype, threads)
        spreads = _spreads(inputs, weight, start)
        self.widths = [(WIDTH * spread).astype(dtype) for spread in spreads]

    def _room(self, n_rows: int, at: Weights) -> NDArray:
        """None: there are many arrays."""
        return np.empty(0)

    def _complete(self, slope: Weights, at: Weights) -> None:
        """Nothing is left out."""

    def _of_rows(self, at: Weights, rows: slice, room: NDArray) -> tuple[float, Weights]:
        """The share of some rows in the loss and its gradient."""
        layers, target, weight = (*at.before, at.hidden), self.target[rows], self.weight[rows]
        entering, steps = [self.inputs[rows]], []
        for hidden, width in zip(layers, self.widths, strict=True):
            argument = entering[-1] @ hidden
            # From 0 to 1, as the argument goes from minus the width to the width.
            steps.append(np.clip((argument + width) / (2 * width), 0.0, 1.0))
            active = width * steps[-1] ** 2 + np.maximum(argument - width, 0.0)
            entering.append(_with_more(entering[-1], active))
        prediction = at.intercept + active @ at.outer
        value = self.loss.value(prediction, target, weight)
        pull = -self.loss.dual_point(prediction, target, weight)
        intercept, pull = pull.sum(axis=0), pull.astype(self.dtype)
        outer, slopes = active.T @ pull, []
        # What pulls at the activations that enter a layer, from the last one to the first.
        at_entering = np.zeros((len(pull), entering[-1].shape[1] - 1), dtype=self.dtype)
        at_entering[:, -active.shape[1] :] = pull @ at.outer.T
        for inputs, hidden, step in zip(entering[-2::-1], layers[::-1], steps[::-1], strict=True):
            known = inputs.shape[1] - 1
            own = at_entering[:, known:] * step
            slopes.append(inputs.T @ own)
            at_entering = at_entering[:, :known] + own @ hidden[:-1].T
        hidden, *before = slopes
        return value, Weights(hidden, outer, intercept, tuple(reversed(before)))


class SparseLayeredLoss(LayeredLoss):
    """The same, of neurons with few inputs: those that they have at the start.

    The slope is 0 in all other weights. Inside, a hidden layer is an array of shape (m, s + 1): the
    weights of a neuron on its inputs, the bias last.
    """

    def __init__(
        self,
        inputs: Array,
        target: Array,
        weight: Array,
        loss: SmoothLoss,
        start: Weights,
        threads: Threads = SERIAL,
    ):
        super().__init__(inputs, target, weight, loss, start, threads=threads)
        self.columns = np.ascontiguousarray(self.inputs[:, :-1].T)
        self.named = [_inputs_used(hidden) for hidden in (*start.before, start.hidden)]
        ends = np.cumsum([0, *map(len, self.named)])
        # Of all neurons, those of each layer.
        self.own = [slice(*ends) for ends in pairwise(ends)]

    def __call__(self, at: Weights) -> tuple[float, Weights]:
        """The mean loss, and its gradient in the weights that are not zero at the start."""
        layers = (*at.before, at.hidden)
        *before, hidden = map(_on_own_inputs, layers, self.named)
        value, slope = super().__call__(replace(at, hidden=hidden, before=tuple(before)))
        slopes = (*slope.before, slope.hidden)
        *before, hidden = map(_on_all_inputs, slopes, self.named, layers)
        return value, replace(slope, hidden=hidden, before=tuple(before))

    def _rows_at_once(self, at: Weights) -> int:
        """Rows of a block."""
        return MORE_ROWS * super()._rows_at_once(at)

    def _room(self, n_rows: int, at: Weights) -> NDArray:
        """For three numbers of each neuron, and the inputs."""
        return np.empty(n_rows * (len(self.columns) + 3 * self.own[-1].stop), dtype=self.dtype)

    def _of_rows(self, at: Weights, rows: slice, room: NDArray) -> tuple[float, Weights]:
        """The share of some rows in the loss and its gradient."""
        target, weight = self.target[rows], self.weight[rows]
        (k, n_neurons), r = (len(self.columns), self.own[-1].stop), len(target)
        each = room[: r * (k + 3 * n_neurons)].reshape(-1, r)
        entering, steps, pulls = np.split(each, [k + n_neurons, k + 2 * n_neurons])
        entering[:k] = self.columns[:, rows]
        active = self._forward(at, entering, steps)
        prediction = at.intercept + active.T @ at.outer
        value = self.loss.value(prediction, target, weight)
        pull = -self.loss.dual_point(prediction, target, weight)
        intercept, pull = pull.sum(axis=0), pull.astype(self.dtype)
        pulls[: -len(active)] = 0.0
        along = np.multiply if pull.shape[1] == 1 else np.matmul  # the same, and faster
        along(at.outer, pull.T, out=pulls[-len(active) :])
        *before, hidden = self._backward(at, entering, steps, pulls)
        return value, Weights(hidden, active @ pull, intercept, tuple(before))

    def _forward(self, at: Weights, entering: NDArray, steps: NDArray) -> NDArray:
        """The activations of the last layer; inputs enter, and all others are put beside them."""
        k = len(self.columns)
        layers = zip((*at.before, at.hidden), self.own, self.named, self.widths, strict=True)
        for hidden, own, inputs, width in layers:
            known, active = np.split(entering[: k + own.stop], [k + own.start])
            kernels.layers.forward(known, inputs, hidden, width, steps[own], active)
        return active

    def _backward(
        self, at: Weights, entering: NDArray, steps: NDArray, pulls: NDArray
    ) -> list[NDArray]:
        """The slopes of all layers, by what pulls at the activations of the last one."""
        k, slopes = len(self.columns), [np.zeros_like(part) for part in (*at.before, at.hidden)]
        layers = zip((*at.before, at.hidden), self.own, self.named, slopes, strict=True)
        for hidden, own, inputs, slope in reversed(list(layers)):
            known, pulled = entering[: k + own.start], pulls[: own.stop]
            kernels.layers.backward(known, inputs, hidden, steps[own], k, pulled, slope)
        return slopes


def _inputs_used(hidden: Array) -> NDArray[np.int64]:
    """What each neuron of a layer has a weight on, (m, s), padded with -1."""
    used = (hidden[:-1] != 0).T
    inputs = np.argsort(~used, axis=1, kind="stable")[:, : int(used.sum(axis=1).max(initial=0))]
    return np.where(np.take_along_axis(used, inputs, axis=1), inputs, -1).astype(np.int64)


def _on_own_inputs(hidden: Array, inputs: NDArray[np.int64]) -> Array:
    """A hidden layer, (d + k + 1, m), as an array of shape (m, s + 1)."""
    weights = hidden[inputs, np.arange(len(inputs))[:, None]]  # padding is not looked at
    return np.hstack([weights, hidden[-1][:, None]])


def _on_all_inputs(layer: Array, inputs: NDArray[np.int64], like: Array) -> Array:
    """The inverse, with the shape of another layer."""
    hidden = np.zeros(like.shape)
    neuron, place = np.nonzero(inputs >= 0)
    hidden[inputs[neuron, place], neuron] = layer[neuron, place]
    hidden[-1] = layer[:, -1]
    return hidden


def _with_more(inputs: NDArray, activations: NDArray) -> NDArray:
    """Inputs and more of them; the last column, of ones, stays the last."""
    return np.hstack([inputs[:, :-1], activations, inputs[:, -1:]])


def _spreads(inputs: Array, weight: Array, start: Weights) -> list[Array]:
    """Standard deviations of the arguments of the neurons of each hidden layer; 1 if it is 0."""
    some = slice(None, None, max(1, len(inputs) // ROWS_OF_WIDTHS))
    inputs, weight = inputs[some], weight[some] / weight[some].sum()
    entering, spreads = np.hstack([inputs, np.ones((len(inputs), 1))]), []
    for hidden in (*start.before, start.hidden):
        argument = entering @ hidden
        spread = np.sqrt(weight @ (argument - weight @ argument) ** 2)
        spreads.append(np.where(spread > 0, spread, 1.0))
        entering = _with_more(entering, np.maximum(argument, 0.0))
    return spreads
