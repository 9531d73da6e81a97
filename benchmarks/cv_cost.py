"""What choosing ``alpha`` by cross-validation costs, and what warm starts do to the scores.

The cross-validation part of a 5-fold fit (30 penalties by default, all of them tried; the time of
the whole fit less that of its last step, the fit on all rows, which is timed on its own) is
compared with single, cold fits at the smallest penalty: the sum over the five training parts, same
options (no parallel jobs), same run, processor time. Then a cold fit at every penalty on every
fold: the largest difference between its mean score over folds and that of the warm path, as a
fraction of the score of the constant model (mean squared error, or log loss: a difference in R², or
in its analogue for the log loss).

    python benchmarks/cv_cost.py [--alphas 30] [--tol 1e-5] [--data PATH] [--no-scores]

Diabetes and breast cancer come with scikit-learn; with ``--data``, described in ``tables.py``, the
training part of the first split of concrete is added.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, StratifiedKFold
from tables import ONE_KIND, load

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)

# Differences of mean scores above this are counted.
TARGET = 1e-3

REGRESSION = (
    WedgeReLURegressorCV,
    WedgeReLURegressor,
    DummyRegressor(),
    KFold(5, shuffle=True, random_state=0),
    "neg_mean_squared_error",
)
CLASSIFICATION = (
    WedgeReLUClassifierCV,
    WedgeReLUClassifier,
    DummyClassifier(),
    StratifiedKFold(5, shuffle=True, random_state=0),
    "neg_log_loss",
)


def timed(model, X, y) -> float:
    """Seconds of a fit: processor time, which other processes disturb least (one thread)."""
    began = time.process_time()
    model.fit(X, y)
    return time.process_time() - began


def compare(name: str, X, y, kind: tuple, n_alphas: int, tol: float, scores: bool) -> None:
    """One table."""
    with_cv, single, constant, folds, scoring = kind
    options = {"pricing": "search", "tol": tol}
    folds, scorer = list(folds.split(X, y)), get_scorer(scoring)
    model = with_cv(n_alphas, patience=None, cv=folds, **(ONE_KIND | options))
    whole = timed(model, X, y)
    last = timed(single(model.alpha_, **options), X, y)
    cold = np.zeros_like(model.score_path_)
    seconds = np.zeros_like(cold)
    of_constant = []
    which = range(len(cold))[::-1] if scores else [len(cold) - 1]
    for fold, (train, test) in enumerate(folds):
        of_constant.append(scorer(constant.fit(X[train], y[train]), X[test], y[test]))
        for k in which:
            fitted = single(model.alphas_[k], **options)
            seconds[k, fold] = timed(fitted, X[train], y[train])
            cold[k, fold] = scorer(fitted, X[test], y[test])
    path, at_smallest = whole - last, seconds[-1].sum()
    print(
        f"{name} (n = {len(X)}, d = {X.shape[1]}): alpha {model.alphas_[0]:.3g} to "
        f"{model.alphas_[-1]:.3g}, chosen {model.alpha_:.3g}\n"
        f"  cross-validation {path:.2f} s, five cold fits at the smallest alpha "
        f"{at_smallest:.2f} s: ratio {path / at_smallest:.2f}\n"
        f"  whole fit {whole:.2f} s, of which the fit on all rows {last:.2f} s",
        flush=True,
    )
    if scores:
        difference = np.abs(model.score_path_.mean(axis=1) - cold.mean(axis=1))
        difference /= abs(np.mean(of_constant))
        worst, chosen = int(difference.argmax()), list(model.alphas_).index(model.alpha_)
        above = model.alphas_[difference > TARGET]
        where = f", from {above.max():.3g} down" if len(above) else ""
        print(
            f"  all cold fits {seconds.sum():.1f} s; mean scores, warm less cold: largest "
            f"difference {difference[worst]:.1e} of the constant model's, at alpha "
            f"{model.alphas_[worst]:.3g}; at the alpha chosen {difference[chosen]:.1e}; above "
            f"{TARGET:g} at {len(above)} penalties{where}",
            flush=True,
        )


def main() -> None:
    """Run the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--alphas", type=int, default=30)
    parser.add_argument("--tol", type=float, default=1e-5)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tables", nargs="+", default=("diabetes", "breast_cancer", "concrete"))
    parser.add_argument("--no-scores", action="store_true", help="only the ratio of times")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    settings = arguments.alphas, arguments.tol, not arguments.no_scores
    if "diabetes" in arguments.tables:
        compare("diabetes", *load_diabetes(return_X_y=True), REGRESSION, *settings)
    if "breast_cancer" in arguments.tables:
        compare("breast_cancer", *load_breast_cancer(return_X_y=True), CLASSIFICATION, *settings)
    if "concrete" in arguments.tables and arguments.data is not None:
        compare("concrete", *load(arguments.data, "concrete", 0)[:2], REGRESSION, *settings)


if __name__ == "__main__":
    main()
