"""The choice of order, norm and depth by cross-validation, beside that of the penalty."""

import warnings

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv, regressor_cv
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLURegressor,
)
from sklearn_wedge._estimators.folds import fold_tolerance

pytestmark = pytest.mark.newest

ORDERS, NORMS = (1, 2, None), ["l1", "l2"]
# Order 1 has the same neurons under both norms.
TRIED = [(1, "l1", 1), (2, "l1", 1), (2, "l2", 1), (None, "l1", 1), (None, "l2", 1)]
FITS = {"alphas": [0.3, 0.05], "cv": 2, "tol": 1e-6, "pricing": "search"}


def table(classes, seed=0, n=60, d=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = 3 * np.abs(X[:, 0] - X[:, 1]) + 2 * X[:, -1] + 0.5 * rng.normal(size=n)
    return X, (np.where(y > 3.5, "sick", "healthy") if classes else y)


KINDS = {
    "regression": (table(False), regressor_cv, WedgeReLURegressor),
    "classification": (table(True), classifier_cv, WedgeReLUClassifier),
}


def kinds(model):
    """What was tried, as order, norm and number of blocks."""
    return [each[:3] for each in model.combinations_]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module")
def fitted(kind):
    data, with_cv, _ = kind
    return with_cv(**FITS, interaction_order=ORDERS, norm=NORMS).fit(*data)


def test_all_combinations_are_scored_like_separate_fits(kind, fitted):
    data, with_cv, _ = kind
    assert kinds(fitted) == TRIED
    assert fitted.alphas_.shape == (5, 2)
    assert fitted.score_path_.shape == (5, 2, 2)
    best = []
    for (order, norm, _), alphas, scores in zip(
        TRIED, fitted.alphas_, fitted.score_path_, strict=True
    ):
        alone = with_cv(**FITS, interaction_order=order, norm=norm).fit(*data)
        assert_array_equal(alphas, alone.alphas_)
        assert_array_equal(scores, alone.score_path_)
        best.append((alone.best_score_, order, norm, alone.alpha_))
    chosen = fitted.best_score_, fitted.interaction_order_, fitted.norm_, fitted.alpha_
    assert chosen == max(best, key=lambda entry: entry[0])
    assert len({entry[0] for entry in best}) == 5


def test_the_final_network_is_the_one_chosen(kind, fitted):
    data, _, single = kind
    X = table(False, 1)[0]
    alone = single(
        fitted.alpha_,
        interaction_order=fitted.interaction_order_,
        norm=fitted.norm_,
        pricing="search",
        tol=1e-6,
    ).fit(*data)
    assert_array_equal(fitted.predict(X), alone.predict(X))
    assert fitted.certificate_ == alone.certificate_


@pytest.mark.parametrize(
    ("candidates", "single"),
    [
        ({"interaction_order": [1]}, {"interaction_order": 1}),
        ({"interaction_order": (None,)}, {"interaction_order": None}),
        ({"norm": ("l2",)}, {"norm": "l2"}),
        ({"interaction_order": [1], "norm": ["l1"]}, {"interaction_order": 1}),
    ],
    ids=str,
)
def test_a_list_of_one_is_that_one(candidates, single, kind):
    data, with_cv, _ = kind
    listed, plain = with_cv(**FITS, **candidates).fit(*data), with_cv(**FITS, **single).fit(*data)
    assert listed.alphas_.shape == plain.alphas_.shape == (2,)
    assert_array_equal(listed.score_path_, plain.score_path_)
    assert listed.score_path_.shape == (2, 2)
    assert_array_equal(listed.predict(data[0]), plain.predict(data[0]))
    for name in ("combinations_", "interaction_order_", "norm_", "alpha_", "best_score_"):
        assert getattr(listed, name) == getattr(plain, name)


def test_each_combination_has_a_grid_from_where_its_network_is_constant(kind):
    data, with_cv, single = kind
    model = with_cv(4, eps=0.1, cv=3, interaction_order=(1, 2), norm=("l1", "l2")).fit(*data)
    assert kinds(model) == TRIED[:3]
    assert model.alphas_.shape == (3, 4)
    assert_allclose(model.alphas_[:, 1:] / model.alphas_[:, :-1], 0.1 ** (1 / 3), rtol=1e-10)
    assert model.alphas_[0, 0] < model.alphas_[2, 0]
    for (order, norm, _), largest in zip(kinds(model), model.alphas_[:, 0], strict=True):
        for factor, constant in ((1.0001, True), (0.98, False)):
            network = single(factor * largest, interaction_order=order, norm=norm).fit(*data)
            assert (network.n_neurons_ == 0) == constant
    row = kinds(model).index((model.interaction_order_, model.norm_, 1))
    assert model.alpha_ in model.alphas_[row]


@pytest.mark.parametrize(
    ("parameters", "tried"),
    [
        ({"interaction_order": (2, 3, None)}, [(2, "l1")]),
        ({"interaction_order": (None, 1, 5)}, [(None, "l1"), (1, "l1")]),
        ({"norm": ("l2", "l1"), "interaction_order": 1}, [(1, "l2")]),
        ({"norm": ("l1", "l1")}, [(2, "l1")]),
        ({"interaction_order": (3, 2), "interaction_cst": "pairwise"}, [(3, "l1")]),
        ({"interaction_order": (None, 1), "interaction_cst": "no_interactions"}, [(None, "l1")]),
        (
            {"interaction_order": (None, 2), "norm": ("l1", "l2")},
            [(None, "l1"), (None, "l2")],
        ),
    ],
    ids=str,
)
def test_the_same_neurons_are_tried_once(parameters, tried):
    X, y = table(False, d=2)
    model = regressor_cv(alphas=[0.3, 0.1], cv=2, **parameters).fit(X, y)
    assert kinds(model) == [(*pair, 1) for pair in tried]
    # Several were given: the leading axis does not depend on the data.
    assert model.alphas_.shape == (len(tried), 2)
    assert model.score_path_.shape == (len(tried), 2, 2)


def test_order_one_is_the_same_under_both_norms(kind):
    data, with_cv, _ = kind
    l1, l2 = (with_cv(**FITS, interaction_order=1, norm=norm).fit(*data) for norm in NORMS)
    assert_allclose(l1.score_path_, l2.score_path_, rtol=1e-3)


def test_ties_go_to_fewer_blocks_then_fewer_inputs_then_a_larger_penalty(kind):
    data, with_cv, _ = kind
    options = {"cv": 2, "interaction_order": (None, 2, 1), "n_blocks": (2, 1)}

    def all_alike(estimator, X, y):
        return -1e5

    model = with_cv([0.1, 0.5], **options, norm=("l2", "l1"), scoring=all_alike).fit(*data)
    assert kinds(model)[0] == (None, "l2", 2)
    chosen = model.interaction_order_, model.norm_, model.n_blocks_chosen_, model.alpha_
    assert chosen == (1, "l2", 1, 0.5)

    def alike_but_for_rounding(estimator, X, y):
        if estimator.interaction_order == 1:
            return -2e5
        return -1e5 * (1 + (estimator.interaction_order == 2) * 1e-14) + (estimator.alpha == 0.5)

    model = with_cv([0.1, 0.5], **options, scoring=alike_but_for_rounding).fit(*data)
    assert (model.interaction_order_, model.n_blocks_chosen_, model.alpha_) == (2, 1, 0.5)


def test_a_scorer_sees_each_combination(kind):
    data, with_cv, single = kind
    seen = []

    def scorer(estimator, X_test, y_test):
        assert type(estimator) is single
        seen.append((estimator.interaction_order, estimator.norm, estimator.alpha, len(y_test)))
        return float(estimator.norm == "l2") - estimator.alpha

    model = with_cv(
        [0.3, 0.1], cv=3, interaction_order=(2, None), norm=("l1", "l2"), scoring=scorer
    ).fit(*data)
    assert set(seen) == {
        (order, norm, alpha, 20) for order in (2, None) for norm in NORMS for alpha in (0.3, 0.1)
    }
    assert (model.interaction_order_, model.norm_, model.alpha_) == (2, "l2", 0.1)


def test_depths_are_scored_like_separate_fits(kind):
    data, with_cv, single = kind
    fits = {**FITS, "alphas": [0.05, 0.01]}
    model = with_cv(**fits, n_blocks=(1, 2), interaction_order=[1, 2]).fit(*data)
    assert kinds(model) == [(1, "l1", 1), (1, "l1", 2), (2, "l1", 1), (2, "l1", 2)]
    for (order, _, depth), scores in zip(kinds(model), model.score_path_, strict=True):
        alone = with_cv(**fits, n_blocks=depth, interaction_order=order).fit(*data)
        assert_array_equal(scores, alone.score_path_)
    assert np.any(model.score_path_[2] != model.score_path_[3])
    chosen = model.interaction_order_, model.norm_, model.n_blocks_chosen_
    assert chosen == kinds(model)[np.argmax(model.score_path_.mean(axis=2).max(axis=1))]
    order, _, depth = chosen
    final = single(
        model.alpha_, interaction_order=order, n_blocks=depth, pricing="search", tol=1e-6
    )
    assert_array_equal(final.fit(*data).predict(data[0]), model.predict(data[0]))
    assert model.n_blocks_ == final.n_blocks_ <= depth


def test_a_score_of_a_deep_network_is_that_of_a_fit_on_the_fold():
    """At the first alpha of a path: there a single fit starts from the same place."""
    X, y = table(False)
    train = np.arange(60) < 40
    folds = [(np.flatnonzero(train), np.flatnonzero(~train))]
    path = regressor_cv([0.02], n_blocks=2, tol=1e-6, cv=folds).fit(X, y)
    of_fold = {"n_blocks": 2, "tol": fold_tolerance(1e-6), "pricing": "search"}
    one = WedgeReLURegressor(0.02, **of_fold).fit(X[train], y[train])
    assert one.n_blocks_ == 2
    error = np.mean((one.predict(X[~train]) - y[~train]) ** 2)
    assert_allclose(path.score_path_, -error, rtol=1e-10)


@pytest.mark.parametrize(
    ("parameters", "tried"),
    [
        ({"interaction_order": (2, 3), "n_blocks": 2}, [(2, "l1", 2), (3, "l1", 2)]),
        ({"interaction_order": 1, "norm": NORMS, "n_blocks": [2]}, [(1, "l1", 2)]),
        (
            {"interaction_order": (2, None), "n_blocks": (1, 2)},
            [(2, "l1", 1), (2, "l1", 2), (None, "l1", 2)],
        ),
    ],
    ids=str,
)
def test_networks_that_further_blocks_tell_apart_are_each_tried(parameters, tried):
    """Two columns: orders beyond two are the same network with one block only."""
    X, y = table(False, d=2)
    model = regressor_cv(alphas=[0.3, 0.1], cv=2, **parameters).fit(X, y)
    assert kinds(model) == tried


def test_the_number_of_jobs_changes_no_bit(kind, fitted):
    data, with_cv, _ = kind
    with parallel_config(backend="threading"):  # processes take long to start
        two = with_cv(**FITS, interaction_order=ORDERS, norm=NORMS, n_jobs=2).fit(*data)
    assert_array_equal(two.score_path_, fitted.score_path_)
    assert_array_equal(two.predict(data[0]), fitted.predict(data[0]))


def test_weights_are_copies_for_every_combination():
    X, y = table(False)
    weight = np.random.default_rng(1).integers(1, 3, size=60)
    copies = np.repeat(np.arange(60), weight)
    train = np.arange(60) < 40
    parts = [np.flatnonzero(train), np.flatnonzero(~train)]
    repeated = [np.flatnonzero(train[copies]), np.flatnonzero(~train[copies])]
    fits = {"alphas": 3, "eps": 0.05, "interaction_order": (1, 2), "norm": ("l1", "l2")}
    a = regressor_cv(**fits, cv=[parts]).fit(X, y, sample_weight=weight)
    b = regressor_cv(**fits, cv=[repeated]).fit(X[copies], y[copies])
    assert_allclose(a.alphas_, b.alphas_, rtol=1e-9)
    assert_allclose(a.score_path_, b.score_path_, rtol=1e-7)
    assert (a.interaction_order_, a.norm_) == (b.interaction_order_, b.norm_)


def test_constraints_hold_for_every_combination():
    X, y = table(False)
    model = regressor_cv(
        [0.1, 0.02], cv=2, interaction_order=(1, 2, 3), monotonic_cst=[0, 0, 1]
    ).fit(X, y)
    assert kinds(model) == [(1, "l1", 1), (2, "l1", 1), (3, "l1", 1)]
    assert np.all(model.predict(X + [0, 0, 0.1]) >= model.predict(X) - 1e-9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("interaction_order", (1, 0)),
        ("interaction_order", [1.5]),
        ("interaction_order", [True]),
        ("interaction_order", np.array([1, 0])),
        ("interaction_order", (1, "2")),
        ("interaction_order", "2"),
        ("interaction_order", {1, 2}),
        ("norm", ("l1", "l3")),
        ("norm", ["l1", None]),
        ("norm", "l3"),
        ("n_blocks", (1, 0)),
        ("n_blocks", [1.5]),
        ("n_blocks", "2"),
    ],
)
def test_a_bad_candidate_is_named(name, value, kind):
    data, with_cv, _ = kind
    with pytest.raises(ValueError, match=rf"'{name}' parameter of {type(with_cv()).__name__}"):
        with_cv(**{name: value}).fit(*data)


def test_candidates_in_an_array_are_taken(kind):
    data, with_cv, _ = kind
    options = {"alphas": [0.1], "cv": 2}
    candidates = {"interaction_order": np.array([1, 2]), "norm": np.array(["l2", "l1"])}
    model = clone(with_cv(**options, **candidates)).fit(*data)
    assert kinds(model) == [(1, "l2", 1), (2, "l2", 1), (2, "l1", 1)]
    assert type(model.interaction_order_) is int


@pytest.mark.parametrize("name", ["interaction_order", "norm", "n_blocks"])
def test_an_empty_list_of_candidates_is_refused(name, kind):
    data, with_cv, _ = kind
    with pytest.raises(ValueError, match=f"{name} is empty"):
        with_cv(**{name: []}).fit(*data)


@pytest.mark.parametrize("orders", [(1, 2), 2])
def test_monotone_constraints_and_l2_do_not_combine(orders, kind):
    data, with_cv, _ = kind
    model = with_cv(interaction_order=orders, norm=("l1", "l2"), monotonic_cst=[0, 0, 1])
    with pytest.raises(ValueError, match="monotonic_cst and norm='l2' do not combine"):
        model.fit(*data)


@pytest.mark.parametrize("alphas", [3, [0.1, 0.01]])
def test_a_combination_that_cannot_be_certified_is_refused_before_any_fit(alphas, kind):
    data, with_cv, _ = kind

    def scorer(estimator, X, y):
        raise AssertionError("a fit was scored")

    model = with_cv(
        alphas, norm=("l1", "l2"), interaction_order=(2, 3), pricing="exact", scoring=scorer
    )
    with pytest.raises(ValueError, match=r"norm='l2'.*3 of 3 inputs"):
        model.fit(*data)


def test_a_constant_target_gives_the_constant_model():
    X, _ = table(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = regressor_cv(3, cv=3, interaction_order=(2, 1), norm=("l2", "l1"))
        model.fit(X, np.full(60, 2.5))
    assert_array_equal(model.predict(X), np.full(60, 2.5))
    assert (model.interaction_order_, model.norm_) == (1, "l2")


def test_unconverged_fits_are_counted_over_combinations():
    model = regressor_cv([1e-4], cv=3, max_iter=1, tol=1e-9, interaction_order=(1, 2))
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(*table(False))
    assert sum("6 of 6 fold fits" in str(each.message) for each in caught) == 1


def test_lists_survive_clone_and_grid_search(kind):
    data, with_cv, _ = kind
    model = with_cv([0.3, 0.1], cv=2, interaction_order=[1, 2], norm=("l1", "l2"))
    before = model.get_params()
    copy = clone(model.fit(*data))
    assert model.get_params() == before
    assert copy.get_params() == before
    assert copy.interaction_order == [1, 2]
    grid = {"interaction_order": [1, (1, 2)], "norm": ["l1", ("l1", "l2")]}
    search = GridSearchCV(with_cv([0.3, 0.1], cv=2), grid, cv=2).fit(*data)
    scores = search.cv_results_["mean_test_score"]
    assert np.all(np.isfinite(scores)) and len(np.unique(scores)) > 1


def test_a_second_fit_forgets_the_choice_of_the_first():
    X, y = table(False)
    model = regressor_cv([0.3, 0.1], cv=2, interaction_order=(2, 1), norm=("l2", "l1"))
    assert model.fit(X, y).score_path_.ndim == 3
    model.set_params(interaction_order=1, norm="l1").fit(X, y)
    assert kinds(model) == [(1, "l1", 1)]
    assert (model.interaction_order_, model.norm_) == (1, "l1")
    assert model.neurons_.inputs.shape[1] == 1


def test_a_scorer_can_read_the_network_of_a_fold():
    X, y = np.random.default_rng(0).uniform(-1, 1, size=(30, 2)), np.arange(30) % 7

    def readable(network, X, y):
        assert network.summary().startswith("WedgeReLURegressor: 2 inputs")
        assert not hasattr(network, "feature_importances_")
        return -network.explain(X).contributions.shape[1]

    regressor_cv([0.3, 0.03], cv=2, scoring=readable).fit(X, y)


def test_verbose_prints_every_fold_penalty_and_combination(capfd):
    X, y = table(False)
    parameters = {"interaction_order": [1, 2], "alphas": [0.1, 0.01], "cv": 3}
    regressor_cv(**parameters, verbose=0).fit(X, y)
    assert capfd.readouterr().out == ""
    model = regressor_cv(**parameters, verbose=1).fit(X, y)
    few = capfd.readouterr().out.splitlines()
    regressor_cv(**parameters, verbose=2).fit(X, y)
    lines = capfd.readouterr().out.splitlines()
    assert few[:3] == [lines[0], *lines[13:15]]
    assert lines[0] == "cross-validation, stage 1: 2 combinations, 3 folds, up to 2 penalties each"
    words = "interaction_order={}, norm='l1', n_blocks=1, encoding=None, clip_quantile=0.005"
    expected = [
        f"{words.format(order)}, fold {fold + 1} of 3: alpha {alpha:g} ({k + 1} of 2), "
        f"score {model.score_path_[i, k, fold]:.6g}, {model.n_neurons_path_[i, k, fold]} neurons"
        for i, order in enumerate([1, 2])
        for fold in range(3)
        for k, alpha in enumerate([0.1, 0.01])
    ]
    assert lines[1:13] == expected
    means = model.score_path_.mean(axis=2)
    assert lines[13:15] == [
        f"{words.format(order)}: best of 2 penalties is alpha {[0.1, 0.01][mean.argmax()]:g}, "
        f"mean score {mean.max():.6g}"
        for order, mean in zip([1, 2], means, strict=True)
    ]


def test_the_first_line_comes_before_a_fold_is_done(capfd):
    """The scorer stands for somebody who watches."""
    X, y = table(False)
    seen = []

    def scorer(model, X, y):
        seen.append(capfd.readouterr().out.count("fold 1 of 2: alpha"))
        return 0.0

    regressor_cv([0.3, 0.2, 0.1], cv=2, scoring=scorer, verbose=2).fit(X, y)
    assert seen[:3] == [0, 1, 1]


# --- patience -----------------------------------------------------------------------------------


def test_a_path_ends_a_while_after_its_best_mean_score(kind):
    data, with_cv, _ = kind
    options = {"alphas": 16, "eps": 1e-4, "cv": 3, "tol": 1e-3, "pricing": "search"}
    whole = with_cv(**options, patience=None).fit(*data)
    patient = with_cv(**options, patience=4).fit(*data)
    assert np.isfinite(whole.score_path_).all()
    best = whole.score_path_.mean(axis=1).argmax()
    tried = np.arange(16) <= best + 4
    assert not tried.all()
    # On every fold: what one of them has is not worse for the others' lack.
    assert_array_equal(np.isnan(patient.score_path_), np.outer(~tried, [True] * 3))
    # What was tried is what would have been, but for rounding where a path was taken up again.
    assert_allclose(patient.score_path_[tried], whole.score_path_[tried], rtol=1e-9)
    assert_array_equal(patient.n_neurons_path_[tried], whole.n_neurons_path_[tried])
    assert not patient.n_neurons_path_[~tried].any()
    assert patient.alpha_ == whole.alpha_


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_fold_past_its_best_does_not_keep_others_from_the_best_penalty(kind, n_jobs):
    (X, y), with_cv, _ = kind
    folds = [(np.arange(20, 60), np.arange(20)), (np.arange(40), np.arange(40, 60))]
    alphas = [0.3, 0.2, 0.1, 0.05, 0.03]

    def later_is_better_on_one_fold(model, X_test, y_test):
        on_the_first = np.array_equal(X_test, X[:20])
        return -np.log(model.alpha) if on_the_first else np.log(model.alpha) / 10

    options = {"cv": folds, "scoring": later_is_better_on_one_fold, "pricing": "search"}
    model = with_cv(alphas, patience=1, n_jobs=n_jobs, **options).fit(X, y)
    assert np.isfinite(model.score_path_).all()
    assert model.alpha_ == with_cv(alphas, patience=None, **options).fit(X, y).alpha_ == 0.03


def test_scores_that_are_not_numbers_choose_no_penalty(kind):
    data, with_cv, _ = kind

    def broken(model, X, y):
        return np.nan

    with pytest.raises(ValueError, match="NaN"):
        with_cv([0.3, 0.1], cv=2, scoring=broken, pricing="search").fit(*data)


def test_a_score_that_is_no_number_leaves_the_others(kind):
    data, with_cv, _ = kind

    def broken_at_first(model, X, y):
        return np.nan if model.alpha > 0.2 else model.alpha

    model = with_cv([0.3, 0.1, 0.05], cv=2, scoring=broken_at_first, pricing="search").fit(*data)
    assert model.alpha_ == 0.1
