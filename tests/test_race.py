"""The race of the CV estimators: what it finds, what it does not depend on, and what it says."""

import pickle
import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import regressor_cv
from sklearn.base import clone
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV, ShuffleSplit

from sklearn_wedge import WedgeReLUClassifierCV, WedgeReLURegressor, WedgeReLURegressorCV
from sklearn_wedge._core.losses import Pinball, SquaredError
from sklearn_wedge._estimators import race
from sklearn_wedge._estimators.fold_paths import (
    Combination,
    FoldPath,
    Patience,
    _behind,
    best_penalty,
    left_to_gain,
)
from sklearn_wedge._estimators.race import (
    Outcome,
    Runner,
    _around,
    _n_promising,
    best,
    chosen,
    coarse_patience,
)
from sklearn_wedge._estimators.race_plan import (
    Stage,
)
from sklearn_wedge._settings.options import FitOptions

pytestmark = pytest.mark.newest

SIMPLE = {"n_blocks": 1, "encoding": None, "clip_quantile": None}
N = 240


def inputs(n=N, d=3, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, d))


def additive(X):
    return np.abs(X[:, 0]) + np.abs(X[:, 1] - 0.3) - X[:, 2]


def of_pairs(X):
    return np.abs(X[:, 0] + X[:, 1]) - np.abs(X[:, 1] - X[:, 2])


def oblique(X):
    return np.abs(X @ [1.0, -0.7, 0.5]) - np.abs(X @ [0.4, 0.8, -0.9] + 0.2)


def noisy(function, X, seed=1):
    return function(X) + 0.1 * np.random.default_rng(seed).normal(size=len(X))


@pytest.fixture(scope="module")
def fitted():
    X = inputs()
    return WedgeReLURegressorCV(effort="fast").fit(X, noisy(of_pairs, X))


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (additive, [(1, "l1")]),
        (of_pairs, [(2, "l1"), (None, "l2")]),
        (oblique, [(None, "l2"), (3, "l1")]),
    ],
    ids=["additive", "of pairs", "oblique"],
)
def test_the_kind_that_made_the_data_is_found(function, kinds):
    X = inputs()
    model = WedgeReLURegressorCV(**SIMPLE, effort="fast").fit(X, noisy(function, X))
    assert (model.interaction_order_, model.norm_) in kinds
    fresh = inputs(seed=2)
    assert np.std(model.predict(fresh) - function(fresh)) < 0.1


def test_the_choice_ignores_the_order_of_rows_and_takes_weights_as_copies(fitted):
    X = inputs()
    y = noisy(of_pairs, X)
    order = np.random.default_rng(3).permutation(N)
    shuffled = clone(fitted).fit(X[order], y[order])
    assert shuffled.best_params_ == fitted.best_params_
    assert_array_equal(shuffled.predict(X), fitted.predict(X))
    counts = np.random.default_rng(4).integers(1, 3, size=N)
    weighted = clone(fitted).fit(X, y, sample_weight=counts)
    copied = clone(fitted).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert weighted.best_params_ == copied.best_params_
    assert_allclose(
        weighted.cv_results_["mean_test_score"], copied.cv_results_["mean_test_score"], rtol=1e-9
    )
    assert_allclose(weighted.predict(X), copied.predict(X), rtol=1e-7)


def test_the_choice_does_not_depend_on_jobs(fitted):
    X = inputs()
    other = clone(fitted).set_params(n_jobs=2).fit(X, noisy(of_pairs, X))
    assert other.best_params_ == fitted.best_params_
    assert_array_equal(other.predict(X), fitted.predict(X))


def test_later_stages_have_more_rows_and_results_list_all_candidates():
    X = inputs(2500)
    given = {"norm": "l1", "n_blocks": 1, "interaction_order": (1, 2), "encoding": None}
    model = WedgeReLURegressorCV(**given, effort="fast").fit(X, noisy(additive, X))
    results = model.cv_results_
    stages, rows = results["iter"], results["n_resources"]
    assert_array_equal(np.unique(stages), np.arange(stages.max() + 1))
    assert stages.max() >= 1
    for stage in range(1, stages.max() + 1):
        assert rows[stages == stage].min() >= rows[stages == stage - 1].max()
        assert (stages == stage).sum() <= 2 * (stages == stage - 1).sum()
    assert rows[stages == 0].max() < rows[stages == stages.max()].min()
    lengths = {len(values) for values in results.values()}
    assert lengths == {len(stages)}
    best = int(np.argmin(results["rank_test_score"]))
    assert results["rank_test_score"][best] == 1
    assert results["params"][best] == model.best_params_
    assert results["mean_test_score"][best] == model.best_score_
    splits = np.array([results[name] for name in results if name.startswith("split")])
    assert_allclose(np.nanmean(splits, axis=0), results["mean_test_score"])
    assert 0.5 < model.alpha_ / model.best_params_["alpha"] < 0.4**-0.5


def test_those_close_to_the_best_are_scored_on_further_folds_at_the_same_penalties():
    X = inputs(150)
    given = {"norm": "l1", "n_blocks": 1, "encoding": None, "clip_quantile": 0.005}
    model = WedgeReLURegressorCV(interaction_order=(1, 2, 3), **given).fit(X, noisy(of_pairs, X))
    results = model.cv_results_
    scores = np.array([results[f"split{k}_test_score"] for k in range(10)]).T
    stage, order = results["iter"], results["param_interaction_order"]
    last = stage == stage.max()
    before = stage == stage.max() - 1
    assert np.isfinite(scores[last]).all()
    assert np.isnan(scores[before][:, 5:]).all()
    assert 1 <= last.sum() <= before.sum()
    same = [
        (one, other)
        for one in np.flatnonzero(last)
        for other in np.flatnonzero(before)
        if (order[one], results["param_alpha"][one])
        == (order[other], results["param_alpha"][other])
    ]
    assert same
    for one, other in same:
        assert_array_equal(scores[one, :5], scores[other, :5])


@pytest.mark.parametrize("most_rows", [100, 1_000])
def test_a_penalty_of_some_rows_is_lowered_for_all_rows(most_rows, monkeypatch):
    monkeypatch.setattr("sklearn_wedge._estimators.race_rows.MOST_ROWS", most_rows)
    X = inputs(400)
    given = {"norm": "l1", "interaction_order": 1, "n_blocks": 1, "encoding": None}
    model = WedgeReLURegressorCV(**given, effort="fast").fit(X, noisy(additive, X))
    rows = model.cv_results_["n_resources"][-1]
    assert rows == 320 if most_rows > 400 else rows < 100
    top = best_penalty(np.ravel(model.alphas_), model.score_path_.mean(axis=-1).ravel())
    assert_allclose(model.alpha_, top * (rows / 400) ** 0.5, rtol=5e-3)


@given(st.floats(-0.5, 0.5), st.floats(1e-6, 1e6), st.integers(1, 4))
def test_the_best_penalty_is_where_the_parabola_is_highest(step, bend, at):
    alphas = 3.0 * 0.4 ** np.arange(6.0)
    scores = 7.0 - bend * (np.arange(6.0) - at - 0.99 * step) ** 2
    assert_allclose(best_penalty(alphas, scores), alphas[at] * 0.4 ** (0.99 * step), rtol=1e-4)


@given(st.floats(-0.49, 0.49), st.floats(1e-6, 1e6))
def test_the_top_of_the_parabola_may_be_half_a_step_after_the_last_penalty(step, bend):
    alphas = 3.0 * 0.4 ** np.arange(6.0)
    scores = 7.0 - bend * (np.arange(6.0) - 3 - step) ** 2
    assert_allclose(best_penalty(alphas, scores[:4]), alphas[3] * 0.4**step, rtol=1e-4)
    further = 7.0 - bend * (np.arange(6.0) - 3.7 - step) ** 2
    expected = alphas[3] * 0.4 ** (0.7 + step) if step < -0.2 else alphas[3]
    assert_allclose(best_penalty(alphas, further[:4]), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "scores",
    [
        [3.0, 2.0, 1.0],
        [1.0, 2.0, 3.0],
        [1.0, 2.5, 3.75],
        [np.nan, 3.0, 2.0],
        [2.0, 3.0, np.nan],
        [2.0, 3.0, -np.inf],
        [-np.inf, 3.0, -np.inf],
        [3.0],
        [1.0, 1.0],
    ],
)
def test_the_best_penalty_is_one_of_those_tried_where_a_score_beside_it_is_missing(scores):
    alphas = 0.4 ** np.arange(float(len(scores)))
    assert best_penalty(alphas, np.array(scores)) == alphas[np.nanargmax(scores)]


def test_the_paths_are_those_of_the_last_stage(fitted):
    n_last = np.count_nonzero(fitted.cv_results_["iter"] == fitted.cv_results_["iter"].max())
    assert len(fitted.combinations_) == n_last
    assert fitted.score_path_.shape[:2] == fitted.alphas_.shape
    assert fitted.n_neurons_path_.shape == fitted.score_path_.shape
    chosen = tuple(fitted.best_params_.values())[1:]
    row = fitted.combinations_.index(chosen)
    at = list(fitted.alphas_[row]).index(fitted.best_params_["alpha"])
    assert_allclose(fitted.score_path_[row, at].mean(), fitted.best_score_)


def outcome(scores, kind=(2, "l1"), encoding=None, noise=0.5, offset=0.0):
    """Of one kind; ``scores`` are of folds at descending penalties, (n_penalties, n_folds).

    Minus the losses, and ``offset``.
    """
    options = FitOptions(interaction_order=kind[0], norm=kind[1], encoding=encoding)
    paths = [
        FoldPath(tuple(offset + of_fold), tuple(-of_fold), (1,) * len(of_fold))
        for of_fold in np.transpose(scores)
    ]
    alphas = 0.4 ** np.arange(len(scores))
    combination = Combination((*kind, 1, encoding, None), options, alphas, None)
    return Outcome(combination, (), paths, 100, noise)


VARIED = Stage(100, 1, 3, 2, {"encoding": (None, "uniform")})


def test_candidates_without_a_chance_do_not_go_on():
    outcomes = [outcome([[score]]) for score in (-2.0, -1.2, -1.0)]
    assert best(outcomes, Stage(100, 1, 3)) == [outcomes[2], outcomes[1]]


def test_variants_of_one_kind_leave_room_for_other_kinds():
    variants = [
        outcome([[-1.0 - k / 10]], encoding=each) for k, each in enumerate(["robust", "normal"])
    ]
    others = [outcome([[-1.15]], kind=(None, "l2")), outcome([[-1.2]], kind=(1, "l1"))]
    assert best([*variants, *others], VARIED) == [variants[0], *others]


def test_a_variant_of_a_kind_goes_on_only_if_it_gains_enough():
    plain, same = outcome([[-1.0]]), outcome([[-0.995]], encoding="uniform")
    assert best([plain, same], VARIED) == [plain]
    better = outcome([[-0.9]], encoding="uniform")
    assert best([plain, better], VARIED) == [better, plain]
    other_kind = outcome([[-0.995]], kind=(None, "l2"), encoding="uniform")
    assert best([plain, other_kind], VARIED) == [other_kind, plain]


def test_late_in_a_race_those_close_to_the_best_go_on_whatever_they_are():
    late = Stage(100, 1, 3, kinds_first=False)
    plain, encoded = outcome([[-1.0]]), outcome([[-0.995]], encoding="uniform")
    behind = outcome([[-1.01]], encoding="normal")
    far = outcome([[-1.1]], kind=(None, "l2"))
    assert best([plain, far, behind, encoded], late) == [encoded, plain, behind]
    assert best([plain, far], late) == [plain]


def test_late_in_a_race_those_as_good_but_for_noise_go_on_and_one_of_them_is_plain():
    late = Stage(100, 5, 2, kinds_first=False)
    noise = np.array([0.0, 0.4, -0.3, 0.1, -0.15])
    top, other = (outcome([np.full(5, -each)], encoding="uniform") for each in (0.95, 0.96))
    plain = outcome([noise - 1.0])
    assert best([top, other, plain], late) == [top, plain]
    worse = outcome([np.full(5, -1.0)])
    assert best([top, other, worse], late) == [top, other]


def test_what_only_noise_tells_apart_is_decided_for_the_simpler():
    noise = np.array([0.0, 0.4, -0.3, 0.1, -0.15])
    simple, other = outcome([noise - 1.0], kind=(1, "l1")), outcome([np.full(5, -0.95)])
    assert chosen([simple, other]) is simple
    clearly = outcome([np.full(5, -0.6)])
    assert chosen([simple, clearly]) is clearly


def test_an_encoding_needs_a_larger_gain_than_another_kind():
    noise = np.array([0.0, 0.4, -0.3, 0.1, -0.15])
    error = noise.std(ddof=1) / len(noise) ** 0.5
    better = np.full(5, -1.0)
    plain = outcome([noise - noise.mean() - 1.0 - 0.75 * error])
    encoded = outcome([better], encoding="uniform")
    assert chosen([plain, encoded]) is plain
    assert chosen([plain, outcome([better], kind=(3, "l1"))]) is not plain
    assert chosen([plain, outcome([better + error], encoding="uniform")]) is not plain


def test_on_one_fold_an_encoding_has_to_gain_enough_and_another_kind_anything():
    plain, same = outcome([[-1.0]]), outcome([[-0.995]], encoding="uniform")
    assert chosen([plain, same]) is plain
    better = outcome([[-0.9]], encoding="uniform")
    assert chosen([plain, better]) is better
    other_kind = outcome([[-0.995]], kind=(3, "l1"))
    assert chosen([plain, other_kind]) is other_kind


def test_a_smaller_penalty_needs_a_gain_beyond_noise_but_not_for_the_last_fit():
    noise = np.array([0.0, 0.4, -0.3, 0.1, -0.15])
    scores = [noise - 2.0, noise - 1.0, np.full(5, -0.95)]
    assert outcome(scores).at == 1
    assert outcome(scores, noise=0.0).at == 2
    assert outcome(scores).alpha_for(100) == 0.244


def test_a_penalty_for_more_rows_has_three_digits_and_is_lower_by_the_root_of_the_share():
    found = outcome([np.full(5, each) for each in (-2.0, -1.0, -2.0)])
    assert found.alpha_for(100) == found.alpha == 0.4
    assert found.alpha_for(125) == 0.358


@pytest.mark.parametrize(
    ("scores", "end"),
    [
        ([-0.256, -0.236], 3),
        ([-0.256, -0.236, -0.227], 3),  # the next one of the parabola: -0.229
        ([-0.256, -0.236, -0.222], 4),
        ([-0.256, -0.266, -0.227], 4),
        ([-0.300, -0.256, -0.236, -0.227], 4),
        ([-0.256, -0.236, -0.240], 3),
        ([np.nan, -0.236, -0.227], 4),
    ],
)
def test_a_path_ends_where_the_parabola_has_nothing_better(scores, end):
    scores = np.array(scores)
    assert Patience(1, foresees=True).end(scores, -scores) == end
    assert Patience(1).end(scores, -scores) >= end


@pytest.mark.parametrize(
    ("scores", "end"),
    [
        ([], 3),
        ([-9.0, -2.0], 4),
        ([-9.0, -2.0, -1.999], 4),  # no gain to speak of
        ([-9.0, -2.0, -1.9], 5),
        ([-9.0, -2.0, -2.1], 4),
        ([-9.0, -2.0, -2.3], 3),  # hopeless
        ([-9.0, -9.5], 3),  # nothing was gained that could be lost
        ([np.nan, -2.0], 4),
        ([np.nan, np.nan], 3),
    ],
)
def test_a_path_goes_on_while_it_gains_and_ends_where_it_is_hopeless(scores, end):
    scores = np.array(scores)
    assert Patience(2, least_gain=5e-3, hopeless=0.1).end(scores, -scores) == end


@pytest.mark.parametrize(
    ("crowding", "crowded", "n_more"),
    [((0.0, 0.3), np.inf, 3), ((0.0, 0.2), 0.2, 1), ((0.0, 0.3), 0.2, 0)],
)
def test_a_path_ends_at_the_first_penalty_with_too_many_neurons_for_the_rows(
    crowding, crowded, n_more
):
    """It goes there one by one: the penalty after it would cost most of the time."""
    path = FoldPath((-3.0, -2.0), (3.0, 2.0), (0, 9), crowding)
    alphas = 0.3 ** np.arange(5.0)
    combination = Combination((), None, alphas, Patience(3, crowded=crowded))
    assert combination.n_more([path]) == n_more


def test_a_path_ends_where_others_are_far_better():
    ahead, behind = outcome([[-4.0], [-1.0]]), outcome([[-4.0], [-1.4]])
    by = _behind([ahead.paths, behind.paths])
    assert_allclose(by, [0.0, 0.4])
    alphas = 0.3 ** np.arange(5.0)
    for patience, goes_on in [(Patience(1), True), (Patience(1, behind=0.25), False)]:
        combination = Combination((), None, alphas, patience)
        assert combination.n_more(ahead.paths, by[0]) > 0
        assert (combination.n_more(behind.paths, by[1]) > 0) == goes_on


@pytest.mark.parametrize(
    ("scores", "n_rows", "n_tried"),
    [
        ([-3.0, -1.0, -1.02], 100, 4),  # of penalties 2.5, 1, 0.4 and 0.16 of the best
        ([-3.0, -1.0, -1.1], 100, 2),
        ([-3.0, -1.0, -1.1], 200, 2),
        ([-3.0, -1.0, -1.1], 201, 4),  # on many more rows smaller ones may be better
        ([-3.0, -1.0, -1.02, -1.1], 100, 3),
        ([-1.0, -3.0], 100, 2),
        ([-1.0], 100, 4),
    ],
)
def test_penalties_that_have_lost_are_not_tried_on_a_few_more_rows(scores, n_rows, n_tried):
    before = outcome(np.array(scores)[:, None])
    alphas = _around(before, n_rows, 4)
    same = Runner(before.combination.parameters, before)
    assert _n_promising(same, n_rows, alphas) == n_tried
    other = Runner({**same.parameters, "n_blocks": 2}, before)
    assert _n_promising(other, n_rows, alphas) == 4
    combination = replace(before.combination, alphas=alphas, at_most=n_tried)
    assert combination.n_more(outcome([[-1.0]]).paths) == n_tried - 1


@pytest.mark.parametrize(("loss", "end"), [(Pinball(1.0, 1.0), 4), (SquaredError(), 5)])
def test_a_path_of_medians_ends_where_networks_interpolate(loss, end):
    scores = np.array([-32.7, -23.8, -21.6, -22.2])  # 6 % of what was gained are lost
    assert coarse_patience(loss).end(scores[:3], -scores[:3]) == 5
    assert coarse_patience(loss).end(scores, -scores) == end


# Goes on to the last penalty: two, and then one by one.
PATIENT = Patience(1, least_gain=-np.inf)


def penalties_of_stages(capfd):
    """How many were tried in each stage of a race, by candidate."""
    X = inputs()
    WedgeReLURegressorCV(effort="fast", verbose=1).fit(X, noisy(of_pairs, X))
    stages = capfd.readouterr().out.split("cross-validation, ")[1:]
    return [list(map(int, re.findall(r"best of (\d+) penalt", stage))) for stage in stages]


def test_a_race_tries_no_further_penalties_of_what_is_behind(monkeypatch, capfd):
    monkeypatch.setattr(race, "FINE_PATIENCE", PATIENT)
    first, *all_of_later = penalties_of_stages(capfd)
    monkeypatch.setattr(race, "FINE_PATIENCE", replace(PATIENT, behind=0.0))
    again, *fewer = penalties_of_stages(capfd)
    assert again == first
    assert sum(fewer[0]) < sum(all_of_later[0])


def test_a_race_does_not_try_again_what_has_lost(monkeypatch, capfd):
    monkeypatch.setattr(race, "FINE_PATIENCE", PATIENT)
    monkeypatch.setattr(race, "LOST", np.inf)
    first, *all_of_later = penalties_of_stages(capfd)
    monkeypatch.setattr(race, "LOST", 0.0)
    again, *fewer = penalties_of_stages(capfd)
    assert again == first
    assert sum(map(sum, fewer)) < sum(map(sum, all_of_later))


@pytest.mark.filterwarnings("error")
def test_a_score_that_is_infinite_is_as_far_behind_as_can_be():
    finite, none = (
        [FoldPath((score, score + 0.1), (0.9, 0.8), (1, 2), (0.1, 0.2))] for score in (0.5, -np.inf)
    )
    assert_array_equal(_behind([finite, none]), [0.0, np.inf])


def test_what_is_given_restricts_the_race():
    X = inputs(260)
    y = noisy(of_pairs, X)
    given = {"interaction_order": (1, 2), "norm": "l1", "n_blocks": 1, "alphas": [0.1, 0.03]}
    model = WedgeReLURegressorCV(**given, effort="fast").fit(X, y)
    results = model.cv_results_
    assert set(results["param_interaction_order"]) == {1, 2}
    assert set(results["param_norm"]) == {"l1"}
    assert set(results["param_n_blocks"]) == {1}
    assert set(results["param_alpha"]) <= {0.1, 0.03}
    assert len(set(results["param_encoding"])) > 1


def test_a_choice_of_nothing_is_a_race_of_one_stage():
    X = inputs(60)
    given = {"interaction_order": 1, "norm": "l1", "alphas": [0.1, 0.03], "cv": 2}
    model = WedgeReLURegressorCV(**given, **SIMPLE).fit(X, noisy(additive, X))
    assert_array_equal(model.cv_results_["iter"], [0])
    assert model.score_path_.shape == (2, 2)


def test_constraints_restrict_the_race():
    X = inputs(120)
    model = WedgeReLURegressorCV(monotonic_cst=[0, 0, -1], effort="fast")
    model.fit(X, noisy(additive, X))
    assert set(model.cv_results_["param_norm"]) == {"l1"}
    assert set(model.cv_results_["param_n_blocks"]) == {1}


def test_folds_that_are_given_are_used():
    X = inputs(120)
    y = noisy(additive, X)
    model = WedgeReLURegressorCV(cv=3, effort="fast", encoding=None).fit(X, y)
    assert {name for name in model.cv_results_ if name.startswith("split")} == {
        f"split{k}_test_score" for k in range(3)
    }
    grid = {"effort": ["fast"]}
    search = GridSearchCV(WedgeReLURegressorCV(**SIMPLE, norm="l1"), grid, cv=2).fit(X, y)
    assert search.best_score_ > 0.5


@pytest.mark.parametrize("n", [2, 8, 30])
def test_few_rows_are_raced_briefly_and_said_to_be_few(n):
    X = inputs(n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = WedgeReLURegressorCV().fit(X, additive(X))
    assert len(model.cv_results_["iter"]) <= 6
    words = " ".join(model.summary().split())
    assert ("nothing to validate on" in words) == (n < 10)
    warned = "; with 30 distinct rows scored in all, other folds may well choose otherwise)"
    assert (warned in words) == (n == 30)


@pytest.mark.parametrize("model", [WedgeReLURegressorCV(effort="fast"), WedgeReLURegressor()])
def test_the_summary_says_that_chance_chooses_on_few_rows(model):
    for n in (99, 100):
        X = inputs(n)
        words = " ".join(model.fit(X, additive(X)).summary().split())
        assert (f"with {n} distinct rows scored in all, other folds may" in words) == (n == 99)


@pytest.mark.parametrize(
    "model", [WedgeReLURegressorCV(effort="fast"), regressor_cv([0.1], cv=2), WedgeReLURegressor()]
)
def test_a_weight_is_told_as_copies_are(model):
    X = inputs(60)
    y = additive(X)
    for rows, weight in ((X, [2.0] * 60), (np.vstack([X, X]), None)):
        model.fit(rows, np.resize(y, len(rows)), sample_weight=weight)
        assert "with 60 distinct rows scored in all" in " ".join(model.summary().split())


def test_deviations_of_scores_are_finite_where_their_squares_are_not():
    X = inputs(60)
    one = regressor_cv([0.1], cv=3).fit(X, noisy(additive, X))
    huge = regressor_cv([0.1], cv=3).fit(X, noisy(additive, X) * 1e100)
    (of_one,), (of_huge,) = one.cv_results_["std_test_score"], huge.cv_results_["std_test_score"]
    assert of_one == pytest.approx(np.std(one.score_path_))
    assert of_huge == pytest.approx(of_one * 1e200, rel=1e-6)


def test_the_summary_says_what_was_chosen_and_why(fitted):
    words = " ".join(fitted.summary().split())
    assert f"Chosen: alpha {fitted.alpha_:.3g}, interaction_order=" in words
    assert "3 candidates on" in words
    (best,) = np.flatnonzero(fitted.cv_results_["rank_test_score"] == 1)
    folds = [name for name in fitted.cv_results_ if name.startswith("split")]
    scores = np.array([fitted.cv_results_[name][best] for name in folds])
    scores = scores[np.isfinite(scores)]
    error = f" (standard deviation over folds {scores.std():.2g})"
    score = f"mean score {fitted.best_score_:.4g}{error if len(scores) > 1 else ''}"
    assert f"{score}: minus the mean squared error)" in words


def test_the_summary_says_what_the_scores_are():
    X = inputs(60)
    few = {"alphas": [0.1], "cv": 2, "interaction_order": 1, "norm": "l1", "n_blocks": 1}
    given = {**few, "encoding": None, "clip_quantile": 0.005}

    def ends(model, y):
        words = " ".join(model.set_params(**given).fit(X, y).summary().split())
        return words.partition("mean score ")[2]

    y = noisy(additive, X)
    assert ": r2; with 60 distinct rows scored" in ends(WedgeReLURegressorCV(scoring="r2"), y)
    assert ": minus the mean Huber loss; with 60 distinct rows scored" in ends(
        WedgeReLURegressorCV(loss="huber"), y
    )
    own = make_scorer(mean_absolute_error, greater_is_better=False)
    assert ": make_scorer(mean_absolute_error," in ends(WedgeReLURegressorCV(scoring=own), y)

    def by_sign(model, X, y):
        return float(np.mean(np.sign(model.predict(X)) == np.sign(y)))

    assert ": by_sign; with 60 distinct rows scored" in ends(
        WedgeReLURegressorCV(scoring=by_sign), y
    )
    labels = y > np.median(y)
    assert ": minus the mean log loss; with 60 distinct rows scored" in ends(
        WedgeReLUClassifierCV(), labels
    )


def test_verbose_names_the_stages_of_the_race(capfd):
    X = inputs(120)
    WedgeReLURegressorCV(effort="fast", verbose=1).fit(X, noisy(additive, X))
    out = capfd.readouterr().out
    assert "cross-validation, stage 1: " in out
    assert "cross-validation, stage 2: " in out


def test_a_pickle_keeps_the_choice_and_a_clone_does_not(fitted):
    copy = pickle.loads(pickle.dumps(fitted))
    assert copy.best_params_ == fitted.best_params_
    assert copy.summary() == fitted.summary()
    unfitted = clone(fitted)
    assert not hasattr(unfitted, "best_params_")
    assert unfitted.get_params() == fitted.get_params()


def test_several_classes_are_raced():
    X = inputs(150, 2)
    y = np.array(["a", "b", "c"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.2)]
    model = WedgeReLUClassifierCV(effort="fast", encoding=None).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.best_score_ > -0.5  # that of the constant model is about -1


def test_an_effort_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'effort' parameter of WedgeReLURegressorCV"):
        WedgeReLURegressorCV(effort="much").fit(inputs(20), np.arange(20.0))


def test_columns_with_names_do_not_warn_about_names():
    X = inputs(120)
    y = noisy(additive, X)
    frame = pd.DataFrame(X, columns=[f"a{k}" for k in range(X.shape[1])])
    for alphas in ("auto", [0.1, 0.01]):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*feature names")
            model = WedgeReLURegressorCV(
                alphas, interaction_order=1, norm="l1", n_blocks=1, encoding=None, effort="fast"
            ).fit(frame, y)
        assert list(model.feature_names_in_) == list(frame.columns)


def test_counts_that_are_nearly_all_0_are_raced_on_rows_with_some():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6_000, 2))
    y = np.zeros(len(X))
    y[:5] = 1.0
    model = WedgeReLURegressorCV(
        loss="poisson", interaction_order=1, norm="l1", n_blocks=1, encoding=None, effort="fast"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a constant network is as good
        assert model.fit(X, y).predict(X).mean() > 0


@pytest.mark.parametrize(("alphas", "expected"), [("auto", 0.01), (5, 0.01), ([1.0, 0.02], 0.02)])
def test_few_rows_get_the_usual_penalty_or_the_nearest_given(alphas, expected):
    X = inputs(6)
    y = noisy(additive, X)
    assert WedgeReLURegressorCV(alphas).fit(X, y).alpha_ == expected


def test_a_penalty_chosen_on_given_folds_is_lowered_for_all_rows():
    X = inputs(90)
    y = noisy(additive, X)
    given = {"norm": "l1", "interaction_order": 1, "n_blocks": 1, "encoding": None}
    model = WedgeReLURegressorCV(cv=3, effort="fast", **given).fit(X, y)
    assert type(model.alpha_) is float
    top = best_penalty(np.ravel(model.alphas_), model.score_path_.mean(axis=-1).ravel())
    assert_allclose(model.alpha_, top * (2 / 3) ** 0.5, rtol=5e-3)


def scored_by(offset, factor):
    def scorer(model, X, y):
        return offset - factor * np.mean((model.predict(X) - y) ** 2)

    return scorer


@pytest.mark.parametrize(("offset", "factor"), [(1_000.0, 1.0), (-3.0, 1e-3)])
def test_the_zero_and_the_unit_of_a_score_are_nothing_to_the_choice(offset, factor):
    X = inputs(150)
    y = noisy(of_pairs, X)
    of_loss = WedgeReLURegressorCV(effort="fast").fit(X, y)
    model = clone(of_loss).set_params(scoring=scored_by(offset, factor)).fit(X, y)
    assert model.cv_results_["params"] == of_loss.cv_results_["params"]
    assert model.best_params_ == of_loss.best_params_
    expected = offset + factor * of_loss.cv_results_["mean_test_score"]
    assert_allclose(model.cv_results_["mean_test_score"], expected, rtol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 0.9, 1_000.0])
def test_a_path_and_a_stage_go_by_gains_whatever_the_zero_of_the_score(offset):
    patience = Patience(2, least_gain=5e-3, hopeless=0.1)
    losses = np.array([9.0, 2.0, 1.98])
    assert patience.end(offset - losses, losses) == 5
    losses = np.array([9.0, 2.0, 2.3])
    assert patience.end(offset - losses, losses) == 3
    outcomes = [outcome([[-9.0], [score]], offset=offset) for score in (-2.0, -1.2, -1.0)]
    assert best(outcomes, Stage(100, 1, 3)) == [outcomes[2], outcomes[1]]


def test_what_is_left_to_gain_is_the_loss_in_units_of_the_score():
    losses = np.array([9.0, 2.0, np.inf, 1.0])
    assert_allclose(left_to_gain(1.0, 5.0 - 3.0 * losses, losses), 3.0)
    assert left_to_gain(1.0, np.array([0.5, 0.5]), losses[:2]) == 0.0  # no score was gained
    assert left_to_gain(1.0, np.array([0.5]), losses[3:]) == 0.0  # nothing to compare with
    assert left_to_gain(np.nan, -losses, losses) == 0.0


def test_small_test_parts_that_are_given_count_as_what_they_are():
    X = inputs(400)
    cv = ShuffleSplit(30, test_size=10, random_state=0)
    given = {"interaction_order": (1, 2), "norm": "l1", **SIMPLE}
    model = WedgeReLURegressorCV(cv=cv, effort="fast", **given).fit(X, noisy(additive, X))
    results = model.cv_results_
    splits = np.array([results[f"split{k}_test_score"] for k in range(30)])
    n_folds = np.count_nonzero(~np.isnan(splits), axis=0)
    assert_array_equal(n_folds[results["iter"] == 0], 20)  # that score 200 rows
    assert_array_equal(n_folds[results["iter"] == results["iter"].max()], 30)
