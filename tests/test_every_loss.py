"""Fits with every loss and with several outputs, against CLARABEL on the enumerated dictionary."""

import pickle
import warnings

import cvxpy
import numpy as np
import optima
import pytest
from hard_problems import LOSSES, Kind, expectile
from numpy.testing import assert_allclose, assert_array_equal
from oracles import grid, random_neurons
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge._core.losses.own import STEPS, OwnLoss, _below_chords

pytestmark = pytest.mark.newest

# Of a bound or an objective, relative to the objective of the constant model.
ROUNDING = 1e-12
# How far apart the bounds of the oracle may be, likewise, and the tolerance of the fits.
SHARP, TOLERANCE = 1e-8, 1e-8
# The squared error and the log loss of two classes have files of their own.
CASES = {name: kind for name, kind in LOSSES.items() if name not in ("squared", "log loss")}
each_case = pytest.mark.parametrize("name", CASES)


def inputs(kind):
    rng = np.random.default_rng(0)
    if kind == "grid":
        X = grid(4, 3).astype(float)
        return X[rng.integers(len(X), size=14)]
    shapes = {"1 input": (16, 1), "2 inputs": (13, 2), "3 inputs": (9, 3)}
    return rng.standard_normal(shapes[kind])


INPUTS = [("1 input", 1), ("2 inputs", 1), ("2 inputs", 2), ("3 inputs", 2), ("grid", 2)]


def targets(X, kind, seed=1):
    """What ``fit`` gets, and what the loss sees: (n, q)."""
    rng = np.random.default_rng(seed)
    score = np.sin(2 * X[:, 0]) + np.abs(X[:, -1]) + 0.3 * rng.standard_normal(len(X))
    if "vectors" in kind:
        score = np.column_stack([score, score * X[:, 0], rng.standard_normal(len(X))])
    if "counts" in kind:
        y = rng.poisson(np.exp(score)) * 1.0
    elif "positive" in kind:
        y = np.exp(score) * rng.gamma(3.0, size=score.shape)
    elif kind == "two classes":
        y = (score > np.median(score)).astype(int)
    elif kind == "three classes":
        y = np.digitize(score, np.quantile(score, [0.3, 0.6]))
        return y, np.eye(3)[y]
    else:
        y = score
    return y, y.reshape(len(y), -1) * 1.0


def task_of(kind, X, target, alpha, order, weight=None):
    """The training problem, for the oracle."""
    weight = np.ones(len(X)) if weight is None else weight
    return optima.Task(X, target, weight / weight.sum(), kind.loss, alpha, order)


def sharp_bounds(task):
    """On the optimum; and what rounding may do to an objective."""
    bounds, constant = optima.bounds_on_optimum(task), task.constant.objective
    assert -ROUNDING * constant <= bounds.upper - bounds.lower <= SHARP * constant
    return bounds, ROUNDING * constant


def exact(kind, alpha, order, **parameters):
    parameters = {"pricing": "exact", "tol": TOLERANCE, "max_iter": 300, **parameters}
    raw = {"standardize": False, "clip_quantile": None}
    return kind.estimator(alpha=alpha, interaction_order=order, **raw, **parameters)


@pytest.mark.parametrize(("kind", "order"), INPUTS)
@each_case
def test_the_fit_is_the_global_optimum_and_no_bound_exceeds_it(name, kind, order):
    case, X = CASES[name], inputs(kind)
    y, target = targets(X, case.target)
    for alpha in (0.1, 0.01) if kind == "2 inputs" else (0.02,):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            model = exact(case, alpha, order).fit(X, y)
        task = task_of(case, X, target, alpha, order)
        best, rounding = sharp_bounds(task)
        allowed = TOLERANCE * task.constant.objective + rounding
        assert model.certificate_.exact
        assert best.lower - rounding <= model.certificate_.objective <= best.upper + allowed
        assert max(r.lower_bound for r in model.history_) <= best.upper + rounding


@each_case
def test_bounds_along_the_way_do_not_exceed_the_optimum(name):
    """Random weights, few rounds: bounds of networks that are far from optimal."""
    case = CASES[name]
    rng = np.random.default_rng(5)
    for seed in range(2):
        X = rng.integers(0, 4, size=(9, 2)) * 1.0 if seed % 2 else rng.standard_normal((9, 2))
        y, target = targets(X, case.target, seed)
        weight = rng.uniform(0.1, 3.0, size=len(X))
        best, rounding = sharp_bounds(task_of(case, X, target, 0.02, 2, weight))
        for rounds in (1, 2, 3):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = exact(case, 0.02, 2, max_iter=rounds).fit(X, y, weight)
            assert model.certificate_.lower_bound <= best.upper + rounding
            assert model.certificate_.objective >= best.lower - rounding


@each_case
def test_the_objective_reported_is_that_of_the_network(name):
    case, X = CASES[name], inputs("2 inputs")
    y, target = targets(X, case.target)
    alpha = 0.03
    model = exact(case, alpha, 2).fit(X, y)
    output = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0.0) @ model.coefs_[1]
    output = output + model.intercepts_[1]
    loss = case.loss.value(output, target, np.full(len(X), 1 / len(X)))
    hidden = np.abs(model.coefs_[0]).sum(axis=0)
    penalty = alpha / 2 * ((hidden**2).sum() + (model.coefs_[1] ** 2).sum())
    assert_allclose(model.certificate_.objective, loss + penalty, rtol=1e-12)


@each_case
def test_weights_are_copies(name):
    case = CASES[name]
    rng = np.random.default_rng(3)
    X = rng.standard_normal((25, 3))
    y, _ = targets(X, case.target)
    copies = rng.integers(0, 4, size=len(X))
    weighted = case.estimator(alpha=0.05).fit(X, y, sample_weight=copies)
    copied = case.estimator(alpha=0.05).fit(
        np.repeat(X, copies, axis=0), np.repeat(y, copies, axis=0)
    )
    new = rng.standard_normal((20, 3))
    assert weighted.n_neurons_ > 0
    if isinstance(weighted, WedgeReLUClassifier):
        assert_allclose(weighted.decision_function(new), copied.decision_function(new), rtol=1e-7)
    else:
        assert_allclose(weighted.predict(new), copied.predict(new), rtol=1e-7)


UNITS = {"absolute": "line", "quantile": "line", "Huber": "line", "several targets": "line"}


@pytest.mark.parametrize("name", [*UNITS, "Poisson", "gamma"])
def test_the_units_of_the_target_do_not_change_the_fit(name):
    case = CASES[name]
    rng = np.random.default_rng(3)
    X = rng.standard_normal((40, 3))
    y, _ = targets(X, case.target)
    unit, shift = 1e3, 7.0 if name in UNITS else 0.0
    model = case.estimator(alpha=0.05).fit(X, y)
    other = case.estimator(alpha=0.05)
    if name == "Huber":
        other.set_params(epsilon=other.epsilon * unit)
    other.fit(X, unit * y + shift)
    assert model.n_neurons_ > 0
    assert_allclose(other.predict(X), unit * model.predict(X) + shift, rtol=1e-6)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("name", ["several targets", "multinomial", "squared hinge of several"])
def test_random_neurons_meet_the_dual_constraint_of_shared_neurons(name, norm):
    case, X = CASES[name], inputs("2 inputs")
    y, target = targets(X, case.target)
    model = exact(case, 0.01, 2, norm=norm, tol=1e-8).fit(X, y)
    several = name == "several targets"
    outputs = model.predict(X) if several else model.decision_function(X)
    dual = case.loss.slope(outputs, target)
    dual = dual / len(X)
    assert_allclose(dual.sum(axis=0), 0.0, atol=1e-9)
    neurons = random_neurons(np.random.default_rng(0), X, 2, 20_000)
    values = neurons.values(X, dual)
    if norm == "l2":
        values = values / np.linalg.norm(neurons.weights, axis=1)
    assert values.max() <= 0.01 * (1 + 1e-4)
    assert model.certificate_.exact


@pytest.mark.parametrize("name", ["several targets", "multinomial"])
def test_the_outputs_share_their_neurons(name):
    case, X = CASES[name], inputs("2 inputs")
    y, _ = targets(X, case.target)
    model = case.estimator(alpha=0.02).fit(X, y)
    assert model.coefs_[-1].shape == (model.n_neurons_, 3)
    assert model.intercepts_[-1].shape == (3,)
    assert model.neurons_.coef.shape == (model.n_neurons_, 3)
    assert np.all(np.abs(model.coefs_[-1]).max(axis=1) > 0)


def test_probabilities_of_several_classes_are_those_of_the_decision():
    X = inputs("2 inputs")
    y, _ = targets(X, "three classes")
    names = np.array(["low", "middle", "high"])
    model = WedgeReLUClassifier(0.02).fit(X, names[y])
    assert_array_equal(model.classes_, ["high", "low", "middle"])
    probability = model.predict_proba(X)
    assert_allclose(probability, softmax(model.decision_function(X), axis=1))
    assert_allclose(np.exp(model.predict_log_proba(X)), probability)
    assert_array_equal(model.predict(X), model.classes_[probability.argmax(axis=1)])


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_margins_do_not_pass_as_probabilities(loss):
    X = inputs("2 inputs")
    y, _ = targets(X, "two classes")
    model = WedgeReLUClassifier(0.02, loss=loss).fit(X, y)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "predict_log_proba")
    with pytest.raises(AttributeError) as error:
        _ = model.predict_proba
    assert "loss='log_loss'" in str(error.value.__cause__)


def test_means_are_positive_and_agree_with_the_target():
    X = inputs("2 inputs")
    for name in ("Poisson", "gamma"):
        y, _ = targets(X, CASES[name].target)
        model = CASES[name].estimator(alpha=0.02).fit(X, y)
        assert np.all(model.predict(X) > 0)
        # At the best intercept the means agree: for gamma in the ratios.
        if name == "Poisson":
            assert_allclose(model.predict(X).mean(), y.mean(), rtol=1e-9)
        else:
            assert_allclose((y / model.predict(X)).mean(), 1.0, rtol=1e-9)


@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma"]
)
@pytest.mark.parametrize("rows", [1, 7])
def test_a_constant_target_is_predicted_without_a_warning(loss, rows):
    X = np.arange(14.0).reshape(7, 2)[:rows]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = WedgeReLURegressor(0.01, loss=loss).fit(X, np.full(rows, 3.0))
    assert model.n_neurons_ == 0
    assert_allclose(model.predict(X), 3.0, rtol=1e-12)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_a_quantile_covers_its_share(quantile):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(200, 1))
    y = X[:, 0] + (0.2 + np.abs(X[:, 0])) * rng.standard_normal(200)
    model = WedgeReLURegressor(0.01, loss="quantile", quantile=quantile).fit(X, y)
    assert abs(np.mean(y <= model.predict(X)) - quantile) <= 0.03


def test_an_own_loss_survives_pickling():
    X = inputs("2 inputs")
    y, _ = targets(X, "number")
    model = WedgeReLURegressor(0.02, loss=expectile).fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


# --- a loss of the user's own, in awkward units --------------------------------------------------


def own_fit(loss, y, alpha, **parameters):
    X = inputs("2 inputs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return exact(Kind({"loss": loss}, None), alpha, 2, tol=1e-7, **parameters).fit(X, y)


def kinked(f, y):
    return cvxpy.abs(f - y)


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9])
def test_the_bound_of_an_own_loss_holds_in_other_units(unit):
    """The problem is homogeneous: the optimum is that of unit 1, times the unit."""
    y, _ = targets(inputs("2 inputs"), "number")
    best = own_fit(kinked, y, 0.03).certificate_
    assert best.relative_gap <= 1e-7
    certificate = own_fit(kinked, unit * y, 0.03, max_iter=20).certificate_
    assert certificate.lower_bound <= unit * best.objective * (1 + 1e-10)
    assert certificate.objective >= unit * best.lower_bound * (1 - 1e-10)


@pytest.mark.parametrize("offset", [-1000.0, 1e6])
def test_a_constant_in_an_own_loss_does_not_change_the_fit(offset):
    y, _ = targets(inputs("2 inputs"), "number")
    plain = own_fit(lambda f, y: cvxpy.square(f - y), y, 0.03)
    shifted = own_fit(lambda f, y: cvxpy.square(f - y) + offset, y, 0.03)
    assert shifted.n_neurons_ > 0
    X = inputs("2 inputs")
    assert_allclose(shifted.predict(X), plain.predict(X), atol=1e-3)
    rounding = 1e-15 * abs(offset)
    best = plain.certificate_
    assert shifted.certificate_.lower_bound - offset <= best.objective + rounding
    assert shifted.certificate_.objective - offset >= best.lower_bound - rounding
    assert shifted.certificate_.gap <= 1e-6


# --- what must be refused ------------------------------------------------------------------------


def concave(f, y):
    return -cvxpy.square(f - y)


def total(f, y):
    return cvxpy.sum_squares(f - y)


def falling(f, y):
    return y - f


def number(f, y):
    return 1.0


def in_numpy(f, y):
    return np.abs(f - y)


CAPTURED = np.array([1.0, 2.0, 3.0, 4.0])


def weighted_inside(f, y):
    return cvxpy.multiply(CAPTURED, cvxpy.abs(f - y))


def cumulative(f, y):
    return cvxpy.abs(cvxpy.cumsum(f - y))


REFUSED = [
    ({"loss": weighted_inside}, [0.0, 1.0, 2.0, 3.0], "weighted_inside .* element by element"),
    ({"loss": cumulative}, [0.0, 1.0, 2.0, 3.0], "cumulative must .* element by element"),
    ({"loss": in_numpy}, [0.0, 1.0, 2.0, 3.0], "loss=in_numpy failed .* RuntimeError"),
    ({"loss": "poisson"}, [-1.0, 0.0, 1.0, 2.0], "negative.*loss='poisson'"),
    ({"loss": "poisson"}, [0.0, 0.0, 0.0, 0.0], "zero.*loss='poisson'"),
    ({"loss": "gamma"}, [0.0, 1.0, 2.0, 3.0], "zero or negative.*loss='gamma'"),
    ({"loss": concave}, [0.0, 1.0, 2.0, 3.0], "concave is not convex"),
    ({"loss": total}, [0.0, 1.0, 2.0, 3.0], r"total must return one loss per sample.*shape \(\)"),
    ({"loss": falling}, [0.0, 1.0, 2.0, 3.0], "falling is not bounded below"),
    ({"loss": number}, [0.0, 1.0, 2.0, 3.0], "number must return a CVXPY expression"),
    ({"loss": "quantile", "quantile": 1.0}, [0.0, 1.0, 2.0, 3.0], "quantile"),
    ({"loss": "huber", "epsilon": 0.0}, [0.0, 1.0, 2.0, 3.0], "epsilon"),
    ({"loss": "hinge"}, [0.0, 1.0, 2.0, 3.0], "loss"),
    (
        {"loss": kinked, "solver": "active_set"},
        [0.0, 1.0, 2.0, 3.0],
        "solver='active_set' and loss=kinked",
    ),
    (
        {"loss": expectile, "solver": "active_set"},
        [0.0, 1.0, 2.0, 3.0],
        "solver='active_set' and loss=expectile",
    ),
]


@pytest.mark.parametrize(("parameters", "y", "message"), REFUSED)
def test_what_does_not_combine_is_refused(parameters, y, message):
    X = np.arange(4.0)[:, None]
    with pytest.raises(ValueError, match=message):
        WedgeReLURegressor(**parameters).fit(X, y)


def test_cvxpy_is_refused_for_a_loss_that_it_does_not_know():
    model = WedgeReLURegressor(0.01, loss=CASES["own with a gradient"].parameters["loss"])
    with pytest.raises(ValueError, match="solver='cvxpy' and loss=Expectile do not combine"):
        model.set_params(solver="cvxpy").fit([[0.0], [1.0]], [0.0, 1.0])


def test_rows_without_weight_do_not_make_a_target_impossible():
    X, y = np.arange(5.0)[:, None], np.array([-1.0, 1.0, 2.0, 0.0, 3.0])
    weight = np.array([0.0, 1.0, 1.0, 1.0, 1.0])
    model = WedgeReLURegressor(0.01, loss="poisson").fit(X, y, weight)
    assert np.all(model.predict(X) > 0)


@pytest.mark.parametrize(
    "loss",
    [
        lambda f, y: cvxpy.exp(f) - cvxpy.multiply(y, f),
        lambda f, y: cvxpy.exp(f - y) - (f - y),
        lambda f, y: cvxpy.exp(f - y) + cvxpy.exp(y - f),
    ],
    ids=["Poisson", "LINEX", "hyperbolic cosine"],
)
def test_an_own_loss_that_grows_fast_has_a_bound(loss):
    """What it is far from the optimum, 1e250, says nothing about the bound."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = rng.poisson(np.exp(X[:, 0])).astype(float)
    model = WedgeReLURegressor(0.02, interaction_order=1, loss=loss).fit(X, y)
    certificate = model.certificate_
    assert certificate.relative_gap < 1e-4
    # No network is below the bound, and least of all this one.
    hidden = np.abs(model.coefs_[0] * model.x_scale_[:, None]).sum(axis=0)
    penalty = 0.01 * ((hidden**2).sum() + (model.coefs_[1] ** 2).sum())
    objective = np.mean(loss(cvxpy.Constant(model.predict(X)), y).value) + penalty
    assert_allclose(certificate.objective, objective, rtol=1e-9)
    assert max(r.lower_bound for r in model.history_) <= objective * (1 + 1e-9)


def test_a_bound_counts_what_lies_where_no_chord_reaches():
    """However far from the kink of ``|f - y|`` the solver ended: there the least value is."""
    far = 10.0 ** np.arange(-9.0, 6.0, 0.25)
    target = np.concatenate([far, -far])
    slope = np.sign(target) * (1 - 1e-9)
    at, steps = np.zeros_like(target), np.asarray(STEPS)
    bounds = OwnLoss(kinked)._bounds(at, slope, steps, target[:, None])
    assert np.all(bounds <= slope * target + 1e-12 * np.abs(target))
    near = np.abs(target) < steps[-2]
    assert_allclose(bounds[near], (slope * target)[near], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_chords_bound_a_convex_function_from_below(seed):
    """A maximum of random lines: its least value is known to be above every bound."""
    rng = np.random.default_rng(seed)
    slopes, heights = rng.normal(size=(2, 8)) * 10.0 ** rng.integers(-3, 4, size=(2, 8))
    slopes[:2] = abs(slopes[0]), -abs(slopes[1])
    offsets = np.concatenate([-STEPS[::-1], [0.0], STEPS]) + rng.normal()
    values = (slopes[:, None] * offsets + heights[:, None]).max(axis=0)[None]
    inside = offsets[1:-1]
    fine = np.linspace(inside[0], inside[-1], 200_001)
    least = (slopes[:, None] * np.append(fine, inside) + heights[:, None]).max(axis=0).min()
    bound = _below_chords(values, np.zeros_like(values), np.diff(offsets))[0]
    assert bound <= least + 1e-9 * abs(least)
