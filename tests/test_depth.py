"""Deep networks: each block optimal given those before, and never above them."""

import pickle
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from oracles import every_neuron, grid
from plain_cv import regressor_cv
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from test_every_loss import CASES, TOLERANCE, exact, sharp_bounds, targets, task_of

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLURegressor,
    wedge_relu_path,
)
from sklearn_wedge._core.deep import LEAST_GAIN, PASSED_ON
from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._core.network import deep_network_of
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem, solve_blocks

pytestmark = pytest.mark.newest

# Further blocks know nothing of losses: of those on several targets one stands for all.
ALIKE = {f"{loss} of several" for loss in ("absolute", "Huber", "Poisson", "gamma")}
each_case = pytest.mark.parametrize("name", [name for name in CASES if name not in ALIKE])


def composed(X):
    """``||x0| - |x1 + x2||``: kinks of kinks, with more inputs than a neuron of order 2 has."""
    return np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1:].sum(axis=1)))


def folded(X):
    return np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1]))


def table(seed=0, n=60, d=3, ties=False):
    rng = np.random.default_rng(seed)
    X = np.round(3 * rng.normal(size=(n, d))) if ties else rng.uniform(-1, 1, size=(n, d))
    return X, composed(X) + 0.05 * rng.normal(size=n)


@pytest.fixture(scope="module")
def deep():
    X, y = table(n=50)
    model = WedgeReLURegressor(0.01, n_blocks=3).fit(X, y)
    assert model.n_blocks_ == 3
    return model, X, y


def activations(model, X):
    """Hidden layers of the network, from nothing but its public weights."""
    inputs, hidden = np.clip(X, *model.clip_bounds_), []
    for weights, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        hidden.append(np.maximum(inputs @ weights + bias, 0.0))
        inputs = np.concatenate([inputs, hidden[-1]], axis=1)
    return hidden


def output(model, X):
    return activations(model, X)[-1] @ model.coefs_[-1] + model.intercepts_[-1]


def predicted(model, X):
    """Outputs of the network, (n, q), as predicted by the estimator."""
    raw = model.decision_function(X) if is_classifier(model) else model.predict(X)
    if getattr(model, "loss", None) in ("poisson", "gamma"):
        raw = np.log(raw)
    return raw.reshape(len(X), -1)


def solved(X, y, alpha, n_blocks, order=2, norm="l1", tolerance=1e-9, **options):
    """Blocks of squared error in the units of the data, priced exactly."""
    options = FitOptions(
        order, norm, False, None, "exact", tol=tolerance, n_blocks=n_blocks, max_iter=500, **options
    )
    problem, sample = build_problem(X, y[:, None], np.ones(len(X)), options, SquaredError())
    ((*_, blocks),) = solve_blocks(problem, sample, np.array([alpha]), options)
    return blocks


# --- optimality of a block ----------------------------------------------------------------------

SMALL = {
    "generic": np.random.default_rng(1).uniform(-1, 1, size=(16, 2)),
    "grid": grid(4, 4) - 1.5,
    "repeated rows": np.random.default_rng(2).integers(-1, 2, size=(20, 2)) * 1.0,
}


def bound_over(columns, block, alpha):
    """The dual value of the residuals, scaled until no column, (m, n), violates its constraint."""
    sample, solution = block.sample, block.solution
    inputs = sample.points[sample.point_of_sample]
    outputs = solution.neurons.activations(inputs.T).T @ solution.coef + solution.intercept
    target, weight = sample.target[:, 0], sample.weight
    dual = weight * (target - outputs[:, 0])
    dual -= weight * dual.sum()
    dual *= min(1.0, alpha / np.abs(columns @ dual).max())
    return dual @ target - (dual**2 / weight).sum() / 2


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("data", SMALL)
def test_a_further_block_is_the_optimum_over_wedges_of_the_activations(data, order):
    X = SMALL[data]
    y = folded(X) + 0.1 * np.sin(np.arange(len(X)))
    kept = 0
    for alpha in (0.02, 0.005):
        for block in solved(X, y, alpha, 2, order)[1:]:
            certificate, sample = block.solution.certificate, block.sample
            inputs = sample.points[sample.point_of_sample]
            bound = bound_over(every_neuron(sample.points, order).activations(inputs), block, alpha)
            assert block.solution.converged
            assert certificate.exact
            assert bound * (1 - 1e-9) <= certificate.objective <= bound * (1 + 1e-6)
            assert certificate.lower_bound <= certificate.objective
            kept += 1
    assert order == 1 or kept == 2


@pytest.mark.parametrize("data", SMALL)
def test_activations_are_those_of_unit_norm_neurons_unscaled(data):
    X = SMALL[data]
    first, second = solved(X, folded(X), 0.005, 2)
    passed = first.passed_on
    weights = passed.weight_matrix(2)
    assert_allclose(np.abs(weights).sum(axis=0), 1.0)
    # The samples are centred; offsets are in those units.
    h = np.maximum(first.sample.points @ weights + passed.offsets, 0.0)
    new = second.sample.points[:, 2:]
    assert_array_equal(second.sample.points[:, :2], first.sample.points)
    assert new.shape[1] == len(passed) <= PASSED_ON
    shift = new - h
    assert_allclose(shift, np.broadcast_to(shift[:1], shift.shape), atol=1e-9)
    means = second.sample.sum_over_points(second.sample.weight) @ new
    assert_allclose(means, 0.0, atol=1e-9)
    # What is equal is equal bit for bit: the points where a neuron is idle, for one.
    assert np.any(h == 0)
    for column, idle in zip(new.T, h.T == 0, strict=True):
        assert len(set(column[idle])) <= 1


# Data on which a second block gains something; 7 for the other losses.
SEEDS = {"gamma": 4, "hinge": 4, "squared hinge": 4}


@cache
def exact_deep_fit(name):
    """A case, its data, and its network of two blocks, solved to the last digit."""
    case = CASES[name]
    X = np.random.default_rng(SEEDS.get(name, 7)).uniform(-1, 1, size=(12, 2))
    y, target = targets(X, case.target)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = exact(case, 3e-3, 2, n_blocks=2).fit(X, y)
    assert model.n_blocks_ == 2
    return case, X, target, model


@each_case
def test_with_any_loss_a_further_block_is_optimal_and_its_bounds_hold(name):
    """Over the dictionary on the activations that the network has: the optimum uses no others."""
    case, X, target, model = exact_deep_fit(name)
    inputs = np.concatenate([X, activations(model, X)[0]], axis=1)
    task = task_of(case, inputs, target, model.alpha, 2)
    best, _ = sharp_bounds(task)
    # Activations are rounded relative to their size, as inputs are.
    rounding = 1e-9 * task.constant.objective
    allowed = TOLERANCE * task.constant.objective + rounding
    assert model.certificate_.exact
    assert best.lower - rounding <= model.certificate_.objective <= best.upper + allowed
    assert max(r.lower_bound for r in model.history_) <= best.upper + rounding


@each_case
def test_the_objective_reported_is_that_of_the_last_block(name):
    """Mean loss plus ``alpha / 2 Σ (‖w‖² + ‖a‖²)`` of the last hidden layer."""
    case, X, target, model = exact_deep_fit(name)
    network = output(model, X).reshape(target.shape)
    loss = case.loss.value(network, target, np.full(len(X), 1 / len(X)))
    hidden = np.abs(model.coefs_[-2]).sum(axis=0)
    penalty = model.alpha / 2 * ((hidden**2).sum() + (model.coefs_[-1] ** 2).sum())
    # Activations are rounded relative to their size, as inputs are.
    assert_allclose(model.certificate_.objective, loss + penalty, rtol=1e-8)


def test_with_cvxpy_a_further_block_is_optimal():
    """On its own activations: a first block has other neurons where these are not unique."""
    X = SMALL["generic"]
    y = folded(X) + 0.1 * np.sin(np.arange(len(X)))
    first, second = solved(X, y, 0.02, 2, tolerance=1e-7, solver="cvxpy")
    inputs = second.sample.points[second.sample.point_of_sample]
    columns = every_neuron(second.sample.points, 2).activations(inputs)
    assert_allclose(second.objective, bound_over(columns, second, 0.02), rtol=1e-5)
    assert second.objective < first.objective


# --- from block to block ------------------------------------------------------------------------


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(list(CASES)),
    seed=st.integers(0, 10_000),
    n=st.integers(1, 12),
    d=st.integers(1, 3),
    order=st.sampled_from([1, 2, None]),
    norm=st.sampled_from(["l1", "l2"]),
    alpha=st.sampled_from([0.1, 0.02, 0.004]),
    ties=st.booleans(),
)
def test_the_objective_falls_from_block_to_block(name, seed, n, d, order, norm, alpha, ties):
    case, rng = CASES[name], np.random.default_rng(seed)
    n = max(n, 4) if "classes" in case.target else n
    X = rng.integers(0, 3, size=(n, d)) * 1.0 if ties else rng.standard_normal((n, d))
    y, _ = targets(X, case.target, seed)
    model = case.estimator(
        alpha=alpha, interaction_order=order, norm=norm, n_blocks=3, pricing="search", max_iter=4
    )
    if is_classifier(model) and len(np.unique(y)) < (2 if case.target == "two classes" else 3):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
        flat = clone(model).set_params(n_blocks=1).fit(X, y)
    objectives = [block.certificate.objective for block in model.blocks_]
    assert objectives[-1] == model.certificate_.objective
    assert np.all(np.diff(objectives) < 0)
    assert objectives[-1] <= flat.certificate_.objective
    assert model.n_blocks_ == len(objectives) == len(model.coefs_) - 1 <= 3
    # Each block starts where the one before ended, up to what its first problem may leave.
    for before, after in zip(objectives, model.blocks_[1:], strict=False):
        allowed = 1e-4 * max(abs(flat.history_[0].objective), 1e-6)
        assert after.history[0].objective <= before + allowed
    assert_allclose(output(model, X), predicted(model, X), rtol=1e-8, atol=1e-9)


def test_a_network_is_the_start_of_a_deeper_one(deep):
    model, X, y = deep
    two = clone(model).set_params(n_blocks=2).fit(X, y)
    certificates = [block.certificate for block in model.blocks_]
    assert [block.certificate for block in two.blocks_] == certificates[:2]
    flat = clone(model).set_params(n_blocks=1).fit(X, y)
    assert flat.certificate_ == certificates[0]


def test_a_block_that_gains_next_to_nothing_is_not_kept_and_this_is_said(capsys):
    x = np.linspace(-1, 1, 41)[:, None]
    model = WedgeReLURegressor(1e-3, n_blocks=3, interaction_order=1, verbose=1)
    model.fit(x, np.abs(x[:, 0]))
    printed = capsys.readouterr().out
    assert model.n_blocks_ == len(model.blocks_) == 1
    assert "block 2: gains" in printed
    assert "not kept" in printed
    flat = WedgeReLURegressor(1e-3, interaction_order=1).fit(x, np.abs(x[:, 0]))
    assert capsys.readouterr().out == ""
    assert_array_equal(flat.predict(x), model.predict(x))
    assert flat.certificate_ == model.certificate_


def test_every_block_that_is_kept_lowers_the_objective_by_the_least_gain(deep):
    objectives = np.array([block.certificate.objective for block in deep[0].blocks_])
    assert np.all(objectives[1:] <= (1 - LEAST_GAIN) * objectives[:-1])


@pytest.mark.parametrize("X", [np.ones((5, 2)), np.arange(10.0).reshape(5, 2)])
def test_a_constant_model_gets_no_second_block(X):
    y = np.full(5, 3.0)
    model = WedgeReLURegressor(0.1, n_blocks=2).fit(X, y)
    assert (model.n_blocks_, model.n_neurons_) == (1, 0)
    assert_array_equal(model.predict(X), y)
    assert_array_equal(WedgeReLURegressor(9.0, n_blocks=2).fit(X, X[:, 0]).n_neurons_, 0)


def test_layers_that_nothing_builds_on_are_left_out_of_the_network():
    X = SMALL["generic"]
    first, second = solved(X, folded(X), 0.005, 2)
    idle = replace(second, solution=replace(first.solution, alpha=0.005))
    network = deep_network_of([first, idle])
    assert len(network.coefs) == 2
    alone = deep_network_of([first])
    assert_allclose(network.predict(X), alone.predict(X), rtol=1e-12, atol=1e-12)
    # Of a layer that some build on, the others go.
    kept = deep_network_of([first, second])
    rows = kept.coefs[1][2:]
    assert rows.shape[0] == kept.coefs[0].shape[1] <= len(first.passed_on)
    assert np.all(np.any(rows != 0, axis=1))


# --- the network --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "norm"), [(1, "l1"), (2, "l1"), (3, "l2"), (None, "l1"), (None, "l2")]
)
def test_predict_is_the_forward_pass_of_the_layers(order, norm):
    X, y = table(1, n=20)
    Y = np.column_stack([y, X[:, 0] * X[:, 1]])
    new = 2 * table(2)[0]
    for n_blocks, target in ((3, y), (2, Y)):
        model = WedgeReLURegressor(
            5e-3,
            interaction_order=order,
            norm=norm,
            n_blocks=n_blocks,
            max_iter=3,
            pricing="search",
            tol=1e-2,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, target)
        assert model.n_blocks_ > 1 or order == 1
        widths = [len(bias) for bias in model.intercepts_]
        shapes = [(3 + sum(widths[:layer]), w) for layer, w in enumerate(widths[:-1])]
        assert [weights.shape for weights in model.coefs_] == [*shapes, (widths[-2], widths[-1])]
        assert model.n_neurons_ == len(model.neurons_) == widths[-2]
        assert_allclose(predicted(model, new), output(model, new), rtol=1e-10, atol=1e-10)


def test_the_neurons_to_be_read_are_those_of_the_network(deep):
    """In the units of the problem solved, activations as they are."""
    model, X, _ = deep
    inputs = (np.clip(X, *model.clip_bounds_) - model.x_mean_) / model.x_scale_
    for block in model.blocks_:
        neurons = block.neurons
        assert_allclose(np.abs(neurons.weights).sum(axis=1), 1.0)
        assert np.all(np.diff(np.abs(neurons.coef[:, 0])) <= 0)
        used = np.where(neurons.inputs >= 0, neurons.weights, 0.0)
        distance = np.einsum("nms,ms->nm", inputs[:, neurons.inputs], used) + neurons.offsets
        # The hyperplane of each neuron passes through the rows that it names.
        for j, rows in enumerate(neurons.rows):
            assert_allclose(distance[rows[rows >= 0], j], 0.0, atol=1e-8)
        inputs = np.concatenate([inputs, np.maximum(distance, 0.0)], axis=1)
    last = inputs[:, -model.n_neurons_ :] @ model.neurons_.coef[:, 0]
    predictions = (model.predict(X) - model.y_mean_) / model.y_scale_
    assert_allclose(np.ptp(predictions - last), 0.0, atol=1e-8)
    named = np.concatenate([block.neurons.rows.ravel() for block in model.blocks_])
    assert np.any(named >= 0)
    assert_array_equal(model.support_, np.unique(named[named >= 0]))
    assert all(len(b.neurons) <= b.n_neurons for b in model.blocks_)
    assert model.history_ == model.blocks_[-1].history
    assert model.n_iter_ == len(model.history_)


def test_the_certificate_says_what_it_covers(deep):
    model, _, _ = deep
    scopes = [block.certificate.scope for block in model.blocks_]
    assert "activations" not in scopes[0]
    before = model.blocks_[-2].certificate.objective
    assert "not about all blocks together" in model.certificate_.scope
    assert f"{before:.6g}" in model.certificate_.scope
    passed = model.coefs_[-2].shape[0] - 3
    assert passed <= 2 * PASSED_ON


# --- invariances --------------------------------------------------------------------------------


@pytest.mark.parametrize(("ties", "tol"), [(True, 1e-4), (False, 1e-8)])
def test_copies_for_weights_order_and_units_leave_a_deep_network(ties, tol):
    X, y = table(6, n=20, ties=ties)
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, size=len(y))
    copies = rng.permutation(np.repeat(np.arange(len(y)), weight))
    unit, shift = np.array([1e-3, 7.0, 1e4]), np.array([0.0, 3.0, -5e3])
    model = WedgeReLURegressor(0.01, n_blocks=3, tol=tol)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    copied = clone(model).fit(X[copies], y[copies])
    in_units = clone(model).fit(X * unit + shift, 50 * y - 7, sample_weight=2.5 * weight)
    new = 1.5 * table(7, ties=ties)[0]
    expected = weighted.predict(new)
    size = np.abs(expected).max()
    assert weighted.n_blocks_ == copied.n_blocks_ == in_units.n_blocks_ > 1
    assert_allclose(copied.predict(new), expected, atol=1e-7 * size)
    assert_allclose((in_units.predict(new * unit + shift) + 7) / 50, expected, atol=1e-6 * size)


@each_case
def test_weights_are_copies_with_any_loss(name):
    case = CASES[name]
    X = np.random.default_rng(3).uniform(-1, 1, size=(15, 2))
    y, _ = targets(X, case.target)
    copies = np.random.default_rng(1).integers(0, 4, size=len(X))
    model = case.estimator(alpha=0.03, n_blocks=2)
    weighted = clone(model).fit(X, y, sample_weight=copies)
    copied = clone(model).fit(np.repeat(X, copies, axis=0), np.repeat(y, copies, axis=0))
    assert weighted.n_blocks_ == copied.n_blocks_
    assert_allclose(predicted(weighted, X), predicted(copied, X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("parameters", [{}, {"norm": "l2"}, {"interaction_order": 1}], ids=str)
def test_one_block_is_the_network_of_the_path(parameters):
    """Bit for bit; the path knows no blocks."""
    X, y = table()
    model = WedgeReLURegressor(0.01, n_blocks=1, **parameters).fit(X, y)
    path = wedge_relu_path(X, y, [0.01], **parameters)
    assert_array_equal(model.predict(X), path.networks[0].predict(X)[:, 0])
    for ours, theirs in zip(model.coefs_, path.networks[0].coefs, strict=True):
        assert_array_equal(ours, theirs)
    assert model.certificate_ == path.certificates[0]
    assert model.n_blocks_ == 1
    assert model.blocks_[0].certificate == model.certificate_
    assert "activations" not in model.certificate_.scope


def test_a_pickle_keeps_a_deep_network_and_a_clone_its_parameters(deep):
    model, X, _ = deep
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    assert again.certificate_ == model.certificate_
    copy = clone(model)
    assert copy.n_blocks == 3
    with pytest.raises(NotFittedError):
        copy.predict(X)


def test_the_number_of_threads_changes_no_bit(deep):
    model, X, y = deep
    other = clone(model).set_params(n_jobs=2).fit(X, y)
    assert_array_equal(other.predict(X), model.predict(X))


# --- what combines ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "pair"),
    [
        ({"monotonic_cst": [1, 0, 0]}, "monotonic_cst and n_blocks=2"),
        ({"interaction_cst": [{0, 1}]}, "interaction_cst and n_blocks=2"),
        ({"interaction_cst": "pairwise"}, "interaction_cst and n_blocks=2"),
        ({"interaction_cst": "no_interactions"}, "interaction_cst and n_blocks=2"),
    ],
    ids=str,
)
def test_a_pair_that_does_not_combine_is_refused(parameters, pair):
    X, y = table()
    for model in (
        WedgeReLURegressor(n_blocks=2, **parameters),
        regressor_cv(n_blocks=(1, 2), **parameters),
    ):
        with pytest.raises(ValueError, match=f"{pair} do not combine.*Use n_blocks=1"):
            model.fit(X, y)
    with pytest.raises(ValueError, match=pair):
        WedgeReLUClassifier(n_blocks=2, **parameters).fit(X, y > 0.3)


def test_directions_of_zero_combine_with_further_blocks():
    X, y = table()
    model = WedgeReLURegressor(0.01, n_blocks=2, monotonic_cst=[0, 0, 0]).fit(X, y)
    assert model.n_blocks_ == 2


def test_dask_arrays_are_refused_with_further_blocks():
    array = pytest.importorskip("dask.array")
    X, y = table()
    lazy = array.from_array(X, chunks=(20, 3))
    for model, target in (
        (WedgeReLURegressor(0.01, n_blocks=2), y),
        (WedgeReLUClassifier(0.01), y > 0.3),
    ):
        model.set_params(n_blocks=2)
        with pytest.raises(ValueError, match="n_blocks=2 and a fit in chunks of rows do"):
            model.fit(lazy, array.from_array(target, chunks=20))


def test_a_fit_beyond_the_working_memory_keeps_its_further_blocks():
    X, y = table(n=60)
    plain = WedgeReLURegressor(0.01, n_blocks=2).fit(X, y)
    with sklearn.config_context(working_memory=0.05):
        limited = WedgeReLURegressor(0.01, n_blocks=2).fit(X, y)
    assert limited.n_blocks_ == 2
    assert_array_equal(limited.predict(X), plain.predict(X))


def test_certificates_out_of_reach_are_refused():
    X, y = table()
    model = WedgeReLURegressor(0.01, n_blocks=2, interaction_order=3, norm="l2", pricing="exact")
    with pytest.raises(ValueError, match=r"n_blocks=2 .*norm='l2' beyond interaction_order=2"):
        model.fit(X[:, :2], y)
    # One block on two columns is within reach.
    clone(model).set_params(n_blocks=1, alpha=0.1).fit(X[:, :2], y)
    with pytest.raises(ValueError, match=r"n_blocks=2 .*out of reach"):
        WedgeReLURegressor(0.01, n_blocks=2, interaction_order=None, pricing="exact").fit(X, y)


@pytest.mark.parametrize("n_blocks", [0, 1.5, "2", None])
def test_a_number_of_blocks_that_is_none_is_refused(n_blocks):
    X, y = table()
    with pytest.raises(ValueError, match="'n_blocks' parameter"):
        WedgeReLURegressor(0.01, n_blocks=n_blocks).fit(X, y)
