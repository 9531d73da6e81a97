"""The penalty chosen by cross-validation: one warm path per fold, scored at every alpha."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed

from sklearn_wedge._column_generation import Problem
from sklearn_wedge._constraints import CONSTRAINT_PARAMETERS
from sklearn_wedge._estimators import _WedgeNetwork
from sklearn_wedge._losses import Loss
from sklearn_wedge._network import network_of
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
    options: FitOptions
    classes: NDArray | None = None

    def problem(self, rows: NDArray | slice, options: FitOptions) -> tuple[Problem, TrainingSample]:
        """The training problem on some of the rows."""
        data = self.X[rows], self.target[rows], self.fit_weight[rows]
        return build_problem(*data, options, self.loss)


def _score_fold(
    task: Task,
    fold: tuple[NDArray, NDArray],
    alphas: NDArray,
    unfitted: _WedgeNetwork,
    scorer: Callable,
    score_params: dict[str, NDArray],
) -> tuple[list[float], int]:
    """Scores of one fold at every alpha, and how many fits did not converge."""
    train, test = fold
    # A score needs a good network, not a proof.
    options = replace(task.options, pricing="search", n_jobs=None, verbose=0)
    _refuse_unusable(task, train)
    problem, sample = task.problem(train, options)
    held_out = {name: values[test] for name, values in score_params.items()}
    scores, unconverged = [], 0
    for solution in solve_alphas(problem, alphas, options):
        model = copy(unfitted).set_params(alpha=solution.alpha)
        model._publish(network_of(solution, sample), sample, solution)
        scores.append(float(scorer(model, task.X[test], task.labels[test], **held_out)))
        unconverged += not solution.converged
    return scores, unconverged


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


class AlphaByCV:
    """Choice of ``alpha`` by cross-validation, for any of the networks."""

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

    def _choose_alpha(self, task: Task, routed: Bunch) -> None:
        """Set ``alphas_``, ``score_path_``, ``alpha_`` and ``best_score_``."""
        self.alphas_ = self._alpha_grid(task)
        splitter = check_cv(self.cv, task.labels, classifier=is_classifier(self))
        folds = list(splitter.split(task.X, task.labels, **routed.splitter.split))
        self.score_path_ = self._scores(task, folds, routed.scorer.score)
        mean_scores = self.score_path_.mean(axis=1)
        best = int(np.argmax(mean_scores))
        self.alpha_, self.best_score_ = float(self.alphas_[best]), float(mean_scores[best])

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

    def _alpha_grid(self, task: Task) -> NDArray[np.float64]:
        if not isinstance(self.alphas, Integral):
            return descending_alphas(self.alphas)
        largest = largest_alpha(task.problem(slice(None), task.options)[0])
        # A constant target has no scale; any penalty gives the constant model.
        largest = largest if largest > 0 else 1.0
        return np.geomspace(largest, self.eps * largest, int(self.alphas))

    def _scores(
        self, task: Task, folds: list[tuple[NDArray, NDArray]], score_params: dict[str, Any]
    ) -> NDArray[np.float64]:
        scorer = check_scoring(self, scoring=self.scoring or self._default_scoring())
        score_params = {name: np.asarray(values) for name, values in score_params.items()}
        results = Parallel(n_jobs=self.n_jobs)(
            delayed(_score_fold)(task, fold, self.alphas_, self._unfitted(), scorer, score_params)
            for fold in folds
        )
        unconverged = sum(count for _, count in results)
        if unconverged:
            warnings.warn(
                f"{unconverged} of {len(folds) * len(self.alphas_)} fold fits ended above the "
                f"tolerance (tol={self.tol:g}) after max_iter={self.max_iter} rounds; their scores "
                "are those of the networks reached. Increase max_iter or tol, or use larger "
                "alphas.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return np.array([scores for scores, _ in results]).T

    def get_metadata_routing(self) -> MetadataRouter:
        """Metadata routing: the splitter and the scorer may request parameters of ``fit``.

        Returns
        -------
        MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        scorer = check_scoring(self, scoring=self.scoring or self._default_scoring())
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
