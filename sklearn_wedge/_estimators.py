"""The scikit-learn front: validation, one call into the path, fitted attributes."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_wedge._column_generation import Problem, Solution
from sklearn_wedge._losses import Loss, SquaredError
from sklearn_wedge._network import Network, network_of
from sklearn_wedge._options import OPTION_CONSTRAINTS, FitOptions
from sklearn_wedge._samples import TrainingSample
from sklearn_wedge.path import build_problem, solve_alphas, validated_weight


def _refuse_missing(estimator: BaseEstimator, X: NDArray) -> None:
    """NaN: say where, and which transformer to put before the estimator."""
    rows, columns = np.nonzero(np.isnan(X))
    if len(rows) == 0:
        return
    names = getattr(estimator, "feature_names_in_", None)
    column = columns[0] if names is None else repr(str(names[columns[0]]))
    name = type(estimator).__name__
    raise ValueError(
        f"Input X contains NaN: {len(rows)} value(s), the first in row {rows[0]}, column {column}. "
        f"{name} does not accept missing values. Fill them in first, for example with "
        f"make_pipeline(SimpleImputer(), {name}()) (sklearn.impute.SimpleImputer)."
    )


class _WedgeNetwork(BaseEstimator):
    """What every estimator shares: validation, the forward pass, the fitted network."""

    def _options(self) -> FitOptions:
        return FitOptions(**{name: getattr(self, name) for name in OPTION_CONSTRAINTS})

    def _validated_inputs(self, X: ArrayLike, **kwargs: Any) -> Any:
        data = validate_data(
            self, X, dtype=(np.float64, np.float32), ensure_all_finite="allow-nan", **kwargs
        )
        _refuse_missing(self, data[0] if isinstance(data, tuple) else data)
        return data

    def _forward(self, X: ArrayLike) -> NDArray[np.float64]:
        """Network outputs of shape (n, q), in blocks of rows that respect ``working_memory``."""
        check_is_fitted(self)
        X = self._validated_inputs(X, reset=False)
        row_bytes = 8 * (X.shape[1] + 2 * max(self.n_neurons_, 1))
        rows = max(1, int(get_config()["working_memory"] * 2**20 // row_bytes))
        blocks = [self._network.predict(X[block]) for block in gen_batches(len(X), rows)]
        return np.concatenate(blocks)

    def _publish(self, network: Network, sample: TrainingSample, solution: Solution) -> None:
        """Fitted attributes."""
        self._network = network
        self.coefs_ = network.coefs
        self.intercepts_ = network.intercepts
        self.clip_bounds_ = network.clip_bounds
        self.x_mean_, self.x_scale_ = sample.input_scaling.mean, sample.input_scaling.scale
        self.neurons_ = network.neurons
        self.n_neurons_ = len(network.neurons)
        self.support_ = np.unique(network.neurons.rows[network.neurons.rows >= 0])
        self.certificate_ = solution.certificate
        self.history_ = solution.history
        self.n_iter_ = len(solution.history)

    def _fit_network(
        self, alpha: float, X: NDArray, y: NDArray, weight: NDArray, loss: Loss
    ) -> TrainingSample:
        """Fit on validated data: the last point of the path that ends at ``alpha``."""
        options = self._options()
        problem, sample = build_problem(X, y, weight, options, loss)
        (solution,) = solve_alphas(problem, np.array([alpha], dtype=np.float64), options)
        self._publish(network_of(solution, sample), sample, solution)
        self._warn_unless_converged(problem, solution)
        return sample

    def _warn_unless_converged(self, problem: Problem, solution: Solution) -> None:
        if solution.converged:
            return
        certificate = solution.certificate
        kind = "" if certificate.exact else "estimated "
        warnings.warn(
            f"{type(self).__name__} stopped after {len(solution.history)} pricing rounds at alpha="
            f"{solution.alpha:g} with a {kind}duality gap of {certificate.gap:.3e}; the tolerance "
            f"is {self.tol * problem.constant_objective:.3e} (tol={self.tol:g} times the objective "
            "of the best constant model). Increase max_iter, or accept the gap with a larger tol.",
            ConvergenceWarning,
            stacklevel=6,
        )


class _WedgeRegressor(RegressorMixin, _WedgeNetwork):
    """Fit at one penalty and prediction, for a single target."""

    def _fit_at(self, alpha: float, X: NDArray, y: NDArray, weight: NDArray) -> None:
        sample = self._fit_network(alpha, X, y, weight, SquaredError())
        self.y_mean_ = float(sample.target_scaling.mean[0])
        self.y_scale_ = float(sample.target_scaling.scale[0])

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict with the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in original units; clipped to ``clip_bounds_``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predictions in the units of the target.
        """
        return self._forward(X)[:, 0]


class WedgeReLURegressor(_WedgeRegressor):
    """Globally optimal one-hidden-layer ReLU network for regression.

    The network ``t + Σ_j a_j (w_j·x + b_j)_+`` of *any* width minimises half the weighted mean
    squared error plus ``alpha / 2 · Σ_j (‖w_j‖² + a_j²)`` over all networks whose neurons combine
    at most ``interaction_order`` inputs. The optimal hidden weights are wedge products of training
    samples (under l2: rejections from these), which makes training a convex l1 problem [1]_; it is
    solved by column generation, and ``certificate_`` bounds how far the result can be from the
    global optimum.

    The fit is deterministic: there is no width, learning rate or seed to choose.

    Parameters
    ----------
    alpha : float, default=0.01
        Penalty, positive, in the scaling of scikit-learn's ``Lasso``. With ``standardize=True`` it
        has no unit: rescaling inputs or target does not change the fit.
    interaction_order : int or None, default=2
        The largest number of inputs that a neuron combines. 1 gives an additive model; None sets
        no limit. More than the number of inputs means no limit.
    norm : {"l1", "l2"}, default="l1"
        Norm of the hidden weights in the penalty. Under ``"l1"`` every neuron passes through as
        many training samples as it has inputs; under ``"l2"``, which singles out no directions
        of the input space, possibly through fewer.
    standardize : bool, default=True
        Scale inputs and target to unit weighted variance before the fit (constant columns are
        left alone). Everything is mapped back to original units afterwards.
    clip_quantile : float or None, default=0.005
        Clip each input to its weighted training quantiles ``clip_quantile`` and
        ``1 - clip_quantile`` first, at fit and predict: heavy tails ruin a piecewise linear fit.
        Columns whose two bounds coincide are not clipped. None: no clipping.
    pricing : {"auto", "exact", "search"}, default="auto"
        Whether the global optimum is certified. ``"exact"`` prices every neuron of the class;
        ``"search"`` only those that a search finds, so that bound and gap are estimates;
        ``"auto"`` is exact if and only if pencils × distinct samples is at most 2e8 and, under
        ``norm="l2"``, neurons have at most two inputs.
    solver : {"auto", "active_set", "cvxpy"}, default="auto"
        For the convex problem on the neurons at hand. ``"auto"`` is the active-set method;
        ``"cvxpy"`` (CLARABEL) is slower and independent of it.
    tol : float, default=1e-4
        Stop when the duality gap is at most ``tol`` times the objective of the best constant
        model.
    max_iter : int, default=100
        Pricing rounds at most.
    n_jobs : int or None, default=None
        Threads for exact pricing. The result does not depend on it.
    verbose : int, default=0
        1: a line per penalty; 2: a line per pricing round.

    Attributes
    ----------
    coefs_ : list of ndarrays of shapes (n_features_in_, n_neurons_) and (n_neurons_, 1)
        Layer weights in original units, as in ``MLPRegressor``. They apply to clipped inputs.
    intercepts_ : list of ndarrays of shapes (n_neurons_,) and (1,)
        Layer biases in original units.
    clip_bounds_ : ndarray of shape (2, n_features_in_)
        Lower and upper bounds of the inputs, in original units; infinite where not clipped.
    x_mean_, x_scale_ : ndarrays of shape (n_features_in_,)
        Centre and scale of the clipped inputs: ``(clip(x) - x_mean_) / x_scale_`` are the inputs
        in the units of the problem solved.
    y_mean_, y_scale_ : float
        Likewise for the target.
    neurons_ : HiddenNeurons
        The hidden layer to be read: per neuron its inputs, unit-norm weights, offset, output
        coefficient, and the rows of ``X`` that define it. Units of the problem solved.
    support_ : int ndarray
        All rows of the ``X`` given to ``fit`` that define a neuron, ascending.
    n_neurons_ : int
        Number of hidden neurons; 0 if the constant model is optimal.
    certificate_ : Certificate
        ``objective``, ``lower_bound``, ``gap``, ``relative_gap``, ``max_violation``, ``exact``,
        ``scope``. In the units of the problem solved.
    history_ : tuple of Round
        Objective and bound of each pricing round.
    n_iter_ : int
        Pricing rounds.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if ``X`` had any.

    Warns
    -----
    ConvergenceWarning
        If the gap is above the tolerance after ``max_iter`` rounds.

    See Also
    --------
    WedgeReLURegressorCV : Chooses ``alpha`` by cross-validation.
    wedge_relu_path : Networks at several penalties.

    References
    ----------
    .. [1] M. Pilanci, "From Complexity to Clarity: Analytical Expressions of Deep Neural Network
       Weights via Clifford's Geometric Algebra and Convexity", arXiv 2309.16512, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(100, 2))
    >>> y = np.abs(X[:, 0] - X[:, 1])
    >>> model = WedgeReLURegressor(alpha=1e-3).fit(X, y)
    >>> bool(model.score(X, y) > 0.99)
    True
    >>> model.certificate_.exact
    True
    >>> bool(model.certificate_.relative_gap < 0.05)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        **OPTION_CONSTRAINTS,
    }

    def __init__(
        self,
        alpha: float = 0.01,
        *,
        interaction_order: int | None = 2,
        norm: str = "l1",
        standardize: bool = True,
        clip_quantile: float | None = 0.005,
        pricing: str = "auto",
        solver: str = "auto",
        tol: float = 1e-4,
        max_iter: int = 100,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.alpha = alpha
        self.interaction_order = interaction_order
        self.norm = norm
        self.standardize = standardize
        self.clip_quantile = clip_quantile
        self.pricing = pricing
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> WedgeReLURegressor:
        """Fit the globally optimal network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of k is k copies of the row.

        Returns
        -------
        WedgeReLURegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data are malformed or missing, all weights are zero, or ``pricing="exact"`` is
            out of reach for data of this size.
        """
        X, y = self._validated_inputs(X, y=y, y_numeric=True)
        weight = validated_weight(sample_weight, X)
        self._fit_at(self.alpha, X, np.asarray(y, dtype=np.float64), weight)
        return self
