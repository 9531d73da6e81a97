"""Several classes on scikit-learn's bundled tables, beside its own models on the same five folds.

Digits: one set of neurons shared by ten outputs, under the multinomial log loss and under the
squared hinge (one class against the rest), on the pixels as they are. ``alpha`` is chosen by 3-fold
cross-validation (accuracy) on the training part of the first fold, then kept for all five; ``tol``
was settled on that same part. The rivals are tuned by cross-validation on the training part of
every fold.

Wine, iris and breast cancer: the same kind of network, its penalty chosen by
``WedgeReLUClassifierCV`` (log loss, five folds, 20 penalties) on the training part of every fold,
beside ``LogisticRegressionCV`` on standardised inputs, which has ten to choose from.

    python benchmarks/multiclass.py [--tables digits wine iris breast_cancer] [--jobs 2]
        [--repeats 3]
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    BaseCrossValidator,
    GridSearchCV,
    RepeatedStratifiedKFold,
    StratifiedKFold,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tables import ONE_KIND, standard_error

from sklearn_wedge import WedgeReLUClassifier, WedgeReLUClassifierCV

FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)
SMALL = {"wine": load_wine, "iris": load_iris, "breast_cancer": load_breast_cancer}

# Neurons of any number of inputs, of unit length in l2.
ANY_INPUTS = {"norm": "l2", "interaction_order": None}
DIGITS = {**ANY_INPUTS, "standardize": False, "clip_quantile": None}
DIGIT_ALPHAS = (1e-2, 3e-3, 1e-3)
# Loss and tolerance.
DIGIT_LOSSES = (("log_loss", 2e-3), ("squared_hinge", 3e-2))

# Penalties tried on the small tables.
N_ALPHAS, TOLERANCE = 20, 1e-3


def logistic_regression() -> Pipeline:
    """The linear model, its penalty chosen by cross-validation."""
    model = LogisticRegressionCV(scoring="neg_log_loss", max_iter=5000)
    return make_pipeline(StandardScaler(), model)


def support_vectors(jobs: int | None) -> GridSearchCV:
    """The kernel machine, tuned by cross-validation."""
    grid = {"C": [1, 10, 100], "gamma": [3e-4, 6e-4, 1e-3, 2e-3]}
    return GridSearchCV(SVC(), grid, n_jobs=jobs)


def network_for_digits(X, y, loss: str, tol: float, jobs: int | None) -> WedgeReLUClassifier:
    """The network at the best penalty by cross-validation on these rows; not fitted."""
    options = {**DIGITS, "loss": loss, "tol": tol, "pricing": "search"}
    network, grid = WedgeReLUClassifier(**options), {"alpha": DIGIT_ALPHAS}
    inner = StratifiedKFold(3, shuffle=True, random_state=1)
    search = GridSearchCV(network, grid, cv=inner, refit=False, n_jobs=jobs).fit(X, y)
    print(
        f"  {loss}: "
        + ", ".join(
            f"alpha {alpha:g}: {score:.4f}"
            for alpha, score in zip(
                DIGIT_ALPHAS, search.cv_results_["mean_test_score"], strict=True
            )
        )
        + " in cross-validation",
        flush=True,
    )
    return network.set_params(**search.best_params_)


def network_with_cv(jobs: int | None) -> WedgeReLUClassifierCV:
    """A network that chooses its penalty by cross-validation."""
    return WedgeReLUClassifierCV(
        N_ALPHAS, **(ONE_KIND | ANY_INPUTS), pricing="search", tol=TOLERANCE, cv=5, n_jobs=jobs
    )


def report(name: str, fit, X, y, folds: BaseCrossValidator = FOLDS) -> None:
    """A line on what ``fit(X, y)`` gives on the folds."""
    scores, seconds, neurons = [], [], []
    for train, test in folds.split(X, y):
        began = time.perf_counter()
        model = fit(X[train], y[train])
        seconds.append(time.perf_counter() - began)
        scores.append(accuracy_score(y[test], model.predict(X[test])))
        last = model[-1] if isinstance(model, Pipeline) else model
        if hasattr(last, "n_neurons_"):
            neurons.append(last.n_neurons_)
    found = f", {min(neurons)} to {max(neurons)} neurons" if neurons else ""
    print(
        f"  {name:34s} accuracy {np.mean(scores):.4f} ± {standard_error(scores):.4f}, "
        f"{np.mean(seconds):.2f} s a fit{found}",
        flush=True,
    )


def digits(jobs: int | None) -> None:
    """Ten classes."""
    X, y = load_digits(return_X_y=True)
    first, _ = next(FOLDS.split(X, y))
    for loss, tol in DIGIT_LOSSES:
        network = network_for_digits(X[first], y[first], loss, tol, jobs)
        alpha = network.alpha
        report(f"wedge network, {loss}, alpha {alpha:g}", network.fit, X, y)
    report("LogisticRegressionCV", logistic_regression().fit, X, y)
    report("SVC, tuned", support_vectors(jobs).fit, X, y)


def small(name: str, jobs: int | None, repeats: int) -> None:
    """One of the small tables; the times are those of choosing and fitting."""
    folds = FOLDS
    if repeats > 1:
        folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=0)
    X, y = SMALL[name](return_X_y=True)
    report("wedge network", network_with_cv(jobs).fit, X, y, folds)
    report("LogisticRegressionCV", logistic_regression().fit, X, y, folds)


def main() -> None:
    """Run the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    tables = ("digits", *SMALL)
    parser.add_argument("--tables", nargs="+", choices=tables, default=tables)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=1, help="of the folds of small tables")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", FutureWarning)
    for name in arguments.tables:
        print(f"{name}, 5-fold", flush=True)
        if name == "digits":
            digits(arguments.jobs)
        else:
            small(name, arguments.jobs, arguments.repeats)


if __name__ == "__main__":
    main()
