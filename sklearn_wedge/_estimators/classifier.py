"""The classifier: labels around a network of log odds or margins."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_softmax, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.rows import Chunk
from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._estimators.base import _WedgeNetwork
from sklearn_wedge._estimators.callbacks import FitTask, fit_task
from sklearn_wedge._settings.constraints import CONSTRAINT_PARAMETERS
from sklearn_wedge._settings.inputs import is_one_target, validated_weight
from sklearn_wedge._settings.labels import refuse_odd_labels, warn_of_many_classes
from sklearn_wedge._settings.objectives import (
    CLASSIFICATION_CONSTRAINTS,
    check_solver,
    class_targets,
    classification_loss,
    decision_layer,
)
from sklearn_wedge._settings.options import OPTION_CONSTRAINTS, NumberIn
from sklearn_wedge._training.dask import chunkwise, dask_chunks, is_dask, target_array


def class_chunk(
    chunk: Chunk, classes: NDArray, fitted: NDArray, factors: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Targets of the labels of a chunk, and its weights times those of the classes."""
    labels = chunk.target[:, 0]
    codes = np.searchsorted(classes, labels)
    return class_targets(labels, fitted), chunk.weight * factors[codes]


def _has_probabilities(estimator: _WedgeClassifier) -> bool:
    if estimator.loss == "log_loss":
        return True
    raise AttributeError(f"loss={estimator.loss!r} gives no probabilities; use loss='log_loss'.")


class _WedgeClassifier(ClassifierMixin, _WedgeNetwork):
    """Labels of classes and what is predicted for them."""

    def _validated_labels(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray, NDArray, NDArray[np.float64], NDArray[np.float64]]:
        """Inputs, labels, weights, and these times those of the classes.

        ``classes_`` and ``fitted_classes_`` come with them.
        """
        refuse_odd_labels(y)
        X, y = self._validated_inputs(X, y=y)
        check_classification_targets(y)
        weight = validated_weight(sample_weight, len(X), self)
        classes, codes = np.unique(y, return_inverse=True)
        warn_of_many_classes(classes, type(self).__name__)
        totals = np.bincount(codes, weight)
        factors = self._class_factors(classes, totals)
        self._set_classes(classes, totals * factors)
        return X, y, weight, weight * factors[codes]

    def _set_classes(self, classes: NDArray, weights: NDArray) -> None:
        """Set ``classes_``, and those of them that are fitted: the ones with weight."""
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least two classes, and y has one "
                f"class: {classes.tolist()[0]!r}."
            )
        self.classes_, self.fitted_classes_ = classes, classes[weights > 0]

    def _class_factors(self, classes: NDArray, weights: NDArray) -> NDArray[np.float64]:
        """What the rows of each class, of this total weight, are multiplied by."""
        if self.class_weight is None:
            return np.ones(len(classes))
        present = weights > 0
        if isinstance(self.class_weight, str):
            # By weight rather than by count: a weight of k is k copies.
            mean = weights.sum() / np.count_nonzero(present)
            per_class = np.divide(mean, weights, out=np.ones(len(classes)), where=present)
        else:
            per_class = compute_class_weight(self.class_weight, classes=classes, y=classes)
        if not np.all((per_class >= 0) & np.isfinite(per_class)):
            raise ValueError(
                f"class_weight={self.class_weight!r} has weights for the classes "
                f"{classes.tolist()} that are negative or not finite: give each a finite weight of "
                "0 or more."
            )
        largest = np.max(per_class[present])
        if largest == 0:
            raise ValueError(
                f"class_weight={self.class_weight!r} leaves no weight to any of the classes "
                f"{classes[present].tolist()} that have samples with weight: give one of them a "
                "positive weight."
            )
        # A common factor changes nothing: with the largest one 1, no product overflows.
        return np.where(present, per_class / largest, 0.0)

    def _fit_on_dask(
        self, alpha: float, X: Any, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> None:
        """Fit where the chunks of dask arrays are."""
        y = target_array(self, y, numeric=False)
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(f"y should be a 1d array, got an array of shape {y.shape} instead.")
        is_one_target(y)  # a warning, if they are a column
        chunks = dask_chunks(self, X, y, sample_weight)
        classes, totals = chunks.classes()
        # Each of them twice: as many classes as rows are none to scikit-learn.
        check_classification_targets(np.tile(classes, 2))
        warn_of_many_classes(classes, type(self).__name__)
        factors = self._class_factors(classes, totals)
        self._set_classes(classes, totals * factors)
        fitted = self.fitted_classes_
        chunks = chunks.with_targets(class_chunk, classes, fitted, factors)
        self._fit_chunks(alpha, chunks, 1 if len(fitted) == 2 else len(fitted), self._loss())

    def _fit_at(self, alpha: float, X: NDArray, y: NDArray, weight: NDArray, task: FitTask) -> None:
        """Fit on validated data; the weights are those of rows times those of classes."""
        target = class_targets(y, self.fitted_classes_)
        self._fit_network(alpha, X, target, weight, self._loss(), task)

    def _loss(self) -> Loss:
        loss = classification_loss(self.loss, len(self.fitted_classes_))
        check_solver(loss, repr(self.loss), self.solver)
        return loss

    @chunkwise
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's outputs: log odds, or log probabilities up to a constant.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Inputs in original units; clipped to ``clip_bounds_``.

        Returns
        -------
        ndarray or dask array of shape (n_samples,) or (n_samples, n_classes)
            For two classes positive where ``classes_[1]`` is predicted; for several, the largest
            is that of the class predicted. Under the hinge losses they are margins, not log odds.
            A class that is not in ``fitted_classes_`` has -3.4e38, the least number of single
            precision; if it is one of two classes, the other has 3.4e38 everywhere.
        """
        output = self._forward(X)
        if len(self.fitted_classes_) < len(self.classes_):
            weights, offsets = decision_layer(self.loss, self.classes_, self.fitted_classes_)
            output = output @ weights + offsets
        return output[:, 0] if len(self.classes_) == 2 else output

    @chunkwise
    def predict(self, X: ArrayLike) -> NDArray:
        """The most likely class.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        ndarray or dask array of shape (n_samples,)
            Labels, as given to ``fit``.
        """
        decision = self.decision_function(X)
        chosen = (decision > 0).astype(np.intp) if decision.ndim == 1 else decision.argmax(axis=1)
        return self.classes_[chosen]

    @available_if(_has_probabilities)
    @chunkwise
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the classes; only with ``loss="log_loss"``.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        ndarray or dask array of shape (n_samples, n_classes)
            In the order of ``classes_``; exactly 0 for classes that are not in
            ``fitted_classes_``.
        """
        decision = self.decision_function(X)
        if decision.ndim == 1:
            return np.column_stack([expit(-decision), expit(decision)])
        return softmax(decision, axis=1)

    @available_if(_has_probabilities)
    @chunkwise
    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logarithms of the probabilities; finite where these underflow.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        ndarray or dask array of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        decision = self.decision_function(X)
        if decision.ndim == 1:
            return -np.column_stack([np.logaddexp(0.0, decision), np.logaddexp(0.0, -decision)])
        return log_softmax(decision, axis=1)


class WedgeReLUClassifier(_WedgeClassifier):
    """Globally optimal ReLU network for classification.

    The log odds ``t + Σ_j a_j (w_j·x + b_j)_+`` are a network of *any* width that minimises the
    weighted mean log loss plus ``alpha / 2 · Σ_j (‖w_j‖² + ‖a_j‖²)`` over all networks whose
    neurons combine at most ``interaction_order`` inputs. Several classes share their neurons: one
    network with an output for each. The optimal hidden weights are wedge products of
    training samples (under l2: rejections from these), which makes training a convex l1 problem
    [1]_; it is solved by column generation, and ``certificate_`` bounds how far the result can be
    from the global optimum.

    With ``n_blocks`` above 1 the network gets further hidden layers, each optimal given those
    before: what ``certificate_`` then covers is the last one.

    The fit is deterministic: there is no width, learning rate or seed to choose.

    Parameters
    ----------
    alpha : float, default=0.01
        Penalty, positive, of the mean loss. With ``standardize=True`` it has no unit: rescaling
        inputs does not change the fit.
    loss : {"log_loss", "hinge", "squared_hinge"}, default="log_loss"
        ``"log_loss"``: binomial or, for several classes, multinomial. The hinge losses give no
        probabilities; several classes are then one against the rest, still with shared neurons.
    interaction_order : int or None, default=2
        The largest number of inputs that a neuron combines. 1 gives an additive model; None sets
        no limit. More than the number of inputs means no limit.
    norm : {"l1", "l2"}, default="l1"
        Norm of the hidden weights in the penalty. Under ``"l1"`` every neuron passes through as
        many training samples as it has inputs; under ``"l2"``, which singles out no directions
        of the input space, possibly through fewer.
    n_blocks : int, default=1
        Hidden layers at most. Each further block is the same problem, at the same ``alpha``, on the
        columns and the activations of the 25 strongest neurons of each block before; its search
        starts from their network, so that the objective never rises. A block that takes less than
        0.1 % off the objective is not kept. Does not combine with ``interaction_cst``,
        ``monotonic_cst`` or dask arrays; such a fit is always in memory.
    standardize : bool, default=True
        Scale inputs to unit weighted variance before the fit. Columns that are constant, but for
        rounding at their size, are not used. Everything is mapped back to original units
        afterwards.
    clip_quantile : float or None, default=0.005
        Clip each input to its weighted training quantiles ``clip_quantile`` and
        ``1 - clip_quantile`` first, at fit and predict: heavy tails ruin a piecewise linear fit.
        Columns whose two bounds coincide are not clipped. 0: to the range of the training data, so
        that the network is constant outside of it. None: no clipping.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of lists/tuples/sets, default=None
        Groups of columns, by index or by name; the inputs of a neuron share a group. Groups may
        overlap, and columns that are in none form one more. ``"no_interactions"``: one input per
        neuron; ``"pairwise"``: at most two. As in scikit-learn's ``HistGradientBoosting`` models.
    monotonic_cst : array-like of int of shape (n_features,) or dict of str to int, default=None
        Direction in which the log odds of the second class must go with each column, or with
        columns by name: 1 rising, -1 falling, 0 no constraint. It holds everywhere, because every
        neuron complies; therefore the log odds cannot be flat, then steep, then flat again along
        such a column. Only with ``norm="l1"`` and two classes.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied into ``sample_weight`` before anything else.
        ``"balanced"``: all classes weigh the same. A class of weight 0 is not fitted, see
        ``fitted_classes_``.
    pricing : {"auto", "exact", "search"}, default="auto"
        Whether the global optimum is certified. ``"exact"`` prices every neuron of the class;
        ``"search"`` only those that a search finds, so that bound and gap are estimates;
        ``"auto"`` is exact if and only if pencils × distinct samples is at most 2e8 and, under
        ``norm="l2"``, neurons have at most two inputs. Up to 1e5 every neuron is priced under
        ``"search"`` too, as that costs no more; ``certificate_.exact`` says what was done. A fit in
        chunks of rows (see ``fit``) is always searched.
    solver : {"auto", "active_set", "cvxpy"}, default="auto"
        For the convex problem on the neurons at hand. ``"auto"`` is the active-set method (inside
        proximal Newton steps), or CVXPY for the hinge, which has no gradient; ``"cvxpy"``
        (CLARABEL) is slower and independent of it.
    tol : float, default=1e-4
        Stop when the duality gap is at most ``tol`` times the objective of the best constant
        model, and at most 1 % of the network's own objective (``100 * tol`` of it, if that is
        more: from ``tol=0.01`` on only the constant model counts). Both are counted from what no
        loss can be below. ``certificate_.stopped_by`` says which of the two decided.
    max_iter : int, default=100
        Pricing rounds at most, in each block.
    n_jobs : int or None, default=None
        Threads of the fit; None: as many as it may use (``OMP_NUM_THREADS`` and limits of joblib
        and of the container count). The result does not depend on it.
    verbose : int, default=0
        1: a line per penalty and block; 2: a line per pricing round.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    fitted_classes_ : ndarray of shape (n_fitted_classes,)
        Those of ``classes_`` that have rows with weight. The network is the one that a fit without
        all other rows gives, and its outputs are about these classes; the others have probability
        0 and are never predicted. If only one class has weight, the network is constant.
    coefs_ : list of n_blocks_ + 1 ndarrays
        Layer weights in original units. With one block, of shapes ``(n_features_in_, n_neurons_)``
        and ``(n_neurons_, n_outputs)``, as in ``MLPClassifier``. With more, hidden layer l has as
        inputs the columns and all hidden layers before it, in this order: ``coefs_[l]`` has
        ``n_features_in_`` rows and one for each neuron of these; the output sees the last hidden
        layer only. Clip inputs to ``clip_bounds_`` first. Two fitted classes have one output, else
        each has one.
    intercepts_ : list of n_blocks_ + 1 ndarrays
        Layer biases in original units, likewise.
    clip_bounds_ : ndarray of shape (2, n_features_in_)
        Lower and upper bounds of the inputs, in original units; infinite where not clipped,
        equal where a column is constant but for rounding.
    x_mean_, x_scale_ : ndarrays of shape (n_features_in_,)
        Centre and scale of the clipped inputs: ``(clip(x) - x_mean_) / x_scale_`` are the inputs
        in the units of the problem solved.
    neurons_ : HiddenNeurons
        The last hidden layer to be read: per neuron its inputs, unit-norm weights, offset, output
        coefficient, and the rows of ``X`` that define it. Units of the problem solved. Inputs from
        ``n_features_in_`` on are hidden neurons of earlier blocks.
    support_ : int ndarray
        All rows of the ``X`` given to ``fit`` that define a neuron, ascending. Under l2 neurons of
        three and more inputs may pass through none.
    n_neurons_ : int
        Neurons of the last hidden layer; 0 if the constant model is optimal.
    n_blocks_ : int
        Hidden layers of the network: the blocks that were kept.
    blocks_ : tuple of Block
        Per hidden layer: ``neurons``, ``n_neurons`` and ``certificate`` of the block's own network,
        and ``history``. Their objectives fall.
    certificate_ : Certificate
        ``objective``, ``lower_bound``, ``gap``, ``relative_gap``, ``max_violation``, ``exact``,
        ``scope``, ``tolerance``, ``stopped_by``. In the units of the problem solved. Of several
        blocks: about the last one, given the activations of those before, not about all of them
        together.
    history_ : tuple of Round
        Objective and bound of each pricing round, of the last block.
    n_iter_ : int
        Pricing rounds of the last block.
    feature_importances_ : ndarray of shape (n_features_in_,)
        Share of each input in the variance of the network's output over the training data,
        ``Cov(main effect + half of its interactions, f) / Var(f)``; see ``explain``. They sum to 1
        (0 if the network is constant), and may be negative where inputs are correlated.
    marginals_ : tuple of Marginal
        ``values``, ascending, and ``weights``, summing to 1, of each clipped input in the training
        data, in original units: what effects are centred on. Of more than 1,000 distinct values,
        neighbours are merged into 1,000 of about equal weight; after a fit in chunks of rows they
        are those of a sample of the rows.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if ``X`` had any.

    Warns
    -----
    ConvergenceWarning
        If the gap is above the tolerance after ``max_iter`` rounds.
    UserWarning
        If the network is constant because ``alpha`` is too large.

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
        "alpha": [NumberIn(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        **CLASSIFICATION_CONSTRAINTS,
        **CONSTRAINT_PARAMETERS,
        **OPTION_CONSTRAINTS,
    }

    def __init__(
        self,
        alpha: float = 0.01,
        *,
        loss: str = "log_loss",
        interaction_order: int | None = 2,
        norm: str = "l1",
        n_blocks: int = 1,
        standardize: bool = True,
        clip_quantile: float | None = 0.005,
        interaction_cst: str | Iterable | None = None,
        monotonic_cst: ArrayLike | dict | None = None,
        class_weight: dict | str | None = None,
        pricing: str = "auto",
        solver: str = "auto",
        tol: float = 1e-4,
        max_iter: int = 100,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.alpha = alpha
        self.loss = loss
        self.interaction_order = interaction_order
        self.norm = norm
        self.n_blocks = n_blocks
        self.standardize = standardize
        self.clip_quantile = clip_quantile
        self.interaction_cst = interaction_cst
        self.monotonic_cst = monotonic_cst
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
        X : array-like or dask array of shape (n_samples, n_features)
            Inputs. A dask array is fitted in chunks of rows; so is an array whose activations would
            exceed scikit-learn's ``working_memory``, if losses and parameters allow it, and a
            memory-mapped file is then not copied. What cannot be fitted in chunks (a loss without a
            gradient, ``norm="l2"``, neurons of more than two inputs, ``pricing="exact"``,
            ``solver="cvxpy"``, ``n_blocks`` above 1) is fitted in memory, and a mapped file copied.
            In chunks of more than 8,192 rows hyperplanes pass through a sample of them that depends
            on their order: other orders, or copies instead of weights, then give the same fit only
            up to ``tol``, and a column that is constant on the sample is not used.
        y : array-like or dask array of shape (n_samples,)
            Labels of two or more classes, of any type that sorts.
        sample_weight : array-like or dask array of shape (n_samples,), default=None
            Non-negative weights; a weight of k is k copies of the row. Classes whose rows all have
            weight 0 are not fitted, see ``fitted_classes_``.

        Returns
        -------
        WedgeReLUClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data are malformed or contain missing values, labels are of one class only, no
            class has a weight, parameters do not combine, ``pricing="exact"`` is out of reach for
            data of this size, or something does not combine with a fit in chunks of rows.
        """
        with single_threaded_blas():
            if is_dask(X):
                self._fit_on_dask(self.alpha, X, y, sample_weight)
            else:
                X, y, weight, fit_weight = self._validated_labels(X, y, sample_weight)
                with fit_task(self, None, X, y, weight) as task:
                    self._fit_at(self.alpha, X, y, fit_weight, task)
        return self
