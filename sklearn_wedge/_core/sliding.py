"""Sliding: neurons moved, as a network, to where its own objective is lower.

Column generation chooses neurons and leaves them where they are. A solution of the convex problem,
with both layers of each neuron scaled to the same norm, is a point of the training problem, of the
same objective. L-BFGS lowers that in all weights at once, and the convex problem on the neurons so
moved lowers it again. (Sliding Frank-Wolfe: Q. Denoyelle, V. Duval, G. Peyré and E. Soubies,
arXiv 1811.06416.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from sklearn_wedge._core.kernels import SERIAL, Threads
from sklearn_wedge._core.losses import SmoothLoss
from sklearn_wedge._core.neurons import NEGLIGIBLE_WEIGHT, NeuronClass, Neurons, inputs_in_use

Array = NDArray[np.float64]

# Activations computed at a time, which should stay in the cache; rows at least.
ACTIVATIONS_AT_ONCE, LEAST_ROWS = 2**16, 64
# Blocks of so many activations that one thread takes at a time: about a millisecond.
BLOCKS_AT_ONCE = 4
# Steps of L-BFGS whose changes of the gradient are remembered.
MEMORY = 20
# Evaluations of the objective that a step may take on average.
EVALUATIONS_PER_STEP = 1.5
# A slide goes on as long as its latest steps, so many, gain more each than was gained on average;
# what comes between two slides costs as much as so many steps.
LATEST_STEPS = 25
PRICE_IN_STEPS = 30
# Neurons whose penalty is below this fraction of the largest are dropped.
NEGLIGIBLE_PENALTY = 1e-8


@dataclass(frozen=True)
class Weights:
    """``t + Σ_j a_j (w_j·x + b_j)_+`` on the inputs of the problem.

    Attributes
    ----------
    hidden : ndarray of shape (d + 1, m)
        Weights by neuron, the bias last.
    outer : ndarray of shape (m, q)
    intercept : ndarray of shape (q,)
    """

    hidden: Array
    outer: Array
    intercept: Array

    def add(self, others: Weights) -> None:
        """Add others, in place."""
        self.hidden[:] += others.hidden
        self.outer[:] += others.outer
        self.intercept[:] += others.intercept

    def joined(self, others: Weights) -> Weights:
        """With the neurons of others beside these; the intercept of these."""
        hidden = np.hstack([self.hidden, others.hidden])
        return Weights(hidden, np.vstack([self.outer, others.outer]), self.intercept)

    def scaled(self, by: float) -> Weights:
        """Both layers of all neurons times a factor."""
        return Weights(by * self.hidden, by * self.outer, self.intercept)


class NetworkLoss:
    """The mean loss of a network with its gradient.

    Products of matrices are in single precision: its rounding is far below what a slide gains, and
    the convex problem is solved on what comes of it.

    Parameters
    ----------
    inputs : ndarray of shape (n, d)
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
        Summing to 1.
    loss : SmoothLoss
    dtype : type, default=numpy.float32
        Of these products.
    threads : Threads
        Over which rows are shared out, in blocks whose sums are added in order.
    """

    def __init__(
        self,
        inputs: Array,
        target: Array,
        weight: Array,
        loss: SmoothLoss,
        dtype: type = np.float32,
        threads: Threads = SERIAL,
    ):
        with np.errstate(over="ignore"):  # then no slide is better
            self.inputs = np.hstack([inputs, np.ones((len(inputs), 1))]).astype(dtype)
        self.target, self.weight, self.loss, self.dtype = target, weight, loss, dtype
        self.threads = threads

    def __call__(self, at: Weights) -> tuple[float, Weights]:
        """The mean loss, and its gradient in the weights."""
        rounded = Weights(at.hidden.astype(self.dtype), at.outer.astype(self.dtype), at.intercept)
        n_rows = max(LEAST_ROWS, ACTIVATIONS_AT_ONCE // len(at.outer))
        blocks = [slice(k, k + n_rows) for k in range(0, len(self.inputs), n_rows)]

        def work(some: list[slice]) -> list[tuple[float, Weights]]:
            # Memory that is written to again and again is cheaper than new memory.
            room = np.empty((min(n_rows, len(self.inputs)), len(at.outer)), dtype=self.dtype)
            return [self._of_rows(rounded, rows, room) for rows in some]

        shares = [blocks[k : k + BLOCKS_AT_ONCE] for k in range(0, len(blocks), BLOCKS_AT_ONCE)]
        value = 0.0
        slope = Weights(*(np.zeros(part.shape) for part in (at.hidden, at.outer, at.intercept)))
        for share in self.threads.map(work, shares):
            for of_rows, own in share:
                value += of_rows
                slope.add(own)
        if at.outer.shape[1] == 1:
            # Activations are linear in the weights wherever they are not zero.
            slope.outer[:, 0] = (at.hidden * slope.hidden).sum(axis=0)
            slope.hidden[:] *= at.outer[:, 0]
        return value, slope

    def _of_rows(self, at: Weights, rows: slice, room: NDArray) -> tuple[float, Weights]:
        """The share of some rows in the loss and its gradient.

        With a single output its weights are left out of the gradient of the hidden layer: they are
        factors of whole columns, and it has that of the output layer in it.
        """
        inputs, target, weight = self.inputs[rows], self.target[rows], self.weight[rows]
        active = np.matmul(inputs, at.hidden, out=room[: len(inputs)])
        np.maximum(active, 0.0, out=active)
        prediction = at.intercept + active @ at.outer
        value = self.loss.value(prediction, target, weight)
        pull = -self.loss.dual_point(prediction, target, weight)
        intercept, pull = pull.sum(axis=0), pull.astype(self.dtype)
        if pull.shape[1] == 1:
            np.greater(active, 0.0, out=active, casting="unsafe")
            return value, Weights((inputs * pull).T @ active, np.zeros((1, 1)), intercept)
        outer = active.T @ pull
        np.greater(active, 0.0, out=active, casting="unsafe")
        active *= pull @ at.outer.T
        return value, Weights(inputs.T @ active, outer, intercept)


def balanced_weights(neurons: Neurons, coef: Array, intercept: Array, n_inputs: int) -> Weights:
    """The network of unit-norm neurons, both layers of each scaled to the same norm.

    Parameters
    ----------
    neurons : Neurons
        m of them.
    coef : ndarray of shape (m, q)
        No row may be zero.
    intercept : ndarray of shape (q,)
    n_inputs : int
    """
    size = np.sqrt(np.linalg.norm(coef, axis=1))
    hidden = np.vstack([neurons.weight_matrix(n_inputs), neurons.offsets[None]]) * size
    return Weights(hidden, coef / size[:, None], intercept)


def random_weights(
    points: Array, intercept: Array, n_neurons: int, seed: tuple[int, ...]
) -> Weights:
    """A network of no particular neurons, each bent at one of the points, (p, d).

    Both layers of a neuron have the same norm, and all coefficients together are about 1.
    """
    rng, size = np.random.default_rng(seed), n_neurons**-0.5
    unit = rng.standard_normal((n_neurons, points.shape[1]))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    outer = rng.standard_normal((n_neurons, len(intercept)))
    outer /= np.linalg.norm(outer, axis=1, keepdims=True)
    bends = points[rng.integers(len(points), size=n_neurons)]
    hidden = np.vstack([unit.T, -(unit * bends).sum(axis=1)])
    return Weights(size * hidden, size * outer, intercept)


@dataclass(frozen=True)
class _Packing:
    """Weights as one vector, first those of the hidden layer that are free, (d + 1, m)."""

    free: NDArray[np.bool_]
    n_outputs: int

    def pack(self, weights: Weights) -> Array:
        return np.concatenate([weights.hidden[self.free], weights.outer.ravel(), weights.intercept])

    def unpack(self, vector: Array) -> Weights:
        hidden = np.zeros(self.free.shape)
        n_hidden, q = np.count_nonzero(self.free), self.n_outputs
        hidden[self.free] = vector[:n_hidden]
        return Weights(hidden, vector[n_hidden:-q].reshape(-1, q), vector[-q:])


class _WhileItPays:
    """Ends a slide once its last steps gain less each than all since the last slide on average.

    That average has in it what was gained before the slide, for the price of some steps.

    Parameters
    ----------
    gained : float
        Between the last slide and this one.
    """

    def __init__(self, gained: float):
        self.gained, self.values = gained, []

    def __call__(self, intermediate_result: OptimizeResult) -> None:
        """Called by SciPy after each step."""
        self.values.append(intermediate_result.fun)
        if len(self.values) <= LATEST_STEPS:
            return
        latest = (self.values[-1 - LATEST_STEPS] - self.values[-1]) / LATEST_STEPS
        gained = self.gained + self.values[0] - self.values[-1]
        if latest < gained / (PRICE_IN_STEPS + len(self.values)):
            raise StopIteration


def slid(
    loss: NetworkLoss,
    start: Weights,
    alpha: float,
    dense: bool,
    n_steps: int,
    gained: float | None = None,
) -> Weights:
    """Some steps of L-BFGS on mean loss ``+ α/2 Σ_j (‖w_j‖₂² + ‖a_j‖₂²)``.

    Parameters
    ----------
    loss : NetworkLoss
    start : Weights
    alpha : float
        Penalty.
    dense : bool
        Whether any neuron may use any input; else weights that are zero stay so.
    n_steps : int
        At most.
    gained : float, default=None
        What was gained since the last slide, which tells when this one has gained enough; None: it
        takes all its steps.

    Returns
    -------
    Weights
        Of an objective that is no higher, as far as the precision of the loss tells.
    """
    free = np.ones(start.hidden.shape, dtype=bool)
    if not dense:
        free[:-1] = start.hidden[:-1] != 0
    packing = _Packing(free, len(start.intercept))

    def objective(vector: Array) -> tuple[float, Array]:
        at = packing.unpack(vector)
        # Far out, exponentials of a loss may overflow: the line search comes back from there.
        with np.errstate(over="ignore", invalid="ignore"):
            value, slope = loss(at)
        slope.hidden[:-1] += alpha * at.hidden[:-1]
        slope.outer[:] += alpha * at.outer
        square = (at.hidden[:-1] ** 2).sum() + (at.outer**2).sum()
        return value + alpha / 2 * float(square), packing.pack(slope)

    found = minimize(
        objective,
        packing.pack(start),
        jac=True,
        method="L-BFGS-B",
        callback=None if gained is None else _WhileItPays(gained),
        options={
            "maxiter": n_steps,
            "maxfun": int(EVALUATIONS_PER_STEP * n_steps),
            "maxcor": MEMORY,
            "ftol": 0.0,
            "gtol": 0.0,
        },
    )
    return packing.unpack(found.x) if np.all(np.isfinite(found.x)) else start


def as_neurons(
    weights: Weights, points: Array, neuron_class: NeuronClass
) -> tuple[Neurons, Array, Array]:
    """Unit-norm neurons, their coefficients, (m, q), and the intercept, (q,), of a network.

    Neurons that are constant on the points, or nearly so, go into the intercept. One that is active
    on all of them is linear there: its hyperplane is moved to the nearest of them.

    Parameters
    ----------
    weights : Weights
        Of neurons of the class.
    points : ndarray of shape (p, d)
    neuron_class : NeuronClass
        Of norm l2.
    """
    hidden, bias = weights.hidden[:-1], weights.hidden[-1]
    size = np.linalg.norm(hidden, axis=0)
    penalty = size * np.linalg.norm(weights.outer, axis=1)
    kept = penalty > NEGLIGIBLE_PENALTY * penalty.max(initial=0.0)
    unit = (hidden[:, kept] / size[kept]).T
    unit = np.where(np.abs(unit) < NEGLIGIBLE_WEIGHT, 0.0, unit)
    coef, offsets = weights.outer[kept] * size[kept, None], bias[kept] / size[kept]
    reach = unit @ points.T
    low, high = reach.min(axis=1), reach.max(axis=1)
    level = np.maximum(offsets + low, 0.0)
    offsets = offsets - level
    used = (offsets + high > 0) & (high > low)
    inputs, named = inputs_in_use(unit[used], neuron_class.order)
    through = np.full(inputs.shape, -1, dtype=np.intp)
    neurons = Neurons.unbounded(inputs, named, offsets[used], through)
    constant = np.maximum(bias[~kept], 0.0) @ weights.outer[~kept]
    intercept = weights.intercept + level @ coef + constant
    return neurons.padded(neuron_class.order), coef[used], intercept
