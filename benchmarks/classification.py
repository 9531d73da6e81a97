"""Accuracy and log loss on real tables of two classes, beside scikit-learn's models.

On every split ``alpha`` and ``interaction_order`` are chosen by 5-fold cross-validation (log loss)
on the training part, from one grid for all tables. Breast cancer comes with scikit-learn and is
compared with ``LogisticRegressionCV`` in the same 5 folds.

    python benchmarks/classification.py --data PATH [--tables banana] [--splits 5] [--jobs 2]

``PATH`` is described in ``tables.py``; without it only breast cancer is run.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import ONE_KIND, baseline_scores, load, standard_error

from sklearn_wedge import WedgeReLUClassifier, WedgeReLUClassifierCV

TABLES = ("german_credit", "banana", "ringnorm", "phoneme")
ALPHAS = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
ORDERS = (1, 2)
# Tolerances while choosing and for the final fit, times the log loss of the constant model.
CHOOSING, FINAL = 1e-2, 3e-3


def choose(X, y, jobs: int | None) -> WedgeReLUClassifier:
    """The best penalty and order by cross-validation, fitted to the final tolerance."""
    tried = [
        WedgeReLUClassifierCV(
            ALPHAS,
            **(ONE_KIND | {"interaction_order": order}),
            pricing="search",
            tol=CHOOSING,
            cv=5,
            n_jobs=jobs,
        ).fit(X, y)
        for order in ORDERS
    ]
    best = max(tried, key=lambda model: model.best_score_)
    return WedgeReLUClassifier(
        best.alpha_, interaction_order=best.interaction_order, pricing="search", tol=FINAL
    ).fit(X, y)


def on_splits(folder: Path, name: str, splits: int, jobs: int | None) -> None:
    """One table with its rivals."""
    scores, losses = [], []
    for split in range(splits):
        X, y, X_test, y_test = load(folder, name, split)
        began = time.perf_counter()
        model = choose(X, y, jobs)
        scores.append(model.score(X_test, y_test))
        losses.append(log_loss(y_test, model.predict_proba(X_test), labels=model.classes_))
        print(
            f"  {name} split {split}: accuracy {scores[-1]:.4f}, log loss {losses[-1]:.4f}  alpha "
            f"{model.alpha:g}, order {model.interaction_order}, {model.n_neurons_} neurons, "
            f"{time.perf_counter() - began:.0f} s",
            flush=True,
        )
    print(
        f"{name}: wedge network accuracy {np.mean(scores):.4f} ± {standard_error(scores):.4f}, "
        f"log loss {np.mean(losses):.4f}"
    )
    for rival, theirs in baseline_scores(folder, name, splits).items():
        print(f"    {rival:10s} {theirs.mean():.4f} ± {standard_error(theirs):.4f}", flush=True)


def breast_cancer(jobs: int | None) -> None:
    """The CV estimators beside each other on the same folds."""
    X, y = load_breast_cancer(return_X_y=True)
    models = {
        "wedge network": WedgeReLUClassifierCV(
            ALPHAS, **ONE_KIND, pricing="search", tol=CHOOSING, n_jobs=jobs
        ),
        "LogisticRegressionCV": make_pipeline(
            StandardScaler(), LogisticRegressionCV(scoring="neg_log_loss", max_iter=5000)
        ),
    }
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    for name, model in models.items():
        scores, losses = [], []
        for train, test in folds:
            fitted = model.fit(X[train], y[train])
            scores.append(accuracy_score(y[test], fitted.predict(X[test])))
            losses.append(log_loss(y[test], fitted.predict_proba(X[test])))
        print(
            f"breast_cancer, 5-fold: {name} accuracy {np.mean(scores):.4f} ± "
            f"{standard_error(scores):.4f}, log loss {np.mean(losses):.4f} ± "
            f"{standard_error(losses):.4f}",
            flush=True,
        )


def main() -> None:
    """Run the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=None)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", FutureWarning)
    breast_cancer(arguments.jobs)
    if arguments.data is not None:
        for name in arguments.tables:
            on_splits(arguments.data, name, arguments.splits, arguments.jobs)


if __name__ == "__main__":
    main()
