"""What ``suite.py`` fits: the wedge networks as they are by default, and their rivals."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)


def fit_wedge(X, y, jobs: int | None, effort: str = "balanced") -> tuple[Any, dict]:
    """The network, which chooses for itself, and what it chose."""
    kind = WedgeReLUClassifierCV if is_labels(y) else WedgeReLURegressorCV
    model = kind(n_jobs=jobs, effort=effort).fit(X, y)
    found = {
        **model.best_params_,
        "n_neurons": model.n_neurons_,
        "relative_gap": model.certificate_.relative_gap,
    }
    return model, found


def fit_fast_wedge(X, y, jobs: int | None) -> tuple[Any, dict]:
    """The same with less effort."""
    return fit_wedge(X, y, jobs, effort="fast")


def fit_plain_wedge(X, y, jobs: int | None) -> tuple[Any, dict]:
    """The network that chooses its penalty only."""
    kind = WedgeReLUClassifier if is_labels(y) else WedgeReLURegressor
    model = kind().fit(X, y)
    return model, {"alpha": model.alpha_, "n_neurons": model.n_neurons_}


# --- what is shared ------------------------------------------------------------------------------


def is_labels(y: np.ndarray) -> bool:
    """Whether these are labels of classes."""
    return y.dtype.kind != "f"


def subsample(X, y, rows: int) -> np.ndarray:
    """Indices of so many rows, of every class its share."""
    if rows >= len(y):
        return np.arange(len(y))
    split = StratifiedShuffleSplit if is_labels(y) else ShuffleSplit
    return next(split(1, train_size=rows, random_state=0).split(X, y))[0]


def part_held_out(y) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit, and a fifth to validate on."""
    split = StratifiedShuffleSplit if is_labels(y) else ShuffleSplit
    return next(split(1, test_size=0.2, random_state=0).split(np.zeros((len(y), 1)), y))


# --- scikit-learn's models -----------------------------------------------------------------------

# Kernel machines on more rows than this are left out.
KERNEL_ROWS = 12_000
# Rows to tune on at most.
TUNING_ROWS = 5_000


def scaled(model, classes: bool):
    """On standardised inputs and, in a regression, target."""
    if classes:
        return make_pipeline(StandardScaler(), model)
    return TransformedTargetRegressor(
        make_pipeline(StandardScaler(), model), transformer=StandardScaler()
    )


def tuned(X, y, candidates: list[tuple[dict, Any]]) -> tuple[Any, dict]:
    """The candidate of the best validation score on at most so many rows, fitted on all."""
    rows = subsample(X, y, TUNING_ROWS)
    train, test = part_held_out(y[rows])
    train, test = rows[train], rows[test]
    scores = [model.fit(X[train], y[train]).score(X[test], y[test]) for _, model in candidates]
    parameters, model = candidates[int(np.argmax(scores))]
    return model.fit(X, y), parameters


def fit_linear(X, y, jobs: int | None) -> tuple[Any, dict]:
    """Penalty by cross-validation."""
    if is_labels(y):
        model = LogisticRegressionCV(
            Cs=(1e-2, 1e-1, 1.0, 1e1, 1e2), cv=3, scoring="neg_log_loss", max_iter=1000, n_jobs=jobs
        )
    else:
        model = RidgeCV(np.geomspace(1e-4, 1e4, 17))
    return scaled(model, is_labels(y)).fit(X, y), {}


def fit_svm(X, y, jobs: int | None) -> tuple[Any, dict] | None:
    """Radial kernel, penalty and width by validation."""
    if len(y) > KERNEL_ROWS:
        return None
    machine = SVC if is_labels(y) else SVR
    grid = [
        {"C": c, "gamma": factor / X.shape[1]} for c in (1, 10, 100) for factor in (0.3, 1.0, 3.0)
    ]
    return tuned(X, y, [(each, scaled(machine(**each), is_labels(y))) for each in grid])


def fit_mlp(X, y, jobs: int | None) -> tuple[Any, dict]:
    """Fifty hidden units; solver and penalty by validation."""
    network = MLPClassifier if is_labels(y) else MLPRegressor
    grid = [
        {"solver": solver, "alpha": alpha}
        for solver, alpha in product(("lbfgs", "adam"), (1e-4, 1e-2, 1.0, 10.0))
    ]
    fixed = {"hidden_layer_sizes": (50,), "max_iter": 1000, "random_state": 0}
    models = [scaled(network(**each, **fixed), is_labels(y)) for each in grid]
    return tuned(X, y, list(zip(grid, models, strict=True)))


def fit_neighbours(X, y, jobs: int | None) -> tuple[Any, dict]:
    """Number of neighbours by validation."""
    kind = KNeighborsClassifier if is_labels(y) else KNeighborsRegressor
    grid = [{"n_neighbors": k} for k in (1, 5, 15)]
    return tuned(X, y, [(each, scaled(kind(**each), is_labels(y))) for each in grid])


def fit_boosting(X, y, jobs: int | None) -> tuple[Any, dict]:
    """At its defaults."""
    kind = HistGradientBoostingClassifier if is_labels(y) else HistGradientBoostingRegressor
    return kind(random_state=0).fit(X, y), {}


def fit_forest(X, y, jobs: int | None) -> tuple[Any, dict]:
    """300 trees."""
    kind = RandomForestClassifier if is_labels(y) else RandomForestRegressor
    return kind(300, n_jobs=jobs, random_state=0).fit(X, y), {}


def fit_extra_trees(X, y, jobs: int | None) -> tuple[Any, dict]:
    """300 trees."""
    kind = ExtraTreesClassifier if is_labels(y) else ExtraTreesRegressor
    return kind(300, n_jobs=jobs, random_state=0).fit(X, y), {}


# --- boosting of others, at its defaults; left out where it is not installed ---------------------


def fit_catboost(X, y, jobs: int | None) -> tuple[Any, dict] | None:
    """CatBoost."""
    if not find_spec("catboost"):
        return None
    import catboost

    kind = catboost.CatBoostClassifier if is_labels(y) else catboost.CatBoostRegressor
    options = {"verbose": False, "random_seed": 0, "allow_writing_files": False}
    return kind(**options, thread_count=jobs or -1).fit(X, y), {}


def fit_lightgbm(X, y, jobs: int | None) -> tuple[Any, dict] | None:
    """LightGBM."""
    if not find_spec("lightgbm"):
        return None
    import lightgbm

    kind = lightgbm.LGBMClassifier if is_labels(y) else lightgbm.LGBMRegressor
    return kind(verbose=-1, random_state=0, n_jobs=jobs).fit(X, y), {}


class Coded:
    """A classifier that wants labels from 0, fitted to others."""

    def __init__(self, model):
        self.model = model

    def fit(self, X, y):
        """With labels as they are."""
        self.classes, codes = np.unique(y, return_inverse=True)
        self.model.fit(X, codes)
        return self

    def predict(self, X):
        """Labels as they were."""
        return self.classes[self.model.predict(X)]


def fit_xgboost(X, y, jobs: int | None) -> tuple[Any, dict] | None:
    """XGBoost."""
    if not find_spec("xgboost"):
        return None
    import xgboost

    options = {"random_state": 0, "n_jobs": jobs}
    if is_labels(y):
        return Coded(xgboost.XGBClassifier(**options)).fit(X, y), {}
    return xgboost.XGBRegressor(**options).fit(X, y), {}


# RealMLP takes minutes: on more rows than this it is left out.
REALMLP_ROWS = 6_000


def fit_explainable(X, y, jobs: int | None) -> tuple[Any, dict] | None:
    """Explainable boosting."""
    if not find_spec("interpret"):
        return None
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

    kind = ExplainableBoostingClassifier if is_labels(y) else ExplainableBoostingRegressor
    return kind(random_state=0, n_jobs=jobs or -1).fit(X, y), {}


def fit_realmlp(X, y, jobs: int | None) -> tuple[Any, dict] | None:
    """RealMLP at its tuned defaults."""
    if not find_spec("pytabkit") or len(y) > REALMLP_ROWS:
        return None
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    kind = RealMLP_TD_Classifier if is_labels(y) else RealMLP_TD_Regressor
    return kind(device="cpu", random_state=0, n_threads=jobs).fit(X, y), {}


Fit = Callable[[np.ndarray, np.ndarray, int | None], tuple[Any, dict] | None]
MODELS: dict[str, Fit] = {
    "wedge": fit_wedge,
    "linear": fit_linear,
    "svm": fit_svm,
    "mlp": fit_mlp,
    "boosting": fit_boosting,
    "forest": fit_forest,
    "extra_trees": fit_extra_trees,
    "catboost": fit_catboost,
    "lightgbm": fit_lightgbm,
    "xgboost": fit_xgboost,
    "explainable": fit_explainable,
    "realmlp": fit_realmlp,
    "neighbours": fit_neighbours,
    "wedge_fast": fit_fast_wedge,
    "wedge_plain": fit_plain_wedge,
}
# The network's other ways of choosing: each is ranked in the place of "wedge", not beside it.
OTHER_WEDGES = ("wedge_fast", "wedge_plain")
RIVALS = tuple(model for model in MODELS if model not in ("wedge", *OTHER_WEDGES))
SMOOTH = ("linear", "svm", "mlp", "wedge")
