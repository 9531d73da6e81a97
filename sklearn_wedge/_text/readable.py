"""The neurons of a fitted estimator in original units, as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._text.names import encoded_names, hidden_names, input_names
from sklearn_wedge._text.sums import (
    Ranges,
    Sum,
    all_different,
    bounded_in_words,
    heights_of_units,
    in_parentheses,
    signal_ranges,
)

Array = NDArray[np.float64]

# Inputs in a formula.
MOST_TERMS = 4
# Outputs whose coefficients it shows, in their order.
MOST_OUTPUTS = 4
DIGITS = 4


@dataclass(frozen=True)
class ReadableNeuron:
    """A neuron ``coefficient · min((weights · inputs + bias)_+, height)`` in original units.

    In the last hidden layer it is scaled so that the weight of the input that moves it most is 1 or
    -1: ``coefficient`` is then the slope along that input. In a layer before, it is as later
    neurons have it as an input, and its coefficients are 0.

    Attributes
    ----------
    name : str
        As an input of later neurons.
    block : int
        Its hidden layer, from 1.
    is_last : bool
        Whether that is the last one.
    sum : Sum
        ``weights · inputs + bias``.
    height : float
        Infinite unless it is a ramp.
    coefficient : ndarray of shape (q,)
    rows : tuple of int
        Rows of the training data that it passes through; of a ramp then the one where it ends.
    leading : tuple of int
        Which inputs a formula shows: those that move the neuron most.
    """

    name: str
    block: int
    is_last: bool
    sum: Sum
    height: float
    coefficient: Array
    rows: tuple[int, ...]
    leading: tuple[int, ...]

    def hinge(self, digits: int) -> str:
        """The activation, such as ``(bmi - 0.61·s5 + 0.02)₊``; of a ramp ``min((bmi)₊, 2)``."""
        argument = self.sum.in_words(digits, "·", self.leading)
        hinge = f"{in_parentheses(argument, self.sum.names)}₊"
        return bounded_in_words(hinge, self.height, digits)

    def formula(self, hinge: str) -> str:
        """The neuron times its coefficients, of many outputs without; or as what it is called."""
        if not self.is_last:
            return f"{self.name} = {hinge}"
        if len(self.coefficient) > MOST_OUTPUTS:
            return hinge
        slopes = ", ".join(f"{slope:+.{DIGITS}g}" for slope in self.coefficient)
        return f"({slopes}) · {hinge}" if len(self.coefficient) > 1 else f"{slopes} · {hinge}"

    def through(self) -> str:
        """The rows in words."""
        if not self.rows:
            return "no row"
        return ("row " if len(self.rows) == 1 else "rows ") + " and ".join(map(str, self.rows))


def readable_neurons(
    estimator: Any, feature_names: Sequence[str] | None = None
) -> list[ReadableNeuron]:
    """The neurons of the last hidden layer, most important first; then those of layers before.

    As inputs, neurons are called ``h0``, ``h1``, ...; see ``hidden_names``.
    """
    names = input_names(estimator, feature_names)
    hidden = hidden_names(names, sum(map(len, estimator.intercepts_[:-1])))
    names = encoded_names(estimator, names) + hidden
    ranges, n_layers = signal_ranges(estimator), len(estimator.coefs_) - 1
    layers = [_layer(estimator, block, names, ranges) for block in range(n_layers)]
    return [*layers[-1], *(neuron for layer in layers[:-1] for neuron in layer)]


def formulas(neurons: Sequence[ReadableNeuron]) -> list[str]:
    """Neurons in words, with digits enough that no two of them read alike."""
    hinges = all_different(lambda j, digits: neurons[j].hinge(digits), len(neurons), DIGITS)
    return [neuron.formula(hinge) for neuron, hinge in zip(neurons, hinges, strict=True)]


def _layer(
    estimator: Any, block: int, names: Sequence[str], ranges: Ranges
) -> list[ReadableNeuron]:
    weights, biases = estimator.coefs_[block], estimator.intercepts_[block]
    seen = ranges.first(len(weights))
    weights, biases = seen.without_rounding(weights, biases)
    is_last = block == len(estimator.coefs_) - 2
    coef = estimator.coefs_[-1]
    if not is_last:
        coef = np.zeros((len(biases), coef.shape[1]))
    neurons = estimator.neurons_ if is_last else estimator.blocks_[block].neurons
    rows, ends = _rows_of_units(neurons)
    heights = np.full(len(biases), np.inf)
    n_shown = len(biases)
    if is_last:  # later layers see the two units of a ramp one by one
        n_shown = len(neurons)
        heights = heights_of_units(neurons.are_ramps, biases)
        rows[:n_shown] = [(*own, *end) for own, end in zip(rows, ends, strict=False)]
    weights, biases = weights[:, :n_shown], biases[:n_shown]
    made = []
    for j, reach in enumerate(seen.reach(weights, biases)):
        used = np.flatnonzero(weights[:, j])
        moved = np.abs(weights[used, j]) * seen.spread[used]
        unit = np.abs(weights[used[np.argmax(moved)], j]) if is_last and len(used) else 1.0
        within = Sum(
            names=tuple(names[k] for k in used),
            weights=tuple((weights[used, j] / unit).tolist()),
            bias=float(biases[j] / unit),
            sizes=seen.size[used],
            reach=float(reach / unit),
        )
        leading = np.argsort(-moved, kind="stable")[:MOST_TERMS]
        made.append(
            ReadableNeuron(
                name=names[len(weights) + j],
                block=block + 1,
                is_last=is_last,
                sum=within,
                height=float(heights[j] / unit),
                coefficient=coef[j] * unit,
                rows=rows[j],
                leading=tuple(sorted(leading.tolist())),
            )
        )
    return made


def _rows_of_units(neurons: Any) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Rows that each unit of a layer passes through, and each neuron where it ends, if it does.

    The second units of ramps come last.
    """
    rows = [tuple(own[own >= 0].tolist()) for own in neurons.rows]
    ends = [(int(end),) if end >= 0 else () for end in neurons.end_rows]
    return [*rows, *(ends[j] for j in np.flatnonzero(neurons.are_ramps))], ends
