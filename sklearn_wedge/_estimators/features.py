"""The hidden layer of a fitted network as a transformer for other models."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._estimators.callbacks import CallbackSupportMixin, fit_task
from sklearn_wedge._estimators.regressor import WedgeReLURegressor
from sklearn_wedge._estimators.saved import SavedEstimator
from sklearn_wedge._settings.inputs import coding, read_inputs
from sklearn_wedge._text.names import encoded_names, hidden_names
from sklearn_wedge._text.sums import (
    Ranges,
    Sum,
    all_different,
    bounded_in_words,
    heights_of_units,
    in_parentheses,
    signal_ranges,
)
from sklearn_wedge._training.dask_inputs import is_dask
from sklearn_wedge._training.dask_predictions import chunkwise
from sklearn_wedge.export._convertible import Convertible
from sklearn_wedge.export._layers import unit_norm_layers
from sklearn_wedge.inspection._html import Documented

# Significant digits of the numbers in a name at least.
FEWEST_DIGITS = 3


def hidden_activations(
    X: NDArray, coefs: list[NDArray], intercepts: list[NDArray]
) -> NDArray[np.float64]:
    """Activations of the last of the given hidden layers, (n, width).

    Each layer sees the inputs and the activations of all layers before it.
    """
    seen = X
    for weights, biases in zip(coefs, intercepts, strict=True):
        hidden = seen @ weights
        hidden += biases
        np.maximum(hidden, 0.0, out=hidden)
        seen = np.concatenate([seen, hidden], axis=1)
    return hidden


def distinct_formulas(
    weights: NDArray, biases: NDArray, heights: NDArray, names: Sequence[str], ranges: Ranges
) -> list[str]:
    """Neurons in words, such as ``relu(0.5*age - 2*bmi + 1)``, each different from all others.

    Ramps, whose heights are finite, as ``min(relu(age - 1), 2)``.
    """
    weights, biases = ranges.without_rounding(weights, biases)
    sums = []
    for w, bias, reach in zip(weights.T, biases, ranges.reach(weights, biases), strict=True):
        used = np.flatnonzero(w)
        sums.append(Sum([names[k] for k in used], w[used], bias, ranges.size[used], reach))

    def in_words(j: int, digits: int) -> str:
        hinge = f"relu{in_parentheses(sums[j].in_words(digits, '*'), sums[j].names)}"
        return bounded_in_words(hinge, heights[j], digits)

    return all_different(in_words, len(sums), FEWEST_DIGITS)


class WedgeFeatures(
    Documented, Convertible, CallbackSupportMixin, TransformerMixin, SavedEstimator
):
    """The hidden neurons of a globally optimal ReLU network as features for other models.

    A wedge network is fitted to ``X`` and ``y``; ``transform`` returns the activations of its last
    hidden layer, one column a neuron: hinges on few inputs through training samples, chosen by the
    convex problem of [1]_. Any model of scikit-learn can go on from there.

    Parameters
    ----------
    estimator : estimator, default=None
        The network that is fitted: any of this package. None: ``WedgeReLURegressor()``. For
        classes use ``WedgeReLUClassifier()``. A network that is fitted already is taken as it is in
        a ``sklearn.frozen.FrozenEstimator``.

    Attributes
    ----------
    estimator_ : estimator
        The fitted network. Its certificate is ``estimator_.certificate_``.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if ``X`` had any.

    See Also
    --------
    WedgeReLURegressor : The network for regression.
    WedgeReLUClassifier : The network for classes.

    Notes
    -----
    Features are of unit norm in the units in which the network was fitted: their weights on the
    clipped, standardised inputs have norm 1 (l1 or l2, as the network was fitted), so that they are
    comparable with one another, whatever the units of the inputs and however strong the neuron. The
    network's output is a linear function of them. The strongest neuron comes first.

    If the constant network is optimal (``alpha`` too large), there are no features: ``transform``
    warns and returns an array of shape (n, 0), which most models refuse.

    References
    ----------
    .. [1] M. Pilanci, "From Complexity to Clarity: Analytical Expressions of Deep Neural Network
       Weights via Clifford's Geometric Algebra and Convexity", arXiv 2309.16512, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_wedge import WedgeFeatures, WedgeReLURegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(100, 2))
    >>> y = np.abs(X[:, 0]) + X[:, 1]
    >>> features = WedgeFeatures(WedgeReLURegressor(alpha=0.01)).fit(X, y)
    >>> features.transform(X).shape == (100, features.estimator_.n_neurons_)
    True
    >>> len(set(features.get_feature_names_out())) == features.estimator_.n_neurons_
    True
    >>> model = make_pipeline(features, Ridge(0.1)).fit(X, y)
    >>> bool(model.score(X, y) > 0.99)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "get_params", "set_params"]), None],
    }

    def __init__(self, estimator: BaseEstimator | None = None):
        self.estimator = estimator

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags = get_tags(self._network()).target_tags
        tags.target_tags.required = True
        tags.input_tags.allow_nan = get_tags(self._network()).input_tags.allow_nan
        return tags

    def _sk_visual_block_(self) -> SimpleNamespace:
        """What scikit-learn's diagrams show: the network, fitted if it is."""
        network = getattr(self, "estimator_", self._network())
        return SimpleNamespace(
            kind="parallel",
            estimators=[network],
            names=[f"estimator: {type(network).__name__}"],
            name_details=[str(network)],
            dash_wrapped=True,
        )

    def _network(self) -> BaseEstimator:
        return WedgeReLURegressor() if self.estimator is None else self.estimator

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> WedgeFeatures:
        """Fit the network.

        Parameters
        ----------
        X : array-like, dask array or dask frame of shape (n_samples, n_features)
            Inputs, in original units; values may be missing.
        y : array-like or dask array of shape (n_samples,) or (n_samples, n_outputs)
            Targets or labels, as the network takes them.
        sample_weight : array-like or dask array of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        WedgeFeatures
            The fitted transformer.

        Raises
        ------
        ValueError
            As ``fit`` of the network.
        TypeError
            If ``estimator`` is not a network of this package.
        """
        if self.estimator is None:
            _refuse_labels(y)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        network = clone(self._network())
        with (
            fit_task(self, 1, X, y, sample_weight) as task,
            task.subtask("fit network") as inner,
            inner.propagated_to(network),
        ):
            self._take(network.fit(X, y, **weights))
        return self

    def _take(self, network: BaseEstimator) -> None:
        """Fitted attributes."""
        if not hasattr(network, "neurons_"):
            raise TypeError(
                f"estimator={self.estimator!r} has no hidden neurons: use one of sklearn_wedge, "
                "such as WedgeReLURegressor or WedgeReLUClassifier."
            )
        self.estimator_ = network
        self.n_features_in_ = network.n_features_in_
        if hasattr(network, "feature_names_in_"):
            self.feature_names_in_ = network.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    @chunkwise
    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Activations of the last hidden layer.

        Parameters
        ----------
        X : array-like, dask array or dask frame of shape (n_samples, n_features)
            Inputs, in original units, completed by ``estimator_.table_``, clipped to
            ``estimator_.clip_bounds_``.

        Returns
        -------
        ndarray or dask array of shape (n_samples, n_neurons)
            Non-negative, of unit-norm neurons in the units of the problem solved.
        """
        check_is_fitted(self)
        options = {"dtype": (np.float64, np.float32), "ensure_all_finite": False}
        read = partial(validate_data, self, reset=False, **options)
        network = self.estimator_
        X = read_inputs(read, X, self, coding(self, network.table_.codes), fits=False)
        inputs = np.clip(network.table_.transform(X), *network.clip_bounds_)
        inputs = network.encoding_.transform(inputs)
        if not network.n_neurons_:
            self._warn_of_no_features()
        coefs, intercepts = unit_norm_layers(network)
        with single_threaded_blas():
            hidden = hidden_activations(inputs, coefs, intercepts)
        neurons = network.neurons_
        if neurons.are_ramps.any():  # which are the differences of two units of the layer
            hidden, ends = np.split(hidden, [len(neurons)], axis=1)
            hidden[:, neurons.are_ramps] -= ends
        return hidden

    def _warn_of_no_features(self) -> None:
        """Of a constant network, as ``SelectFromModel`` does."""
        network = self.estimator_
        alpha = network.alpha_ if hasattr(network, "alpha_") else network.alpha
        alpha_max = alpha * (1 + network.certificate_.max_violation)
        warnings.warn(
            f"There are no features: at alpha={alpha:g} no neuron is worth its penalty (alpha_max "
            f"is {alpha_max:.3g}). Use a smaller alpha.",
            UserWarning,
            stacklevel=5,
        )

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """The neurons in words, such as ``relu(0.5*age - 2*bmi + 1)``.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the inputs; None: ``feature_names_in_``, or ``x0``, ``x1``, ... if there are
            none.

        Returns
        -------
        ndarray of str objects of shape (n_neurons,)
            The value of each feature in terms of the inputs in original units (clipped first), with
            rounded numbers: three significant digits, or more where the spread of an input asks for
            them. No two names are equal. In a deep network ``h0``, ``h1``, ... are the neurons of
            earlier hidden layers, which ``estimator_.neurons_frame()`` has too.

        Raises
        ------
        ValueError
            If ``input_features`` does not fit the inputs.
        """
        check_is_fitted(self)
        names = list(_check_feature_names_in(self, input_features))
        names = self.estimator_.table_.input_names(names)
        coefs, intercepts = unit_norm_layers(self.estimator_)
        hidden = hidden_names(names, len(coefs[-1]) - len(names))
        names = encoded_names(self.estimator_, names) + hidden
        ranges = signal_ranges(self.estimator_)
        n = self.estimator_.n_neurons_
        heights = heights_of_units(self.estimator_.neurons_.are_ramps, intercepts[-1])
        words = distinct_formulas(coefs[-1][:, :n], intercepts[-1][:n], heights, names, ranges)
        return np.array(words, dtype=object)


def _refuse_labels(y: ArrayLike) -> None:
    """Labels without a classifier: say what to pass."""
    if is_dask(y):  # of labels of type object nothing is known before they are computed
        are_labels = getattr(getattr(y, "dtype", None), "kind", "O") in "US"
    else:
        first = np.ravel(np.asarray(y, dtype=object))[:1]
        are_labels = any(isinstance(label, str) for label in first)
    if are_labels:
        raise ValueError(
            "y has labels, and WedgeFeatures() fits a regression: use "
            "WedgeFeatures(WedgeReLUClassifier())."
        )
