"""Inputs encoded by piecewise linear curves: a fit on encoded columns, in terms of the columns."""

import pickle

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv, regressor_cv
from scipy.stats import norm
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils.estimator_checks import check_estimator

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
    alpha_max,
    polish,
    wedge_relu_path,
)
from sklearn_wedge._core.encoding import MOST_KNOTS, fitted_encoding
from sklearn_wedge._core.rows.quantiles import weighted_quantiles
from sklearn_wedge.inspection import EffectDisplay, NeuronDisplay, PathDisplay, SupportDisplay

KINDS = ["uniform", "normal", "robust"]
FIT = {"alpha": 0.01, "tol": 1e-6}


def table(n=90, seed=0):
    """Heavy tails, many zeros, an indicator, a constant; what is learned is a function of ranks."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    X = np.column_stack(
        [np.exp(2 * z[:, 0]), np.maximum(z[:, 1], 0) ** 3, rng.random(n) < 0.3, np.full(n, 7.0)]
    )
    return X, np.abs(z[:, 0]) + X[:, 2] * np.maximum(z[:, 1], 0) + 0.1 * rng.normal(size=n)


def network(kind, X, y, weight=None, **parameters):
    return WedgeReLURegressor(**{**FIT, "encoding": kind, **parameters}).fit(X, y, weight)


def encoded_by_hand(model, X):
    """The documentation of ``encoding_`` in plain NumPy."""
    clipped = np.clip(np.asarray(X, dtype=float), *model.clip_bounds_)
    curves = list(zip(model.encoding_.knots, model.encoding_.values, strict=True))
    return np.column_stack(
        [
            np.interp(c, *curve) if len(curve[0]) else c
            for c, curve in zip(clipped.T, curves, strict=True)
        ]
    )


# --- the curves ---------------------------------------------------------------------------------


def encoding_of(kind, columns, weight=None):
    columns = np.asarray(columns, dtype=float)
    weight = np.full(len(columns), 1 / len(columns)) if weight is None else weight / weight.sum()
    unbounded = np.full((2, columns.shape[1]), [[-np.inf], [np.inf]])
    return fitted_encoding(
        kind,
        tuple(unbounded),
        (columns.min(axis=0), columns.max(axis=0)),
        lambda levels: np.array([weighted_quantiles(c, weight, levels) for c in columns.T]).T,
    )


def test_scores_are_those_of_a_quantile_transformer():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.exp(2 * rng.normal(size=4000)), rng.normal(size=4000) ** 3])
    theirs = QuantileTransformer(n_quantiles=1000, random_state=0)
    inner = (np.quantile(X, 0.01, axis=0) < X) & (np.quantile(X, 0.99, axis=0) > X)
    ours = encoding_of("uniform", X).transform(X)
    assert np.abs(ours - theirs.fit_transform(X)).max() < 0.03
    theirs.set_params(output_distribution="normal")
    ours = encoding_of("normal", X).transform(X)
    assert np.abs(ours - theirs.fit_transform(X))[inner].max() < 0.1
    assert np.abs(ours).max() < 3.5


def test_the_robust_curve_is_linear_inside_and_bounded_outside():
    x = np.concatenate([np.linspace(-2, 2, 401), [-1e6, 30.0, 1e30]])[:, None]
    encoding = encoding_of("robust", x)
    first, median, third = np.quantile(x, [0.25, 0.5, 0.75], method="inverted_cdf")
    t = (x - median) / (third - first)
    wanted = t / np.hypot(1, t / 3)
    found = encoding.transform(x)
    assert np.abs(found - wanted).max() < 0.11
    inside = np.abs(t) <= 1
    assert_allclose(found[inside], t[inside] * np.sqrt(0.9), rtol=1e-12)
    assert found.max() <= 3 and found.min() >= -3
    assert np.all(np.diff(np.sort(found, axis=0)[-3:], axis=0) > 0)  # outliers stay in order


@pytest.mark.parametrize("kind", KINDS)
def test_an_astronomic_outlier_leaves_a_curve_of_numbers(kind):
    x = np.concatenate([np.linspace(0, 1e-10, 50), [1e300]])[:, None]
    encoding = encoding_of(kind, x)
    assert np.isfinite(encoding.transform(x)).all()
    assert np.all(np.diff(encoding.values[0]) > 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_curve_rises_and_is_constant_beyond_its_ends(kind):
    X, _ = table(500)
    encoding = encoding_of(kind, X)
    assert encoding.columns == [0, 1]
    for column in encoding.columns:
        knots, values = encoding.knots[column], encoding.values[column]
        assert 3 <= len(knots) <= MOST_KNOTS
        assert np.all(np.diff(knots) > 0) and np.all(np.diff(values) > 0)
        assert_array_equal(knots[[0, -1]], [X[:, column].min(), X[:, column].max()])
        ends = encoding.transform_column(np.array([-1e9, 1e9]), column)
        assert_array_equal(ends, values[[0, -1]])
    assert_array_equal(encoding.transform(X)[:, 2:], X[:, 2:])
    assert_allclose(encoding.inverse_transform(encoding.transform(X)), X, rtol=1e-9, atol=1e-9)


def test_a_value_that_is_many_rows_has_the_middle_of_its_levels():
    x = np.repeat([0.0, 1.0, 5.0], [600, 300, 100])[:, None]
    uniform, normal = encoding_of("uniform", x), encoding_of("normal", x)
    assert_array_equal(uniform.knots[0], [0.0, 1.0, 5.0])
    assert_allclose(uniform.values[0], [0.3, 0.75, 0.95], atol=0.02)
    assert_allclose(normal.values[0], norm.ppf([0.3, 0.75, 0.95]), atol=0.1)


small_columns = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    small_columns,
    st.sampled_from(KINDS),
    st.sampled_from([1e-200, 1e-6, 3.0, 1e6, 1e200]),
    st.sampled_from([0.0, -7.0, 100.0]),
)
def test_units_leave_a_curve_also_with_ties(column, kind, unit, shift):
    x = np.array(column, dtype=float)[:, None]
    expected = encoding_of(kind, x)
    changed = (x + shift) * unit
    encoding = encoding_of(kind, changed)
    assert encoding.columns == expected.columns == ([0] if len(np.unique(x)) > 2 else [])
    assert_allclose(
        encoding.transform(changed) if encoding.columns else x,
        expected.transform(x),
        rtol=1e-12,
        atol=1e-12,
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3)), min_size=3, max_size=12).filter(
        lambda pairs: any(weight for _, weight in pairs)
    ),
    st.sampled_from(KINDS),
)
def test_weights_are_copies_for_a_curve(pairs, kind):
    x, weight = (np.array(part, dtype=float) for part in zip(*pairs, strict=True))
    copies = np.repeat(x, weight.astype(int))[:, None]
    x, weight = x[weight > 0][:, None], weight[weight > 0]
    weighted, copied = encoding_of(kind, x, 0.1 * weight), encoding_of(kind, copies)
    assert_array_equal(weighted.knots[0], copied.knots[0])
    assert_array_equal(weighted.values[0], copied.values[0])


# --- the fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parameters", [{}, {"norm": "l2", "clip_quantile": None}, {"n_blocks": 2}])
def test_a_fit_is_one_on_inputs_encoded_by_hand(kind, parameters):
    X, y = table()
    model = network(kind, X, y, **parameters)
    Z = encoded_by_hand(model, X)
    assert_array_equal(model.encoding_.transform(np.clip(X, *model.clip_bounds_)), Z)
    by_hand = network(None, Z, y, **{**parameters, "clip_quantile": None})
    ours, theirs = model.certificate_, by_hand.certificate_
    assert_allclose(ours.objective, theirs.objective, rtol=1e-10)
    assert_allclose(ours.lower_bound, theirs.lower_bound, rtol=1e-10)
    assert_allclose(model.predict(X), by_hand.predict(Z), rtol=0, atol=1e-10)
    new = table(seed=1)[0] * 3 - 1
    assert_allclose(
        model.predict(new), by_hand.predict(encoded_by_hand(model, new)), rtol=0, atol=1e-10
    )
    assert_allclose(model.x_mean_, by_hand.x_mean_, atol=1e-12)
    assert_allclose(model.x_scale_, by_hand.x_scale_)
    assert ours.exact is theirs.exact


def test_classes_are_fitted_as_on_inputs_encoded_by_hand():
    X, y = table()
    labels = np.digitize(y, [0.5, 1.0])
    model = WedgeReLUClassifier(**FIT, encoding="uniform").fit(X, labels)
    Z = encoded_by_hand(model, X)
    by_hand = WedgeReLUClassifier(**FIT, clip_quantile=None).fit(Z, labels)
    assert_allclose(model.predict_proba(X), by_hand.predict_proba(Z), atol=1e-10)


def test_columns_of_two_values_are_not_encoded():
    X, y = table()
    binary = np.column_stack([X[:, 2:], X[:, 0] > 1])
    model, plain = network("normal", binary, y), network(None, binary, y)
    assert model.encoding_.columns == []
    assert_array_equal(model.predict(binary), plain.predict(binary))
    assert "Encoding" not in model.summary()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_copies_and_the_order_of_rows_does_not_matter(kind):
    X, y = table(60)
    rng = np.random.default_rng(2)
    weight = rng.integers(0, 3, len(y))
    order = rng.permutation(np.repeat(np.arange(len(y)), weight))
    weighted = network(kind, X, y, weight)
    copied = network(kind, X[order], y[order])
    for ours, theirs in zip(weighted.coefs_, copied.coefs_, strict=True):
        assert_array_equal(ours, theirs)
    for ours, theirs in zip(weighted.encoding_.knots, copied.encoding_.knots, strict=True):
        assert_array_equal(ours, theirs)
    assert_array_equal(weighted.predict(X), copied.predict(X))


@pytest.mark.parametrize("unit", [1e-100, 1e100])
@pytest.mark.parametrize("kind", KINDS)
def test_units_do_not_change_the_fit(kind, unit):
    X, y = table(60)
    units = np.array([unit, 3.0, 1.0, 1 / unit])
    expected = network(kind, X, y).predict(X)
    assert_allclose(network(kind, X * units, y).predict(X * units), expected, atol=1e-7)


def test_single_precision_is_the_same_input():
    X, y = table(60)
    single = X.astype(np.float32)
    model = network("normal", single, y)
    assert_array_equal(
        model.predict(single),
        network("normal", single.astype(float), y).predict(X.astype(np.float32)),
    )


CHUNKED = {"alpha": 0.02, "tol": 0.01, "interaction_order": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_have_the_same_curves_and_nearly_the_same_optimum(kind, tmp_path):
    X, y = table(3000)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    inside = network(kind, X, y, **CHUNKED)
    with sklearn.config_context(working_memory=0.25):
        chunked = network(kind, mapped, y, **CHUNKED)
    for ours, theirs in zip(chunked.encoding_.knots, inside.encoding_.knots, strict=True):
        assert_array_equal(ours, theirs)
    for ours, theirs in zip(chunked.encoding_.values, inside.encoding_.values, strict=True):
        assert_array_equal(ours, theirs)
    assert not chunked.certificate_.exact
    assert chunked.certificate_.objective <= 1.02 * inside.certificate_.objective
    assert_allclose(chunked.marginals_[0].mean, inside.marginals_[0].mean, rtol=1e-6)


def test_dask_has_the_curves_of_memory():
    array = pytest.importorskip("dask.array")
    X, y = table(1000)
    inside = network("normal", X, y, **CHUNKED)
    for chunks in (150, 400):
        parts = array.from_array(X, chunks=(chunks, -1)), array.from_array(y, chunks=chunks)
        lazy = network("normal", *parts, **CHUNKED)
        for ours, theirs in zip(lazy.encoding_.knots, inside.encoding_.knots, strict=True):
            assert_array_equal(ours, theirs)
        assert_array_equal(lazy.predict(parts[0]).compute(), lazy.predict(X))


@pytest.mark.parametrize("kind", KINDS)
def test_a_monotone_network_never_falls(kind):
    X, y = table()
    model = network(kind, X, y, monotonic_cst=[1, 0, 0, 0])
    rows = np.repeat(X[::10], 200, axis=0)
    rows[:, 0] = np.tile(np.geomspace(1e-3, 1e3, 200), len(X[::10]))
    steps = np.diff(model.predict(rows).reshape(-1, 200), axis=1)
    assert steps.min() > -1e-12
    assert steps.max() > 0


def test_the_penalty_is_chosen_with_the_encoding():
    X, y = table(150)
    chosen = WedgeReLURegressor(encoding="normal").fit(X, y)
    assert chosen.encoding_.kind == "normal"
    again = network("normal", X, y, alpha=chosen.alpha_, tol=1e-3)
    assert_allclose(chosen.certificate_.objective, again.certificate_.objective, rtol=2e-3)


# --- estimators and functions -------------------------------------------------------------------


def test_encodings_are_candidates_of_cross_validation():
    X, y = table(120)
    options = {"alphas": [0.1, 0.03, 0.01], "cv": 3}
    kinds = [None, "normal", "robust"]
    model = regressor_cv(**options, encoding=kinds).fit(X, y)
    assert [each[3] for each in model.combinations_] == kinds
    labels = PathDisplay.from_estimator(model).labels
    assert labels == ["order 2, l1", "order 2, l1, normal", "order 2, l1, robust"]
    for kind, scores in zip(kinds, model.score_path_, strict=True):
        alone = regressor_cv(**options, encoding=kind).fit(X, y)
        assert_array_equal(scores, alone.score_path_)
    best = np.argmax(model.score_path_.mean(axis=2).max(axis=1))
    assert model.encoding_chosen_ == kinds[best] == model.encoding_.kind
    final = network(model.encoding_chosen_, X, y, alpha=model.alpha_, tol=1e-4)
    assert_allclose(model.predict(X), final.predict(X), atol=1e-9)


def test_classifiers_are_chosen_with_an_encoding():
    X, y = table(80)
    model = classifier_cv([0.1, 0.03], cv=2, encoding="uniform").fit(X, y > 0.8)
    assert model.encoding_chosen_ == model.encoding_.kind == "uniform"


def test_a_grid_search_takes_encodings():
    X, y = table(90)
    grid = {"encoding": [None, "normal"]}
    search = GridSearchCV(WedgeReLURegressor(0.02), grid, cv=KFold(3)).fit(X, y)
    assert search.cv_results_["mean_test_score"][1] > search.cv_results_["mean_test_score"][0]
    assert search.best_estimator_.encoding_.kind == "normal"


def test_a_path_is_one_on_encoded_inputs():
    X, y = table()
    model = network("normal", X, y)
    Z = encoded_by_hand(model, X)
    path = wedge_relu_path(X, y, [0.1, 0.01], encoding="normal", tol=1e-6)
    assert_allclose(path.networks[1].predict(X)[:, 0], model.predict(X), atol=1e-3)
    assert path.networks[1].encoding.kind == "normal"
    assert_allclose(
        alpha_max(X, y, encoding="normal"), alpha_max(Z, y, clip_quantile=None), rtol=1e-9
    )


@pytest.mark.parametrize(
    "estimator", [WedgeReLURegressor(), WedgeReLUClassifier(), WedgeReLURegressorCV()]
)
def test_an_unknown_encoding_is_refused_with_those_that_there_are(estimator):
    X, y = table(30)
    estimator.set_params(encoding="quantile")
    with pytest.raises(ValueError, match=r"'encoding' parameter .*'normal'.*Got 'quantile'"):
        estimator.fit(X, y > 1)


def test_polish_does_not_encode():
    X, y = table(40)
    layers = [np.ones((4, 1)), np.ones((1, 1))], [np.zeros(1), np.zeros(1)]
    result = polish(layers, X, y, alpha=0.1, loss="squared_error", pricing="search", tol=0.01)
    assert result.estimator.encoding_.kind is None


def test_an_encoding_is_saved():
    X, y = table()
    model = network("normal", X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    assert repr(again.encoding_) == "Encoding(kind='normal', columns=[0, 1])"


def test_an_encoded_network_passes_the_checks_of_scikit_learn():
    check_estimator(WedgeReLURegressor(0.1, encoding="normal", interaction_order=1, tol=0.1))


def test_features_are_those_of_encoded_inputs():
    X, y = table()
    features = WedgeFeatures(WedgeReLURegressor(0.01, encoding="normal")).fit(X, y)
    model = features.estimator_
    coef = np.linalg.lstsq(
        np.column_stack([features.transform(X), np.ones(len(X))]), model.predict(X), rcond=None
    )[0]
    new = table(seed=1)[0] * 2
    found = features.transform(new) @ coef[:-1] + coef[-1]
    assert_allclose(found, model.predict(new), atol=1e-7)
    assert any("normal(x0)" in name for name in features.get_feature_names_out())


# --- reading ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    X, y = table()
    return {kind: network(kind, X, y) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_effects_add_up_and_are_those_of_the_columns(fitted, kind):
    model, new = fitted[kind], table(seed=1)[0]
    found = model.explain(new)
    total = found.intercept + found.contributions.sum(axis=1)
    assert_allclose(total, model.predict(new), atol=1e-9)
    assert set(found.names) <= {"x0", "x1", "x2", "x0 × x1", "x0 × x2", "x1 × x2"}
    assert_allclose(model.feature_importances_.sum(), 1.0)
    assert model.feature_importances_[3] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_displayed_effects_are_differences_of_predictions(kind):
    X, y = table()
    model = network(kind, X, y, interaction_order=1)
    (grid,) = EffectDisplay.from_estimator(model, effects=[0]).effects
    rows = np.repeat(X[:1], len(grid.ticks[0]), axis=0)
    rows[:, 0] = grid.ticks[0]
    assert_allclose(np.diff(grid.values), np.diff(model.predict(rows)), atol=1e-9)
    low, high = model.clip_bounds_[:, 0]
    assert_allclose(grid.ticks[0][[0, -1]], [low, high], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_marginals_are_in_original_units(fitted, kind):
    X, _ = table()
    clipped = np.clip(X, *fitted[kind].clip_bounds_)
    for column, marginal in zip(clipped.T, fitted[kind].marginals_, strict=True):
        assert_allclose(marginal.mean, column.mean(), rtol=1e-7)
        assert_allclose(
            marginal.values[[0, -1]], [column.min(), column.max()], rtol=1e-7, atol=1e-9
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_formula_says_how_inputs_are_encoded(fitted, kind):
    model = fitted[kind]
    summary = model.summary(["age", "mass", "new", "same"])
    assert f"{kind}(age)" in summary and f"{kind}(new)" not in summary
    (line,) = [line for line in summary.splitlines() if line.startswith("Encoding: 2 of 4 inputs")]
    assert ("quantiles" in line) == (kind != "robust")
    frame, X = model.neurons_frame(["age", "mass", "new", "same"]), table()[0]
    Z = encoded_by_hand(model, X)
    columns = dict(zip([f"{kind}(age)", f"{kind}(mass)", "new", "same"], Z.T, strict=True))
    output = np.full(len(X), model.intercepts_[-1][0])
    for inputs, weights, bias, coefficient in frame[
        ["inputs", "weights", "bias", "coefficient"]
    ].itertuples(index=False):
        total = sum(w * columns[name] for name, w in zip(inputs, weights, strict=True)) + bias
        output += coefficient * np.maximum(total, 0)
    assert_allclose(output, model.predict(X), atol=1e-7)


def test_lines_of_neurons_are_where_predictions_bend():
    X, y = table()
    X = X[:, :2]
    model = network("normal", X, y)
    display = NeuronDisplay.from_estimator(model, X, y)
    assert len(display.lines) > model.n_neurons_  # straight pieces
    ends = np.concatenate(display.lines)
    active = encoded_by_hand(model, ends) @ model.coefs_[0] + model.intercepts_[0]
    assert_allclose(np.abs(active).min(axis=1), 0.0, atol=1e-9)
    middles = display.lines.mean(axis=1)
    active = encoded_by_hand(model, middles) @ model.coefs_[0] + model.intercepts_[0]
    assert_allclose(np.abs(active).min(axis=1), 0.0, atol=1e-9)
    SupportDisplay.from_estimator(model, X)


def test_a_curve_of_one_input_is_drawn_where_it_bends():
    X, y = table()
    X = X[:, :1]
    model = network("normal", X, y)
    display = NeuronDisplay.from_estimator(model, X, y)
    drawn = np.interp(X[:, 0], display.ticks[0], display.response[:, 0])
    assert_allclose(drawn, model.predict(X), atol=1e-9)


def test_a_network_on_other_rows_is_not_drawn(fitted):
    with pytest.raises(ValueError, match="do not pass through the rows"):
        SupportDisplay.from_estimator(fitted["normal"], table()[0] + 0.5)


# --- exports ------------------------------------------------------------------------------------


def far_rows(n=300):
    rng = np.random.default_rng(3)
    X = table(n, seed=4)[0]
    X[: n // 3, :2] = rng.choice([-1e30, -5.0, 0.0, 1e5, 1e30], size=(n // 3, 2))
    return X.astype(np.float32).astype(float)


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_network_predicts_the_same_far_outside(fitted, kind):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, X = fitted[kind], far_rows()
    wanted = model.predict(X)
    assert_allclose(model.to_mlp().predict(X), wanted, atol=1e-10)
    for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-5)):
        session = onnxruntime.InferenceSession(
            model.to_onnx(dtype).SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (found,) = session.run(None, {"X": X.astype(dtype)})
        assert_allclose(found[:, 0], wanted, atol=tolerance * np.abs(wanted).max())


def test_a_deep_export_does_not_repeat_pieces_in_every_layer():
    X, y = table(200)
    model = network("uniform", X, y, n_blocks=2, alpha=3e-3, tol=1e-2)
    assert model.n_blocks_ == 2
    mlp = model.to_mlp()
    assert_allclose(mlp.predict(far_rows()), model.predict(far_rows()), atol=1e-10)
    assert mlp.hidden_layer_sizes[2] <= len(model.intercepts_[0]) + X.shape[1]
