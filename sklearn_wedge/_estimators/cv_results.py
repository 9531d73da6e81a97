"""What a race says: a table in scikit-learn's manner, and words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from sklearn_wedge._estimators.fold_paths import CANDIDATES
from sklearn_wedge._estimators.folds import Task, chance_in_words
from sklearn_wedge._estimators.race import Outcome


def cv_results(
    results: Sequence[Sequence[Outcome]], best: Outcome, beside: Sequence[Sequence[Outcome]] = ()
) -> dict[str, Any]:
    """Arrays and lists with an entry per candidate and stage, as ``HalvingGridSearchCV`` has them.

    Those of later stages have better ranks, and the one that was chosen has the best. Those that
    ran ``beside`` it come last, and are ranked last: nothing was chosen of them.
    """
    rows = [(stage, each) for stage, outcomes in enumerate(results) for each in outcomes]
    n_ranked = len(rows)
    rows += [(k, each) for k, some in enumerate(beside, start=len(results)) for each in some]
    scores = _by_fold([each.scores for _, each in rows])
    alphas = np.array([each.alpha for _, each in rows])
    parameters = [each.combination.parameters for _, each in rows]
    found: dict[str, Any] = {
        "iter": np.array([stage for stage, _ in rows]),
        "n_resources": np.array([each.n_rows for _, each in rows]),
        "param_alpha": np.ma.MaskedArray(alphas, mask=False),
    }
    for name in CANDIDATES:
        values = np.empty(len(rows), dtype=object)
        values[:] = [each[name] for each in parameters]
        found[f"param_{name}"] = np.ma.MaskedArray(values, mask=False)
    found["params"] = [
        {"alpha": float(alpha), **each} for alpha, each in zip(alphas, parameters, strict=True)
    ]
    found |= {f"split{k}_test_score": column for k, column in enumerate(scores.T)}
    means = np.array([each.score for _, each in rows])
    found["mean_test_score"] = means
    found["std_test_score"] = np.array([_deviation(each.scores) for _, each in rows])
    is_best = np.array([each is best for _, each in rows], dtype=bool)
    stage = np.where(np.arange(len(rows)) < n_ranked, found["iter"], -1)
    found["rank_test_score"] = _ranks(stage, means, is_best)
    found["mean_n_neurons"] = np.array(
        [np.mean([path.neurons[each.at] for path in each.paths]) for _, each in rows]
    )
    return found


def _by_fold(scores: Sequence[NDArray]) -> NDArray[np.float64]:
    """(n_rows, n_folds); NaN on the folds that a stage left out."""
    table = np.full((len(scores), max(map(len, scores), default=0)), np.nan)
    for row, each in zip(table, scores, strict=True):
        row[: len(each)] = each
    return table


def _ranks(stage: NDArray, means: NDArray, is_best: NDArray) -> NDArray[np.int32]:
    keys = list(zip(~is_best, -stage, -np.nan_to_num(means, nan=-np.inf), strict=True))
    place = {key: k for k, key in enumerate(sorted(set(keys)))}
    return rankdata([place[key] for key in keys], method="min").astype(np.int32)


def in_words(results: Sequence[Sequence[Outcome]], best: Outcome, score: str, task: Task) -> str:
    """How the choice was made; ``score`` says what the scores are."""
    if not results:
        return "nothing to validate on: too few distinct rows"
    stages = [_stage_in_words(outcomes) for outcomes in results]
    is_first = best.score >= max(each.score for each in results[-1])
    reason = "the best" if is_first else "as good as the best but for noise, and simpler"
    # No standard error: folds of several divisions of the same rows are not independent.
    noise = f" (standard deviation over folds {_deviation(best.scores):.2g})"
    return (
        f"{', then '.join(stages)}; {reason}, mean score {best.score:.4g}"
        f"{noise if len(best.scores) > 1 else ''}: {score}{chance_in_words(task, best.folds)}"
    )


def _deviation(scores: NDArray[np.float64]) -> float:
    """The standard deviation of scores, whose squares may be too large for a number."""
    largest = np.abs(scores).max()
    unit = largest if 0 < largest < np.inf else 1.0
    return float(unit * (scores / unit).std())


def _stage_in_words(outcomes: Sequence[Outcome]) -> str:
    n, n_folds, n_rows = len(outcomes), len(outcomes[0].folds), outcomes[0].n_rows
    candidates = f"{n} candidate{'s' * (n > 1)}"
    return f"{candidates} on {n_folds} fold{'s' * (n_folds > 1)} of {n_rows} rows to fit"
