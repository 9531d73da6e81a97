"""Constraints as users meet them: names, losses, cross-validation, errors, copies, units."""

import pickle

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv, regressor_cv
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
    alpha_max,
    wedge_relu_path,
)

pytestmark = pytest.mark.newest

NAMES = ["dose", "weight", "hour", "site"]
MONOTONE = [1, -1, 0, 0]
GROUPS = [(0, 1), (1, 2)]  # and column 3 alone


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return request.param


@pytest.fixture
def frame(library):
    """A function of an array and names of its columns."""

    def build(X, names):
        table = pytest.importorskip(library).DataFrame(dict(zip(names, X.T, strict=True)))
        # scikit-learn 1.6 knows frames by a protocol that polars 2 no longer has.
        if not hasattr(StandardScaler().fit(table.head(3)), "feature_names_in_"):
            pytest.skip(f"scikit-learn {sklearn.__version__} does not see the names of {library}")
        return table

    return build


def own_squared_error(f, y):
    import cvxpy

    return cvxpy.square(f - y) / 2


def table(n=70, seed=0):
    """Inputs of distinct units, and a target that goes both ways with each and mixes them all."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4))
    y = np.sin(2 * X[:, 0]) - np.abs(X[:, 1] + 0.5) + X[:, 0] * X[:, 2] + 0.5 * X[:, 2] * X[:, 3]
    return X * [10.0, 0.1, 1.0, 3.0] + [50.0, 0.0, 12.0, 0.0], y + 0.3 * rng.standard_normal(n)


X, Y = table()
COUNTS = np.floor(np.exp(Y / 2 + 1))
CLASSES = np.where(np.median(Y) < Y, "yes", "no")
SEVERAL = np.column_stack([Y, X[:, 0] * X[:, 2]])
THIRDS = np.digitize(Y, np.quantile(Y, [1 / 3, 2 / 3]))

REGRESSIONS = {
    "squared_error": ({}, Y),
    "absolute_error": ({"tol": 1e-3}, Y),
    "huber": ({"epsilon": 0.5}, Y),
    "quantile": ({"quantile": 0.8, "tol": 1e-3}, Y),
    "poisson": ({}, COUNTS),
    "gamma": ({}, COUNTS + 0.5),
    "own": ({"loss": own_squared_error, "tol": 1e-3}, Y),
}
CLASSIFICATIONS = {"log_loss": {}, "hinge": {"tol": 1e-3}, "squared_hinge": {}}


def regressor(loss, **parameters):
    return WedgeReLURegressor(**{"alpha": 0.01, "loss": loss, **REGRESSIONS[loss][0], **parameters})


def largest_violation(output):
    """How far an output, a function of rows, goes against MONOTONE; 0 or less if it never does.

    Over 10,000 pairs of rows, most of them outside the training range.
    """
    rng = np.random.default_rng(1)
    centre, scale, shape = X.mean(axis=0), X.std(axis=0), (10_000, 4)
    low = centre + 4 * scale * rng.standard_normal(shape)
    sizes = rng.choice([1e-6, 1e-2, 1.0], size=(len(low), 1))
    high = low + MONOTONE * scale * sizes * np.abs(rng.standard_normal(shape))
    with np.errstate(over="ignore"):  # of exponentials far outside
        below, above = np.minimum(output(low), 1e300), np.minimum(output(high), 1e300)
    return np.max((below - above) / (1 + np.abs(below) + np.abs(above)))


def mixes(neurons):
    """The sets of inputs that neurons combine."""
    return {tuple(int(k) for k in inputs if k >= 0) for inputs in neurons.inputs}


# --- names ---------------------------------------------------------------------------------------


def test_names_of_a_data_frame_constrain_their_columns(frame):
    order = [2, 0, 3, 1]
    names = [NAMES[k] for k in order]
    model = WedgeReLURegressor(
        0.01,
        monotonic_cst={"weight": -1, "dose": 1},
        interaction_cst=[("dose", "weight"), {"hour", "weight"}],
    ).fit(frame(X[:, order], names), Y)
    by_position = WedgeReLURegressor(
        0.01, monotonic_cst=[0, 1, 0, -1], interaction_cst=[[1, 3], [0, 3]]
    ).fit(X[:, order], Y)
    assert_array_equal(model.predict(frame(X[:, order], names)), by_position.predict(X[:, order]))
    assert mixes(model.neurons_) <= {(0,), (1,), (2,), (3,), (1, 3), (0, 3)}
    assert model.n_neurons_ > 2


def test_names_given_by_a_transformer_reach_the_constraints(frame, library):
    scaler = StandardScaler().set_output(transform=library)
    network = WedgeReLURegressor(0.01, monotonic_cst={"dose": 1, "weight": -1})
    pipeline = make_pipeline(scaler, network).fit(frame(X, NAMES), Y)
    assert_array_equal(pipeline[-1].feature_names_in_, NAMES)
    assert largest_violation(lambda rows: pipeline.predict(frame(rows, NAMES))) < 1e-12


@pytest.mark.parametrize("cv", [WedgeReLURegressorCV, WedgeReLUClassifierCV])
def test_names_reach_the_folds(frame, cv):
    y = Y if cv is WedgeReLURegressorCV else CLASSES
    settings = {"alphas": [0.1, 0.03], "cv": 2, "tol": 1e-2}
    named = cv(**settings, monotonic_cst={"dose": 1, "weight": -1}).fit(frame(X, NAMES), y)
    placed = cv(**settings, monotonic_cst=MONOTONE).fit(X, y)
    assert_array_equal(named.score_path_, placed.score_path_)
    assert np.any(named.score_path_ != cv(**settings).fit(X, y).score_path_)


def test_names_reach_the_path(frame):
    named = {"monotonic_cst": {"dose": 1, "weight": -1}, "interaction_cst": [("dose", "weight")]}
    placed = {"monotonic_cst": MONOTONE, "interaction_cst": [(0, 1)]}
    path = wedge_relu_path(frame(X, NAMES), Y, [0.1, 0.02], **named)
    same = wedge_relu_path(X, Y, [0.1, 0.02], **placed)
    assert_array_equal(path.networks[1].predict(X), same.networks[1].predict(X))
    assert mixes(path.networks[1].neurons) <= {(0,), (1,), (2,), (3,), (0, 1), (2, 3)}
    assert alpha_max(frame(X, NAMES), Y, **named) == alpha_max(X, Y, **placed)


# --- what is constrained -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "clip_quantile"),
    [*[(loss, None) for loss in REGRESSIONS], ("squared_error", 0.005), ("poisson", 0.005)],
)
def test_a_regression_follows_its_directions(loss, clip_quantile):
    y = REGRESSIONS[loss][1]
    free = regressor(loss, clip_quantile=clip_quantile).fit(X, y)
    model = regressor(loss, clip_quantile=clip_quantile, monotonic_cst=MONOTONE).fit(X, y)
    assert model.n_neurons_ > 2
    assert largest_violation(model.predict) < 1e-12
    assert largest_violation(free.predict) > 1e-2
    assert model.certificate_.objective > free.certificate_.objective


@pytest.mark.parametrize("loss", CLASSIFICATIONS)
def test_the_second_class_follows_its_directions(loss):
    settings = {"loss": loss, "clip_quantile": None, **CLASSIFICATIONS[loss]}
    model = WedgeReLUClassifier(0.01, **settings, monotonic_cst=MONOTONE).fit(X, CLASSES)
    assert model.n_neurons_ > 2
    assert largest_violation(model.decision_function) < 1e-12
    free = WedgeReLUClassifier(0.01, **settings).fit(X, CLASSES)
    assert largest_violation(free.decision_function) > 1e-2
    assert list(model.classes_) == ["no", "yes"]


def test_probabilities_and_labels_follow_the_directions():
    classifier = WedgeReLUClassifier(0.01, monotonic_cst=MONOTONE).fit(X, CLASSES)
    assert largest_violation(lambda rows: classifier.predict_proba(rows)[:, 1]) < 1e-12
    assert largest_violation(lambda rows: -classifier.predict_proba(rows)[:, 0]) < 1e-12
    assert largest_violation(lambda rows: (classifier.predict(rows) == "yes") * 1.0) <= 0


def test_a_direction_of_zero_constrains_nothing():
    free = WedgeReLURegressor(0.02).fit(X, Y)
    for nothing in ([0, 0, 0, 0], np.zeros(4), (0, 0.0, np.int8(0), False)):
        same = WedgeReLURegressor(0.02, monotonic_cst=nothing).fit(X, Y)
        assert_array_equal(same.predict(X), free.predict(X))
    assert "monotone" not in same.certificate_.scope


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize(
    ("model", "y"),
    [
        (WedgeReLURegressor(0.01, tol=1e-3), Y),
        (WedgeReLURegressor(0.01, tol=1e-3), SEVERAL),
        (WedgeReLUClassifier(0.01, tol=1e-3), CLASSES),
        (WedgeReLUClassifier(0.01, tol=1e-3), THIRDS),
    ],
    ids=["regression", "several targets", "two classes", "several classes"],
)
def test_a_neuron_mixes_inputs_of_one_group_only(model, y, norm):
    model = clone(model).set_params(norm=norm, interaction_cst=GROUPS).fit(X, y)
    used = mixes(model.neurons_)
    assert used <= {(0,), (1,), (2,), (3,), (0, 1), (1, 2)}
    assert max(map(len, used)) == 2
    assert {tuple(np.flatnonzero(weights)) for weights in model.coefs_[0].T} == used


def test_no_interactions_is_the_class_of_order_1():
    settings = {"alpha": 0.01, "tol": 1e-6}
    alone = WedgeReLURegressor(**settings, interaction_cst="no_interactions").fit(X, Y)
    additive = WedgeReLURegressor(**settings, interaction_order=1).fit(X, Y)
    assert max(map(len, mixes(alone.neurons_))) == 1
    assert_allclose(alone.predict(X), additive.predict(X), rtol=1e-6)
    assert alone.certificate_.exact


def test_pairwise_is_the_class_of_order_2():
    settings = {"alpha": 0.03, "tol": 1e-3}
    pairs = WedgeReLURegressor(**settings, interaction_order=None, interaction_cst="pairwise")
    assert_array_equal(
        pairs.fit(X, Y).predict(X), WedgeReLURegressor(**settings).fit(X, Y).predict(X)
    )
    hinges = WedgeReLURegressor(**settings, interaction_order=1, interaction_cst="pairwise").fit(
        X, Y
    )
    assert max(map(len, mixes(hinges.neurons_))) == 1


def test_constraints_hold_together():
    model = WedgeReLURegressor(0.01, monotonic_cst=MONOTONE, interaction_cst=GROUPS).fit(X, Y)
    assert mixes(model.neurons_) <= {(0,), (1,), (2,), (3,), (0, 1), (1, 2)}
    assert largest_violation(model.predict) < 1e-12
    assert model.certificate_.exact
    assert "groups" in model.certificate_.scope
    assert "monotone" in model.certificate_.scope


def test_the_scope_claims_monotone_neurons_not_all_monotone_networks():
    x = np.linspace(-2, 2, 61)[:, None]
    y = np.clip(x[:, 0], -0.5, 0.5)
    settings = {"alpha": 0.01, "clip_quantile": None, "tol": 1e-6, "ramps": False}
    free = WedgeReLURegressor(**settings).fit(x, y)
    model = WedgeReLURegressor(**settings, monotonic_cst=[1]).fit(x, y)
    assert np.all(np.diff(free.predict(3 * x)) > 0)
    assert free.certificate_.objective < model.certificate_.lower_bound
    assert model.certificate_.scope.endswith("every neuron monotone as constrained")


def test_a_refit_forgets_constraints_that_were_taken_away():
    model = WedgeReLURegressor(0.02, monotonic_cst=MONOTONE, interaction_cst=GROUPS).fit(X, Y)
    model.set_params(monotonic_cst=None, interaction_cst=None).fit(X, Y)
    assert_array_equal(model.predict(X), WedgeReLURegressor(0.02).fit(X, Y).predict(X))


# --- cross-validation, path, search --------------------------------------------------------------

CONSTRAINTS = {"monotonic_cst": MONOTONE, "interaction_cst": GROUPS}


def test_folds_of_cross_validation_are_constrained():
    folds = list(KFold(3).split(X))
    model = regressor_cv([0.1, 0.02], cv=folds, tol=1e-6, **CONSTRAINTS).fit(X, Y)
    for column, (train, test) in enumerate(folds):
        alone = WedgeReLURegressor(0.02, tol=1e-6, **CONSTRAINTS).fit(X[train], Y[train])
        score = -np.mean((alone.predict(X[test]) - Y[test]) ** 2)
        assert_allclose(model.score_path_[1, column], score, rtol=1e-3)
    assert largest_violation(model.predict) < 1e-12
    assert mixes(model.neurons_) <= {(0,), (1,), (2,), (3,), (0, 1), (1, 2)}


def test_the_classifier_chosen_by_cross_validation_is_constrained():
    model = classifier_cv(4, eps=0.05, cv=3, tol=1e-3, **CONSTRAINTS).fit(X, CLASSES)
    assert model.n_neurons_ > 0
    assert largest_violation(model.decision_function) < 1e-12
    assert mixes(model.neurons_) <= {(0,), (1,), (2,), (3,), (0, 1), (1, 2)}


def test_the_path_ends_in_the_network_of_the_estimator():
    path = wedge_relu_path(X, Y, [0.1, 0.02], tol=1e-6, **CONSTRAINTS)
    model = WedgeReLURegressor(0.02, tol=1e-6, **CONSTRAINTS).fit(X, Y)
    assert_allclose(path.networks[1].predict(X)[:, 0], model.predict(X), rtol=1e-4, atol=1e-4)
    assert path.certificates[1].scope == model.certificate_.scope


def test_the_largest_alpha_is_that_of_the_constrained_class():
    against = {"monotonic_cst": [-1, 1, 0, 1], "interaction_cst": GROUPS}
    largest = alpha_max(X, Y, **against)
    assert 0 < largest < alpha_max(X, Y)
    assert WedgeReLURegressor(1.001 * largest, **against).fit(X, Y).n_neurons_ == 0
    assert WedgeReLURegressor(0.98 * largest, tol=1e-8, **against).fit(X, Y).n_neurons_ > 0


@pytest.mark.parametrize("model", [WedgeReLURegressor(0.02), regressor_cv(3, cv=2)])
def test_a_target_against_every_direction_gets_the_constant_network(model):
    x = np.linspace(0, 1, 30)[:, None]
    model.set_params(monotonic_cst=[1]).fit(x, -x[:, 0])
    assert model.n_neurons_ == 0
    assert_allclose(model.predict(x), -0.5)
    assert model.certificate_.relative_gap < 1e-12


def test_a_grid_search_tries_constraints():
    groups = [None, "pairwise", "no_interactions", [(0, 1), (2,)], [[0, 2], [2, 3]]]
    directions = [None, MONOTONE]
    grid = {"interaction_cst": groups, "monotonic_cst": directions}
    search = GridSearchCV(WedgeReLURegressor(0.02, tol=1e-2), grid, cv=2, error_score="raise")
    scores = search.fit(X, Y).cv_results_["mean_test_score"].reshape(len(groups), 2)
    assert_array_equal(scores[0], scores[1])  # None and "pairwise" at order 2
    assert len(np.unique(scores[1:, 0])) == len(groups) - 1
    assert np.all(scores[:, 0] != scores[:, 1])


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (WedgeReLURegressor(0.01, norm="l2"), Y, r"monotonic_cst and norm='l2' do not combine"),
        (regressor_cv(norm="l2"), Y, r"monotonic_cst and norm='l2' do not combine"),
        (
            WedgeReLUClassifier(0.01, norm="l2"),
            CLASSES,
            r"monotonic_cst and norm='l2' do not combine",
        ),
        (WedgeReLURegressor(0.01), SEVERAL, r"monotonic_cst and 2 outputs .* do not combine"),
        (regressor_cv(), SEVERAL, r"monotonic_cst and 2 outputs .* do not combine"),
        (WedgeReLUClassifier(0.01), THIRDS, r"monotonic_cst and 3 outputs .* do not combine"),
        (classifier_cv(), THIRDS, r"monotonic_cst and 3 outputs .* do not combine"),
    ],
)
def test_what_does_not_combine_with_directions_is_refused(model, y, message):
    with pytest.raises(ValueError, match=message):
        clone(model).set_params(monotonic_cst=MONOTONE).fit(X, y)
    clone(model).set_params(monotonic_cst=[0, 0, 0, 0], **QUICK[type(model)]).fit(X, y)


QUICK = {
    WedgeReLURegressor: {"alpha": 0.5},
    WedgeReLUClassifier: {"alpha": 0.2},
    WedgeReLURegressorCV: {"alphas": [0.5], "cv": 2},
    WedgeReLUClassifierCV: {"alphas": [0.2], "cv": 2},
}


@pytest.mark.parametrize("function", [wedge_relu_path, alpha_max])
def test_functions_refuse_what_does_not_combine_with_directions(function):
    alphas = ([0.1],) if function is wedge_relu_path else ()
    with pytest.raises(ValueError, match=r"monotonic_cst and norm='l2' do not combine"):
        function(X, Y, *alphas, norm="l2", monotonic_cst=MONOTONE)
    with pytest.raises(ValueError, match=r"monotonic_cst and 2 outputs .* do not combine"):
        function(X, SEVERAL, *alphas, monotonic_cst=MONOTONE)
    with pytest.raises(ValueError, match=r"monotonic_cst has 2 entries, but X has 4 columns"):
        function(X, Y, *alphas, monotonic_cst=[1, 0])
    with pytest.raises(ValueError, match=r"interaction_cst\[0\] has column 4"):
        function(X, Y, *alphas, interaction_cst=[(0, 4)])


MALFORMED = [
    ({"monotonic_cst": [1, 0]}, "monotonic_cst has 2 entries, but X has 4 columns"),
    ({"monotonic_cst": [2, 0, 0, 0]}, "monotonic_cst has 2 for column 0"),
    ({"monotonic_cst": [[1, 0, 0, 0]]}, "monotonic_cst must be a one-dimensional"),
    ({"monotonic_cst": "rising"}, "'monotonic_cst' parameter"),
    ({"monotonic_cst": 1}, "'monotonic_cst' parameter"),
    ({"monotonic_cst": {"dose": 1}}, "monotonic_cst names features, but X has no feature names"),
    ({"interaction_cst": "none"}, "'interaction_cst' parameter"),
    ({"interaction_cst": [(0, 4)]}, r"interaction_cst\[0\] has column 4, but X has columns 0 to 3"),
    ({"interaction_cst": [(0, 1), ()]}, r"interaction_cst\[1\] is an empty group"),
    ({"interaction_cst": [0, 1]}, r"interaction_cst\[0\] is 0; each group must be"),
    ({"interaction_cst": [("dose",)]}, r"interaction_cst\[0\] names features, but X has no"),
]


@pytest.mark.parametrize(("parameters", "message"), MALFORMED)
@pytest.mark.parametrize("estimator", list(QUICK), ids=lambda kind: kind.__name__)
def test_malformed_constraints_are_refused_and_explained(estimator, parameters, message):
    y = CLASSES if issubclass(estimator, (WedgeReLUClassifier, WedgeReLUClassifierCV)) else Y
    with pytest.raises(ValueError, match=message):
        estimator(**QUICK[estimator], **parameters).fit(X, y)


@pytest.mark.parametrize("parameter", ["monotonic_cst", "interaction_cst"])
def test_a_misspelt_name_is_named(frame, parameter):
    wrong = {"monotonic_cst": {"doze": 1}, "interaction_cst": [("doze", "hour")]}[parameter]
    model = WedgeReLURegressor(**{parameter: wrong})
    with pytest.raises(
        ValueError, match=rf"{parameter}.* names features that X does not have: 'doze'"
    ):
        model.fit(frame(X, NAMES), Y)


# --- copies of the model -------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", list(QUICK), ids=lambda kind: kind.__name__)
def test_clones_and_pickles_keep_the_constraints(estimator, frame):
    y = CLASSES if issubclass(estimator, (WedgeReLUClassifier, WedgeReLUClassifierCV)) else Y
    given = {"monotonic_cst": {"dose": 1}, "interaction_cst": [{"dose", "weight"}, {"hour"}]}
    model = estimator(**QUICK[estimator], **given)
    named = frame(X, NAMES)
    for copy in (clone(model), pickle.loads(pickle.dumps(model.fit(named, y)))):
        parameters = copy.get_params()
        assert {name: parameters[name] for name in given} == given
    assert all(model.get_params()[name] is value for name, value in given.items())
    assert_array_equal(copy.predict(named), model.predict(named))
    assert_array_equal(clone(copy).fit(named, y).predict(named), model.predict(named))


# --- weights and units ---------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile", "log_loss"])
def test_weights_of_a_constrained_fit_are_copies(loss):
    rng = np.random.default_rng(2)
    copies = rng.integers(0, 4, size=len(X))
    if loss == "log_loss":
        model, y = WedgeReLUClassifier(0.02, **CONSTRAINTS), CLASSES
    else:
        model, y = regressor(loss, alpha=0.02, tol=1e-4, **CONSTRAINTS), REGRESSIONS[loss][1]
    weighted = model.fit(X, y, sample_weight=copies)._forward(X)
    assert model.n_neurons_ > 1
    copied = model.fit(np.repeat(X, copies, axis=0), np.repeat(y, copies))._forward(X)
    assert_allclose(weighted, copied, rtol=1e-7, atol=1e-7 * np.ptp(weighted))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_units_do_not_change_a_constrained_fit(loss):
    factor, shift = [1e3, 0.2, 60.0, 1e-4], [5.0, 0.0, -700.0, 1.0]
    one = regressor(loss, alpha=0.02, **CONSTRAINTS).fit(X, Y)
    other = regressor(loss, alpha=0.02, **CONSTRAINTS).fit(X * factor + shift, 1e4 * Y - 3e3)
    assert mixes(one.neurons_) == mixes(other.neurons_)
    assert_allclose((other.predict(X * factor + shift) + 3e3) / 1e4, one.predict(X), atol=1e-6)


def test_a_column_measured_backwards_turns_its_direction():
    settings = {"alpha": 0.02, "tol": 1e-6, "interaction_cst": GROUPS}
    forwards = WedgeReLURegressor(**settings, monotonic_cst=[1, -1, 0, 0]).fit(X, Y)
    flip = np.array([-1, -1, -1, 1])
    backwards = WedgeReLURegressor(**settings, monotonic_cst=[-1, 1, 0, 0]).fit(X * flip, Y)
    assert_allclose(backwards.certificate_.objective, forwards.certificate_.objective, rtol=1e-5)
    assert_allclose(backwards.predict(X * flip), forwards.predict(X), atol=1e-2)


def test_constraints_follow_their_columns():
    settings = {"alpha": 0.02, "tol": 1e-6}
    one = WedgeReLURegressor(**settings, **CONSTRAINTS).fit(X, Y)
    order = np.array([2, 0, 3, 1])
    place = np.argsort(order)
    moved = WedgeReLURegressor(
        **settings,
        monotonic_cst=np.array(MONOTONE)[order],
        interaction_cst=[[place[k] for k in group] for group in GROUPS],
    ).fit(X[:, order], Y)
    assert_allclose(moved.certificate_.objective, one.certificate_.objective, rtol=1e-5)
    assert_allclose(moved.predict(X[:, order]), one.predict(X), atol=1e-2)
