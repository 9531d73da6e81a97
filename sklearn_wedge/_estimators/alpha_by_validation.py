"""``alpha="auto"``: the penalty chosen on rows held out, and a start for the fit on all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils._param_validation import StrOptions

from sklearn_wedge._core.blocks import SolvedBlock
from sklearn_wedge._core.column_generation import largest_value_of_constant
from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.network import deep_network_of
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.rows import Chunk, LocalChunks, Rows, Sample
from sklearn_wedge._estimators.callbacks import FitTask, fit_task
from sklearn_wedge._estimators.fold_paths import (
    Combination,
    FoldPath,
    Patience,
    Score,
    candidates_of,
    descending,
    mean_scores,
    paths_in_step,
    penalty_for,
    tied_with_best,
)
from sklearn_wedge._estimators.folds import Fold, Task, chance_in_words, judged
from sklearn_wedge._estimators.found import Earlier, Found
from sklearn_wedge._estimators.parts import DistinctRows, dealt, labels_of, rows_to_choose_on
from sklearn_wedge._estimators.workers import Workers
from sklearn_wedge._settings.objectives import targets_of
from sklearn_wedge._settings.options import FitOptions, NumberIn
from sklearn_wedge._text.names import column_names, names_of_several
from sklearn_wedge._training.chunked import rows_at_once
from sklearn_wedge._training.dask import DaskChunks
from sklearn_wedge._training.tables import chunks_to_fit

AUTO = "auto"
# What ``alpha`` may be.
ALPHA = [StrOptions({AUTO}), NumberIn(Real, 0, None, closed="neither")]
# The penalty where nothing can be validated.
FALLBACK = 0.01
# Distinct rows below which nothing is validated: scores of so few are chance.
LEAST_ROWS = 10
# Parts of the rows. Up to so many distinct rows each of them is held out in turn, then only one.
PARTS = 5
MOST_ROWS_OF_FOLDS = 1200
# Each penalty is this fraction of the one before, down to so much of the first.
FACTOR = 0.4
LEAST_OF_FIRST = 1e-5
# When a path ends. Small penalties take most of the time, so they go one by one: on parts of 15
# tables no next penalty was better after a loss as clear as this, which saves a fifth of the path.
PATIENCE = Patience(2, least_gain=3e-3, hopeless=0.02, crowded=1.0)
# What the fits of the parts are solved to, at the least.
TOLERANCE = 1e-3
# And to this part of their own objective, where several parts are held out and where one is. Rough
# networks at small penalties have few neurons and look better than they are, while the fit on all
# rows has many: of 6,000 rows of California it errs by 1 % less, in a third of the time.
ROUGHLY = 0.1
ROUGHLY_OF_ONE = 0.03
# The fit on all rows is solved to so many times ``tol``, and certified by default up to so many
# pencils × points: of a penalty that scores have chosen, a proof takes most of the time (of phoneme
# 80 s of 100), and networks closer to the optimum have the same scores.
LOOSER_BY = 10.0
CERTIFIED_UP_TO = 2e7


@dataclass(frozen=True)
class Choice:
    """A penalty, and how it was chosen.

    Attributes
    ----------
    alpha : float
        For a fit on all rows.
    alphas, scores : ndarrays of shape (k,)
        The penalties tried, descending, and their mean scores; empty if nothing was validated.
    how : str
        In words.
    found : Found or None
        The network of that penalty on some of the rows.
    """

    alpha: float
    alphas: NDArray[np.float64]
    scores: NDArray[np.float64]
    how: str
    found: Found | None


@dataclass(frozen=True)
class ByLoss:
    """Scores by the loss that is minimised, in units of one sample for all folds; see ``Scoring``.

    Minus the mean loss, weighted: larger is better.
    """

    loss: Loss
    units: Sample

    def on(self, task: Task, fold: Fold, sample: Sample) -> Score:
        """See ``Scoring``."""
        X, weight = task.X[fold.test], task.fit_weight[fold.test]
        target = self.units.target_scaling.transform(task.target[fold.test])
        weight, output = weight / weight.sum(), self.units.output_scaling
        loss = self.loss.rescaled(self.units.target_scaling.scale)

        def score(blocks: Sequence[SolvedBlock]) -> tuple[float, float]:
            prediction = (deep_network_of(blocks).predict(X) - output.mean) / output.scale
            with np.errstate(over="ignore", invalid="ignore"):
                value = loss.value(prediction, target, weight)
            return -value, value

        return score


def nothing_validated(why: str) -> Choice:
    """The choice where none is possible."""
    none = np.empty(0)
    return Choice(FALLBACK, none, none, f"nothing to validate on: {why}", None)


def chosen_alpha(
    rows: Rows, loss: Loss, options: FitOptions, by_class: bool, told: FitTask
) -> Choice:
    """The penalty of the best mean score on rows held out, for a fit on all rows.

    Parameters
    ----------
    rows : Rows
        Inputs, targets as the loss sees them, and weights, in original units.
    loss : Loss
        In original units.
    options : FitOptions
        Of the fit that the penalty is for.
    by_class : bool
        Whether targets are of classes.
    told : FitTask
        What is told of the folds.
    """
    distinct = rows_to_choose_on(rows, by_class)
    if len(distinct.weight) < LEAST_ROWS:
        return nothing_validated(f"fewer than {LEAST_ROWS} distinct rows")
    task = _task(distinct, loss, by_class)
    folds, wrong = judged(task, _folds(distinct, by_class), None)
    folds = [fold for fold in folds if not wrong[fold.place]]
    if not folds:
        return nothing_validated("no part of the rows can be held out")
    combination, units = _tried(task, options, len(folds))
    if combination is None:
        return nothing_validated("the network is constant at every alpha")
    (paths,) = paths_in_step(
        task,
        [combination],
        folds,
        [ByLoss(loss, units)],
        Workers.of(options, loss),
        told.elsewhere(told.estimator),
        f"alpha={AUTO!r}",
    )
    return _best(task, combination, folds, paths, distinct.n_of_table)


def _task(rows: DistinctRows, loss: Loss, by_class: bool) -> Task:
    labels = labels_of(rows.target)
    classes = np.unique(labels) if by_class else None
    return Task(rows.X, labels, rows.target, rows.weight, loss, classes)


def _folds(rows: DistinctRows, by_class: bool) -> list[Fold]:
    part = dealt(rows, PARTS, by_class)
    n_folds = PARTS if len(part) <= MOST_ROWS_OF_FOLDS else 1
    return [
        Fold(np.flatnonzero(part != k), np.flatnonzero(part == k), k, n_folds)
        for k in range(n_folds)
    ]


def _tried(task: Task, options: FitOptions, n_folds: int) -> tuple[Combination | None, Sample]:
    """What is tried, if a penalty makes a difference, and the sample whose units scores are in."""
    how = {"tol": max(TOLERANCE, options.tol), "rough": True, "roughly": ROUGHLY_OF_ONE}
    if n_folds > 1:  # that share the threads
        how |= {"roughly": ROUGHLY, "n_jobs": None}
    loose = replace(options, pricing="search", verbose=0, proves=False, **how)
    problem, sample = task.problem(slice(None), loose)
    first = largest_value_of_constant(problem, problem.efforts(proves=False)[0])
    if not first > 0:
        return None, sample
    alphas = descending(first, FACTOR, LEAST_OF_FIRST)
    return Combination(candidates_of(options), loose, alphas, PATIENCE, options.verbose), sample


def _best(
    task: Task,
    combination: Combination,
    folds: Sequence[Fold],
    paths: Sequence[FoldPath],
    n_rows: int,
) -> Choice:
    """The choice for a fit on so many distinct rows."""
    scores = mean_scores(paths)
    if np.isnan(scores).all():
        return nothing_validated("no alpha has a score on every part")
    at = int(tied_with_best(scores)[0])
    found = Earlier(paths[0].solutions[at], folds[0].train, combination.options).found(task)
    alphas = combination.alphas[: len(scores)]
    alpha = float(alphas[0])  # the network is constant, on all rows too
    if at > 0:
        n_fitted = max(len(fold.train) for fold in folds)
        alpha = penalty_for(alphas, scores, n_fitted, n_rows)
    where = f"{len(folds)} folds" if len(folds) > 1 else "a fifth"
    tried = f"by scores of {len(scores)} on {where} of {len(task.labels)} distinct rows"
    how = tried + chance_in_words(task, folds)
    return Choice(alpha, alphas, scores, how, found)


def seen_by_loss(chunk: Chunk, loss: Loss) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Targets of a chunk as the loss sees them, and its weights."""
    return targets_of(loss, chunk.target), chunk.weight


def is_auto(alpha: Any) -> bool:
    """Whether a penalty is to be chosen."""
    return isinstance(alpha, str)


class AlphaByValidation:
    """What estimators share whose ``alpha`` may be ``"auto"``."""

    def _options(self, n_outputs: int, **instead: Any) -> FitOptions:
        options = super()._options(n_outputs, **instead)
        if not is_auto(self.alpha):
            return options
        tol = LOOSER_BY * options.tol
        return replace(options, tol=tol, certified_up_to=CERTIFIED_UP_TO)

    def _fit_arrays(
        self,
        X: NDArray,
        target: NDArray[np.float64],
        fit_weight: NDArray[np.float64],
        loss: Loss,
        data: tuple,
    ) -> None:
        """Fit on validated data: ``target``, (n, q), and ``fit_weight`` are what the loss sees.

        ``data`` are ``X``, ``y`` and ``sample_weight`` as callbacks are told them.
        """
        inputs = self._inputs_to_fit(X, target, fit_weight, loss)
        rows = LocalChunks(inputs, target, fit_weight, rows_at_once(inputs.shape[1]))
        self._fit_rows(rows, partial(self._problem, inputs, target, fit_weight, loss), loss, data)

    def _fit_chunks(self, chunks: DaskChunks, n_outputs: int, loss: Loss) -> None:
        """Fit on validated chunks of a dask array."""
        several = names_of_several(self, n_outputs // loss.outputs_of_target)
        given = self._levels, column_names(self), self._constraints, several
        self.table_, chunks = chunks_to_fit(chunks, *given)
        if loss.outputs_of_target > 1:
            chunks = chunks.with_targets(seen_by_loss, loss)
        self._fit_rows(chunks, partial(self._chunked_problem, chunks, n_outputs, loss), loss)

    def _fit_rows(
        self,
        rows: Rows,
        made: Callable[[], tuple[Problem, Sample, FitOptions]],
        loss: Loss,
        data: tuple = (),
    ) -> None:
        """Fit the problem that is made of rows, at the penalty given or chosen on some of them."""
        self._forget_choice()
        if not is_auto(self.alpha):
            self.alpha_ = float(self.alpha)
            with fit_task(self, None, *data) as task:
                self._fit_problem(self.alpha_, *made(), task)
            return
        with fit_task(self, 2, *data) as task:
            problem, sample, options = made()  # what is out of reach is refused before any fit
            with task.subtask("validation", None, sequential_subtasks=False) as told:
                choice = chosen_alpha(rows, loss, options, is_classifier(self), told)
            self._publish_choice(choice)
            with task.subtask("refit", None) as refit:
                after = choice.found.carried_to(problem) if choice.found else None
                self._fit_problem(choice.alpha, problem, sample, options, refit, after)

    def _publish_choice(self, choice: Choice) -> None:
        """Fitted attributes that say what was chosen, and how."""
        self.alpha_, self._how_chosen = choice.alpha, choice.how
        if len(choice.alphas):
            self.alphas_, self.validation_scores_ = choice.alphas, choice.scores

    def _forget_choice(self) -> None:
        """Of a fit before."""
        for name in ("_how_chosen", "alphas_", "validation_scores_"):
            vars(self).pop(name, None)

    def _instead_of_constant(self, alpha_max: float) -> str:
        if not is_auto(self.alpha):
            return super()._instead_of_constant(alpha_max)
        return (
            "Of the penalties tried none has a better score on rows held out: as far as these "
            "tell, the target does not depend on the inputs."
        )
