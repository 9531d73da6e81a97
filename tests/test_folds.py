"""Which folds count in cross-validation, what is said about others, and about the choice."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv, regressor_cv
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import KFold

from sklearn_wedge.inspection import PathDisplay

pytestmark = pytest.mark.newest

ALPHAS = [0.2, 0.1, 0.03]
at_an_end = pytest.mark.filterwarnings("ignore:The penalty chosen")


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, np.abs(X[:, 0]) - X[:, 1] + 0.3 * rng.normal(size=n)


def labelled(n_classes, n=90):
    X, y = table(n)
    cuts = np.quantile(y, np.arange(1, n_classes) / n_classes)
    return X, np.array(list("abcd"))[np.digitize(y, cuts)]


@at_an_end
@pytest.mark.parametrize("of_classes", [False, True])
def test_rows_without_weight_are_not_dealt_to_folds(of_classes):
    X, y = labelled(2) if of_classes else table(90)
    with_cv = classifier_cv if of_classes else regressor_cv
    weight = np.random.default_rng(1).integers(0, 3, size=90) * (np.arange(90) >= 30)
    rows = weight > 0
    model = with_cv(ALPHAS, cv=3).fit(X, y, sample_weight=weight)
    alone = with_cv(ALPHAS, cv=3).fit(X[rows], y[rows], sample_weight=weight[rows])
    assert_allclose(model.score_path_, alone.score_path_, rtol=1e-10)
    assert model.alpha_ == alone.alpha_


@at_an_end
def test_one_weight_for_all_rows_is_taken():
    X, y = table()
    model = regressor_cv(ALPHAS, cv=2, interaction_order=1)
    plain = model.fit(X, y).score_path_
    assert_allclose(model.fit(X, y, sample_weight=2.0).score_path_, plain, rtol=1e-12)


@at_an_end
def test_a_fold_without_weight_is_left_out_with_a_warning():
    X, y = table()
    weight = np.where(np.arange(60) < 20, 0.0, 1.0)
    folds = list(KFold(3).split(X))
    model = regressor_cv(ALPHAS, cv=folds)
    with pytest.warns(UserWarning, match=r"1 of 3 folds.*fold 1 of 3: its test part") as caught:
        model.fit(X, y, sample_weight=weight)
    (where,) = {each.filename for each in caught if "fold 1" in str(each.message)}
    assert where == __file__
    rest = regressor_cv(ALPHAS, cv=folds[1:]).fit(X, y, sample_weight=weight)
    assert np.isnan(model.score_path_[:, 0]).all()
    assert_array_equal(model.score_path_[:, 1:], rest.score_path_)
    assert (model.alpha_, model.best_score_) == (rest.alpha_, rest.best_score_)
    parts = [(train.tolist(), test.tolist()) for train, test in folds]
    with pytest.raises(ValueError, match=r"No fold can be used.*its training part has no row"):
        regressor_cv(ALPHAS, cv=[parts[0][::-1]]).fit(X, y, sample_weight=weight)


@at_an_end
def test_a_left_out_fold_is_not_drawn():
    pytest.importorskip("matplotlib")
    X, y = table()
    folds = [(np.arange(20, 60), np.arange(20)), (np.arange(40), np.arange(40, 60))]
    weight = np.where(np.arange(60) < 20, 0.0, 1.0)
    with pytest.warns(UserWarning, match="fold 1 of 2"):
        model = regressor_cv(ALPHAS, cv=folds).fit(X, y, sample_weight=weight)
    display = PathDisplay.from_estimator(model)
    assert_array_equal(display.score_lines_[0].get_ydata(), model.score_path_[:, 1])
    assert_array_equal(display.neuron_lines_[0].get_ydata(), model.n_neurons_path_[:, 1])


@at_an_end
def test_a_fold_that_lacks_a_class_is_left_out():
    X, y = labelled(3)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    folds = [(np.arange(30, 90), np.arange(30)), *((np.arange(k, 90, 2),) * 2 for k in (0, 1))]
    with pytest.warns(UserWarning, match=r"fold 1 of 3: .* weight of \['a'\]"):
        model = classifier_cv(ALPHAS, cv=folds).fit(X, y)
    assert_array_equal(np.isnan(model.score_path_).all(axis=0), [True, False, False])
    with pytest.raises(ValueError, match=r"No fold can be used.*\['b', 'c'\]"):
        classifier_cv(ALPHAS, cv=[(np.arange(30), np.arange(30, 90))]).fit(X, y)


@at_an_end
def test_a_fold_that_the_loss_cannot_fit_is_left_out():
    X, y = table()
    y = np.where(np.arange(60) < 30, 0.0, np.round(np.exp(y)))
    halves = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    with pytest.warns(UserWarning, match=r"fold 1 of 2: its training part .*\(All y are zero"):
        model = regressor_cv(ALPHAS, cv=halves, loss="poisson").fit(X, y)
    assert_array_equal(np.isnan(model.score_path_).all(axis=0), [True, False])


@at_an_end
@pytest.mark.parametrize(
    ("n_classes", "loss", "explicit"),
    [
        (2, "log_loss", False),
        (2, "squared_hinge", True),
        (3, "log_loss", True),
        (3, "squared_hinge", True),
        (3, "squared_hinge", False),
        (4, "squared_hinge", True),
    ],
)
def test_a_class_of_weight_0_does_not_sway_the_choice(loss, n_classes, explicit):
    X, y = labelled(n_classes, 90 if n_classes < 4 else 45)
    n, missing = len(X), "b"
    rest = np.flatnonzero(y != missing)
    options = {"alphas": ALPHAS, "loss": loss, "interaction_order": 1}
    folds = [(np.arange(k, n, 3), np.arange((k + 1) % 3, n, 3)) for k in range(3)]
    model = classifier_cv(cv=folds if explicit else 3, class_weight={missing: 0.0}, **options).fit(
        X, y
    )
    assert_array_equal(model.classes_, np.unique(y))
    assert missing not in model.predict(X)
    if n_classes == 2:
        assert np.all(np.abs(model.score_path_) < 1e-12)
        assert (model.n_neurons_, model.alpha_) == (0, 0.2)
        return
    if explicit:
        folds = [tuple(np.flatnonzero(np.isin(rest, part)) for part in fold) for fold in folds]
    alone = classifier_cv(cv=folds if explicit else 3, **options).fit(X[rest], y[rest])
    assert_allclose(model.score_path_, alone.score_path_, rtol=1e-9)
    assert_array_equal(model.predict(X[rest]), alone.predict(X[rest]))


@at_an_end
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_bagging_of_a_choice_takes_a_rare_class():
    X, y = table(80)
    y = (np.arange(80) < 2).astype(int)
    base = classifier_cv([0.1, 0.03], cv=3, interaction_order=1, tol=1e-3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bagged = BaggingClassifier(base, n_estimators=10, random_state=0).fit(X, y)
    assert {len(model.fitted_classes_) for model in bagged.estimators_} == {1, 2}
    assert any("left out of the choice" in str(each.message) for each in caught)
    assert_allclose(bagged.predict_proba(X).sum(axis=1), 1.0)


# --- the end of the penalties --------------------------------------------------------------------


def by_alpha(best):
    """A score that is largest at a penalty."""
    return lambda model, X, y: -abs(np.log(model.alpha / best))


def messages(model, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert all(each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize(
    ("parameters", "best", "said"),
    [
        ({"alphas": [0.3, 0.1, 0.03]}, 0.03, r"alpha_=0.03, is the smallest.*add some to alphas"),
        ({"alphas": [0.3, 0.1, 0.03]}, 0.1, None),
        ({"alphas": [0.3, 0.1, 0.03]}, 0.3, r"alpha_=0.3, is the largest.*add some to alphas"),
        ({"alphas": [3.0, 0.1]}, 3.0, "network is constant.*none has a better"),
        ({"alphas": 4, "eps": 0.1}, 1e-9, r"is the smallest.*lower eps \(now 0.1\)"),
        ({"alphas": 4, "eps": 0.1}, 1e9, "network is constant.*none has a better"),
        ({"alphas": 20, "patience": 2}, 1e9, "network is constant.*none has a better"),
        ({"alphas": 20, "patience": 2}, 0.1, None),
        ({"alphas": [0.1]}, 0.1, None),
        ({"alphas": [0.3, 0.1, 0.03], "scoring": lambda model, X, y: 0.0}, None, None),
    ],
)
def test_a_choice_at_the_end_of_the_penalties_is_said(parameters, best, said):
    X, y = table()
    options = {"cv": 2, "interaction_order": 1, "scoring": by_alpha(best), **parameters}
    found = messages(regressor_cv(**options), X, y)
    assert len(found) == (said is not None)
    if said is not None:
        with pytest.warns(UserWarning, match=said):
            warnings.warn(found[0], stacklevel=1)
