"""What must not change a fit: weights as copies, order, units, memory layout, redundant data."""

import warnings
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_wedge import WedgeReLURegressor, alpha_max

pytestmark = pytest.mark.newest

# "Changes nothing": relative to the largest prediction.
NOTHING = 1e-7
TOLERANCES = [1e-4, 1e-8]
SEEDS = [0, 1, 2]
PARAMETERS = {
    "generic": {"alpha": 0.02},
    "ties": {"alpha": 0.02, "clip_quantile": 0.05},
    "weighted": {"alpha": 0.01},
}


@lru_cache
def table(kind, seed, n=60, d=4):
    """Training data (X, y, weight) and rows that were not seen, some far outside the data."""
    rng = np.random.default_rng(seed)
    weight = np.ones(n)
    if kind == "ties":
        # Heavy tailed integers: ties everywhere, and the 5 % quantiles cut rows off.
        X = np.round(2 * rng.standard_t(2, size=(n, d)))
        y = np.round(3 * np.abs(X[:, 0] - X[:, 1]) ** 0.5 + X[:, 2] + rng.normal(size=n))
        new = np.round(4 * rng.normal(size=(40, d)))
    else:
        X = rng.normal(size=(n, d))
        y = np.abs(X[:, 0] - X[:, 1]) + X[:, 2] * X[:, 3] + 0.1 * rng.normal(size=n)
        new = 2 * rng.normal(size=(40, d))
    if kind == "weighted":
        weight = rng.gamma(1.0, size=n)
    for array in (X, y, weight, new):
        array.flags.writeable = False
    return X, y, weight, new


def fitted(kind, tol, X, y, weight=None, **parameters):
    model = WedgeReLURegressor(**{**PARAMETERS[kind], "tol": tol, **parameters})
    return model.fit(X, y, sample_weight=weight)


@lru_cache
def reference(kind, seed, tol):
    """Predictions of the untouched fit on training rows and on new rows."""
    X, y, weight, new = table(kind, seed)
    model = fitted(kind, tol, X, y, weight)
    assert model.n_neurons_ > 2, "a constant network would make every invariance trivial"
    return model, model.predict(X), model.predict(new)


def assert_same_predictions(actual, expected, tolerance=NOTHING):
    assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


each_case = pytest.mark.parametrize(
    ("kind", "seed", "tol"),
    [(kind, seed, tol) for kind in PARAMETERS for seed in SEEDS for tol in TOLERANCES],
)


def test_the_table_of_ties_is_really_clipped():
    for seed in SEEDS:
        X = table("ties", seed)[0]
        model = reference("ties", seed, 1e-8)[0]
        lower, upper = model.clip_bounds_
        assert np.all(np.any(np.clip(X, lower, upper) != X, axis=0))


@each_case
def test_weight_k_equals_k_copies_and_weight_0_equals_absence(kind, seed, tol):
    X, y, _, new = table(kind, seed)
    rng = np.random.default_rng(100 + seed)
    weight = rng.integers(0, 4, size=len(y))
    copies = rng.permutation(np.repeat(np.arange(len(y)), weight))
    weighted = fitted(kind, tol, X, y, weight.astype(float))
    repeated = fitted(kind, tol, X[copies], y[copies])
    assert weighted.n_neurons_ > 2
    for rows in (X, new):
        assert_same_predictions(weighted.predict(rows), repeated.predict(rows))
    assert_allclose(weighted.certificate_.objective, repeated.certificate_.objective, rtol=1e-9)
    assert_array_equal(weighted.clip_bounds_, repeated.clip_bounds_)


@each_case
def test_a_row_of_weight_0_may_hold_anything_finite(kind, seed, tol):
    X, y, weight, new = table(kind, seed)
    _, on_training, on_new = reference(kind, seed, tol)
    outliers = 1e9 * np.random.default_rng(seed).normal(size=(5, X.shape[1]))
    model = fitted(
        kind,
        tol,
        np.vstack([outliers, X]),
        np.concatenate([np.full(5, 1e9), y]),
        np.concatenate([np.zeros(5), weight]),
    )
    assert_same_predictions(model.predict(X), on_training)
    assert_same_predictions(model.predict(new), on_new)
    # The rows named are those of the X that was given, not of what was left of it.
    assert model.support_.min() >= 5


@pytest.mark.parametrize("factor", [0.1, 3.0, 1e6])
@each_case
def test_a_common_factor_of_the_weights_changes_nothing(kind, seed, tol, factor):
    X, y, weight, new = table(kind, seed)
    model, on_training, on_new = reference(kind, seed, tol)
    scaled = fitted(kind, tol, X, y, factor * weight)
    assert_array_equal(scaled.clip_bounds_, model.clip_bounds_)
    assert_same_predictions(scaled.predict(X), on_training)
    assert_same_predictions(scaled.predict(new), on_new)


@each_case
def test_the_order_of_the_rows_changes_nothing(kind, seed, tol):
    X, y, weight, new = table(kind, seed)
    _, on_training, on_new = reference(kind, seed, tol)
    order = np.random.default_rng(seed).permutation(len(y))
    model = fitted(kind, tol, X[order], y[order], weight[order])
    assert_same_predictions(model.predict(X), on_training)
    assert_same_predictions(model.predict(new), on_new)


@pytest.mark.parametrize(
    ("factor", "shift"),
    [(1e-6, 0.0), (1e6, 0.0), (1.0, 1000.0), (0.3, -32.0)],
)
@each_case
def test_the_unit_of_a_column_changes_nothing(kind, seed, tol, factor, shift):
    X, y, weight, new = table(kind, seed)
    _, on_training, on_new = reference(kind, seed, tol)
    column = seed % X.shape[1]

    def converted(rows):
        rows = rows.copy()
        rows[:, column] = factor * rows[:, column] + shift
        return rows

    model = fitted(kind, tol, converted(X), y, weight)
    assert_same_predictions(model.predict(converted(X)), on_training)
    assert_same_predictions(model.predict(converted(new)), on_new)


@pytest.mark.parametrize(("factor", "shift"), [(1e-6, 0.0), (1e6, 0.0), (-2.3, 50.0)])
@each_case
def test_the_unit_of_the_target_only_changes_the_unit_of_predictions(
    kind, seed, tol, factor, shift
):
    X, y, weight, new = table(kind, seed)
    _, on_training, on_new = reference(kind, seed, tol)
    model = fitted(kind, tol, X, factor * y + shift, weight)
    assert_same_predictions((model.predict(X) - shift) / factor, on_training)
    assert_same_predictions((model.predict(new) - shift) / factor, on_new)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["generic", "ties"])
def test_weights_equal_copies_for_the_whole_path_of_penalties(kind, seed):
    X, y, _, new = table(kind, seed)
    weight = np.random.default_rng(seed).integers(0, 3, size=len(y))
    copies = np.repeat(np.arange(len(y)), weight)
    clip = PARAMETERS[kind].get("clip_quantile")
    largest = alpha_max(X, y, sample_weight=weight, clip_quantile=clip)
    assert_allclose(largest, alpha_max(X[copies], y[copies], clip_quantile=clip), rtol=1e-10)
    for alpha in (0.3 * largest, 0.003 * largest):
        weighted = fitted(kind, 1e-8, X, y, weight, alpha=alpha)
        repeated = fitted(kind, 1e-8, X[copies], y[copies], alpha=alpha)
        assert_same_predictions(weighted.predict(new), repeated.predict(new))


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("parameters", [{"pricing": "search"}, {"interaction_order": 3}])
@pytest.mark.parametrize("kind", list(PARAMETERS))
def test_order_and_weights_change_nothing_when_priced_by_search_or_at_order_3(
    kind, parameters, seed
):
    X, y, weight, new = table(kind, seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    model = fitted(kind, 1e-4, X, y, weight, **parameters)
    permuted = fitted(kind, 1e-4, X[order], y[order], 0.1 * weight[order], **parameters)
    assert_same_predictions(permuted.predict(X), model.predict(X))
    assert_same_predictions(permuted.predict(new), model.predict(new))


small_tables = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        st.lists(
            st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(-5, 5)),
            min_size=n,
            max_size=n,
        ),
        st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any),
        st.permutations(range(n)),
    )
)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(small_tables)
def test_weights_are_copies_on_tiny_integer_tables(case):
    rows, weight, order = case
    rows = np.array(rows, dtype=float)
    X, y, weight = rows[:, :2], rows[:, 2], np.array(weight)
    copies = np.repeat(np.array(order), weight[list(order)])
    weighted = WedgeReLURegressor(alpha=0.01).fit(X, y, sample_weight=0.1 * weight)
    repeated = WedgeReLURegressor(alpha=0.01).fit(X[copies], y[copies])
    expected = repeated.predict(X)
    assert_allclose(weighted.predict(X), expected, rtol=0, atol=1e-7 * (1 + np.abs(y).max()))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    small_tables,
    st.sampled_from([1e-6, 0.1, 3.0, 1e6]),
    st.sampled_from([-7.0, 0.0, 0.1, 100.0]),
)
def test_units_change_nothing_on_tiny_integer_tables(case, factor, shift):
    rows = np.array(case[0], dtype=float)
    X, y = rows[:, :2], rows[:, 2]
    changed = np.column_stack([X[:, 0] + shift, factor * X[:, 1]])
    expected = WedgeReLURegressor(alpha=0.01).fit(X, y).predict(X)
    actual = WedgeReLURegressor(alpha=0.01).fit(changed, factor * y).predict(changed) / factor
    assert_allclose(actual, expected, rtol=0, atol=1e-7 * (1 + np.abs(y).max()))


# --- the same numbers in another memory layout ---------------------------------------------------


@pytest.mark.parametrize("kind", ["generic", "ties"])
def test_float32_input_is_the_float64_input_of_the_same_values(kind):
    X, y, weight, new = table(kind, 0)
    X32, y32, new32 = (array.astype(np.float32) for array in (X, y, new))
    single = fitted(kind, 1e-4, X32, y32, weight)
    double = fitted(kind, 1e-4, X32.astype(float), y32.astype(float), weight)
    assert_array_equal(single.predict(new32), double.predict(new32.astype(float)))


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.astype(a.dtype.newbyteorder()),
        lambda a: a.tolist(),
    ],
    ids=["fortran", "strided", "negative stride", "byte order", "lists"],
)
@pytest.mark.parametrize("kind", ["generic", "ties"])
def test_memory_layout_changes_no_bit(kind, layout):
    X, y, weight, new = table(kind, 0)
    _, _, on_new = reference(kind, 0, 1e-4)
    model = fitted(kind, 1e-4, layout(X), layout(y), layout(weight))
    assert_array_equal(model.predict(new), on_new)
    # Predicting multiplies by BLAS, which may sum in another order for another layout.
    assert_same_predictions(model.predict(layout(new)), on_new, 1e-13)


def test_integer_input_is_the_float_input_of_the_same_values():
    X, y, weight, new = table("ties", 1)
    model = fitted("ties", 1e-4, X.astype(int), y.astype(int), weight.astype(int))
    assert_array_equal(model.predict(new), reference("ties", 1, 1e-4)[2])


@pytest.mark.parametrize("kind", list(PARAMETERS))
def test_fitting_leaves_its_arguments_alone(kind):
    arrays = [array.copy() for array in table(kind, 0)[:3]]
    X, y, weight = (array.copy() for array in arrays)
    fitted(kind, 1e-4, X, y, weight).predict(X)
    for after, before in zip((X, y, weight), arrays, strict=True):
        assert_array_equal(after, before)


# --- determinism ---------------------------------------------------------------------------------


def assert_same_bits(a, b):
    for left, right in zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True):
        assert_array_equal(left, right)
    assert_array_equal(a.neurons_.rows, b.neurons_.rows)
    assert a.certificate_ == b.certificate_
    assert a.history_ == b.history_


@pytest.mark.parametrize("pricing", ["exact", "search"])
@pytest.mark.parametrize("kind", list(PARAMETERS))
def test_fitting_twice_gives_the_same_bits_whatever_the_global_random_state(kind, pricing):
    X, y, weight, _ = table(kind, 0)
    first = fitted(kind, 1e-4, X, y, weight, pricing=pricing)
    np.random.random(7)  # noqa: NPY002  the point is to disturb the global generator
    again = fitted(kind, 1e-4, X, y, weight, pricing=pricing)
    assert_same_bits(again, first)
    assert_same_bits(again.fit(X, y, sample_weight=weight), first)


def test_fitting_does_not_touch_the_global_random_state():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    fitted("generic", 1e-4, *table("generic", 0)[:3], pricing="search")
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_number_of_jobs_changes_no_bit(order):
    # Large enough for exact pricing to be split among threads.
    X, y, weight, _ = table("ties", 5, n=70, d=4)
    one, two = (
        fitted("ties", 1e-4, X, y, weight, interaction_order=order, pricing="exact", n_jobs=k)
        for k in (1, 2)
    )
    assert one.certificate_.exact
    assert_same_bits(one, two)


def test_a_refit_forgets_the_first_fit():
    X, y, weight, new = table("generic", 0)
    model = fitted("generic", 1e-4, 5 - 2 * X[:20, :3], y[:20])
    model.fit(X, y, sample_weight=weight)
    assert_array_equal(model.predict(new), reference("generic", 0, 1e-4)[2])


# --- redundant and degenerate data ---------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", list(PARAMETERS))
def test_the_order_of_the_columns_does_not_change_the_optimum(kind, seed):
    X, y, weight, _ = table(kind, seed)
    model, on_training, _ = reference(kind, seed, 1e-8)
    order = np.random.default_rng(seed).permutation(X.shape[1])
    permuted = fitted(kind, 1e-8, X[:, order], y, weight)
    # The optimal values on the training rows are unique; off them there can be a choice.
    assert_same_predictions(permuted.predict(X[:, order]), on_training, 1e-6)
    assert_allclose(permuted.certificate_.objective, model.certificate_.objective, rtol=1e-7)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", list(PARAMETERS))
def test_reflecting_a_column_does_not_change_the_optimum(kind, seed):
    X, y, weight, _ = table(kind, seed)
    # Without clipping: the lower and upper inverse-CDF quantiles are not mirror images.
    model = fitted(kind, 1e-8, X, y, weight, clip_quantile=None)
    signs = np.array([1, -1, 1, -1])
    mirrored = fitted(kind, 1e-8, signs * X, y, weight, clip_quantile=None)
    assert_same_predictions(mirrored.predict(signs * X), model.predict(X), 1e-6)
    assert_allclose(mirrored.certificate_.objective, model.certificate_.objective, rtol=1e-7)


@pytest.mark.parametrize("kind", ["generic", "ties"])
def test_repeating_the_table_changes_nothing(kind):
    X, y, _, new = table(kind, 2)
    model = fitted(kind, 1e-4, np.vstack([X] * 3), np.concatenate([y] * 3))
    assert_same_predictions(model.predict(new), reference(kind, 2, 1e-4)[2])


@pytest.mark.parametrize("value", [0.0, -3.7, 1e12])
@pytest.mark.parametrize("position", [0, 2, 4])
@pytest.mark.parametrize("kind", ["generic", "ties"])
def test_a_constant_column_changes_nothing_and_is_not_used(kind, position, value):
    X, y, weight, new = table(kind, 0)
    X, wide = (np.insert(rows, position, value, axis=1) for rows in (X, new))
    model = fitted(kind, 1e-4, X, y, weight)
    assert_same_predictions(model.predict(wide), reference(kind, 0, 1e-4)[2])
    assert not np.any(model.coefs_[0][position])
    assert model.x_scale_[position] == 1.0


@pytest.mark.parametrize("kind", ["generic", "ties"])
def test_a_repeated_column_does_not_change_the_optimum(kind):
    X, y, weight, _ = table(kind, 0)
    model, on_training, _ = reference(kind, 0, 1e-8)
    twice = np.column_stack([X, X[:, 0]])
    doubled = fitted(kind, 1e-8, twice, y, weight)
    assert_allclose(doubled.certificate_.objective, model.certificate_.objective, rtol=1e-7)
    assert_same_predictions(doubled.predict(twice), on_training, 1e-6)


@pytest.mark.parametrize("order", [1, 2, None])
def test_more_columns_than_rows_are_fitted(order):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5, 9)), rng.normal(size=5)
    model = WedgeReLURegressor(alpha=1e-3, interaction_order=order, pricing="search").fit(X, y)
    assert model.score(X, y) > 0.99
    assert np.all(np.isfinite(model.predict(100 * rng.normal(size=(50, 9)))))


@pytest.mark.parametrize("order", [1, 2, None])
def test_one_row_is_its_own_prediction(order):
    model = WedgeReLURegressor(0.01, interaction_order=order).fit([[1.0, -2.0, 3.0]], [7.0])
    assert_array_equal(model.predict([[1.0, -2.0, 3.0], [50.0, 0.0, -9.0]]), [7.0, 7.0])
    assert model.n_neurons_ == 0
    assert model.certificate_.objective == 0
    assert model.certificate_.relative_gap == 0


def test_two_equal_rows_predict_their_mean():
    model = WedgeReLURegressor(alpha=1e-6).fit(np.ones((2, 3)), [1.0, 4.0], sample_weight=[2, 1])
    assert_allclose(model.predict(np.ones((1, 3))), 2.0, rtol=1e-12)
    assert model.n_neurons_ == 0


def test_one_column_is_fitted_by_knots_at_its_values():
    x = np.linspace(-2, 3, 41)
    model = WedgeReLURegressor(alpha=1e-5, clip_quantile=None, tol=1e-10).fit(x[:, None], np.abs(x))
    assert_allclose(model.predict(x[:, None]), np.abs(x), atol=1e-3)
    # ‖w‖₁ is |w| here: all hyperplanes are knots at data points.
    knots = -model.intercepts_[0] / model.coefs_[0][0]
    assert np.abs(knots[:, None] - x).min(axis=1).max() < 1e-9


@pytest.mark.parametrize("value", [0.0, 5.0, 0.1, -1e9, 1e-9])
def test_a_constant_target_is_predicted_without_neurons(value):
    X, _, weight, new = table("weighted", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fitted("weighted", 1e-4, X, np.full(len(X), value), weight)
    assert_array_equal(model.predict(new), np.full(len(new), value))
    assert model.n_neurons_ == 0
    assert model.certificate_.gap == 0


@pytest.mark.parametrize("x_unit", [1e-100, 1.0, 1e100])
@pytest.mark.parametrize("y_unit", [1e-100, 1.0, 1e100])
@pytest.mark.parametrize("kind", ["generic", "ties"])
def test_astronomic_units_change_nothing(kind, x_unit, y_unit):
    X, y, weight, new = table(kind, 1)
    _, on_training, on_new = reference(kind, 1, 1e-4)
    model = fitted(kind, 1e-4, x_unit * X, y_unit * y, weight)
    assert_same_predictions(model.predict(x_unit * X) / y_unit, on_training)
    assert_same_predictions(model.predict(x_unit * new) / y_unit, on_new)


def test_columns_of_very_different_units_change_nothing():
    X, y, weight, new = table("generic", 1)
    units = np.array([1e-100, 1e-6, 1e6, 1e100])
    model = fitted("generic", 1e-4, X * units, y, weight)
    assert_same_predictions(model.predict(new * units), reference("generic", 1, 1e-4)[2])


def test_a_huge_weight_does_not_overflow():
    X, y, weight, new = table("weighted", 0)
    model = fitted("weighted", 1e-4, X, y, 1e305 * weight)
    assert_same_predictions(model.predict(new), reference("weighted", 0, 1e-4)[2])
