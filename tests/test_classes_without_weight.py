"""Classes whose rows all have weight 0: known by name, never predicted, not a part of the fit."""

import warnings

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sklearn_wedge import WedgeFeatures, WedgeReLUClassifier, polish
from sklearn_wedge.inspection import EffectDisplay, NeuronDisplay

pytestmark = pytest.mark.newest

LOSSES = ("log_loss", "squared_hinge", "hinge")
NEVER = np.finfo(np.float32).min


def table(n_classes, n=80, d=2, seed=0):
    """Inputs, labels "a", "b", ... and other inputs."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    score = np.abs(X[:, 0]) - X[:, -1] + 0.3 * rng.normal(size=n)
    cuts = np.quantile(score, np.arange(1, n_classes) / n_classes)
    return X, np.array(list("abcd"))[np.digitize(score, cuts)], 2 * rng.normal(size=(40, d))


CASES = [(2, "b"), (3, "a"), (3, "b"), (3, "ac"), (4, "c"), (4, "abd")]


@pytest.mark.parametrize("by", ["sample_weight", "class_weight", "both"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("n_classes", "missing"), CASES)
def test_a_class_without_weight_leaves_the_fit_and_is_never_predicted(n_classes, missing, loss, by):
    X, y, new = table(n_classes, d=1 if loss == "hinge" else 2)
    absent = np.isin(y, list(missing))
    weight, class_weight = np.ones(80), None
    if by != "class_weight":
        weight[absent] = 0.0
    if by != "sample_weight":
        class_weight = dict.fromkeys(missing, 0.0)
    options = {"alpha": 0.02, "loss": loss}
    model = WedgeReLUClassifier(**options, class_weight=class_weight).fit(X, y, weight)
    assert_array_equal(model.classes_, np.unique(y))
    assert_array_equal(model.fitted_classes_, np.unique(y[~absent]))
    known = np.isin(model.classes_, model.fitted_classes_)
    assert set(model.predict(new)) <= set(model.fitted_classes_)
    decision = model.decision_function(new).reshape(40, -1)
    assert decision.shape == (40, n_classes if n_classes > 2 else 1)
    if n_classes > 2:
        assert np.all(decision[:, ~known] == NEVER)
        assert np.all(decision[:, known] > -1e3)
    if loss == "log_loss":
        probability = model.predict_proba(new)
        assert_allclose(probability.sum(axis=1), 1.0)
        assert np.all(probability[:, ~known] == 0.0)
        assert np.all(model.predict_log_proba(new)[:, ~known] < -1e38)
    if known.sum() == 1:
        assert model.n_neurons_ == 0
        assert model.certificate_.objective == model.certificate_.gap == 0.0
        return
    alone = WedgeReLUClassifier(**options).fit(X[~absent], y[~absent])
    assert alone.n_neurons_ > 0
    for mine, other in zip(model.coefs_, alone.coefs_, strict=True):
        assert_array_equal(mine, other)
    assert model.certificate_ == alone.certificate_
    assert_array_equal(model.predict(new), alone.predict(new))
    if loss == "log_loss":
        assert_allclose(probability[:, known], alone.predict_proba(new), rtol=1e-12)


def test_balanced_classes_leave_out_one_without_weight():
    X, y, new = table(3)
    weight = np.random.default_rng(0).integers(0, 4, size=80) * (y != "b")
    model = WedgeReLUClassifier(0.01, class_weight="balanced").fit(X, y, weight)
    rest = y != "b"
    alone = WedgeReLUClassifier(0.01, class_weight="balanced").fit(X[rest], y[rest], weight[rest])
    assert_allclose(model.predict_proba(new)[:, [0, 2]], alone.predict_proba(new), rtol=1e-12)


def test_a_second_block_leaves_out_a_class_without_weight():
    X, y, new = table(3)
    options = {"alpha": 3e-3, "n_blocks": 2, "tol": 1e-2}
    model = WedgeReLUClassifier(**options).fit(X, y, 1.0 * (y != "a"))
    alone = WedgeReLUClassifier(**options).fit(X[y != "a"], y[y != "a"])
    assert model.n_blocks_ == alone.n_blocks_ == 2
    assert_allclose(model.predict_proba(new)[:, 1:], alone.predict_proba(new), rtol=1e-12)


@pytest.mark.parametrize(("n_classes", "missing"), [(2, "a"), (3, "b")])
@pytest.mark.parametrize("dask", [False, True])
def test_rows_in_chunks_of_a_class_without_weight_do_not_count(n_classes, missing, dask):
    X, y, new = table(n_classes)
    weight = 1.0 * (y != missing)
    expected = WedgeReLUClassifier(0.01).fit(X, y, weight)
    model = WedgeReLUClassifier(0.01)
    if dask:
        array = pytest.importorskip("dask.array")
        blocks = (array.from_array(each, chunks=30) for each in (X, y, weight))
        model.fit(*(b.rechunk({1: -1}) if b.ndim == 2 else b for b in blocks))
    else:
        with sklearn.config_context(working_memory=0.05):
            model.fit(X, y, weight)
        assert not model.certificate_.exact
    assert_array_equal(model.classes_, expected.classes_)
    assert_array_equal(model.fitted_classes_, expected.fitted_classes_)
    assert_allclose(model.predict_proba(new), expected.predict_proba(new), atol=1e-2)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_bagging_and_calibration_take_a_rare_class(n_classes):
    X, y, new = table(n_classes)
    y[y == "b"] = "a"
    y[:2] = "b"
    base = WedgeReLUClassifier(0.02, interaction_order=1)
    bagged = BaggingClassifier(base, n_estimators=10, random_state=0).fit(X, y)
    sizes = {len(model.fitted_classes_) for model in bagged.estimators_}
    assert sizes == {n_classes - 1, n_classes}  # some drew no row of it
    assert_allclose(bagged.predict_proba(new).sum(axis=1), 1.0)
    weight = np.ones(80)
    weight[1] = 0.0  # the part that is fitted of one half has no row of it
    calibrated = CalibratedClassifierCV(base, cv=2).fit(X, y, weight)
    assert np.all(np.isfinite(calibrated.predict_proba(new)))


# --- what is read from such a network -----------------------------------------------------------


@pytest.fixture(scope="module")
def of_three():
    X, y, _ = table(3)
    return WedgeReLUClassifier(0.02).fit(X, y, 1.0 * (y != "b"))


@pytest.fixture(scope="module")
def of_four():
    X, y, _ = table(4)
    return WedgeReLUClassifier(0.02).fit(X, y, 1.0 * (y != "b"))


def test_a_summary_names_the_class_without_weight(of_three, of_four):
    assert "1 output (log odds of c)" in of_three.summary()
    assert "3 outputs" in of_four.summary()
    for model in (of_three, of_four):
        assert "Classes without weight, never predicted: b" in model.summary()
    X, y, _ = table(3)
    assert "never" not in WedgeReLUClassifier(0.02).fit(X, y).summary()


def test_neurons_and_effects_are_of_the_classes_fitted(of_three, of_four):
    assert "coefficient" in of_three.neurons_frame().columns
    named = [c for c in of_four.neurons_frame().columns if c.startswith("coefficient")]
    assert named == ["coefficient_a", "coefficient_c", "coefficient_d"]
    new = table(3)[2]
    probability = of_three.predict_proba(new)
    explained = of_three.explain(new)
    log_odds = explained.intercept + explained.contributions.sum(axis=1)
    assert_allclose(log_odds, np.log(probability[:, 2] / probability[:, 0]), rtol=1e-9)
    explained = of_four.explain(new)
    assert explained.outputs == ("a", "c", "d")
    scores = explained.intercept + explained.contributions.sum(axis=1)
    assert_allclose(scores, of_four.decision_function(new)[:, [0, 2, 3]], rtol=1e-9)
    assert_allclose(of_three.feature_importances_.sum(), 1.0)


def test_an_effect_on_a_class_without_weight_is_refused(of_four):
    pytest.importorskip("matplotlib")
    drawn = EffectDisplay.from_estimator(of_four, [0], output="c")
    assert drawn.output_label == "score of c"
    with pytest.raises(
        ValueError, match=r"no output 'b', because no row .* of this class.* a, c, d"
    ):
        EffectDisplay.from_estimator(of_four, [0], output="b")


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
def test_curves_of_classes_without_weight_are_left_out(loss):
    pytest.importorskip("matplotlib")
    X, y, _ = table(4, d=1)
    for missing, n_curves in (("b", 3), ("bd", 1)):
        model = WedgeReLUClassifier(0.02, loss=loss).fit(X, y, 1.0 - np.isin(y, list(missing)))
        curves = NeuronDisplay.from_estimator(model, X, y).curves_
        assert len(curves) == n_curves
        assert max(np.abs(curve.get_ydata()).max() for curve in curves) < 1e3
    two = np.isin(y, ["a", "c"])
    alone = WedgeReLUClassifier(0.02, loss=loss).fit(X[two], y[two])
    (curve,) = curves
    assert_allclose(
        curve.get_ydata(), alone.decision_function(curve.get_xdata()[:, None]), rtol=1e-9
    )
    model.fit(X, y, 1.0 * (y == "a"))
    with pytest.raises(ValueError, match=r"of the class 'a'.*no curve"):
        NeuronDisplay.from_estimator(model, X, y)


def test_features_of_a_network_leave_out_a_class_without_weight():
    X, y, new = table(3)
    options = {"alpha": 0.02}
    features = WedgeFeatures(WedgeReLUClassifier(**options)).fit(X, y, 1.0 * (y != "b"))
    alone = WedgeFeatures(WedgeReLUClassifier(**options)).fit(X[y != "b"], y[y != "b"])
    assert_array_equal(features.transform(new), alone.transform(new))
    assert_array_equal(features.get_feature_names_out(), alone.get_feature_names_out())


def test_polish_refuses_outputs_about_a_class_without_weight():
    X, y, _ = table(3)
    mlp = MLPClassifier(5, max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, y)
    with pytest.raises(ValueError, match=r"classes \['b'\] have weight 0"):
        polish(mlp, X, y, alpha=0.01, sample_weight=1.0 * (y != "b"))
