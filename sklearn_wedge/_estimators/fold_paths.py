"""Paths of penalties on the folds, in step: a penalty is scored on every fold, or on none."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.blocks import SolvedBlock
from sklearn_wedge._core.deep_start import DeepStart, left_by
from sklearn_wedge._core.network import deep_network_of
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._core.solution import Solution
from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._estimators.callbacks import FitTask
from sklearn_wedge._estimators.folds import Fold, Task
from sklearn_wedge._estimators.found import Earlier
from sklearn_wedge._estimators.workers import Workers
from sklearn_wedge._settings.inputs import row_chunks, rows_in_cache
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import solve_blocks, solve_deep_path

# Scores that differ by this fraction or less are equal.
TIED = 1e-12
# Folds from which a standard error says something.
LEAST_FOLDS = 4
# Parameters that may be several candidates, in the order of the combinations of these.
CANDIDATES = ("interaction_order", "norm", "n_blocks", "encoding", "clip_quantile")


@dataclass(frozen=True)
class Patience:
    """When a path of penalties ends: after so many in a row without a better mean score.

    A score is better that gains ``least_gain`` of what the best one leaves to gain. The path ends
    at once where it loses ``hopeless`` of that, or of all that was gained since the first penalty,
    and where there are more than ``crowded`` neurons for each row fitted: then penalties go
    one by one. It ends, too, where its best score is below the best of all paths by ``behind`` of
    what that one leaves to gain, and, if it ``foresees``, where the parabola through its last three
    scores, each better than the one before, has nothing better at the next penalty.
    """

    n: int
    least_gain: float = 0.0
    hopeless: float = np.inf
    crowded: float = np.inf
    behind: float = np.inf
    foresees: bool = False

    def end(self, scores: NDArray, losses: NDArray) -> int:
        """How many penalties are tried, as far as those of the first ones tell."""
        scores = np.nan_to_num(scores, nan=-np.inf)
        at = 0
        for k, score in enumerate(scores):
            left = left_to_gain(losses[at], scores[: k + 1], losses[: k + 1])
            if score > scores[at] + self.least_gain * left:
                at = k
        if at > 0 and np.isfinite(self.hopeless):
            left = left_to_gain(losses[at], scores, losses)
            size = min(left, scores[at] - scores[0])
            if scores[at] - scores[-1] > self.hopeless * size:
                return len(scores)
        if self.foresees and at == len(scores) - 1 and _is_past_its_top(scores[-3:]):
            return len(scores)
        return at + self.n + 1


@dataclass(frozen=True)
class Combination:
    """Candidates as given, what a fold fit with them is told, and the penalties to try.

    All of these are tried if ``patience`` is None, or ``at_most`` so many, if that is given.
    ``verbose``: 1, a line when it is done; 2, also one for each penalty and fold. ``starts`` are
    networks that the path of each fold starts from, by place; without one: the constant model.
    ``keeps_held_out``: whether what networks say of rows held out is kept.
    """

    candidates: tuple
    options: FitOptions
    alphas: NDArray[np.float64]
    patience: Patience | None
    verbose: int = 0
    starts: tuple[Earlier | None, ...] = ()
    at_most: int | None = None
    keeps_held_out: bool = False

    @property
    def parameters(self) -> dict[str, Any]:
        """The candidates by name."""
        return dict(zip(CANDIDATES, self.candidates, strict=True))

    @property
    def complexity(self) -> tuple[float, float, bool]:
        """What makes its networks hard to read, in order of importance."""
        order = self.options.interaction_order
        return self.options.n_blocks, np.inf if order is None else order, self.is_encoded

    @property
    def kind(self) -> tuple[int | None, str]:
        """Order and norm."""
        return self.options.interaction_order, self.options.norm

    @property
    def n_blocks(self) -> int:
        """Blocks of its networks, at most."""
        return self.options.n_blocks

    @property
    def first_block(self) -> Hashable:
        """What the path of the first block depends on: the same of those that differ in depth."""
        starts = tuple(start and id(start.solution) for start in self.starts)
        return replace(self.options, n_blocks=1), self.alphas.tobytes(), starts

    @property
    def is_encoded(self) -> bool:
        """Whether inputs are encoded first."""
        return self.options.encoding is not None

    def n_more(self, paths: Sequence[FoldPath], behind: float = 0.0) -> int:
        """How many penalties after these are tried in any case; 0: the path has ended.

        ``behind`` is by what part of what is left to gain others are better.
        """
        end, scores = len(self.alphas), mean_scores(paths)
        if self.at_most is not None:
            end = self.at_most
        if self.patience is not None:
            if behind > self.patience.behind:
                return 0
            end = min(end, self.patience.end(scores, mean_losses(paths)))
            crowding = np.mean([path.crowding for path in paths], axis=0)
            if np.any(crowding > self.patience.crowded):
                return 0
            if np.isfinite(self.patience.crowded):  # any penalty may be the last one
                end = min(end, len(scores) + 1)
        return end - len(scores)

    def start_on(self, task: Task, fold: Fold, problem: Problem) -> Solution | None:
        """What the path of a fold starts from."""
        earlier = self.starts[fold.place] if fold.place < len(self.starts) else None
        return None if earlier is None else earlier.found(task).carried_to(problem)

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())


def _is_past_its_top(scores: NDArray) -> bool:
    """Whether the parabola through three scores goes down after them."""
    if len(scores) < 3 or not np.isfinite(scores).all():
        return False
    before, latest = np.diff(scores)
    return bool(latest + (latest - before) <= 0)


def descending(largest: float, factor: float, least: float) -> NDArray[np.float64]:
    """Penalties, each this fraction of the one before, down to so much of the largest."""
    return largest * factor ** np.arange(1 + int(np.log(least) / np.log(factor)))


def best_of(scores: NDArray) -> int:
    """Where the best score is; NaN is none."""
    return int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))


def left_to_gain(loss: float, scores: NDArray, losses: NDArray) -> float:
    """How much better a score would be without any loss.

    As far as some scores and losses tell how one goes with the other, by their ranges: neither
    where zero of the score is nor its unit is known. 0 if they tell nothing.
    """
    known = np.isfinite(scores) & np.isfinite(losses)
    if not (np.isfinite(loss) and known.any() and np.ptp(losses[known]) > 0):
        return 0.0
    return float(abs(loss) * (np.ptp(scores[known]) / np.ptp(losses[known])))


def tied_with_best(scores: NDArray) -> NDArray[np.intp]:
    """Where scores are the best but for rounding."""
    best = scores[best_of(scores)]
    return np.flatnonzero(scores >= (best - TIED * abs(best) if np.isfinite(best) else best))


def as_good(scores: NDArray, better: NDArray, noise: float, least: float = 0.0) -> bool:
    """Whether scores on the folds are those of a better one but for noise.

    Of too few folds to know the noise: but for ``least``, in units of the score.
    """
    differences = better - scores
    if noise == 0.0 or not np.isfinite(differences).all():
        return False
    allowed = least
    if len(differences) >= LEAST_FOLDS:
        allowed = noise * differences.std(ddof=1) / len(differences) ** 0.5
    return bool(differences.mean() <= allowed)


def best_penalty(alphas: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Where the parabola through the best score and the two beside it is highest.

    Over the logarithm of penalties that are evenly spaced on that scale. If the best one is the
    last one known, through the last three, where its top is no more than half a step further on.
    The best one of those tried if it is the first, or a score beside it is not known.
    """
    scores = scores[: 1 + np.flatnonzero(~np.isnan(scores)).max(initial=0)]
    at = int(tied_with_best(scores)[0])
    middle = at - 1 if at == len(scores) - 1 else at
    beside = scores[max(middle - 1, 0) : middle + 2]
    is_known = len(beside) == 3 and np.isfinite(beside).all()
    if not (is_known and 2 * beside[1] > beside[0] + beside[2]):
        return float(alphas[at])
    step = (beside[2] - beside[0]) / (2 * beside[1] - beside[0] - beside[2]) / 2
    if abs(middle + step - at) > 0.5:
        return float(alphas[at])
    return float(alphas[middle] * (alphas[middle + 1] / alphas[middle]) ** step)


def for_rows(alpha: float, n_rows: int, more: float) -> float:
    """A penalty chosen on some rows for more of them: with noise it falls with their root."""
    return alpha * min(1.0, n_rows / more) ** 0.5


def penalty_for(
    alphas: NDArray[np.float64], scores: NDArray[np.float64], n_rows: int, more: float
) -> float:
    """The best penalty of any, by scores of fits on some rows, for a fit on more of them."""
    best = best_penalty(alphas, scores)
    # Scores of the same rows in another order differ by rounding.
    return float(f"{for_rows(best, n_rows, more):.3g}")


@dataclass(frozen=True)
class FoldPath:
    """A path on a fold so far: scores, losses and neurons by penalty, and where it goes on.

    ``crowding`` are neurons of the last block for each distinct row. ``n_unconverged`` counts fits
    above their tolerance; ``solutions`` are of the first block, the latest alone; ``deep`` are all
    blocks, if the next network goes on from them; ``held_out`` is what networks say of the rows
    held out, each (n_test, q), if that is kept.
    """

    scores: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    neurons: tuple[int, ...] = ()
    crowding: tuple[float, ...] = ()
    n_unconverged: int = 0
    solutions: tuple[Solution, ...] = ()
    deep: DeepStart | None = None
    held_out: tuple[NDArray[np.float64], ...] = ()

    def going_on(
        self,
        blocks: Sequence[SolvedBlock],
        value: float,
        loss: float,
        held_out: Sequence[NDArray[np.float64]],
        goes_on: bool,
    ) -> FoldPath:
        """With one penalty more: a network, and whether the next ``goes_on`` from all of it."""
        solution = blocks[-1].solution
        n_neurons = len(solution.neurons)
        return FoldPath(
            (*self.scores, value),
            (*self.losses, loss),
            (*self.neurons, n_neurons),
            (*self.crowding, n_neurons / blocks[-1].sample.rows.n_rows),
            self.n_unconverged + (not solution.converged),
            (*self.solutions, blocks[0].solution or self.solutions[-1]),
            left_by(blocks) if goes_on else None,
            (*self.held_out, *held_out),
        )


# The score of the network of some blocks, larger is better, and its loss.
Score = Callable[[Sequence[SolvedBlock]], tuple[float, float]]


class Scoring(Protocol):
    """What scores networks on the test part of a fold."""

    def on(self, task: Task, fold: Fold, sample: Sample) -> Score:
        """The score of a network that was fitted to a sample, the training part of a fold."""


def candidates_of(options: FitOptions) -> tuple:
    """What options say of the parameters that may be several candidates."""
    return tuple(getattr(options, name) for name in CANDIDATES)


def mean_scores(paths: Sequence[FoldPath]) -> NDArray[np.float64]:
    """Of the penalties so far, over the folds."""
    return np.mean([path.scores for path in paths], axis=0)


def mean_losses(paths: Sequence[FoldPath]) -> NDArray[np.float64]:
    """The same of the losses."""
    return np.mean([path.losses for path in paths], axis=0)


def _behind(paths: Sequence[Sequence[FoldPath]]) -> NDArray[np.float64]:
    """By how much the best score of each combination is below that of the best one.

    As a part of what the best one leaves to gain; 0 where that is not known.
    """
    scores, losses = [mean_scores(each) for each in paths], [mean_losses(each) for each in paths]
    tops = np.array([np.max(each, where=np.isfinite(each), initial=-np.inf) for each in scores])
    top = best_of(tops)
    loss = losses[top][best_of(scores[top])]
    left = left_to_gain(loss, np.concatenate(scores), np.concatenate(losses))
    return (tops[top] - tops) / left if left > 0 else np.zeros(len(tops))


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
    scorings: Sequence[Scoring],
    workers: Workers,
    validation: FitTask,
    name: str = "cross-validation",
) -> list[list[FoldPath]]:
    """The paths of each combination on each fold, as far as its patience goes.

    Whether a path has ended is known of all its folds at once, by their mean score. In between,
    each fold goes as far as that is sure to go: a few rounds, in which folds are independent.

    Parameters
    ----------
    task : Task
    combinations : sequence of Combination
    folds : sequence of Fold
    scorings : sequence of Scoring
        Of each combination.
    workers : Workers
        That folds and combinations are shared out over.
    validation : FitTask
        What is told of them.
    name : str, default="cross-validation"
        What this is called in lines that are printed.

    Returns
    -------
    list of lists of FoldPath
        By combination, then fold. Those of one combination are of one length.
    """
    if combinations[0].verbose:
        print(
            f"{name}: {len(combinations)} combination{'s' * (len(combinations) > 1)}, "
            f"{len(folds)} fold{'s' * (len(folds) > 1)}, "
            f"up to {len(combinations[0].alphas)} penalties each",
            flush=True,
        )
    paths = [[FoldPath()] * len(folds) for _ in combinations]
    told = [
        [_fold_task(validation, i * len(folds) + j, each) for j in range(len(folds))]
        for i, each in enumerate(combinations)
    ]
    going = {i: each.n_more(paths[i]) for i, each in enumerate(combinations)}
    while going:
        which = [
            (some, j) for some in _together(combinations, paths, going) for j in range(len(folds))
        ]
        tasks = [
            (
                [told[i][j] for i in some],
                task,
                [combinations[i] for i in some],
                folds[j],
                [paths[i][j] for i in some],
                going[some[0]],
                [scorings[i] for i in some],
            )
            for some, j in which
        ]
        results = workers.map(_went_on, tasks)
        for (some, j), found in zip(which, results, strict=True):
            for i, path in zip(some, found, strict=True):
                paths[i][j] = path
        behind = _behind(paths)
        for i in list(going):
            going[i] = combinations[i].n_more(paths[i], behind[i])
            if not going[i]:
                _end(combinations[i], paths[i], told[i])
                del going[i]
    return paths


def _together(
    combinations: Sequence[Combination],
    paths: Sequence[Sequence[FoldPath]],
    going: dict[int, int],
) -> list[list[int]]:
    """Combinations that go on as far, from where they are, and differ in depth only.

    The network of the deepest has those of the others in it. ``going`` is by how many penalties.
    """
    groups: dict[Hashable, list[int]] = {}
    for i, n_more in going.items():
        path = paths[i][0]
        at = len(path.scores), *map(id, (*path.solutions[-1:], path.deep))
        groups.setdefault((combinations[i].first_block, n_more, at), []).append(i)
    return list(groups.values())


def _fold_task(validation: FitTask, number: int, combination: Combination) -> FitTask:
    n_penalties = len(combination.alphas)
    return validation.subtask(
        "fold", n_penalties, task_id=number, sequential_subtasks=False
    ).begin()


def _end(combination: Combination, paths: Sequence[FoldPath], told: Sequence[FitTask]) -> None:
    for fold in told:
        fold.end()
    if combination.verbose:
        scores = mean_scores(paths)
        best = best_of(scores)
        print(
            f"{combination}: best of {len(scores)} penalties is alpha "
            f"{combination.alphas[best]:.4g}, mean score {scores[best]:.6g}",
            flush=True,
        )


@single_threaded_blas()  # a worker knows of no limit
def _went_on(
    told: Sequence[FitTask],
    task: Task,
    combinations: Sequence[Combination],
    fold: Fold,
    paths: Sequence[FoldPath],
    n_more: int,
    scorings: Sequence[Scoring],
) -> list[FoldPath]:
    """Paths on a fold after so many more penalties, of combinations that differ in depth."""
    deepest, paths = max(combinations, key=lambda each: each.n_blocks), list(paths)
    problem, sample = task.problem(fold.train, deepest.options)
    scores = [scoring.on(task, fold, sample) for scoring in scorings]
    n_before = len(paths[0].scores)
    alphas = deepest.alphas[n_before : n_before + n_more]
    last = paths[0].solutions[-1] if n_before else deepest.start_on(task, fold, problem)
    given = problem, sample, alphas, deepest.options, last
    is_alone = len(combinations) == 1 and deepest.options.rough and deepest.n_blocks > 1
    path = solve_deep_path(*given, paths[0].deep) if is_alone else solve_blocks(*given)
    with closing(path) as solved:
        for number, alpha in enumerate(alphas, start=n_before):
            with ExitStack() as tasks:
                for each in told:
                    tasks.enter_context(each.subtask(f"penalty {alpha:.3g}", task_id=number))
                networks = next(solved)
                for k, combination in enumerate(combinations):
                    blocks = networks[: combination.n_blocks][-1]
                    kept = [_held_out(task, fold, blocks)] if combination.keeps_held_out else []
                    paths[k] = paths[k].going_on(blocks, *scores[k](blocks), kept, is_alone)
            for combination, path in zip(combinations, paths, strict=True):
                _say(combination, fold, path)
    return paths


def _held_out(task: Task, fold: Fold, blocks: Sequence[SolvedBlock]) -> NDArray[np.float64]:
    """What a network says of the rows held out, (n_test, q)."""
    network, rows = deep_network_of(blocks), fold.test
    at_once = rows_in_cache(network.intercepts, task.X.shape[1])
    parts = [network.predict(task.X[rows[some]]) for some in row_chunks(len(rows), at_once)]
    return np.concatenate(parts)


def _say(combination: Combination, fold: Fold, path: FoldPath) -> None:
    if combination.verbose > 1:
        n_tried = len(path.scores)
        print(
            f"{combination}, {fold}: alpha {combination.alphas[n_tried - 1]:.4g} ({n_tried} of "
            f"{len(combination.alphas)}), score {path.scores[-1]:.6g}, {path.neurons[-1]} neurons",
            flush=True,
        )
