"""The training data of an estimator, which it does not keep, as a display is given them again."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length

from sklearn_wedge.inspection._checks import check_network

Array = NDArray[np.float64]

# How far a row may be from a hyperplane through it, in standard deviations of the inputs.
ON_THE_HYPERPLANE = 1e-6
# Rounding of inputs far from zero, as a fraction of their size, is as much as that.
ROUNDING = 64 * np.finfo(np.float64).eps / ON_THE_HYPERPLANE


def training_inputs(
    estimator: Any, X: ArrayLike, y: ArrayLike | None = None, *, needed_by: str
) -> Array:
    """``X`` as an array, if it is what the estimator was fitted on.

    Raises
    ------
    TypeError
        If the estimator is not a network of this package.
    ValueError
        If it is not: the neurons do not pass through the rows that they should.
    """
    check_network(estimator, needed_by)
    X = check_array(estimator.table_.codes(X), dtype=np.float64, ensure_all_finite="allow-nan")
    if y is not None:
        check_consistent_length(X, y)
    name, d = type(estimator).__name__, estimator.n_features_in_
    if X.shape[1] != d:
        raise ValueError(f"X has {X.shape[1]} columns, and this {name} was fitted on {d}.")
    if len(X) <= max(estimator.support_, default=-1) or _farthest(estimator, X) > ON_THE_HYPERPLANE:
        raise ValueError(
            f"The neurons of this {name} do not pass through the rows of X that they are named "
            "after: give the X that it was fitted on, with its rows in the same order."
        )
    return X


def _farthest(estimator: Any, X: Array) -> float:
    """The largest distance of a row from a hyperplane through it; 0 beyond one hidden layer.

    And 0 with target means, of which a row had those of other rows.
    """
    neurons = estimator.neurons_
    rows = neurons.rows
    has_means = estimator.table_.has_target_means
    if len(estimator.coefs_) > 2 or rows.size == 0 or has_means:
        return 0.0
    inputs = network_inputs(estimator, X)
    weights, biases = estimator.coefs_[0].T, estimator.intercepts_[0]
    # The second hyperplanes of ramps come after all neurons, and pass through one row each.
    end_rows = np.full((len(biases) - len(rows), rows.shape[1]), -1)
    end_rows[:, 0] = neurons.end_rows[neurons.are_ramps]
    rows = np.concatenate([rows, end_rows])
    distances = np.einsum("jd,jsd->js", weights, inputs[rows]) + biases[:, None]
    spread = estimator.x_scale_ + ROUNDING * np.abs(inputs).max(axis=0)
    size = np.abs(weights) @ spread
    return float(np.max(np.abs(distances) / size[:, None], where=rows >= 0, initial=0.0))


def network_inputs(estimator: Any, X: Array) -> Array:
    """Inputs as the network sees them, (n, n_inputs): complete, clipped and encoded."""
    inputs = np.clip(estimator.table_.transform(X), *estimator.clip_bounds_)
    return estimator.encoding_.transform(inputs)


def predicted(method: Callable, X: Array) -> NDArray:
    """What a method of an estimator says to an array, whatever names columns had in training."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        return method(X)
