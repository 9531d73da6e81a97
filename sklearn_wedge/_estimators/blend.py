"""Networks of several kinds averaged: each goes wrong in its own way.

The shares are chosen by ensemble selection on the rows that folds hold out (R. Caruana et al.,
"Ensemble Selection from Libraries of Models", ICML 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.network import Network, deep_network_of
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._core.solution import Certificate
from sklearn_wedge._estimators.base import TOLERANCE_OF_ROUGH
from sklearn_wedge._estimators.callbacks import FitTask
from sklearn_wedge._estimators.fold_paths import as_good, left_to_gain
from sklearn_wedge._estimators.folds import Fold, Task
from sklearn_wedge._estimators.race import NOISE, Outcome, Race, Runner
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
# What the fits of other kinds on folds may leave to gain, as a part of their own objective. Thrice
# as close, shares are the same within 0.15 on fifths held out of power-plant and bike_noleak, and
# averages no better; these fits take twice as long.
ROUGHLY_ON_FOLDS = 0.03
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
        How far it can be from the optimum of its own convex problem.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressorCV
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(60, 2))
    >>> model = WedgeReLURegressorCV(blend=False).fit(X, np.abs(X[:, 0]))
    >>> (member,) = model.members_
    >>> member.share, member.params["interaction_order"]
    (1.0, 1)
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

    ``alphas`` are the penalties of their fits on all rows, ``tried`` all outcomes of other kinds.
    """

    outcomes: tuple[Outcome, ...]
    shares: tuple[float, ...] = (1.0,)
    alphas: tuple[float, ...] = ()
    tried: tuple[Outcome, ...] = ()

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
    race: Race, stage: Stage, results: list[list[Outcome]], best: Outcome, told: FitTask
) -> Blend:
    """The network that was chosen, with others if that is better.

    With those of the last stage, and of other kinds, on inputs as the one chosen has them: then the
    average is one network.

    Parameters
    ----------
    race : Race
    stage : Stage
        The last one.
    results : list of lists of Outcome
        Of the stages.
    best : Outcome
        The winner.
    told : FitTask
    """
    alone = Blend((best,), alphas=(race.alpha_of(best),))
    beside = [each for each in results[-1] if each is not best and _shares_inputs(each, best)]
    runners = _of_other_kinds(results, [best, *beside])
    folds = best.folds[: stage.n_first]
    rougher = replace(stage, roughly=max(stage.roughly, ROUGHLY_ON_FOLDS))
    tried = race.outcomes(rougher, runners, folds, told, len(results)) if runners else []
    together = [best, *(each for each in (*beside, *tried) if np.isfinite(each.score))]
    shares = _shares(race.task, together, folds)
    taken = [k for k, share in enumerate(shares) if share > 0]
    outcomes = tuple(together[k] for k in taken)
    alphas = tuple(map(race.alpha_of, outcomes))
    blend = Blend(outcomes, tuple(shares[taken].tolist()), alphas, tuple(tried))
    return blend if _is_better(race.task, blend, folds) else replace(alone, tried=blend.tried)


def _shares_inputs(one: Outcome, other: Outcome) -> bool:
    a, b = one.combination.parameters, other.combination.parameters
    return all(a[name] == b[name] for name in OF_INPUTS)


def _of_other_kinds(results: Sequence[Sequence[Outcome]], have: Sequence[Outcome]) -> list[Runner]:
    """Each other kind with one hidden layer, if it was not far behind when it last ran."""
    latest: dict[tuple, tuple[Outcome, Sequence[Outcome]]] = {}
    for outcomes in results:
        for each in sorted(outcomes, key=lambda one: one.finite_score):
            latest[each.combination.kind] = each, outcomes
    for each in have:
        latest.pop(each.combination.kind, None)
    chosen = have[0].combination.parameters
    instead = {"n_blocks": 1, **{name: chosen[name] for name in OF_INPUTS}}
    return [
        Runner({**each.combination.parameters, **instead}, each)
        for each, outcomes in latest.values()
        if not _is_far_behind(each, outcomes)
    ]


def _is_far_behind(one: Outcome, outcomes: Sequence[Outcome]) -> bool:
    top = max(outcomes, key=lambda each: each.finite_score)
    scores, losses = np.hstack([each.up_to_best for each in outcomes])
    left = left_to_gain(top.up_to_best[1, -1], scores, losses)
    return not one.score >= top.score - FAR_BEHIND * left


def _shares(task: Task, outcomes: Sequence[Outcome], folds: Sequence[Fold]) -> Array:
    said = [np.concatenate(_held_out(each, len(folds))) for each in outcomes]
    rows = np.concatenate([fold.test for fold in folds])
    weight = task.fit_weight[rows]
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
        k = int(np.argmin(values))
        counts[k], total = counts[k] + 1, total + predictions[k]
    return counts / PARTS_OF_A_BLEND


def _is_better(task: Task, blend: Blend, folds: Sequence[Fold]) -> bool:
    """Whether the average beats the network that was chosen, on rows that folds hold out."""
    alone, together = (_losses(task, b, folds) for b in (Blend((blend.chosen,)), blend))
    enough = LEAST_GAIN * abs(alone.mean())
    return bool(alone.mean() - together.mean() > enough) and not as_good(-alone, -together, NOISE)


def _losses(task: Task, blend: Blend, folds: Sequence[Fold]) -> Array:
    """The loss on each fold."""
    found = []
    for fold, said in zip(folds, blend.held_out, strict=False):
        weight = task.fit_weight[fold.test]
        found.append(task.loss.value(said, task.target[fold.test], weight / weight.sum()))
    return np.array(found)


def fitted(
    outcome: Outcome, alpha: float, task: Task, options: FitOptions
) -> tuple[Network, Sample, Certificate]:
    """The network of a candidate on all rows, from that of a fold; with its sample.

    It is as close to its optimum as the networks that are judged in the last stage of a race.
    Three times closer, averages of power-plant and bike_noleak are better by 0.4 % of the error on
    fifths held out, and these fits take two to three times as long.
    """
    options = replace(options, tol=TOLERANCE_OF_ROUGH, rough=True, roughly=CLOSELY)
    problem, sample = task.problem(slice(None), options)
    start = outcome.earlier().found(task).carried_to(problem)
    ((*_, blocks),) = solve_blocks(problem, sample, np.array([alpha]), options, start)
    return deep_network_of(blocks), sample, blocks[-1].solution.certificate
