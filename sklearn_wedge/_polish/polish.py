"""Polishing: how far a trained network is from the best one, and the way there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import validate_data

from sklearn_wedge._core.blocks import Build, SolvedBlock, last_block
from sklearn_wedge._core.column_generation import bound_of_columns
from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.network import deep_network_of
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.solution import Certificate
from sklearn_wedge._core.state import State, resume
from sklearn_wedge._core.stopping import StoppingRule
from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._core.warm_path import solve_from
from sklearn_wedge._core.whole import Whole, alternated, moved
from sklearn_wedge._estimators.classifier import WedgeReLUClassifier
from sklearn_wedge._estimators.regressor import WedgeReLURegressor
from sklearn_wedge._polish.given_blocks import GivenBlocks, given_blocks
from sklearn_wedge._polish.given_neurons import balanced_penalty, given_neurons, snapped
from sklearn_wedge._polish.trained_network import TrainedNetwork, read_network
from sklearn_wedge._settings.inputs import as_columns, refuse_not_finite
from sklearn_wedge._settings.objectives import class_targets
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._tables import TableEncoding
from sklearn_wedge._text.names import column_names
from sklearn_wedge._training.dask_inputs import is_dask
from sklearn_wedge._training.problems import build_problem, problem_on

LOSSES = ("squared_error", "poisson", "log_loss")
# What rounding may add to the objective of a network when its neurons get unit norm: a part of it,
# and a part of the objective of the constant model.
OF_OWN, OF_CONSTANT = 1e-9, 1e-12
# The restricted problem on the hyperplanes of the network is solved as far as rounding allows.
TO_ROUNDING = StoppingRule(tolerance=0.0, max_rounds=1)


@dataclass(frozen=True)
class PolishedNetwork:
    """A trained network beside the best one. Objectives are mean loss plus penalty.

    Attributes
    ----------
    estimator : WedgeReLURegressor or WedgeReLUClassifier
        The polished network: predicts, and has all fitted attributes. ``neurons_.rows`` is -1 for
        hyperplanes that are still those of the trained network.
    objective_of_network : float
        Of the trained network at the best scale of each neuron, which does not change what it
        computes: its mean loss plus ``alpha · Σ_j ‖w_j‖ ‖a_j‖``, of its last hidden layer and with
        neurons of unit norm in those before.
    objective_on_its_hyperplanes : float
        The least objective with the hyperplanes of the trained network: never above the former.
    objective : float
        Of the polished network: never above the former.
    lower_bound : float
        No network of the class has a lower objective; an estimate unless ``certificate.exact``.
    lower_bound_of_last_layer : float
        Certified, always: no network has a lower objective whose last hidden layer consists of
        neurons of the polished one and, of data in memory, of any neurons of a single input (a
        column of ``X`` or an activation of the layers before). With several hidden layers, those
        before are the polished ones.

    Examples
    --------
    >>> from sklearn_wedge import polish
    >>> X, y = [[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0]
    >>> layers = [[[1.0]], [[1.0]]], [[-0.5], [0.0]]
    >>> polished = polish(layers, X, y, alpha=0.1, loss="squared_error")
    >>> bool(polished.lower_bound <= polished.objective <= polished.objective_of_network)
    True
    """

    estimator: WedgeReLURegressor | WedgeReLUClassifier
    objective_of_network: float
    objective_on_its_hyperplanes: float
    objective: float
    lower_bound: float
    lower_bound_of_last_layer: float

    @property
    def certificate(self) -> Certificate:
        """That of the polished network."""
        return self.estimator.certificate_

    @property
    def relative_gap_of_last_layer(self) -> float:
        """Certified: what the polished network is at most above ``lower_bound_of_last_layer``, as a
        fraction of its objective.
        """
        gap = max(self.objective - self.lower_bound_of_last_layer, 0.0)
        return gap / self.objective if self.objective > 0 else 0.0

    @property
    def gap_of_network(self) -> float:
        """What the trained network can at most be above the best one of the class."""
        return max(self.objective_of_network - self.lower_bound, 0.0)

    @property
    def relative_gap_of_network(self) -> float:
        """The same as a fraction of the objective of the trained network."""
        own = self.objective_of_network
        return self.gap_of_network / own if own > 0 else 0.0

    def __str__(self) -> str:
        kind = "certified" if self.certificate.exact else "estimated, not certified"
        return (
            f"objective {self.objective_of_network:.6g} of the network, "
            f"{self.objective_on_its_hyperplanes:.6g} at best on its hyperplanes, "
            f"{self.objective:.6g} polished; lower bound {self.lower_bound:.6g}: the gap of the "
            f"network was {self.relative_gap_of_network:.2%} of its objective ({kind})"
        )


@dataclass(frozen=True)
class _Data:
    """Validated data: X (n, d), target (n, q), weight (n,), and the loss."""

    X: NDArray
    target: NDArray[np.float64]
    weight: NDArray[np.float64]
    loss: Loss

    def present(self) -> _Data:
        """The rows that have a weight."""
        rows = self.weight > 0
        if np.all(rows):
            return self
        return replace(self, X=self.X[rows], target=self.target[rows], weight=self.weight[rows])


def polish(
    network: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    alpha: float,
    loss: str = "auto",
    sample_weight: ArrayLike | None = None,
    interaction_order: int | None = None,
    norm: str = "l2",
    snap: bool = False,
    pricing: str = "auto",
    tol: float = 1e-4,
    max_iter: int = 100,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> PolishedNetwork:
    """Take a trained ReLU network to the global optimum of its own training problem.

    The problem is the weighted mean loss plus ``alpha / 2 · Σ_j (‖w_j‖² + ‖a_j‖²)`` over networks
    ``t + Σ_j a_j (w_j·x + b_j)_+`` of any width, biases not penalised: weight decay. The hidden
    hyperplanes of the network are the first columns of its convex form [1]_; the best coefficients
    on these cannot have a higher objective, and column generation goes on from there to a
    certificate. So ``polish`` says how far from optimal the network was.

    Of several hidden layers the last one is made the convex problem, on ``X`` and the activations
    of all layers before, after all layers have moved together to where the objective is lower. The
    problem is as above, of the last hidden layer and with neurons of unit norm in those before,
    which changes no output; those that are constant on the samples go into biases. The bound is
    about the last layer, given the activations; as a rule it is an estimate, and
    ``lower_bound_of_last_layer`` says what is certified.

    Inputs are used as they are given, neither scaled, clipped nor encoded, and so is the target:
    give what the network was trained on.

    Parameters
    ----------
    network : MLPRegressor, MLPClassifier, (coefs, intercepts) or torch.nn.Sequential
        With hidden layers of ReLUs: fitted; or layer weights as in the attributes of
        ``MLPRegressor``, with one hidden layer arrays of shapes (d, m), (m, q) and (m,), (q,); or
        ``Sequential(Linear, ReLU, ..., Linear)``. It is not changed.
    X : array-like of shape (n_samples, n_features)
        Inputs, in the units that the network takes.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets in the units of the network's output, or labels. Several targets with the
        squared error or ``"poisson"``.
    alpha : float
        Penalty, positive, in the unit of the mean loss, since the target is not scaled. A network
        of scikit-learn trained with ``alpha=a`` has a penalty of ``a / n_samples`` here
        (``a / batch_size`` if trained in batches; ``q`` times that for q targets, whose losses
        scikit-learn averages and this package adds).
    loss : {"auto", "squared_error", "poisson", "log_loss"}, default="auto"
        As in the estimators. ``"auto"``: what a network of scikit-learn was trained with; others do
        not know, and it must be given. Under ``"poisson"`` the network is the logarithm of the
        prediction; under ``"log_loss"`` it has one output for two classes, the log odds of the
        second in sorted order, and one per class for more.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.
    interaction_order : int or None, default=None
        The largest number of inputs that a neuron combines. None sets no limit; fewer than a
        neuron of the network combines is an error.
    norm : {"l1", "l2"}, default="l2"
        Of the hidden weights in the penalty; ``"l2"`` is weight decay.
    snap : bool, default=False
        Whether to add, to the hyperplanes of the network, those through the samples nearest to
        each. It saves a round or two; the optimum is the same.
    pricing, tol, max_iter, n_jobs, verbose
        As in :class:`~sklearn_wedge.WedgeReLURegressor`. Under ``norm="l2"`` the result is
        certified up to two inputs per neuron, under ``"l1"`` if the data are small enough.

    Returns
    -------
    PolishedNetwork
        The objectives, the bound, and a fitted estimator with ``standardize=False`` and
        ``clip_quantile=None``.

    Raises
    ------
    TypeError
        If ``network`` is none of these.
    ValueError
        If the network is not fitted, has no hidden layers of ReLUs, or does not suit the data,
        the loss or ``interaction_order``; if its outputs are lost in rounding, parameters are
        invalid or ``pricing="exact"`` is out of reach.

    Warns
    -----
    ConvergenceWarning
        If the gap is above the tolerance after ``max_iter`` rounds.
    UserWarning
        If the optimal network is constant because ``alpha`` is too large.

    See Also
    --------
    WedgeReLURegressor : The same optimum without a network to start from.

    Notes
    -----
    Several optimal networks may exist, and among hyperplanes that are as good for the objective as
    ``tol`` can tell, those of the network are kept: ``estimator.neurons_.rows`` is -1 for these.

    References
    ----------
    .. [1] M. Pilanci, "From Complexity to Clarity: Analytical Expressions of Deep Neural Network
       Weights via Clifford's Geometric Algebra and Convexity", arXiv 2309.16512, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neural_network import MLPRegressor
    >>> from sklearn_wedge import polish
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(60, 2))
    >>> y = np.abs(X[:, 0] - X[:, 1])
    >>> mlp = MLPRegressor(hidden_layer_sizes=20, alpha=0.06, solver="lbfgs", random_state=0)
    >>> mlp = mlp.set_params(max_iter=2000).fit(X, y)
    >>> result = polish(mlp, X, y, alpha=0.06 / 60)
    >>> result.certificate.exact
    True
    >>> result.lower_bound <= result.objective <= result.objective_of_network
    True
    >>> result.estimator.predict(X).shape
    (60,)
    """
    if is_dask(X):
        raise ValueError("polish does not take dask arrays: pass arrays, or a sample of the rows.")
    validate_parameter_constraints({"snap": ["boolean"]}, {"snap": snap}, caller_name="polish")
    trained = read_network(network)
    estimator = _estimator(
        _loss_name(trained, loss),
        n_blocks=len(trained.before) + 1,
        alpha=alpha,
        interaction_order=interaction_order,
        norm=norm,
        pricing=pricing,
        tol=tol,
        max_iter=max_iter,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    if hasattr(network, "n_features_in_"):  # refuse columns of other names, or another order
        validate_data(network, X, reset=False, skip_check_array=True)
    data = _validated(estimator, trained, X, y, sample_weight)
    options = estimator._options(trained.n_outputs)
    rule = StoppingRule(options.tol, options.max_iter)
    with single_threaded_blas():
        problem, sample = build_problem(data.X, data.target, data.weight, options, data.loss)
        data = data.present()  # only now: the rows of neurons are those of X as given
        build = partial(problem_on, loss=problem.loss, options=options)
        given = given_blocks(trained, data.X, problem, build)
        own = _objective(given.last, replace(data, X=given.inputs), alpha, norm)
        state = _on_its_hyperplanes(given, sample.output_scaling.mean, alpha, own)
        restricted = state.objective
        _check_not_raised(restricted, own, problem.constant.objective)
        whole = Whole(given.before, given.problem, state)
        if given.before:
            whole = _with_scope(_lowered(whole, build, options, rule))
        if snap:
            whole = replace(whole, state=_with_snapped(whole.problem, whole.state, rule))
        state, solution = solve_from(whole.problem, whole.state, rule, options.verbose)
        _publish(
            estimator, [*whole.before, last_block(whole.problem, whole.problem.sample, solution)]
        )
        of_last = bound_of_columns(whole.problem, state)
    certificate = solution.certificate
    if certificate.exact:
        of_last = max(of_last, certificate.lower_bound)
    return PolishedNetwork(
        estimator=estimator,
        objective_of_network=own,
        objective_on_its_hyperplanes=restricted,
        objective=certificate.objective,
        lower_bound=certificate.lower_bound,
        lower_bound_of_last_layer=of_last,
    )


def _loss_name(trained: TrainedNetwork, loss: str) -> str:
    if loss not in ("auto", *LOSSES):
        raise ValueError(f"loss must be 'auto' or one of {LOSSES}, got {loss!r}.")
    if loss == "auto" and trained.loss is None:
        raise ValueError(
            "loss='auto' needs an MLPRegressor or MLPClassifier: other networks do not know their "
            f"loss. Give one of {LOSSES}."
        )
    if loss not in ("auto", trained.loss) and trained.loss is not None:
        raise ValueError(f"network was trained with loss={trained.loss!r}, not {loss!r}.")
    return trained.loss if loss == "auto" else loss


def _estimator(loss: str, **parameters: Any) -> WedgeReLURegressor | WedgeReLUClassifier:
    """The estimator to be filled, with valid parameters."""
    kind = WedgeReLUClassifier if loss == "log_loss" else WedgeReLURegressor
    plain = {"standardize": False, "clip_quantile": None, "categorical_features": None}
    estimator = kind(loss=loss, **plain, **parameters)
    estimator._validate_params()
    return estimator


def _validated(
    estimator: WedgeReLURegressor | WedgeReLUClassifier,
    trained: TrainedNetwork,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
) -> _Data:
    if isinstance(estimator, WedgeReLUClassifier):
        X, y, _, weight = estimator._validated_labels(X, y, sample_weight)
        _check_classes(trained, estimator.classes_)
        _refuse_classes_without_weight(estimator)
        target, loss = class_targets(y, estimator.classes_), estimator._loss()
    else:
        X, y, weight, loss = estimator._validated_targets(X, y, sample_weight)
        target = as_columns(y)
    refuse_not_finite(X, "polish", getattr(estimator, "feature_names_in_", None))
    estimator.table_ = TableEncoding.of_numbers(column_names(estimator))
    if X.shape[1] != trained.n_inputs:
        raise ValueError(f"X has {X.shape[1]} features, and network takes {trained.n_inputs}.")
    if target.shape[1] != trained.n_outputs:
        raise ValueError(
            f"network has {trained.n_outputs} outputs, and y has {target.shape[1]} column(s). For "
            "labels of classes give loss='log_loss'."
        )
    return _Data(X, target, weight, loss)


def _check_classes(trained: TrainedNetwork, classes: NDArray) -> None:
    if trained.classes is not None and not np.array_equal(trained.classes, classes):
        raise ValueError(
            f"network was trained on the classes {trained.classes.tolist()}, and those in y are "
            f"{classes.tolist()}."
        )
    needed = 1 if len(classes) == 2 else len(classes)
    if trained.n_outputs != needed:
        advice = ""
        if len(classes) == 2 and trained.n_outputs == 2:
            advice = " Pass layer weights with the difference of the two, second minus first."
        raise ValueError(
            f"network has {trained.n_outputs} output(s), and for {len(classes)} classes "
            f"{needed} are needed: log odds of the second of two, or one per class.{advice}"
        )


def _refuse_classes_without_weight(estimator: WedgeReLUClassifier) -> None:
    missing = sorted(set(estimator.classes_.tolist()) - set(estimator.fitted_classes_.tolist()))
    if missing:
        raise ValueError(
            f"All rows of the classes {missing} have weight 0, and network has outputs about them, "
            "which no data decide: give some of their rows a positive weight."
        )


def _objective(trained: TrainedNetwork, data: _Data, alpha: float, norm: str) -> float:
    """Mean loss plus penalty of the trained network, every neuron at its best scale."""
    weight = data.weight / data.weight.sum()
    loss = data.loss.value(trained.predict(data.X), data.target, weight)
    return float(loss + alpha * balanced_penalty(trained, norm))


def _on_its_hyperplanes(given: GivenBlocks, shift: NDArray, alpha: float, own: float) -> State:
    """The restricted problem on the hyperplanes of the last layer, started from the network.

    ``shift`` is what the target was centred by.
    """
    problem = given.problem
    mean, kind = problem.sample.input_scaling.mean, problem.neuron_class
    last = given_neurons(given.last, given.inputs, mean, kind)
    if not own < problem.constant.objective:
        # So far off that exponentials may overflow: the constant model is the better start.
        return resume(problem, alpha, last.neurons, TO_ROUNDING)
    return resume(problem, alpha, last.neurons, TO_ROUNDING, last.coef, last.intercept - shift)


def _check_not_raised(restricted: float, own: float, constant: float) -> None:
    if not restricted - own <= OF_OWN * own + OF_CONSTANT * abs(constant):
        raise ValueError(
            f"network cannot be polished: on its hyperplanes the least objective that is found is "
            f"{restricted:.6g}, above its own of {own:.6g}. Its outputs are lost in rounding, as "
            "weights or columns of X differ by too many powers of ten. Scale the columns of X (for "
            "example with StandardScaler) and train the network on these."
        )


def _lowered(whole: Whole, build: Build, options: FitOptions, rule: StoppingRule) -> Whole:
    """With all hidden layers better ones.

    What is certified keeps its inputs, of which more may take much longer; what is not stays so,
    also where some of them are given up.
    """
    if whole.problem.exact:
        return moved(whole, build, rule)
    return alternated(whole, partial(build, options=replace(options, pricing="search")), rule)


def _with_scope(whole: Whole) -> Whole:
    """What the bound of several hidden layers is about, in words."""
    problem = whole.problem
    words = (
        f", on the inputs and the {problem.sample.n_activations} activations of the hidden layers "
        "before; the bound is about the last hidden layer given these, not about all of them"
    )
    return replace(whole, problem=replace(problem, scope=problem.scope + words))


def _with_snapped(problem: Problem, state: State, rule: StoppingRule) -> State:
    """More columns: hyperplanes through the samples nearest to those at hand."""
    more = snapped(state.neurons, problem.sample.points, problem.neuron_class.norm)
    coef = np.concatenate([state.coef, np.zeros((len(more), state.coef.shape[1]))])
    return resume(problem, state.alpha, state.neurons.join(more), rule, coef, state.intercept)


def _publish(
    estimator: WedgeReLURegressor | WedgeReLUClassifier, blocks: Sequence[SolvedBlock]
) -> None:
    """Fitted attributes, and warnings if the tolerance was not met or no neuron is left."""
    network, sample, solution = deep_network_of(blocks), blocks[0].sample, blocks[-1].solution
    estimator.alpha_ = solution.alpha
    estimator._publish_marginals(sample)
    estimator._publish(network, sample, solution)
    estimator._publish_importances(network, sample)
    estimator._warn_unless_converged([solution], estimator.tol, stacklevel=4)
    estimator._warn_if_constant(solution, stacklevel=4)
