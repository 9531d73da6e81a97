"""The classifier: labels of two classes around the network of the log odds."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sklearn_wedge._estimators import _WedgeNetwork
from sklearn_wedge._losses import LogLoss
from sklearn_wedge._options import OPTION_CONSTRAINTS
from sklearn_wedge.path import validated_weight


class _WedgeClassifier(ClassifierMixin, _WedgeNetwork):
    """Labels of two classes and what is predicted for them."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _validated_labels(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray, NDArray, NDArray[np.float64]]:
        """Inputs, labels, and weights; ``classes_`` comes with them."""
        X, y = self._validated_inputs(X, y=y)
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}."
            )
        weight = validated_weight(sample_weight, X)
        self.classes_ = np.unique(y)
        present = np.unique(y[weight > 0])
        if len(present) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of two classes, and every sample with a "
                f"positive weight is of one class, {present[:1].tolist()[0]!r}."
            )
        return X, y, weight

    def _class_weighted(self, y: NDArray, weight: NDArray) -> NDArray[np.float64]:
        """Weights multiplied by those of the classes."""
        is_second = y == self.classes_[1]
        if self.class_weight is None:
            return weight
        if isinstance(self.class_weight, str):
            # By weight rather than by count: a weight of k is k copies.
            of_classes = np.array([weight[~is_second].sum(), weight[is_second].sum()])
            per_class = weight.sum() / (2 * of_classes)
        else:
            per_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        if not np.all((per_class > 0) & np.isfinite(per_class)):
            raise ValueError(
                f"class_weight={self.class_weight!r} leaves no weight to one of the classes "
                f"{self.classes_.tolist()}, or is not finite: give both a finite, positive weight."
            )
        # A common factor changes nothing: with the larger one 1, no product overflows.
        per_class = per_class / np.max(per_class)
        return weight * np.where(is_second, per_class[1], per_class[0])

    def _fit_at(self, alpha: float, X: NDArray, y: NDArray, weight: NDArray) -> None:
        self._fit_network(alpha, X, self._encoded(y), self._class_weighted(y, weight), LogLoss())

    def _encoded(self, y: NDArray) -> NDArray[np.float64]:
        return (y == self.classes_[1]).astype(np.float64)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's output: the log odds of the second class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in original units; clipped to ``clip_bounds_``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Positive where ``classes_[1]`` is more likely.
        """
        return self._forward(X)[:, 0]

    def predict(self, X: ArrayLike) -> NDArray:
        """The more likely class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, as given to ``fit``.
        """
        is_second = self.decision_function(X) > 0
        return self.classes_[is_second.astype(np.intp)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            In the order of ``classes_``.
        """
        log_odds = self.decision_function(X)
        return np.column_stack([expit(-log_odds), expit(log_odds)])

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logarithms of the probabilities; finite where these underflow.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            In the order of ``classes_``.
        """
        log_odds = self.decision_function(X)
        return -np.column_stack([np.logaddexp(0.0, log_odds), np.logaddexp(0.0, -log_odds)])


class WedgeReLUClassifier(_WedgeClassifier):
    """Globally optimal one-hidden-layer ReLU network for two classes.

    The log odds ``t + Σ_j a_j (w_j·x + b_j)_+`` are a network of *any* width that minimises the
    weighted mean log loss plus ``alpha / 2 · Σ_j (‖w_j‖² + a_j²)`` over all networks whose neurons
    combine at most ``interaction_order`` inputs. The optimal hidden weights are wedge products of
    training samples (under l2: rejections from these), which makes training a convex l1 problem
    [1]_; it is solved by column generation, and ``certificate_`` bounds how far the result can be
    from the global optimum.

    The fit is deterministic: there is no width, learning rate or seed to choose.

    Parameters
    ----------
    alpha : float, default=0.01
        Penalty, positive, of the mean log loss. With ``standardize=True`` it has no unit:
        rescaling inputs does not change the fit.
    interaction_order : int or None, default=2
        The largest number of inputs that a neuron combines. 1 gives an additive model; None sets
        no limit. More than the number of inputs means no limit.
    norm : {"l1", "l2"}, default="l1"
        Norm of the hidden weights in the penalty. Under ``"l1"`` every neuron passes through as
        many training samples as it has inputs; under ``"l2"``, which singles out no directions
        of the input space, possibly through fewer.
    standardize : bool, default=True
        Scale inputs to unit weighted variance before the fit (constant columns are left alone).
        Everything is mapped back to original units afterwards.
    clip_quantile : float or None, default=0.005
        Clip each input to its weighted training quantiles ``clip_quantile`` and
        ``1 - clip_quantile`` first, at fit and predict: heavy tails ruin a piecewise linear fit.
        Columns whose two bounds coincide are not clipped. None: no clipping.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied into ``sample_weight`` before anything else.
        ``"balanced"``: both classes weigh the same.
    pricing : {"auto", "exact", "search"}, default="auto"
        Whether the global optimum is certified. ``"exact"`` prices every neuron of the class;
        ``"search"`` only those that a search finds, so that bound and gap are estimates;
        ``"auto"`` is exact if and only if pencils × distinct samples is at most 2e8 and, under
        ``norm="l2"``, neurons have at most two inputs.
    solver : {"auto", "active_set", "cvxpy"}, default="auto"
        For the convex problem on the neurons at hand. ``"auto"`` is the active-set method (inside
        proximal Newton steps);
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
    classes_ : ndarray of shape (2,)
        The labels, sorted.
    coefs_ : list of ndarrays of shapes (n_features_in_, n_neurons_) and (n_neurons_, 1)
        Layer weights in original units, as in ``MLPRegressor``. They apply to clipped inputs.
    intercepts_ : list of ndarrays of shapes (n_neurons_,) and (1,)
        Layer biases in original units.
    clip_bounds_ : ndarray of shape (2, n_features_in_)
        Lower and upper bounds of the inputs, in original units; infinite where not clipped.
    x_mean_, x_scale_ : ndarrays of shape (n_features_in_,)
        Centre and scale of the clipped inputs: ``(clip(x) - x_mean_) / x_scale_`` are the inputs
        in the units of the problem solved.
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
    WedgeReLUClassifierCV : Chooses ``alpha`` by cross-validation.
    WedgeReLURegressor : The network for regression.

    References
    ----------
    .. [1] M. Pilanci, "From Complexity to Clarity: Analytical Expressions of Deep Neural Network
       Weights via Clifford's Geometric Algebra and Convexity", arXiv 2309.16512, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLUClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(100, 2))
    >>> y = np.where(np.abs(X[:, 0]) > X[:, 1], "outside", "inside")
    >>> model = WedgeReLUClassifier(alpha=1e-3).fit(X, y)
    >>> bool(model.score(X, y) > 0.95)
    True
    >>> model.predict([[0.0, 0.5], [0.5, 0.0]])
    array(['inside', 'outside'], dtype='<U7')
    >>> model.certificate_.exact
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
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
        class_weight: dict | str | None = None,
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
        self.class_weight = class_weight
        self.pricing = pricing
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> WedgeReLUClassifier:
        """Fit the globally optimal network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,)
            Labels of two classes, of any type that sorts.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of k is k copies of the row.

        Returns
        -------
        WedgeReLUClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data are malformed or contain missing values, there are not two classes, all
            weights are zero, or ``pricing="exact"`` is out of reach for data of this size.
        """
        X, y, weight = self._validated_labels(X, y, sample_weight)
        self._fit_at(self.alpha, X, y, weight)
        return self
