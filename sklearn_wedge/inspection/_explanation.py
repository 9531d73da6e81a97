"""Predictions as sums of effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._text.dependencies import import_pandas
from sklearn_wedge._text.names import (
    column_names,
    kind_of_outputs,
    only_output,
    output_label,
    output_names,
)
from sklearn_wedge._text.sums import digits_within, encoded_marginals, spreads
from sklearn_wedge.inspection._checks import check_at_least
from sklearn_wedge.inspection._effects import Effects, Layers, by_columns, functional_anova

Array = NDArray[np.float64]

# Effects that the short representation names.
MOST_IN_REPR = 3
# Digits of a value: so many at least, and so many that it is off by this fraction of the standard
# deviation of its column at most.
LEAST_DIGITS, MOST_DIGITS, OFF = 4, 15, 0.01


@dataclass(frozen=True, repr=False)
class Explanation:
    """Outputs of a network as sums of effects.

    ``intercept + contributions.sum(axis=1)`` is what ``predict`` returns; under a log link its
    logarithm, and of a classifier ``decision_function``.

    Attributes
    ----------
    names : tuple of str
        Of the effects: a column, or two columns that interact as ``"a × b"``.
    inputs : tuple of tuple of int
        The columns of each effect.
    contributions : ndarray of shape (n_samples, n_effects) or (n_samples, n_effects, n_outputs)
        The outputs are the last axis if the estimator predicts several.
    intercept : float or ndarray of shape (n_outputs,)
        The mean of the network over independent inputs, each distributed as in training.
    numbers : ndarray of shape (n_samples, n_columns)
        The rows in original units; NaN where values are missing or are of categories.
    spreads : ndarray of shape (n_columns,)
        The standard deviation of each column in the training data; 0 of categories.
    output_labels : tuple of str
        What each output is, such as ``"log odds of yes"``.
    outputs : tuple of str
        Names of the outputs: classes, or targets by name or number; empty if the estimator predicts
        one.
    index : pandas.Index or None
        Labels of the rows, if they were given as a pandas data frame.
    notes : dict of int to list of str
        By column what ``summary`` says of its value in each row, such as ``"bmi is missing"`` or
        ``"workclass = Private"``; of columns of which there is more to say than a number.
    column_names : tuple of str
        Names of the columns of ``X``.
    kind_of_outputs : {"classes", "quantiles", "targets"}
        What there is an output for, if there are several.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(100, 2))
    >>> model = WedgeReLURegressor(alpha=1e-2).fit(X, np.abs(X[:, 0] - X[:, 1]))
    >>> found = model.explain(X[:3])
    >>> found.names
    ('x0', 'x1', 'x0 × x1')
    >>> total = found.intercept + found.contributions.sum(axis=1)
    >>> bool(np.allclose(total, model.predict(X[:3])))
    True
    >>> found
    Explanation(n_samples=3, n_effects=3, largest=['x0 × x1', 'x0', 'x1'])
    >>> print(found.summary(row=1, most=2))
    row 1, target: 0.08...
      +0.69...  intercept
      -1.2...   (x0 = -0.9181) × (x1 = -0.9669)
      +0.3...   x1 = -0.9669
      +0.2...   x0 = -0.9181
    """

    names: tuple[str, ...]
    inputs: tuple[tuple[int, ...], ...]
    contributions: Array
    intercept: float | Array
    numbers: Array
    spreads: Array
    output_labels: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    index: Any = None
    notes: dict[int, list[str]] = field(default_factory=dict)
    column_names: tuple[str, ...] = ()
    kind_of_outputs: str = "targets"

    def __repr__(self) -> str:
        n, n_effects = self.contributions.shape[:2]
        largest = [self.names[i] for i in self._largest_first()[:MOST_IN_REPR]]
        several = f", n_outputs={len(self.outputs)}" if self.outputs else ""
        return f"Explanation(n_samples={n}, n_effects={n_effects}{several}, largest={largest})"

    def _largest_first(self) -> NDArray[np.intp]:
        """The effects by what they contribute, over all rows and outputs."""
        sizes = np.abs(self._by_output()).sum(axis=(0, 2))
        return np.argsort(-sizes, kind="stable")

    def _by_output(self) -> Array:
        """Contributions, (n_samples, n_effects, n_outputs), also of one output."""
        n, n_effects = self.contributions.shape[:2]
        return self.contributions.reshape(n, n_effects, max(len(self.outputs), 1))

    def summary(self, row: int = 0, *, output: int | str | None = None, most: int = 5) -> str:
        """One row in words: its output, the intercept and the largest contributions.

        Each with the values in the row that it comes from.

        Parameters
        ----------
        row : int, default=0
            Its place among the rows explained.
        output : int or str, default=None
            Of several outputs one, by its number or its name.
        most : int, default=5
            Contributions that are listed, largest first; if there are more than one other, these
            are added up.

        Returns
        -------
        str
            A line for each.

        Raises
        ------
        ValueError
            If there is no such row or output, ``output`` is None and there are several, or ``most``
            is not positive.
        """
        check_at_least(1, "most", most)
        n = len(self.contributions)
        if not isinstance(row, Integral) or not -n <= row < n:
            raise ValueError(f"row must be the place of one of {n} rows, got {row!r}.")
        place = self._output_number(output)
        own, intercept = self._by_output()[row, :, place], np.ravel(self.intercept)[place]
        largest = np.argsort(-np.abs(own), kind="stable")
        most = _without_a_rest_of_one(most, len(largest))
        numbers = [intercept, *own[largest[:most]]]
        words = ["intercept", *(self._in_words(row, i) for i in largest[:most])]
        if others := len(largest[most:]):
            numbers.append(own[largest[most:]].sum())
            words.append(f"{others} other effects (most={len(largest)} lists all)")
        texts = [f"{number:+.4g}" for number in numbers]
        width = max(map(len, texts))
        which = row % n if self.index is None else self.index[row]
        of = self.output_labels[place]
        lines = [f"  {text:{width}}  {word}" for text, word in zip(texts, words, strict=True)]
        return "\n".join([f"row {which}, {of}: {intercept + own.sum():.4g}", *lines])

    def _in_words(self, row: int, effect: int) -> str:
        """An effect in one row: by what there is to say of its values there."""
        words = [self._value_in_words(row, k) for k in self.inputs[effect]]
        return words[0] if len(words) == 1 else " × ".join(f"({each})" for each in words)

    def _value_in_words(self, row: int, column: int) -> str:
        value = float(self.numbers[row, column])
        if np.isnan(value):
            return self.notes[column][row]
        digits = max(LEAST_DIGITS, digits_within(value, OFF * self.spreads[column]))
        # Whole numbers, such as years and numbers of rooms, are not rounded.
        digits = MOST_DIGITS if value.is_integer() else min(digits, MOST_DIGITS)
        return f"{self.column_names[column]} = {value:.{digits}g}"

    def _output_number(self, output: int | str | None) -> int:
        if output is None:
            return only_output(self.outputs, self.kind_of_outputs)
        if isinstance(output, str) and output in self.outputs:
            return self.outputs.index(output)
        if isinstance(output, Integral) and 0 <= output < max(len(self.outputs), 1):
            return int(output)
        names = ", ".join(self.outputs) or "None (there is one)"
        raise ValueError(f"There is no output {output!r}: choose of {names}.")

    def to_frame(self, index: Any = None, *, most: int | None = None) -> Any:
        """The contributions as a data frame, with the intercept as the first column.

        Rows sum to the output, also where effects are added up. Of several outputs, columns have
        two levels: output, effect. If an input is called ``intercept``, the intercept is called
        ``_intercept``.

        Parameters
        ----------
        index : array-like of shape (n_samples,), default=None
            Labels of the rows; None: those of the data frame that was explained, or numbers.
        most : int, default=None
            Effects that have columns of their own, those largest over all rows first; if there are
            more than one other, these are added up in a last column. None: all, in the order of
            ``names``.

        Returns
        -------
        pandas.DataFrame
            Of shape (n_samples, 1 + n_effects), or with so many columns for each output.

        Raises
        ------
        ValueError
            If ``most`` is not positive.
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas("Explanation.to_frame")
        names, values = self._listed(most)
        n, _, n_outputs = values.shape
        intercept = np.broadcast_to(self.intercept, (n, 1, n_outputs))
        values = np.concatenate([intercept, values], axis=1)
        first = "intercept"
        while first in names:
            first = f"_{first}"
        columns = [first, *names]
        if self.outputs:
            columns = pandas.MultiIndex.from_product(
                [self.outputs, columns], names=["output", "effect"]
            )
        values = values.swapaxes(1, 2).reshape(n, -1)
        index = self.index if index is None else index
        return pandas.DataFrame(values, index=index, columns=columns)

    def _listed(self, most: int | None) -> tuple[list[str], Array]:
        """Names of effects and their contributions, (n, k, q): the largest, and the others' sum."""
        values = self._by_output()
        if most is None:
            return list(self.names), values
        check_at_least(1, "most", most)
        order = self._largest_first()
        most = _without_a_rest_of_one(most, len(order))
        names, listed = [self.names[i] for i in order[:most]], values[:, order[:most]]
        if others := len(order[most:]):
            names.append(f"{others} other effects")
            listed = np.append(listed, values[:, order[most:]].sum(axis=1, keepdims=True), axis=1)
        return names, listed


def _without_a_rest_of_one(most: int, n_effects: int) -> int:
    """How many effects are listed: one more, rather than that one as the others."""
    return most + (n_effects == most + 1)


def effects_of(estimator: Any) -> Effects:
    """The functional ANOVA of a fitted estimator.

    Raises
    ------
    ValueError
        If the network has neurons of more than two inputs, or further hidden layers.
    """
    name = type(estimator).__name__
    if len(estimator.coefs_) > 2:
        raise ValueError(
            f"This {name} has {len(estimator.coefs_) - 1} hidden layers; effects are those of a "
            "network of one. Fit it with n_blocks=1, or use model-agnostic tools such as "
            "sklearn.inspection.partial_dependence."
        )
    (weights, coef), (biases, intercept) = estimator.coefs_, estimator.intercepts_
    most = int(np.count_nonzero(weights, axis=0).max(initial=0))
    if most > 2:
        raise ValueError(
            f"This {name} has neurons of {most} inputs, which do not add up to effects of one and "
            "two inputs. Fit it with interaction_order=2 (or 1), a CV estimator with "
            "interaction_order=(1, 2), n_blocks=1, or use model-agnostic tools such as "
            "sklearn.inspection.partial_dependence."
        )
    layers = Layers(weights, biases, coef, intercept)
    marginals = encoded_marginals(estimator.marginals_, estimator.encoding_)
    intercept, found = functional_anova(layers, marginals)
    table = estimator.table_
    found = by_columns(found, table.column_of_input)
    return Effects(intercept, found, estimator.clip_bounds_, estimator.encoding_, table)


def _notes(table: Any, X: NDArray, names: Sequence[str]) -> dict[int, list[str]]:
    """What there is to say of what is no number, by column: levels, and what is missing."""
    found = {}
    for column, name in enumerate(names):
        category, gaps = table.category_of(column), np.isnan(X[:, column])
        if category is not None:
            words = [f"{name}{label}" for label in category.names()]
            found[column] = [words[k] for k in category.rows(X[:, column])]
        elif gaps.any():
            says = f"{name} is missing" + (", filled in" if table.filling is not None else "")
            found[column] = [says if gap else name for gap in gaps]
    return found


def _numbers(table: Any, X: NDArray) -> Array:
    """The rows, (n, d), without the codes of categories."""
    are_categories = [table.category_of(column) is not None for column in range(X.shape[1])]
    return np.where(are_categories, np.nan, X.astype(np.float64))


def _spreads(estimator: Any) -> Array:
    """The standard deviation of each column in training, (d,); 0 of categories."""
    table, found = estimator.table_, np.zeros(estimator.n_features_in_)
    for column in range(len(found)):
        if table.category_of(column) is None:
            own = estimator.marginals_[table.inputs_of(column)[0]]
            found[column] = spreads(own.values[:, None], own.weights)[0]
    return found


def explained(
    estimator: Any, X: NDArray, feature_names: Sequence[str] | None = None, index: Any = None
) -> Explanation:
    """The explanation of validated rows, (n, d), that have the labels ``index``."""
    names, outputs = column_names(estimator, feature_names), output_names(estimator)
    effects = effects_of(estimator)
    contributions, intercept = effects(X), effects.intercept
    return Explanation(
        names=tuple(" × ".join(names[k] for k in columns) for columns in effects.effects),
        inputs=tuple(effects.effects),
        contributions=contributions if outputs else contributions[:, :, 0],
        intercept=intercept if outputs else float(intercept[0]),
        output_labels=tuple(output_label(estimator, k) for k in range(max(len(outputs), 1))),
        outputs=outputs,
        index=index,
        numbers=_numbers(estimator.table_, X),
        spreads=_spreads(estimator),
        notes=_notes(estimator.table_, X, names),
        column_names=tuple(names),
        kind_of_outputs=kind_of_outputs(estimator),
    )
