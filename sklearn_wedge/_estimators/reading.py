"""Methods of the estimators by which a fitted network is read."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_wedge._core.marginals import marginal
from sklearn_wedge._core.network import Network
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._text.dependencies import import_pandas
from sklearn_wedge._text.names import input_names
from sklearn_wedge._text.sums import NEGLIGIBLE, encoded_marginals, spreads
from sklearn_wedge._text.words import neurons_frame, summary
from sklearn_wedge._training.dask_inputs import is_dask
from sklearn_wedge.inspection._effects import Layers
from sklearn_wedge.inspection._explanation import Explanation, explained
from sklearn_wedge.inspection._html import Documented, caption, tables
from sklearn_wedge.inspection._importances import importances


def _names_of_targets(y: ArrayLike) -> list[str]:
    """Names of a series or of the columns of a data frame; none unless all are text and differ."""
    names = getattr(y, "columns", None)
    if names is None:
        names = [getattr(y, "name", None)] if hasattr(y, "to_numpy") else []
    names = list(names)
    usable = all(isinstance(name, str) and name for name in names)
    return names if usable and len(set(names)) == len(names) else []


def _refuse_dask(X: ArrayLike, method: str) -> None:
    """What is read is of rows in memory."""
    if is_dask(X):
        raise ValueError(
            f"{method} does not take dask arrays: pass rows in memory, as X[:1000].compute() of an "
            "array, X.head(1000) of a data frame."
        )


class ReadableNetwork(Documented):
    """Effects, importances, neurons in words: all from fitted attributes."""

    # Of a network that is not the end of a fit, of a round or a fold, importances are not computed.
    _importances: NDArray[np.float64] | None = None

    def _name_targets(self, y: ArrayLike) -> None:
        """Set ``target_names_in_``, if the targets have names."""
        if names := _names_of_targets(y):
            self.target_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "target_names_in_"):
            del self.target_names_in_

    def _publish_marginals(self, sample: Sample) -> None:
        """The fitted attribute that says how the training inputs are distributed."""
        weight = sample.point_weight / sample.point_weight.sum()
        points = _tidy(sample.input_scaling.original(sample.points), weight)
        self.marginals_ = tuple(marginal(column, weight) for column in points.T)
        self.table_ = self.table_.with_medians_of(self.marginals_)

    def _publish_importances(self, network: Network, sample: Sample) -> None:
        """What the property of that name returns; given the marginals."""
        self._importances = None
        if len(network.coefs) == 2:
            (weights, coef), (biases, intercept) = network.coefs, network.intercepts
            layers = Layers(weights, biases, coef, intercept)
            weight = sample.point_weight / sample.point_weight.sum()
            points = sample.input_scaling.encoded(sample.input_scaling.original(sample.points))
            marginals = encoded_marginals(self.marginals_, network.encoding)
            shares = importances(layers, marginals, _tidy(points, weight), weight)
            self._importances = self.table_.sums_by_column(shares)

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """The share of each column in the variance of the output, ``(n_features_in_,)``.

        ``Cov(share, f) / Var(f)`` over the training data, where ``f`` is the network's output
        (under a log link the logarithm, of a classifier the decision function) and the share of an
        column its main effect and half of its interactions, as ``explain`` has them. Neurons of
        more than two inputs are shared out along the straight line from the mean of the inputs.
        Importances sum to 1, and are 0 if the network is constant. One is negative if the input
        works against inputs that it is correlated with. Of several outputs, covariances and
        variances are summed. After a fit in chunks of rows they are those over a sample of them.

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

    def explain(self, X: ArrayLike, feature_names: Sequence[str] | None = None) -> Explanation:
        """Outputs as sums of effects: what each input, and each pair of inputs, contributes.

        The effects are the functional ANOVA of the network, in closed form, with respect to
        independent inputs that are distributed as in training (``marginals_``): each has mean zero,
        and an interaction is free of main effects. Those of a column and of its indicator of
        missing values are one effect, that of the column.
        :class:`~sklearn_wedge.inspection.EffectDisplay` draws them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in original units. The index of a pandas data frame is kept.
        feature_names : sequence of str, default=None
            Names of the columns; None: those of the training data.

        Returns
        -------
        Explanation
            ``intercept + contributions.sum(axis=1)`` is ``predict(X)``; its logarithm under
            ``"poisson"`` and ``"gamma"``; of a classifier ``decision_function(X)``.

        Raises
        ------
        ValueError
            If ``X`` is malformed, there is not a name for each column, or the network has neurons
            of more than two inputs or several hidden layers.
        """
        check_is_fitted(self)
        _refuse_dask(X, "explain")
        index = X.index if hasattr(X, "iloc") else None
        return explained(self, self._validated_inputs(X, reset=False), feature_names, index)

    def inputs_frame(self, X: ArrayLike) -> Any:
        """The inputs of the network as a data frame: what it makes of a table first.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A table, as given to ``predict``. The index of a pandas data frame is kept.

        Returns
        -------
        pandas.DataFrame
            Of shape (n_samples, n_inputs), in original units: the columns, with missing values
            filled in, then indicators of these (``bmi is missing``). As an array:
            ``table_.transform``.

        Raises
        ------
        ValueError
            If ``X`` is malformed, or of dask.
        ImportError
            If pandas is not installed.
        """
        check_is_fitted(self)
        _refuse_dask(X, "inputs_frame")
        pandas = import_pandas("inputs_frame")
        index = X.index if hasattr(X, "iloc") else None
        inputs = self.table_.transform(self._validated_inputs(X, reset=False))
        return pandas.DataFrame(inputs, index=index, columns=input_names(self))

    def neurons_frame(self, feature_names: Sequence[str] | None = None) -> Any:
        """The neurons as a data frame, a row for each, in original units.

        Neuron by neuron ``coefficient · (weights · inputs + bias)_+``, of ramps
        ``coefficient · min((weights · inputs + bias)_+, height)``, sum, with the intercept
        ``intercepts_[-1]``, to the output. Neurons are scaled so that the weight of the input that
        moves the neuron most is 1 or -1: ``coefficient`` is the slope along it. Apply them to
        ``inputs_frame`` clipped to ``clip_bounds_``.

        Of a deep network the neurons of the last hidden layer come first. Then come those of the
        layers before, in the order of the rows of ``coefs_``: their coefficients are 0, and
        ``(weights · inputs + bias)_+`` is what their name stands for among the inputs of others.

        Parameters
        ----------
        feature_names : sequence of str, default=None
            Names of the columns; None: those of the training data.

        Returns
        -------
        pandas.DataFrame
            Columns ``inputs`` (names), ``weights``, ``bias``, ``coefficient`` (of several outputs
            ``coefficient_<output>`` each), ``rows`` (of the training data that the neuron passes
            through, by position; of a ramp the last one is where it ends) and ``formula``; the
            strongest neuron first. If there are ramps also ``height``, how far they rise, else
            infinite. Of a deep network also ``name`` (``h0``, ``h1``, ...) and ``block`` (from 1).
            Weights and biases that only rounding keeps from zero are zero; formulas have digits
            enough that no two read alike.

        Raises
        ------
        ValueError
            If there is not a name for each column.
        ImportError
            If pandas is not installed.
        """
        check_is_fitted(self)
        return neurons_frame(self, feature_names)

    def summary(self, feature_names: Sequence[str] | None = None) -> str:
        """What was fitted, in words: sizes, certificate, importances, the strongest neurons.

        Rows that neurons pass through are positions in the training data, from 0, as of ``iloc``:
        not labels of an index. Of a deep network, neurons of earlier layers that these have as
        inputs follow.

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

    def _sk_visual_block_(self) -> SimpleNamespace:
        """What scikit-learn's diagrams show, also of a step of a pipeline: the gap, if fitted."""
        fitted = hasattr(self, "certificate_")
        return SimpleNamespace(
            kind="single",
            estimators=self,
            names=type(self).__name__,
            # Before scikit-learn 1.7 this is what folds out; then the parameters, see below.
            name_details=f"{self}\n\n{self.summary()}" if fitted else str(self),
            name_caption=caption(self) if fitted else None,
            doc_link_label=None,
        )

    def _get_params_html(self, *args: Any, **kwargs: Any) -> Any:
        """What folds out in a diagram: parameters, certificate and neurons."""
        params = super()._get_params_html(*args, **kwargs)
        if hasattr(self, "certificate_"):
            parameters = params._repr_html_inner
            params._repr_html_inner = lambda: parameters() + tables(self)
        return params


def _tidy(points: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inputs, (n, d), with zero for what only rounding keeps from it."""
    is_rounding = np.abs(points) <= NEGLIGIBLE * spreads(points, weight)
    return np.where(is_rounding, 0.0, points)
