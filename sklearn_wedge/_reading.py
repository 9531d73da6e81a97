"""Methods of the estimators by which a fitted network is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_wedge._dask import is_dask
from sklearn_wedge._marginals import marginal
from sklearn_wedge._network import Network
from sklearn_wedge._samples import TrainingSample
from sklearn_wedge._streaming import StreamedSample
from sklearn_wedge.inspection._effects import Layers
from sklearn_wedge.inspection._explanation import Explanation, explained
from sklearn_wedge.inspection._importances import importances
from sklearn_wedge.inspection._words import html, neurons_frame, summary


class ReadableNetwork:
    """Effects, importances, neurons in words: all from fitted attributes."""

    # Of a network that is not the end of a fit, of a round or a fold, importances are not computed.
    _importances: NDArray[np.float64] | None = None

    def _publish_marginals(self, sample: TrainingSample | StreamedSample) -> None:
        """The fitted attribute that says how the training inputs are distributed."""
        points, weight = _clipped_points(sample)
        self.marginals_ = tuple(marginal(column, weight) for column in points.T)

    def _publish_importances(
        self, network: Network, sample: TrainingSample | StreamedSample
    ) -> None:
        """What the property of that name returns; given the marginals."""
        self._importances = None
        if len(network.coefs) == 2:
            (weights, coef), (biases, intercept) = network.coefs, network.intercepts
            layers = Layers(weights, biases, coef, intercept)
            points, weight = _clipped_points(sample)
            self._importances = importances(layers, self.marginals_, points, weight)

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """The share of each input in the variance of the output, ``(n_features_in_,)``.

        ``Cov(share, f) / Var(f)`` over the training data, where ``f`` is the network's output
        (under a log link the logarithm, of a classifier the decision function) and the share of an
        input its main effect and half of its interactions, as ``explain`` has them. Neurons of more
        than two inputs are shared out along the straight line from the mean of the inputs.
        Importances sum to 1, and are 0 if the network is constant. One is negative if the input
        works against inputs that it is correlated with. Of several outputs, covariances and
        variances are summed. After a fit in row blocks they are those over a sample of the rows.

        Raises
        ------
        AttributeError
            If the network has several hidden layers, is not fitted, or is that of a round or a
            fold, as callbacks and scorers see it.
        """
        check_is_fitted(self)
        name = type(self).__name__
        if len(self.coefs_) > 2:
            raise AttributeError(
                f"feature_importances_ are those of a network with one hidden layer, and this "
                f"{name} has {len(self.coefs_) - 1}: fit it with n_blocks=1, or use "
                "sklearn.inspection.permutation_importance."
            )
        if self._importances is None:
            raise AttributeError(
                f"feature_importances_ are computed at the end of a fit, and this {name} is that "
                "of a round or a fold: use sklearn.inspection.permutation_importance."
            )
        return self._importances

    def explain(self, X: ArrayLike) -> Explanation:
        """Outputs as sums of effects: what each input, and each pair of inputs, contributes.

        The effects are the functional ANOVA of the network, in closed form, with respect to
        independent inputs that are distributed as in training (``marginals_``): each has mean zero,
        and an interaction is free of main effects. :class:`~sklearn_wedge.inspection.EffectDisplay`
        draws them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        Explanation
            ``intercept + contributions.sum(axis=1)`` is ``predict(X)``; its logarithm under
            ``"poisson"`` and ``"gamma"``; of a classifier ``decision_function(X)``.

        Raises
        ------
        ValueError
            If ``X`` is malformed, or the network has neurons of more than two inputs or several
            hidden layers.
        """
        check_is_fitted(self)
        if is_dask(X):
            raise ValueError(
                "explain does not take dask arrays: pass rows in memory, as X[:1000].compute()."
            )
        return explained(self, self._validated_inputs(X, reset=False))

    def neurons_frame(self) -> Any:
        """The neurons as a data frame, a row for each, in original units.

        Neuron by neuron ``coefficient · (weights · inputs + bias)_+`` sum, with the intercept
        ``intercepts_[-1]``, to the output. Neurons are scaled so that the weight of the input that
        moves the neuron most is 1 or -1: ``coefficient`` is the slope along it. Apply them to
        inputs clipped to ``clip_bounds_``.

        Returns
        -------
        pandas.DataFrame
            Columns ``inputs`` (names), ``weights``, ``bias``, ``coefficient`` (of several outputs
            ``coefficient_<output>`` each), ``rows`` (of the training data that the neuron passes
            through) and ``formula``; the strongest neuron first.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        check_is_fitted(self)
        return neurons_frame(self)

    def summary(self, feature_names: Sequence[str] | None = None) -> str:
        """What was fitted, in words: sizes, certificate, importances, the strongest neurons.

        Parameters
        ----------
        feature_names : sequence of str, default=None
            Names of the columns; None: those of the training data.

        Returns
        -------
        str
            Several lines.

        Raises
        ------
        ValueError
            If there is not a name for each column.
        """
        check_is_fitted(self)
        return summary(self, feature_names)

    def _fitted_html(self) -> str:
        return html(self) if hasattr(self, "certificate_") else ""

    def _repr_html_inner(self) -> str:
        """scikit-learn's diagram, followed by certificate and neurons."""
        return super()._repr_html_inner() + self._fitted_html()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] += self._fitted_html()
        return bundle


def _clipped_points(
    sample: TrainingSample | StreamedSample,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clipped inputs in original units, (n, d), and weights that sum to 1."""
    scaling = sample.input_scaling
    points = scaling.clip(sample.points * scaling.scale + scaling.mean)
    return points, sample.point_weight / sample.point_weight.sum()
