"""Networks of several kinds averaged: each goes wrong in its own way.

The shares are chosen by ensemble selection on the rows that folds hold out (R. Caruana et al.,
"Ensemble Selection from Libraries of Models", ICML 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.network import Network, deep_network_of
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._core.solution import Certificate
from sklearn_wedge._estimators.base import MANY_ROWS, TOLERANCE_OF_ROUGH
from sklearn_wedge._estimators.callbacks import FitTask
from sklearn_wedge._estimators.fold_paths import as_good
from sklearn_wedge._estimators.folds import Fold, Task
from sklearn_wedge._estimators.race import NOISE, Outcome, Race, Runner, left_of
from sklearn_wedge._estimators.race_plan import CLOSELY, Stage
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import solve_blocks

Array = NDArray[np.float64]

# Shares are multiples of one over this.
PARTS_OF_A_BLEND = 20
# Of the loss on rows held out the least that an average has to gain, and by so many standard errors
# of the differences over folds: else one network is as good, and simpler.
LEAST_GAIN = 0.01
# A kind takes part if it was behind the best one by this part at most of what that one left to
# gain, in the last stage that it ran in.
FAR_BEHIND = 0.5
# Of more rows than ``MANY_ROWS``, what fits of others than the winner may leave to gain, as a part
# of their own objective. On fifths held out of power-plant and bike_noleak averages of fits thrice
# as close are better by 0.0 and 0.7 % of the error, and these fits take three times as long.
ROUGHLY = 0.03
# Parameters that say what is done to inputs first.
OF_INPUTS = ("encoding", "clip_quantile")


@dataclass(frozen=True, repr=False)
class Member:
    """A network in the average that a CV estimator predicts with.

    Attributes
    ----------
    share : float
        In the average; shares sum to 1.
    params : dict
        Its ``alpha``, and what was chosen for the other parameters.
    n_neurons : int
        Neurons of its last hidden layer.
    certificate : Certificate
        How far it can be from the optimum of its own convex problem. The first network is fitted
        as it would be alone, the others by local search for as long as new neurons gain a hundredth
        of their own loss, on more than 2,000 rows three hundredths.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressorCV
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(60, 2))
    >>> model = WedgeReLURegressorCV(blend=False).fit(X, np.abs(X[:, 0]))
    >>> (member,) = model.members_
    >>> member.share, member.n_neurons == model.n_neurons_
    (1.0, True)
    """

    share: float
    params: dict[str, Any]
    n_neurons: int
    certificate: Certificate

    def __repr__(self) -> str:
        order, norm = (self.params[name] for name in ("interaction_order", "norm"))
        return f"Member(share={self.share:.2f}, order={order}, {norm}, n_neurons={self.n_neurons})"


@dataclass(frozen=True)
class Blend:
    """Candidates and their shares in the average; the one that was chosen is the first.

    ``alphas`` are the penalties of their fits on all rows, if there are several, ``tried`` the
    outcomes, by stage, of kinds that ran for it only, ``gain`` is what it gains of the loss of the
    winner on rows held out.
    """

    outcomes: tuple[Outcome, ...]
    shares: tuple[float, ...] = (1.0,)
    alphas: tuple[float, ...] = ()
    tried: tuple[tuple[Outcome, ...], ...] = ()
    gain: float = 0.0

    @property
    def chosen(self) -> Outcome:
        """The winner of the race."""
        return self.outcomes[0]

    @property
    def others(self) -> list[tuple[Outcome, float, float]]:
        """Outcome, share and penalty of all but the winner."""
        return list(zip(self.outcomes[1:], self.shares[1:], self.alphas[1:], strict=True))

    @property
    def folds(self) -> Sequence[Fold]:
        """Those on which all of them ran."""
        return min((each.folds for each in self.outcomes), key=len)

    @property
    def held_out(self) -> list[Array]:
        """What the average says of the rows that each fold holds out."""
        said = [_held_out(each, len(self.folds)) for each in self.outcomes]
        shares = np.array(self.shares)
        return [np.tensordot(shares, of_fold, axes=1) for of_fold in zip(*said, strict=True)]


def _held_out(outcome: Outcome, n_folds: int) -> list[Array]:
    return [path.held_out[outcome.at] for path in outcome.paths[:n_folds]]


def blended(
    race: Race,
    stages: Sequence[Stage],
    results: Sequence[Sequence[Outcome]],
    best: Outcome,
    n_blocks: int,
    told: FitTask,
) -> Blend:
    """The network that was chosen, with others if that is better.

    With those of the last stage, and of other kinds, on inputs as the one chosen has them: then the
    average is one network.

    Parameters
    ----------
    race : Race
    stages : sequence of Stage
    results : sequence of sequences of Outcome
        Of those that were run.
    best : Outcome
        The winner.
    n_blocks : int
        Hidden layers of the other kinds.
    told : FitTask
    """
    beside = [each for each in results[-1] if each is not best and _has_inputs_of(best, each)]
    runners = _of_other_kinds(results, [best, *beside], n_blocks)
    tried = _of_runners(race, stages, runners, results, told, best)
    together = [best, *(each for each in (*beside, *tried[-1]) if np.isfinite(each.score))]
    folds = best.folds[: stages[-1].n_first]
    shares = _shares(race.task, together, folds)
    taken = [k for k, share in enumerate(shares) if share > 0]
    outcomes = tuple(together[k] for k in taken)
    alphas = tuple(map(race.alpha_of, outcomes))
    blend = Blend(outcomes, tuple(shares[taken].tolist()), alphas, tuple(map(tuple, tried)))
    gain = _gain(race.task, blend, folds)
    if gain > 0:
        return replace(blend, gain=gain)
    return Blend((best,), tried=blend.tried)


def _of_runners(
    race: Race,
    stages: Sequence[Stage],
    runners: Sequence[Runner],
    results: Sequence[Sequence[Outcome]],
    told: FitTask,
    best: Outcome,
) -> list[list[Outcome]]:
    """Outcomes of other kinds in the last stage, and before it in that of fewer rows, if any.

    On few rows a kind may have had other inputs, or dropped out early: on all of them its way down
    to a penalty would cost more.
    """
    *early, last = stages
    found: list[list[Outcome]] = []
    folds = race.folds_of(early[-1])[: early[-1].n_first] if early and runners else []
    n_rows = max(map(race.n_distinct, folds), default=best.n_rows)
    new = [each for each in runners if n_rows < best.n_rows and _is_new_on(each, n_rows)]
    if new:
        found.append(race.outcomes(early[-1], new, folds, told, len(results)))
        known = [each for each in runners if not _is_new_on(each, n_rows)]
        runners = [*known, *_not_far_behind(found[0], results)]
    last = replace(last, roughly=roughness(best.n_rows))
    number, folds = len(results) + len(found), best.folds[: last.n_first]
    found.append(race.outcomes(last, runners, folds, told, number) if runners else [])
    return found


def _is_new_on(runner: Runner, n_rows: int) -> bool:
    """Whether a candidate has not run on so many rows as it is, nor on more."""
    before = runner.before
    if before is None or before.n_rows != n_rows:
        return before is None or before.n_rows < n_rows
    return before.combination.parameters != runner.parameters


def _not_far_behind(
    outcomes: Sequence[Outcome], results: Sequence[Sequence[Outcome]]
) -> list[Runner]:
    """Those that go on, by what they and others did on as many rows."""
    sizes = {(each.n_rows, len(each.folds)) for each in outcomes}
    beside = [each for each in chain(*results) if (each.n_rows, len(each.folds)) in sizes]
    together = [*outcomes, *beside]
    return [
        Runner(each.combination.parameters, each)
        for each in outcomes
        if not _is_far_behind(each, together)
    ]


def roughness(n_rows: int) -> float:
    """What a fit of another network than the winner may leave to gain."""
    return CLOSELY if n_rows <= MANY_ROWS else ROUGHLY


def _has_inputs_of(one: Outcome, other: Outcome) -> bool:
    a, b = one.combination.parameters, other.combination.parameters
    return all(a[name] == b[name] for name in OF_INPUTS)


def _of_other_kinds(
    results: Sequence[Sequence[Outcome]], have: Sequence[Outcome], n_blocks: int
) -> list[Runner]:
    """Each other kind, if it was not far behind when it last ran."""
    latest: dict[tuple, tuple[Outcome, Sequence[Outcome]]] = {}
    for outcomes in results:
        for each in sorted(outcomes, key=lambda one: one.finite_score):
            latest[each.combination.kind] = each, outcomes
    for each in have:
        latest.pop(each.combination.kind, None)
    chosen = have[0].combination.parameters
    instead = {"n_blocks": n_blocks, **{name: chosen[name] for name in OF_INPUTS}}
    return [
        Runner({**each.combination.parameters, **instead}, each)
        for each, outcomes in latest.values()
        if not _is_far_behind(each, outcomes)
    ]


def _is_far_behind(one: Outcome, outcomes: Sequence[Outcome]) -> bool:
    top = max(outcomes, key=lambda each: each.finite_score)
    return not one.score >= top.score - FAR_BEHIND * left_of(top, outcomes)


def _shares(task: Task, outcomes: Sequence[Outcome], folds: Sequence[Fold]) -> Array:
    said = [np.concatenate(_held_out(each, len(folds))) for each in outcomes]
    rows = np.concatenate([fold.test for fold in folds])
    weight = task.fit_weight[rows]
    if not weight.any():  # nothing to go by
        return np.eye(len(outcomes))[0]
    return selected_shares(task.loss, said, task.target[rows], weight / weight.sum())


def selected_shares(
    loss: Loss, predictions: Sequence[Array], target: Array, weight: Array
) -> Array:
    """Shares of predictions in an average of small loss, by ensemble selection from the first on.

    One by one the prediction is added, again if need be, that makes the average best.
    """
    counts = np.zeros(len(predictions))
    counts[0], total = 1, predictions[0]
    for n in range(2, PARTS_OF_A_BLEND + 1):
        values = [loss.value((total + each) / n, target, weight) for each in predictions]
        k = int(np.argmin(np.nan_to_num(values, nan=np.inf)))
        counts[k], total = counts[k] + 1, total + predictions[k]
    return counts / PARTS_OF_A_BLEND


def _gain(task: Task, blend: Blend, folds: Sequence[Fold]) -> float:
    """What the average gains on rows held out, as a part of the loss of the winner; 0: too little.

    These are the rows that the shares were chosen on, so that a little is gained by chance.
    """
    alone, together = (_losses(task, b, folds) for b in (Blend((blend.chosen,)), blend))
    if as_good(-alone, -together, NOISE) or not alone.mean() > 0:
        return 0.0
    gain = 1.0 - together.mean() / alone.mean()
    return float(gain) if gain > LEAST_GAIN else 0.0


def _losses(task: Task, blend: Blend, folds: Sequence[Fold]) -> Array:
    """The loss on each fold that has weight, above what no loss is below."""
    found = []
    for fold, said in zip(folds, blend.held_out, strict=False):
        weight, target = task.fit_weight[fold.test], task.target[fold.test]
        if weight.any():
            weight = weight / weight.sum()
            floor = task.loss.floor(target, weight)
            found.append(task.loss.value(said, target, weight) - floor)
    return np.array(found or [0.0])


def fitted(
    outcome: Outcome, alpha: float, task: Task, options: FitOptions
) -> tuple[Network, Sample, Certificate]:
    """The network of a candidate on all rows, from that of a fold; with its sample."""
    n_rows = int(np.count_nonzero(task.fit_weight))
    options = replace(options, tol=TOLERANCE_OF_ROUGH, rough=True, roughly=roughness(n_rows))
    problem, sample = task.problem(slice(None), options)
    start = outcome.earlier().found(task).carried_to(problem)
    ((*_, blocks),) = solve_blocks(
        problem, sample, np.array([alpha]), options, start, only_deepest=True
    )
    return deep_network_of(blocks), sample, blocks[-1].solution.certificate
