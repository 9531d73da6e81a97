"""The classifier: optimal for the log loss, and a classifier as scikit-learn users expect one."""

import re
import warnings
from functools import lru_cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from optima import Task, bounds_on_optimum, logistic
from oracles import every_neuron, grid, random_neurons, unit_l2
from plain_cv import classifier_cv
from scipy.special import logit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss
from test_solvers import log_loss_optimum, time_limit

from sklearn_wedge import WedgeReLUClassifier
from sklearn_wedge._core.column_generation import largest_value_of_constant
from sklearn_wedge._core.losses import LogLoss
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem

# "Changes nothing": relative to the largest log odds.
NOTHING = 1e-7


# --- optimality ----------------------------------------------------------------------------------


def exact_fit(X, y, alpha, order, weight=None, **parameters):
    """In the units of the data, to all digits."""
    parameters = {"pricing": "exact", "tol": 1e-10, "max_iter": 500, **parameters}
    model = WedgeReLUClassifier(
        alpha, interaction_order=order, standardize=False, clip_quantile=None, **parameters
    )
    with time_limit(30):
        return model.fit(X, y, weight)


def best(X, y, alpha, order, weight=None):
    neurons = every_neuron(np.unique(X, axis=0), order)
    weight = np.ones(len(X)) if weight is None else weight
    return log_loss_optimum(neurons.activations(X), y, weight, alpha)


def largest(X, y, order, weight=None, norm="l1"):
    options = FitOptions(order, norm, standardize=False, clip_quantile=None, pricing="exact")
    weight = np.ones(len(X)) if weight is None else weight
    return largest_value_of_constant(
        build_problem(X, y[:, None] * 1.0, weight, options, LogLoss())[0]
    )


def generic(n, d, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = np.sin(2 * X[:, 0]) + np.abs(X[:, -1]) + 0.5 * rng.standard_normal(n)
    return X, (y > np.median(y)).astype(int)


def on_grid(*sides, seed=0):
    """Points of a grid, some of them twice, labelled at random."""
    rng = np.random.default_rng(seed)
    X = grid(*sides).astype(float)
    X = np.vstack([X, X[rng.integers(len(X), size=4)]])
    return X, rng.integers(0, 2, size=len(X))


DATA = {
    "generic 1 input": generic(18, 1),
    "generic 2 inputs": generic(14, 2),
    "generic 3 inputs": generic(9, 3),
    "tied 1 input": on_grid(9),
    "tied 2 inputs": on_grid(4, 3),
    "tied 3 inputs": on_grid(3, 2, 2),
}
CASES = [(name, order) for name, (X, _) in DATA.items() for order in range(1, X.shape[1] + 1)]
on_all_data = pytest.mark.parametrize(("data", "order"), CASES)


@pytest.mark.parametrize("fraction", [0.5, 0.1, 1e-2, 1e-3])
@on_all_data
def test_the_fit_is_the_global_optimum(data, order, fraction):
    X, y = DATA[data]
    alpha = fraction * largest(X, y, order)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        certificate = exact_fit(X, y, alpha, order).certificate_
    oracle = best(X, y, alpha, order)
    assert oracle.relative_gap <= 1e-6
    assert certificate.exact
    assert_allclose(certificate.objective, oracle.upper, rtol=1e-6)
    assert certificate.objective >= oracle.lower * (1 - 1e-10)
    assert certificate.lower_bound <= oracle.upper * (1 + 1e-10)


@pytest.mark.parametrize(("data", "order"), [case for case in CASES if case[1] <= 2])
def test_under_l2_the_fit_is_the_global_optimum(data, order):
    X, y = DATA[data]
    for fraction in (0.3, 0.03):
        alpha = fraction * largest(X, y, order, norm="l2")
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            certificate = exact_fit(X, y, alpha, order, norm="l2", tol=1e-8).certificate_
        weight = np.full(len(y), 1 / len(y))
        task = Task(X, y[:, None] * 1.0, weight, logistic(), alpha, order, "l2")
        bounds = bounds_on_optimum(task)
        assert bounds.upper - bounds.lower <= 1e-7
        assert certificate.exact
        assert bounds.lower - 1e-12 <= certificate.objective <= bounds.upper + 1e-8
        assert certificate.lower_bound <= bounds.upper + 1e-12


@pytest.mark.parametrize("norm", ["l1", "l2"])
@on_all_data
def test_random_neurons_meet_the_dual_constraint(data, order, norm):
    if norm == "l2" and order > 2:
        pytest.skip("not priced exactly")
    X, y = DATA[data]
    alpha = 0.03 * largest(X, y, order, norm=norm)
    model = exact_fit(X, y, alpha, order, norm=norm, tol=1e-10 if norm == "l1" else 1e-8)
    dual = (y - model.predict_proba(X)[:, 1]) / len(y)
    assert_allclose(dual.sum(), 0.0, atol=1e-12)
    neurons = random_neurons(np.random.default_rng(0), X, order, 20_000)
    neurons = unit_l2(neurons) if norm == "l2" else neurons
    assert neurons.values(X, dual[:, None]).max() <= alpha * (1 + 1e-6)


def tiny_problem(seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(3, 11)), int(rng.integers(1, 4))
    X = rng.integers(0, 3, size=(n, d)) * 1.0 if seed % 2 else rng.standard_normal((n, d))
    y = rng.integers(0, 2, size=n)
    y[:2], X[0, 0] = [0, 1], 3.0
    weight = rng.uniform(0.1, 3.0, size=n) if seed % 4 >= 2 else np.ones(n)
    order = int(rng.integers(1, d + 1))
    return X, y, weight, order, 10 ** rng.uniform(-3, -0.1) * largest(X, y, order, weight)


@pytest.mark.newest
@pytest.mark.parametrize("batch", range(3))
def test_bounds_are_below_the_optimum_and_objectives_above(batch):
    for seed in range(10 * batch, 10 * batch + 10):
        X, y, weight, order, alpha = tiny_problem(seed)
        oracle = best(X, y, alpha, order, weight)
        for stop in ({"max_iter": 1 + seed % 3}, {"tol": 1e-2}, {}):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if stop else "error", ConvergenceWarning)
                certificate = exact_fit(X, y, alpha, order, weight, **stop).certificate_
            assert certificate.lower_bound <= oracle.upper * (1 + 1e-10), (seed, stop)
            assert certificate.objective >= oracle.lower * (1 - 1e-10), (seed, stop)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(
    "labels", ["01111000101", "01101101110", "011010100101", "010011010001", "0110111100"]
)
def test_equidistant_points_are_fitted_at_a_small_alpha(labels, standardize):
    X, y = np.arange(len(labels))[:, None], np.array(list(labels))
    for alpha in (1e-4, 1e-5):
        with time_limit(5):
            model = WedgeReLUClassifier(alpha, standardize=standardize).fit(X, y)
        assert model.certificate_.gap <= 1e-4


# --- labels and weights --------------------------------------------------------------------------


@lru_cache
def table(kind="generic", seed=0, n=60, d=4):
    """Training inputs, labels 0 and 1, integer weights, other inputs."""
    rng = np.random.default_rng(seed)
    if kind == "ties":  # heavy tailed integers, some beyond the 5 % quantiles
        X, new = (
            np.round(2 * rng.standard_t(2, size=(n, d))),
            np.round(4 * rng.normal(size=(40, d))),
        )
    else:
        X, new = rng.normal(size=(n, d)), 2 * rng.normal(size=(40, d))
    score = np.abs(X[:, 0] - X[:, 1]) + X[:, 2] + rng.normal(size=n)
    weight = rng.integers(0, 4, size=n)
    return X, (score > np.quantile(score, 0.6)).astype(int), weight, new


@lru_cache
def reference():
    X, y, _, _ = table()
    return WedgeReLUClassifier(0.01).fit(X, y)


def assert_same(actual, expected, tolerance=NOTHING):
    assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(
    "classes",
    [
        np.array(["no", "yes"]),
        np.array([False, True]),
        np.array([-1, 1]),
        np.array([3.0, 7.0]),
        np.array(["ham", "spam"], dtype=object),
    ],
    ids=str,
)
def test_labels_come_back_as_they_were(classes):
    X, y, _, new = table()
    model = WedgeReLUClassifier(0.01).fit(X, classes[y])
    assert_array_equal(model.classes_, classes)
    assert model.classes_.dtype == model.predict(new).dtype == classes.dtype
    assert_array_equal(model.decision_function(new), reference().decision_function(new))
    assert_array_equal(model.predict(new), classes[reference().predict(new)])
    assert model.score(X, classes[y]) == reference().score(X, y) > 0.7


def test_probabilities_agree_with_the_log_odds_and_the_prediction():
    new = table()[3]
    model = reference()
    log_odds, probability = model.decision_function(new), model.predict_proba(new)
    assert log_odds.shape == (40,)
    assert probability.shape == (40, 2)
    assert_allclose(probability.sum(axis=1), 1.0, rtol=1e-15)
    assert_allclose(probability[:, 1], 1 / (1 + np.exp(-log_odds)), rtol=1e-13)
    assert_array_equal(model.predict(new), probability.argmax(axis=1))
    assert_allclose(model.predict_log_proba(new), np.log(probability), rtol=1e-10)


def test_probabilities_that_underflow_have_a_finite_logarithm():
    X = np.array([[-1.0], [1.0]])
    model = WedgeReLUClassifier(1e-4, clip_quantile=None).fit(X, [0, 1])
    far = 1e5 * X
    log_probability = model.predict_log_proba(far)
    assert model.predict_proba(far).min() == 0.0
    assert np.all(np.isfinite(log_probability))
    assert log_probability.min() == -np.abs(model.decision_function(far)).max() < -1000


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_swapped_labels_turn_the_sign(norm):
    X, y, _, new = table()
    model = WedgeReLUClassifier(0.01, norm=norm).fit(X, y)
    swapped = WedgeReLUClassifier(0.01, norm=norm).fit(X, 1 - y)
    assert_same(swapped.decision_function(new), -model.decision_function(new))


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 3.0}, {1: 0.5}, "balanced"], ids=str)
def test_class_weights_are_sample_weights(class_weight):
    X, y, weight, new = table()
    if class_weight == "balanced":
        by_class = weight.sum() / 2 / np.array([weight[y == 0].sum(), weight[y == 1].sum()])
    else:
        by_class = np.array([class_weight.get(0, 1.0), class_weight[1]])
    model = WedgeReLUClassifier(0.01, class_weight=class_weight).fit(X, y, sample_weight=weight)
    by_hand = WedgeReLUClassifier(0.01).fit(X, y, sample_weight=weight * by_class[y])
    assert_same(model.decision_function(new), by_hand.decision_function(new))
    copies = np.repeat(np.arange(60), weight)
    copied = WedgeReLUClassifier(0.01, class_weight=class_weight).fit(X[copies], y[copies])
    assert_same(model.decision_function(new), copied.decision_function(new))


def test_class_weights_are_looked_up_by_label():
    X, y, _, new = table()
    labels = np.array(["no", "yes"])[y]
    model = WedgeReLUClassifier(0.01, class_weight={"no": 1.0, "yes": 3.0}).fit(X, labels)
    by_hand = WedgeReLUClassifier(0.01).fit(X, labels, sample_weight=1.0 + 2.0 * y)
    assert_same(model.decision_function(new), by_hand.decision_function(new))


@pytest.mark.parametrize("weighted", [False, True])
def test_above_the_largest_alpha_the_model_is_the_log_odds(weighted):
    X, y, weight, new = table()
    weight = weight if weighted else np.ones(60)
    model = WedgeReLUClassifier(alpha=10.0).fit(X, y, sample_weight=weight)
    expected = logit(np.average(y, weights=weight))
    assert model.n_neurons_ == 0
    assert [c.shape for c in model.coefs_] == [(4, 0), (0, 1)]
    # Weights are rounded to 1e-10.
    assert_allclose(model.decision_function(new), expected, rtol=1e-9)
    assert_allclose(model.predict_proba(new)[:, 1], np.average(y, weights=weight), rtol=1e-9)
    assert_array_equal(model.predict(new), int(expected > 0))
    assert model.certificate_.gap <= 1e-12
    entropy = log_loss(y, model.predict_proba(X), sample_weight=weight)
    assert_allclose(model.certificate_.objective, entropy, rtol=1e-12)


# --- what must be refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (np.zeros(60), None, "class"),
        (np.linspace(0, 1, 60), None, "(?i)continuous"),
        (np.eye(2, dtype=int)[np.arange(60) % 2], None, "(?i)multilabel|1d"),
        (np.full(60, "a"), None, "WedgeReLUClassifier needs .* two classes.* 'a'"),
        (np.arange(60) % 2, np.zeros(60), "zero"),
        (np.where(np.arange(60) == 3, np.nan, np.arange(60) % 2), None, "NaN"),
    ],
)
@pytest.mark.parametrize("estimator", [WedgeReLUClassifier(0.01), classifier_cv(2, cv=2)])
def test_targets_that_are_not_classes_are_refused(estimator, y, weight, message):
    with pytest.raises(ValueError, match=message.replace("Classifier ", r"Classifier\w* ")):
        clone(estimator).fit(table()[0], y, sample_weight=weight)


@pytest.mark.parametrize("class_weight", [{0: 0.0, 1: 0.0}, {0: 1.0, 1: -1.0}, {1: np.inf}])
def test_class_weights_negative_infinite_or_all_zero_are_refused(class_weight):
    X, y, _, _ = table()
    with pytest.raises(ValueError, match=r"class_weight=.*class"):
        WedgeReLUClassifier(0.01, class_weight=class_weight).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", 0.0),
        ("alpha", "small"),
        ("norm", "l3"),
        ("solver", "adam"),
        ("class_weight", "heavy"),
        ("class_weight", 2.0),
        ("interaction_order", 0),
    ],
)
def test_a_bad_parameter_is_named(name, value):
    X, y, _, _ = table()
    with pytest.raises(ValueError, match=rf"'{name}' parameter"):
        WedgeReLUClassifier(**{name: value}).fit(X, y)


def test_an_unconverged_fit_warns_with_gap_and_tolerance():
    X, y, _, _ = table()
    with pytest.warns(ConvergenceWarning) as caught:
        model = WedgeReLUClassifier(1e-4, max_iter=1, tol=1e-9).fit(X, y)
    (message,) = [str(w.message) for w in caught if w.category is ConvergenceWarning]
    gap, tolerance = re.search(r"gap of (\S+); the tolerance is (\S+) ", message).groups()
    assert_allclose(float(gap), model.certificate_.gap, rtol=1e-3)
    constant = np.full(60, y.mean())
    assert_allclose(float(tolerance), 1e-9 * log_loss(y, constant), rtol=1e-3)


def test_an_unfitted_classifier_refuses_to_predict():
    with pytest.raises(NotFittedError):
        WedgeReLUClassifier(0.01).predict(table()[0])


# --- the network ---------------------------------------------------------------------------------

FITS = [
    {},
    {"norm": "l2"},
    {"clip_quantile": None, "alpha": 1e-3},
    {"standardize": False, "interaction_order": 1},
    {"interaction_order": 3, "class_weight": "balanced"},
]


@pytest.fixture(scope="module", params=FITS, ids=str)
def case(request):
    X, y, weight, new = table()
    model = WedgeReLUClassifier(**{"alpha": 0.01, **request.param}).fit(X, y, sample_weight=weight)
    assert model.n_neurons_ > 2
    return model, X, y, weight, new


def test_a_forward_pass_by_hand_gives_the_log_odds(case):
    model, X, _, _, new = case
    for rows in (X, new):
        clipped = np.clip(rows, *model.clip_bounds_)
        hidden = np.maximum(clipped @ model.coefs_[0] + model.intercepts_[0], 0.0)
        by_hand = (hidden @ model.coefs_[1] + model.intercepts_[1])[:, 0]
        assert_same(model.decision_function(rows), by_hand, 1e-10)


def test_the_layers_are_in_balance_and_worth_the_objective(case):
    model, X, y, weight, _ = case
    hidden, output = model.coefs_[0] * model.x_scale_[:, None], model.coefs_[1][:, 0]
    size = np.linalg.norm(hidden, ord=1 if model.norm == "l1" else 2, axis=0)
    assert_allclose(size, np.abs(output), rtol=1e-9)
    if model.class_weight == "balanced":
        weight = weight / np.where(y == 1, weight[y == 1].sum(), weight[y == 0].sum())
    loss = log_loss(y, model.predict_proba(X), sample_weight=weight)
    penalty = model.alpha / 2 * (size**2 + output**2).sum()
    assert_allclose(loss + penalty, model.certificate_.objective, rtol=1e-8)


# --- what must not matter ------------------------------------------------------------------------

INVARIANT = [(kind, norm) for kind in ("generic", "ties") for norm in ("l1", "l2")]
each_invariance = pytest.mark.parametrize(("kind", "norm"), INVARIANT)


def log_odds(norm, kind, X, y, weight=None, new=None):
    clip = 0.05 if kind == "ties" else 0.005
    model = WedgeReLUClassifier(0.01, norm=norm, clip_quantile=clip).fit(X, y, sample_weight=weight)
    assert model.n_neurons_ > 2
    return model.decision_function(table(kind)[3] if new is None else new)


@each_invariance
def test_weights_are_copies(kind, norm):
    X, y, weight, _ = table(kind)
    copies = np.random.default_rng(5).permutation(np.repeat(np.arange(60), weight))
    weighted = log_odds(norm, kind, X, y, weight)
    assert_same(log_odds(norm, kind, X[copies], y[copies]), weighted)
    outliers, labels = np.vstack([1e9 * np.eye(4), X]), np.r_[0, 1, 0, 1, y]
    assert_same(log_odds(norm, kind, outliers, labels, np.r_[np.zeros(4), weight]), weighted)


@each_invariance
def test_row_order_and_a_common_factor_of_the_weights_do_not_matter(kind, norm):
    X, y, weight, _ = table(kind)
    expected = log_odds(norm, kind, X, y, weight)
    order = np.random.default_rng(6).permutation(60)
    assert_same(log_odds(norm, kind, X[order], y[order], weight[order]), expected)
    for factor in (0.1, 3.0, 1e6):
        assert_same(log_odds(norm, kind, X, y, factor * weight), expected)


@each_invariance
def test_units_of_the_columns_do_not_matter(kind, norm):
    X, y, _, new = table(kind)
    expected = log_odds(norm, kind, X, y)
    for unit, shift in [(1e-6, 0.0), (1e6, 0.0), (1.0, 1000.0), (0.3, -32.0)]:
        units, shifts = np.array([1.0, unit, 1.0, unit]), np.array([0.0, shift, 0.0, 0.0])
        moved = log_odds(norm, kind, units * X + shifts, y, None, units * new + shifts)
        assert_same(moved, expected)
