"""Penalty, class of neurons and depth chosen by cross-validation.

One warm path per fold and combination of order, norm and number of blocks, see ``_fold_paths``.
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
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)

from sklearn_wedge._core.column_generation import largest_value_of_constant
from sklearn_wedge._core.deep import SolvedBlock
from sklearn_wedge._core.network import deep_network_of
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._estimators.base import _WedgeNetwork
from sklearn_wedge._estimators.callbacks import FitTask
from sklearn_wedge._estimators.fold_paths import (
    CANDIDATES,
    Combination,
    FoldPath,
    Score,
    by_penalty_and_fold,
    fold_tolerance,
    mean_scores,
    paths_in_step,
    tied_with_best,
)
from sklearn_wedge._estimators.folds import Fold, Task, folds_of, usable
from sklearn_wedge._settings.constraints import CONSTRAINT_PARAMETERS
from sklearn_wedge._settings.options import (
    OPTION_CONSTRAINTS,
    FitOptions,
    NumberIn,
    descending_alphas,
)

CV_CONSTRAINTS: dict[str, list[Any]] = {
    "alphas": [NumberIn(Integral, 1, None, closed="left"), "array-like"],
    "eps": [NumberIn(Real, 0, 1, closed="neither")],
    "patience": [NumberIn(Integral, 1, None, closed="left"), None],
    "cv": ["cv_object"],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    **CONSTRAINT_PARAMETERS,
    **OPTION_CONSTRAINTS,
    # Several candidates, which are validated one by one.
    **{name: [*OPTION_CONSTRAINTS[name], list, tuple, np.ndarray] for name in CANDIDATES},
}


def _several(name: str, given: Any, caller: str) -> list:
    """The candidates for a parameter: one, or those of a list, tuple or array.

    Raises
    ------
    ValueError
        If there are none, or one is not valid.
    """
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, list | tuple):
        return [given]
    if not given:
        raise ValueError(f"{name} is empty: give one candidate for {caller}, or a list of several.")
    for candidate in given:
        validate_parameter_constraints(
            {name: OPTION_CONSTRAINTS[name]}, {name: candidate}, caller_name=caller
        )
    return list(given)


def _canonical(options: FitOptions, n_inputs: int) -> tuple:
    """What tells networks apart on data of so many columns.

    A weight of one input is ±1 in either norm. Further blocks have more inputs than columns: there
    an order beyond the number of these is one of its own.
    """
    neurons = options.neuron_class(n_inputs, wedge=False)
    order = neurons.order if options.n_blocks == 1 else options.interaction_order
    norm = "l1" if order == 1 else options.norm
    return replace(neurons, norm="l1"), order, norm, options.n_blocks, options.encoding


def simplest_best(combinations: Sequence[Combination], means: Sequence[NDArray]) -> tuple[int, int]:
    """The combination and the penalty of the best mean score; of equal ones the simplest network.

    It has fewer chunks, then fewer inputs per neuron, then the candidates given first, then the
    larger penalty. A path may have ended before those of other combinations.
    """
    order = sorted(range(len(combinations)), key=lambda i: combinations[i].complexity)
    places = [(i, at) for i in order for at in range(len(means[i]))]
    return places[tied_with_best(np.concatenate([means[i] for i in order]))[0]]


def fold_options(options: FitOptions) -> FitOptions:
    """What the fit of a fold is told: it needs a good network, and shares the cores with others."""
    tol = fold_tolerance(options.tol)
    return replace(options, pricing="search", tol=tol, n_jobs=None, verbose=0, proves=False)


@dataclass(frozen=True)
class ByScorer:
    """Scores by a scorer of scikit-learn; see ``Scoring``.

    ``unfitted`` is the network to be scored, ``params`` what the scorer is given by row.
    """

    unfitted: _WedgeNetwork
    scorer: Callable
    params: dict[str, NDArray]

    def on(self, task: Task, fold: Fold, sample: Sample) -> Score:
        """See ``Scoring``."""
        rows, unfitted = fold.test, copy(self.unfitted)
        held_out = {name: values[rows] for name, values in self.params.items()}
        unfitted._publish_marginals(sample)

        def score(blocks: Sequence[SolvedBlock]) -> float:
            solution = blocks[-1].solution
            model = copy(unfitted).set_params(alpha=solution.alpha)
            model._publish(deep_network_of(blocks), sample, solution)
            return float(self.scorer(model, task.X[rows], task.labels[rows], **held_out))

        return score


class AlphaByCV:
    """Choice of ``alpha``, order, norm and depth by cross-validation, for any of the networks."""

    def _default_scoring(self) -> Any:
        """Scorer, or name of one, that goes by the loss that is minimised."""
        raise NotImplementedError

    def _instead_of_constant(self, alpha_max: float) -> str:
        return (
            "Of the penalties tried none has a better mean score: as far as these folds tell, the "
            f"target does not depend on the inputs, or all alphas are too large ({alpha_max:.3g} "
            "and above leave no neuron)."
        )

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
        chosen = (
            self.interaction_order_,
            self.norm_,
            self.n_blocks_chosen_,
            self.encoding_chosen_,
        )
        return dict(zip(CANDIDATES, chosen, strict=True))

    def _choose(self, task: Task, weight: NDArray, routed: Bunch, fit: FitTask) -> None:
        """Set ``combinations_``, ``alphas_`` and their paths, and what is best of them.

        ``weight`` are the sample weights, for a scorer that is given some.
        """
        caller = type(self).__name__
        given = list(product(*(_several(n, getattr(self, n), caller) for n in CANDIDATES)))
        combinations = self._combinations(task, given)
        params = {name: np.asarray(values) for name, values in routed.scorer.score.items()}
        if "sample_weight" in params:
            params["sample_weight"] = weight
        folds = folds_of(task, self.cv, routed.splitter.split)
        folds = usable(task, folds, params.get("sample_weight"))
        n_fits = len(combinations) * len(folds)
        with fit.subtask("cross-validation", n_fits, sequential_subtasks=False) as validation:
            paths = paths_in_step(
                task,
                combinations,
                folds,
                [self._scoring(each, params) for each in combinations],
                self.n_jobs,
                # Workers tell of them. A splitter may be a generator, which does not travel.
                validation.elsewhere(copy(self).set_params(cv=None)),
            )
        self._warn_of_unconverged(paths)
        means = [mean_scores(each) for each in paths]
        if all(np.isnan(each).all() for each in means):
            raise ValueError(
                f"No alpha has a score on every fold: scoring={self.scoring!r} gave NaN. Check it "
                "on parts of the data as small as a fold, or use fewer folds."
            )
        best, at = simplest_best(combinations, means)
        self._warn_at_an_end(combinations[best], means[best], at, paths[best])
        self.combinations_ = [combination.candidates for combination in combinations]
        chosen = self.combinations_[best]
        self.interaction_order_, self.norm_, self.n_blocks_chosen_, self.encoding_chosen_ = chosen
        self.alpha_ = float(combinations[best].alphas[at])
        self.best_score_ = float(means[best][at])
        arrays = (
            np.array([combination.alphas for combination in combinations]),
            by_penalty_and_fold(combinations, paths, folds, "scores", np.nan),
            by_penalty_and_fold(combinations, paths, folds, "neurons", 0),
        )
        several = len(given) > 1
        self.alphas_, self.score_path_, self.n_neurons_path_ = (
            arrays if several else (array[0] for array in arrays)
        )

    def _warn_at_an_end(
        self, combination: Combination, means: NDArray, at: int, paths: list[FoldPath]
    ) -> None:
        """Say that the penalty chosen is the smallest or the largest tried, if others are worse.

        Nothing is larger than one at which the network is constant; the fit says that.
        """
        is_number = isinstance(self.alphas, Integral)
        is_largest = at == 0 and not is_number and any(path.neurons[0] for path in paths)
        is_smallest = at == len(combination.alphas) - 1
        if not (is_largest or is_smallest) or len(tied_with_best(means)) == len(means):
            return
        which, others = ("largest", "Larger") if is_largest else ("smallest", "Smaller")
        change = f"lower eps (now {self.eps:g})" if is_number else "add some to alphas"
        warnings.warn(
            f"The penalty chosen, alpha_={combination.alphas[at]:.4g}, is the {which} tried. "
            f"{others} ones may be better: {change}.",
            stacklevel=5,
        )

    def _warn_of_unconverged(self, paths: list[list[FoldPath]]) -> None:
        every = [path for of_combination in paths for path in of_combination]
        unconverged = sum(path.n_unconverged for path in every)
        if unconverged:
            warnings.warn(
                f"{unconverged} of {sum(len(path.scores) for path in every)} fold fits ended above "
                f"the tolerance (tol={fold_tolerance(self.tol):g}) after max_iter={self.max_iter} "
                "rounds; their scores are those of the networks reached. Increase max_iter or tol, "
                "or use larger alphas.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _combinations(self, task: Task, given: list[tuple]) -> list[Combination]:
        """Those that differ on these data: one per class of networks."""
        found: dict[tuple, tuple[tuple, FitOptions]] = {}
        for candidates in given:
            instead = dict(zip(CANDIDATES, candidates, strict=True))
            options = self._options(task.target.shape[1], **instead)
            found.setdefault(_canonical(options, task.X.shape[1]), (candidates, options))
        return [
            Combination(
                candidates,
                fold_options(options),
                self._alpha_grid(task, options),
                self.patience,
                options.verbose,
            )
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
        largest = largest_value_of_constant(task.problem(slice(None), options)[0])
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

    def _scoring(self, combination: Combination, params: dict[str, NDArray]) -> ByScorer:
        model = self._unfitted().set_params(**combination.parameters)
        return ByScorer(model, self._scorer(), params)

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
