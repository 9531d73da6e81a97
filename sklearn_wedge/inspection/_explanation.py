"""Predictions as sums of effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge.inspection._dependencies import import_pandas
from sklearn_wedge.inspection._effects import Effects, Layers, functional_anova
from sklearn_wedge.inspection._names import input_names, output_names

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """Outputs of a network as sums of effects.

    ``intercept + contributions.sum(axis=1)`` is what ``predict`` returns; under a log link its
    logarithm, and of a classifier ``decision_function``.

    Attributes
    ----------
    names : tuple of str
        Of the effects: an input, or two inputs that interact as ``"a × b"``.
    inputs : tuple of tuple of int
        The columns of each effect.
    contributions : ndarray of shape (n_samples, n_effects) or (n_samples, n_effects, n_outputs)
        The outputs are the last axis if the estimator predicts several.
    intercept : float or ndarray of shape (n_outputs,)
        The mean of the network over independent inputs, each distributed as in training.
    outputs : tuple of str
        Names of the outputs: classes, or numbers; empty if the estimator predicts one.

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
    """

    names: tuple[str, ...]
    inputs: tuple[tuple[int, ...], ...]
    contributions: Array
    intercept: float | Array
    outputs: tuple[str, ...] = ()

    def to_frame(self, index: Any = None) -> Any:
        """The contributions as a data frame, with the intercept as the first column.

        Rows sum to the output. Of several outputs, columns have two levels: output, effect.

        Parameters
        ----------
        index : array-like of shape (n_samples,), default=None
            Labels of the rows; None: their numbers.

        Returns
        -------
        pandas.DataFrame
            Of shape (n_samples, 1 + n_effects), or with so many columns for each output.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas("Explanation.to_frame")
        n, n_outputs = len(self.contributions), max(len(self.outputs), 1)
        values = self.contributions.reshape(n, len(self.names), n_outputs)
        intercept = np.broadcast_to(self.intercept, (n, 1, n_outputs))
        values = np.concatenate([intercept, values], axis=1)
        columns = ["intercept", *self.names]
        if self.outputs:
            columns = pandas.MultiIndex.from_product(
                [self.outputs, columns], names=["output", "effect"]
            )
        values = values.swapaxes(1, 2).reshape(n, -1)
        return pandas.DataFrame(values, index=index, columns=columns)


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
            "two inputs. Fit it with interaction_order=2 (or 1), or use model-agnostic tools such "
            "as sklearn.inspection.partial_dependence."
        )
    layers = Layers(weights, biases, coef, intercept)
    return functional_anova(layers, estimator.clip_bounds_, estimator.marginals_)


def explained(estimator: Any, X: NDArray) -> Explanation:
    """The explanation of validated inputs, (n, d)."""
    effects = effects_of(estimator)
    names, outputs = input_names(estimator), output_names(estimator)
    contributions, intercept = effects(X), effects.intercept
    return Explanation(
        names=tuple(" × ".join(names[k] for k in inputs) for inputs in effects.effects),
        inputs=tuple(effects.effects),
        contributions=contributions if outputs else contributions[:, :, 0],
        intercept=intercept if outputs else float(intercept[0]),
        outputs=outputs,
    )
