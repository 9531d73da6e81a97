"""Do prediction intervals cover what they promise, and how wide are they?

Split conformal intervals of MAPIE around ``WedgeReLURegressor`` and histogram gradient boosting,
both at their defaults, on the first splits of four tables: the share of the held-out rows inside,
and the mean width in units of the target. Both are fitted on the same three quarters of the
training part and conformalised on the last one. ``--cross`` takes cross-conformal ones (CV+) on
five folds instead, which cover more than they promise. Times are CPU time.

    pip install "sklearn_wedge[bench]"
    python benchmarks/intervals.py --data FOLDER
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from mapie.regression import CrossConformalRegressor, SplitConformalRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from tables import load, n_splits, standard_error

from sklearn_wedge import WedgeReLURegressor

TABLES = ("yacht", "bostonHousing", "concrete", "power-plant")
CONFIDENCE, ASIDE, FOLDS = 0.9, 0.25, 5
MODELS = {
    "network": lambda: WedgeReLURegressor(n_jobs=1),
    "boosting": lambda: HistGradientBoostingRegressor(random_state=0),
}


def by_split(model, X, y):
    """Fitted on some rows, conformalised on the others."""
    X, aside, y, y_aside = train_test_split(X, y, test_size=ASIDE, random_state=0)
    conformal = SplitConformalRegressor(model, confidence_level=CONFIDENCE, prefit=False)
    return conformal.fit(X, y).conformalize(aside, y_aside)


def by_folds(model, X, y):
    """Fitted and conformalised on all rows, in folds."""
    conformal = CrossConformalRegressor(
        model, confidence_level=CONFIDENCE, method="plus", cv=FOLDS, random_state=0
    )
    return conformal.fit_conformalize(X, y)


def covered(conformalised, model, X, y, X_test, y_test) -> tuple[float, float, float]:
    """Share of the test rows inside their intervals, mean width, CPU seconds."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, bounds = conformalised(model, X, y).predict_interval(X_test)
    low, high = bounds[:, :, 0].T
    inside = np.mean((low <= y_test) & (y_test <= high))
    return float(inside), float(np.mean(high - low)), time.process_time() - start


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
                f"± {standard_error(width):.2g}, {taken.mean():.1f} s a split",
                flush=True,
            )
        ratio = found["network"][:, 1] / found["boosting"][:, 1]
        print(f"{name}: width of network / boosting {ratio.mean():.3f}", flush=True)


if __name__ == "__main__":
    main()
