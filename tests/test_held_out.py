"""Networks for quantiles, chosen by folds, are shifted by what the rows held out say."""

import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import regressor_cv
from sklearn.base import clone
from sklearn.metrics import mean_pinball_loss

from sklearn_wedge import WedgeReLURegressor, WedgeReLURegressorCV
from sklearn_wedge._core.losses import Pinball
from sklearn_wedge._estimators.held_out import effective_rows, shrunken_shift

pytestmark = pytest.mark.newest

# At a penalty so small that networks follow the rows that they are fitted to.
ALPHA, LEVEL = 1e-3, 0.2
ONE_FOLD = [(np.arange(180), np.arange(180, 240))]


def data(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 3))
    return X, 5 * X[:, 0] + (0.5 + np.abs(X[:, 1])) * rng.standard_normal(n)


X, Y = data(240)


def chosen(quantile=LEVEL, cv=ONE_FOLD, **parameters):
    """Of one penalty: nothing is chosen, but folds are held out."""
    return regressor_cv([ALPHA], loss="quantile", quantile=quantile, cv=cv, **parameters)


@pytest.fixture(scope="module")
def shifted():
    return chosen().fit(X, Y)


@pytest.fixture(scope="module")
def alone():
    return WedgeReLURegressor(ALPHA, loss="quantile", quantile=LEVEL).fit(X, Y)


def on_chance(below, level, n_rows):
    """What chance does not explain of a deviation from a level."""
    return max(0.0, 1 - level * (1 - level) / n_rows / (below - level) ** 2)


def test_the_shift_is_the_quantile_of_what_held_out_rows_are_above_the_network_of_the_fold():
    (train, test), tol = ONE_FOLD[0], 1e-6
    fold = WedgeReLURegressor(ALPHA, loss="quantile", quantile=LEVEL, pricing="search", tol=tol)
    above = Y[test] - fold.fit(X[train], Y[train]).predict(X[test])
    assert np.mean(above < 0) > LEVEL + 0.1
    expected = np.quantile(above, LEVEL, method="inverted_cdf")
    model = chosen(tol=tol / 10).fit(X, Y)
    kept = on_chance(np.mean(above < 0), LEVEL, len(test))
    assert 0.6 < kept < 0.95
    assert_allclose(model.held_out_shift_, kept * expected, rtol=1e-2)


def test_the_network_is_that_of_the_penalty_but_for_the_shift(shifted, alone):
    assert shifted.held_out_shift_ < 0
    assert_allclose(shifted.predict(X), alone.predict(X) + shifted.held_out_shift_, rtol=1e-12)
    assert shifted.certificate_ == alone.certificate_
    for name in ("coefs_", "intercepts_"):
        for ours, theirs in zip(getattr(shifted, name)[:-1], getattr(alone, name), strict=False):
            assert_array_equal(ours, theirs)


def test_the_certificate_is_about_the_network_before(shifted):
    before = shifted.predict(X) - shifted.held_out_shift_
    loss = mean_pinball_loss(Y, before, alpha=LEVEL) / shifted.y_scale_
    objective = loss + ALPHA * np.abs(shifted.neurons_.coef).sum()
    assert shifted.certificate_.objective == pytest.approx(objective, rel=1e-9)


def test_new_rows_are_covered_better_at_a_lower_loss(alone):
    (rows, y), models = data(20_000, 1), (chosen(cv=5).fit(X, Y), alone)
    off = [abs(np.mean(y <= model.predict(rows)) - LEVEL) for model in models]
    losses = [mean_pinball_loss(y, model.predict(rows), alpha=LEVEL) for model in models]
    assert off[0] < 0.5 * off[1]
    assert losses[0] < losses[1]


@pytest.mark.parametrize("several", [False, True])
def test_of_held_out_rows_the_level_is_below_once_they_know_it(several):
    level = (0.1, 0.5, 0.9) if several else 0.3
    loss = Pinball(level, tuple(1 - np.array(level)) if several else 1 - level)
    rng = np.random.default_rng(0)
    target = np.repeat(rng.normal(size=(501, 1)), 3 if several else 1, axis=1)
    prediction, weight = target - rng.normal(0.4, 1.0, size=target.shape), rng.random(501)
    weight /= weight.sum()
    shift = shrunken_shift(loss, prediction, target, weight, np.inf)
    after = loss.value(prediction + shift, target, weight)
    for column, each, share in zip(
        (target - prediction).T, shift, np.atleast_1d(level), strict=True
    ):
        assert weight @ (column < each) < share <= weight @ (column <= each) + 1e-12
    for nudge in (-0.02, 0.02):
        assert after < loss.value(prediction + shift + nudge, target, weight)


def test_nothing_is_added_that_chance_explains():
    loss, rng = Pinball(0.1, 0.9), np.random.default_rng(0)
    weight, zero, off, full = np.full(100, 0.01), np.zeros((100, 1)), [], []
    for _ in range(400):  # of networks that are right
        target = rng.uniform(-0.1, 0.9, size=(100, 1))
        shifts = [shrunken_shift(loss, zero, target, weight, n) for n in (100, np.inf)]
        off.append(abs(shifts[0][0]))
        full.append(abs(shifts[1][0]))
    assert np.median(off) == 0.0
    assert np.mean(off) < 0.5 * np.mean(full)
    target = np.linspace(-0.1, 0.9, 100)[:, None]
    too_low = zero - 0.2  # none of the rows is below
    assert shrunken_shift(loss, too_low, target, weight, 51) > 0
    assert shrunken_shift(loss, too_low, target, weight, 49) == 0.0  # not five are to be expected
    assert shrunken_shift(loss, zero, target, weight, np.inf) == 0.0  # a tenth is below


def test_copies_of_a_row_are_one_row():
    group = np.array([0, 0, 1, 2, 3])
    assert effective_rows(np.array([0.5, 0.5, 1.0, 1.0, 1.0]), group) == pytest.approx(4.0)
    assert effective_rows(np.ones(12), np.repeat(np.arange(4), 3)) == pytest.approx(4.0)
    assert effective_rows(np.array([1.0, 0.1, 0.1]), np.arange(3)) < 1.5


def test_copies_of_rows_shift_no_more_than_the_rows_on_given_folds():
    (train, test), times = ONE_FOLD[0], 10
    copies = np.arange(len(X) * times).reshape(times, -1)
    once = chosen(cv=ONE_FOLD).fit(X, Y)
    folds = [(copies[:, train].ravel(), copies[:, test].ravel())]
    often = chosen(cv=folds).fit(np.tile(X, (times, 1)), np.tile(Y, times))
    assert often.held_out_shift_ == pytest.approx(once.held_out_shift_, rel=1e-6)


def test_a_weight_counts_as_copies_in_a_race():
    rows, y = data(120, 2)
    weight = np.random.default_rng(0).integers(1, 4, size=120)
    given = {"interaction_order": 2, "norm": "l1", "n_blocks": 1, "encoding": None}
    model = WedgeReLURegressorCV([ALPHA], loss="quantile", quantile=0.1, **given)
    weighted = clone(model).fit(rows, y, weight)
    copied = clone(model).fit(np.repeat(rows, weight, axis=0), np.repeat(y, weight))
    assert weighted.held_out_shift_ == copied.held_out_shift_ != 0
    assert_array_equal(weighted.predict(rows), copied.predict(rows))


def test_what_folds_of_a_race_say_counts_by_the_share_of_rows_that_they_fit(monkeypatch):
    monkeypatch.setattr("sklearn_wedge._estimators.race_rows.MOST_ROWS", 60)
    unscaled = "sklearn_wedge._estimators.regressor_cv.held_out_shift"
    monkeypatch.setattr(unscaled, lambda *_: np.ones(1))
    given = {"interaction_order": 1, "norm": "l1", "n_blocks": 1, "encoding": None}
    model = WedgeReLURegressorCV([0.1], loss="quantile", tol=1e-2, **given).fit(X, Y)
    fitted = model.cv_results_["n_resources"][-1]
    assert fitted < 60
    assert model.held_out_shift_ == pytest.approx(fitted / 240)


def test_a_weight_of_zero_is_no_row_held_out(shifted):
    rows, y = np.vstack([X, X[:40]]), np.append(Y, np.full(40, 1e3))
    weight = np.append(np.ones(240), np.zeros(40))
    cv = [(ONE_FOLD[0][0], np.arange(180, 280))]
    model = chosen(cv=cv).fit(rows, y, weight)
    assert_allclose(model.held_out_shift_, shifted.held_out_shift_, rtol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson"])
def test_other_losses_are_not_shifted(loss):
    model = regressor_cv([ALPHA], loss=loss, cv=ONE_FOLD, tol=1e-3).fit(X, np.exp(Y / 5))
    one = WedgeReLURegressor(ALPHA, loss=loss, tol=1e-3).fit(X, np.exp(Y / 5))
    assert model.held_out_shift_ == 0.0
    assert_array_equal(model.predict(X), one.predict(X))
    assert "Shifted" not in model.summary()


def test_the_absolute_error_is_the_quantile_of_a_half():
    parameters = {"cv": [ONE_FOLD[0][::-1]], "tol": 1e-3}
    y = Y + np.where(np.arange(240) < 120, 1.0, 0.0)  # half of the rows are higher
    median = regressor_cv([ALPHA], loss="absolute_error", **parameters).fit(X, y)
    half = regressor_cv([ALPHA / 2], loss="quantile", quantile=0.5, **parameters).fit(X, y)
    assert median.held_out_shift_ != 0
    # Two fits of the same problem, each to its tolerance.
    assert_allclose(median.held_out_shift_, half.held_out_shift_, rtol=0.1)


def test_rows_too_few_to_hold_any_out_shift_nothing():
    assert WedgeReLURegressorCV(loss="quantile").fit(X[:6], Y[:6]).held_out_shift_ == 0.0


def test_each_of_several_quantiles_and_targets_is_shifted():
    model = chosen((0.1, 0.5, 0.9)).fit(X, Y)
    low, _, high = model.held_out_shift_
    assert low < 0 < high
    plain = WedgeReLURegressor(ALPHA, loss="quantile", quantile=(0.1, 0.5, 0.9)).fit(X, Y)
    assert_allclose(model.intercepts_[-1], plain.intercepts_[-1] + model.held_out_shift_)
    hidden = np.maximum(np.clip(X, *model.clip_bounds_) @ model.coefs_[0] + model.intercepts_[0], 0)
    outputs = hidden @ model.coefs_[1] + model.intercepts_[1]
    assert_allclose(model.predict(X), np.sort(outputs, axis=1), atol=1e-10)
    assert model.crossing_ == np.mean(np.any(np.diff(outputs, axis=1) < -1e-9, axis=1))
    both = chosen(tol=1e-2).fit(X, np.column_stack([Y, -Y]))
    assert both.held_out_shift_.shape == (2,)
    squares = regressor_cv([0.1], cv=2, tol=1e-2).fit(X, np.column_stack([Y, -Y]))
    assert_array_equal(squares.held_out_shift_, [0.0, 0.0])


def test_all_that_is_read_of_it_agrees_with_its_predictions(shifted):
    predicted = shifted.predict(X)
    found = shifted.explain(X)
    assert_allclose(found.intercept + found.contributions.sum(axis=1), predicted, atol=1e-10)
    assert_array_equal(pickle.loads(pickle.dumps(shifted)).predict(X), predicted)
    record = json.loads(json.dumps(shifted.to_dict()))
    (output,) = record["outputs"]
    assert output["bias"] == shifted.intercepts_[-1][0]
    assert_allclose(shifted.to_mlp().predict(X), predicted, atol=1e-10)
    assert f"Shifted: by {shifted.held_out_shift_:+.3g}" in shifted.summary()


def test_an_onnx_graph_is_shifted(shifted):
    onnxruntime = pytest.importorskip("onnxruntime")
    graph = shifted.to_onnx("float64").SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    predicted = np.ravel(session.run(None, {"X": X})[0])
    assert_allclose(predicted, shifted.predict(X), atol=1e-10)


def test_a_torch_module_is_shifted(shifted):
    torch = pytest.importorskip("torch")
    predicted = shifted.to_torch()(torch.tensor(X)).detach().numpy()
    assert_allclose(np.ravel(predicted), shifted.predict(X), atol=1e-10)
