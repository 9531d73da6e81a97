"""The regressor as scikit-learn users meet it: tools around it, errors, and what a fit tells."""

import dataclasses
import io
import pickle
import re
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from oracles import every_neuron
from plain_cv import regressor_cv
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_wedge import WedgeReLURegressor, alpha_max, wedge_relu_path
from sklearn_wedge._core.neurons import NeuronClass
from sklearn_wedge._settings.options import FitOptions, certifies

NEURON_ARRAYS = ["inputs", "weights", "offsets", "rows", "coef"]


def regression_table(seed=0, n=60, d=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.array([1.0, 30.0, 0.01, 5.0])[:d] + 2.0
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    y = 100 + 7 * (np.abs(z[:, 0] - z[:, 1]) + z[:, -1] * z[:, 1] + 0.1 * rng.normal(size=n))
    return X, y


@pytest.fixture(scope="module")
def data():
    return regression_table()


@pytest.fixture(scope="module")
def new_rows():
    return regression_table(1, n=200)[0] * 1.5


@pytest.fixture(scope="module")
def model(data):
    return WedgeReLURegressor(alpha=0.01, clip_quantile=0.05).fit(*data)


@pytest.fixture(scope="module")
def constant_model(data):
    X, y = data
    return WedgeReLURegressor(alpha=10.0).fit(X, y)


def solved_inputs(model, X):
    """``X`` in the units of the problem solved."""
    return (np.clip(X, *model.clip_bounds_) - model.x_mean_) / model.x_scale_


def frame(kind, X, names):
    library = pytest.importorskip(kind)
    table = library.DataFrame({name: X[:, k] for k, name in enumerate(names)})
    # scikit-learn 1.6 knows frames by a protocol that polars 2 no longer has.
    if not hasattr(StandardScaler().fit(table.head(3)), "feature_names_in_"):
        pytest.skip(f"scikit-learn {sklearn.__version__} does not see the names of this {kind}")
    return table


# --- scikit-learn's tools ------------------------------------------------------------------------


def test_pipeline_predicts_as_its_parts_do(data, new_rows):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), WedgeReLURegressor(alpha=0.02)).fit(X, y)
    scaler = StandardScaler().fit(X)
    alone = WedgeReLURegressor(alpha=0.02).fit(scaler.transform(X), y)
    assert_array_equal(pipeline.predict(new_rows), alone.predict(scaler.transform(new_rows)))


def test_standard_scaler_before_it_changes_nothing(data, new_rows):
    X, y = data
    with_scaler = make_pipeline(StandardScaler(), WedgeReLURegressor(alpha=0.02)).fit(X, y)
    without = WedgeReLURegressor(alpha=0.02).fit(X, y).predict(new_rows)
    assert_allclose(with_scaler.predict(new_rows), without, rtol=1e-7)


def test_grid_search_over_alpha_and_interaction_order_picks_the_interaction():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(60, 2))
    y = np.abs(X[:, 0] - X[:, 1])
    grid = {"alpha": [1e-3, 10.0], "interaction_order": [1, 2]}
    search = GridSearchCV(WedgeReLURegressor(0.01), grid, cv=3).fit(X, y)
    assert search.best_params_ == {"alpha": 1e-3, "interaction_order": 2}
    assert search.best_score_ > 0.9
    assert search.best_estimator_.n_neurons_ > 0


def test_cross_val_score_is_the_score_of_separate_fits(data):
    X, y = data
    folds = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    scores = cross_val_score(WedgeReLURegressor(alpha=0.05), X, y, cv=folds)
    for score, (train, test) in zip(scores, folds, strict=True):
        alone = WedgeReLURegressor(alpha=0.05).fit(X[train], y[train])
        assert score == alone.score(X[test], y[test])


def test_clone_keeps_every_parameter_and_no_fit(data):
    parameters = {
        "alpha": 30.0,
        "loss": "huber",
        "quantile": 0.4,
        "epsilon": 200.0,
        "interaction_order": None,
        "norm": "l2",
        "n_blocks": 1,
        "standardize": False,
        "clip_quantile": None,
        "encoding": "robust",
        "categorical_features": [3],
        "interaction_cst": [{0, 1}, {1, 2}],
        "monotonic_cst": None,
        "ramps": False,
        "pricing": "search",
        "solver": "active_set",
        "tol": 1e-3,
        "max_iter": 7,
        "n_jobs": 2,
        "verbose": 0,
    }
    original = WedgeReLURegressor(**parameters)
    assert original.get_params() == parameters
    original.fit(*data)
    copy = clone(original)
    assert copy.get_params() == parameters
    with pytest.raises(NotFittedError):
        copy.predict(data[0])


def joblib_round_trip(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "round_trip",
    [lambda m: pickle.loads(pickle.dumps(m)), joblib_round_trip],
    ids=["pickle", "joblib"],
)
@pytest.mark.parametrize("which", ["model", "constant_model"])
def test_a_round_trip_to_disk_changes_no_bit(request, round_trip, which, new_rows):
    before = request.getfixturevalue(which)
    after = round_trip(before)
    assert_array_equal(after.predict(new_rows), before.predict(new_rows))
    assert after.certificate_ == before.certificate_
    assert after.history_ == before.history_
    for name in NEURON_ARRAYS:
        assert_array_equal(getattr(after.neurons_, name), getattr(before.neurons_, name))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_are_their_columns_by_name(kind, data, new_rows, model):
    X, y = data
    names = ["age", "income", "rate", "rooms"]
    framed = WedgeReLURegressor(alpha=0.01, clip_quantile=0.05).fit(frame(kind, X, names), y)
    assert_array_equal(framed.feature_names_in_, names)
    assert_array_equal(framed.predict(frame(kind, new_rows, names)), model.predict(new_rows))
    with pytest.raises(ValueError, match="feature names"):
        framed.predict(frame(kind, new_rows[:, ::-1], names[::-1]))
    with pytest.raises(ValueError, match="feature names"):
        framed.predict(frame(kind, new_rows, [*names[:3], "cellar"]))
    with pytest.warns(UserWarning, match="feature names"):
        framed.predict(new_rows)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_target_and_weight_may_be_series(kind, data, new_rows):
    library = pytest.importorskip(kind)
    X, y = data
    weight = np.linspace(0, 2, len(y))
    series = WedgeReLURegressor(0.01).fit(
        X, library.Series(y), sample_weight=library.Series(weight)
    )
    arrays = WedgeReLURegressor(0.01).fit(X, y, sample_weight=weight)
    assert_array_equal(series.predict(new_rows), arrays.predict(new_rows))


def test_there_are_no_feature_names_without_a_frame(model):
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 4


def test_metadata_routing_brings_sample_weight_through_a_pipeline(data, new_rows):
    X, y = data
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    copies = np.repeat(np.arange(len(y)), weight)
    with sklearn.config_context(enable_metadata_routing=True):
        regressor = WedgeReLURegressor(0.01).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        routed = make_pipeline(scaler, regressor).fit(X, y, sample_weight=weight)
        blind = WedgeReLURegressor(0.01).set_fit_request(sample_weight=False)
        unweighted = make_pipeline(scaler, blind).fit(X, y, sample_weight=weight)
        with pytest.raises(ValueError, match="sample_weight"):  # neither requested nor declined
            make_pipeline(scaler, WedgeReLURegressor(0.01)).fit(X, y, sample_weight=weight)
    copied = make_pipeline(StandardScaler(), WedgeReLURegressor(0.01)).fit(X[copies], y[copies])
    assert_allclose(routed.predict(new_rows), copied.predict(new_rows), rtol=1e-7)
    by_hand = WedgeReLURegressor(0.01).fit(scaler.fit(X, y, sample_weight=weight).transform(X), y)
    assert_array_equal(unweighted.predict(new_rows), by_hand.predict(scaler.transform(new_rows)))


def test_weighted_score_uses_the_weights(model, data):
    X, y = data
    weight = np.arange(len(y)) % 3
    copies = np.repeat(np.arange(len(y)), weight)
    assert_allclose(model.score(X, y, sample_weight=weight), model.score(X[copies], y[copies]))


@pytest.mark.parametrize("as_frame", [False, True])
def test_text_in_the_inputs_is_located(as_frame):
    rows = np.array([[1.0, 2.0], [3.0, "north"], [5.0, 6.0]], dtype=object)
    rows = pd.DataFrame(rows, columns=["size", "region"]) if as_frame else rows
    column = "'region'" if as_frame else "1"
    message = rf"text .*: 'north' \(str\) in row 1, column {column}.*categorical_features"
    with pytest.raises(ValueError, match=message):
        WedgeReLURegressor(0.01).fit(rows, [1.0, 2.0, 3.0])


def test_there_is_no_coef_for_selectors_to_misread(model, data):
    X, _ = data
    assert not hasattr(model, "coef_")
    importances = model.feature_importances_
    selected = SelectFromModel(model, prefit=True, threshold="mean").transform(X)
    assert_array_equal(selected, X[:, importances >= importances.mean()])


def test_permutation_importance_finds_the_useless_column():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    model = WedgeReLURegressor(alpha=0.05).fit(X, np.abs(X[:, 0] - X[:, 1]))
    importance = permutation_importance(model, X, np.abs(X[:, 0] - X[:, 1]), random_state=0)
    assert np.argmin(importance.importances_mean) == 2


def test_tags_say_what_is_supported():
    tags = WedgeReLURegressor(0.01).__sklearn_tags__()
    assert tags.estimator_type == "regressor"
    assert tags.target_tags.required
    assert tags.target_tags.multi_output
    assert WedgeReLURegressor(0.01, loss="huber").__sklearn_tags__().target_tags.multi_output
    assert not WedgeReLURegressor(0.01, loss=abs).__sklearn_tags__().target_tags.multi_output
    assert WedgeReLURegressor(0.01, loss="gamma").__sklearn_tags__().target_tags.positive_only
    assert tags.input_tags.allow_nan
    assert not tags.input_tags.sparse
    assert not tags.non_deterministic


LOSSES = ["squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma"]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_target_in_a_column_is_predicted_in_one_dimension_under_any_loss(loss, data):
    X, y = data
    warns = pytest.warns(sklearn.exceptions.DataConversionWarning, match=r"y has shape \(60, 1\)")
    model = WedgeReLURegressor(alpha=0.3, loss=loss, tol=1e-2)
    expected = clone(model).fit(X, y)
    with warns:
        column = model.fit(X, y[:, None])
    assert_array_equal(column.predict(X), expected.predict(X))
    assert_array_equal(column.explain(X).contributions, expected.explain(X).contributions)
    assert (column.y_mean_, column.y_scale_) == (expected.y_mean_, expected.y_scale_)
    if loss not in ("poisson", "gamma"):  # scikit-learn has no such network before 1.7
        assert column.to_mlp().predict(X).shape == y.shape
    if loss == "squared_error":
        with warns:
            chosen = regressor_cv([0.3], cv=2).fit(X, pd.DataFrame({"y": y}))
        assert chosen.predict(X).shape == y.shape


def test_verbose_prints_and_silence_is_the_default(data, capsys):
    WedgeReLURegressor(0.01).fit(*data)
    assert capsys.readouterr().out == ""
    model = WedgeReLURegressor(0.01, verbose=1).fit(*data)
    summary = capsys.readouterr().out
    assert f"{model.n_neurons_} neurons" in summary
    WedgeReLURegressor(0.01, verbose=2).fit(*data)
    rounds = capsys.readouterr().out
    assert summary in rounds
    assert len(rounds.splitlines()) == len(summary.splitlines()) + model.n_iter_


# --- parameters and data that must be refused ----------------------------------------------------

BAD_PARAMETERS = [
    ("alpha", 0),
    ("alpha", -1.0),
    ("alpha", np.nan),
    ("alpha", np.inf),
    ("alpha", "0.1"),
    ("alpha", None),
    ("interaction_order", 0),
    ("interaction_order", -2),
    ("interaction_order", 1.5),
    ("interaction_order", "all"),
    ("interaction_order", True),
    ("alpha", True),
    ("tol", True),
    ("max_iter", True),
    ("n_jobs", True),
    ("standardize", "yes"),
    ("clip_quantile", 0.5),
    ("clip_quantile", -0.1),
    ("clip_quantile", np.nan),
    ("encoding", "quantile"),
    ("encoding", True),
    ("pricing", "foo"),
    ("pricing", None),
    ("tol", 0),
    ("tol", -1e-3),
    ("tol", np.nan),
    ("max_iter", 0),
    ("max_iter", 2.5),
    ("n_jobs", "two"),
    ("verbose", -1),
]


@pytest.mark.parametrize(("name", "value"), BAD_PARAMETERS)
def test_a_bad_parameter_is_named(name, value, data):
    with pytest.raises(ValueError, match=rf"'{name}' parameter"):
        WedgeReLURegressor(**{name: value}).fit(*data)


BAD_PATH_PARAMETERS = [case for case in BAD_PARAMETERS if case[0] != "alpha"]


@pytest.mark.parametrize(("name", "value"), BAD_PATH_PARAMETERS)
def test_the_path_functions_name_a_bad_parameter_too(name, value, data):
    with pytest.raises(ValueError, match=name):
        wedge_relu_path(*data, [0.1], **{name: value})
    if name not in ("tol", "max_iter", "verbose"):
        with pytest.raises(ValueError, match=name):
            alpha_max(*data, **{name: value})


def with_value(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_inputs_are_refused(value, data, model):
    X, y = data
    with pytest.raises(ValueError, match="infinity"):
        WedgeReLURegressor(0.01).fit(with_value(X, (3, 1), value), y)
    with pytest.raises(ValueError, match="infinity"):
        model.predict(with_value(X, (3, 1), value))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_target_that_is_not_finite_is_refused(value, data):
    X, y = data
    with pytest.raises(ValueError, match=r"Input y contains"):
        WedgeReLURegressor(0.01).fit(X, with_value(y, 3, value))


def test_wrong_shapes_are_refused(data, model):
    X, y = data
    with pytest.raises(ValueError, match="2D array"):
        WedgeReLURegressor(0.01).fit(X[:, 0], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        WedgeReLURegressor(0.01).fit(X, y[:-1])
    with pytest.raises(ValueError, match="loss=abs and several targets"):
        WedgeReLURegressor(0.01, loss=abs).fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="0 sample"):
        WedgeReLURegressor(0.01).fit(X[:0], y[:0])
    with pytest.raises(ValueError, match="0 feature"):
        WedgeReLURegressor(0.01).fit(X[:, :0], y)
    with pytest.raises(ValueError, match="y"):
        WedgeReLURegressor(0.01).fit(X, None)
    with pytest.raises(ValueError, match="3 features"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match="2D array"):
        model.predict(X[0])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(60), "zero"),
        (with_value(np.ones(60), 5, -1e-3), "(?i)negative"),
        (np.ones(59), r"sample_weight"),
        (np.ones((60, 2)), "(?i)sample.weight"),
        (with_value(np.ones(60), 5, np.nan), "(?i)sample_weight contains NaN"),
        (with_value(np.ones(60), 5, np.inf), "(?i)sample_weight contains inf"),
    ],
)
def test_bad_weights_are_refused(weight, message, data):
    with pytest.raises(ValueError, match=message):
        WedgeReLURegressor(0.01).fit(*data, sample_weight=weight)
    with pytest.raises(ValueError, match=message):
        wedge_relu_path(*data, [0.1], sample_weight=weight)


def test_unaffordable_exact_pricing_says_how_many_pencils_and_what_to_do():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(3000, 12)), rng.normal(size=3000)
    # Order 3: C(12,3)·C(3000,2) pencils of pairs of samples, and those of the lower orders.
    pairs_of_samples = 220 * 3000 * 2999 // 2
    with pytest.raises(ValueError, match="pencils") as error:
        WedgeReLURegressor(0.01, interaction_order=3, pricing="exact").fit(X, y)
    message = str(error.value)
    pencils = int(re.search(r"([\d,]+) pencils", message).group(1).replace(",", ""))
    assert pairs_of_samples <= pencils <= 1.01 * pairs_of_samples
    for advice in ("pricing='search'", "pricing='auto'", "interaction_order", "rows"):
        assert advice in message
    with pytest.raises(ValueError, match="pencils"):
        wedge_relu_path(X, y, [0.1], interaction_order=3, pricing="exact")


# --- convergence and the certificate -------------------------------------------------------------


@pytest.mark.parametrize("pricing", ["exact", "search"])
def test_an_unconverged_fit_warns_with_gap_and_tolerance(pricing, data, nothing_is_cheap):
    X, y = data
    model = WedgeReLURegressor(alpha=1e-4, max_iter=1, pricing=pricing, tol=1e-9)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, y)
    (message,) = [str(w.message) for w in caught if w.category is ConvergenceWarning]
    said, allowed = re.search(r"gap of (\S+); the tolerance is (\S+) ", message).groups()
    certificate = model.certificate_
    assert_allclose(float(said), certificate.gap, rtol=1e-3)
    # Standardised target: the best constant model has half the mean square 1.
    assert_allclose(float(allowed), 0.5e-9, rtol=1e-3)
    assert certificate.gap > 0.5e-9
    assert "max_iter" in message
    assert ("estimated" in message) == (pricing == "search")
    assert model.n_iter_ == 1


def test_a_converged_fit_does_not_warn_and_keeps_its_promise(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for tol in (1e-2, 1e-4, 1e-9):
            model = WedgeReLURegressor(alpha=0.01, tol=tol).fit(*data)
            assert model.certificate_.gap <= tol * 0.5
            assert 1 <= model.n_iter_ == len(model.history_)


@pytest.mark.parametrize("max_iter", [1, 2, 3])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_bounds_of_early_stopped_fits_contain_the_optimum(max_iter, data):
    optimum = WedgeReLURegressor(alpha=1e-3, tol=1e-10).fit(*data).certificate_
    early = WedgeReLURegressor(alpha=1e-3, max_iter=max_iter, tol=1e-10).fit(*data)
    assert early.n_iter_ == max_iter
    assert early.certificate_.lower_bound <= optimum.objective * (1 + 1e-10)
    assert early.certificate_.objective >= optimum.lower_bound * (1 - 1e-10)


def test_the_bounds_of_a_fit_are_those_in_closed_form():
    """Two samples, one hinge of height z: ``(1 - z)²/8 + alpha z`` is least at 1 - 4 alpha."""
    raw = {"standardize": False, "clip_quantile": None, "tol": 1e-12}
    solved = WedgeReLURegressor(0.05, **raw).fit([[0.0], [1.0]], [0.0, 1.0]).certificate_
    optimum = 0.2**2 / 8 + 0.05 * 0.8
    assert_allclose([solved.objective, solved.lower_bound], optimum, rtol=1e-14)
    assert solved.gap <= 1e-16
    assert solved.relative_gap <= 1e-14


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_gap_is_that_between_the_network_and_its_dual_point_by_hand():
    X, y = regression_table(2, n=30)
    alpha = 0.01
    model = WedgeReLURegressor(alpha, max_iter=1).fit(X, y)
    error = (y - model.predict(X)) / model.y_scale_
    hidden = np.abs(model.coefs_[0] * model.x_scale_[:, None]).sum(axis=0)
    penalty = alpha / 2 * ((hidden**2).sum() + (model.coefs_[1] ** 2).sum() / model.y_scale_**2)
    objective = 0.5 * np.mean(error**2) + penalty
    inputs, target = solved_inputs(model, X), (y - model.y_mean_) / model.y_scale_
    largest = every_neuron(inputs, 2).values(inputs, error[:, None] / len(y)).max()
    dual = error / len(y) * alpha / largest
    gap = objective - (dual @ target - len(y) / 2 * dual @ dual)
    assert largest > 1.1 * alpha
    assert gap > 0.01 * objective
    assert_allclose(model.certificate_.gap, gap, rtol=1e-7)
    assert_allclose(model.certificate_.relative_gap, gap / objective, rtol=1e-7)


def test_certificates_and_neurons_are_frozen(model):
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.certificate_.gap = 0.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.neurons_.coef = None


def test_the_sign_of_max_violation_says_whether_the_constant_model_is_optimal(data, constant_model):
    X, y = data
    largest = alpha_max(X, y)
    assert_allclose(constant_model.certificate_.max_violation, largest / 10.0 - 1, rtol=1e-9)
    assert constant_model.certificate_.max_violation < 0
    with pytest.warns(ConvergenceWarning):
        early = WedgeReLURegressor(alpha=1e-4, max_iter=1, tol=1e-9).fit(X, y)
    assert early.certificate_.max_violation > 0


def test_a_tiny_gap_leaves_hardly_a_violation(data):
    certificate = WedgeReLURegressor(alpha=0.01, tol=1e-10).fit(*data).certificate_
    assert abs(certificate.max_violation) < 1e-6


def test_search_calls_its_bound_an_estimate_everywhere(data, nothing_is_cheap):
    exact = WedgeReLURegressor(0.01, pricing="exact").fit(*data).certificate_
    search = WedgeReLURegressor(0.01, pricing="search").fit(*data).certificate_
    assert exact.exact
    assert not search.exact
    assert "estimated" in str(search)
    assert "estimated" not in str(exact)
    assert "certified" in str(exact)
    assert "search" in search.scope
    assert "search" not in exact.scope
    assert "any width" in exact.scope
    assert "at most 2 inputs" in exact.scope


@pytest.mark.parametrize(
    ("order", "words"),
    [(1, "at most 1 input "), (3, "at most 3 inputs "), (4, "any number"), (None, "any number")],
)
def test_scope_names_the_class_of_networks(order, words, data):
    X, y = data
    certificate = WedgeReLURegressor(alpha=0.2, interaction_order=order).fit(X, y).certificate_
    assert words in certificate.scope


def test_search_is_as_good_as_exact_here(data, nothing_is_cheap):
    exact = WedgeReLURegressor(0.01, pricing="exact", tol=1e-8).fit(*data).certificate_
    search = WedgeReLURegressor(0.01, pricing="search", tol=1e-8).fit(*data).certificate_
    assert exact.lower_bound <= search.objective * (1 + 1e-12)
    assert_allclose(search.objective, exact.objective, rtol=1e-3)


def pencils_of_order_2(n, d):
    """One pencil of axis hinges per input, and one per pair of inputs and sample."""
    return d + n * d * (d - 1) // 2


@pytest.mark.parametrize("d", [2, 4, 10, 40])
def test_auto_is_exact_up_to_pencils_times_samples_of_2e8(d):
    n = 2
    while pencils_of_order_2(n + 1, d) * (n + 1) <= 2e8:
        n += 1
    assert certifies(FitOptions(pricing="auto"), NeuronClass(2), n, d)
    assert not certifies(FitOptions(pricing="auto"), NeuronClass(2), n + 1, d)
    assert certifies(FitOptions(pricing="exact"), NeuronClass(2), n + 1, d)
    assert not certifies(FitOptions(pricing="search"), NeuronClass(2), 2, d)


def test_auto_gives_up_the_certificate_of_a_large_table():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 40)), rng.normal(size=600)
    assert pencils_of_order_2(600, 40) * 600 > 2e8
    model = WedgeReLURegressor(alpha=5.0, clip_quantile=None)
    assert not model.fit(X, y).certificate_.exact
    # Equal rows are one sample.
    rows = np.arange(600) % 40
    assert model.fit(X[rows], y[rows]).certificate_.exact


def test_auto_follows_its_limit(monkeypatch, nothing_is_cheap, data):
    X, y = data
    size = pencils_of_order_2(60, 4) * 60
    model = WedgeReLURegressor(alpha=0.05, clip_quantile=None)
    monkeypatch.setattr("sklearn_wedge._settings.options.AUTO_EXACT_LIMIT", size)
    assert model.fit(X, y).certificate_.exact
    monkeypatch.setattr("sklearn_wedge._settings.options.AUTO_EXACT_LIMIT", size - 1)
    assert not model.fit(X, y).certificate_.exact
    monkeypatch.setattr("sklearn_wedge._settings.options.EXACT_LIMIT", size)
    assert model.set_params(pricing="exact").fit(X, y).certificate_.exact
    monkeypatch.setattr("sklearn_wedge._settings.options.EXACT_LIMIT", size - 1)
    with pytest.raises(ValueError, match=f"{pencils_of_order_2(60, 4):,} pencils"):
        model.fit(X, y)


# --- the network ---------------------------------------------------------------------------------

CASES = [
    {},
    {"clip_quantile": 0.05},
    {"clip_quantile": None},
    {"standardize": False, "clip_quantile": None, "alpha": 1.0},
    {"standardize": False, "alpha": 0.3},
    {"interaction_order": 1},
    {"interaction_order": 3},
    {"interaction_order": None, "alpha": 0.03},
    {"alpha": 1e-4, "pricing": "search"},
]


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request):
    X, y = regression_table()
    X = np.vstack([X, X[:10]])  # duplicated rows, with other targets
    y = np.concatenate([y, y[:10] + 1.0])
    weight = np.random.default_rng(3).gamma(2.0, size=len(y))
    weight[4] = 0.0
    model = WedgeReLURegressor(**{"alpha": 0.01, **request.param}).fit(X, y, sample_weight=weight)
    assert model.n_neurons_ > 1
    return model, X, y, weight


def test_a_forward_pass_by_hand_reproduces_predict(case, new_rows):
    model, X, _, _ = case
    (hidden_weights, output_weights), (hidden_bias, output_bias) = model.coefs_, model.intercepts_
    assert hidden_weights.shape == (4, model.n_neurons_)
    assert output_weights.shape == (model.n_neurons_, 1)
    for rows in (X, new_rows):
        clipped = np.minimum(np.maximum(rows, model.clip_bounds_[0]), model.clip_bounds_[1])
        expected = []
        for row in clipped:
            hidden = [
                max(0.0, w @ row + b) for w, b in zip(hidden_weights.T, hidden_bias, strict=True)
            ]
            expected.append(np.dot(hidden, output_weights[:, 0]) + output_bias[0])
        assert_allclose(model.predict(rows), expected, rtol=1e-10)


def test_layers_are_balanced_and_their_penalty_and_loss_are_the_objective(case):
    model, X, y, weight = case
    hidden = model.coefs_[0] * model.x_scale_[:, None]
    output = model.coefs_[1][:, 0] / model.y_scale_
    assert_allclose(np.abs(hidden).sum(axis=0), np.abs(output), rtol=1e-10)
    penalty = model.alpha / 2 * (np.abs(hidden).sum(axis=0) ** 2 + output**2).sum()
    errors = (y - model.predict(X)) / model.y_scale_
    loss = 0.5 * np.average(errors**2, weights=weight)
    assert_allclose(loss + penalty, model.certificate_.objective, rtol=1e-9)


def test_scales_are_those_of_the_clipped_weighted_columns(case):
    model, X, y, weight = case
    present = weight > 0
    clipped = np.clip(X, *model.clip_bounds_)[present]
    mean = np.average(clipped, axis=0, weights=weight[present])
    assert_allclose(model.x_mean_, mean, rtol=1e-12)
    assert_allclose(model.y_mean_, np.average(y, weights=weight), rtol=1e-12)
    if model.standardize:
        variance = np.average((clipped - mean) ** 2, axis=0, weights=weight[present])
        assert_allclose(model.x_scale_, np.sqrt(variance), rtol=1e-12)
        target_variance = np.average((y - model.y_mean_) ** 2, weights=weight)
        assert_allclose(model.y_scale_, np.sqrt(target_variance), rtol=1e-12)
    else:
        assert_array_equal(model.x_scale_, 1.0)
        assert model.y_scale_ == 1.0


def test_neurons_are_the_hidden_layer_in_the_units_of_the_problem(case):
    model, X, _, _ = case
    neurons = model.neurons_
    Z = solved_inputs(model, X)
    total = np.full(len(X), 0.0)
    for k in range(len(neurons)):
        used = neurons.inputs[k] >= 0
        activation = Z[:, neurons.inputs[k][used]] @ neurons.weights[k][used] + neurons.offsets[k]
        total += neurons.coef[k, 0] * np.maximum(activation, 0)
    outside = (model.intercepts_[1][0] - model.y_mean_) / model.y_scale_
    solved = (model.predict(X) - model.y_mean_) / model.y_scale_
    assert_allclose(total + outside, solved, atol=1e-10 * np.abs(solved).max())
    # The most important first.
    assert np.all(np.diff(np.abs(neurons.coef[:, 0])) <= 0)
    assert np.all(neurons.coef != 0)


def test_neurons_are_unit_norm_and_use_few_inputs(case):
    model = case[0]
    neurons = model.neurons_
    order = min(model.interaction_order or 4, 4)
    assert len(neurons) == model.n_neurons_
    assert neurons.inputs.shape == neurons.weights.shape == neurons.rows.shape
    assert neurons.inputs.shape[1] == order
    assert_allclose(np.abs(neurons.weights).sum(axis=1), 1.0, rtol=1e-12)
    used = neurons.inputs >= 0
    assert_array_equal(used, neurons.weights != 0)
    assert_array_equal(used.sum(axis=1), (neurons.rows >= 0).sum(axis=1))
    assert np.count_nonzero(model.coefs_[0], axis=0).max() <= order
    assert_array_equal(np.count_nonzero(model.coefs_[0], axis=0), used.sum(axis=1))


def test_hyperplanes_pass_through_the_rows_they_name(case):
    model, X, _, weight = case
    neurons = model.neurons_
    Z = solved_inputs(model, X)
    for k in range(len(neurons)):
        rows = neurons.rows[k][neurons.rows[k] >= 0]
        used = neurons.inputs[k] >= 0
        distance = Z[np.ix_(rows, neurons.inputs[k][used])] @ neurons.weights[k][used]
        assert_allclose(distance + neurons.offsets[k], 0.0, atol=1e-10 * np.abs(Z).max())
        assert len(set(rows)) == len(rows)
        assert np.all(weight[rows] > 0)


def test_rows_are_the_first_of_equal_rows_and_support_is_their_union(case):
    model, X, _, weight = case
    named = model.neurons_.rows[model.neurons_.rows >= 0]
    assert_array_equal(model.support_, sorted(set(named)))
    clipped = np.clip(X, *model.clip_bounds_)
    for row in model.support_:
        equal = np.flatnonzero((clipped == clipped[row]).all(axis=1) & (weight > 0))
        assert row == equal[0]


def test_rows_define_the_weights_of_a_generic_neuron(case):
    # The hyperplane through as many points as inputs is unique: it can be had from the points.
    model, X, _, _ = case
    Z = solved_inputs(model, X)
    neurons, flat = model.neurons_, 0
    for k in range(len(neurons)):
        inputs = neurons.inputs[k][neurons.inputs[k] >= 0]
        rows = neurons.rows[k][neurons.rows[k] >= 0]
        points = Z[np.ix_(rows, inputs)]
        _, sizes, directions = np.linalg.svd(points[1:] - points[0])
        if len(rows) > 1 and sizes[-1] < 1e-6 * sizes[0]:
            flat += 1  # too flat for this check
            continue
        normal = directions[-1] / np.abs(directions[-1]).sum()
        weights = neurons.weights[k][neurons.inputs[k] >= 0]
        assert_allclose(np.sign(normal @ weights) * normal, weights, atol=1e-8)
    assert flat < 0.1 * len(neurons)


def test_a_network_without_neurons_works_everywhere(constant_model, data, new_rows, capsys):
    X, y = data
    model = constant_model
    assert model.n_neurons_ == 0
    assert len(model.neurons_) == 0
    assert model.support_.shape == (0,)
    assert [c.shape for c in model.coefs_] == [(4, 0), (0, 1)]
    assert [b.shape for b in model.intercepts_] == [(0,), (1,)]
    assert_allclose(model.predict(new_rows), y.mean(), rtol=1e-12)
    assert model.certificate_.gap <= 1e-12
    assert_allclose(model.certificate_.objective, 0.5, rtol=1e-10)
    assert model.n_iter_ >= 1
    assert "WedgeReLURegressor" in repr(model)
    assert "WedgeReLURegressor" in estimator_html_repr(model)
    capsys.readouterr()
    WedgeReLURegressor(alpha=10.0, verbose=2).fit(X, y)
    assert "0 neurons" in capsys.readouterr().out


def test_an_order_above_the_number_of_inputs_is_no_limit(data, new_rows):
    X, y = data
    X, new_rows = X[:, :3], new_rows[:, :3]
    unlimited = WedgeReLURegressor(alpha=0.05, interaction_order=None).fit(X, y)
    for order in (3, 4, 50):
        model = WedgeReLURegressor(alpha=0.05, interaction_order=order).fit(X, y)
        assert_array_equal(model.predict(new_rows), unlimited.predict(new_rows))


def test_a_higher_order_has_a_lower_optimum(data):
    objectives = [
        WedgeReLURegressor(alpha=0.05, interaction_order=order, tol=1e-8).fit(*data).certificate_
        for order in (1, 2, 3)
    ]
    assert objectives[1].objective < objectives[0].lower_bound
    assert objectives[2].objective < objectives[1].objective * (1 + 1e-8)


def test_order_1_is_additive_and_order_2_is_not(data, new_rows):
    X, y = data
    base = X.mean(axis=0)

    def defect(model):
        """f(x) minus the sum of its one-dimensional slices through ``base``."""
        slices = -3 * model.predict(base[None])
        for k in range(4):
            only_k = np.tile(base, (len(new_rows), 1))
            only_k[:, k] = new_rows[:, k]
            slices = slices + model.predict(only_k)
        return np.abs(model.predict(new_rows) - slices).max()

    assert defect(WedgeReLURegressor(0.01, interaction_order=1).fit(X, y)) < 1e-9 * np.abs(y).max()
    assert defect(WedgeReLURegressor(0.01, interaction_order=2).fit(X, y)) > 1e-2 * np.ptp(y)


def test_a_network_of_the_class_is_fitted_almost_without_error():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    y = 2 * np.maximum(X[:, 0] - X[:, 2], 0) - np.maximum(X[:, 1], 0) + 1
    model = WedgeReLURegressor(alpha=1e-5, clip_quantile=None).fit(X, y)
    assert model.score(X, y) > 1 - 1e-4


def test_diabetes_fit_beats_the_additive_optimum_and_is_certified():
    X, y = load_diabetes(return_X_y=True)
    model = WedgeReLURegressor(alpha=0.05).fit(X, y)
    additive = WedgeReLURegressor(alpha=0.05, interaction_order=1).fit(X, y)
    assert model.certificate_.exact
    assert model.certificate_.gap <= 0.5e-4
    assert model.certificate_.objective < additive.certificate_.objective


# --- clipping ------------------------------------------------------------------------------------


def inverse_cdf(values, weight, q):
    """The least data value whose cumulative weight reaches q, by definition."""
    for value in np.sort(values):
        if weight[values <= value].sum() / weight.sum() >= q - 1e-9:
            return value
    return values.max()


@pytest.mark.parametrize("q", [0.005, 0.05, 0.1, 0.25])
@pytest.mark.parametrize("decimals", [0, 8])
def test_clip_bounds_are_the_weighted_quantiles_and_data_values(q, decimals):
    rng = np.random.default_rng(0)
    X = np.round(3 * rng.standard_t(2, size=(40, 3)), decimals)
    weight = rng.integers(0, 4, size=40).astype(float)
    model = WedgeReLURegressor(alpha=10.0, clip_quantile=q)
    model.fit(X, rng.normal(size=40), sample_weight=weight)
    for k in range(3):
        values = X[weight > 0, k]
        expected = [inverse_cdf(values, weight[weight > 0], p) for p in (q, 1 - q)]
        assert_array_equal(model.clip_bounds_[:, k], expected)
        assert np.isin(model.clip_bounds_[:, k], values).all()


@pytest.mark.parametrize("megabytes", [1e3, 1e-3], ids=["in memory", "in blocks"])
def test_clipping_at_quantile_0_is_at_the_extremes_of_any_weight(megabytes):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(300, 2)), np.ones(300)])
    X[0], X[1], X[2, :2] = [7.0, -7.0, 1.0], [-9.0, 9.0, 1.0], 100.0
    weight = np.ones(300)
    weight[:2], weight[2] = 1e-12, 0.0
    y = np.abs(X[:, 0]) + X[:, 1]
    with sklearn.config_context(working_memory=megabytes):
        model = WedgeReLURegressor(0.1, clip_quantile=0, tol=1e-2).fit(X, y, weight)
    assert_array_equal(model.clip_bounds_, [[-9.0, -7.0, -np.inf], [7.0, 9.0, np.inf]])
    assert_array_equal(model.predict([[99.0, -99.0, 1.0]]), model.predict([[7.0, -7.0, 1.0]]))


def test_predictions_are_constant_beyond_the_bounds(model, data):
    X, _ = data
    lower, upper = model.clip_bounds_
    assert np.all(np.any(np.clip(X, lower, upper) != X, axis=0))
    for k in range(4):
        rows = np.tile(X[:5], (3, 1))
        rows[:, k] = np.repeat([upper[k], upper[k] + 1.0, 1e6], 5)
        at_bound, beyond, far = np.split(model.predict(rows), 3)
        assert_allclose(beyond, at_bound, rtol=1e-13)
        assert_allclose(far, at_bound, rtol=1e-13)
        rows[:, k] = np.repeat([lower[k], lower[k] - 1.0, -1e6], 5)
        at_bound, beyond, far = np.split(model.predict(rows), 3)
        assert_allclose(beyond, at_bound, rtol=1e-13)
        assert_allclose(far, at_bound, rtol=1e-13)


def test_without_clipping_predictions_go_on(data):
    X, y = data
    model = WedgeReLURegressor(0.01, clip_quantile=None).fit(X, y)
    assert_array_equal(model.clip_bounds_, [[-np.inf] * 4, [np.inf] * 4])
    far = X.mean(axis=0) + 1e3 * X.std(axis=0) * [1, -1, 0, 0]
    assert abs(model.predict([far])[0] - y.mean()) > 10 * np.ptp(y)


def test_a_rare_indicator_column_keeps_its_effect():
    rng = np.random.default_rng(0)
    n = 1000
    indicator = np.zeros(n)
    indicator[:4] = 1.0  # rarer than the quantile 0.005
    X = np.column_stack([rng.normal(size=n), indicator])
    y = 0.1 * X[:, 0] + 20 * indicator
    model = WedgeReLURegressor(alpha=1e-4, interaction_order=1).fit(X, y)
    assert_array_equal(model.clip_bounds_[:, 1], [-np.inf, np.inf])
    assert np.all(np.isfinite(model.clip_bounds_[:, 0]))
    effect = np.subtract(*model.predict([[0.0, 1.0], [0.0, 0.0]]))
    assert_allclose(effect, 20, rtol=0.02)


# --- resources -----------------------------------------------------------------------------------


def calls_of(function):
    """Python functions that are called."""
    seen = []
    function()  # what is done once
    sys.setprofile(lambda frame, event, _: seen.append(frame) if event == "call" else None)
    try:
        function()
    finally:
        sys.setprofile(None)
    return len(seen)


def test_predictions_of_a_small_table_take_few_preparations(data):
    # Partial dependence of a pair of inputs predicts a table 10,000 times.
    X, y = data
    model, plain = WedgeReLURegressor(0.1).fit(X, y), Ridge().fit(X, y)
    assert calls_of(lambda: model.predict(X)) < 2 * calls_of(lambda: plain.predict(X))


def test_predictions_leave_the_inputs(model, new_rows):
    for order in "CF":
        rows = np.array(new_rows, order=order)
        model.predict(rows)
        assert_array_equal(rows, new_rows)


def test_working_memory_changes_no_prediction(model, constant_model, new_rows):
    for fitted in (model, constant_model):
        expected = fitted.predict(new_rows)
        with sklearn.config_context(working_memory=1e-9):  # one row at a time
            one_by_one = fitted.predict(new_rows)
        with sklearn.config_context(working_memory=0.001):
            in_blocks = fitted.predict(new_rows)
        assert_allclose(one_by_one, expected, rtol=1e-13)
        assert_allclose(in_blocks, expected, rtol=1e-13)


def test_predictions_of_a_row_do_not_depend_on_its_neighbours(model, new_rows):
    alone = np.concatenate([model.predict(row[None]) for row in new_rows[:20]])
    assert_allclose(alone, model.predict(new_rows)[:20], rtol=1e-13)


def test_fitting_with_tiny_working_memory_gives_the_same_network(data, model, new_rows):
    with sklearn.config_context(working_memory=1):
        small = WedgeReLURegressor(alpha=0.01, clip_quantile=0.05).fit(*data)
    assert_allclose(small.predict(new_rows), model.predict(new_rows), rtol=1e-10)
