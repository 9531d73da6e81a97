"""Penalty and class of neurons chosen by cross-validation.

One warm path per fold and combination of order and norm, scored at every alpha.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from itertools import product
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed

from sklearn_wedge._callbacks import FitTask
from sklearn_wedge._column_generation import Problem
from sklearn_wedge._constraints import CONSTRAINT_PARAMETERS
from sklearn_wedge._estimators import _WedgeNetwork
from sklearn_wedge._losses import Loss
from sklearn_wedge._network import network_of
from sklearn_wedge._neurons import NeuronClass
from sklearn_wedge._options import OPTION_CONSTRAINTS, FitOptions
from sklearn_wedge._samples import TrainingSample
from sklearn_wedge.path import build_problem, descending_alphas, largest_alpha, solve_alphas

CV_CONSTRAINTS: dict[str, list[Any]] = {
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "eps": [Interval(Real, 0, 1, closed="neither")],
    "cv": ["cv_object"],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    **CONSTRAINT_PARAMETERS,
    **OPTION_CONSTRAINTS,
    # Several candidates, which are validated one by one.
    **{name: [*OPTION_CONSTRAINTS[name], list, tuple] for name in ("interaction_order", "norm")},
}


@dataclass(frozen=True)
class Task:
    """Validated training data: what is fitted, and what is scored.

    ``labels`` is ``y`` as given, ``target``, (n, q), what the loss sees, ``fit_weight`` the sample
    weight times that of the classes; ``classes`` is None for a regression.
    """

    X: NDArray
    labels: NDArray
    target: NDArray[np.float64]
    fit_weight: NDArray[np.float64]
    loss: Loss
    classes: NDArray | None = None

    def problem(self, rows: NDArray | slice, options: FitOptions) -> tuple[Problem, TrainingSample]:
        """The training problem on some of the rows."""
        data = self.X[rows], self.target[rows], self.fit_weight[rows]
        return build_problem(*data, options, self.loss)


@dataclass(frozen=True)
class Combination:
    """An order and a norm as given, what a fit with them is told, and the penalties to try."""

    interaction_order: int | None
    norm: str
    options: FitOptions
    alphas: NDArray[np.float64]


def _score_fold(
    task: Task,
    combination: Combination,
    fold: tuple[NDArray, NDArray],
    unfitted: _WedgeNetwork,
    scorer: Callable,
    score_params: dict[str, NDArray],
) -> tuple[list[float], list[int], int]:
    """Scores and neurons of one fold at every alpha, and how many fits did not converge."""
    train, test = fold
    # A score needs a good network, not a proof.
    options = replace(combination.options, pricing="search", n_jobs=None, verbose=0)
    _refuse_unusable(task, train)
    problem, sample = task.problem(train, options)
    held_out = {name: values[test] for name, values in score_params.items()}
    scores, neurons, unconverged = [], [], 0
    for solution in solve_alphas(problem, combination.alphas, options):
        model = copy(unfitted).set_params(alpha=solution.alpha)
        model._publish(network_of(solution, sample), sample, solution)
        scores.append(float(scorer(model, task.X[test], task.labels[test], **held_out)))
        neurons.append(model.n_neurons_)
        unconverged += not solution.converged
    return scores, neurons, unconverged


def _refuse_unusable(task: Task, train: NDArray) -> None:
    """A fold without weight, or without one of the classes: the log loss has no minimiser."""
    present = np.unique(task.labels[train][task.fit_weight[train] > 0])
    if len(present) == 0:
        raise ValueError(
            "The training part of a fold has no sample with a positive weight. Use fewer folds, or "
            "leave out rows of weight zero."
        )
    if task.classes is not None and len(present) < len(task.classes):
        raise ValueError(
            f"The training part of a fold has samples of {present.tolist()} only, of the classes "
            f"{task.classes.tolist()}. Use fewer folds, or a splitter that keeps every class, such "
            "as StratifiedKFold."
        )
    wrong = task.loss.impossible(task.target[train][task.fit_weight[train] > 0])
    if wrong is not None:
        raise ValueError(f"In the training part of a fold: {wrong} Use fewer or other folds.")


def _several(name: str, given: Any, caller: str) -> list:
    """The candidates for a parameter: one, or those of a list or tuple.

    Raises
    ------
    ValueError
        If there are none, or one is not valid.
    """
    if not isinstance(given, list | tuple):
        return [given]
    if not given:
        raise ValueError(f"{name} is empty: give one candidate for {caller}, or a list of several.")
    for candidate in given:
        validate_parameter_constraints(
            {name: OPTION_CONSTRAINTS[name]}, {name: candidate}, caller_name=caller
        )
    return list(given)


def _canonical(neurons: NeuronClass) -> NeuronClass:
    """The same class of neurons by one name: a weight of one input is ±1 in either norm."""
    return replace(neurons, norm="l1") if neurons.order == 1 else neurons


class AlphaByCV:
    """Choice of ``alpha``, order and norm by cross-validation, for any of the networks."""

    def _default_scoring(self) -> Any:
        """Scorer, or name of one, that goes by the loss that is minimised."""
        raise NotImplementedError

    def _unfitted(self) -> _WedgeNetwork:
        """A network of the same kind at one alpha, to be scored."""
        raise NotImplementedError

    def _shared_parameters(self) -> dict[str, Any]:
        """Those that the network at one alpha has too, whatever the target."""
        names = [*OPTION_CONSTRAINTS, *CONSTRAINT_PARAMETERS]
        return {name: getattr(self, name) for name in names}

    def _options(self, n_outputs: int, **instead: Any) -> FitOptions:
        """With the combination that was chosen, unless others are given."""
        chosen = instead or {"interaction_order": self.interaction_order_, "norm": self.norm_}
        return super()._options(n_outputs, **chosen)

    def _choose(self, task: Task, routed: Bunch, fit: FitTask) -> None:
        """Set ``combinations_``, ``alphas_`` and their paths, and what is best of them."""
        caller = type(self).__name__
        orders = _several("interaction_order", self.interaction_order, caller)
        norms = _several("norm", self.norm, caller)
        combinations = self._combinations(task, list(product(orders, norms)))
        splitter = check_cv(self.cv, task.labels, classifier=is_classifier(self))
        folds = list(splitter.split(task.X, task.labels, **routed.splitter.split))
        n_fits = len(combinations) * len(folds)
        with fit.subtask("cross-validation", n_fits, sequential_subtasks=False) as validation:
            scores, neurons = self._scores(
                task, combinations, folds, routed.scorer.score, validation
            )
        mean_scores = scores.mean(axis=2)
        best, at = np.unravel_index(np.argmax(mean_scores), mean_scores.shape)
        alphas = np.array([combination.alphas for combination in combinations])
        self.combinations_ = [(c.interaction_order, c.norm) for c in combinations]
        self.interaction_order_, self.norm_ = self.combinations_[best]
        self.alpha_, self.best_score_ = float(alphas[best, at]), float(mean_scores[best, at])
        several = len(orders) * len(norms) > 1
        paths = alphas, scores, neurons
        self.alphas_, self.score_path_, self.n_neurons_path_ = (
            paths if several else (path[0] for path in paths)
        )

    def _combinations(self, task: Task, pairs: list[tuple]) -> list[Combination]:
        """Those of the orders and norms that differ on these data: one per class of neurons."""
        found: dict[NeuronClass, tuple] = {}
        for order, norm in pairs:
            options = self._options(task.target.shape[1], interaction_order=order, norm=norm)
            neurons = _canonical(options.neuron_class(task.X.shape[1], wedge=False))
            found.setdefault(neurons, (order, norm, options))
        return [
            Combination(order, norm, options, self._alpha_grid(task, options))
            for order, norm, options in found.values()
        ]

    def _routed(self, sample_weight: ArrayLike | None, params: dict[str, Any]) -> Bunch:
        if _routing_enabled():
            if sample_weight is not None:
                params = {**params, "sample_weight": sample_weight}
            return process_routing(self, "fit", **params)
        if params:
            raise ValueError(
                f"fit got {sorted(params)}, which needs metadata routing: call "
                "sklearn.set_config(enable_metadata_routing=True) and request it."
            )
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=weights))

    def _alpha_grid(self, task: Task, options: FitOptions) -> NDArray[np.float64]:
        if not isinstance(self.alphas, Integral):
            if options.pricing == "exact":  # what is out of reach is refused before any fit
                task.problem(slice(None), options)
            return descending_alphas(self.alphas)
        largest = largest_alpha(task.problem(slice(None), options)[0])
        # A constant target has no scale; any penalty gives the constant model.
        largest = largest if largest > 0 else 1.0
        return np.geomspace(largest, self.eps * largest, int(self.alphas))

    def _scorer(self) -> Callable:
        """What scores the folds; by default with the weights of the fit."""
        if self.scoring is not None:
            return check_scoring(self, scoring=self.scoring)
        scorer = check_scoring(self, scoring=self._default_scoring())
        # Nobody else could request weights for a scorer that nobody has named.
        return scorer.set_score_request(sample_weight=True) if _routing_enabled() else scorer

    def _scores(
        self,
        task: Task,
        combinations: list[Combination],
        folds: list[tuple[NDArray, NDArray]],
        score_params: dict[str, Any],
        validation: FitTask,
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Scores and numbers of neurons, of shape (n_combinations, n_alphas, n_folds)."""
        scorer = self._scorer()
        score_params = {name: np.asarray(values) for name, values in score_params.items()}
        # Callbacks are told by the workers. A splitter may be a generator, which does not travel.
        validation = validation.elsewhere(copy(self).set_params(cv=None))
        fits = [
            (validation.subtask("fold", task_id=k), *pair)
            for k, pair in enumerate(product(combinations, folds))
        ]
        results = Parallel(n_jobs=self.n_jobs)(
            delayed(told.run)(
                _score_fold, task, each, fold, self._unfitted_as(each), scorer, score_params
            )
            for told, each, fold in fits
        )
        scores, neurons, counts = (list(part) for part in zip(*results, strict=True))
        scores, unconverged = np.array(scores), sum(counts)
        if unconverged:
            warnings.warn(
                f"{unconverged} of {scores.size} fold fits ended above the tolerance "
                f"(tol={self.tol:g}) after max_iter={self.max_iter} rounds; their scores are those "
                "of the networks reached. Increase max_iter or tol, or use larger alphas.",
                ConvergenceWarning,
                stacklevel=5,
            )
        shape = len(combinations), len(folds), -1
        paths = (np.reshape(path, shape).swapaxes(1, 2) for path in (scores, neurons))
        return tuple(paths)

    def _unfitted_as(self, combination: Combination) -> _WedgeNetwork:
        order, norm = combination.interaction_order, combination.norm
        return self._unfitted().set_params(interaction_order=order, norm=norm)

    def get_metadata_routing(self) -> MetadataRouter:
        """Metadata routing: the splitter and the scorer may request parameters of ``fit``.

        Returns
        -------
        MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        scorer = self._scorer()
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                splitter=check_cv(self.cv, classifier=is_classifier(self)),
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
            .add(
                scorer=scorer,
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
        )
