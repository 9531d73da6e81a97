"""The classifier in scikit-learn's tools, and its penalty by cross-validation."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_wedge import WedgeReLUClassifier, WedgeReLUClassifierCV

pytestmark = pytest.mark.newest

ALPHAS = [0.1, 0.02]
NAMES = ["age", "income", "rate"]


def classification_table(seed=0, n=60):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    score = np.abs(X[:, 0] - X[:, 1]) + X[:, 2] + rng.normal(size=n)
    return X, np.where(score > 1.2, "sick", "healthy")


@pytest.fixture(scope="module")
def data():
    return classification_table()


@pytest.fixture(scope="module")
def new_rows():
    return classification_table(1)[0]


@pytest.fixture(scope="module")
def model(data):
    return WedgeReLUClassifier(0.01).fit(*data)


def frame(kind, X, names=NAMES):
    library = pytest.importorskip(kind)
    table = library.DataFrame({name: X[:, k] for k, name in enumerate(names)})
    # scikit-learn 1.6 knows frames by a protocol that polars 2 no longer has.
    if not hasattr(StandardScaler().fit(table.head(3)), "feature_names_in_"):
        pytest.skip(f"scikit-learn {sklearn.__version__} does not see the names of this {kind}")
    return table


# --- scikit-learn's tools ------------------------------------------------------------------------


def test_a_pipeline_predicts_like_its_parts(data, new_rows, model):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), WedgeReLUClassifier(0.01)).fit(X, y)
    scaled = StandardScaler().fit(X).transform(new_rows)
    assert_array_equal(pipeline.predict_proba(new_rows), pipeline[-1].predict_proba(scaled))
    assert_allclose(pipeline.decision_function(new_rows), model.decision_function(new_rows), 1e-6)
    assert_array_equal(pipeline.classes_, ["healthy", "sick"])


def test_grid_search_finds_the_interaction():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(80, 2))
    y = np.abs(X[:, 0] - X[:, 1]) > 0.6
    grid = {"alpha": [1e-3, 10.0], "norm": ["l1", "l2"], "interaction_order": [1, 2]}
    search = GridSearchCV(WedgeReLUClassifier(0.01), grid, cv=3, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_["alpha"] == 1e-3
    assert search.best_params_["interaction_order"] == 2
    assert np.all(np.isfinite(search.cv_results_["mean_test_score"]))
    assert search.score(X, y) > -0.1


@pytest.mark.parametrize("estimator", [WedgeReLUClassifier, WedgeReLUClassifierCV])
def test_clone_keeps_every_parameter_and_no_fit(estimator, data):
    parameters = estimator().get_params() | {
        "interaction_order": None,
        "norm": "l2",
        "standardize": False,
        "clip_quantile": None,
        "class_weight": {"sick": 2.0},
        "pricing": "search",
        "solver": "active_set",
        "max_iter": 7,
        "tol": 0.1,
    }
    parameters |= {"alphas": [0.3], "cv": 2} if "cv" in parameters else {"alpha": 0.3}
    copy = clone(estimator(**parameters).fit(*data))
    assert copy.get_params() == parameters
    with pytest.raises(NotFittedError):
        copy.predict(data[0])
    assert estimator.__name__ in repr(copy)
    assert estimator.__name__ in estimator_html_repr(copy)


def test_pickling_changes_no_bit(model, new_rows):
    after = pickle.loads(pickle.dumps(model))
    assert_array_equal(after.predict_proba(new_rows), model.predict_proba(new_rows))
    assert_array_equal(after.predict(new_rows), model.predict(new_rows))
    assert after.certificate_ == model.certificate_


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_and_series_of_labels_are_taken_as_arrays(kind, data, new_rows, model):
    X, y = data
    labels = pytest.importorskip(kind).Series(y.tolist())
    framed = WedgeReLUClassifier(0.01).fit(frame(kind, X), labels)
    assert_array_equal(framed.feature_names_in_, NAMES)
    assert_array_equal(framed.classes_, ["healthy", "sick"])
    rows = frame(kind, new_rows)
    assert_array_equal(framed.predict_proba(rows), model.predict_proba(new_rows))
    assert_array_equal(framed.predict(rows), model.predict(new_rows))
    assert framed.score(rows, labels) == model.score(new_rows, y)
    with pytest.raises(ValueError, match="feature names"):
        framed.predict_proba(frame(kind, new_rows, NAMES[::-1]))


def test_metadata_routing_hands_on_the_weights(data, new_rows):
    X, y = data
    weight = np.random.default_rng(0).integers(0, 3, size=60)
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = WedgeReLUClassifier(0.01).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        routed = make_pipeline(scaler, classifier).fit(X, y, sample_weight=weight)
    expected = WedgeReLUClassifier(0.01).fit(X, y, sample_weight=weight).predict_proba(new_rows)
    assert_allclose(routed.predict_proba(new_rows), expected, rtol=1e-6)


def test_calibration_and_probabilities_out_of_fold_work(data, new_rows):
    X, y = data
    out_of_fold = cross_val_predict(WedgeReLUClassifier(0.01), X, y, cv=3, method="predict_proba")
    for train, test in StratifiedKFold(3).split(X, y):
        alone = WedgeReLUClassifier(0.01).fit(X[train], y[train])
        assert_array_equal(out_of_fold[test], alone.predict_proba(X[test]))
    calibrated = CalibratedClassifierCV(WedgeReLUClassifier(0.01), cv=3).fit(X, y)
    probability = calibrated.predict_proba(new_rows)
    assert_allclose(probability.sum(axis=1), 1.0)
    assert np.ptp(probability[:, 1]) > 0.2


def test_tags_claim_what_is_supported():
    for estimator in (WedgeReLUClassifier(0.01), classifier_cv()):
        tags = estimator.__sklearn_tags__()
        assert tags.estimator_type == "classifier"
        assert tags.classifier_tags.multi_class
        assert not tags.classifier_tags.multi_label
        assert tags.target_tags.required
        assert tags.input_tags.allow_nan


def test_breast_cancer_is_told_with_an_accuracy_of_95_percent():
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    model = WedgeReLUClassifier(alpha=0.01, pricing="search", tol=1e-3).fit(X, y)
    assert model.score(X_test, y_test) >= 0.95
    assert log_loss(y_test, model.predict_proba(X_test)) < 0.15


# --- WedgeReLUClassifierCV -----------------------------------------------------------------------


def by_log_loss(model, X, y, weight=None):
    return -log_loss(y, model.predict_proba(X), sample_weight=weight, labels=model.classes_)


def by_accuracy(model, X, y, weight=None):
    return accuracy_score(y, model.predict(X), sample_weight=weight)


def separate_scores(X, y, folds, score, alphas=ALPHAS, weight=None, **parameters):
    """Scores of independent fits on each training part alone."""
    scores = np.empty((len(alphas), len(folds)))
    parts = np.ones(len(y)) if weight is None else weight
    for i, alpha in enumerate(alphas):
        for j, (train, test) in enumerate(folds):
            model = WedgeReLUClassifier(alpha, pricing="search", **parameters)
            model.fit(X[train], y[train], sample_weight=parts[train])
            scores[i, j] = score(model, X[test], y[test], parts[test])
    return scores


@pytest.mark.parametrize(
    ("scoring", "score"),
    [(None, by_log_loss), ("accuracy", by_accuracy)],
)
@pytest.mark.parametrize("parameters", [{}, {"norm": "l2", "clip_quantile": 0.1}], ids=str)
def test_a_score_is_that_of_a_separate_fit(scoring, score, parameters, data):
    X, y = data
    cv = classifier_cv(ALPHAS, cv=3, scoring=scoring, tol=1e-6, **parameters).fit(X, y)
    folds = list(StratifiedKFold(3).split(X, y))
    expected = separate_scores(X, y, folds, score, tol=1e-6, **parameters)
    assert_allclose(cv.score_path_, expected, rtol=1e-3)
    means = cv.score_path_.mean(axis=1)
    assert cv.alpha_ == cv.alphas_[np.argmax(means)]
    assert cv.best_score_ == means.max()


@pytest.mark.parametrize("parameters", [{}, {"norm": "l2", "class_weight": "balanced"}], ids=str)
def test_the_final_network_is_the_classifier_at_the_chosen_alpha(parameters, data, new_rows):
    weight = np.random.default_rng(0).integers(1, 4, size=60)
    cv = classifier_cv(6, eps=0.01, cv=3, **parameters).fit(*data, sample_weight=weight)
    alone = WedgeReLUClassifier(cv.alpha_, **parameters).fit(*data, sample_weight=weight)
    assert_array_equal(cv.predict_proba(new_rows), alone.predict_proba(new_rows))
    assert_array_equal(cv.predict(new_rows), alone.predict(new_rows))
    assert cv.certificate_ == alone.certificate_
    assert_array_equal(cv.classes_, alone.classes_)
    assert cv.alpha_ in cv.alphas_


def test_the_grid_starts_where_the_network_becomes_constant(data):
    cv = classifier_cv(4, eps=0.01, cv=2).fit(*data)
    assert_allclose(cv.alphas_[1:] / cv.alphas_[:-1], 0.01 ** (1 / 3), rtol=1e-10)
    assert WedgeReLUClassifier(1.0001 * cv.alphas_[0]).fit(*data).n_neurons_ == 0
    assert WedgeReLUClassifier(0.99 * cv.alphas_[0]).fit(*data).n_neurons_ > 0


def test_folds_are_stratified():
    """Sorted by class, folds in sequence would have one class only."""
    X, y = classification_table()
    order = np.argsort(y, kind="stable")
    cv = classifier_cv(ALPHAS, cv=3).fit(X[order], y[order])
    assert np.all(np.isfinite(cv.score_path_))
    folds = StratifiedKFold(3).split(X[order], y[order])
    explicit = classifier_cv(ALPHAS, cv=folds).fit(X[order], y[order])
    assert_array_equal(cv.score_path_, explicit.score_path_)


def test_the_number_of_jobs_changes_no_bit(data, new_rows):
    with parallel_config(backend="threading"):  # processes take long to start
        one, two = (classifier_cv(ALPHAS, cv=3, n_jobs=k).fit(*data) for k in (None, 2))
    assert_array_equal(two.score_path_, one.score_path_)
    assert_array_equal(two.predict_proba(new_rows), one.predict_proba(new_rows))


@pytest.mark.parametrize(("scoring", "score"), [(None, by_log_loss), ("accuracy", by_accuracy)])
def test_fits_and_scores_take_the_weights(scoring, score, data):
    X, y = data
    weight = np.random.default_rng(1).integers(1, 9, size=60).astype(float)
    folds = list(StratifiedKFold(3).split(X, y))
    cv = classifier_cv(ALPHAS, cv=folds, scoring=scoring, tol=1e-6)
    expected = separate_scores(X, y, folds, score, weight=weight, tol=1e-6)
    assert_allclose(cv.fit(X, y, sample_weight=weight).score_path_, expected, rtol=1e-3)
    assert np.abs(cv.fit(X, y).score_path_ / expected - 1).max() > 0.01


def test_a_callable_scorer_gets_a_fitted_classifier(data):
    X, y = data

    def scorer(estimator, X_test, y_test):
        assert set(y_test) <= {"healthy", "sick"}
        assert estimator.score(X_test, y_test) == by_accuracy(estimator, X_test, y_test)
        return by_log_loss(estimator, X_test, y_test)

    cv = classifier_cv(ALPHAS, cv=3, scoring=scorer).fit(X, y)
    default = classifier_cv(ALPHAS, cv=3).fit(X, y)
    assert_allclose(cv.score_path_, default.score_path_, rtol=1e-12)
    brier = make_scorer(
        brier_score_loss, greater_is_better=False, response_method="predict_proba", pos_label="sick"
    )
    assert np.all(classifier_cv(ALPHAS, cv=3, scoring=brier).fit(X, y).score_path_ < 0)


def test_a_fold_without_a_class_is_refused_with_a_reason(data):
    """Trained on one class there is no finite log odds: an error that says so."""
    X, y = data
    folds = [(np.flatnonzero(y == "sick"), np.flatnonzero(y == "healthy"))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="class"):
            classifier_cv(ALPHAS, cv=folds).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [("alphas", 0), ("eps", 1.0), ("cv", 1.5), ("scoring", "best"), ("class_weight", "x")],
)
def test_a_bad_parameter_is_named(name, value, data):
    with pytest.raises(ValueError, match=rf"'{name}' parameter of WedgeReLUClassifierCV"):
        classifier_cv(**{name: value}).fit(*data)
