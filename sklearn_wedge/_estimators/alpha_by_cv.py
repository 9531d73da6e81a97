"""Penalty, kind of network and what is done to its inputs, chosen by cross-validation.

A race of candidates, or a grid of those that are given; each has a warm path per fold.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)

from sklearn_wedge._core.averages import average
from sklearn_wedge._core.column_generation import largest_value_of_constant
from sklearn_wedge._core.losses import Loss, OwnLoss, PiecewiseLinear, Pinball
from sklearn_wedge._core.network import Network
from sklearn_wedge._estimators.alpha_by_validation import (
    CERTIFIED_UP_TO,
    FALLBACK,
    LOOSER_BY,
    TOLERANCE,
)
from sklearn_wedge._estimators.base import _WedgeNetwork
from sklearn_wedge._estimators.blend import Blend, Member, blended, fitted
from sklearn_wedge._estimators.by_scorer import ByScorer
from sklearn_wedge._estimators.callbacks import FitTask, Watcher
from sklearn_wedge._estimators.candidates import is_auto, is_one, several
from sklearn_wedge._estimators.cv_results import cv_results, in_words
from sklearn_wedge._estimators.fold_paths import (
    CANDIDATES,
    Combination,
    FoldPath,
    Patience,
    by_penalty_and_fold,
    tied_with_best,
)
from sklearn_wedge._estimators.folds import Fold, Task, fold_tolerance, folds_of, usable
from sklearn_wedge._estimators.found import Found
from sklearn_wedge._estimators.race import NOISE, Outcome, Race, chosen
from sklearn_wedge._estimators.race_plan import (
    CLIP,
    LEAST_ROWS,
    FoldCounts,
    Size,
    Stage,
    may_blend,
    most_folds,
    planned,
    with_given,
)
from sklearn_wedge._estimators.race_rows import (
    RaceRows,
    folds_by_content,
    placed,
    rows_of,
)
from sklearn_wedge._estimators.scoring import score_in_words
from sklearn_wedge._estimators.workers import Workers
from sklearn_wedge._settings.constraints import CONSTRAINT_PARAMETERS
from sklearn_wedge._settings.options import (
    OPTION_CONSTRAINTS,
    FitOptions,
    descending_alphas,
)

# Rows that one row counts as where CVXPY solves for a loss, and each fit takes that much longer.
OF_CVXPY = 10
# The stage of a race that is a grid: everything on every fold.
ALL = Stage(None, None, 1, is_last=True)


def fold_options(options: FitOptions) -> FitOptions:
    """What the fit of a fold is told: it needs a good network, and shares the cores with others."""
    tol = fold_tolerance(options.tol)
    return replace(options, pricing="search", tol=tol, n_jobs=None, verbose=0, proves=False)


def rough_options(options: FitOptions) -> FitOptions:
    """The same in a race, where networks are only to be told apart."""
    return replace(fold_options(options), tol=max(TOLERANCE, options.tol), rough=True)


class AlphaByCV:
    """Choice of ``alpha`` and of the parameters in ``CANDIDATES``, for any of the networks."""

    def _default_scoring(self) -> Any:
        """Scorer, or name of one, that goes by the loss that is minimised."""
        raise NotImplementedError

    def _instead_of_constant(self, alpha_max: float) -> str:
        if np.isnan(self.best_score_):
            return (
                "On so few rows no penalty was validated; smaller ones than about "
                f"{alpha_max:.3g} (alpha_max) leave neurons."
            )
        return (
            "Of the penalties tried none has a better mean score: as far as these folds tell, the "
            f"target does not depend on the inputs, or all alphas are too large ({alpha_max:.3g} "
            "and above leave no neuron)."
        )

    def _unfitted(self) -> _WedgeNetwork:
        """A network of the same kind at one alpha, to be scored."""
        raise NotImplementedError

    _before_choice: ClassVar[dict[str, Any]] = {
        name: getattr(FitOptions, name) for name in CANDIDATES
    }

    def _shared_parameters(self) -> dict[str, Any]:
        """Those that the network at one alpha has too, whatever the target."""
        names = [*OPTION_CONSTRAINTS, *CONSTRAINT_PARAMETERS]
        return {name: getattr(self, name) for name in names}

    def _options(self, n_outputs: int, **instead: Any) -> FitOptions:
        """With the combination that was chosen, unless others are given."""
        options = super()._options(n_outputs, **(instead or self._chosen()))
        if not self._races:
            return options
        return replace(options, tol=LOOSER_BY * options.tol, certified_up_to=CERTIFIED_UP_TO)

    def _chosen(self) -> dict[str, Any]:
        """The combination that was chosen, by name."""
        return {name: self.best_params_[name] for name in CANDIDATES}

    def _choose(self, task: Task, weight: NDArray, routed: Bunch, fit: FitTask) -> Blend:
        """Set what was chosen, and how; the candidates whose networks are averaged.

        ``weight`` are the sample weights, for a scorer that is given some.
        """
        params = {name: np.asarray(values) for name, values in routed.scorer.score.items()}
        # The loss that is minimised counts classes as the fits do.
        of_loss = self.scoring is None and np.any(task.fit_weight != weight)
        if of_loss or "sample_weight" in params:
            params["sample_weight"] = task.fit_weight if self.scoring is None else weight
        race, stages, candidates = self._planned(task, params, routed.splitter.split)
        if race.folds:
            results, blend = self._raced(race, stages, candidates, fit)
        else:
            results, blend = [], Blend((self._not_raced(task, candidates),))
        self._publish_race(task, results, blend)
        if results:
            self.alpha_ = race.alpha_of(blend.chosen)
        self._learn_from(blend, race)
        return blend

    def _raced(
        self,
        race: Race,
        stages: Sequence[Stage],
        candidates: Sequence[dict[str, Any]],
        fit: FitTask,
    ) -> tuple[list[list[Outcome]], Blend]:
        """The outcomes of the stages, and what is chosen of those of the last."""
        with fit.subtask("cross-validation", None) as validation:
            # Workers tell of it. A splitter may be a generator, which does not travel.
            told = validation.elsewhere(copy(self).set_params(cv=None))
            results = race.run(stages, candidates, told)
            best = self._best_of(results[-1])
            if self._blends(race.task):
                shallowest = min(each["n_blocks"] for each in candidates)
                return results, blended(race, stages, results, best, shallowest, told)
        return results, Blend((best,))

    def _best_of(self, outcomes: Sequence[Outcome]) -> Outcome:
        """What is chosen; warnings and errors about the scores."""
        self._warn_of_unconverged(outcomes)
        if all(np.isnan(each.score) for each in outcomes):
            raise ValueError(
                f"No alpha has a score on every fold: scoring={self.scoring!r} gave NaN. Check it "
                "on parts of the data as small as a fold, or use fewer folds."
            )
        best = chosen(outcomes)
        if not is_auto(self.alphas):
            self._warn_at_an_end(best)
        return best

    def _blends(self, task: Task) -> bool:
        """Whether networks of other kinds may be taken in.

        Not of losses with kinks, whose fits take several times as long: on California housing half
        of the time of a median went into kinds that only took part in the average.
        """
        is_affordable = may_blend(self.effort, self._cost(task))
        has_kinks = isinstance(task.loss, PiecewiseLinear)
        return self.blend and self._races and is_affordable and not has_kinks

    def _learn_from(self, blend: Blend, race: Race) -> None:
        """What rows held out tell of the network, besides how it is to be chosen."""

    def _start(self, blend: Blend, task: Task) -> Found | None:
        """What the fit of the network chosen on all rows starts from."""
        was_raced = self._races and blend.chosen.paths[0].solutions
        return blend.chosen.earlier().found(task) if was_raced else None

    def _take_in(self, blend: Blend, task: Task, told: FitTask) -> None:
        """Average the network that was chosen, which is fitted, with the others.

        Callbacks see the one that was chosen until that is done; who stops a fit keeps it alone.
        """
        networks = [self._network]
        params = {**self.best_params_, "alpha": self.alpha_}
        members = [Member(blend.shares[0], params, self.n_neurons_, self.certificate_)]
        watcher = Watcher(told, lambda solution: vars(self))
        for outcome, share, alpha in blend.others:
            parameters = outcome.combination.parameters
            options = replace(self._options(task.target.shape[1], **parameters), watch=watcher)
            network, sample, certificate = fitted(outcome, alpha, task, options)
            if watcher.stopped:
                break
            networks.append(self._shifted(network))
            params = {"alpha": alpha, **parameters}
            members.append(Member(share, params, len(network.neurons), certificate))
        if len(members) == 1 or watcher.stopped:
            self.members_, self.blend_gain_ = [replace(members[0], share=1.0)], 0.0
            return
        self.members_ = members
        self._publish_network(average(networks, blend.shares))
        self._publish_importances(self._network, sample)
        self._publish_crossing(sample)

    def _shifted(self, network: Network) -> Network:
        """With what rows held out add to its outputs."""
        return network

    def _not_raced(self, task: Task, candidates: Sequence[dict[str, Any]]) -> Outcome:
        """What is taken where nothing can be validated: order 2, if it takes part.

        The penalty is that of a fit by default, or the one closest to it of those given.
        """
        simple = [each for each in candidates if each["interaction_order"] == 2]
        parameters = min(simple or candidates, key=lambda each: each["n_blocks"])
        options = self._options(task.target.shape[1], **parameters)
        alphas = np.array([FALLBACK])
        if not (is_auto(self.alphas) or isinstance(self.alphas, Integral)):
            given = self._given_alphas(task, options)
            alphas = given[[np.argmin(np.abs(np.log(given / FALLBACK)))]]
        everything = np.arange(len(task.labels))
        combination = Combination(
            tuple(parameters[name] for name in CANDIDATES), options, alphas, None
        )
        return Outcome(
            combination,
            [Fold(everything, everything[:0], 0, 1)],
            [FoldPath((np.nan,), (np.nan,), (0,))],
            len(everything),
        )

    @property
    def _races(self) -> bool:
        """Whether something is to be chosen that no candidates are given for."""
        return any(is_auto(getattr(self, name)) for name in ("alphas", *CANDIDATES))

    def _planned(
        self, task: Task, params: dict[str, NDArray], split: dict[str, Any]
    ) -> tuple[Race, list[Stage], list[dict[str, Any]]]:
        """The race, its stages and who takes part."""
        given = {
            name: several(name, getattr(self, name), type(self).__name__)
            for name in CANDIDATES
            if not is_auto(getattr(self, name))
        }
        rows, stages, candidates = None, [ALL], with_given([{}], given)
        if self._races:
            rows = rows_of(task)
        folds = self._folds(task, rows, params, split)
        if rows is not None:
            size, counts = self._size(task, rows), self._fold_counts(folds, rows)
            stages, candidates = planned(self.effort, size, counts, given, self._limits(rows))
        race = Race(
            task,
            folds,
            lambda parameters: self._options(task.target.shape[1], **parameters),
            rough_options if self._races else fold_options,
            lambda combination: self._scoring(combination, params),
            None if is_auto(self.alphas) else partial(self._alpha_grid, task),
            rows,
            self._workers(task.loss),
            NOISE if self._races else 0.0,
            self._blends(task) or isinstance(task.loss, Pinball),
        )
        return race, stages, candidates

    def _workers(self, loss: Loss) -> Workers:
        if self.n_jobs is not None:
            return Workers(1, self.n_jobs)
        return replace(Workers.of(FitOptions(solver=self.solver), loss), n_jobs=None)

    def _size(self, task: Task, rows: RaceRows) -> Size:
        return Size(rows.n_groups, task.X.shape[1], task.target.shape[1], self._cost(task))

    def _cost(self, task: Task) -> float:
        """What the loss costs; see ``Size``."""
        return OF_CVXPY if isinstance(task.loss, OwnLoss) else 1.0

    def _fold_counts(self, folds: Sequence[Fold], rows: RaceRows) -> FoldCounts:
        # A scorer without weights sees rows that have none.
        n_scored = [max(rows.n_distinct(fold.test), 1) for fold in folds]
        return FoldCounts(len(folds), float(np.mean(n_scored or [1])), self.cv is not None)

    def _limits(self, rows: RaceRows) -> dict[str, Any]:
        """Values of parameters that the data or constraints leave no choice of."""
        limits: dict[str, Any] = {}
        if not rows.has_outside(CLIP):
            limits["clip_quantile"] = CLIP
        if self.interaction_cst is not None or self.monotonic_cst is not None:
            limits["n_blocks"] = 1
        if self.monotonic_cst is not None:
            limits["norm"] = "l1"
        return limits

    def _folds(
        self, task: Task, rows: RaceRows | None, params: dict[str, NDArray], split: dict[str, Any]
    ) -> list[Fold]:
        score_weight = params.get("sample_weight")
        if rows is not None and self.cv is None:
            if rows.n_groups < LEAST_ROWS:
                return []
            return folds_by_content(task, rows, most_folds(self.effort), score_weight)
        folds = usable(task, folds_of(task, self.cv, split), score_weight)
        return folds if rows is None else placed(folds)

    def _publish_race(self, task: Task, results: list[list[Outcome]], blend: Blend) -> None:
        """What ran, what it scored, and what was chosen."""
        best = blend.chosen
        self.cv_results_ = cv_results(results, best, blend.tried)
        self.blend_gain_ = blend.gain
        last = results[-1] if results else [best]
        combinations = [each.combination for each in last]
        self.combinations_ = [combination.candidates for combination in combinations]
        self.best_params_ = {"alpha": best.alpha, **best.combination.parameters}
        self.alpha_, self.best_score_ = best.alpha, best.score
        chosen = best.combination.parameters
        self.interaction_order_, self.norm_ = chosen["interaction_order"], chosen["norm"]
        self.n_blocks_chosen_ = chosen["n_blocks"]
        self.encoding_chosen_, self.clip_quantile_ = chosen["encoding"], chosen["clip_quantile"]
        paths, folds = [each.paths for each in last], best.folds
        arrays = (
            np.array([combination.alphas for combination in combinations]),
            by_penalty_and_fold(combinations, paths, folds, "scores", np.nan),
            by_penalty_and_fold(combinations, paths, folds, "neurons", 0),
        )
        alone = all(is_one(getattr(self, name)) for name in CANDIDATES)
        self.alphas_, self.score_path_, self.n_neurons_path_ = (
            (array[0] for array in arrays) if alone else arrays
        )
        score = score_in_words(self.scoring, self.loss)
        self._how_chosen = in_words(results, best, score, task)

    def _warn_at_an_end(self, best: Outcome) -> None:
        """Say that the penalty chosen is the smallest or the largest tried, if others are worse.

        Nothing is larger than one at which the network is constant; the fit says that.
        """
        is_number, at, alphas = isinstance(self.alphas, Integral), best.at, best.combination.alphas
        is_largest = at == 0 and not is_number and any(path.neurons[0] for path in best.paths)
        is_smallest = at == len(alphas) - 1
        if not (is_largest or is_smallest) or len(tied_with_best(best.means)) == len(best.means):
            return
        which, others = ("largest", "Larger") if is_largest else ("smallest", "Smaller")
        change = f"lower eps (now {self.eps:g})" if is_number else "add some to alphas"
        warnings.warn(
            f"The penalty chosen, alpha_={best.alpha:.4g}, is the {which} tried. "
            f"{others} ones may be better: {change}.",
            stacklevel=7,
        )

    def _warn_of_unconverged(self, outcomes: Sequence[Outcome]) -> None:
        if self._races:  # rough networks are not solved to a tolerance
            return
        every = [path for outcome in outcomes for path in outcome.paths]
        unconverged = sum(path.n_unconverged for path in every)
        if unconverged:
            warnings.warn(
                f"{unconverged} of {sum(len(path.scores) for path in every)} fold fits ended above "
                f"the tolerance (tol={fold_tolerance(self.tol):g}) after max_iter={self.max_iter} "
                "rounds; their scores are those of the networks reached. Increase max_iter or tol, "
                "or use larger alphas.",
                ConvergenceWarning,
                stacklevel=7,
            )

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

    def _alpha_grid(
        self, task: Task, options: FitOptions
    ) -> tuple[NDArray[np.float64], Patience | None]:
        """The penalties that are given, and the patience with them."""
        patience = None if self.patience is None else Patience(self.patience)
        return self._given_alphas(task, options), patience

    def _given_alphas(self, task: Task, options: FitOptions) -> NDArray[np.float64]:
        if not isinstance(self.alphas, Integral):
            if options.pricing == "exact":  # what is out of reach is refused before any fit
                task.problem(slice(None), options)
            return descending_alphas(self.alphas)
        largest = largest_value_of_constant(task.problem(slice(None), options)[0])
        # A constant target has no scale; any penalty gives the constant model.
        largest = largest if largest > 0 else 1.0
        return np.geomspace(largest, self.eps * largest, int(self.alphas))

    def _scorer(self) -> Callable:
        """What scores the folds; by default with the weights of the fit."""
        if self.scoring is not None:
            return check_scoring(self, scoring=self.scoring)
        scorer = self._scorer_of_loss()
        # Nobody else could request weights for a scorer that nobody has named.
        return scorer.set_score_request(sample_weight=True) if _routing_enabled() else scorer

    def _scorer_of_loss(self) -> Callable:
        return check_scoring(self, scoring=self._default_scoring())

    def _scoring(self, combination: Combination, params: dict[str, NDArray]) -> ByScorer:
        model = self._unfitted().set_params(**combination.parameters)
        # Gains are measured by the loss in a race only; by default that is the score.
        by_another = self._races and self.scoring is not None
        of_loss = self._scorer_of_loss() if by_another else None
        return ByScorer(model, self._scorer(), params, of_loss)

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
