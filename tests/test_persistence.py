"""What is saved comes back: joblib and skops."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from plain_cv import classifier_cv, regressor_cv
from sklearn.datasets import load_diabetes
from sklearn.exceptions import InconsistentVersionWarning

import sklearn_wedge
from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
)


def fitted(estimator):
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:100], y[:100]
    labelled = isinstance(estimator, (WedgeReLUClassifier, WedgeReLUClassifierCV))
    estimator.fit(X, np.where(y > 150, "high", "low") if labelled else y)
    estimator.predict(X)  # may keep something for the next time
    return estimator, X


ESTIMATORS = [
    WedgeReLURegressor(0.1),
    regressor_cv([0.3, 0.1], cv=2),
    WedgeReLUClassifier(0.03),
    classifier_cv([0.1, 0.03], cv=2),
]


def same(again, model, X):
    assert type(again) is type(model) and again.get_params() == model.get_params()
    assert np.array_equal(again.predict(X), model.predict(X))
    assert again.certificate_ == model.certificate_ and again.history_ == model.history_
    assert np.array_equal(again.neurons_.rows, model.neurons_.rows)
    assert again.to_dict() == model.to_dict()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_joblib_keeps_everything(estimator, tmp_path):
    model, X = fitted(estimator)
    joblib.dump(model, tmp_path / "model.joblib")
    same(joblib.load(tmp_path / "model.joblib"), model, X)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_skops_keeps_everything_and_needs_to_trust_this_package_only(estimator):
    import skops.io as skops

    model, X = fitted(estimator)
    saved = skops.dumps(model)
    types = skops.get_untrusted_types(data=saved)
    assert types and all(name.startswith("sklearn_wedge.") for name in types)
    same(skops.loads(saved, trusted=types), model, X)


# --- versions -----------------------------------------------------------------------------------


def through_skops(model):
    import skops.io as skops

    saved = skops.dumps(model)
    return lambda: skops.loads(saved, trusted=skops.get_untrusted_types(data=saved))


def through_pickle(model):
    saved = pickle.dumps(model)
    return lambda: pickle.loads(saved)


@pytest.mark.parametrize("saved", [through_pickle, through_skops])
@pytest.mark.parametrize("package", ["sklearn_wedge", "scikit-learn"])
@pytest.mark.parametrize(
    "estimator", [*ESTIMATORS, WedgeFeatures()], ids=lambda e: type(e).__name__
)
def test_an_estimator_of_another_version_is_loaded_with_a_warning(
    estimator, package, saved, monkeypatch
):
    versions = {"sklearn_wedge": sklearn_wedge.__version__, "scikit-learn": sklearn.__version__}
    name = f"{type(estimator).__name__} ({package})"
    load = saved(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load()
    monkeypatch.setitem(sklearn_wedge._estimators.saved.VERSIONS, package, "99.9")
    with pytest.warns(InconsistentVersionWarning) as caught:
        load()
    (warning,) = (found.message for found in caught)
    assert warning.estimator_name == name
    assert warning.original_sklearn_version == versions[package]
    assert warning.current_sklearn_version == "99.9"


@pytest.mark.filterwarnings("error")
def test_a_copy_is_not_taken_for_a_pickle_of_another_version():
    model, X = fitted(WedgeReLURegressor(0.1))
    features = WedgeFeatures(WedgeReLURegressor(0.1)).fit(X, X[:, 2])
    for each in (model, features):
        again = pickle.loads(pickle.dumps(copy.deepcopy(copy.copy(each))))
        assert vars(again).keys() == vars(each).keys()
    same(pickle.loads(pickle.dumps(model)), model, X)


def test_a_pickle_that_names_no_version_is_loaded_with_a_warning():
    model, X = fitted(WedgeReLURegressor(0.1))
    before = WedgeReLURegressor.__new__(WedgeReLURegressor)
    with pytest.warns(InconsistentVersionWarning, match="from version unknown"):
        before.__setstate__(dict(vars(model)))
    same(before, model, X)
