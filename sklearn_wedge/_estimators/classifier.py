"""The classifier at a penalty given or chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions

from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._estimators.alpha_by_validation import ALPHA, AlphaByValidation
from sklearn_wedge._estimators.base_classifier import _WedgeClassifier
from sklearn_wedge._settings.constraints import CONSTRAINT_PARAMETERS
from sklearn_wedge._settings.objectives import CLASSIFICATION_CONSTRAINTS, class_targets
from sklearn_wedge._settings.options import OPTION_CONSTRAINTS
from sklearn_wedge._training.dask_inputs import is_dask


class WedgeReLUClassifier(AlphaByValidation, _WedgeClassifier):
    """Globally optimal ReLU network for classification.

    The log odds ``t + Σ_j a_j (w_j·x + b_j)_+`` are a network of *any* width that minimises the
    weighted mean log loss plus ``alpha / 2 · Σ_j (‖w_j‖² + ‖a_j‖²)`` over all networks whose
    neurons combine at most ``interaction_order`` inputs. Several classes share their neurons: one
    network with an output for each. The optimal hidden weights are wedge products of
    training samples (under l2: rejections from these), which makes training a convex l1 problem
    [1]_; it is solved by column generation, and ``certificate_`` bounds how far the result can be
    from the global optimum.

    With ``n_blocks`` above 1 the network gets further hidden layers. All of them move together, and
    the last one is optimal given those before: it is what ``certificate_`` then covers.

    The fit is deterministic: there is no width, learning rate or seed to choose.

    Parameters
    ----------
    alpha : float or "auto", default="auto"
        Penalty, positive, of the mean loss. With ``standardize=True`` it has no unit: rescaling
        inputs does not change the fit.

        ``"auto"`` chooses it on rows held out, by the loss that is minimised, with the weights of
        rows and classes, and then fits all rows, starting from the neurons found. Of up to 1,200
        distinct rows each of five parts, with its share of every class, is held out in turn; of
        more, one. At most 12,500 rows, a sample by their values if there are more (of dask arrays
        too: these are fetched), take part in the choice. Penalties fall by factors of 0.4 from the
        one at which the network is constant, to 1e-5 of it at most, and end two after the last that
        gains 0.3 % of the loss, or one after a clear loss. The choice is where the parabola through
        the best score and those beside it is highest, lowered for all rows by the root of the share
        that was fitted. Fewer than ten distinct rows, or rows of which no part can be held out, get
        0.01.
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
        columns and the activations of neurons of each block before, at first the 25 strongest. Its
        search starts from their network, and takes turns with moves of all layers together; the
        last is then solved again: the objective never rises. A block that takes less than 0.1 % off
        it is not kept.
        With ``ramps``, or a loss that is a function of your own, layers stay where they are.
        Does not combine with ``interaction_cst``, ``monotonic_cst`` or dask arrays; such a fit is
        always in memory.
    standardize : bool, default=True
        Scale inputs to unit weighted variance before the fit. Columns that are constant, but for
        rounding at their size, are not used. Everything is mapped back to original units
        afterwards.
    clip_quantile : float or None, default=0.005
        Clip each input to its weighted training quantiles ``clip_quantile`` and
        ``1 - clip_quantile`` first, at fit and predict: heavy tails ruin a piecewise linear fit.
        Columns whose two bounds coincide are not clipped. 0: to the range of the training data, so
        that the network is constant outside of it. None: no clipping, and the network goes on
        linearly.
    encoding : {"uniform", "normal", "robust"} or None, default=None
        Map each clipped input by a piecewise linear curve of at most 65 knots, which rises over the
        range of the training data and is constant beyond. ``"uniform"``, ``"normal"``: to uniform
        or normal scores of its weighted quantiles. ``"robust"``: to its distance from the median in
        interquartile ranges, compressed the more the farther away, to at most 3. Columns of two
        values, as far as such quantiles tell, are left as they are. Such a curve is a layer of
        ReLUs that is not trained: ``encoding_``. None: no input is encoded.
    categorical_features : "from_dtype", array-like of bool, int or str, or None,
    default="from_dtype"
        Columns that are categories: of a data frame those whose type is one of categories or of
        text, or objects that all are text; or a mask, numbers or names of columns; None: none. As
        in ``HistGradientBoosting`` models. Up to 20 levels, "missing" among them, become an
        indicator each (one of two), and no two of a column share a neuron, unless
        ``interaction_order`` is None. More become a mean of
        the target, shrunk as by ten (of the lightest) rows, of other parts of the rows. A level
        that is not known counts as the mean over the training rows: ``table_``.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of lists/tuples/sets, default=None
        Groups of columns, by index or by name; the inputs of a neuron share a group. Groups may
        overlap, and columns that are in none form one more. ``"no_interactions"``: one input per
        neuron; ``"pairwise"``: at most two. As in scikit-learn's ``HistGradientBoosting`` models.
    monotonic_cst : array-like of int of shape (n_features,) or dict of str to int, default=None
        Direction in which the log odds of the second class must go with each column, or with
        columns by name: 1 rising, -1 falling, 0 no constraint. It holds everywhere, because every
        neuron complies; without ``ramps`` the log odds therefore cannot be flat, then steep, then
        flat again along such a column. Only with ``norm="l1"`` and two classes.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied into ``sample_weight`` before anything else.
        ``"balanced"``: all classes weigh the same. A class of weight 0 is not fitted, see
        ``fitted_classes_``.
    ramps : bool or "auto", default="auto"
        Whether neurons may be ramps, ``(u·x - a)_+ - (u·x - b)_+`` with a < b: flat, then rising,
        then flat again, at the penalty of one neuron. Networks with ramps are the best three-layer
        ReLU networks of parallel branches; monotone ones may be S-shaped. In
        ``neurons_`` a ramp is one neuron, in ``coefs_`` two. Exact pricing has ramps of one and of
        two inputs, the latter in ``pairs of inputs × samples³ / 2`` steps (see ``pricing``); others
        are searched for. ``"auto"``: under ``monotonic_cst``, but not in a fit in chunks of rows
        (see ``fit``), which refuses ``True``, nor with ``pricing="exact"`` beyond order 2.
    pricing : {"auto", "exact", "search"}, default="auto"
        Whether the global optimum is certified. ``"exact"`` prices every neuron of the class;
        ``"search"`` only those that a search finds, so that bound and gap are estimates;
        ``"auto"`` is exact if and only if pencils × distinct samples is at most 2e8 (2e7 with
        ``alpha="auto"``) and, under ``norm="l2"``, neurons have at most two inputs. Up to 1e5 every
        neuron is priced under ``"search"`` too, as that costs no more; ``certificate_.exact`` says
        what was done. A fit in chunks of rows (see ``fit``) is always searched.
    solver : {"auto", "active_set", "cvxpy"}, default="auto"
        For the convex problem on the neurons at hand. ``"auto"`` is the active-set method (inside
        proximal Newton steps); ``"cvxpy"`` (CLARABEL) is slower, and independent of it.
    tol : float, default=1e-4
        Stop when the duality gap is at most ``tol`` times the objective of the best constant
        model, and at most 1 % of the network's own objective (``100 * tol`` of it, if that is
        more: from ``tol=0.01`` on only the constant model counts). Of a search under l2 norms
        that is not certified, two fifths of this: it misses some of the gap. All are counted
        from what no loss can be below. ``certificate_.stopped_by`` says what decided. With
        ``alpha="auto"`` ten times ``tol``: scores, which choose the penalty, ask for less.
    max_iter : int, default=100
        Pricing rounds at most, in each block.
    n_jobs : int or None, default=None
        Threads of the fit; None: as many as it may use (``OMP_NUM_THREADS`` and limits of joblib
        and of the container count). The result does not depend on it.
    verbose : int, default=0
        1: a line per penalty and block; 2: a line per pricing round, and before them one per
        penalty and fold that are validated.

    Attributes
    ----------
    alpha_ : float
        The penalty of the fit, given or chosen: see ``alpha``.
    alphas_ : ndarray of shape (n_alphas,)
        The penalties tried, descending; only if ``alpha`` was chosen on rows held out.
    validation_scores_ : ndarray of shape (n_alphas,)
        Minus the mean loss of each on the rows held out, weighted, the mean over the parts;
        likewise.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    fitted_classes_ : ndarray of shape (n_fitted_classes,)
        Those of ``classes_`` that have rows with weight. The network is the one that a fit without
        all other rows gives, and its outputs are about these classes; the others have probability
        0 and are never predicted. If only one class has weight, the network is constant.
    coefs_ : list of n_blocks_ + 1 ndarrays
        Layer weights in original units. With one block, of shapes ``(n_inputs, n_neurons_)``
        and ``(n_neurons_, n_outputs)``, as in ``MLPClassifier``; a ramp is two hidden neurons here,
        the second of which comes after all others. With more, hidden layer l has as
        inputs the columns and all hidden layers before it, in this order: ``coefs_[l]`` has
        ``n_inputs`` rows and one for each neuron of these; the output sees the last hidden
        layer only. Of rows with missing values ``table_`` makes
        inputs; clip these to ``clip_bounds_`` and encode them by ``encoding_`` first. Two
        fitted classes have one output, else each has one.
    intercepts_ : list of n_blocks_ + 1 ndarrays
        Layer biases in original units, likewise.
    table_ : TableEncoding
        What the ``n_inputs`` inputs are, in terms of the columns of ``X``: those, with missing
        values filled in, then indicators of these. ``transform``, ``input_names()``, ``filling``;
        see ``inputs_frame``.
    clip_bounds_ : ndarray of shape (2, n_inputs)
        Lower and upper bounds of the inputs, in original units; infinite where not clipped,
        equal where a column is constant but for rounding.
    encoding_ : Encoding
        What is done to clipped inputs next, column by column: ``kind``, ``knots``, ``values`` and
        ``transform``; leaves all columns as they are without ``encoding``.
    x_mean_, x_scale_ : ndarrays of shape (n_inputs,)
        Centre and scale of the inputs clipped and encoded: ``(encoding_.transform(clip(x)) -
        x_mean_) / x_scale_`` are the inputs in the units of the problem solved.
    neurons_ : HiddenNeurons
        The last hidden layer to be read: per neuron its inputs, unit-norm weights, offset, output
        coefficient, and the rows of ``X`` that define it. Units of the problem solved. Inputs from
        ``n_inputs`` on are hidden neurons of earlier blocks.
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
        Share of each column in the variance of the network's output over the training data,
        ``Cov(main effect + half of its interactions, f) / Var(f)``; see ``explain``. They sum to 1
        (0 if the network is constant), and may be negative where inputs are correlated.
    marginals_ : tuple of Marginal
        ``values``, ascending, and ``weights``, summing to 1, of each clipped input in the training
        data, in original units: what effects are centred on. Of more than 1,000 distinct values,
        neighbours are merged into 1,000 of about equal weight; after a fit in chunks of rows they
        are those of a sample of the rows.
    n_features_in_ : int
        Number of columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if ``X`` had any.

    Warns
    -----
    ConvergenceWarning
        If the gap is above the tolerance after ``max_iter`` rounds.
    UserWarning
        If the network is constant because ``alpha`` is too large, or as no smaller one that was
        tried has a better score.

    See Also
    --------
    WedgeReLUClassifierCV : Chooses ``alpha`` by cross-validation of any kind, and order, norm and
        depth with it.
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
        "alpha": ALPHA,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        **CLASSIFICATION_CONSTRAINTS,
        **CONSTRAINT_PARAMETERS,
        **OPTION_CONSTRAINTS,
    }

    def __init__(
        self,
        alpha: float | str = "auto",
        *,
        loss: str = "log_loss",
        interaction_order: int | None = 2,
        norm: str = "l1",
        n_blocks: int = 1,
        standardize: bool = True,
        clip_quantile: float | None = 0.005,
        encoding: str | None = None,
        categorical_features: ArrayLike | str | None = "from_dtype",
        interaction_cst: str | Iterable | None = None,
        monotonic_cst: ArrayLike | dict | None = None,
        ramps: bool | str = "auto",
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
        self.encoding = encoding
        self.categorical_features = categorical_features
        self.interaction_cst = interaction_cst
        self.monotonic_cst = monotonic_cst
        self.ramps = ramps
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
        X : array-like, dask array or dask frame of shape (n_samples, n_features)
            Inputs; NaN, None, ``pd.NA`` and nulls are missing values. Numbers are filled in with
            what is expected of them given the other numbers of the row, see :class:`Filling`; with
            ``interaction_cst`` or ``monotonic_cst``, of one column of numbers or of more than 100,
            with the weighted median of their column. The network has one more input, 1 where a
            value is missing and else 0, for each column whose gaps tell of the target (they are
            correlated by 2.5 standard errors or more), are in 1,000 rows and 1 % of all, or are not
            filled in from other columns. Such an indicator counts as an input for
            ``interaction_order``, is in the groups of its column, and free of ``monotonic_cst``.
            What dask has is fitted in chunks of rows; so is an array whose activations would exceed
            scikit-learn's ``working_memory``, if losses and parameters allow it, and a
            memory-mapped file is then not copied. What cannot be fitted in chunks (``norm="l2"``,
            neurons of more than two inputs, ``pricing="exact"``, ``solver="cvxpy"``, ``n_blocks``
            above 1) is fitted in memory, and a mapped file copied. In chunks of more than 8,192
            rows hyperplanes pass through a sample of them that depends on their order: other
            orders, or copies instead of weights, then give the same fit only up to ``tol``, and a
            column that is constant on the sample is not used.
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
            If the data are malformed, a column has no value, labels are of one class only, no
            class has a weight, parameters do not combine, ``pricing="exact"`` is out of reach for
            data of this size, or something does not combine with a fit in chunks of rows.
        """
        with single_threaded_blas():
            if is_dask(X):
                self._fit_on_dask(X, y, sample_weight)
            else:
                table, y, weight, fit_weight = self._validated_labels(X, y, sample_weight)
                target = class_targets(y, self.fitted_classes_)
                told = self._as_told(X, table), y, weight
                self._fit_arrays(table, target, fit_weight, self._loss(), told)
        return self
