"""Weighted sums of inputs in words, with as many digits as the spread of the inputs asks for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, inf, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# What a number adds to a sum is zero if it is at most this fraction of the sum's spread: samples
# are rounded to multiples of 6e-11 standard deviations, and weights and biases come from samples.
NEGLIGIBLE = 1e-9
# Of a bias that is the difference of two far larger numbers, rounding leaves this fraction of them.
ROUNDING = 16 * np.finfo(np.float64).eps
# A neuron is taken to vary by at least this fraction of what its weighted sum varies by.
LEAST_REACH = 1e-4
# Significant digits of a number of double precision.
MOST_DIGITS = 17
# Numbers below this power of ten are written out.
MOST_PLACES = 16
# Names of inputs that are made of columns; and of encoded ones, which are in parentheses already.
MADE = re.compile(r" is missing$| = | as target mean($| of )")
ENCODED = re.compile(r"(uniform|normal|robust)\(.*\)", flags=re.DOTALL)


def spreads(columns: Array, weight: Array) -> Array:
    """Weighted standard deviations of columns, (n, d), whose squares need not be numbers: (d,)."""
    unit = np.abs(columns).max(axis=0)
    reduced = np.divide(columns, unit, out=np.zeros_like(columns), where=unit > 0)
    return unit * np.sqrt(weight @ (reduced - weight @ reduced) ** 2)


@dataclass(frozen=True)
class Ranges:
    """Where the inputs of neurons are in the training data: columns, then hidden neurons.

    Attributes
    ----------
    lower, upper : ndarray of shape (d,)
        Their least and largest values.
    spread : ndarray of shape (d,)
        Their standard deviations.
    """

    lower: Array
    upper: Array
    spread: Array

    @property
    def size(self) -> Array:
        """The largest absolute value of each input, (d,)."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))

    def first(self, n: int) -> Ranges:
        """The ranges of the first so many inputs."""
        return Ranges(self.lower[:n], self.upper[:n], self.spread[:n])

    def of_sums(self, weights: Array, biases: Array) -> tuple[Array, Array]:
        """The least and the largest that sums, of weights (d, m), can be in these ranges, (m,)."""
        ends = weights * self.lower[:, None], weights * self.upper[:, None]
        return np.minimum(*ends).sum(axis=0) + biases, np.maximum(*ends).sum(axis=0) + biases

    def with_neurons(self, weights: Array, biases: Array) -> Ranges:
        """Followed by those of neurons on these inputs, which are taken to vary evenly."""
        lower, upper = (np.maximum(end, 0.0) for end in self.of_sums(weights, biases))
        return Ranges(
            np.append(self.lower, lower),
            np.append(self.upper, upper),
            np.append(self.spread, (upper - lower) / np.sqrt(12.0)),
        )

    def reach(self, weights: Array, biases: Array) -> Array:
        """By how much neurons vary at most, (m,)."""
        low, high = self.of_sums(weights, biases)
        active = np.maximum(high, 0.0) - np.maximum(low, 0.0)
        return np.maximum(active, LEAST_REACH * (high - low))

    def without_rounding(self, weights: Array, biases: Array) -> tuple[Array, Array]:
        """Weights, (d, m), and biases, (m,), with zero for what only rounding keeps from zero."""
        moved = self.spread @ np.abs(weights)
        added = self.size[:, None] * np.abs(weights)
        least = NEGLIGIBLE * moved
        kept = np.where(added > least, weights, 0.0)
        return kept, np.where(np.abs(biases) > least + ROUNDING * added.sum(axis=0), biases, 0.0)


def encoded_marginals(marginals: Sequence[Any], encoding: Any) -> tuple[Any, ...]:
    """The distributions of inputs as a network sees them: ``marginals_``, encoded."""
    return tuple(
        replace(each, values=encoding.transform_column(each.values, column))
        for column, each in enumerate(marginals)
    )


def signal_ranges(estimator: Any) -> Ranges:
    """Ranges of the inputs of a fitted estimator, then of its hidden neurons before the last layer.

    In the order of the rows of ``coefs_``; of encoded inputs.
    """
    own = encoded_marginals(estimator.marginals_, estimator.encoding_)
    ranges = Ranges(
        np.array([each.values[0] for each in own]),
        np.array([each.values[-1] for each in own]),
        np.array([spreads(each.values[:, None], each.weights)[0] for each in own]),
    )
    for weights, biases in zip(estimator.coefs_[:-2], estimator.intercepts_[:-2], strict=True):
        ranges = ranges.with_neurons(weights, biases)
    return ranges


@dataclass(frozen=True)
class Sum:
    """The sum within a neuron, ``weights · inputs + bias``, to be written with few digits.

    Attributes
    ----------
    names : sequence of str
        Of the inputs.
    weights : sequence of float
    bias : float
    sizes : sequence of float
        The largest absolute value of each input.
    reach : float
        By how much the neuron varies.
    """

    names: Sequence[str]
    weights: Sequence[float]
    bias: float
    sizes: Sequence[float]
    reach: float

    def in_words(self, digits: int, times: str, shown: Sequence[int] | None = None) -> str:
        """Such as ``bmi - 0.61·s5 + 0.02``.

        Each number has that many significant digits, or more: what it is off by changes the sum by
        at most ``10**(1 - digits)`` of what the neuron varies by. Of the inputs only those
        ``shown``, by their places, are written; None: all.
        """
        shown = range(len(self.names)) if shown is None else shown
        off = 10.0 ** (1 - digits) * self.reach
        terms = []
        for k in shown:
            weight, size = self.weights[k], self.sizes[k]
            needed = digits_within(weight, off / size) if size > 0 else 0
            terms.append(term(weight, self.names[k], max(digits, needed), times))
        if len(self.names) > len(shown):
            terms.append(f"+ {len(self.names) - len(shown)} more")
        if self.bias or not terms:
            terms.append(term(self.bias, "", max(digits, digits_within(self.bias, off)), times))
        text = " ".join(terms)
        return text[2:] if text.startswith("+ ") else text.replace("- ", "-", 1)


def digits_within(number: float, off: float) -> int:
    """Significant digits with which a number is off by at most so much."""
    if number == 0 or not 0 < off < inf:
        return 0
    return floor(log10(abs(number))) + 1 + ceil(-log10(2) - log10(off))


def number_in_words(number: float, digits: int) -> str:
    """The absolute value of a number, rounded to so many significant digits."""
    text = f"{abs(number):.{min(digits, MOST_DIGITS)}g}"
    exponent = text.partition("e+")[2]
    return f"{float(text):.0f}" if exponent and int(exponent) < MOST_PLACES else text


def heights_of_units(are_ramps: NDArray[np.bool_], biases: Array) -> Array:
    """How far the neurons of a layer rise, (m,), by the biases of its units; else infinite.

    The second units of ramps come last.
    """
    heights = np.full(len(are_ramps), inf)
    heights[are_ramps] = biases[: len(heights)][are_ramps] - biases[len(heights) :]
    return heights


def bounded_in_words(neuron: str, height: float, digits: int) -> str:
    """A neuron in words, and its height if it is a ramp: ``min((age - 1)₊, 2)``."""
    return f"min({neuron}, {number_in_words(height, digits)})" if height < inf else neuron


def _as_factor(name: str) -> str:
    """A name as it is written after a number."""
    is_made = MADE.search(name) is not None and ENCODED.fullmatch(name) is None
    return f"({name})" if is_made else name


def in_parentheses(words: str, names: Sequence[str]) -> str:
    """A sum of inputs of these names in parentheses; a name alone may be in some already."""
    is_one = len(names) == 1 and words == f"({names[0]})" == _as_factor(names[0])
    return words if is_one else f"({words})"


def term(number: float, of: str, digits: int, times: str) -> str:
    """A summand with its sign, such as ``- 0.61·age``; of an empty name the number alone."""
    size = number_in_words(number, digits)
    of = _as_factor(of)
    product = size if not of else of if size == "1" else f"{size}{times}{of}"
    return f"{'-' if number < 0 else '+'} {product}"


def all_different(write: Callable[[int, int], str], n: int, fewest: int) -> list[str]:
    """Texts ``write(which, digits)``, with as few digits as keep each different from all others.

    Where digits do not help, as with inputs of the same name, a number follows.
    """
    texts = [""] * n
    pending = range(n)
    for digits in range(fewest, MOST_DIGITS + 1):
        for j in pending:
            texts[j] = write(j, digits)
        times = Counter(texts)
        pending = [j for j in pending if times[texts[j]] > 1]
        if not pending:
            return texts
    return [f"{text} #{j}" if times[text] > 1 else text for j, text in enumerate(texts)]
