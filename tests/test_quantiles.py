"""Several quantiles of one target: shared neurons, one certificate, columns that never cross."""

import json
import pickle

import numpy as np
import optima
import pandas as pd
import pytest
from dask import array
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import regressor_cv
from sklearn.base import clone
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, mean_poisson_deviance

from sklearn_wedge import WedgeReLURegressor, alpha_max, wedge_relu_path
from sklearn_wedge._core import warm_path
from sklearn_wedge._estimators.scoring import regression_scoring
from sklearn_wedge.inspection import EffectDisplay, NeuronDisplay

LEVELS = (0.1, 0.5, 0.8)
# So close that they cross, on few rows.
CLOSE = (0.45, 0.5, 0.55)


def quantiles(alpha=0.03, levels=LEVELS, **parameters):
    return WedgeReLURegressor(alpha, loss="quantile", quantile=levels, **parameters)


def data(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2))
    return X, X[:, 0] + (0.2 + np.abs(X[:, 1])) * rng.standard_normal(n)


X, Y = data()


@pytest.fixture(scope="module")
def crossing():
    """A network whose outputs cross on some rows."""
    return quantiles(0.005, CLOSE, clip_quantile=None, tol=1e-3).fit(X, Y)


def outputs(model, rows):
    """Of the network, before they are sorted."""
    hidden = np.maximum(rows @ model.coefs_[0] + model.intercepts_[0], 0.0)
    return hidden @ model.coefs_[1] + model.intercepts_[1]


def separate(above, below):
    """Pinball losses of several levels, written down a second time."""
    of_each = [optima.pinball(a, b) for a, b in zip(above, below, strict=True)]

    def parts(f, y):
        return ((f[:, [k]], y[:, [k]], loss) for k, loss in enumerate(of_each))

    return optima.Loss(
        lambda f, y: sum(loss.expression(g, t) for g, t, loss in parts(f, y)),
        lambda r, y: (r * y).sum(axis=1),
        lambda r, y: np.clip(r, -np.array(below), np.array(above)),
    )


@pytest.mark.newest
@pytest.mark.parametrize("solver", ["auto", "active_set"])
def test_the_joint_fit_is_the_global_optimum_and_no_bound_exceeds_it(solver):
    rows, y = data(14, 3)
    target = np.repeat(y[:, None], 3, axis=1)
    loss = separate(LEVELS, [1 - level for level in LEVELS])
    raw = {"standardize": False, "clip_quantile": None, "pricing": "exact", "solver": solver}
    for alpha, weight in ((0.1, np.ones(14)), (0.02, np.arange(1.0, 15.0))):
        model = quantiles(alpha, tol=1e-7, max_iter=300, **raw).fit(rows, y, weight)
        task = optima.Task(rows, target, weight / weight.sum(), loss, alpha, 2)
        best = optima.bounds_on_optimum(task)
        size = task.constant.objective
        assert model.certificate_.exact
        assert model.n_neurons_ > 0
        assert best.upper - best.lower <= 1e-7 * size
        assert best.lower - 1e-12 <= model.certificate_.objective <= best.upper + 2e-7 * size
        assert max(r.lower_bound for r in model.history_) <= best.upper + 1e-12


def test_quantiles_never_cross_although_outputs_do(crossing):
    far = np.random.default_rng(1).uniform(-3, 3, size=(10_000, 2))
    assert np.any(np.diff(outputs(crossing, far), axis=1) < 0)
    predicted = crossing.predict(far)
    assert predicted.shape == (10_000, 3)
    assert np.all(np.diff(predicted, axis=1) >= 0)
    assert_allclose(predicted, np.sort(outputs(crossing, far), axis=1), atol=1e-12)


def test_how_often_sorting_is_needed_is_told(crossing):
    crosses = np.any(np.diff(outputs(crossing, X), axis=1) < -1e-9, axis=1)
    assert 0 < crossing.crossing_ == pytest.approx(crosses.mean(), abs=1e-12)
    assert "Quantiles: sorted; before, they cross on" in crossing.summary()
    assert not hasattr(clone(crossing).set_params(quantile=0.5).fit(X, Y), "crossing_")


def test_sorting_lowers_the_loss(crossing):
    def total(columns):
        each = zip(CLOSE, columns.T, strict=True)
        return sum(mean_pinball_loss(Y, column, alpha=level) for level, column in each)

    assert total(crossing.predict(X)) < total(outputs(crossing, X))


def test_quantiles_cover_their_shares_and_share_their_neurons():
    rows, y = data(300)
    model = quantiles(0.02, tol=1e-3).fit(rows, y)
    assert model.coefs_[-1].shape == (model.n_neurons_, 3)
    assert np.isscalar(model.y_mean_)
    assert_allclose((y[:, None] <= model.predict(rows)).mean(axis=0), LEVELS, atol=0.02)


def test_a_joint_fit_starts_from_the_neurons_of_the_quantile_next_to_the_median(monkeypatch):
    of_start = []

    def left_at(problem, alpha, kept):
        of_start.append(kept)
        return original(problem, alpha, kept)

    original = warm_path._left_at
    monkeypatch.setattr(warm_path, "_left_at", left_at)
    quantiles(0.01, LEVELS).fit(X, Y)
    (kept,) = of_start
    assert len(kept.neurons) > 0
    assert_array_equal(kept.coef, np.tile(kept.coef[:, [0]], 3))
    of_start.clear()
    quantiles(0.01, 0.5).fit(X, Y)
    assert of_start == []


def test_a_joint_fit_needs_no_neuron_of_the_median():
    X = np.linspace(-1, 1, 121)[:, None]
    Y = (1.0 + 4.0 * np.abs(X[:, 0])) * np.tile([-1.0, 0.0, 1.0], 41)[:121]
    assert quantiles(0.002, 0.5).fit(X, Y).n_neurons_ == 0
    joint = quantiles(0.002).fit(X, Y)
    assert joint.n_neurons_ > 0
    assert joint.certificate_.gap <= joint.certificate_.tolerance


def test_one_level_in_a_tuple_is_a_column_of_that_quantile():
    column = quantiles(levels=(0.3,)).fit(X, Y).predict(X)
    assert_array_equal(column, quantiles(levels=0.3).fit(X, Y).predict(X)[:, None])
    assert_array_equal(column, quantiles(levels=np.array([0.3])).fit(X, Y).predict(X))


def test_the_score_is_the_mean_share_of_the_pinball_loss():
    model, weight = quantiles().fit(X, Y), np.linspace(0.1, 2.0, len(Y))
    columns = zip(LEVELS, model.predict(X).T, strict=True)
    each = [d2_pinball_score(Y, f, sample_weight=weight, alpha=level) for level, f in columns]
    assert model.score(X, Y, weight) == pytest.approx(np.mean(each), rel=1e-12)


def test_scores_of_cross_validation_are_losses_of_all_columns():
    model, weight = quantiles().fit(X, Y), np.linspace(0.1, 2.0, len(Y))
    columns = zip(LEVELS, model.predict(X).T, strict=True)
    each = [mean_pinball_loss(Y, f, sample_weight=weight, alpha=level) for level, f in columns]
    scorer = regression_scoring("quantile", LEVELS, 1.35)
    assert scorer(model, X, Y, sample_weight=weight) == pytest.approx(-np.mean(each), rel=1e-12)
    counts = np.column_stack([np.round(np.abs(Y) * 3), np.round(np.exp(X[:, 0]))])
    model = WedgeReLURegressor(0.05, loss="poisson").fit(X, counts)
    columns = zip(counts.T, model.predict(X).T, strict=True)
    each = [mean_poisson_deviance(y, f, sample_weight=weight) for y, f in columns]
    scorer = regression_scoring("poisson", 0.5, 1.35)
    assert scorer(model, X, counts, sample_weight=weight) == pytest.approx(-np.mean(each))


def test_penalties_are_chosen_for_all_quantiles_together():
    parameters = {"loss": "quantile", "quantile": (0.2, 0.8), "tol": 1e-2}
    chosen = WedgeReLURegressor(interaction_order=1, **parameters).fit(X, Y)
    assert chosen.alphas_.min() <= chosen.alpha_ <= chosen.alphas_.max()
    model = regressor_cv([0.2, 0.1, 0.05], cv=2, **{**parameters, "interaction_order": 1}).fit(X, Y)
    assert model.alpha_ in (0.2, 0.1, 0.05)
    assert model.predict(X).shape == (len(X), 2)
    assert 0 < model.score(X, Y) < 1


def test_the_path_has_an_output_for_each_quantile():
    path = wedge_relu_path(X, Y, [0.03], loss="quantile", quantile=LEVELS)
    model = quantiles().fit(X, Y)
    assert_allclose(np.sort(path.networks[0].predict(X), axis=1), model.predict(X), rtol=1e-12)
    largest = alpha_max(X, Y, loss="quantile", quantile=LEVELS)
    with pytest.warns(UserWarning, match="The network is constant"):
        assert quantiles(1.01 * largest).fit(X, Y).n_neurons_ == 0
    assert quantiles(0.9 * largest).fit(X, Y).n_neurons_ > 0


def test_dask_arrays_are_fitted_to_their_tolerance():
    rows, y = data(120)
    local = quantiles(0.1, tol=1e-2).fit(rows, y).certificate_
    chunks = array.from_array(rows, chunks=(50, 2)), array.from_array(y, chunks=60)
    model = quantiles(0.1, tol=1e-2).fit(*chunks)
    assert not model.certificate_.exact
    assert local.lower_bound <= model.certificate_.objective <= local.objective + local.tolerance
    predicted = model.predict(chunks[0])
    assert predicted.shape == (120, 3)
    assert_allclose(predicted.compute(), model.predict(rows), rtol=1e-12)


def test_target_means_are_of_the_target_not_of_each_quantile():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"town": rng.integers(30, size=200), "size": rng.random(200)})
    y = table["town"] / 30 + table["size"] + 0.1 * rng.standard_normal(200)
    table["town"] = table["town"].astype("category")
    several = quantiles(0.1, (0.2, 0.8), interaction_order=1, tol=1e-2).fit(table, y)
    single = quantiles(0.1, 0.2, interaction_order=1, tol=1e-2).fit(table, y)
    assert several.table_.input_names() == single.table_.input_names()


def test_outputs_are_called_by_their_levels(crossing):
    named = clone(crossing).set_params(alpha=0.05).fit(X, pd.Series(Y, name="price"))
    names = [f"quantile {level:g}" for level in CLOSE]
    assert "3 outputs (quantile 0.45, quantile 0.5, quantile 0.55)" in named.summary()
    assert [f"coefficient_{name}" for name in names] == list(named.neurons_frame().columns[3:6])
    assert named.explain(X[:2]).outputs == tuple(names)
    display = EffectDisplay.from_estimator(named, output="quantile 0.55")
    assert display.output_label == "quantile 0.55 of price"
    with pytest.raises(ValueError, match=r"each of 3 quantiles: choose one .* quantile 0.45"):
        EffectDisplay.from_estimator(named)
    drawn = NeuronDisplay.from_estimator(named, X, Y, output=2)
    assert drawn.output_label == "quantile 0.55 of price"
    assert_array_equal(drawn.y, Y)


def test_exports_sort(crossing):
    onnxruntime = pytest.importorskip("onnxruntime")
    rows = np.random.default_rng(2).uniform(-2, 2, size=(500, 2))
    expected = crossing.predict(rows)
    for opset in (9, None):
        graph = crossing.to_onnx("float64", opset).SerializeToString()
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        assert_allclose(session.run(None, {"X": rows})[0], expected, atol=1e-12)
    record = json.loads(json.dumps(crossing.to_dict()))
    assert record["link"] == "sorted"
    assert len(record["outputs"]) == 3
    with pytest.raises(ValueError, match="do not sort: use to_onnx"):
        crossing.to_mlp()
    assert_array_equal(pickle.loads(pickle.dumps(crossing)).predict(rows), expected)


def test_a_torch_module_sorts(crossing):
    torch = pytest.importorskip("torch")
    module = crossing.to_torch()
    assert_allclose(module(torch.tensor(X)).detach().numpy(), crossing.predict(X), atol=1e-12)


@pytest.mark.parametrize(
    "levels", [(), (0.5, 0.1), (0.1, 0.1), (0.0, 0.5), (0.5, 1.0), (0.1, None), ["low"], [[0.1]]]
)
def test_levels_that_are_none_are_refused(levels):
    with pytest.raises(ValueError, match=r"several of them in ascending order.*got"):
        quantiles(levels=levels).fit(X, Y)


def test_what_does_not_combine_with_several_quantiles_says_so():
    with pytest.raises(ValueError, match="3 quantiles and several targets"):
        quantiles().fit(X, np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match="monotonic_cst and 3 outputs"):
        quantiles(monotonic_cst=[1, 0]).fit(X, Y)
    assert not quantiles().__sklearn_tags__().target_tags.multi_output
    assert quantiles(levels=0.5).__sklearn_tags__().target_tags.multi_output
