"""Cells deleted at random: what networks and boosting lose, beside imputation before the network.

    OMP_NUM_THREADS=1 python benchmarks/missing_values.py --data FOLDER --tables concrete abalone

The folder is described in ``tables.py``. A fifth of the cells of all rows is deleted at random,
seeded by the split. Printed are root mean squared errors and CPU seconds of a fit, means over the
splits: of complete tables, of ours as they are, and of networks after scikit-learn's imputers. With
``--validation`` a fifth of the training rows stands for the test rows.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from tables import rows_of_split, standard_error

from sklearn_wedge import WedgeReLURegressor, WedgeReLURegressorCV

TABLES = "concrete", "abalone", "california_housing"
OURS = "network"
WITHOUT_GAPS = "complete"


def contenders(network: Any) -> dict[str, Any]:
    """Models of rows with missing values, by name."""
    return {
        OURS: network(),
        "median, indicator": make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True), network()
        ),
        "iterative": make_pipeline(IterativeImputer(random_state=0), network()),
        "histogram boosting": HistGradientBoostingRegressor(random_state=0),
    }


def with_gaps(X: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The table without some of its cells."""
    lost = np.random.default_rng(seed).random(X.shape) < share
    return np.where(lost, np.nan, X)


def error(model: Any, X: np.ndarray, y: np.ndarray, split: tuple) -> tuple[float, float]:
    """Root mean squared error, and CPU seconds of the fit."""
    train, test = split
    start = time.process_time()
    model.fit(X[train], y[train])
    seconds = time.process_time() - start
    return float(np.sqrt(np.mean((model.predict(X[test]) - y[test]) ** 2))), seconds


def compare(arguments: argparse.Namespace, name: str) -> None:
    """A line a model, on one table."""
    table = np.load(arguments.data / f"{name}.npz", allow_pickle=True)
    X, y = table["X"].astype(float), table["y"]
    splits = rows_of_split(arguments.data, name, arguments.validation)[: arguments.splits]
    network = WedgeReLURegressorCV if arguments.cv else WedgeReLURegressor
    errors: dict[str, np.ndarray] = {}
    for title, model in contenders(network).items():
        if arguments.only and title not in arguments.only:
            continue
        for given in (True, False) if title in (OURS, "histogram boosting") else (True,):
            pairs = [
                error(model, with_gaps(X, arguments.share, k) if given else X, y, split)
                for k, split in enumerate(splits)
            ]
            which = title if given else f"{title}, {WITHOUT_GAPS}"
            errors[which], seconds = np.transpose(pairs)
            print(
                f"{name:18} {which:30} RMSE {errors[which].mean():8.4g}   "
                f"± {standard_error(errors[which]):.2g}   CPU {seconds.mean():7.2f} s",
                flush=True,
            )
    if not arguments.only:
        print(f"{name:18} {in_words(errors)}", flush=True)


def in_words(errors: dict[str, np.ndarray]) -> str:
    """How we compare with imputers, and what is lost beside boosting."""
    means = {title: each.mean() for title, each in errors.items()}
    best = min(means["median, indicator"], means["iterative"])
    lost = [means[title] - means[f"{title}, {WITHOUT_GAPS}"] for title in (OURS, list(means)[-2])]
    return (
        f"{means[OURS] / best - 1:+.1%} above the best imputer; {lost[0]:.4g} above the complete "
        f"table, boosting {lost[1]:.4g}"
    )


def main() -> None:
    """Read the command line."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--splits", type=int, default=5, help="at most so many splits")
    parser.add_argument("--share", type=float, default=0.2, help="of the cells to delete")
    parser.add_argument("--cv", action="store_true", help="networks that choose for themselves")
    parser.add_argument("--only", nargs="+", help="contenders by name")
    parser.add_argument("--validation", action="store_true", help="on training rows alone")
    arguments = parser.parse_args()
    for name in arguments.tables:
        compare(arguments, name)


if __name__ == "__main__":
    main()
