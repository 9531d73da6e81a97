"""Fits in chunks of rows: sums over them, agreement with fits in memory, dask, what is refused."""

import pickle
import tracemalloc

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv, regressor_cv
from sklearn.datasets import make_friedman1

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLURegressor,
    alpha_max,
    wedge_relu_path,
)
from sklearn_wedge._core.kernels import SERIAL
from sklearn_wedge._core.losses import (
    Gamma,
    Hinge,
    Huber,
    LogLoss,
    Multinomial,
    Pinball,
    Poisson,
    SquaredError,
    SquaredHinge,
)
from sklearn_wedge._core.neurons import NeuronClass, neurons_through
from sklearn_wedge._core.pricing import histograms
from sklearn_wedge._core.pricing.bins import bins_of
from sklearn_wedge._core.pricing.hinges import hinge_values
from sklearn_wedge._core.restricted import DualPoint, restricted_problem
from sklearn_wedge._core.restricted.model import Point
from sklearn_wedge._core.rows import (
    ComputedActivations,
    KeptActivations,
    LocalChunks,
    OneChunk,
    SampleOptions,
    Scaling,
    canonical_sample,
    chunked_sample,
    passes,
    rows_per_chunk,
)
from sklearn_wedge._core.rows.quantiles import (
    column_quantiles,
    ordered_keys,
    value_of_key,
    weighted_quantiles,
)
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.chunked import chunked_problem, is_beyond_memory, local_chunks

UNSCALED = Scaling(np.full(3, -np.inf), np.full(3, np.inf), np.zeros(3), np.ones(3))
# So little that every table here is fitted in chunks, and so much that none is.
LITTLE, PLENTY = 0.5, 4096


@pytest.fixture(params=[64, 97, 1000], ids=lambda rows: f"{rows} rows a chunk")
def chunks(request):
    """500 rows of three inputs and one target, a few without a weight."""
    return LocalChunks(*table(), request.param)


def table(n=500, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X[:, 2] = np.round(X[:, 2])
    weight = rng.integers(0, 4, n).astype(float)
    return X, rng.normal(size=(n, 1)), weight / weight.sum()


def some_neurons(X, n_neurons=20, seed=1):
    rng = np.random.default_rng(seed)
    inputs = np.sort([rng.choice(3, 2, replace=False) for _ in range(n_neurons)], axis=1)
    points = np.sort([rng.choice(len(X), 2, replace=False) for _ in range(n_neurons)], axis=1)
    return neurons_through(X, inputs, points)


def kept(chunks, values):
    """Values of all rows as the chunks keep them."""
    return chunks.keep(of_rows, values)


def of_rows(chunk, values):
    return values[chunk.rows]


def balanced_dual(n, weight, q=1, seed=2):
    dual = np.random.default_rng(seed).normal(size=(n, q)) * weight[:, None]
    return dual - weight[:, None] * dual.sum(axis=0)


# --- sums over chunks -------------------------------------------------------------------------


def test_cross_products_of_chunks_are_those_of_all_rows(chunks):
    X, y, weight = table()
    neurons = some_neurons(X)
    off = np.random.default_rng(0).normal(size=len(neurons))
    H = neurons.activations(X.T)
    activations = ComputedActivations(neurons, UNSCALED, H @ weight + off)
    problem = restricted_problem(SquaredError(), chunks, "auto", activations.take([]))
    found = problem.cross_products(activations, 8, H[:8] @ weight)
    centred = H - (H @ weight)[:, None]
    expected = (centred * weight) @ centred[8:].T, (centred[8:] * weight) @ y, H[8:] @ weight
    for ours, theirs in zip(found, expected, strict=True):
        assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_hinges_by_bins_have_the_values_of_hinges_by_rows(chunks):
    X, _, weight = table()
    dual = balanced_dual(len(X), weight, q=2)
    starts = np.sort(np.unique(X[weight > 0, 0])[5:200:7])
    (sums,) = chunks.sum(
        histograms.hinge_sums, UNSCALED, [(0, bins_of(starts))], along=(kept(chunks, dual),)
    )
    order = np.argsort(X[:, 0])
    exact = hinge_values(X[order, 0], dual[order].T)
    expected = exact[np.searchsorted(X[order, 0], starts)]
    assert_allclose(
        histograms.hinge_values_of_bins(starts, sums, 0), expected, rtol=1e-9, atol=1e-15
    )
    for direction in (-1, 1):
        ours = histograms.hinge_values_of_bins(starts, sums[:1], direction)
        exact = hinge_values(X[order, 0], dual[order, :1].T, direction)
        expected = exact[np.searchsorted(X[order, 0], starts)]
        assert_allclose(ours, expected, rtol=1e-9, atol=1e-15)


def test_cells_have_the_sums_of_their_rows(chunks):
    X, _, weight = table()
    dual = balanced_dual(len(X), weight, q=2)
    bins = {k: bins_of(np.unique(X[:, k])[:: (50 if k < 2 else 1)]) for k in range(3)}
    (sums,) = chunks.sum(
        histograms.cell_sums, UNSCALED, bins, [(0, 2), (1, 2)], 12, along=(kept(chunks, dual),)
    )
    place = {
        k: np.maximum(np.searchsorted(bins[k].starts, X[:, k], "right") - 1, 0) for k in range(3)
    }
    for (k, j), of_pair in zip([(0, 2), (1, 2)], sums, strict=True):
        expected = np.zeros((2, 3, 144))
        np.add.at(expected[0, 0], place[k] * 12 + place[j], dual[:, 0])
        np.add.at(expected[1, 2], place[k] * 12 + place[j], dual[:, 1] * X[:, j])
        assert_allclose(of_pair[0, 0], expected[0, 0], atol=1e-14)
        assert_allclose(of_pair[1, 2], expected[1, 2], atol=1e-14)


@pytest.mark.parametrize("inputs", [(0, 1), (1, 2)])
def test_lines_by_sectors_have_the_values_of_their_neurons(chunks, inputs):
    X, _, weight = table()
    dual = balanced_dual(len(X), weight)
    pivot = 17
    x, y = (X[:, k] - X[pivot, k] for k in inputs)
    others = np.flatnonzero((x != 0) & (y != 0))[::9]
    slopes, first = np.unique(y[others] / x[others], return_index=True)
    pencil = histograms.Sectors(
        inputs, X[pivot, list(inputs)], slopes, bins_of(histograms.flattened(slopes))
    )
    (sums,) = chunks.sum(histograms.sector_sums, UNSCALED, [pencil], along=(kept(chunks, dual),))
    ours = np.array(histograms.sides_of_lines(slopes, sums))[:, 0]
    through = np.column_stack([np.full(len(first), pivot), others[first]])
    neurons = neurons_through(X, np.broadcast_to(inputs, through.shape).copy(), through)
    both = [(n.activations(X.T) @ dual)[:, 0] for n in (neurons, neurons.reversed())]
    assert_allclose(np.sort(ours, axis=0), np.sort(both, axis=0), atol=1e-13)
    lines = histograms.line_weights(slopes)
    assert_allclose(np.abs(lines), np.abs(neurons.weights.T), atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "q"), [(LogLoss(), 1), (SquaredHinge(), 3), (Multinomial(), 3)], ids=str
)
@pytest.mark.parametrize("levelled", [False, True])
def test_the_quadratic_model_of_sums_has_the_minimiser_of_that_of_rows(loss, q, levelled):
    X, _, weight = table()
    present = weight > 0
    X, weight = X[present], weight[present]
    rng = np.random.default_rng(3)
    target = np.eye(q)[rng.integers(0, q, len(X))] if q > 1 else rng.integers(0, 2, (len(X), 1))
    target, neurons = target.astype(float), some_neurons(X, 6)
    intercept, coef = rng.normal(size=q), rng.normal(size=(len(neurons), q)) * 0.1
    activations = neurons.activations(X.T)
    centre = activations @ weight + 0.1
    minimisers = []
    for rows, held in (
        (OneChunk(X, target, weight), KeptActivations(activations)),
        (LocalChunks(X, target, weight, 100), ComputedActivations(neurons, UNSCALED, centre)),
    ):
        problem = restricted_problem(loss, rows, "auto", held.take(np.arange(0)))
        columns = problem.extend(problem.no_columns(), held)
        point = Point(problem, columns, 1e-3, coef, intercept)
        model = point.model(np.arange(len(coef)), levelled)
        minimisers.append(model.minimiser(1e-3, coef, columns.signs))
    for ours, theirs in zip(*minimisers, strict=True):
        assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.newest
@pytest.mark.parametrize("hessian_bytes", [np.inf, 0.0], ids=["Hessian", "levelled"])
@pytest.mark.parametrize(
    ("loss", "q"),
    [(SquaredError(), 1), (SquaredError(), 2), (LogLoss(), 1), (SquaredHinge(), 3)]
    + [(Multinomial(), 3), (Poisson(), 1), (Huber(0.5), 1)]
    + [(Pinball(1.0, 1.0), 1), (Pinball(0.2, 0.8), 1), (Hinge(), 3)],
    ids=str,
)
def test_a_restricted_problem_has_one_solution_however_rows_are_kept(loss, q, hessian_bytes):
    X, y, weight = table(400)
    present = weight > 0
    X, y, weight = X[present], y[present], weight[present]
    y = np.abs(y) if isinstance(loss, Poisson) else y
    if isinstance(loss, LogLoss):
        y = (y > 0).astype(float)
    elif q > 1:
        y = np.eye(q)[np.digitize(y[:, 0] + X[:, 0], [-0.5, 0.5]) % q]
    neurons = some_neurons(X, 15)
    H = neurons.activations(X.T)
    held, computed = KeptActivations(H), ComputedActivations(neurons, UNSCALED, H @ weight + 0.1)
    solved = []
    for rows, activations in (
        (OneChunk(X, y, weight), held),
        (LocalChunks(X, y, weight, 90), computed),
    ):
        nothing = activations.take(np.arange(0))
        problem = restricted_problem(loss, rows, "active_set", nothing, hessian_bytes)
        columns = problem.no_columns()
        for part in (np.arange(8), np.arange(8, len(neurons))):
            columns = problem.extend(columns, activations.take(part))
        kept = np.arange(2, len(neurons))
        columns = problem.extend(columns, nothing, kept=kept)
        start = np.zeros((len(kept), q)), loss.constant_model(y, weight)
        found = problem.solve(columns, 3e-3, *start, accuracy=1e-11)
        dual = problem.balanced(found.dual)
        solved.append(
            [
                problem.objective(found.predicted, found.coef, 3e-3),
                np.concatenate(found.predicted),
                np.concatenate(dual.kept),
                problem.values(columns, found.coef, dual),
                dual.bound(0.7),
                *problem.moments(columns),
            ]
        )
    assert np.any(found.coef)
    assert_allclose(solved[0][0], solved[1][0], rtol=1e-9)
    for ours, theirs in zip(*solved, strict=True):
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


LOSSES = [
    SquaredError(),
    Huber(0.5),
    Poisson(),
    Gamma(),
    LogLoss(),
    SquaredHinge(),
    Multinomial(),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_a_dual_point_that_shrinks_has_the_dual_value_of_its_multiple(chunks, loss):
    X, y, weight = table()
    rng = np.random.default_rng(5)
    q = 3 if isinstance(loss, Multinomial) else 1
    if isinstance(loss, LogLoss | SquaredHinge):
        y = (y > 0).astype(float)
    elif q > 1:
        y = np.eye(q)[rng.integers(0, q, len(X))]
    elif isinstance(loss, Poisson | Gamma):
        y = np.abs(y) + 0.1
    present = weight > 0
    dual = np.zeros((len(X), q))
    predicted = 0.3 * rng.normal(size=dual.shape)
    dual[present] = loss.dual_point(predicted[present], y[present], weight[present])
    chunks = LocalChunks(X, y, weight, chunks.at_most)
    point = DualPoint(kept(chunks, dual), chunks, loss)
    for shrink in (1.0, 0.9, 0.5, 0.1):
        expected = loss.dual_value(shrink * dual[present], y[present], weight[present])
        assert_allclose(point.bound(shrink), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("spread", ["even", "normal", "uneven"])
def test_bins_by_table_are_those_by_search(spread):
    rng = np.random.default_rng(0)
    starts = {
        "even": np.linspace(-2, 3, 300),
        "normal": np.sort(rng.normal(size=400)),
        "uneven": np.sort(rng.normal(size=300) ** 9),
    }[spread]
    values = np.concatenate([rng.normal(size=5000) * 2, starts, [-1e9, 1e9]])
    bins = bins_of(starts)
    assert_array_equal(bins.count(values), np.searchsorted(starts, values, side="right"))
    assert bins.table is not None
    single = bins_of(np.array([0.5]))
    assert_array_equal(single.count(np.array([0.0, 0.5, 1.0])), [0, 1, 1])


# --- the sample -------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [32, 64])
def test_keys_are_in_the_order_of_the_numbers_and_lead_back_to_them(width):
    rng = np.random.default_rng(0)
    values = rng.normal(size=200) * 10.0 ** rng.integers(-30, 30, 200)
    values = np.concatenate([values, [0.0, -0.0, 1.0, -1.0]]).astype(f"f{width // 8}")
    keys = ordered_keys(values, width)
    order = np.argsort(values, kind="stable")
    assert_array_equal(np.diff(keys[order].astype(object)) >= 0, True)
    assert_array_equal([value_of_key(int(key), width) for key in keys], values.astype(float))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("unit", [1.0, 0.1, 1e5])
def test_quantiles_by_digits_are_those_of_sorted_columns(dtype, unit, monkeypatch):
    rng = np.random.default_rng(4)
    X = np.column_stack(
        [rng.normal(size=1000), np.round(rng.normal(size=1000)), rng.integers(0, 2, 1000)]
    ).astype(dtype)
    weight = unit * rng.integers(0, 3, 1000)
    levels = (1e-13, 0.005, 0.25, 0.5, 0.995, 1 - 1e-13)
    chunks = LocalChunks(X, np.zeros((1000, 1)), weight, 130)
    found = column_quantiles(chunks, weight.sum(), levels)
    present = weight > 0
    shares = weight[present] / weight.sum()
    expected = [weighted_quantiles(column[present], shares, levels) for column in X.T]
    assert_array_equal(found.T, expected)
    monkeypatch.setattr("sklearn_wedge._core.rows.quantiles.QUANTILES_AT_ONCE", 5)
    assert_array_equal(column_quantiles(chunks, weight.sum(), levels), found)


@pytest.mark.parametrize("scaling", ["standardize", "mean", "none"])
@pytest.mark.parametrize("standardize", [True, False])
def test_the_scaling_of_chunks_is_that_of_samples_in_memory(scaling, standardize):
    X, y, weight = table()
    X, y = X * [1.0, 1e3, 1.0] + [0.0, 1e6, 0.0], np.abs(y) + 1
    options = SampleOptions(standardize, 0.02, scaling)
    ours = chunked_sample(LocalChunks(X, y, weight, 77), options)
    theirs = canonical_sample(X, y, weight, options)
    for name in ("input_scaling", "target_scaling", "output_scaling"):
        for part in ("lower", "upper", "mean", "scale"):
            found, expected = (getattr(getattr(s, name), part) for s in (ours, theirs))
            assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    assert_allclose(ours.points, theirs.points, atol=1e-9)
    assert_array_equal(ours.first_row, theirs.first_row)
    (mean,) = ours.rows.sum(passes.target_mean)
    assert_allclose(mean, theirs.weight @ theirs.target, atol=1e-12)


def test_chunks_are_as_small_as_the_memory_asks_for():
    assert rows_per_chunk(100, 2**20) < rows_per_chunk(100, 2**25) <= 4096
    assert rows_per_chunk(100, 0) == 64
    with sklearn.config_context(working_memory=64):
        assert is_beyond_memory(20_000, 5, NeuronClass(2))
        assert not is_beyond_memory(10_000, 5, NeuronClass(2))
        assert not is_beyond_memory(100_000, 1, NeuronClass(1))


# --- fits -------------------------------------------------------------------------------------


def friedman(n=1500):
    X, y = make_friedman1(n, n_features=5, noise=1.0, random_state=0)
    return X, y, np.random.default_rng(0).integers(0, 3, n).astype(float)


LABELS = np.array(["low", "middle", "high"])


def two(y):
    """Two positive targets of different spreads."""
    return np.column_stack([np.abs(y), np.abs(y - 14) / 3 + 0.1])


MODELS = {
    "squared error": (WedgeReLURegressor(2e-2), lambda y: y),
    "two targets": (WedgeReLURegressor(3e-2), lambda y: np.column_stack([y, np.abs(y - 14)])),
    "two of huber": (WedgeReLURegressor(3e-2, loss="huber"), two),
    "two of poisson": (WedgeReLURegressor(3e-2, loss="poisson"), lambda y: np.round(two(y))),
    "two of gamma": (WedgeReLURegressor(3e-2, loss="gamma"), two),
    "two medians": (WedgeReLURegressor(6e-2, loss="absolute_error"), two),
    "huber": (WedgeReLURegressor(2e-2, loss="huber"), lambda y: y),
    "poisson": (WedgeReLURegressor(2e-2, loss="poisson"), lambda y: np.round(np.abs(y))),
    "gamma": (WedgeReLURegressor(2e-2, loss="gamma"), lambda y: np.abs(y) + 0.1),
    "median": (WedgeReLURegressor(2e-2, loss="absolute_error"), lambda y: y),
    "quantile": (WedgeReLURegressor(1e-2, loss="quantile", quantile=0.9), lambda y: y),
    "hinge": (WedgeReLUClassifier(3e-2, loss="hinge"), lambda y: y > 14),
    "order 1": (WedgeReLURegressor(2e-2, interaction_order=1), lambda y: y),
    "monotone": (
        WedgeReLURegressor(2e-2, monotonic_cst=[1, 1, 0, 1, 0], ramps=False),
        lambda y: y,
    ),
    "groups": (WedgeReLURegressor(2e-2, interaction_cst=[(0, 1), (2, 3, 4)]), lambda y: y),
    "unscaled": (
        WedgeReLURegressor(0.2, standardize=False, clip_quantile=None),
        lambda y: y,
    ),
    "log loss": (WedgeReLUClassifier(1e-2, class_weight="balanced"), lambda y: y > 14),
    "squared hinge": (WedgeReLUClassifier(3e-2, loss="squared_hinge"), lambda y: y > 14),
    "classes": (WedgeReLUClassifier(2e-2), lambda y: LABELS[np.digitize(y, [12, 16])]),
}


# Losses of two lines take more passes over the chunks: nobody waits for the last digits.
LOOSELY = dict.fromkeys(["median", "two medians", "quantile", "hinge"], 1e-3)


def fitted(kind, memory, X, y, weight, **parameters):
    model, of_target = MODELS[kind]
    with sklearn.config_context(working_memory=memory):
        return sklearn.clone(model).set_params(**parameters).fit(X, of_target(y), weight)


@pytest.mark.newest
@pytest.mark.parametrize("kind", MODELS)
def test_a_fit_in_chunks_has_the_objective_of_one_in_memory(kind):
    X, y, weight = friedman(800)
    tol = LOOSELY.get(kind, 1e-5)
    chunks, memory = (fitted(kind, m, X, y, weight, tol=tol) for m in (LITTLE, PLENTY))
    constant = memory.history_[0].objective
    ours, theirs = chunks.certificate_, memory.certificate_
    assert not ours.exact
    assert abs(ours.objective - theirs.objective) <= 3 * tol * max(constant, ours.objective * 10)
    # A certified bound holds for what was found in chunks.
    assert ours.objective >= theirs.lower_bound - 1e-9
    assert_allclose(chunks.x_mean_, memory.x_mean_, rtol=1e-9)
    assert_array_equal(chunks.clip_bounds_, memory.clip_bounds_)
    assert chunks.support_.max() < len(X)


@pytest.mark.newest
@pytest.mark.parametrize("share", [0.0, 1e6], ids=["levelled", "Hessian"])
def test_classes_have_the_same_objective_with_and_without_a_hessian(share, monkeypatch):
    monkeypatch.setattr("sklearn_wedge._training.chunked.ARRAY_SHARE", share)
    seen = []
    original = passes.model_sums

    def recorded(*args):
        seen.append(original(*args))
        return seen[-1]

    monkeypatch.setattr(passes, "model_sums", recorded)
    X, y, weight = friedman(400)
    memory = fitted("classes", PLENTY, X, y, weight, tol=1e-4)
    seen.clear()
    chunks = fitted("classes", LITTLE, X, y, weight, tol=1e-4)
    constant = memory.history_[0].objective
    assert abs(chunks.certificate_.objective - memory.certificate_.objective) <= 2e-4 * constant
    largest = max(part.size for sums in seen for part in sums)
    m = max(sums[0].shape[1 if share == 0 else 0] for sums in seen)
    assert largest == (m**2 if share == 0 else (3 * m) ** 2)


@pytest.mark.newest
def test_neither_the_size_of_chunks_nor_weights_for_copies_nor_absent_rows_matter():
    X, y, weight = friedman(800)
    reference = fitted("squared error", LITTLE, X, y, weight).certificate_.objective
    smaller = fitted("squared error", 0.01, X, y, weight)
    copies = np.repeat(np.arange(len(X)), weight.astype(int))
    copied = fitted("squared error", LITTLE, X[copies], y[copies], None)
    shuffled = np.random.default_rng(1).permutation(len(X))
    moved = fitted("squared error", LITTLE, X[shuffled], y[shuffled], weight[shuffled] * 1e200)
    for model in (smaller, copied, moved):
        assert abs(model.certificate_.objective - reference) <= 1e-8


def test_neurons_pass_through_rows_of_the_data():
    X, y, weight = friedman()
    model = fitted("squared error", LITTLE, X, y, weight)
    neurons = model.neurons_
    inputs = (np.clip(X, *model.clip_bounds_) - model.x_mean_) / model.x_scale_
    for k, rows in enumerate(neurons.rows):
        used = neurons.inputs[k] >= 0
        for row in rows[rows >= 0]:
            at = inputs[row, neurons.inputs[k][used]] @ neurons.weights[k][used]
            assert abs(at + neurons.offsets[k]) < 1e-9
    assert np.all(weight[model.support_] > 0)


@pytest.mark.newest
def test_the_number_of_threads_leaves_every_bit_of_a_fit_in_chunks():
    X, y, weight = friedman(3_000)
    one, *others = (
        fitted("squared error", LITTLE, X, y, weight, n_jobs=jobs) for jobs in (1, 2, 4)
    )
    for other in others:
        assert other.certificate_ == one.certificate_
        for ours, theirs in zip(other.coefs_, one.coefs_, strict=True):
            assert_array_equal(ours, theirs)


def test_a_large_table_is_searched_around_a_sample_of_its_rows():
    X, y, weight = friedman(9_000)
    chunks, memory = (fitted("squared error", m, X, y, weight) for m in (LITTLE, PLENTY))
    assert abs(chunks.certificate_.objective - memory.certificate_.objective) <= 1e-4 * 0.5


def test_a_mapped_file_of_single_precision_is_fitted_as_it_is(tmp_path):
    X, y, weight = friedman()
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = fitted("squared error", LITTLE, mapped, y, weight)
    other = fitted("squared error", LITTLE, X.astype(np.float32), y, weight)
    assert model.certificate_.objective == other.certificate_.objective
    with sklearn.config_context(working_memory=LITTLE):
        assert_array_equal(model.predict(mapped), other.predict(X.astype(np.float32)))
    broken = X.copy()
    broken[700, 3] = np.inf
    with pytest.raises(ValueError, match=r"1 value\(s\), the first in row 700, column 3"):
        fitted("squared error", LITTLE, broken, y, weight)


@pytest.mark.newest
def test_a_mapped_file_of_single_precision_is_not_copied(tmp_path, monkeypatch):
    # Points are a fixed number of rows: a few of them, so that they do not hide a copy.
    monkeypatch.setattr("sklearn_wedge._core.rows.chunked.MOST_POINTS", 256)
    rng = np.random.default_rng(0)
    np.save(tmp_path / "X.npy", rng.normal(size=(40_000, 30)).astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    y = np.abs(mapped[:, 0]).astype(float)
    model = WedgeReLURegressor(0.1, interaction_order=1, clip_quantile=None, tol=0.3)
    with sklearn.config_context(working_memory=32 * LITTLE):
        model.fit(mapped[:3_000], y[:3_000])  # what is compiled or read once takes memory, too
        tracemalloc.start()
        try:
            model.fit(mapped, y)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert model.n_neurons_ > 0
    # A copy in double precision alone would take that.
    assert peak < 2 * mapped.nbytes


def test_rows_without_a_weight_do_not_decide_how_a_table_is_fitted():
    X, y, _ = friedman(1500)
    weight = np.zeros(len(X))
    weight[:100] = 1.0
    with sklearn.config_context(working_memory=1):
        assert WedgeReLURegressor(0.1).fit(X, y, weight).certificate_.exact
        assert not WedgeReLURegressor(0.1).fit(X, y).certificate_.exact


def test_chunks_keep_the_type_of_the_inputs_and_leave_out_rows_without_weight():
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    chunks = LocalChunks(X, np.zeros((6, 1)), np.array([0.0, 1, 0, 0, 0, 2]), 2, first=10)
    seen = chunks.map(lambda chunk: chunk)
    assert [chunk.rows.tolist() for chunk in seen] == [[11], [15]]
    assert all(chunk.inputs.dtype == np.float32 for chunk in seen)
    assert chunks.inputs is X


@pytest.mark.parametrize(
    ("model", "pair"),
    [
        (WedgeReLURegressor(0.01, loss=lambda f, y: (f - y) ** 2), "a loss of your own"),
        (WedgeReLURegressor(0.01, norm="l2"), "norm='l2'"),
        (WedgeReLURegressor(0.01, interaction_order=None), "neurons of 5 inputs"),
        (WedgeReLURegressor(0.01, solver="cvxpy"), "solver='cvxpy'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_chunks_cannot_do_is_done_in_memory_or_refused_with_advice(model, pair):
    X, y, _ = friedman(60)
    y = y > 14 if isinstance(model, WedgeReLUClassifier) else y
    model.set_params(alpha=0.1, tol=1e-2, pricing="search")
    with sklearn.config_context(working_memory=LITTLE):
        little = model.fit(X, y).certificate_
    assert little == model.fit(X, y).certificate_
    array = pytest.importorskip("dask.array")
    message = rf"{pair} and a fit in chunks of rows do not combine: .* sample of its rows"
    with pytest.raises(ValueError, match=message):
        model.fit(array.from_array(X, chunks=(30, -1)), array.from_array(y, chunks=30))


def test_exact_pricing_is_done_in_memory_or_refused():
    X, y, _ = friedman(300)
    with sklearn.config_context(working_memory=LITTLE):
        assert WedgeReLURegressor(0.05, pricing="exact").fit(X, y).certificate_.exact
        chunks = local_chunks(X, y[:, None], np.ones(len(X)), SERIAL)
        with pytest.raises(ValueError, match="pricing='exact' and a fit in chunks of rows"):
            chunked_problem(chunks, FitOptions(pricing="exact"), SquaredError(), NeuronClass(2))


def test_paths_and_cross_validation_go_through_chunks_too():
    X, y, _ = friedman(400)
    with sklearn.config_context(working_memory=LITTLE):
        path = wedge_relu_path(X, y, [0.1, 0.02])
        assert not any(certificate.exact for certificate in path.certificates)
        largest = alpha_max(X, y)
        model = regressor_cv(alphas=4, eps=1e-2, cv=2).fit(X, y)
    assert_allclose(largest, alpha_max(X, y), rtol=1e-6)
    assert model.n_neurons_ > 0


@pytest.mark.parametrize(
    "loss", [SquaredError(), Huber(0.5), Poisson(), Pinball(0.3, 0.7)], ids=str
)
def test_a_constant_column_or_target_leaves_the_constant_model(loss):
    y = np.ones((100, 1))
    chunks = LocalChunks(np.ones((100, 2)), y, np.ones(100), 30)
    problem, _ = chunked_problem(chunks, FitOptions(), loss, NeuronClass(2))
    assert problem.constant.objective < 1e-12
    nothing = problem.restricted.no_columns()
    assert len(problem.solve(nothing, 1.0, np.empty((0, 1)), np.zeros(1)).values) == 0


# --- dask -------------------------------------------------------------------------------------

array = pytest.importorskip("dask.array")


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def as_dask(X, y, weight, rows=200):
    return (
        array.from_array(X, chunks=(rows, 2)),
        array.from_array(y, chunks=(rows + 100, *y.shape[1:])),
        array.from_array(weight, chunks=rows - 100),
    )


@pytest.mark.newest
@pytest.mark.parametrize("kind", ["squared error", "two targets", "log loss", "classes", "median"])
def test_dask_arrays_have_the_objective_of_a_file(kind):
    X, y, weight = friedman(300)
    X = X.astype(np.float32)
    target = MODELS[kind][1](y)
    local = fitted(kind, LITTLE, X, y, weight, alpha=0.03)
    with sklearn.config_context(working_memory=LITTLE):
        model = sklearn.clone(MODELS[kind][0]).set_params(alpha=0.03)
        model.fit(*as_dask(X, target, weight))
    # Where Newton's steps of several classes or on an envelope end, the order of sums may decide.
    is_loose = kind in ("classes", "median")
    allowed = local.certificate_.tolerance if is_loose else 1e-8
    assert abs(model.certificate_.objective - local.certificate_.objective) <= allowed
    predicted = model.predict(array.from_array(X, chunks=(130, 5)))
    assert isinstance(predicted, array.Array)
    assert predicted.chunks[0] == (130, 130, 40)
    if predicted.dtype.kind == "f":
        atol = 0.05 * np.std(target) if is_loose else 1e-5
        assert_allclose(predicted.compute(), local.predict(X), rtol=1e-5, atol=atol)
    else:
        assert_array_equal(predicted.compute(), model.predict(X))
        probability = model.predict_proba(array.from_array(X, chunks=(130, 5))).compute()
        assert_allclose(probability, model.predict_proba(X), rtol=1e-12)
        assert_allclose(probability, local.predict_proba(X), atol=0.01)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


@pytest.mark.parametrize("kind", ["squared error", "log loss"])
def test_chunks_on_workers_have_the_objective_of_a_file(kind, client):
    X, y, weight = friedman(300)
    local = fitted(kind, LITTLE, X, y, weight, alpha=0.03)
    model = sklearn.clone(MODELS[kind][0]).set_params(alpha=0.03)
    model.fit(*as_dask(X, MODELS[kind][1](y), weight))
    assert abs(model.certificate_.objective - local.certificate_.objective) <= 1e-8
    assert_array_equal(model.support_, local.support_)


def test_a_chunk_without_weights_and_targets_in_memory_are_taken():
    X, y, _ = friedman(400)
    weight = np.r_[np.zeros(150), np.ones(250)]
    model = WedgeReLURegressor(0.03).fit(array.from_array(X, chunks=(150, 5)), y, weight)
    local = fitted("squared error", LITTLE, X[150:], y[150:], None, alpha=0.03)
    assert abs(model.certificate_.objective - local.certificate_.objective) <= 1e-8


def with_empty_chunks(X):
    """The same rows, with chunks without any at the beginning and in between."""
    return array.concatenate([X[:0], X[:40], X[:0], X[40:]]).rechunk(((0, 40, 0, len(X) - 40), -1))


@pytest.mark.parametrize("dtype", [np.int8, bool, "U3", object])
def test_labels_keep_their_type_also_where_chunks_have_no_rows(dtype):
    X, y, _ = friedman(100)
    X = with_empty_chunks(array.from_array(X, chunks=(50, -1)))
    assert 0 in X.chunks[0]
    labels = np.array(["no", "yes"]) if dtype in ("U3", object) else np.array([0, 1])
    labels = labels.astype(dtype)[(y > 14).astype(int)]
    for target in (labels, array.from_array(labels, chunks=30)):
        model = WedgeReLUClassifier(0.3, tol=1e-1, interaction_order=1).fit(X, target)
        assert model.classes_.dtype == labels.dtype
        assert_array_equal(model.classes_, np.unique(labels))


@pytest.mark.parametrize("kind", ["squared error", "two targets", "classes"])
def test_chunks_without_rows_are_predicted(kind):
    X, y, _ = friedman(100)
    target = MODELS[kind][1](y)
    model = sklearn.clone(MODELS[kind][0]).set_params(alpha=0.1, tol=1e-2).fit(X, target)
    chunks = with_empty_chunks(array.from_array(X, chunks=(50, -1)))
    predicted = model.predict(chunks)
    assert predicted.chunks[0] == chunks.chunks[0]
    assert_array_equal(predicted.compute(), model.predict(X))
    none = predicted.blocks[0].compute()
    assert none.shape == (0, *target.shape[1:])
    assert none.dtype == predicted.dtype


@pytest.mark.newest
def test_targets_and_weights_of_any_sequence_are_taken_beside_a_dask_array():
    X, y, _ = friedman(100)
    chunks = array.from_array(X, chunks=(40, -1))
    two = np.column_stack([y, -y])
    model = WedgeReLURegressor(0.3, tol=1e-1, interaction_order=1)
    expected = sklearn.clone(model).fit(chunks, two).certificate_
    # A power of two: any other weight rounds sums in its own way, and differs in the last bit.
    assert model.fit(chunks, two.tolist(), 4.0).certificate_ == expected
    assert model.predict(X).shape == (100, 2)
    for given in ([[value] for value in y], array.from_array(y[:, None], chunks=(40, 1))):
        with pytest.warns(sklearn.exceptions.DataConversionWarning, match="y has shape"):
            column = model.fit(chunks, given)
        assert column.predict(X).shape == column.predict(chunks).shape == y.shape
    labels = np.where(y > 14, "high", "low").tolist()
    classifier = WedgeReLUClassifier(0.3, tol=1e-1, interaction_order=1).fit(chunks, labels, 0.5)
    assert classifier.classes_.tolist() == ["high", "low"]


@pytest.mark.parametrize(
    "model", [WedgeReLURegressor(0.01), WedgeReLUClassifier(0.01)], ids=["r", "c"]
)
def test_malformed_targets_beside_a_dask_array_are_refused(model):
    X, y, _ = friedman(100)
    X, y = array.from_array(X, chunks=(40, -1)), y > 14
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        model.fit(X, None)
    with pytest.raises(ValueError, match="one or two dimensions"):
        model.fit(X, 1.0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples: 100 and 99"):
        model.fit(X, y[1:].tolist())
    with pytest.raises(ValueError, match="X and sample_weight have inconsistent"):
        model.fit(X, y, [1.0, 2.0])
    with pytest.raises(ValueError, match="must be 1D array or scalar"):
        model.fit(X, y, [[1.0]] * 100)


def broken_arrays():
    X, y, weight = as_dask(*friedman(900))
    yield "infinity", X / (X - X[0, 0]), y, weight, "infinity"
    yield "unknown chunks", X[X[:, 0] > 0.5], y, weight, "compute_chunk_sizes"
    yield "lengths", X, y[:500], weight, "inconsistent numbers of samples: 900 and 500"
    yield "one dimension", y, y, weight, "Expected 2D array"
    yield "text", X.astype(str), y, weight, "must be numeric"
    yield "a bad target", X, array.where(y > 20, np.inf, y), weight, "Input y contains"
    yield "negative weights", X, y, weight - 1, "Negative values"
    yield "no weights", X, y, weight * 0, "zero for every row"
    yield "weights of two columns", X, y, X[:, :2], "must be 1D"


@pytest.mark.parametrize(
    ("X", "y", "weight", "message"),
    [pytest.param(*case[1:], id=case[0]) for case in broken_arrays()],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_malformed_dask_arrays_are_refused(X, y, weight, message):
    with pytest.raises(ValueError, match=message):
        WedgeReLURegressor(0.01).fit(X, y, weight)


def test_what_does_not_take_dask_arrays_says_so():
    X, y, weight = as_dask(*friedman(300))
    for model in (regressor_cv(), classifier_cv()):
        with pytest.raises(ValueError, match="does not take dask arrays"):
            model.fit(X, y > 10)
    with pytest.raises(ValueError, match="do not take dask arrays"):
        alpha_max(X, y)
    with pytest.raises(ValueError, match=r"norm='l2' and a fit in chunks .* sample of its rows"):
        WedgeReLURegressor(0.01, norm="l2").fit(X, y)
    with pytest.raises(ValueError, match="negative"):
        WedgeReLURegressor(0.01, loss="poisson").fit(X, y - 100)
    with pytest.raises(ValueError, match="several targets"):
        WedgeReLURegressor(0.01, loss=abs).fit(X, array.stack([y, y], axis=1))
    with pytest.raises(ValueError, match="at least two classes"):
        WedgeReLUClassifier(0.01).fit(X, y > 1000)
    with pytest.raises(ValueError, match="Unknown label type"):
        WedgeReLUClassifier(0.01).fit(X, y)
    fitted_model = WedgeReLURegressor(0.3).fit(X, y, weight)
    assert fitted_model.n_features_in_ == 5
    for read in (fitted_model.explain, fitted_model.inputs_frame):
        with pytest.raises(ValueError, match=rf"{read.__name__} does not take dask .*head"):
            read(X)
    with pytest.raises(ValueError, match="expecting 5 features"):
        fitted_model.predict(X[:, :3])


def test_constant_inputs_on_dask_get_no_neuron():
    X = array.ones((100, 2), chunks=(50, 2))
    model = WedgeReLURegressor(0.01).fit(X, array.arange(100, chunks=50))
    assert model.n_neurons_ == 0
