"""``alpha="auto"``: which penalty is chosen, that nothing else decides it, and what it costs."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from dask import array as dask_array
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_wedge import WedgeFeatures, WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge._core.carried import carried
from sklearn_wedge._core.rows import LocalChunks
from sklearn_wedge._estimators import alpha_by_validation, parts
from sklearn_wedge._estimators.fold_paths import Combination, FoldPath, Patience
from sklearn_wedge._estimators.parts import DistinctRows, dealt, rows_to_choose_on
from sklearn_wedge._settings.objectives import regression_loss
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem, solve_alphas

QUICK = {"interaction_order": 1, "tol": 1e-3}
PATIENCE = alpha_by_validation.PATIENCE
STATE = ("alpha_", "alphas_", "validation_scores_", "coefs_", "intercepts_")


def table(n=60, d=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, d))
    return X, np.abs(X[:, 0]) - X[:, -1] + 0.2 * rng.normal(size=n)


X, Y = table()
LABELS = np.array(list("abc"))[np.digitize(Y, [0.2, 0.7])]
COUNTS = (Y * 3).clip(0).round()
KINDS = {
    "squared": (WedgeReLURegressor(**QUICK), Y),
    "two targets": (WedgeReLURegressor(**QUICK), np.column_stack([Y, 100 * X[:, 0] ** 2])),
    "counts": (WedgeReLURegressor(loss="poisson", **QUICK), COUNTS),
    "median": (WedgeReLURegressor(loss="absolute_error", interaction_order=1, tol=3e-2), Y),
    "huber in chunks": (WedgeReLURegressor(loss="huber", epsilon=0.3, **QUICK), Y),
    "two classes": (WedgeReLUClassifier(**QUICK), Y > 0.4),
    "three classes": (WedgeReLUClassifier(class_weight="balanced", **QUICK), LABELS),
    "squared hinge": (WedgeReLUClassifier(loss="squared_hinge", **QUICK), Y > 0.4),
    "two blocks": (WedgeReLURegressor(n_blocks=2, tol=1e-2), Y),
    "constrained": (WedgeReLURegressor(monotonic_cst=[0, -1], **QUICK), Y),
    "l2": (WedgeReLURegressor(norm="l2", tol=1e-2), Y),
}


@pytest.fixture(autouse=True)
def fewer_penalties(monkeypatch):
    """Half as many as by default: what is tested here does not depend on it."""
    monkeypatch.setattr(alpha_by_validation, "FACTOR", 0.2)
    monkeypatch.setattr(alpha_by_validation, "PATIENCE", Patience(1))


def fitted(kind, X=X, weight=None, rows=slice(None), **parameters):
    model, y = KINDS[kind]
    memory = 0.2 if kind.endswith("chunks") else 1024
    with sklearn.config_context(working_memory=memory):
        return clone(model).set_params(**parameters).fit(X[rows], y[rows], weight)


def bits(model):
    """Everything that a fit decides, as bytes."""
    arrays = [model.alpha_, model.alphas_, model.validation_scores_, *model.coefs_]
    return [np.asarray(array).tobytes() for array in (*arrays, *model.intercepts_)]


@pytest.mark.newest
@pytest.mark.parametrize("kind", KINDS)
def test_the_choice_ignores_the_order_of_rows_and_takes_weights_as_copies(kind):
    model = fitted(kind)
    assert model.n_neurons_ > 0
    order = np.random.default_rng(1).permutation(len(X))
    in_chunks = kind.endswith("chunks")  # where hyperplanes pass through rows in their order
    if not in_chunks and kind not in ("two targets", "median"):  # which take long
        assert bits(fitted(kind, rows=order)) == bits(model)
    counts = np.random.default_rng(2).integers(0, 3, size=len(X))
    weighted, copies = fitted(kind, weight=counts), fitted(kind, rows=np.repeat(range(60), counts))
    assert weighted.alpha_ == copies.alpha_
    assert weighted.alpha_ != model.alpha_ or bits(weighted) != bits(model)
    assert_allclose(weighted.validation_scores_, copies.validation_scores_, rtol=1e-12)
    if not in_chunks:
        assert_array_equal(weighted.coefs_[0], copies.coefs_[0])


@pytest.mark.newest
@pytest.mark.parametrize("kind", ["squared", "three classes"])
def test_threads_and_copies_of_the_estimator_leave_the_choice(kind):
    model = fitted(kind)
    assert bits(fitted(kind, n_jobs=2)) == bits(model)
    saved = pickle.loads(pickle.dumps(model))
    assert bits(saved) == bits(model)
    assert bits(saved.fit(X, KINDS[kind][1])) == bits(model)


@pytest.mark.newest
@pytest.mark.parametrize("kind", ["squared", "two targets", "counts", "two classes", "constrained"])
def test_the_network_is_the_optimum_at_the_penalty_chosen(kind):
    model = fitted(kind)
    alone = fitted(kind, alpha=model.alpha_)
    assert alone.alpha_ == model.alpha_
    certificate, other = model.certificate_, alone.certificate_
    assert certificate.exact and other.exact
    assert certificate.gap <= certificate.tolerance
    assert_allclose(certificate.objective, other.objective, atol=other.tolerance, rtol=0)
    assert not hasattr(alone, "alphas_") and not hasattr(alone, "validation_scores_")


def slow_scores(model, y, n_parts=5):
    """Minus half the mean squared error on parts held out, of fits that know of no others."""
    rows = rows_to_choose_on(LocalChunks(X, y[:, None], np.ones(len(y)), 50), by_class=False)
    part, Xs, ys = dealt(rows, n_parts, by_class=False), rows.X, rows.target[:, 0]
    scores = []
    for k in range(n_parts):
        held_out = part == k
        for alpha in model.alphas_:
            alone = clone(model).set_params(alpha=alpha, tol=1e-6)
            alone.fit(Xs[~held_out], ys[~held_out])
            error = (alone.predict(Xs[held_out]) - ys[held_out]) / np.std(ys)
            scores.append(-np.mean(error**2) / 2)
    return np.mean(np.reshape(scores, (n_parts, -1)), axis=0)


@pytest.mark.filterwarnings("ignore:The network is constant")
def test_scores_are_those_of_separate_fits_and_the_penalty_is_near_the_best():
    model = fitted("squared")
    expected = slow_scores(model, Y)
    assert_allclose(model.validation_scores_, expected, rtol=0.1)
    chosen = np.argmin(np.abs(np.log(model.alphas_ / model.alpha_)))
    assert expected[chosen] >= expected.max() * 1.05
    assert expected[chosen] > expected[0] / 2
    assert np.all(np.diff(model.alphas_) < 0)


def top_of_parabola(model):
    """Over log alpha, through the best score and the two beside it."""
    best = np.argmax(model.validation_scores_)
    beside = slice(best - 1, best + 2)
    a, b, _ = np.polyfit(np.log(model.alphas_[beside]), model.validation_scores_[beside], 2)
    return np.exp(-b / (2 * a))


@pytest.mark.parametrize("kind", ["squared", "two classes"])
def test_the_penalty_is_at_the_top_of_the_parabola_lowered_for_all_rows(kind):
    model = fitted(kind)
    # Parts by class differ by a row or two.
    assert_allclose(model.alpha_, top_of_parabola(model) * 0.8**0.5, rtol=2e-2)
    assert model.alpha_ not in model.alphas_


def test_a_penalty_chosen_on_a_sample_is_lowered_for_the_distinct_rows_of_the_table(monkeypatch):
    monkeypatch.setattr(parts, "MOST_ROWS", 100)
    large, y = table(500)
    model = WedgeReLURegressor(**QUICK).fit(large, y)
    assert_allclose(model.alpha_, top_of_parabola(model) * (80 / 500) ** 0.5, rtol=5e-3)
    twice = WedgeReLURegressor(**QUICK).fit(np.tile(large, (2, 1)), np.tile(y, 2))
    assert twice.alpha_ == model.alpha_


@pytest.mark.parametrize(
    ("after_the_best", "goes_on"),
    [
        ([], True),
        ([-1.5], False),  # a clear loss
        ([-1.01], True),  # none that is clear
        ([-1.01, -1.005], False),
        ([-0.999], True),  # no gain to speak of
        ([-0.999, -0.998], False),
        ([-0.9], True),
    ],
)
def test_a_path_ends_after_a_clear_loss_or_two_penalties_without_a_gain(after_the_best, goes_on):
    scores = np.array([-5.0, -2.0, -1.0, *after_the_best])
    path = FoldPath(tuple(scores), tuple(-scores), crowding=(0.1,))
    tried = Combination((), FitOptions(), 0.4 ** np.arange(9.0), PATIENCE)
    assert tried.n_more([path]) == goes_on


def test_where_no_network_is_better_than_the_constant_one_it_is_the_fit():
    noise = np.random.default_rng(8).normal(size=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = WedgeReLURegressor(**QUICK).fit(X, noise)
    assert np.argmax(model.validation_scores_) == 0
    assert model.alpha_ == model.alphas_[0] and model.n_neurons_ == 0


@pytest.mark.newest
def test_units_of_one_of_several_targets_leave_the_penalty():
    model = fitted("two targets")
    scaled = clone(model).fit(X, KINDS["two targets"][1] * [1.0, 2.0**10])
    assert scaled.alpha_ == model.alpha_


# --- small, odd and large tables ------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_tables_too_small_to_validate_on_have_the_documented_penalty(n):
    model = WedgeReLURegressor().fit(X[:n], Y[:n])
    assert model.alpha_ == 0.01
    assert not hasattr(model, "alphas_")
    given = WedgeReLURegressor(0.01, tol=1e-3).fit(X[:n], Y[:n])
    assert_array_equal(model.predict(X), given.predict(X))


def test_copies_do_not_count_as_rows_to_validate_on():
    model = WedgeReLURegressor().fit(np.tile(X[:9], (9, 1)), np.tile(Y[:9], 9))
    assert model.alpha_ == 0.01


@pytest.mark.parametrize("inputs", [X, np.zeros_like(X)])
def test_constant_inputs_or_targets_are_fitted_in_silence(inputs):
    target = np.full(60, 2.5) if inputs is X else Y
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = WedgeReLURegressor().fit(inputs, target)
    assert model.alpha_ == 0.01 and model.n_neurons_ == 0


def test_noise_gets_one_neuron_at_most_and_none_with_one_warning():
    noise = np.random.default_rng(8).normal(size=60)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = WedgeReLURegressor(**QUICK).fit(X, noise)
    if model.n_neurons_ == 0:
        assert len(told) == 1 and "rows held out" in str(told[0].message)
    assert model.n_neurons_ <= 1


def test_only_the_final_fit_warns_that_it_did_not_converge():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        WedgeReLURegressor(max_iter=2, tol=1e-12).fit(X, Y)
    assert [each.category for each in told] == [ConvergenceWarning]


@pytest.mark.parametrize("rare", [1, 2, 3])
def test_rare_classes_stop_no_choice_and_those_without_weight_do_not_count(rare):
    labels = np.where(Y > 0.4, "many", "some").astype(object)
    labels[:rare] = "rare"
    weight = np.ones(60)
    model = WedgeReLUClassifier(**QUICK).fit(X, labels, weight)
    assert len(model.alphas_) >= 3
    weight[:rare] = 0.0
    without = WedgeReLUClassifier(**QUICK).fit(X, labels, weight)
    assert without.fitted_classes_.tolist() == ["many", "some"]
    alone = WedgeReLUClassifier(**QUICK).fit(X[rare:], labels[rare:])
    assert bits(without) == bits(alone)


def test_a_class_of_one_row_is_never_held_out():
    few = [0, *np.flatnonzero(Y > 0.5)[:12]]
    labels = np.arange(13) == 0
    rows = DistinctRows(X[few], labels[:, np.newaxis].astype(float), np.ones(13), 13)
    assert_array_equal(dealt(rows, 5, by_class=True) == -1, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the network may be constant
        model = WedgeReLUClassifier(**QUICK).fit(X[few], labels)
    assert len(model.validation_scores_) == len(model.alphas_) > 0


def test_counts_that_are_nearly_all_zero_are_fitted():
    rare = np.zeros(60)
    rare[3] = 4.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = WedgeReLURegressor(loss="poisson", **QUICK).fit(X, rare)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("by_class", [False, True])
def test_the_sample_of_a_large_table_depends_on_its_distinct_rows_only(by_class, monkeypatch):
    monkeypatch.setattr(parts, "MOST_ROWS", 300)
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 40, size=(2000, 2)).astype(float)
    target = (rng.uniform(size=(2000, 1)) < 0.02).astype(float)
    order = rng.permutation(2000)
    one = rows_to_choose_on(LocalChunks(inputs, target, np.ones(2000), 999), by_class)
    two = rows_to_choose_on(
        LocalChunks(inputs[order].astype(np.float32), target[order], np.ones(2000), 64), by_class
    )
    for name in ("X", "target", "weight"):
        assert_array_equal(getattr(one, name), getattr(two, name))
    assert 250 <= len(one.weight) <= 300 + parts.LEAST_OF_CLASS
    rare = int(one.target.sum())
    assert rare >= 25 if by_class else rare < 20


def test_a_large_table_is_validated_on_one_part_of_a_sample(monkeypatch):
    monkeypatch.setattr(parts, "MOST_ROWS", 200)
    monkeypatch.setattr(alpha_by_validation, "MOST_ROWS_OF_FOLDS", 100)
    whole, seen = alpha_by_validation.paths_in_step, []

    def noted(task, combinations, folds, *rest):
        seen.append([len(task.labels), *(len(fold.train) for fold in folds)])
        return whole(task, combinations, folds, *rest)

    monkeypatch.setattr(alpha_by_validation, "paths_in_step", noted)
    large, y = table(500)
    model = WedgeReLURegressor(clip_quantile=None, **QUICK).fit(large, y)
    assert seen == [[200, 160]]
    assert model.marginals_[0].values.size == 500
    assert "a fifth of 200 distinct rows" in " ".join(model.summary().split())


def test_parts_have_targets_and_classes_as_the_whole():
    rng = np.random.default_rng(3)
    target = np.sort(rng.normal(size=101))[:, None]
    part = dealt(DistinctRows(target, target, np.ones(101), 101), 5, by_class=False)
    assert sorted(np.bincount(part)) == [20, 20, 20, 20, 21]
    for k in range(5):
        places = np.flatnonzero(part == k)
        assert np.diff(places).max() <= 9  # one in each run of five
    assert len(set(part[::5].tolist())) > 1  # not the same one
    labels = np.repeat([0.0, 1.0, 2.0], [1, 3, 40])[:, None]
    part = dealt(DistinctRows(labels, labels, np.ones(44), 44), 5, by_class=True)
    assert part[0] == -1
    assert len(set(part[1:4].tolist())) == 3
    assert np.bincount(part[4:]).tolist() == [8] * 5


# --- where else estimators are used ---------------------------------------------------------------


@pytest.mark.parametrize("model", [WedgeReLURegressor(**QUICK), WedgeReLUClassifier(**QUICK)])
def test_dask_arrays_have_the_penalty_of_the_same_rows_in_memory(model):
    y = Y if isinstance(model, WedgeReLURegressor) else LABELS
    in_memory = clone(model).fit(X, y)
    lazy = dask_array.from_array(X, chunks=(20, 2)), dask_array.from_array(y, chunks=20)
    model = clone(model).fit(*lazy)
    assert model.alpha_ == in_memory.alpha_
    assert_array_equal(model.validation_scores_, in_memory.validation_scores_)
    tolerance = model.certificate_.tolerance + in_memory.certificate_.tolerance
    assert abs(model.certificate_.objective - in_memory.certificate_.objective) <= 2 * tolerance


def test_a_number_costs_no_validation(monkeypatch):
    def never(*args):
        raise AssertionError("a path was made")

    monkeypatch.setattr(alpha_by_validation, "chosen_alpha", never)
    model = WedgeReLURegressor(0.05).fit(X, Y)
    assert model.alpha_ == 0.05
    assert "alpha" not in model.summary()
    with pytest.raises(AssertionError, match="a path was made"):
        WedgeReLURegressor().fit(X, Y)


def test_a_fit_at_a_number_forgets_the_choice_before():
    model = fitted("squared")
    how = f"alpha {model.alpha_:.3g}, by scores of {len(model.alphas_)} on 5 folds"
    assert how in " ".join(model.summary().split())
    model.set_params(alpha=0.05).fit(X, Y)
    assert model.alpha_ == 0.05
    assert not hasattr(model, "alphas_") and not hasattr(model, "validation_scores_")
    assert "by scores of" not in model.summary()


def test_grid_search_tries_numbers_and_the_choice():
    grid = {"alpha": [0.3, 0.03, "auto"]}
    search = GridSearchCV(WedgeReLURegressor(**QUICK), grid, cv=2).fit(X, Y)
    assert search.best_params_["alpha"] in (0.03, "auto")
    assert search.best_estimator_.alpha_ < 0.3


def test_hidden_neurons_as_features_are_of_the_penalty_chosen():
    features = WedgeFeatures(WedgeReLURegressor(**QUICK)).fit(X, Y)
    assert features.estimator_.alpha_ == fitted("squared").alpha_


@pytest.mark.parametrize("alpha", ["Auto", "cv", 0.0, -1.0, None, True, np.nan])
def test_other_words_and_what_is_no_penalty_are_refused(alpha):
    with pytest.raises(ValueError, match="The 'alpha' parameter of WedgeReLURegressor"):
        WedgeReLURegressor(alpha).fit(X, Y)


def test_what_is_out_of_reach_is_refused_before_a_choice(monkeypatch):
    monkeypatch.setattr(alpha_by_validation, "chosen_alpha", None)
    with pytest.raises(ValueError, match="out of reach"):
        WedgeReLURegressor(pricing="exact", norm="l2", interaction_order=3).fit(table(d=3)[0], Y)


def test_verbose_prints_the_penalties_tried(capsys):
    model = fitted("squared", verbose=2)
    told = capsys.readouterr().out
    assert told.startswith("alpha='auto': 1 combination, 5 folds")
    for alpha in model.alphas_:
        assert told.count(f": alpha {alpha:.4g} (") == 5
    assert f"alpha {model.alpha_:.4g}: {model.n_neurons_} neurons" in told
    fitted("squared", verbose=1)
    assert len(capsys.readouterr().out.splitlines()) == 3


# --- a solution on other rows ---------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_a_carried_solution_is_the_same_function(loss, norm):
    options = FitOptions(tol=1e-4, norm=norm, clip_quantile=None)
    y = Y if loss == "squared_error" else COUNTS
    minimised = regression_loss(loss, 0.5, 1.0)

    def made(rows):
        return build_problem(X[rows], y[rows, None], np.ones(len(rows)), options, minimised)

    few = np.arange(0, 60, 2)
    problem, sample = made(few)
    (solution,) = solve_alphas(problem, np.array([0.02]), options)
    whole, other = made(np.arange(60))
    moved = carried(solution, sample, X[few][sample.first_row], whole)
    start, end = solution.warm_start, moved.warm_start
    assert len(end.neurons) == len(start.neurons) > 3

    def output(warm, sample):
        inputs, scaling = sample.input_scaling.columns(X), sample.output_scaling
        predicted = warm.coef.T @ warm.neurons.activations(inputs) + warm.intercept[:, None]
        return predicted.T * scaling.scale + scaling.mean

    assert_allclose(output(end, other), output(start, sample), rtol=1e-8, atol=1e-9)
    through = (start.neurons.points >= 0).sum(axis=1) == start.neurons.order
    assert_array_equal(end.neurons.points[through] >= 0, start.neurons.points[through] >= 0)
    distances = end.neurons.signed_distances(other.points.T)
    for neuron, points in zip(distances, end.neurons.points, strict=True):
        assert_allclose(neuron[points[points >= 0]], 0.0, atol=1e-12)
    assert through.any()


@pytest.mark.newest
def test_a_start_from_the_path_takes_no_more_rounds_than_one_from_nothing():
    auto = WedgeReLURegressor(tol=1e-4).fit(X, Y)
    alone = WedgeReLURegressor(auto.alpha_, tol=1e-4).fit(X, Y)
    assert auto.n_iter_ <= alone.n_iter_
    assert np.all(auto.neurons_.rows[:, 0] >= 0)
