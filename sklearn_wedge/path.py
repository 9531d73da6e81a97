"""Networks along a path of penalties, and the penalty at which the network is constant."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_X_y
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _get_feature_names,
)

from sklearn_wedge._core.column_generation import largest_value_of_constant
from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.network import Network, network_of
from sklearn_wedge._core.solution import Certificate, Solution
from sklearn_wedge._core.stopping import shortfall
from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._settings.constraints import constrained
from sklearn_wedge._settings.inputs import (
    as_columns,
    coding,
    read_inputs,
    refuse_bad_targets,
    validated_weight,
)
from sklearn_wedge._settings.objectives import (
    check_regression,
    name_of,
    targets_of,
    validated_regression_loss,
)
from sklearn_wedge._settings.options import FitOptions, descending_alphas
from sklearn_wedge._tables import Levels, TableEncoding, levels_of_table
from sklearn_wedge._training.chunked import columns_go_in_chunks
from sklearn_wedge._training.dask_inputs import is_dask
from sklearn_wedge._training.problems import build_problem, solve_alphas
from sklearn_wedge._training.tables import Constraints, inputs_to_fit, on_inputs

__all__ = ["WedgePath", "alpha_max", "wedge_relu_path"]


@dataclass(frozen=True, repr=False)
class WedgePath:
    """Optimal networks at descending penalties.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Descending, in the units of the problem solved.
    networks : tuple of Network
        One per penalty, in original units: ``network.predict(X)`` has shape (n, 1); of tables with
        missing values or categories ``network.predict(path.inputs(X))``.
    certificates : tuple of Certificate
        One per penalty.
    n_iter : tuple of int
        Pricing rounds at each penalty.
    converged : tuple of bool
        Whether the gap is within the tolerance of the certificate, at each penalty.
    table : TableEncoding
        From the columns of ``X`` to the inputs of the networks: see ``inputs``.
    feature_names_in_ : ndarray of str of shape (n_features_in_,), or None
        Names of the columns of ``X``, if all are strings.
    n_features_in_ : int
        Columns of ``X``.

    Examples
    --------
    >>> from sklearn_wedge import wedge_relu_path
    >>> path = wedge_relu_path([[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0], alphas=[0.5, 0.1])
    >>> [certificate.exact for certificate in path.certificates]
    [True, True]
    >>> path.networks[-1].predict([[0.5]]).shape
    (1, 1)
    >>> path.converged
    (True, True)
    """

    alphas: NDArray[np.float64]
    networks: tuple[Network, ...]
    certificates: tuple[Certificate, ...]
    n_iter: tuple[int, ...]
    converged: tuple[bool, ...]
    table: TableEncoding
    feature_names_in_: NDArray | None

    @property
    def n_features_in_(self) -> int:
        """Columns of the table."""
        return self.table.n_columns

    def inputs(self, X: ArrayLike) -> NDArray:
        """What the networks predict from, of a table with missing values or categories.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_inputs)
            ``X`` itself, if it has nothing of these.

        Raises
        ------
        ValueError
            If ``X`` is malformed, or has other columns than the table that was fitted.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_wedge import wedge_relu_path
        >>> X = [[0.0], [1.0], [np.nan], [3.0]]
        >>> path = wedge_relu_path(X, [0.0, 1.0, 5.0, 3.0], alphas=[0.01])
        >>> path.inputs(X)[2]
        array([1., 1.])
        >>> path.networks[0].predict(path.inputs(X)).shape
        (4, 1)
        """
        coded = coding(self, self.table.codes)
        return self.table.transform(read_inputs(self._checked, X, "WedgePath", coded, fits=False))

    def _checked(self, X: ArrayLike) -> NDArray:
        """What ``validate_data`` does for an estimator, which a path is not."""
        _check_feature_names(self, X, reset=False)
        X = check_array(X, dtype=(np.float64, np.float32), ensure_all_finite=False)
        _check_n_features(self, X, reset=False)
        return X

    def __repr__(self) -> str:
        largest, least = self.alphas[[0, -1]]
        return f"WedgePath(n_alphas={len(self.alphas)}, largest={largest:.4g}, least={least:.4g})"


@dataclass(frozen=True)
class _Data:
    """Validated data: the table, (n, n_features), targets, (n, q), and weights.

    And the levels of its categories, and the names of its columns, if there are any.
    """

    X: NDArray
    target: NDArray
    weight: NDArray
    levels: Levels
    names: NDArray | None

    def inputs(
        self, options: FitOptions, loss: Loss, groups: Any, directions: Any, wedge: bool = False
    ) -> tuple[NDArray, TableEncoding, FitOptions]:
        """Inputs of the network, and options with the constraints on columns as those on them."""
        n_columns = self.X.shape[1]
        columns = n_columns, self.names
        n_outputs = targets_of(loss, self.target).shape[1]
        options = constrained(options, groups, directions, columns, n_outputs)
        called = [f"x{k}" for k in range(n_columns)] if self.names is None else self.names
        table, inputs = inputs_to_fit(
            *(self.X, self.levels, self.target, self.weight, list(map(str, called))),
            constraints=Constraints(directions is not None, groups is not None),
            in_chunks=not wedge and columns_go_in_chunks(self.X, self.weight, options, loss),
        )
        return inputs, table, on_inputs(options, table)


def _validated(
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    caller: str,
    categorical_features: Any,
) -> _Data:
    if is_dask(X):
        raise ValueError(
            "Paths do not take dask arrays: fit WedgeReLURegressor on them, or pass arrays."
        )
    refuse_bad_targets(y, caller, numeric=True)
    options = {"y_numeric": True, "multi_output": True, "ensure_all_finite": False}
    read = partial(check_X_y, y=y, dtype=(np.float64, np.float32), **options)
    names, levels = _get_feature_names(X), Levels()

    def coded(table: Any) -> Any:
        nonlocal levels
        levels = levels_of_table(table, categorical_features, names)
        return levels.codes(table)

    X, y = read_inputs(read, X, caller, coded)
    weight, target = validated_weight(sample_weight, len(X), caller), as_columns(y)
    return _Data(X, target, weight, levels, names)


def wedge_relu_path(
    X: ArrayLike,
    y: ArrayLike,
    alphas: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    loss: str | Callable = "squared_error",
    quantile: float | Sequence[float] = 0.5,
    epsilon: float = 1.35,
    interaction_order: int | None = 2,
    norm: str = "l1",
    dictionary: str = "full",
    standardize: bool = True,
    clip_quantile: float | None = 0.005,
    encoding: str | None = None,
    interaction_cst: str | Iterable | None = None,
    monotonic_cst: ArrayLike | dict | None = None,
    ramps: bool | str = "auto",
    categorical_features: ArrayLike | str | None = "from_dtype",
    pricing: str = "auto",
    solver: str = "auto",
    tol: float = 1e-4,
    max_iter: int = 100,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> WedgePath:
    """Globally optimal ReLU networks at several penalties, each started from the one before.

    For regression. Under a log link (``"poisson"``, ``"gamma"``) the networks predict logarithms.
    Of several quantiles they have an output for each, which is not sorted.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Inputs, in original units; values may be missing, and columns categories.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets, in original units; several share their neurons.
    alphas : array-like of shape (n_alphas,)
        Penalties, positive, in the scaling of :class:`~sklearn_wedge.WedgeReLURegressor`.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.
    loss, quantile, epsilon, interaction_cst, monotonic_cst, ramps, categorical_features
        As in :class:`~sklearn_wedge.WedgeReLURegressor`.
    interaction_order, norm, standardize, clip_quantile, encoding, pricing, solver
        As in :class:`~sklearn_wedge.WedgeReLURegressor`.
    tol, max_iter, n_jobs, verbose
        As in :class:`~sklearn_wedge.WedgeReLURegressor`.
    dictionary : {"full", "wedge"}, default="full"
        ``"wedge"`` admits only neurons whose hyperplane passes through as many samples as it has
        inputs: the dictionary of the paper. Under l1 the best neurons are such anyway; under l2 the
        optimum over them is slightly above that over all neurons.

    Returns
    -------
    WedgePath
        With the alphas in descending order.

    Raises
    ------
    ValueError
        If an alpha is not positive and finite, the data are malformed, or ``pricing="exact"`` is
        out of reach.

    Warns
    -----
    ConvergenceWarning
        If the gap of a network is above its tolerance after ``max_iter`` rounds.

    See Also
    --------
    alpha_max : The least penalty at which the network is constant.

    References
    ----------
    M. Pilanci, "From Complexity to Clarity", arXiv 2309.16512.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import wedge_relu_path
    >>> x = np.linspace(-1, 1, 21)[:, None]
    >>> path = wedge_relu_path(x, np.abs(x[:, 0]), [0.001, 0.1])
    >>> path.alphas
    array([0.1  , 0.001])
    >>> [len(network.neurons) for network in path.networks]
    [2, 2]
    >>> bool(path.certificates[-1].relative_gap < 1e-3)
    True
    """
    data = _validated(X, y, sample_weight, "wedge_relu_path", categorical_features)
    objective = validated_regression_loss(loss, quantile, epsilon, "wedge_relu_path")
    check_regression(objective, data.target, data.weight, name_of(loss), solver)
    target = targets_of(objective, data.target)
    options = FitOptions(
        interaction_order=interaction_order,
        norm=norm,
        standardize=standardize,
        clip_quantile=clip_quantile,
        encoding=encoding,
        ramps=ramps,
        pricing=pricing,
        solver=solver,
        tol=tol,
        max_iter=max_iter,
        n_jobs=n_jobs,
        verbose=verbose,
    ).validated("wedge_relu_path")
    if dictionary not in ("full", "wedge"):
        raise ValueError(f"dictionary must be 'full' or 'wedge', got {dictionary!r}.")
    alphas, wedge = descending_alphas(alphas), dictionary == "wedge"
    if wedge and ramps != "auto" and ramps:
        raise ValueError(
            "dictionary='wedge' and ramps=True do not combine: one of the hyperplanes of a ramp "
            "may pass through fewer samples than it has inputs. Use dictionary='full'."
        )
    constraints = interaction_cst, monotonic_cst
    inputs, table, options = data.inputs(options, objective, *constraints, wedge)
    with single_threaded_blas():
        given = inputs, target, data.weight
        problem, sample = build_problem(*given, options, objective, wedge)
        solutions = tuple(solve_alphas(problem, alphas, options))
    _warn_unless_converged(solutions, tol)
    return WedgePath(
        alphas=alphas,
        networks=tuple(network_of(solution, sample) for solution in solutions),
        certificates=tuple(solution.certificate for solution in solutions),
        n_iter=tuple(len(solution.history) for solution in solutions),
        converged=tuple(solution.converged for solution in solutions),
        table=table,
        feature_names_in_=data.names,
    )


def _warn_unless_converged(solutions: tuple[Solution, ...], tol: float) -> None:
    short = [solution for solution in solutions if not solution.converged]
    if short:
        warnings.warn(
            f"wedge_relu_path: {len(short)} of {len(solutions)} networks ended above the tolerance "
            f"(see converged). The last of them {shortfall(short[-1], tol)}",
            ConvergenceWarning,
            stacklevel=3,
        )


def alpha_max(
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    loss: str | Callable = "squared_error",
    quantile: float | Sequence[float] = 0.5,
    epsilon: float = 1.35,
    interaction_order: int | None = 2,
    norm: str = "l1",
    standardize: bool = True,
    clip_quantile: float | None = 0.005,
    encoding: str | None = None,
    interaction_cst: str | Iterable | None = None,
    monotonic_cst: ArrayLike | dict | None = None,
    ramps: bool | str = "auto",
    categorical_features: ArrayLike | str | None = "from_dtype",
    pricing: str = "auto",
    n_jobs: int | None = None,
) -> float:
    """The least penalty at which the optimal network is constant.

    For regression; for classes see ``alphas_[0]`` of
    :class:`~sklearn_wedge.WedgeReLUClassifierCV`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Inputs, in original units; values may be missing, and columns categories.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets, in original units.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.
    loss, quantile, epsilon, interaction_cst, monotonic_cst, ramps, categorical_features
        As in :class:`~sklearn_wedge.WedgeReLURegressor`.
    interaction_order, norm, standardize, clip_quantile, encoding, pricing, n_jobs
        As in :class:`~sklearn_wedge.WedgeReLURegressor`. If the whole class of neurons is not
        priced, the result is a lower estimate.

    Returns
    -------
    float
        The largest value of the dual constraint at the best constant model.

    Raises
    ------
    ValueError
        If the data are malformed or ``pricing="exact"`` is out of reach.

    References
    ----------
    M. Pilanci, "From Complexity to Clarity", arXiv 2309.16512.

    Examples
    --------
    >>> from sklearn_wedge import alpha_max
    >>> round(alpha_max([[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0], clip_quantile=None), 4)
    0.866
    """
    data = _validated(X, y, sample_weight, "alpha_max", categorical_features)
    objective = validated_regression_loss(loss, quantile, epsilon, "alpha_max")
    check_regression(objective, data.target, data.weight, name_of(loss), "auto")
    target = targets_of(objective, data.target)
    options = FitOptions(
        interaction_order=interaction_order,
        norm=norm,
        standardize=standardize,
        clip_quantile=clip_quantile,
        encoding=encoding,
        ramps=ramps,
        pricing=pricing,
        n_jobs=n_jobs,
    ).validated("alpha_max")
    inputs, _, options = data.inputs(options, objective, interaction_cst, monotonic_cst)
    with single_threaded_blas():
        given = inputs, target, data.weight
        return largest_value_of_constant(build_problem(*given, options, objective)[0])
