"""Penalty, class of neurons and depth chosen by cross-validation.

One warm path per fold and combination of order, norm and number of blocks, scored at every alpha.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
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
from sklearn_wedge._constraints import CONSTRAINT_PARAMETERS
from sklearn_wedge._estimators import _WedgeNetwork
from sklearn_wedge._losses import Loss
from sklearn_wedge._network import deep_network_of
from sklearn_wedge._neurons import NeuronClass
from sklearn_wedge._options import OPTION_CONSTRAINTS, FitOptions
from sklearn_wedge._problem import Problem
from sklearn_wedge._samples import TrainingSample
from sklearn_wedge._threads import single_threaded_blas
from sklearn_wedge.path import build_problem, descending_alphas, largest_alpha, solve_blocks

# Parameters that may be several candidates, in the order of the combinations of these.
CANDIDATES = ("interaction_order", "norm", "n_blocks")

CV_CONSTRAINTS: dict[str, list[Any]] = {
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "eps": [Interval(Real, 0, 1, closed="neither")],
    "patience": [Interval(Integral, 1, None, closed="left"), None],
    "cv": ["cv_object"],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    **CONSTRAINT_PARAMETERS,
    **OPTION_CONSTRAINTS,
    # Several candidates, which are validated one by one.
    **{name: [*OPTION_CONSTRAINTS[name], list, tuple] for name in CANDIDATES},
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
    """Candidates as given, what a fit with them is told, and the penalties to try.

    ``patience`` is how many penalties in a row are tried without a better score, None for all.
    """

    candidates: tuple
    options: FitOptions
    alphas: NDArray[np.float64]
    patience: int | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The candidates by name."""
        return dict(zip(CANDIDATES, self.candidates, strict=True))

    def has_ended(self, scores: list[float]) -> bool:
        """Whether the best of these scores is too long ago for more penalties to be tried."""
        return self.patience is not None and len(scores) - _best(scores) > self.patience

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())


def _best(scores: list[float]) -> int:
    """Where the best score is; NaN is none."""
    return int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))


@single_threaded_blas()  # a worker knows of no limit
def _score_fold(
    task: Task,
    combination: Combination,
    fold: tuple[NDArray, NDArray],
    unfitted: _WedgeNetwork,
    scorer: Callable,
    score_params: dict[str, NDArray],
) -> tuple[list[float], list[int], int]:
    """Scores and neurons of one fold at the alphas tried, and how many fits did not converge."""
    train, test = fold
    # A score needs a good network, not a proof.
    options = replace(combination.options, pricing="search", n_jobs=None, verbose=0, proves=False)
    _refuse_unusable(task, train)
    problem, sample = task.problem(train, options)
    held_out = {name: values[test] for name, values in score_params.items()}
    scores, neurons, unconverged = [], [], 0
    unfitted._publish_marginals(sample)
    for blocks in solve_blocks(problem, sample, combination.alphas, options):
        solution = blocks[-1].solution
        model = copy(unfitted).set_params(alpha=solution.alpha)
        model._publish(deep_network_of(blocks), sample, solution)
        scores.append(float(scorer(model, task.X[test], task.labels[test], **held_out)))
        neurons.append(model.n_neurons_)
        unconverged += not solution.converged
        if combination.has_ended(scores):
            break
    if combination.options.verbose:
        best = _best(scores)
        print(
            f"fold of {len(test)} rows, {combination}: best of {len(scores)} penalties is "
            f"{combination.alphas[best]:.4g}, score {scores[best]:.6g}, {neurons[best]} neurons"
        )
    return scores, neurons, unconverged


def _padded(paths: Sequence[Sequence], length: int, rest: float) -> NDArray:
    """Paths of different lengths as rows of an array."""
    return np.array([[*path, *[rest] * (length - len(path))] for path in paths])


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


def _canonical(options: FitOptions, n_inputs: int) -> tuple[NeuronClass, int | None, str, int]:
    """What tells networks apart on data of so many columns.

    A weight of one input is ±1 in either norm. Further blocks have more inputs than columns: there
    an order beyond the number of these is one of its own.
    """
    neurons = options.neuron_class(n_inputs, wedge=False)
    order = neurons.order if options.n_blocks == 1 else options.interaction_order
    norm = "l1" if order == 1 else options.norm
    return replace(neurons, norm="l1"), order, norm, options.n_blocks


class AlphaByCV:
    """Choice of ``alpha``, order, norm and depth by cross-validation, for any of the networks."""

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
        return super()._options(n_outputs, **(instead or self._chosen()))

    def _chosen(self) -> dict[str, Any]:
        """The combination that was chosen, by name."""
        chosen = self.interaction_order_, self.norm_, self.n_blocks_chosen_
        return dict(zip(CANDIDATES, chosen, strict=True))

    def _choose(self, task: Task, routed: Bunch, fit: FitTask) -> None:
        """Set ``combinations_``, ``alphas_`` and their paths, and what is best of them."""
        caller = type(self).__name__
        given = list(product(*(_several(n, getattr(self, n), caller) for n in CANDIDATES)))
        combinations = self._combinations(task, given)
        splitter = check_cv(self.cv, task.labels, classifier=is_classifier(self))
        folds = list(splitter.split(task.X, task.labels, **routed.splitter.split))
        n_fits = len(combinations) * len(folds)
        with fit.subtask("cross-validation", n_fits, sequential_subtasks=False) as validation:
            scores, neurons = self._scores(
                task, combinations, folds, routed.scorer.score, validation
            )
        mean_scores = scores.mean(axis=2)
        if np.isnan(mean_scores).all():
            raise ValueError(
                f"No alpha has a score on every fold: scoring={self.scoring!r} gave NaN. Check it "
                "on parts of the data as small as a fold, or use fewer folds."
            )
        best, at = np.unravel_index(np.nanargmax(mean_scores), mean_scores.shape)
        alphas = np.array([combination.alphas for combination in combinations])
        self.combinations_ = [combination.candidates for combination in combinations]
        self.interaction_order_, self.norm_, self.n_blocks_chosen_ = self.combinations_[best]
        self.alpha_, self.best_score_ = float(alphas[best, at]), float(mean_scores[best, at])
        several = len(given) > 1
        paths = alphas, scores, neurons
        self.alphas_, self.score_path_, self.n_neurons_path_ = (
            paths if several else (path[0] for path in paths)
        )

    def _combinations(self, task: Task, given: list[tuple]) -> list[Combination]:
        """Those that differ on these data: one per class of networks."""
        found: dict[tuple, tuple[tuple, FitOptions]] = {}
        for candidates in given:
            instead = dict(zip(CANDIDATES, candidates, strict=True))
            options = self._options(task.target.shape[1], **instead)
            found.setdefault(_canonical(options, task.X.shape[1]), (candidates, options))
        return [
            Combination(candidates, options, self._alpha_grid(task, options), self.patience)
            for candidates, options in found.values()
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
        scores, neurons, counts = zip(*results, strict=True)
        unconverged = sum(counts)
        if unconverged:
            warnings.warn(
                f"{unconverged} of {sum(map(len, scores))} fold fits ended above the tolerance "
                f"(tol={self.tol:g}) after max_iter={self.max_iter} rounds; their scores are those "
                "of the networks reached. Increase max_iter or tol, or use larger alphas.",
                ConvergenceWarning,
                stacklevel=5,
            )
        shape = len(combinations), len(folds), -1
        n_alphas = len(combinations[0].alphas)
        paths = _padded(scores, n_alphas, np.nan), _padded(neurons, n_alphas, 0)
        return tuple(np.reshape(path, shape).swapaxes(1, 2) for path in paths)

    def _unfitted_as(self, combination: Combination) -> _WedgeNetwork:
        return self._unfitted().set_params(**combination.parameters)

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
