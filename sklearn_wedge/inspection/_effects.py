"""The functional ANOVA of a network whose neurons have at most two inputs, in closed form.

Such a network is a sum of functions of pairs of inputs. With respect to the product of the
distributions of the single inputs in the training data (the *marginals*), what a pair of inputs
contributes, ``g(x_k, x_l)``, consists of::

    an interaction       g(x_k, x_l) - E_l g(x_k, ·) - E_k g(·, x_l) + E g
    two main effects     E_l g(x_k, ·) - E g   and   E_k g(·, x_l) - E g
    a constant           E g

Main effects of one input are added up. Every effect has mean zero, an interaction also over each
of its inputs at any value of the other, and with the constants they sum to the network
(W. Hoeffding, "A Class of Statistics with Asymptotically Normal Distribution", 1948). The mean of a
neuron over one of its inputs is piecewise linear in the other one, with a knot for each value of
the marginal: there is no sampling and no grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Inputs = tuple[int, ...]
Columns = tuple[int, ...]


class Distribution(Protocol):
    """Weighted values of one input, weights summing to 1; see ``marginals_`` of an estimator."""

    values: Array
    weights: Array
    mean: float


@dataclass(frozen=True)
class Hinges:
    """Neurons on the same inputs: ``x -> Σ_j coef_j (weights_j · x + biases_j)_+``.

    Attributes
    ----------
    weights : ndarray of shape (m, s)
        None of them zero.
    biases : ndarray of shape (m,)
    coef : ndarray of shape (m, q)
    """

    weights: Array
    biases: Array
    coef: Array

    def __call__(self, x: Array) -> Array:
        """Values, (n, q), at inputs (n, s)."""
        hidden = x @ self.weights.T + self.biases
        return np.maximum(hidden, 0.0, out=hidden) @ self.coef

    def mean_over(self, which: int, marginal: Distribution) -> Hinges:
        """Of neurons of two inputs, the mean over one: a neuron of the other for each value."""
        biases = self.biases[:, None] + self.weights[:, [which]] * marginal.values
        coef = self.coef[:, None, :] * marginal.weights[:, None]
        weights = np.repeat(self.weights[:, [1 - which]], len(marginal.values), axis=0)
        return Hinges(weights, biases.ravel(), coef.reshape(-1, coef.shape[2]))


@dataclass(frozen=True)
class Curve:
    """A continuous, piecewise linear function of one input.

    Between ``knots``, which ascend and count from ``centre``, it is
    ``slopes · (x - centre) + values``: both have a row more than there are knots.
    """

    centre: float
    knots: Array
    slopes: Array
    values: Array

    def __call__(self, x: Array) -> Array:
        """Values, (n, q), at x, (n,)."""
        x = x - self.centre
        piece = np.searchsorted(self.knots, x)
        return self.slopes[piece] * x[:, None] + self.values[piece]


def curve_of(hinges: Hinges, centre: float) -> Curve:
    """Neurons of one input, summed up once and for all.

    ``(t)_+ = t + (-t)_+``: a neuron that falls is a line and a neuron that rises.
    """
    weights = hinges.weights[:, 0]
    biases = hinges.biases + weights * centre
    order = np.argsort(-biases / weights, kind="stable")
    weights, biases, coef = weights[order], biases[order], hinges.coef[order]
    falls, sign = weights < 0, np.sign(weights)[:, None]
    slopes = np.vstack([weights[falls] @ coef[falls], sign * weights[:, None] * coef])
    values = np.vstack([biases[falls] @ coef[falls], sign * biases[:, None] * coef])
    return Curve(centre, -biases / weights, np.cumsum(slopes, axis=0), np.cumsum(values, axis=0))


@dataclass(frozen=True)
class MainEffect:
    """What one input does on average over all others: curves, minus their mean."""

    curves: tuple[Curve, ...]
    mean: Array

    def __call__(self, x: Array) -> Array:
        """Values, (n, q), at inputs (n, 1)."""
        return sum(curve(x[:, 0]) for curve in self.curves) - self.mean


@dataclass(frozen=True)
class Interaction:
    """What two inputs do together beyond their main effects."""

    hinges: Hinges
    first: Curve
    second: Curve
    mean: Array

    def __call__(self, x: Array) -> Array:
        """Values, (n, q), at inputs (n, 2)."""
        return self.hinges(x) - self.first(x[:, 0]) - self.second(x[:, 1]) + self.mean


@dataclass(frozen=True)
class Effects:
    """The functional ANOVA of a network: ``intercept + Σ effects`` is its output.

    Effects of inputs that are about the same columns of the table are one effect, their sum.

    Attributes
    ----------
    intercept : ndarray of shape (q,)
    effects : dict of tuple of int to dict of tuple of int to MainEffect or Interaction
        By their columns: main effects, then interactions. Each by the inputs of its parts, which
        are as the network sees them: complete, clipped and encoded.
    clip_bounds : ndarray of shape (2, d)
    encoding : Encoding
    table : TableEncoding
    """

    intercept: Array
    effects: dict[Columns, dict[Inputs, MainEffect | Interaction]]
    clip_bounds: Array
    encoding: Any
    table: Any

    def __call__(self, X: NDArray) -> Array:
        """Contributions, (n, n_effects, q), at rows (n, n_features) of the table."""
        X = self.encoding.transform(np.clip(self.table.transform(X), *self.clip_bounds))
        values = np.empty((len(X), len(self.effects), len(self.intercept)))
        for i, parts in enumerate(self.effects.values()):
            values[:, i] = sum(effect(X[:, inputs]) for inputs, effect in parts.items())
        return values

    def at(self, columns: Columns, x: Array) -> Array:
        """One effect, (n, q), at values of its columns, (n, s); NaN where they are missing."""
        values = dict(zip(columns, x.T, strict=True))
        parts = self.effects[columns].items()
        return sum(
            effect(np.column_stack([self._seen(values, k) for k in inputs]))
            for inputs, effect in parts
        )

    def _seen(self, values: dict[int, Array], which: int) -> Array:
        """An input as the network sees it, of values of columns."""
        own = self.table.input_from(values[int(self.table.column_of_input[which])], which)
        return self.encoding.transform_column(np.clip(own, *self.clip_bounds[:, which]), which)


@dataclass(frozen=True)
class Layers:
    """A network of one hidden layer: weights (d, m), biases (m,), coef (m, q), intercept (q,)."""

    weights: Array
    biases: Array
    coef: Array
    intercept: Array

    def by_inputs(self) -> dict[Inputs, NDArray[np.intp]]:
        """The numbers of the neurons on each set of inputs; sets by size, then by column."""
        groups: dict[Inputs, list[int]] = {}
        for j, used in enumerate(self.weights.T != 0):
            groups.setdefault(tuple(map(int, np.flatnonzero(used))), []).append(j)
        ordered = sorted(groups, key=lambda inputs: (len(inputs), inputs))
        return {inputs: np.array(groups[inputs]) for inputs in ordered}

    def hinges(self, inputs: Inputs, neurons: NDArray[np.intp]) -> Hinges:
        """Neurons that have exactly these inputs."""
        weights = self.weights[np.ix_(inputs, neurons)].T
        return Hinges(np.ascontiguousarray(weights), self.biases[neurons], self.coef[neurons])


def functional_anova(
    layers: Layers, marginals: Sequence[Distribution]
) -> tuple[Array, dict[Inputs, MainEffect | Interaction]]:
    """The intercept, (q,), and the effects of a network whose neurons have at most two inputs.

    Parameters
    ----------
    layers : Layers
    marginals : sequence of Distribution
        One per input, of these as the layers have them.
    """
    intercept = layers.intercept.copy()
    curves: dict[int, list[Curve]] = {}
    interactions: dict[Inputs, Interaction] = {}
    for inputs, neurons in layers.by_inputs().items():
        hinges = layers.hinges(inputs, neurons)
        if not inputs:  # weights that underflowed
            intercept += hinges(np.empty((1, 0)))[0]
        elif len(inputs) == 1:
            curves.setdefault(inputs[0], []).append(curve_of(hinges, marginals[inputs[0]].mean))
        else:
            interaction = _interaction(hinges, [marginals[k] for k in inputs])
            curves.setdefault(inputs[0], []).append(interaction.first)
            curves.setdefault(inputs[1], []).append(interaction.second)
            interactions[inputs] = interaction
            intercept -= interaction.mean
    effects: dict[Inputs, MainEffect | Interaction] = {}
    for k in sorted(curves):
        mean = sum(_mean(curve, marginals[k]) for curve in curves[k])
        effects[(k,)] = MainEffect(tuple(curves[k]), mean)
        intercept += mean
    return intercept, {**effects, **interactions}


def by_columns(
    effects: dict[Inputs, MainEffect | Interaction], column_of_input: NDArray[np.intp]
) -> dict[Columns, dict[Inputs, MainEffect | Interaction]]:
    """Effects of inputs, put together if they are about the same columns; by size and column."""
    found: dict[Columns, dict[Inputs, MainEffect | Interaction]] = {}
    for inputs, effect in effects.items():
        columns = tuple(sorted({int(column_of_input[k]) for k in inputs}))
        found.setdefault(columns, {})[inputs] = effect
    ordered = sorted(found, key=lambda columns: (len(columns), columns))
    return {columns: found[columns] for columns in ordered}


def _interaction(hinges: Hinges, marginals: Sequence[Distribution]) -> Interaction:
    first = curve_of(hinges.mean_over(1, marginals[1]), marginals[0].mean)
    second = curve_of(hinges.mean_over(0, marginals[0]), marginals[1].mean)
    return Interaction(hinges, first, second, _mean(first, marginals[0]))


def _mean(curve: Curve, marginal: Distribution) -> Array:
    return marginal.weights @ curve(marginal.values)
