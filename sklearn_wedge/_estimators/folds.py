"""The folds of a cross-validation: rows with weight, and what is said of folds without."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import check_cv

from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem

# Of fewer distinct rows scored, chance decides much: on 100 an accuracy of 0.8 has a standard error
# of 0.04.
FEW_SCORED = 100
# On folds of yacht, concrete and breast cancer a tolerance of 1e-3 chooses what 1e-4 chooses, in
# 0.7 of the time; on yacht 1e-2 chooses another penalty, and the error is a third larger.
FOLDS_LOOSER_BY = 10.0


@dataclass(frozen=True)
class Task:
    """Validated training data: what is fitted, and what is scored.

    ``X`` are the inputs of networks, ``given`` the table that they come from, as splitters see it,
    and scorers unless categories are target means.
    ``labels`` is ``y`` as given, ``target``, (n, q), what the loss sees, ``fit_weight`` the sample
    weight times that of the classes; ``classes`` are those fitted, None for a regression.
    """

    X: NDArray
    labels: NDArray
    target: NDArray[np.float64]
    fit_weight: NDArray[np.float64]
    loss: Loss
    classes: NDArray | None = None
    given: NDArray | None = None

    def problem(self, rows: NDArray | slice, options: FitOptions) -> tuple[Problem, Sample]:
        """The training problem on some of the rows."""
        # All rows of a mapped file stay where they are.
        X = self.X if isinstance(rows, slice) and rows == slice(None) else self.X[rows]
        data = X, self.target[rows], self.fit_weight[rows]
        return build_problem(*data, options, self.loss)


@dataclass(frozen=True)
class Fold:
    """Rows to fit and rows to score, and its place among all folds, from 0."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]
    place: int
    n_folds: int

    def __str__(self) -> str:
        return f"fold {self.place + 1} of {self.n_folds}"


def chance_in_words(task: Task, folds: Sequence[Fold]) -> str:
    """What chance has to do with a choice by these folds, if they score few distinct rows."""
    n_scored = _n_distinct(task, np.unique(np.concatenate([fold.test for fold in folds])))
    if n_scored >= FEW_SCORED:
        return ""
    return f"; with {n_scored} distinct rows scored in all, other folds may well choose otherwise"


def _n_distinct(task: Task, rows: NDArray[np.intp]) -> int:
    """How many of these rows differ, counted as far as ``FEW_SCORED``.

    Copies are one row, as a weight instead of them is. A mapped file is read by several rows.
    """
    seen: set[bytes] = set()
    for start in range(0, len(rows), FEW_SCORED):
        some = rows[start : start + FEW_SCORED]
        values = np.column_stack([task.X[some], task.target[some]]) + 0.0  # zeros have no sign
        seen.update(row.tobytes() for row in values)
        if len(seen) >= FEW_SCORED:
            break
    return len(seen)


def folds_of(task: Task, cv: Any, params: dict[str, Any]) -> list[Fold]:
    """The folds of a ``cv`` parameter.

    A number of folds is one of folds of the rows with weight: the others are as good as absent. A
    splitter of the user's own sees all rows, which its groups or indices are about.
    """
    is_classification = task.classes is not None
    if cv is None or isinstance(cv, Integral):
        rows = np.flatnonzero(task.fit_weight > 0)
        splitter = check_cv(cv, task.labels[rows], classifier=is_classification)
        parts = splitter.split(np.empty(len(rows)), task.labels[rows])
        parts = [(rows[train], rows[test]) for train, test in parts]
    else:
        splitter = check_cv(cv, task.labels, classifier=is_classification)
        rows = np.arange(len(task.labels))  # a part may be a list, or a mask
        given = task.X if task.given is None else task.given
        parts = splitter.split(given, task.labels, **params)
        parts = [(rows[train], rows[test]) for train, test in parts]
    return [Fold(*part, place, len(parts)) for place, part in enumerate(parts)]


def usable(task: Task, folds: list[Fold], score_weight: NDArray | None) -> list[Fold]:
    """The folds that can be fitted and scored, without test rows that do not count.

    Those are rows whose score has weight 0, and rows of classes that are not fitted.

    Parameters
    ----------
    task : Task
    folds : list of Fold
    score_weight : ndarray of shape (n,) or None
        Weights of the rows in the score; None: it has none.

    Raises
    ------
    ValueError
        If there is no such fold.

    Warns
    -----
    UserWarning
        If some are left out: which, and why.
    """
    folds, reasons = judged(task, folds, score_weight)
    left_out = [f"{fold}: {why}" for fold in folds if (why := reasons[fold.place])]
    if left_out:
        words = (
            f"{'; '.join(left_out)}. Use fewer folds, or a splitter that suits the rows with "
            "weight, such as StratifiedKFold for classes."
        )
        if len(left_out) == len(folds):
            raise ValueError(f"No fold can be used. {words}")
        warnings.warn(
            f"{len(left_out)} of {len(folds)} folds left out of the choice. {words}", stacklevel=7
        )
    return [fold for fold in folds if not reasons[fold.place]]


def judged(
    task: Task, folds: list[Fold], score_weight: NDArray | None
) -> tuple[list[Fold], dict[int, str | None]]:
    """Folds without test rows that do not count, and what is wrong with each, by its place."""
    counts = np.ones(len(task.labels), bool) if score_weight is None else score_weight > 0
    if task.classes is not None:
        counts = counts & np.isin(task.labels, task.classes)
    folds = [replace(fold, test=fold.test[counts[fold.test]]) for fold in folds]
    return folds, {fold.place: _why_unusable(task, fold) for fold in folds}


def _why_unusable(task: Task, fold: Fold) -> str | None:
    """What is wrong with a fold, if anything."""
    if len(fold.test) == 0:
        return "its test part has no row with weight"
    fitted = fold.train[task.fit_weight[fold.train] > 0]
    if len(fitted) == 0:
        return "its training part has no row with weight"
    if task.classes is not None:
        missing = np.setdiff1d(task.classes, task.labels[fitted])
        if len(missing):
            return f"its training part has no row with weight of {missing.tolist()}"
    wrong = task.loss.impossible(task.target[fitted])
    return None if wrong is None else f"its training part cannot be fitted ({wrong.rstrip('.')})"


def fold_tolerance(tol: float) -> float:
    """The tolerance of a fold: a score needs a good network, not a proof."""
    return FOLDS_LOOSER_BY * tol
