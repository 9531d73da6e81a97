"""Sliding: neurons moved, as a network, to where its own objective is lower.

Column generation chooses neurons and leaves them where they are. A solution of the convex problem,
with both layers of each neuron scaled to the same norm, is a point of the training problem, of the
same objective. L-BFGS lowers that in all weights at once, and the convex problem on the neurons so
moved lowers it again. (Sliding Frank-Wolfe: Q. Denoyelle, V. Duval, G. Peyré and E. Soubies,
arXiv 1811.06416.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from sklearn_wedge._core.kernels import SERIAL, Threads
from sklearn_wedge._core.losses import SmoothLoss
from sklearn_wedge._core.neurons import (
    NEGLIGIBLE_WEIGHT,
    NeuronClass,
    Neurons,
    Norm,
    inputs_in_use,
    length,
)

Array = NDArray[np.float64]

# Activations computed at a time, half a megabyte; rows at least.
ACTIVATIONS_AT_ONCE, LEAST_ROWS = 2**17, 64
# Blocks of so many activations that one thread takes at a time: some milliseconds.
BLOCKS_AT_ONCE = 4
# Steps of L-BFGS whose changes of the gradient are remembered.
MEMORY = 20
# Evaluations of the objective that a step may take on average.
EVALUATIONS_PER_STEP = 1.5
# A slide goes on as long as its latest steps, so many, gain more each than was gained on average.
LATEST_STEPS = 25
# What local moves and a restricted problem cost, in steps of a slide.
LEAST_PRICE = 30
# A draft ends once its latest steps together gain less than this part of its objective: on yacht
# at alpha=1e-4 a fit is below L-BFGS then, with all steps it was not.
GAIN_OF_DRAFT = 3e-4
# Neurons whose penalty is below this fraction of the largest are dropped.
NEGLIGIBLE_PENALTY = 1e-8


@dataclass(frozen=True)
class Weights:
    """``t + Σ_j a_j (w_j·x + b_j)_+`` on the inputs of the problem, and on activations before.

    Attributes
    ----------
    hidden : ndarray of shape (d + k + 1, m)
        Weights by neuron: on the inputs, on the k activations of the layers before, the bias last.
    outer : ndarray of shape (m, q)
    intercept : ndarray of shape (q,)
    before : tuple of ndarrays
        Likewise the hidden layers before, each on the inputs and the activations of those before
        it.
    """

    hidden: Array
    outer: Array
    intercept: Array
    before: tuple[Array, ...] = ()

    @property
    def parts(self) -> tuple[Array, ...]:
        """All arrays."""
        return (*self.before, self.hidden, self.outer, self.intercept)

    @classmethod
    def of_parts(cls, parts: Sequence[Array]) -> Weights:
        """The inverse."""
        *before, hidden, outer, intercept = parts
        return cls(hidden, outer, intercept, tuple(before))

    def add(self, others: Weights) -> None:
        """Add others, in place."""
        for part, other in zip(self.parts, others.parts, strict=True):
            part[:] += other

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
        *layers, intercept = at.parts
        rounded = Weights.of_parts([*(part.astype(self.dtype) for part in layers), intercept])
        n_rows = self._rows_at_once(at)
        blocks = [slice(k, k + n_rows) for k in range(0, len(self.inputs), n_rows)]

        def work(some: list[slice]) -> list[tuple[float, Weights]]:
            # Memory that is written to again and again is cheaper than new memory.
            room = self._room(min(n_rows, len(self.inputs)), at)
            return [self._of_rows(rounded, rows, room) for rows in some]

        shares = [blocks[k : k + BLOCKS_AT_ONCE] for k in range(0, len(blocks), BLOCKS_AT_ONCE)]
        value = 0.0
        slope = Weights.of_parts([np.zeros(part.shape) for part in at.parts])
        for share in self.threads.map(work, shares):
            for of_rows, own in share:
                value += of_rows
                slope.add(own)
        self._complete(slope, at)
        return value, slope

    def _rows_at_once(self, at: Weights) -> int:
        """Rows of a block."""
        return max(LEAST_ROWS, ACTIVATIONS_AT_ONCE // len(at.outer))

    def _room(self, n_rows: int, at: Weights) -> NDArray:
        """Memory for so many rows."""
        return np.empty((n_rows, len(at.outer)), dtype=self.dtype)

    def _complete(self, slope: Weights, at: Weights) -> None:
        """What follows from the sums over all rows."""
        if at.outer.shape[1] == 1:
            # Activations are linear in the weights wherever they are not zero.
            slope.outer[:, 0] = (at.hidden * slope.hidden).sum(axis=0)
            slope.hidden[:] *= at.outer[:, 0]

    def _of_rows(self, at: Weights, rows: slice, room: NDArray) -> tuple[float, Weights]:
        """The share of some rows in the loss and its gradient.

        With a single output its weights are left out of the gradient of the hidden layer: they are
        factors of whole columns, and it has that of the output layer in it.
        """
        inputs, target, weight = self.inputs[rows], self.target[rows], self.weight[rows]
        active = np.matmul(inputs, at.hidden, out=room[: len(inputs)])
        # A row of zeros: with a number it takes twice as long.
        np.maximum(active, np.zeros_like(active[:1]), out=active)
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


class _Packing:
    """Weights as one vector: of each layer those that are free.

    Hidden layers before the last count at unit norm: what a vector has of them are directions.
    Under l1 weights keep their signs, so that norms are sums.

    Parameters
    ----------
    start : Weights
    dense : bool
        Whether any neuron may use any input; else weights that are zero stay so.
    norm : {"l1", "l2"}
        Of hidden weights.
    """

    def __init__(self, start: Weights, dense: bool, norm: Norm):
        self.norm, self.n_before = norm, len(start.before)
        parts = start.parts
        hidden = parts[: self.n_before + 1]
        self.signs = [np.sign(part[:-1]) for part in hidden]
        self.free = [np.ones(part.shape, dtype=bool) for part in parts]
        for free, sign in zip(self.free, self.signs, strict=False):
            free[:-1] = dense | (sign != 0)
        self.ends = np.cumsum([np.count_nonzero(free) for free in self.free])

    def pack(self, weights: Weights) -> Array:
        """The vector of these weights."""
        own = zip(weights.parts, self.free, strict=True)
        return np.concatenate([part[free] for part, free in own])

    def unpack(self, vector: Array) -> Weights:
        """Weights as they are in a vector."""
        parts = []
        for free, values in zip(self.free, np.split(vector, self.ends[:-1]), strict=True):
            parts.append(np.zeros(free.shape))
            parts[-1][free] = values
        return Weights.of_parts(parts)

    def bounds(self) -> list[tuple[float | None, float | None]] | None:
        """Of each entry of a vector."""
        if self.norm == "l2":
            return None
        signs = [np.zeros(free.shape) for free in self.free]
        for part, sign in zip(signs, self.signs, strict=False):
            part[:-1] = sign
        entries = np.concatenate([part[free] for part, free in zip(signs, self.free, strict=True)])
        return [(0.0 if sign > 0 else None, 0.0 if sign < 0 else None) for sign in entries]

    def at_unit_norm(self, weights: Weights) -> Weights:
        """The same with all hidden layers before the last at unit norm."""
        before = (part / length(part[:-1].T, self.norm) for part in weights.before)
        return replace(weights, before=tuple(before))

    def turned(self, slope: Weights, unit: Weights, at: Weights) -> Weights:
        """A gradient in weights of unit norm, as one in the weights that these were made of."""
        before = []
        for k, (part, own) in enumerate(zip(unit.before, slope.before, strict=True)):
            outward = self.signs[k] if self.norm == "l1" else part[:-1]
            own = own.copy()
            own[:-1] -= outward * (own * part).sum(axis=0)
            before.append(own / length(at.before[k][:-1].T, self.norm))
        return replace(slope, before=tuple(before))

    def add_penalty(self, slope: Weights, at: Weights, alpha: float) -> float:
        """The penalty of the last layer at balanced weights; its gradient is added in place."""
        hidden = at.hidden[:-1]
        slope.outer[:] += alpha * at.outer
        if self.norm == "l2":
            slope.hidden[:-1] += alpha * hidden
            square = (hidden**2).sum()
        else:
            size = length(hidden.T, "l1")
            slope.hidden[:-1] += alpha * size * self.signs[-1]
            square = (size**2).sum()
        return alpha / 2 * float(square + (at.outer**2).sum())


class _EndsEarly(ABC):
    """Ends a descent once its latest steps bring too little."""

    def __init__(self):
        self.values = []

    def __call__(self, intermediate_result: OptimizeResult) -> None:
        """Called by SciPy after each step."""
        self.values.append(intermediate_result.fun)
        if len(self.values) > LATEST_STEPS:
            value = self.values[-1]
            if self.is_little(self.values[-1 - LATEST_STEPS] - value, value):
                raise StopIteration

    @abstractmethod
    def is_little(self, latest: float, value: float) -> bool:
        """Whether that is what the latest steps brought, down to this value."""


@dataclass(frozen=True)
class SlideRule:
    """When a slide has gained enough.

    Once its latest steps gain less each than all since the last slide on average. That average has
    in it what was gained before the slide, for the price of some steps.

    Attributes
    ----------
    gained : float
        Between the last slide and this one.
    price : int
        In steps of a slide, of what was done between the two.
    least : float
        What the latest steps together have to gain in any case.
    """

    gained: float = 0.0
    price: int = LEAST_PRICE
    least: float = 0.0


class _WhileItPays(_EndsEarly):
    """Ends a slide by its rule."""

    def __init__(self, rule: SlideRule):
        super().__init__()
        self.rule = rule

    def is_little(self, latest: float, value: float) -> bool:
        """See ``_EndsEarly``."""
        gained = self.rule.gained + self.values[0] - value
        on_average = gained / (self.rule.price + len(self.values))
        return latest < max(LATEST_STEPS * on_average, self.rule.least)


class _WhileItGains(_EndsEarly):
    """Ends a draft once its latest steps gain little beside its objective."""

    def is_little(self, latest: float, value: float) -> bool:
        """See ``_EndsEarly``."""
        return latest < GAIN_OF_DRAFT * abs(value)


def drafted(loss: NetworkLoss, start: Weights, alpha: float, n_steps: int) -> Weights:
    """A network of any neurons after so many steps, or until these gain little.

    The parameters are those of ``slid``.
    """
    return _descended(loss, start, alpha, _Packing(start, True, "l2"), n_steps, _WhileItGains())


def slid(
    loss: NetworkLoss,
    start: Weights,
    alpha: float,
    dense: bool,
    n_steps: int,
    rule: SlideRule | None = None,
    norm: Norm = "l2",
) -> Weights:
    """Some steps of L-BFGS on mean loss ``+ α/2 Σ_j (‖w_j‖² + ‖a_j‖₂²)`` of the last hidden layer.

    Neurons of hidden layers before stay of unit norm.

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
    rule : SlideRule, default=None
        When it has gained enough; None: it takes all its steps.
    norm : {"l1", "l2"}, default="l2"
        Of the weights of neurons, ``w_j``. Under l1 they keep their signs.

    Returns
    -------
    Weights
        Of an objective that is no higher, as far as the precision of the loss tells.
    """
    pays = None if rule is None else _WhileItPays(rule)
    return _descended(loss, start, alpha, _Packing(start, dense, norm), n_steps, pays)


def _descended(
    loss: NetworkLoss,
    start: Weights,
    alpha: float,
    packing: _Packing,
    n_steps: int,
    callback: Callable[[OptimizeResult], None] | None,
) -> Weights:
    """Where L-BFGS gets in so many steps, or until the callback ends it."""

    def objective(vector: Array) -> tuple[float, Array]:
        at = packing.unpack(vector)
        # Far out, exponentials of a loss may overflow, and under l1 all weights of a neuron may be
        # zero: the line search comes back from there.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            unit = packing.at_unit_norm(at)
            value, slope = loss(unit)
            slope = packing.turned(slope, unit, at)
        penalty = packing.add_penalty(slope, at, alpha)
        return value + penalty, packing.pack(slope)

    found = minimize(
        objective,
        packing.pack(start),
        jac=True,
        method="L-BFGS-B",
        bounds=packing.bounds(),
        callback=callback,
        options={
            "maxiter": n_steps,
            "maxfun": int(EVALUATIONS_PER_STEP * n_steps),
            "maxcor": MEMORY,
            "ftol": 0.0,
            "gtol": 0.0,
        },
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        end = packing.at_unit_norm(packing.unpack(found.x))
    # A neuron all of whose weights came to zero has no direction.
    return end if all(np.all(np.isfinite(part)) for part in end.parts) else start


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
    """
    hidden, bias = weights.hidden[:-1], weights.hidden[-1]
    size = length(hidden.T, neuron_class.norm)
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
    neurons = Neurons.unbounded(inputs, named, offsets[used])
    constant = np.maximum(bias[~kept], 0.0) @ weights.outer[~kept]
    intercept = weights.intercept + level @ coef + constant
    return neurons.padded(neuron_class.order), coef[used], intercept
