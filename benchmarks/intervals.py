"""Do prediction intervals cover what they promise, and how wide are they?

Split conformal intervals of MAPIE around ``WedgeReLURegressor`` and histogram gradient boosting,
both at their defaults, on the first splits of four tables: the share of the held-out rows inside,
and the mean width in units of the target. Both are fitted on the same three quarters of the
training part and conformalised on the last one. A quarter of a small table is few rows, and which
they are is chance that moves coverage by several points: such a split is gone through several
times, each with another quarter, until at least 500 rows have been set aside in all. Errors are
over splits. ``--cross`` takes cross-conformal ones (CV+) on five folds instead, which cover more
than they promise. Times are CPU time of one fit.

    pip install "sklearn_wedge[bench]"
    python benchmarks/intervals.py --data FOLDER
"""

from __future__ import annotations

import argparse
import time
import warnings
from math import ceil
from pathlib import Path

import numpy as np
from mapie.regression import CrossConformalRegressor, SplitConformalRegressor
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from tables import load, n_splits, standard_error

from sklearn_wedge import WedgeReLURegressor

TABLES = ("yacht", "bostonHousing", "concrete", "power-plant")
CONFIDENCE, ASIDE, FOLDS = 0.9, 0.25, 5
# Rows that are set aside of a split, over all the times that it is gone through, at least.
ROWS_ASIDE = 500
MODELS = {
    "network": lambda: WedgeReLURegressor(n_jobs=1),
    "boosting": lambda: HistGradientBoostingRegressor(random_state=0),
}


def by_split(model, X, y):
    """Fitted on some rows, conformalised on the others; several times, each with other ones."""
    for seed in range(ceil(ROWS_ASIDE / (ASIDE * len(y)))):
        some, aside, y_some, y_aside = train_test_split(X, y, test_size=ASIDE, random_state=seed)
        conformal = SplitConformalRegressor(model, confidence_level=CONFIDENCE, prefit=False)
        yield conformal.fit(some, y_some).conformalize(aside, y_aside)


def by_folds(model, X, y):
    """Fitted and conformalised on all rows, in folds; once."""
    conformal = CrossConformalRegressor(
        model, confidence_level=CONFIDENCE, method="plus", cv=FOLDS, random_state=0
    )
    yield conformal.fit_conformalize(X, y)


def covered(conformalised, model, X, y, X_test, y_test) -> NDArray[np.float64]:
    """Share of the test rows inside their intervals, mean width, CPU seconds: means."""
    start, found = time.process_time(), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for conformal in conformalised(model, X, y):
            low, high = conformal.predict_interval(X_test)[1][:, :, 0].T
            inside = np.mean((low <= y_test) & (y_test <= high))
            found.append((inside, np.mean(high - low)))
    taken = (time.process_time() - start) / len(found)
    return np.array([*np.mean(found, axis=0), taken])


def on_table(folder: Path, name: str, splits: int, conformalised) -> dict[str, np.ndarray]:
    """Coverage, width and time on each split, (splits, 3), of each model."""
    found = {model: [] for model in MODELS}
    for split in range(min(splits, n_splits(folder, name))):
        data = load(folder, name, split)
        for model, make in MODELS.items():
            found[model].append(covered(conformalised, make(), *data))
            inside, width, taken = found[model][-1]
            print(
                f"  {name} {split:2d} {model:8s} {inside:.1%} {width:.4g} {taken:.1f} s", flush=True
            )
    return {model: np.array(rows) for model, rows in found.items()}


def main() -> None:
    """Print a line per table and model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--cross", action="store_true")
    arguments = parser.parse_args()
    conformalised = by_folds if arguments.cross else by_split
    for name in arguments.tables:
        found = on_table(arguments.data, name, arguments.splits, conformalised)
        for model, (inside, width, taken) in ((m, rows.T) for m, rows in found.items()):
            print(
                f"{name} ({len(inside)} splits), {model}: covers {inside.mean():.1%} "
                f"± {standard_error(inside):.1%}, mean width {width.mean():.4g} "
                f"± {standard_error(width):.2g}, {taken.mean():.1f} s a fit",
                flush=True,
            )
        ratio = found["network"][:, 1] / found["boosting"][:, 1]
        print(f"{name}: width of network / boosting {ratio.mean():.3f}", flush=True)


if __name__ == "__main__":
    main()
