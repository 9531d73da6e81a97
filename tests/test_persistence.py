"""What is saved comes back: joblib and skops."""

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
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
    WedgeReLURegressorCV([0.3, 0.1], cv=2),
    WedgeReLUClassifier(0.03),
    WedgeReLUClassifierCV([0.1, 0.03], cv=2),
]


def same(again, model, X):
    assert type(again) is type(model) and again.get_params() == model.get_params()
    assert np.array_equal(again.predict(X), model.predict(X))
    assert again.certificate_ == model.certificate_ and again.history_ == model.history_
    assert np.array_equal(again.neurons_.rows, model.neurons_.rows)
    assert again.to_dict() == model.to_dict()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_joblib_loses_something(estimator, tmp_path):
    model, X = fitted(estimator)
    joblib.dump(model, tmp_path / "model.joblib")
    same(joblib.load(tmp_path / "model.joblib"), model, X)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_skops_loses_something_or_needs_to_trust_others(estimator):
    import skops.io as skops

    model, X = fitted(estimator)
    saved = skops.dumps(model)
    types = skops.get_untrusted_types(data=saved)
    assert types and all(name.startswith("sklearn_wedge.") for name in types)
    same(skops.loads(saved, trusted=types), model, X)
