"""The mean loss of a network of several hidden layers, smoothed, with its gradient.

Best neurons pass through samples, where their activations have kinks: L-BFGS would stay there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.kernels import SERIAL, Threads
from sklearn_wedge._core.losses import SmoothLoss
from sklearn_wedge._core.sliding import NetworkLoss, Weights

Array = NDArray[np.float64]

# Half the width to which the kink of an activation is smoothed, as a fraction of the standard
# deviation of its argument.
WIDTH = 0.01


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
        self.widths = [width.astype(dtype) for width in _widths(inputs, weight, start)]

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


def _with_more(inputs: NDArray, activations: NDArray) -> NDArray:
    """Inputs and more of them; the last column, of ones, stays the last."""
    return np.hstack([inputs[:, :-1], activations, inputs[:, -1:]])


def _widths(inputs: Array, weight: Array, start: Weights) -> list[Array]:
    """Of each neuron of each hidden layer."""
    entering, widths = np.hstack([inputs, np.ones((len(inputs), 1))]), []
    for hidden in (*start.before, start.hidden):
        argument = entering @ hidden
        spread = np.sqrt(weight @ (argument - weight @ argument) ** 2)
        widths.append(WIDTH * np.where(spread > 0, spread, 1.0))
        entering = _with_more(entering, np.maximum(argument, 0.0))
    return widths
