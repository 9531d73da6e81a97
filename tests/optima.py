"""The least objective under any loss, between two bounds that hold however good the solver is.

The losses are written down a second time here. Everywhere predictions, targets and dual points have
shape (n, q) and weights, (n,), sum to 1.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cvxpy
import numpy as np
from oracles import (
    Dictionary,
    every_neuron,
    every_ramp,
    joined,
    of_class,
    rejections,
    signed_values,
    unit_l2,
)
from scipy.special import expit, softmax, xlogy

# Asked of CLARABEL; what it reaches shows in the distance of the two bounds.
TOLERANCES = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
# Distance of the bounds, relative to the optimum, from which on CLARABEL is not tried again.
CLOSE = 1e-8
NOTHING = 1e-7
ATTEMPTS = 10
# To which unit columns agree that count as one, and below which columns are too short to count.
DIGITS = (12, 9, 7, 5)
# Failure after which columns are few at first.
FEW_FROM = 1
NO_NEURONS = Dictionary(np.empty((0, 0)), np.empty(0))
# Neurons that join the columns after each attempt under l2.
ADDED = 40


def balanced(dual):
    """Each column made to sum to zero by shrinking its heavier sign: this leaves no interval."""
    up, down = np.maximum(dual, 0.0), np.maximum(-dual, 0.0)
    level = np.minimum(up.sum(axis=0), down.sum(axis=0))
    return up * _share(level, up.sum(axis=0)) - down * _share(level, down.sum(axis=0))


def _share(part, whole):
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def side(target):
    """-1 and 1 for 0 and 1."""
    return 2.0 * target - 1.0


@dataclass(frozen=True)
class Loss:
    """A convex loss with its dual.

    Attributes
    ----------
    expression : callable
        ``(f, y)`` -> losses of the samples, (n,), for CVXPY.
    least : callable
        ``(r, y)`` -> ``min over f of ℓ(f, y) + r·f`` of each sample, (n,), for r in the domain.
    domain : callable
        ``(r, y)`` -> the r next to it for which there is a minimum.
    slope : callable or None
        ``(f, y)`` -> minus the derivative; None where the loss has kinks.
    """

    expression: Callable
    least: Callable
    domain: Callable
    slope: Callable | None = None

    def value(self, prediction, target, weight):
        return float(weight @ self.expression(cvxpy.Constant(prediction), target).value)

    def balanced(self, dual, target, weight):
        return balanced(dual)

    def feasible(self, dual, target, weight):
        """A dual point in the domain that sums to zero, next to the one given."""
        dual = weight[:, None] * self.domain(dual / weight[:, None], target)
        return self.balanced(dual, target, weight)

    def dual_value(self, dual, target, weight):
        residual = self.domain(dual / weight[:, None], target)  # what rounding put outside
        return float(weight @ self.least(residual, target))


class OneHotLoss(Loss):
    """Its dual points stand for probabilities, which mixing with others keeps such."""

    def balanced(self, dual, target, weight):
        probability = target - dual / weight[:, None]
        mean, wanted = weight @ probability, weight @ target
        share = np.max(1.0 - wanted / np.maximum(mean, 1e-300), initial=0.0)
        if share <= 0.0:
            return dual
        rest = np.maximum(mean + (wanted - mean) / share, 0.0)
        mixed = (1.0 - share) * probability + share * rest
        return weight[:, None] * (target - mixed)


def _rows(expression):
    return cvxpy.sum(expression, axis=1)


def _anywhere(residual, target):
    return residual


def squared():
    return Loss(
        lambda f, y: _rows(cvxpy.square(f - y)) / 2,
        lambda r, y: (r * y - r**2 / 2).sum(axis=1),
        _anywhere,
        lambda f, y: y - f,
    )


def pinball(above, below):
    return Loss(
        lambda f, y: _rows(above * cvxpy.pos(y - f) + below * cvxpy.pos(f - y)),
        lambda r, y: (r * y).sum(axis=1),
        lambda r, y: np.clip(r, -below, above),
    )


def huber(epsilon):
    """Of one epsilon, or of one for every output."""
    epsilon = np.atleast_1d(epsilon)

    def expression(f, y):
        each = np.broadcast_to(epsilon, y.shape[1:])
        return sum(cvxpy.huber(f[:, k] - y[:, k], M) for k, M in enumerate(each.tolist())) / 2

    return Loss(
        expression,
        lambda r, y: (r * y - r**2 / 2).sum(axis=1),
        lambda r, y: np.clip(r, -epsilon, epsilon),
        lambda f, y: np.clip(y - f, -epsilon, epsilon),
    )


def poisson():
    def least(r, y):
        mean = y - r
        return (mean - xlogy(mean, mean) + xlogy(y, y) - y).sum(axis=1)

    return Loss(
        lambda f, y: _rows(cvxpy.exp(f) - cvxpy.multiply(y, f) + xlogy(y, y) - y),
        least,
        lambda r, y: np.minimum(r, y),
        lambda f, y: y - np.exp(f),
    )


def gamma():
    def least(r, y):
        ratio = 1.0 + r
        return (ratio * np.log(y) - xlogy(ratio, ratio) + ratio - np.log(y) - 1.0).sum(axis=1)

    return Loss(
        lambda f, y: _rows(f + cvxpy.exp(np.log(y) - f) - np.log(y) - 1.0),
        least,
        lambda r, y: np.maximum(r, -1.0),
        lambda f, y: np.exp(np.log(y) - f) - 1.0,
    )


def expectile(above, below):
    return Loss(
        lambda f, y: _rows(
            above * cvxpy.square(cvxpy.pos(y - f)) + below * cvxpy.square(cvxpy.pos(f - y))
        ),
        lambda r, y: (r * y - r**2 / (4 * np.where(r > 0, above, below))).sum(axis=1),
        _anywhere,
    )


def insensitive(width):
    return Loss(
        lambda f, y: _rows(cvxpy.pos(cvxpy.abs(f - y) - width)),
        lambda r, y: (r * y - width * np.abs(r)).sum(axis=1),
        lambda r, y: np.clip(r, -1.0, 1.0),
    )


def logistic():
    return Loss(
        lambda f, y: _rows(cvxpy.logistic(cvxpy.multiply(-side(y), f))),
        lambda r, y: (-xlogy(y - r, y - r) - xlogy(1 - y + r, 1 - y + r)).sum(axis=1),
        lambda r, y: y - np.clip(y - r, 0.0, 1.0),
        lambda f, y: y - expit(f),
    )


def multinomial():
    def onto_simplex(r, y):
        probability = np.maximum(y - r, 0.0)
        return y - probability / probability.sum(axis=1, keepdims=True)

    return OneHotLoss(
        lambda f, y: cvxpy.log_sum_exp(f, axis=1) - _rows(cvxpy.multiply(y, f)),
        lambda r, y: -xlogy(y - r, y - r).sum(axis=1),
        onto_simplex,
        lambda f, y: y - softmax(f, axis=1),
    )


def hinge():
    return Loss(
        lambda f, y: _rows(cvxpy.pos(1 - cvxpy.multiply(side(y), f))),
        lambda r, y: (side(y) * r).sum(axis=1),
        lambda r, y: side(y) * np.clip(side(y) * r, 0.0, 1.0),
    )


def squared_hinge():
    return Loss(
        lambda f, y: _rows(cvxpy.square(cvxpy.pos(1 - cvxpy.multiply(side(y), f)))),
        lambda r, y: (side(y) * r - r**2 / 4).sum(axis=1),
        lambda r, y: side(y) * np.maximum(side(y) * r, 0.0),
        lambda f, y: 2 * side(y) * np.maximum(1 - side(y) * f, 0.0),
    )


@dataclass(frozen=True)
class Task:
    """A training problem in the units in which it is solved, and the class of its neurons."""

    X: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    loss: Loss
    alpha: float
    order: int
    norm: str = "l1"
    groups: tuple | None = None
    monotone: tuple | None = None
    ramps: bool = False

    def of_class(self, neurons):
        """The neurons that may enter, of unit norm, and the signs required of coefficients."""
        if self.norm == "l2":
            neurons = unit_l2(neurons)
        return of_class(neurons, self.groups, self.monotone)

    @cached_property
    def wedges(self):
        """All hyperplanes through as many samples as inputs. Under l1 the best are such."""
        return self.of_class(every_neuron(np.unique(self.X, axis=0), self.order))

    @cached_property
    def every_ramp(self):
        """All ramps among which, under l1, the best ones of at most two inputs are."""
        return self.of_class(every_ramp(np.unique(self.X, axis=0), self.order))

    def best_neurons(self, dual):
        """Neurons, required signs, values: the best of the whole class are among them.

        Under l2 up to two inputs only.
        """
        neurons, signs = self.wedges
        if self.norm == "l2" and self.order > 1:
            neurons = joined(neurons, self.of_class(rejections(self.X, dual))[0])
            signs = np.zeros(len(neurons), dtype=int)
        if self.ramps:  # of norm l1
            more, required = self.every_ramp
            neurons, signs = joined(neurons, more), np.append(signs, required)
        return neurons, signs, signed_values(neurons.activations(self.X) @ dual, signs)

    def largest_value(self, dual):
        """``M`` of a dual point: the largest value over the whole class."""
        return float(self.best_neurons(dual)[2].max(initial=0.0))

    @cached_property
    def constant(self):
        """The best constant model: its objective, and its dual point."""
        found, unit = [], 1.0
        for attempt in range(ATTEMPTS):
            solved = solve(self, NO_NEURONS, np.empty(0, dtype=int), unit, attempt)
            if solved is not None:
                found.append(solved)
                unit = max(solved.objective, NOTHING)  # once more, in the unit of the objective
            if len(found) == 2:
                break
        return min(found, key=lambda each: each.objective)

    @property
    def unit(self):
        """What makes objectives about 1."""
        return max(self.constant.objective, NOTHING)


@dataclass(frozen=True)
class Bounds:
    """Of the optimum: an objective that is reached, and a value that none is below.

    ``outputs`` (n, q) and ``size``, ``Σ‖z‖``, are of the network that reaches ``upper``.
    """

    lower: float
    upper: float
    outputs: np.ndarray
    size: float


@dataclass(frozen=True)
class Solved:
    """A network, its objective, and a dual point that sums to zero in the domain of the loss."""

    objective: float
    outputs: np.ndarray
    size: float
    dual: np.ndarray


def bounds_on_optimum(task):
    """Both bounds over the whole class of neurons; under l2 up to two inputs only.

    CLARABEL gives up on some problems with very many, nearly equal or very short columns. Then they
    are left out, or columns are few at first; the best neurons of the class join them.
    """
    (neurons, signs), dual = task.wedges, task.constant.dual
    found, lower = task.constant, -np.inf
    for attempt in range(ATTEMPTS):
        solved = solve(task, neurons, signs, task.unit, attempt)
        if solved is not None:
            found, dual = min(found, solved, key=lambda each: each.objective), solved.dual
        elif attempt == FEW_FROM:
            neurons, signs = NO_NEURONS, np.empty(0, dtype=int)
        candidates, required, values = task.best_neurons(dual)
        shrunk = dual / max(1.0, values.max(initial=0.0) / task.alpha)
        lower = max(lower, task.loss.dual_value(shrunk, task.target, task.weight))
        if found.objective - lower <= CLOSE * task.unit:
            break
        best = np.argsort(-values)[:ADDED]
        more = candidates.take(best)
        neurons = joined(neurons, more) if len(neurons) else more
        signs = np.concatenate([signs, required[best]])
    return Bounds(lower, found.objective, found.outputs, found.size)


def solve(task, neurons, signs, unit, attempt=0):
    """The best coefficients of given neurons; objectives are about ``unit``.

    None if CLARABEL fails. Attempts differ in the order of the rows, and in how nearly equal
    columns must be to count as one, or how short to be left out.
    """
    n, q = task.target.shape
    activations = neurons.activations(task.X) if len(neurons) else np.empty((0, n))
    order = np.random.default_rng(attempt).permutation(n) if attempt else np.arange(n)
    digits = DIGITS[attempt % len(DIGITS)]
    length, rows, signs, which = _distinct(activations, task.weight, signs, digits)
    t, f = cvxpy.Variable((1, q)), cvxpy.Variable((n, q))
    network = np.ones((n, 1)) @ t
    penalty, constraints = 0.0, []
    if len(rows):
        z = cvxpy.Variable((len(rows), q))
        network = network + rows[:, order].T @ z
        sizes = cvxpy.abs(z[:, 0]) if q == 1 else cvxpy.norm(z, 2, axis=1)
        penalty = (task.alpha / unit / length) @ sizes
        if signs.any():
            constraints = [cvxpy.multiply(signs[signs != 0], z[signs != 0, 0]) >= 0]
    tie = f == network
    loss = (task.weight[order] / unit) @ task.loss.expression(f, task.target[order])
    problem = cvxpy.Problem(cvxpy.Minimize(loss + penalty), [tie, *constraints])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # inaccurate: the bounds show it
        try:
            problem.solve(solver=cvxpy.CLARABEL, **TOLERANCES)
        except cvxpy.SolverError:
            return None
    if t.value is None or tie.dual_value is None:
        return None
    coef = np.zeros((len(activations), q))
    if len(rows):
        found = np.where(signs[:, None] * z.value < 0, 0.0, z.value)
        coef[which] = found / length[:, None]
    intercept = t.value[0] - coef.T @ (activations @ task.weight)  # the columns were centred
    outputs, size = activations.T @ coef + intercept, np.linalg.norm(coef, axis=1).sum()
    objective = task.loss.value(outputs, task.target, task.weight) + task.alpha * size
    dual = np.empty((n, q))
    dual[order] = unit * tie.dual_value
    return Solved(objective, outputs, size, task.loss.feasible(dual, task.target, task.weight))


def _distinct(activations, weight, signs, digits):
    """Columns that differ, centred and of unit length, their lengths, signs and numbers."""
    rows = activations - (activations @ weight)[:, None]
    length = np.sqrt(rows**2 @ weight)
    usable = np.flatnonzero(length > 0.1**digits * np.abs(activations).max(initial=0.0))
    rows, length = rows[usable] / length[usable, None], length[usable]
    # Of columns along one line (-1 is a hinge from the other side) the longest is the cheapest.
    keys = np.round(np.column_stack([rows, signs[usable]]), digits)
    order = np.argsort(-length, kind="stable")
    first = order[np.unique(keys[order], axis=0, return_index=True)[1]]
    return length[first], rows[first], signs[usable][first], usable[first]
