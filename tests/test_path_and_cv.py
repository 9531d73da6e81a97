"""The path of penalties and the choice of the penalty by cross-validation."""

import dataclasses
import inspect
import warnings

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import regressor_cv
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV
from sklearn.metrics import (
    make_scorer,
    mean_absolute_error,
    mean_squared_error,
    median_absolute_error,
    r2_score,
)
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import (
    WedgePath,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
    alpha_max,
    wedge_relu_path,
)

pytestmark = pytest.mark.newest

ALPHAS = [0.03, 0.3, 0.1, 0.01]


def regression_table(seed=0, n=60, d=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = 5 + 3 * np.abs(X[:, 0] - X[:, 1]) + 2 * X[:, -1] + 0.5 * rng.normal(size=n)
    return X, y


@pytest.fixture(scope="module")
def data():
    return regression_table()


@pytest.fixture(scope="module")
def new_rows():
    return 1.5 * regression_table(1)[0]


@pytest.fixture(scope="module")
def path(data):
    return wedge_relu_path(*data, ALPHAS, tol=1e-6)


# --- wedge_relu_path -----------------------------------------------------------------------------


def test_the_path_descends_and_has_one_network_per_alpha(path):
    assert isinstance(path, WedgePath)
    assert_array_equal(path.alphas, [0.3, 0.1, 0.03, 0.01])
    assert len(path.networks) == len(path.certificates) == len(path.n_iter) == 4
    assert all(count >= 1 for count in path.n_iter)
    # (The first network may be the constant one.)
    assert len(path.networks[-1].neurons) > 1


def test_each_point_is_a_separate_fit_up_to_the_gap(path, data):
    X, y = data
    for alpha, network, certificate in zip(
        path.alphas, path.networks, path.certificates, strict=True
    ):
        alone = WedgeReLURegressor(alpha=alpha, tol=1e-6).fit(X, y)
        assert certificate.exact
        assert certificate.gap <= 0.5e-6
        assert abs(certificate.objective - alone.certificate_.objective) <= 0.5e-6
        # Half the mean square of the difference of two networks is at most the sum of their gaps.
        distance = (network.predict(X)[:, 0] - alone.predict(X)) / alone.y_scale_
        gaps = certificate.gap + alone.certificate_.gap
        assert 0.5 * np.mean(distance**2) <= 2 * gaps + 1e-12


def test_a_path_of_one_point_is_the_fit(data, new_rows):
    X, y = data
    path = wedge_relu_path(X, y, [0.03], tol=1e-6)
    model = WedgeReLURegressor(alpha=0.03, tol=1e-6).fit(X, y)
    assert_array_equal(path.networks[0].predict(new_rows)[:, 0], model.predict(new_rows))
    assert path.certificates[0] == model.certificate_
    assert path.n_iter == (model.n_iter_,)


def test_objective_and_error_fall_along_the_path(path, data):
    X, y = data
    objectives = [certificate.objective for certificate in path.certificates]
    errors = [mean_squared_error(y, network.predict(X)[:, 0]) for network in path.networks]
    assert np.all(np.diff(objectives) < 0)
    assert np.all(np.diff(errors) < 0)


def test_the_objective_is_concave_in_alpha(data):
    # A minimum over networks of functions that are affine in alpha.
    alphas = np.linspace(0.4, 0.01, 9)
    path = wedge_relu_path(*data, alphas, tol=1e-8)
    objectives = [certificate.objective for certificate in path.certificates]
    assert np.all(np.diff(objectives, 2) <= 2e-8)


def test_networks_of_a_path_are_in_original_units(path, data):
    X, y = data
    assert r2_score(y, path.networks[-1].predict(X)[:, 0]) > 0.9
    network = path.networks[-1]
    hidden = np.clip(X, *network.clip_bounds) @ network.coefs[0] + network.intercepts[0]
    by_hand = np.maximum(hidden, 0) @ network.coefs[1] + network.intercepts[1]
    assert_allclose(network.predict(X), by_hand, rtol=1e-12)


def test_a_path_is_frozen(path):
    for item, name in [
        (path, "alphas"),
        (path.networks[0], "coefs"),
        (path.certificates[0], "gap"),
    ]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(item, name, None)


def test_weights_are_copies_along_a_path(data, new_rows):
    X, y = data
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    copies = np.repeat(np.arange(len(y)), weight)
    weighted = wedge_relu_path(X, y, ALPHAS, sample_weight=weight)
    repeated = wedge_relu_path(X[copies], y[copies], ALPHAS)
    for a, b in zip(weighted.networks, repeated.networks, strict=True):
        assert_allclose(a.predict(new_rows), b.predict(new_rows), rtol=1e-7)
    unweighted = wedge_relu_path(X, y, ALPHAS)
    different = unweighted.networks[-1].predict(new_rows) - weighted.networks[-1].predict(new_rows)
    assert np.abs(different).max() > 0.01


def test_equal_alphas_give_equal_networks(data, new_rows):
    twice = wedge_relu_path(*data, [0.1, 0.1], tol=1e-8)
    first, second = (network.predict(new_rows) for network in twice.networks)
    assert_allclose(first, second, rtol=1e-7)


@pytest.mark.parametrize(
    "alphas",
    [[0.0, 0.1], [-0.1], [np.nan], [np.inf], [], [[0.1, 0.2]], 0.1, ["small"]],
    ids=str,
)
def test_bad_alphas_are_refused(alphas, data):
    X, y = data
    with pytest.raises(ValueError, match="alphas"):
        wedge_relu_path(X, y, alphas)
    if np.ndim(alphas) == 1:
        with pytest.raises(ValueError, match="alphas"):
            regressor_cv(alphas=alphas, cv=2).fit(X, y)


def test_an_unconverged_path_says_so_in_its_certificates(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = wedge_relu_path(*data, [1e-5], max_iter=1, tol=1e-10)
    assert path.n_iter == (1,)
    assert path.certificates[0].gap > 0.5e-10


# --- alpha_max -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_network_is_constant_from_alpha_max_on_and_not_before(order, seed):
    X, y = regression_table(seed, n=30)
    largest = alpha_max(X, y, interaction_order=order)
    fit = {"interaction_order": order, "tol": 1e-8}
    above = WedgeReLURegressor(alpha=1.0001 * largest, **fit).fit(X, y)
    below = WedgeReLURegressor(alpha=0.99 * largest, **fit).fit(X, y)
    assert above.n_neurons_ == 0
    assert_allclose(above.predict(X), y.mean(), rtol=1e-12)
    assert below.n_neurons_ > 0
    assert np.ptp(below.predict(X)) > 1e-4 * np.ptp(y)


def weighted_moments(x, weight):
    mean = np.average(x, weights=weight)
    return mean, np.sqrt(np.average((x - mean) ** 2, weights=weight))


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
def test_alpha_max_is_the_largest_hinge_of_the_residual_in_one_dimension(integers, standardize):
    rng = np.random.default_rng(0)
    x, y, weight = 3 * rng.normal(size=25), rng.normal(size=25), rng.gamma(1.0, size=25)
    if integers:
        x = np.round(x)
    actual = alpha_max(
        x[:, None], y, sample_weight=weight, clip_quantile=None, standardize=standardize
    )
    (_, x_scale), (y_mean, y_scale) = weighted_moments(x, weight), weighted_moments(y, weight)
    if not standardize:
        x_scale = y_scale = 1.0
    dual = weight / weight.sum() * (y - y_mean) / y_scale
    knots = np.linspace(x.min() - 1, x.max() + 1, 2001)
    knots = np.concatenate([knots, x])
    right = np.maximum(x - knots[:, None], 0) / x_scale @ dual
    left = np.maximum(knots[:, None] - x, 0) / x_scale @ dual
    assert_allclose(actual, max(np.abs(right).max(), np.abs(left).max()), rtol=1e-9)


def test_no_random_neuron_has_a_larger_value_than_alpha_max():
    X, y = regression_table(2, n=30)
    largest = alpha_max(X, y, interaction_order=None, clip_quantile=None)
    Z, dual = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std() / len(y)
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(3, 20000))
    projected = Z @ (directions / np.abs(directions).sum(axis=0))
    pivots = projected[rng.integers(0, len(y), size=20000), np.arange(20000)]
    values = np.abs(dual @ np.maximum(projected - pivots, 0))
    assert values.max() <= largest * (1 + 1e-12)
    assert values.max() > 0.9 * largest


def test_alpha_max_of_a_constant_target_is_zero(data):
    assert alpha_max(data[0], np.full(len(data[0]), 0.1)) == 0


def test_alpha_max_has_no_unit_and_weights_are_copies(data):
    X, y = data
    weight = np.arange(len(y)) % 3
    copies = np.repeat(np.arange(len(y)), weight)
    largest = alpha_max(X, y, sample_weight=weight)
    assert_allclose(alpha_max(X[copies], y[copies]), largest, rtol=1e-10)
    assert_allclose(alpha_max(1e3 * X + 5, 0.01 * y, sample_weight=weight), largest, rtol=1e-10)


def test_alpha_max_by_search_is_a_lower_estimate(data, nothing_is_cheap):
    exact = alpha_max(*data, pricing="exact")
    search = alpha_max(*data, pricing="search")
    assert 0.99 * exact <= search <= exact * (1 + 1e-12)


# --- WedgeReLURegressorCV ------------------------------------------------------------------------

FOLDS = [
    (np.arange(20, 60), np.arange(20)),
    (np.r_[0:20, 40:60], np.arange(20, 40)),
    (np.arange(40), np.arange(40, 60)),
]


@pytest.fixture(scope="module")
def cv_model(data):
    return regressor_cv(alphas=6, eps=0.01, cv=FOLDS).fit(*data)


def test_the_grid_goes_from_alpha_max_down_to_eps_of_it_in_equal_ratios(data, cv_model):
    assert cv_model.alphas_.shape == (6,)
    assert_allclose(cv_model.alphas_[0], alpha_max(*data), rtol=1e-12)
    ratios = cv_model.alphas_[1:] / cv_model.alphas_[:-1]
    assert_allclose(ratios, 0.01 ** (1 / 5), rtol=1e-10)


def test_given_alphas_are_tried_in_descending_order(data):
    model = regressor_cv(alphas=[0.1, 0.5, 0.02], cv=2).fit(*data)
    assert_array_equal(model.alphas_, [0.5, 0.1, 0.02])
    assert model.score_path_.shape == (3, 2)
    assert model.alphas == [0.1, 0.5, 0.02]


def test_the_alpha_of_the_best_mean_score_is_chosen(cv_model):
    assert cv_model.score_path_.shape == (6, 3)
    means = cv_model.score_path_.mean(axis=1)
    assert cv_model.alpha_ == cv_model.alphas_[np.argmax(means)]
    assert cv_model.best_score_ == means.max()
    assert np.ptp(means) > 0


def test_ties_of_the_score_go_to_the_largest_alpha(data):
    def indifferent(estimator, X, y):
        return 0.0

    model = regressor_cv(alphas=[0.1, 0.5], cv=2, scoring=indifferent).fit(*data)
    assert model.alpha_ == 0.5


def test_the_final_network_is_the_regressor_at_the_chosen_alpha(cv_model, data, new_rows):
    model = WedgeReLURegressor(alpha=cv_model.alpha_).fit(*data)
    assert_array_equal(cv_model.predict(new_rows), model.predict(new_rows))
    assert cv_model.certificate_ == model.certificate_
    assert cv_model.certificate_.exact
    for name in ("x_mean_", "x_scale_", "y_mean_", "y_scale_", "clip_bounds_", "support_"):
        assert_array_equal(getattr(cv_model, name), getattr(model, name))


def test_every_parameter_reaches_the_final_network_and_the_folds(data, new_rows):
    shared = {
        "interaction_order": 1,
        "standardize": False,
        "clip_quantile": 0.1,
        "pricing": "search",
        "tol": 1e-6,
        "max_iter": 50,
    }
    X, y = data
    model = regressor_cv(alphas=[0.5, 0.1], cv=FOLDS, **shared).fit(X, y)
    alone = WedgeReLURegressor(alpha=model.alpha_, **shared).fit(X, y)
    assert_array_equal(model.predict(new_rows), alone.predict(new_rows))
    assert_allclose(
        model.score_path_, separate_scores(X, y, FOLDS, model.alphas_, **shared), rtol=1e-3
    )


def separate_scores(X, y, folds, alphas, metric=mean_squared_error, sign=-1.0, **parameters):
    """Scores of independent fits on each training part alone."""
    scores = np.empty((len(alphas), len(folds)))
    for i, alpha in enumerate(alphas):
        for j, (train, test) in enumerate(folds):
            model = WedgeReLURegressor(alpha=alpha, **parameters).fit(X[train], y[train])
            scores[i, j] = sign * metric(y[test], model.predict(X[test]))
    return scores


def test_each_fold_is_clipped_and_standardised_on_its_own_training_part():
    # Parts of very different level and spread: statistics of all rows would show.
    X, y = regression_table(3)
    X, y = X.copy(), y.copy()
    X[:20] = 4 * X[:20] + 10
    y[40:] = 10 * y[40:] - 50
    alphas = [0.3, 0.05]
    model = regressor_cv(alphas=alphas, cv=FOLDS, clip_quantile=0.05, tol=1e-8)
    expected = separate_scores(X, y, FOLDS, alphas, clip_quantile=0.05, pricing="search", tol=1e-8)
    assert_allclose(model.fit(X, y).score_path_, expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("scoring", "metric", "sign"),
    [
        (None, mean_squared_error, -1.0),
        ("r2", r2_score, 1.0),
        ("neg_mean_absolute_error", mean_absolute_error, -1.0),
        (
            make_scorer(median_absolute_error, greater_is_better=False),
            median_absolute_error,
            -1.0,
        ),
    ],
)
def test_scoring_is_the_named_metric_on_the_held_out_part(scoring, metric, sign, data):
    X, y = data
    alphas = [0.3, 0.05]
    model = regressor_cv(alphas=alphas, cv=FOLDS, scoring=scoring, tol=1e-8).fit(X, y)
    expected = separate_scores(X, y, FOLDS, alphas, metric, sign, pricing="search", tol=1e-8)
    assert_allclose(model.score_path_, expected, rtol=1e-3)


def test_a_callable_gets_a_fitted_estimator_and_the_held_out_part(data):
    X, y = data
    seen = []

    def scorer(estimator, X_test, y_test):
        seen.append((estimator.alpha, len(X_test), estimator.n_neurons_))
        assert_allclose(
            estimator.score(X_test, y_test), r2_score(y_test, estimator.predict(X_test))
        )
        return -estimator.alpha

    model = regressor_cv(alphas=[0.3, 0.05], cv=FOLDS, scoring=scorer).fit(X, y)
    assert model.alpha_ == 0.05
    assert [alpha for alpha, _, _ in seen] == [0.3, 0.05] * 3
    assert {length for _, length, _ in seen} == {20}


def test_cv_may_be_a_number_a_splitter_or_an_iterable(data):
    X, y = data
    parameters = {"alphas": [0.3, 0.05]}
    number = regressor_cv(**parameters, cv=3).fit(X, y)
    splitter = regressor_cv(**parameters, cv=KFold(3)).fit(X, y)
    iterable = regressor_cv(**parameters, cv=KFold(3).split(X)).fit(X, y)
    assert_array_equal(number.score_path_, splitter.score_path_)
    assert_array_equal(number.score_path_, iterable.score_path_)
    random = ShuffleSplit(4, test_size=0.3, random_state=0)
    assert regressor_cv(**parameters, cv=random).fit(X, y).score_path_.shape == (2, 4)
    assert regressor_cv(**parameters).fit(X, y).score_path_.shape == (2, 5)


def test_groups_reach_the_splitter_by_metadata_routing(data):
    X, y = data
    groups = np.arange(len(y)) % 7
    explicit = list(GroupKFold(3).split(X, y, groups))
    expected = regressor_cv(alphas=[0.3, 0.05], cv=explicit).fit(X, y)
    with sklearn.config_context(enable_metadata_routing=True):
        model = regressor_cv(alphas=[0.3, 0.05], cv=GroupKFold(3))
        assert_array_equal(model.fit(X, y, groups=groups).score_path_, expected.score_path_)
        routed = make_pipeline(StandardScaler(), clone(model)).fit(X, y, groups=groups)
        assert_allclose(routed[-1].score_path_, expected.score_path_, rtol=1e-6)
    with pytest.raises(ValueError, match="metadata routing"):
        clone(model).fit(X, y, groups=groups)


def test_sample_weight_arrives_by_metadata_routing(data):
    X, y = data
    weight = np.arange(len(y)) % 3
    expected = regressor_cv(alphas=[0.3, 0.05], cv=FOLDS).fit(X, y, sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(mean_squared_error, greater_is_better=False)
        scorer.set_score_request(sample_weight=True)
        model = regressor_cv(alphas=[0.3, 0.05], cv=FOLDS, scoring=scorer)
        model.set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        scores = pipeline.fit(X, y, sample_weight=weight)[-1].score_path_
    assert_allclose(scores, expected.score_path_, rtol=1e-6)


def test_weights_are_copies_in_fits_and_scores(data, new_rows):
    X, y = data
    weight = np.random.default_rng(1).integers(0, 4, size=len(y))
    copies = np.repeat(np.arange(len(y)), weight)
    folds = [
        (np.flatnonzero(np.isin(copies, train)), np.flatnonzero(np.isin(copies, test)))
        for train, test in FOLDS
    ]
    parameters = {"alphas": 4, "eps": 0.05}
    weighted = regressor_cv(**parameters, cv=FOLDS).fit(X, y, sample_weight=weight)
    repeated = regressor_cv(**parameters, cv=folds).fit(X[copies], y[copies])
    assert_allclose(weighted.alphas_, repeated.alphas_, rtol=1e-9)
    assert_allclose(weighted.score_path_, repeated.score_path_, rtol=1e-7)
    assert_allclose(weighted.predict(new_rows), repeated.predict(new_rows), rtol=1e-7)
    unweighted = regressor_cv(**parameters, cv=FOLDS).fit(X, y)
    assert np.abs(unweighted.score_path_ / weighted.score_path_ - 1).max() > 0.01


def test_the_number_of_jobs_changes_no_bit(cv_model, data, new_rows):
    two = regressor_cv(alphas=6, eps=0.01, cv=FOLDS, n_jobs=2).fit(*data)
    assert_array_equal(two.score_path_, cv_model.score_path_)
    assert_array_equal(two.predict(new_rows), cv_model.predict(new_rows))


def test_the_unit_of_the_target_changes_no_choice(cv_model, data):
    X, y = data
    other = regressor_cv(alphas=6, eps=0.01, cv=FOLDS).fit(1e3 * X - 7, 0.01 * y + 3)
    assert_allclose(other.alphas_, cv_model.alphas_, rtol=1e-9)
    assert_allclose(other.alpha_, cv_model.alpha_, rtol=1e-9)
    assert_allclose(other.score_path_, 1e-4 * cv_model.score_path_, rtol=1e-6)


@pytest.mark.parametrize("alphas", [3, [0.1, 0.01]])
def test_a_constant_target_gives_the_constant_model(alphas, data, new_rows):
    X, _ = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = regressor_cv(alphas=alphas, cv=3).fit(X, np.full(len(X), 2.5))
    assert_array_equal(model.predict(new_rows), np.full(len(new_rows), 2.5))
    assert model.n_neurons_ == 0
    assert np.all(model.alphas_ > 0)
    assert np.all(np.isfinite(model.score_path_))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alphas", 0),
        ("alphas", -3),
        ("alphas", "many"),
        ("alphas", True),
        ("patience", True),
        ("eps", 0),
        ("eps", 1.0),
        ("eps", np.nan),
        ("cv", 1.5),
        ("scoring", "no_such_metric"),
        ("pricing", "foo"),
        ("tol", 0),
    ],
)
def test_a_bad_parameter_is_named(name, value, data):
    with pytest.raises(ValueError, match=rf"'{name}' parameter"):
        regressor_cv(**{name: value}).fit(*data)


def test_unconverged_folds_warn_once_with_their_number(data):
    model = regressor_cv(alphas=[1e-4], cv=FOLDS, max_iter=1, tol=1e-9)
    with pytest.warns(sklearn.exceptions.ConvergenceWarning) as caught:
        model.fit(*data)
    messages = [str(w.message) for w in caught if "fold fits" in str(w.message)]
    assert len(messages) == 1
    assert "3 of 3 fold fits" in messages[0]
    assert "max_iter" in messages[0]


def test_diabetes_is_predicted_as_well_as_by_the_lasso():
    X, y = load_diabetes(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
    model = regressor_cv(alphas=6, eps=0.03, cv=3, pricing="search", tol=1e-3).fit(X, y)
    lasso = make_pipeline(StandardScaler(), LassoCV()).fit(X, y)
    assert model.score(X_test, y_test) >= lasso.score(X_test, y_test) - 0.05


def test_the_warning_of_unconverged_folds_points_at_the_call():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    model = regressor_cv(alphas=[1e-4], cv=2, max_iter=1, tol=1e-9)
    with pytest.warns(ConvergenceWarning, match="fold fits") as found:
        model.fit(X, np.sin(3 * X[:, 0]) * X[:, 1])
    assert all(warning.filename == __file__ for warning in found)


def test_weights_need_no_request_from_a_scorer_that_nobody_named():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y, weight = np.abs(X[:, 0]), rng.integers(1, 4, 60).astype(float)
    model = regressor_cv(alphas=3, eps=0.1, cv=3)
    plain = clone(model).fit(X, y, sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(model).fit(X, y, sample_weight=weight)
        clone(model).fit(X, y)
    assert_array_equal(routed.score_path_, plain.score_path_)


@pytest.mark.parametrize("estimator", [WedgeReLURegressorCV, WedgeReLUClassifierCV])
def test_who_gives_one_alpha_to_a_cv_estimator_is_told_what_to_write(estimator):
    plain = estimator.__name__.removesuffix("CV")
    with pytest.raises(TypeError, match=rf"alphas=\[0.001\].*{plain}\(alpha=0.001\)"):
        estimator(alpha=1e-3)
    parameters = list(inspect.signature(estimator).parameters)
    assert parameters[0] == "alphas" and "alpha" not in parameters
    model = estimator([0.1], cv=3)
    assert sorted(parameters) == sorted(model.get_params())
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(TypeError, match="unexpected keyword argument 'alpho'"):
        estimator(alpho=1e-3)


@pytest.mark.parametrize(
    ("alpha", "advice"),
    [
        (
            np.float64(0.1),
            "ByMeCV(alphas=[0.1]) for one penalty, and a choice of the other "
            "parameters, or WedgeReLURegressor(alpha=0.1) for a network of one penalty.",
        ),
        ("auto", "ByMeCV(alphas='auto')."),
        (None, "ByMeCV(alphas='auto')."),
        ([0.1, 0.01], "ByMeCV(alphas=[0.1, 0.01])."),
        (np.array([0.1, 0.01]), "ByMeCV(alphas=[0.1, 0.01])."),
    ],
)
def test_what_to_write_for_alpha_is_what_can_be_written(alpha, advice):
    class ByMeCV(WedgeReLURegressorCV):
        pass

    with pytest.raises(TypeError) as refused:
        ByMeCV(alpha=alpha)
    assert str(refused.value).endswith(f"it chooses among alphas. Write {advice}")
