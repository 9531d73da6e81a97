"""A race of candidates: all on few rows, the better ones on more (successive halving).

A grid of candidates, each on every fold, is a race of one stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.column_generation import largest_value_of_constant
from sklearn_wedge._core.losses import Loss, PiecewiseLinear
from sklearn_wedge._estimators.callbacks import FitTask
from sklearn_wedge._estimators.fold_paths import (
    CANDIDATES,
    Combination,
    FoldPath,
    Patience,
    Scoring,
    as_good,
    best_of,
    descending,
    for_rows,
    left_to_gain,
    mean_losses,
    mean_scores,
    paths_in_step,
    penalty_for,
    tied_with_best,
)
from sklearn_wedge._estimators.folds import Fold, Task
from sklearn_wedge._estimators.found import Earlier
from sklearn_wedge._estimators.race_plan import Stage, others
from sklearn_wedge._estimators.race_rows import RaceRows, fewer
from sklearn_wedge._estimators.workers import Workers
from sklearn_wedge._settings.options import FitOptions

# Penalties of a candidate that nothing is known of: each this fraction of the one before, down to
# so much of the first, until so many in a row are of no use.
COARSE = 0.3
LEAST_OF_FIRST = 1e-6
COARSE_PATIENCE = Patience(2, least_gain=5e-3, hopeless=0.1)
# A loss of two lines grows with the distance, not with its square: what is lost of the score counts
# twice. And each neuron may bring a row to its kink, where nothing is lost of that row: networks
# that come to interpolate rows would take most of the time.
KINKED_PATIENCE = replace(COARSE_PATIENCE, hopeless=0.05, crowded=0.15)
# Around the best one of the stage before, adjusted to the rows: a little more, then less and less.
FINE = 0.4
N_FINE = 7
# Candidates are compared at so many of these, at most; the last stage has all.
N_TO_COMPARE = 3
# Of differences of scores over the folds: a candidate is as good as the best if its mean is within
# so many standard errors.
NOISE = 0.5
# An encoding has to be better than inputs as they are by so many: where it does harm, at values
# that are rare in training, folds hardly see it; where it helps, they see more than twice that.
NOISE_OF_ENCODINGS = 1.0
# Of folds too few for a standard error, a variant must be better by this part of what is left.
OF_LEFT = 0.01
# A candidate goes on if it is behind the best by at most this part of what that leaves to gain.
HOPELESS = 0.25
# The penalty after the best one takes as long as all before it, where neurons are many.
FINE_PATIENCE = Patience(1, least_gain=3e-3, behind=HOPELESS, foresees=True)
# The same late in a race, where early stages have left few.
CLOSE = 0.02
# A penalty that lost this part of what was left to gain is not tried on ``MANY`` times the rows or
# closer: networks on fifths of concrete and Boston are as good, in 0.8 of the time.
LOST = 0.05
# So many times the rows are many more: all variants are tried before.
MANY = 2
# Parameters that say what a neuron is.
OF_ONE_NEURON = ("interaction_order", "norm")


@dataclass(frozen=True)
class Runner:
    """A candidate in a stage.

    Attributes
    ----------
    parameters : dict
        Of the names in ``CANDIDATES``.
    before : Outcome or None
        Of the stage before, of the candidate that this one comes from.
    """

    parameters: dict[str, Any]
    before: Outcome | None = None


@dataclass(frozen=True)
class Outcome:
    """What a candidate achieved in a stage: its paths on the folds, and the best penalty.

    ``n_rows`` is how many distinct rows a fold is fitted on, at most; ``noise`` by how many
    standard errors a mean score may be below another one that is as good.
    """

    combination: Combination
    folds: Sequence[Fold]
    paths: Sequence[FoldPath]
    n_rows: int
    noise: float = 0.0

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean scores of the penalties."""
        return mean_scores(self.paths)

    @property
    def at(self) -> int:
        """Where the best penalty is; of those as good the largest."""
        means = self.means
        if np.isnan(means).all():
            return 0
        first = int(tied_with_best(means)[0])
        scores = np.array([path.scores for path in self.paths])
        top = scores[:, first]
        return next(
            k for k in range(first + 1) if k == first or as_good(scores[:, k], top, self.noise)
        )

    @property
    def alpha(self) -> float:
        """The best penalty; see ``at``."""
        return float(self.combination.alphas[self.at])

    @property
    def too_small(self) -> float:
        """The largest penalty below the best one that lost too much; 0: none."""
        means, losses = self.means, mean_losses(self.paths)
        left = left_to_gain(losses[self.at], means, losses)
        lost = (means[self.at] - means > LOST * left) & (left > 0)
        lost[: self.at + 1] = False
        return float(self.combination.alphas[: len(means)][lost].max(initial=0.0))

    @property
    def score(self) -> float:
        """Its mean score; NaN if none has one."""
        return float(self.means[self.at])

    @property
    def finite_score(self) -> float:
        """The same to sort by."""
        return float(np.nan_to_num(self.score, nan=-np.inf))

    @property
    def scores(self) -> NDArray[np.float64]:
        """Its score on each fold."""
        return np.array([path.scores[self.at] for path in self.paths])

    @property
    def up_to_best(self) -> NDArray[np.float64]:
        """Mean scores and losses of the penalties as far as the best one, (2, n)."""
        return np.array([self.means, mean_losses(self.paths)])[:, : self.at + 1]

    @property
    def as_far_as_tried(self) -> Combination:
        """The candidate with the penalties that were tried, for other folds."""
        n_tried = len(self.means)
        alphas = self.combination.alphas[:n_tried]
        return replace(self.combination, alphas=alphas, patience=None, at_most=None)

    def alpha_for(self, n_rows: int) -> float:
        """The best penalty of any, as far as those tried tell, for a fit on so many rows."""
        return penalty_for(self.combination.alphas, self.means, self.n_rows, n_rows)

    def earlier(self, place: int = 0) -> Earlier:
        """The first block of its network on a fold, or of one at a larger penalty."""
        fold, path = self.folds[place], self.paths[place]
        return Earlier(path.solutions[self.at], fold.train, self.combination.options)


@dataclass(frozen=True)
class Race:
    """What a race is run on, and how candidates become fits.

    Attributes
    ----------
    task : Task
    folds : sequence of Fold
        Of all rows.
    options_of : callable
        From parameters to options.
    for_folds : callable
        From options to what the fit of a fold is told.
    scoring_of : callable
        From a combination to what scores it.
    grid_of : callable or None
        From options to penalties and the patience of the path; None: chosen stage by stage.
    rows : RaceRows or None
        Which rows come first; None: every stage has all.
    workers : Workers
    noise : float
        See ``Outcome``.
    keeps_held_out : bool
        Whether what networks of the last stage say of rows held out is kept.
    """

    task: Task
    folds: Sequence[Fold]
    options_of: Callable[[dict[str, Any]], FitOptions]
    for_folds: Callable[[FitOptions], FitOptions]
    scoring_of: Callable[[Combination], Scoring]
    grid_of: Callable[[FitOptions], tuple[NDArray, int | None]] | None
    rows: RaceRows | None
    workers: Workers
    noise: float = NOISE
    keeps_held_out: bool = False

    def run(
        self, stages: Sequence[Stage], candidates: Sequence[dict[str, Any]], told: FitTask
    ) -> list[list[Outcome]]:
        """The outcomes of each stage that is run, by candidate."""
        runners = [Runner(each) for each in candidates]
        results: list[list[Outcome]] = []
        for stage, later in zip_longest(stages, stages[1:]):
            n_before = len(runners)
            runners = self._distinct(_varied(runners, stage))
            knows_penalties = results or self.grid_of is not None
            is_wanted = len(runners) > stage.n_kept or _saves_work(stage, later, n_before, runners)
            if knows_penalties and not (is_wanted or stage.is_last):
                continue  # nothing to find out
            folds = self.folds_of(stage)
            first = folds[: stage.n_first]
            results.append(self.outcomes(stage, runners, first, told, len(results)))
            going_on = best(results[-1], stage)
            if len(first) < len(folds):
                results.append(self._on_all(folds, going_on, told, len(results)))
            runners = [Runner(each.combination.parameters, each) for each in going_on]
        return results

    def folds_of(self, stage: Stage) -> Sequence[Fold]:
        """As many folds of as many rows as a stage says."""
        if self.rows is None:
            return self.folds
        return fewer(self.folds, self.rows, stage.n_rows, stage.n_folds)

    def outcomes(
        self,
        stage: Stage,
        runners: Sequence[Runner],
        folds: Sequence[Fold],
        told: FitTask,
        n_before: int,
    ) -> list[Outcome]:
        """Of those that run in a stage, on some folds."""
        n_rows = max(self.n_distinct(fold) for fold in folds)
        combinations = [self._combination(each, stage, folds, n_rows) for each in runners]
        paths = self._paths(combinations, folds, told, n_before)
        return [
            Outcome(combination, folds, of_combination, n_rows, self.noise)
            for combination, of_combination in zip(combinations, paths, strict=True)
        ]

    def _on_all(
        self, folds: Sequence[Fold], outcomes: Sequence[Outcome], told: FitTask, n_before: int
    ) -> list[Outcome]:
        """Outcomes on some folds, at the same penalties on the others too."""
        rest = folds[len(outcomes[0].folds) :]
        paths = self._paths([each.as_far_as_tried for each in outcomes], rest, told, n_before)
        return [
            replace(each, folds=folds, paths=[*each.paths, *more])
            for each, more in zip(outcomes, paths, strict=True)
        ]

    def _paths(
        self,
        combinations: Sequence[Combination],
        folds: Sequence[Fold],
        told: FitTask,
        n_before: int,
    ) -> list[list[FoldPath]]:
        scorings = [self.scoring_of(each) for each in combinations]
        name = f"stage {n_before + 1}"
        with told.subtask(name, None, sequential_subtasks=False) as task:
            return paths_in_step(
                self.task,
                combinations,
                folds,
                scorings,
                self.workers,
                task,
                f"cross-validation, {name}",
            )

    def alpha_of(self, outcome: Outcome) -> float:
        """The penalty of its fit on all rows."""
        if self.rows is None or self.grid_of is not None:
            return outcome.alpha
        return outcome.alpha_for(self.rows.n_groups)

    def n_distinct(self, fold: Fold) -> int:
        """Distinct rows that a fold is fitted on."""
        return len(fold.train) if self.rows is None else self.rows.n_distinct(fold.train)

    def _combination(
        self, runner: Runner, stage: Stage, folds: Sequence[Fold], n_rows: int
    ) -> Combination:
        options = self.options_of(runner.parameters)
        of_fold = replace(self.for_folds(options), roughly=stage.roughly)
        if self.grid_of is not None:
            alphas, patience = self.grid_of(options)
        elif runner.before is None:
            alphas, patience = self._coarse(of_fold, folds[0]), coarse_patience(self.task.loss)
        else:
            n_penalties = N_FINE if stage.is_last else N_TO_COMPARE
            alphas, patience = _around(runner.before, n_rows, n_penalties), FINE_PATIENCE
        candidates = tuple(runner.parameters[name] for name in CANDIDATES)
        starts = _starts(runner, folds)
        at_most = None if self.grid_of else _n_promising(runner, n_rows, alphas)
        how = patience, options.verbose, starts, at_most, stage.is_last and self.keeps_held_out
        return Combination(candidates, of_fold, alphas, *how)

    def _coarse(self, options: FitOptions, fold: Fold) -> NDArray[np.float64]:
        problem, _ = self.task.problem(fold.train, options)
        largest = largest_value_of_constant(problem, problem.efforts(proves=False)[0])
        # A constant target has no scale; any penalty gives the constant model.
        return descending(largest if largest > 0 else 1.0, COARSE, LEAST_OF_FIRST)

    def _distinct(self, runners: Sequence[Runner]) -> list[Runner]:
        """One runner for each class of networks."""
        found: dict[tuple, Runner] = {}
        for runner in runners:
            key = canonical(self.options_of(runner.parameters), self.task.X.shape[1])
            found.setdefault(key, runner)
        return list(found.values())


def coarse_patience(loss: Loss) -> Patience:
    """When the path of a candidate ends that nothing is known of."""
    return KINKED_PATIENCE if isinstance(loss, PiecewiseLinear) else COARSE_PATIENCE


def canonical(options: FitOptions, n_inputs: int) -> tuple:
    """What tells networks apart on data of so many columns.

    A weight of one input is ±1 in either norm. Further blocks have more inputs than columns: there
    an order beyond the number of these is one of its own.
    """
    neurons = options.neuron_class(n_inputs, wedge=False)
    order = neurons.order if options.n_blocks == 1 else options.interaction_order
    norm = "l1" if order == 1 else options.norm
    rest = (getattr(options, name) for name in CANDIDATES if name not in OF_ONE_NEURON)
    return order, norm, neurons.groups, neurons.monotone, *rest


def _varied(runners: Sequence[Runner], stage: Stage) -> list[Runner]:
    """Each as it is, and the first ones with each other value of one parameter."""
    found = list(runners)
    for runner in runners[: stage.n_varied]:
        for name, values in stage.variants.items():
            instead = others(name, values, runner.parameters)
            found += [Runner({**runner.parameters, name: v}, runner.before) for v in instead]
    return found


def _saves_work(
    stage: Stage, later: Stage | None, n_before: int, runners: Sequence[Runner]
) -> bool:
    """Whether new variants cost much more to try in the next stage."""
    return later is not None and len(runners) > n_before and later.n_rows > MANY * stage.n_rows


def _around(before: Outcome, n_rows: int, n_penalties: int) -> NDArray[np.float64]:
    """The best penalty before, adjusted to the rows: one above it, it, and smaller ones."""
    alpha = for_rows(before.alpha, before.n_rows, n_rows)
    return alpha * FINE ** np.arange(-1.0, n_penalties - 1)


def _n_promising(runner: Runner, n_rows: int, alphas: NDArray) -> int:
    """How many penalties are not too small, by what the candidate did on not many fewer rows."""
    before = runner.before
    is_same = before and before.combination.parameters == runner.parameters
    if not is_same or n_rows > MANY * before.n_rows:
        return len(alphas)
    least = for_rows(before.too_small, before.n_rows, n_rows)
    return int(np.count_nonzero((alphas > least) & ~np.isclose(alphas, least, atol=0.0)))


def _starts(runner: Runner, folds: Sequence[Fold]) -> tuple[Earlier | None, ...]:
    """By place of the fold; none where none was found on rows that are all of its training part."""
    before = runner.before
    if before is None or not _shares_inputs(runner.parameters, before.combination.parameters):
        return ()
    return tuple(before.earlier(k) for k in range(min(len(before.folds), len(folds))))


def _shares_inputs(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether hyperplanes of one candidate mean the same to another."""
    return one.get("encoding") == other.get("encoding")


def left_of(one: Outcome, outcomes: Sequence[Outcome]) -> float:
    """What one leaves to gain, as far as all of them tell; see ``left_to_gain``."""
    scores, losses = np.hstack([each.up_to_best for each in outcomes])
    return left_to_gain(one.up_to_best[1, -1], scores, losses)


def best(outcomes: Sequence[Outcome], stage: Stage) -> list[Outcome]:
    """Those that go on, the best first; of equal ones the simplest.

    If there are several, one of them is without an encoding: early stages are too noisy to rule
    that out.
    """
    ranked = sorted(outcomes, key=lambda each: (-each.finite_score, each.combination.complexity))
    left = partial(left_of, outcomes=outcomes)
    choose = _best_of_kinds if stage.kinds_first else _close_to_best
    ranked = choose(ranked, left)
    kept = ranked[: stage.n_kept]
    plain = [each for each in ranked if not each.combination.is_encoded]
    if len(kept) > 1 and plain and all(each.combination.is_encoded for each in kept):
        kept[-1] = plain[0]
    return kept


def _close_to_best(ranked: Sequence[Outcome], left: Callable[[Outcome], float]) -> list[Outcome]:
    """The best one, and those that are close to it or as good but for noise."""
    top = ranked[0]
    least = top.score - CLOSE * left(top)
    return [
        each
        for each in ranked
        if each is top
        or each.score >= least
        or as_good(each.scores, top.scores, noise_between(each, top))
    ]


def _best_of_kinds(ranked: Sequence[Outcome], left: Callable[[Outcome], float]) -> list[Outcome]:
    """Variants only if they are better than all that are simpler, of one kind after others.

    Which kind is best may depend on the number of rows. ``left`` is what one leaves to gain.
    """
    ranked = [
        each for each in ranked if not any(_makes_needless(o, each, left(each)) for o in ranked)
    ]
    least = ranked[0].score - HOPELESS * left(ranked[0])
    return _of_each_kind_first([e for e in ranked if e is ranked[0] or e.score >= least])


def _of_each_kind_first(ranked: Sequence[Outcome]) -> list[Outcome]:
    firsts = {each.combination.kind: each for each in reversed(ranked)}
    return sorted(ranked, key=lambda each: firsts[each.combination.kind] is not each)


def _makes_needless(one: Outcome, other: Outcome, left: float) -> bool:
    """Whether a candidate is as good as another one of its kind, and simpler in every respect.

    ``left`` is what the other one leaves to gain.
    """
    if one.combination.kind != other.combination.kind:
        return False
    pairs = list(zip(one.combination.complexity, other.combination.complexity, strict=True))
    is_simpler = all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
    noise = noise_between(one, other)
    return is_simpler and as_good(one.scores, other.scores, noise, OF_LEFT * left)


def chosen(outcomes: Sequence[Outcome]) -> Outcome:
    """The simplest of those that are as good as the best one, by differences over the folds.

    Of folds too few to know the noise: the best one, but an encoding only if it gains enough.
    """
    scores = np.array([each.score for each in outcomes])
    top = outcomes[best_of(scores)]
    tied = [outcomes[k] for k in tied_with_best(scores)]
    enough = OF_LEFT * left_of(top, outcomes)
    good = [
        each
        for each in outcomes
        if each in tied
        or as_good(
            each.scores,
            top.scores,
            noise_between(each, top),
            enough if only_encodes(each, top) else 0.0,
        )
    ]
    return min(good, key=lambda each: each.combination.complexity)


def only_encodes(one: Outcome, better: Outcome) -> bool:
    """Whether another candidate is of the same kind and depth, with an encoding."""
    a, b = one.combination, better.combination
    is_alike = (a.kind, a.options.n_blocks) == (b.kind, b.options.n_blocks)
    return is_alike and b.is_encoded and not a.is_encoded


def noise_between(one: Outcome, better: Outcome) -> float:
    """By how many standard errors another candidate has to be better than one."""
    if one.noise and only_encodes(one, better):
        return max(one.noise, NOISE_OF_ENCODINGS)
    return one.noise
