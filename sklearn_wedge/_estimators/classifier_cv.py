"""The classifier that chooses penalty and kind of network by cross-validation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions

from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._estimators.alpha_by_cv import AlphaByCV
from sklearn_wedge._estimators.base_classifier import _WedgeClassifier
from sklearn_wedge._estimators.callbacks import fit_task
from sklearn_wedge._estimators.candidates import CV_CONSTRAINTS
from sklearn_wedge._estimators.classifier import WedgeReLUClassifier
from sklearn_wedge._estimators.folds import Task
from sklearn_wedge._estimators.misnamed import takes_several_alphas
from sklearn_wedge._estimators.scoring import classification_scoring
from sklearn_wedge._settings.objectives import (
    CLASSIFICATION_CONSTRAINTS,
    class_targets,
)


class WedgeReLUClassifierCV(AlphaByCV, _WedgeClassifier):
    """Globally optimal ReLU networks for classification, chosen and averaged by cross-validation.

    By default everything is chosen, in a race: networks of several kinds run on few rows, the
    better ones on more, with variants of their inputs, and at last on all rows (up to some 20,000);
    each goes on from the neurons that it found before, and so does the fit of the winner on all the
    data. Where candidates are given for every parameter, all combinations of them are tried on all
    the folds instead.

    Parameters
    ----------
    alphas : "auto", int or array-like, default="auto"
        Penalties to try. ``"auto"``: a coarse path for a network that nothing is known of, then
        finer ones around the best penalty of the stage before. An int: so many, equally spaced in
        the logarithm from the least penalty at which the network is constant down to ``eps`` times
        that, for each combination.
    eps : float, default=1e-4
        Length of the path if ``alphas`` is an int: smallest over largest alpha.
    patience : int or None, default=10
        Paths of penalties that are given end, on all folds at the same penalty, after so many in a
        row without a better mean score: the small ones that follow take the most time. None tries
        all.
    loss : {"log_loss", "hinge", "squared_hinge"}, default="log_loss"
        As in :class:`WedgeReLUClassifier`.
    interaction_order : "auto", int, None, or list, tuple or array of these, default="auto"
        The largest number of inputs that a neuron combines; None sets no limit. Several, such as
        ``(1, 2, None)``: candidates. ``"auto"``: orders 1, 2 and, of few columns, 3 under the l1
        norm, and none under the l2 norm.
    norm : {"auto", "l1", "l2"}, or list, tuple or array of these, default="auto"
        As in :class:`WedgeReLUClassifier`. Several: candidates.
    n_blocks : "auto", int, or list, tuple or array of these, default="auto"
        As in :class:`WedgeReLUClassifier`. Several, such as ``(1, 2)``: candidates. At each alpha
        further blocks start from the first one on the path. ``"auto"``: up to 3 of the candidate
        that leads, 2 without order; 1 of tables of a few hundred rows, under constraints, and if
        ``effort`` is ``"fast"``.
    standardize : bool, default=True
        As in :class:`WedgeReLUClassifier`.
    clip_quantile : "auto", float, None, or list, tuple or array of these, default="auto"
        As in :class:`WedgeReLUClassifier`. Several: candidates. ``"auto"``: 0.005 or None, so
        that the network that wins may go on linearly outside the training range.
    encoding : {"auto", "uniform", "normal", "robust"}, None, or list of these, default="auto"
        As in :class:`WedgeReLUClassifier`, by quantiles of the rows fitted: on a fold its training
        part. Several, such as ``(None, "normal")``: candidates. ``"auto"``: None,
        ``"normal"`` and ``"uniform"``, if ``effort`` is ``"thorough"`` all of them.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        As in :class:`WedgeReLUClassifier`.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of lists/tuples/sets, default=None
        As in :class:`WedgeReLUClassifier`.
    monotonic_cst : array-like of int of shape (n_features,) or dict of str to int, default=None
        As in :class:`WedgeReLUClassifier`.
    class_weight : dict, "balanced" or None, default=None
        As in :class:`WedgeReLUClassifier`; for the fits, and for scores by the loss, not for other
        scores. ``"balanced"`` goes by
        all the data, not by those of a fold.
    ramps : bool or "auto", default="auto"
        As in :class:`WedgeReLUClassifier`.
    effort : {"fast", "balanced", "thorough"}, default="balanced"
        How far a race goes: how many kinds of networks run, on how many rows and folds. Counts of
        work, no clock: the same data give the same network on every machine.
    blend : bool, default=True
        Whether a race ends with an average of networks: of the one chosen, of those that were close
        to it, and of the other kinds, on inputs encoded and clipped alike. Shares are chosen by the
        loss of rows held out; one network stays alone if the average does not gain 1 % of that and
        half a standard error over the folds. The average is one network with the neurons of all
        (``members_``): what is read, explained or exported is that. False, or ``effort="fast"``, or
        a loss with kinks (whose fits take several times as long) or of your own without a gradient:
        the network chosen, alone.
    cv : int, cross-validation generator or iterable, default=None
        The folds. None: of a race, parts of the rows by their content, so that their order does not
        count and a weight of k is k copies, repeated if rows are few; else 5-fold. An int for the
        number of folds, both stratified, a splitter, or an iterable of (train, test) indices. A
        number is one of folds of the rows with weight. A fold that cannot be scored, or has no row
        with weight of a class to fit, is left out, with a warning. Early stages of a race use the
        first folds, the last one all that are given, fitted on up to as many rows as the stage has.
    scoring : str, callable or None, default=None
        A scorer name, or a callable ``scorer(estimator, X, y)``; larger is better. None: minus the
        mean loss.
    pricing : {"auto", "exact", "search"}, default="auto"
        For the final fit and the largest alpha, as in :class:`WedgeReLUClassifier`. Fold fits are
        scored, not certified: they always use ``"search"``.
    solver : {"auto", "active_set", "cvxpy"}, default="auto"
        As in :class:`WedgeReLUClassifier`.
    tol : float, default=1e-4
        As in :class:`WedgeReLUClassifier`, of the final fit; folds, whose networks are only
        scored, are solved to ten times that. After a race the final fit is, too, of one block and
        up to 2,000 rows, or if it can be certified; else it ends when new neurons gain less than
        some thousandth of its own loss, without a warning about the gap that is left, which a long
        search judges. The networks of the race are rough.
    max_iter : int, default=100
        Pricing rounds at most, for each alpha.
    n_jobs : int or None, default=None
        Folds and combinations fitted in parallel through joblib, and threads of the last fit;
        each worker uses the threads that joblib leaves to it. None: on as many threads as
        scikit-learn's boosting would use (``OMP_NUM_THREADS`` counts), four at most, or on the
        workers of a context of joblib; then scorers and losses of your own have to bear several
        calls at once. What is chosen does not depend on it.
    verbose : int, default=0
        As in :class:`WedgeReLUClassifier`, for the final fit; before it, a line per
        combination as it is done, of 2 also one per penalty and fold.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    fitted_classes_ : ndarray of shape (n_fitted_classes,)
        Those that have rows with weight, as in :class:`WedgeReLUClassifier`.
    best_params_ : dict
        What was chosen of what was tried: ``"alpha"`` and the parameters of ``combinations_``, by
        name. Of a race ``"alpha"`` is the largest one as good as the best but for noise, by which
        candidates are compared.
    alpha_ : float
        The alpha of the fit on all the data. If ``alphas`` is ``"auto"``: the top of the parabola
        through the best score and those beside it, times the root of the share of the distinct rows
        that folds were fitted on (with noise, penalties fall so), to three digits; 0.01 where
        nothing could be validated. Else the one chosen.
    interaction_order_ : int or None
        The order chosen, as given.
    norm_ : {"l1", "l2"}
        The norm chosen. Equal mean scores, of a race those that differ by less than half a standard
        error over the folds, go to fewer blocks, then to fewer inputs per neuron, the combination
        that comes first, and the larger alpha.
    n_blocks_chosen_ : int
        The number of blocks chosen, as given; ``n_blocks_`` is how many were kept in the end.
    encoding_chosen_ : {"uniform", "normal", "robust"} or None
        The encoding chosen.
    clip_quantile_ : float or None
        The clipping chosen; None: the network goes on linearly outside the training range.
    cv_results_ : dict of arrays
        An entry per candidate and stage, as of scikit-learn's ``HalvingGridSearchCV``: ``iter``
        (the stage, from 0), ``n_resources`` (distinct rows that a fold is fitted on),
        ``param_alpha`` (the best penalty of the candidate) and the other parameters, ``params``,
        ``split0_test_score`` and so on (NaN on folds that a stage left out), ``mean_test_score``,
        ``std_test_score``, ``rank_test_score`` (1 is what was chosen, later stages come first) and
        ``mean_n_neurons``. Kinds that ran only to be averaged with the one chosen (``blend``), on
        the first folds and less close to their optima, are the last stages, ranked last.
    combinations_ : list of tuples (interaction_order, norm, n_blocks, encoding, clip_quantile)
        The combinations tried, of a race those of its last stage. Of candidates that are given, all
        values of a later parameter come with the first one of an earlier before the second. Of
        those that have the same networks on the data (one block: orders beyond the number of
        columns; both norms at order 1) only the first is tried.
    alphas_ : ndarray of shape (n_alphas,) or (n_combinations, n_alphas)
        The alphas tried, descending. The leading axis goes with ``combinations_`` and is there
        unless every parameter was one value.
    score_path_ : ndarray of shape (n_alphas, n_folds) or (n_combinations, n_alphas, n_folds)
        Held-out score of each alpha on each fold; the axes are those of ``alphas_``, then folds.
        NaN at alphas after the end of a path (``patience``), and on folds that were left out.
    n_neurons_path_ : int ndarray of the shape of ``score_path_``
        Neurons, of several hidden layers those of the last, at each alpha on each fold; 0 where
        there is no score.
    best_score_ : float
        Mean score of ``best_params_``.
    coefs_, intercepts_, table_, clip_bounds_, encoding_, x_mean_, x_scale_
        The network refitted on all the data, as in :class:`WedgeReLUClassifier`.
    neurons_, support_, n_neurons_, n_blocks_, blocks_, marginals_
        As in :class:`WedgeReLUClassifier`.
    members_ : list of Member
        The networks that were averaged, each with its ``share``, its ``params`` (``alpha`` and what
        was chosen), its ``n_neurons`` and its ``certificate``; first the one that was chosen, of
        which ``alpha_``, ``certificate_``, ``history_`` and ``best_params_`` are. One if there is
        nothing to average.
    blend_gain_ : float
        What the average gains of the loss of the first one on rows held out, those that the shares
        were chosen on; 0 if that one is alone.
    certificate_, history_, n_iter_
        As in :class:`WedgeReLUClassifier`, of the first of ``members_``.
    feature_importances_ : ndarray of shape (n_features_in_,)
        As in :class:`WedgeReLUClassifier`.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if ``X`` had any.

    Warns
    -----
    ConvergenceWarning
        If the final fit, or fold fits of a grid of candidates, end above the tolerance.
    UserWarning
        If folds are left out, the penalty chosen is the smallest or the largest given, or the
        network is constant: no candidate with neurons has a better score.

    See Also
    --------
    WedgeReLUClassifier : The network at a given alpha.

    References
    ----------
    M. Pilanci, "From Complexity to Clarity: Analytical Expressions of Deep Neural Network Weights
    via Clifford's Geometric Algebra and Convexity", arXiv 2309.16512, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLUClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(80, 2))
    >>> y = np.where(X[:, 0] > 0.2 * rng.normal(size=80), "right", "left")
    >>> model = WedgeReLUClassifierCV().fit(X, y)
    >>> model.interaction_order_
    1
    >>> bool(model.score(X, y) > 0.8)
    True

    Candidates for everything: all combinations, on all folds.

    >>> one = {"interaction_order": 2, "n_blocks": 1, "encoding": None, "clip_quantile": None}
    >>> model = WedgeReLUClassifierCV(alphas=8, eps=0.01, norm=("l1", "l2"), cv=3, **one)
    >>> model.fit(X, y).score_path_.shape
    (2, 8, 3)
    """

    _parameter_constraints: ClassVar[dict] = {
        **CV_CONSTRAINTS,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        **CLASSIFICATION_CONSTRAINTS,
    }

    @takes_several_alphas(WedgeReLUClassifier)
    def __init__(
        self,
        alphas: str | int | ArrayLike = "auto",
        *,
        eps: float = 1e-4,
        patience: int | None = 10,
        loss: str = "log_loss",
        interaction_order: str | int | Sequence[int | None] | None = "auto",
        norm: str | Sequence[str] = "auto",
        n_blocks: str | int | Sequence[int] = "auto",
        standardize: bool = True,
        clip_quantile: str | float | Sequence[float | None] | None = "auto",
        encoding: str | Sequence[str | None] | None = "auto",
        categorical_features: ArrayLike | str | None = "from_dtype",
        interaction_cst: str | Iterable | None = None,
        monotonic_cst: ArrayLike | dict | None = None,
        ramps: bool | str = "auto",
        class_weight: dict | str | None = None,
        effort: str = "balanced",
        blend: bool = True,
        cv: Any = None,
        scoring: Any = None,
        pricing: str = "auto",
        solver: str = "auto",
        tol: float = 1e-4,
        max_iter: int = 100,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.alphas = alphas
        self.eps = eps
        self.patience = patience
        self.loss = loss
        self.interaction_order = interaction_order
        self.norm = norm
        self.n_blocks = n_blocks
        self.standardize = standardize
        self.clip_quantile = clip_quantile
        self.encoding = encoding
        self.categorical_features = categorical_features
        self.interaction_cst = interaction_cst
        self.monotonic_cst = monotonic_cst
        self.ramps = ramps
        self.class_weight = class_weight
        self.effort = effort
        self.blend = blend
        self.cv = cv
        self.scoring = scoring
        self.pricing = pricing
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> WedgeReLUClassifierCV:
        """Choose by cross-validation and fit the network on all the data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs; values may be missing, as in :class:`WedgeReLUClassifier`: filled in as all rows
            with weight say, on the folds too. Categories become indicators or target means; where
            there are target means, scorers see ``table_``'s inputs in the place of ``X``.
        y : array-like of shape (n_samples,)
            Labels of two or more classes, of any type that sorts.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; used by the fits and by the scores.
        **params : dict
            With metadata routing enabled: passed to the splitter and the scorer (``groups``, ...).

        Returns
        -------
        WedgeReLUClassifierCV
            The fitted estimator.

        Raises
        ------
        ValueError
            As ``WedgeReLUClassifier.fit``; or if an alpha is not positive, a candidate or a
            combination of them is not possible, or no alpha has a score, not NaN, on every fold.
        """
        routed = self._routed(sample_weight, params)
        table, y, weight, fit_weight = self._validated_labels(X, y, sample_weight)
        target = class_targets(y, self.fitted_classes_)
        loss = self._loss()
        inputs, X = self._inputs_to_fit(table, target, fit_weight, loss), self._as_told(X, table)
        data = Task(inputs, y, target, fit_weight, loss, self.fitted_classes_, X)
        with single_threaded_blas(), fit_task(self, 2, X, y, weight) as task:
            blend = self._choose(data, weight, routed, task)
            with task.subtask("refit", None) as refit:
                start = self._start(blend, data)
                self._fit_at(self.alpha_, inputs, y, fit_weight, refit, start)
                self._take_in(blend, data, refit)
        return self

    def _default_scoring(self) -> Any:
        classes = (getattr(self, name, None) for name in ("classes_", "fitted_classes_"))
        return classification_scoring(self.loss, *classes)

    def _unfitted(self) -> WedgeReLUClassifier:
        shared = self._shared_parameters()
        model = WedgeReLUClassifier(loss=self.loss, class_weight=self.class_weight, **shared)
        model.n_features_in_ = self.n_features_in_
        self._name_columns_of(model)
        model.classes_, model.fitted_classes_ = self.classes_, self.fitted_classes_
        return model
