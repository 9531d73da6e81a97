"""Paths of penalties on the folds, in step: a penalty is scored on every fold, or on none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed

from sklearn_wedge._core.network import deep_network_of
from sklearn_wedge._core.solution import Solution
from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._estimators.base import _WedgeNetwork
from sklearn_wedge._estimators.callbacks import FitTask
from sklearn_wedge._estimators.folds import Fold, Task
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import solve_blocks

# On folds of yacht, concrete and breast cancer a tolerance of 1e-3 chooses what 1e-4 chooses, in
# 0.7 of the time; on yacht 1e-2 chooses another penalty, and the error is a third larger.
FOLDS_LOOSER_BY = 10.0
# Parameters that may be several candidates, in the order of the combinations of these.
CANDIDATES = ("interaction_order", "norm", "n_blocks")


@dataclass(frozen=True)
class Combination:
    """Candidates as given, what a fit with them is told, and the penalties to try.

    ``patience`` is how many penalties in a row are tried without a better mean score, None for all.
    """

    candidates: tuple
    options: FitOptions
    alphas: NDArray[np.float64]
    patience: int | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The candidates by name."""
        return dict(zip(CANDIDATES, self.candidates, strict=True))

    @property
    def complexity(self) -> tuple[float, float]:
        """What makes its networks hard to read, in order of importance."""
        order = self.options.interaction_order
        return self.options.n_blocks, np.inf if order is None else order

    def n_more(self, mean_scores: NDArray) -> int:
        """How many penalties after these are tried in any case; 0: the path has ended."""
        end = len(self.alphas)
        if self.patience is not None:
            best = best_of(mean_scores) if len(mean_scores) else 0
            end = min(end, best + self.patience + 1)
        return end - len(mean_scores)

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())


def best_of(scores: NDArray) -> int:
    """Where the best score is; NaN is none."""
    return int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))


@dataclass(frozen=True)
class FoldPath:
    """A path on a fold so far: scores and neurons by penalty, and where it goes on.

    ``n_unconverged`` counts fits above their tolerance.
    """

    scores: tuple[float, ...] = ()
    neurons: tuple[int, ...] = ()
    n_unconverged: int = 0
    last: Solution | None = None


@dataclass(frozen=True)
class Scoring:
    """What scores a network on the test part of a fold, and what it is given by row."""

    scorer: Callable
    params: dict[str, NDArray]

    def __call__(self, model: _WedgeNetwork, task: Task, rows: NDArray[np.intp]) -> float:
        held_out = {name: values[rows] for name, values in self.params.items()}
        return float(self.scorer(model, task.X[rows], task.labels[rows], **held_out))


def mean_scores(paths: Sequence[FoldPath]) -> NDArray[np.float64]:
    """Of the penalties so far, over the folds."""
    return np.mean([path.scores for path in paths], axis=0)


def by_penalty_and_fold(
    combinations: Sequence[Combination],
    paths: Sequence[Sequence[FoldPath]],
    folds: Sequence[Fold],
    what: str,
    rest: float,
) -> NDArray:
    """An attribute of the paths as an array, (n_combinations, n_alphas, n_folds).

    ``rest`` where there is none: after the end of a path, and on folds that were left out.
    """
    shape = len(combinations), len(combinations[0].alphas), folds[0].n_folds
    found = np.full(shape, rest)
    for i, of_combination in enumerate(paths):
        for fold, path in zip(folds, of_combination, strict=True):
            found[i, : len(path.scores), fold.place] = getattr(path, what)
    return found


def paths_in_step(
    task: Task,
    combinations: Sequence[Combination],
    folds: Sequence[Fold],
    unfitted: Callable[[Combination], _WedgeNetwork],
    scoring: Scoring,
    n_jobs: int | None,
    validation: FitTask,
) -> list[list[FoldPath]]:
    """The paths of each combination on each fold, as far as its patience goes.

    Whether a path has ended is known of all its folds at once, by their mean score. In between,
    each fold goes as far as that is sure to go: a few rounds, in which folds are independent.

    Parameters
    ----------
    task : Task
    combinations : sequence of Combination
    folds : sequence of Fold
    unfitted : callable
        The network to be scored, of a combination.
    scoring : Scoring
    n_jobs : int or None
        Folds and combinations in parallel.
    validation : FitTask
        What is told of them.

    Returns
    -------
    list of lists of FoldPath
        By combination, then fold. Those of one combination are of one length.
    """
    if combinations[0].options.verbose:
        print(
            f"cross-validation: {len(combinations)} combination{'s' * (len(combinations) > 1)}, "
            f"{len(folds)} folds, up to {len(combinations[0].alphas)} penalties each",
            flush=True,
        )
    paths = [[FoldPath()] * len(folds) for _ in combinations]
    told = [
        [_fold_task(validation, i * len(folds) + j, each) for j in range(len(folds))]
        for i, each in enumerate(combinations)
    ]
    going = {i: each.n_more(np.empty(0)) for i, each in enumerate(combinations)}
    while going:
        which = [(i, j) for i in going for j in range(len(folds))]
        results = Parallel(n_jobs=n_jobs)(
            delayed(_went_on)(
                told[i][j],
                task,
                combinations[i],
                folds[j],
                paths[i][j],
                going[i],
                unfitted(combinations[i]),
                scoring,
            )
            for i, j in which
        )
        for (i, j), path in zip(which, results, strict=True):
            paths[i][j] = path
        for i in list(going):
            going[i] = combinations[i].n_more(mean_scores(paths[i]))
            if not going[i]:
                _end(combinations[i], paths[i], told[i])
                del going[i]
    return paths


def _fold_task(validation: FitTask, number: int, combination: Combination) -> FitTask:
    n_penalties = len(combination.alphas)
    return validation.subtask(
        "fold", n_penalties, task_id=number, sequential_subtasks=False
    ).begin()


def _end(combination: Combination, paths: Sequence[FoldPath], told: Sequence[FitTask]) -> None:
    for fold in told:
        fold.end()
    if combination.options.verbose:
        scores = mean_scores(paths)
        best = best_of(scores)
        print(
            f"{combination}: best of {len(scores)} penalties is alpha "
            f"{combination.alphas[best]:.4g}, mean score {scores[best]:.6g}",
            flush=True,
        )


def fold_tolerance(tol: float) -> float:
    """The tolerance of a fold: a score needs a good network, not a proof."""
    return FOLDS_LOOSER_BY * tol


@single_threaded_blas()  # a worker knows of no limit
def _went_on(
    told: FitTask,
    task: Task,
    combination: Combination,
    fold: Fold,
    path: FoldPath,
    n_more: int,
    unfitted: _WedgeNetwork,
    scoring: Scoring,
) -> FoldPath:
    """A path on a fold after so many more penalties."""
    tol = fold_tolerance(combination.options.tol)
    options = replace(
        combination.options, pricing="search", tol=tol, n_jobs=None, verbose=0, proves=False
    )
    problem, sample = task.problem(fold.train, options)
    unfitted._publish_marginals(sample)
    n_before, n_alphas = len(path.scores), len(combination.alphas)
    alphas = combination.alphas[n_before : n_before + n_more]
    with closing(solve_blocks(problem, sample, alphas, options, after=path.last)) as solved:
        for number, alpha in enumerate(alphas, start=n_before):
            with told.subtask(f"penalty {alpha:.3g}", task_id=number):
                blocks = next(solved)
                model = copy(unfitted).set_params(alpha=float(alpha))
                model._publish(deep_network_of(blocks), sample, blocks[-1].solution)
                path = FoldPath(
                    (*path.scores, scoring(model, task, fold.test)),
                    (*path.neurons, model.n_neurons_),
                    path.n_unconverged + (not blocks[-1].solution.converged),
                    blocks[0].solution,
                )
            if combination.options.verbose:
                print(
                    f"{combination}, {fold}: alpha {alpha:.4g} ({number + 1} of {n_alphas}), "
                    f"score {path.scores[-1]:.6g}, {path.neurons[-1]} neurons",
                    flush=True,
                )
    return path
