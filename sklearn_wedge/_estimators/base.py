"""What the estimators share: validation, one call into the training, fitted attributes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import d2_pinball_score
from sklearn.utils import Tags
from sklearn.utils.validation import _get_feature_names, check_is_fitted, validate_data

from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.network import Network, deep_network_of, network_of
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.rows import (
    Chunk,
    Sample,
    range_of,
    release,
    whole_range,
)
from sklearn_wedge._core.solution import Solution
from sklearn_wedge._core.stopping import shortfall
from sklearn_wedge._estimators.callbacks import CallbackSupportMixin, FitTask, Watcher
from sklearn_wedge._estimators.found import Found
from sklearn_wedge._estimators.reading import ReadableNetwork
from sklearn_wedge._estimators.saved import SavedEstimator
from sklearn_wedge._settings.constraints import constrained
from sklearn_wedge._settings.inputs import (
    as_columns,
    coding,
    is_one_target,
    read_inputs,
    refuse_bad_targets,
    row_chunks,
    rows_in_cache,
    validated_weight,
)
from sklearn_wedge._settings.objectives import (
    LOG_LINK_LOSSES,
    REGRESSION_LOSSES,
    check_regression,
    name_of,
    regression_loss,
    targets_of,
)
from sklearn_wedge._settings.options import OPTION_CONSTRAINTS, FitOptions
from sklearn_wedge._tables import TableEncoding, levels_of_table
from sklearn_wedge._text.names import column_names, names_of_several, quantile_levels
from sklearn_wedge._training.chunked import chunked_problem, columns_go_in_chunks
from sklearn_wedge._training.dask import DaskChunks, dask_chunks
from sklearn_wedge._training.dask_inputs import is_dask, target_array
from sklearn_wedge._training.dask_predictions import chunkwise
from sklearn_wedge._training.problems import build_problem, solve_blocks
from sklearn_wedge._training.tables import Constraints, inputs_to_fit, on_inputs
from sklearn_wedge.export._mixin import ExportMixin

# A network that a race has chosen and that cannot be certified is, of more rows than this, solved
# to this part of its own objective by local moves, and no closer than to this tolerance. Thrice the
# part saves a third of the time of this fit, and costs adult 0.5 % of its loss, California 1 %.
MANY_ROWS = 2_000
OF_OWN = 0.003
# A deep one on fewer rows: there a tolerance speaks of the last layer alone, given the others. On
# held-out fifths networks solved to the tolerance take 3 to 4 times as long, and have 1.03 times
# the squared error on concrete, 1.05 times on Boston, 0.96 times on yacht, all within the noise.
OF_OWN_OF_DEEP = 0.001
TOLERANCE_OF_ROUGH = 1e-4
# A penalty as small as this is what rounding leaves of none.
ROUNDING = 1e-10


def _roughness(problem: Problem, n_blocks: int) -> float | None:
    """What the fit of a race's winner may leave to gain, of its objective; None: the tolerance."""
    if problem.exact:
        return None
    if problem.sample.rows.n_rows > MANY_ROWS:
        return OF_OWN
    return OF_OWN_OF_DEEP if n_blocks > 1 else None


def numeric_targets(chunk: Chunk) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Targets of a chunk as floating-point numbers, and its weights."""
    return chunk.target.astype(np.float64), chunk.weight


class _WedgeNetwork(ReadableNetwork, ExportMixin, CallbackSupportMixin, SavedEstimator):
    """What every estimator shares: validation, the forward pass, the fitted network."""

    # Options in the place of parameters that are not chosen yet when the table is read.
    _before_choice: ClassVar[dict[str, Any]] = {}

    def _options(self, n_outputs: int, **instead: Any) -> FitOptions:
        """What the fit is told, with constraints in terms of the inputs of the network.

        ``instead`` of parameters of the estimator others may be given.
        """
        return on_inputs(self._options_by_column(n_outputs, **instead), self.table_)

    def _options_by_column(self, n_outputs: int, **instead: Any) -> FitOptions:
        """The same with constraints in terms of the columns."""
        parameters = {name: getattr(self, name) for name in OPTION_CONSTRAINTS}
        options = FitOptions(**{**parameters, **instead})
        columns = self.n_features_in_, getattr(self, "feature_names_in_", None)
        return constrained(options, self.interaction_cst, self.monotonic_cst, columns, n_outputs)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @property
    def _constraints(self) -> Constraints:
        """Whether there are constraints on columns."""
        return Constraints(self.monotonic_cst is not None, self.interaction_cst is not None)

    def _inputs_to_fit(
        self, X: NDArray, target: NDArray[np.float64], fit_weight: NDArray[np.float64], loss: Loss
    ) -> NDArray:
        """Set ``table_``; the inputs of the network on validated rows."""
        options = self._options_by_column(target.shape[1], **self._before_choice)
        told = target[:, :: loss.outputs_of_target]
        self.table_, inputs = inputs_to_fit(
            *(X, self._levels, told, fit_weight, column_names(self)),
            constraints=self._constraints,
            in_chunks=columns_go_in_chunks(X, fit_weight, options, loss),
            target_names=names_of_several(self, told.shape[1]),
        )
        return inputs

    def _as_told(self, X: ArrayLike, table: NDArray) -> Any:
        """What scorers and callbacks are told of: as given, if the table has categories."""
        return X if self._levels.of_column else table

    def _name_columns_of(self, model: _WedgeNetwork) -> None:
        """Let another network take the same tables."""
        model.table_ = self.table_
        if self._levels.of_column and hasattr(self, "feature_names_in_"):  # told of tables as given
            model.feature_names_in_ = self.feature_names_in_

    def _on_inputs(self) -> _WedgeNetwork:
        """A copy that takes inputs of the network in the place of tables."""
        model = copy(self)
        model.table_ = TableEncoding.of_numbers(self.table_.input_names())
        model.n_features_in_ = self.table_.n_inputs
        vars(model).pop("feature_names_in_", None)
        return model

    def _coded(self, X: ArrayLike, fits: bool) -> Any:
        """The table with numbers of levels for its categories; sets these if it is to be fitted."""
        if fits:
            names = _get_feature_names(X)
            self._levels = levels_of_table(X, self.categorical_features, names)
            return self._levels.codes(X)
        return coding(self, self.table_.codes)(X) if self.table_.categories else X

    def _validated_inputs(self, X: ArrayLike, **kwargs: Any) -> Any:
        if is_dask(X):
            raise ValueError(
                f"{type(self).__name__} does not take dask arrays: choose alpha on a sample of the "
                "rows, then fit WedgeReLURegressor or WedgeReLUClassifier on all of them."
            )
        if "y" in kwargs:
            refuse_bad_targets(kwargs["y"], self, numeric=kwargs.get("y_numeric", False))
        options = {"dtype": (np.float64, np.float32), "ensure_all_finite": False}
        read = partial(validate_data, self, **options, **kwargs)
        fits = kwargs.get("reset", True)
        return read_inputs(read, X, self, partial(self._coded, fits=fits), fits)

    def _forward(self, X: ArrayLike) -> NDArray[np.float64]:
        """Network outputs of shape (n, q), in chunks of rows that stay in the cache.

        Or in smaller ones, if ``working_memory`` asks for it.
        """
        if not hasattr(self, "coefs_"):  # the check takes as long as the network of a small table
            check_is_fitted(self)
        X = self._validated_inputs(X, reset=False)
        most_bytes = get_config()["working_memory"] * 2**20
        rows = rows_in_cache(self.intercepts_, self.table_.n_inputs, most_bytes)
        parts = [self._predicted(X, chunk) for chunk in row_chunks(len(X), rows)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _predicted(self, X: NDArray, rows: slice) -> NDArray[np.float64]:
        output = self._network.predict(self.table_.transform(X[rows]))
        release(X)
        return output

    def _publish(self, network: Network, sample: Sample, solution: Solution) -> None:
        """Fitted attributes."""
        self._publish_network(network)
        self.x_mean_, self.x_scale_ = sample.input_scaling.mean, sample.input_scaling.scale
        self.certificate_ = solution.certificate
        self.history_ = solution.history
        self.n_iter_ = len(solution.history)
        self._importances = None

    def _publish_network(self, network: Network) -> None:
        """Those that say what the network is."""
        self._network = network
        self.coefs_ = network.coefs
        self.intercepts_ = network.intercepts
        self.clip_bounds_ = network.clip_bounds
        self.encoding_ = network.encoding
        self.neurons_ = network.neurons
        self.n_neurons_ = len(network.neurons)
        self.blocks_ = network.blocks
        self.n_blocks_ = len(network.blocks)
        rows = np.concatenate([block.neurons.every_row.ravel() for block in network.blocks])
        self.support_ = np.unique(rows[rows >= 0])

    def _fit_network(
        self,
        alpha: float,
        X: NDArray,
        y: NDArray,
        weight: NDArray,
        loss: Loss,
        task: FitTask,
        found: Found | None = None,
    ) -> None:
        """Fit on validated data."""
        problem, sample, options = self._problem(X, y, weight, loss)
        if found is None:
            self._fit_problem(alpha, problem, sample, options, task)
            return
        roughly = _roughness(problem, options.n_blocks)
        if roughly is not None:
            options = replace(options, tol=TOLERANCE_OF_ROUGH, rough=True, roughly=roughly)
        after = found.carried_to(problem)
        self._fit_problem(alpha, problem, sample, options, task, after)

    def _problem(
        self, X: NDArray, y: NDArray, weight: NDArray, loss: Loss
    ) -> tuple[Problem, Sample, FitOptions]:
        """The problem of validated data, and what its fit is told."""
        y = as_columns(y)
        options = self._options(y.shape[1])
        return *build_problem(X, y, weight, options, loss), options

    def _chunked_problem(
        self, chunks: DaskChunks, n_outputs: int, loss: Loss
    ) -> tuple[Problem, Sample, FitOptions]:
        """The problem of validated chunks of a dask array, and what its fit is told."""
        options = self._options(n_outputs)
        neuron_class = options.neuron_class(chunks.n_inputs, wedge=False)
        return *chunked_problem(chunks, options, loss, neuron_class), options

    def _fit_problem(
        self,
        alpha: float,
        problem: Problem,
        sample: Sample,
        options: FitOptions,
        task: FitTask,
        after: Solution | None = None,
    ) -> None:
        """Fit: the last point of the path that ends at ``alpha``, from the constant or a start."""
        watcher = Watcher(task, partial(self._attributes_with, sample))
        options = replace(options, watch=watcher)
        self._publish_marginals(sample)
        alphas = np.array([alpha], dtype=np.float64)
        ((*_, blocks),) = solve_blocks(problem, sample, alphas, options, after, only_deepest=True)
        network = deep_network_of(blocks)
        self._publish(network, sample, blocks[-1].solution)
        self._publish_importances(network, sample)
        self._publish_crossing(sample)
        if not watcher.stopped:
            if not options.rough:  # which is not solved to a tolerance
                self._warn_unless_converged([block.solution for block in blocks], options.tol)
            self._warn_if_constant(blocks[-1].solution)

    def _publish_crossing(self, sample: Sample) -> None:
        """On how many training rows quantiles are not in order before they are sorted."""

    def _attributes_with(self, sample: Sample, solution: Solution) -> dict[str, Any]:
        """What the estimator would have if its fit ended with a solution."""
        fitted = copy(self)
        fitted._publish(network_of(solution, sample), sample, solution)
        return vars(fitted)

    def _warn_unless_converged(
        self, solutions: Sequence[Solution], tol: float, stacklevel: int = 7
    ) -> None:
        """Of the solutions of all hidden layers."""
        for number, solution in enumerate(solutions, start=1):
            if not solution.converged:
                where = f", hidden layer {number}," if len(solutions) > 1 else ""
                message = f"{type(self).__name__}{where} {shortfall(solution, tol)}"
                warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)

    def _warn_if_constant(self, solution: Solution, stacklevel: int = 7) -> None:
        """Say so if a smaller penalty would make a network; of data that allow none, nothing."""
        rounding = ROUNDING * min(1.0, solution.alpha)
        if len(solution.neurons) or solution.largest_value <= rounding:
            return
        warnings.warn(
            f"The network is constant: at alpha={solution.alpha:g} no neuron is worth its penalty. "
            f"{self._instead_of_constant(solution.largest_value)}",
            UserWarning,
            stacklevel=stacklevel,
        )

    def _instead_of_constant(self, alpha_max: float) -> str:
        """What to do about a constant network."""
        return (
            f"Use a smaller alpha: from about {alpha_max:.3g} (alpha_max) on it is always constant."
        )


class _WedgeRegressor(RegressorMixin, _WedgeNetwork):
    """Fit at one penalty and prediction, for one target or several."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        several = self.loss in REGRESSION_LOSSES and not quantile_levels(self)
        tags.target_tags.multi_output = several
        tags.target_tags.positive_only = self.loss in LOG_LINK_LOSSES
        return tags

    def _validated_targets(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray, NDArray[np.float64], NDArray[np.float64], Loss]:
        """Inputs, targets, weights, and the loss in original units, which they suit."""
        self._name_targets(y)
        X, y = self._validated_inputs(X, y=y, y_numeric=True, multi_output=True)
        y = np.asarray(y, dtype=np.float64)
        self._one_target = is_one_target(y)
        y = y.reshape(-1) if self._one_target else y
        weight = validated_weight(sample_weight, len(X), self)
        loss = regression_loss(self.loss, self.quantile, self.epsilon)
        check_regression(loss, as_columns(y), weight, name_of(self.loss), self.solver)
        return X, y, weight, loss

    def _fit_at(
        self,
        alpha: float,
        X: NDArray,
        y: NDArray,
        weight: NDArray,
        loss: Loss,
        task: FitTask,
        found: Found | None = None,
    ) -> None:
        self._fit_network(alpha, X, y, weight, loss, task, found)

    def _fit_on_dask(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        """Fit where the chunks of dask arrays are."""
        self._name_targets(y)
        y = target_array(self, y, numeric=True)
        self._one_target = is_one_target(y)
        chunks = dask_chunks(self, X, y, sample_weight)
        extremes = np.array(whole_range(chunks.map(range_of)).target)
        loss = regression_loss(self.loss, self.quantile, self.epsilon)
        check_regression(loss, extremes, np.ones(2), name_of(self.loss), self.solver)
        n_outputs = targets_of(loss, extremes).shape[1]
        self._fit_chunks(chunks.with_targets(numeric_targets), n_outputs, loss)

    def _publish(self, network: Network, sample: Sample, solution: Solution) -> None:
        super()._publish(network, sample, solution)
        vars(self).pop("crossing_", None)
        target = sample.target_scaling
        self.y_mean_ = float(target.mean[0]) if self._one_target else target.mean
        self.y_scale_ = float(target.scale[0]) if self._one_target else target.scale

    @chunkwise
    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict with the network.

        Parameters
        ----------
        X : array-like, dask array or dask frame of shape (n_samples, n_features)
            Inputs in original units. Missing numbers are filled in as in ``fit``, also in columns
            that lacked none there (if none did, with medians); then inputs are clipped and encoded.
            A category that is missing, and was in training, has a level of its own; otherwise it
            counts as a level that was not there: as the mean over the training rows or, with target
            means, as the rarest levels.

        Returns
        -------
        ndarray or dask array of shape (n_samples,) or (n_samples, n_outputs)
            Predictions in the units of the target: under a log link, the exponential of the
            network's output. Of several quantiles a column for each, sorted in each row: they never
            cross.
        """
        output = self._forward(X)
        if self.loss in LOG_LINK_LOSSES:
            output = np.exp(output)
        if quantile_levels(self):
            return np.sort(output, axis=1)
        return output[:, 0] if self._one_target else output

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of the variance that is explained, or of the pinball loss of quantiles.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in original units.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        float
            scikit-learn's ``r2_score``; of several quantiles the mean of ``d2_pinball_score`` over
            these, of which each is at most 1, and 0 for constant quantiles.
        """
        levels = quantile_levels(self)
        if not levels:
            return super().score(X, y, sample_weight)
        columns = zip(levels, self.predict(X).T, strict=True)
        return float(
            np.mean(
                [
                    d2_pinball_score(y, column, sample_weight=sample_weight, alpha=level)
                    for level, column in columns
                ]
            )
        )

    def _publish_crossing(self, sample: Sample) -> None:
        if quantile_levels(self):
            outputs = self._network.predict(sample.input_scaling.original(sample.points))
            # Quantiles that are equal differ by rounding.
            crosses = np.any(np.diff(outputs, axis=1) < -ROUNDING * self.y_scale_, axis=1)
            weight = sample.point_weight
            self.crossing_ = float(weight @ crosses / weight.sum())
