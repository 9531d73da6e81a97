"""Estimators as users call them, without a parameter: test error and CPU seconds on real tables.

    python benchmarks/defaults.py --data FOLDER --sets yacht concrete phoneme

The folder is described in ``tables.py``. Errors are root mean squared ones of a regression, else
the share of wrong labels, each the mean over the splits. CatBoost takes part if it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import make_regression
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from tables import load

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)

SETS = ("yacht", "bostonHousing", "concrete", "german_credit", "phoneme")


def contenders(is_classification: bool) -> dict[str, Any]:
    """Estimators at their defaults, by name."""
    if is_classification:
        found = {
            "wedge network": WedgeReLUClassifier(),
            "wedge network, fast CV": WedgeReLUClassifierCV(effort="fast"),
            "wedge network, CV": WedgeReLUClassifierCV(),
            "histogram boosting": HistGradientBoostingClassifier(random_state=0),
        }
    else:
        found = {
            "wedge network": WedgeReLURegressor(),
            "wedge network, fast CV": WedgeReLURegressorCV(effort="fast"),
            "wedge network, CV": WedgeReLURegressorCV(),
            "histogram boosting": HistGradientBoostingRegressor(random_state=0),
        }
    if importlib.util.find_spec("catboost"):
        import catboost

        kind = catboost.CatBoostClassifier if is_classification else catboost.CatBoostRegressor
        found["CatBoost"] = kind(verbose=False, random_seed=0, allow_writing_files=False)
    return found


def measured(model: Any, data: tuple) -> tuple[float, float]:
    """Test error and CPU seconds of a fit."""
    X, y, X_test, y_test = data
    start = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - start
    predicted = np.asarray(model.predict(X_test)).reshape(len(y_test))
    if y.dtype.kind == "f":
        return float(np.sqrt(np.mean((predicted - y_test) ** 2))), seconds
    return float(np.mean(predicted != y_test)), seconds


def chosen(model: Any) -> str:
    """What was chosen on the last split, if anything."""
    if not hasattr(model, "alpha_"):
        return ""
    words = [f"alpha {model.alpha_:.2g}"]
    others = getattr(model, "best_params_", {})
    words += [f"{name} {value}" for name, value in others.items() if name != "alpha"]
    return f", {', '.join(words)} at last"


def compile_loops() -> None:
    """What numba compiles, once for all fits."""
    X, y = make_regression(200, 3, random_state=0)
    WedgeReLURegressor(max_iter=2).fit(X, y)
    WedgeReLUClassifier(max_iter=2).fit(X, y > 0)


def compare(folder: Path, name: str, splits: int) -> None:
    """Print a line per estimator."""
    is_classification = load(folder, name, 0)[1].dtype.kind != "f"
    for title, model in contenders(is_classification).items():
        pairs = [measured(model, load(folder, name, split)) for split in range(splits)]
        error, seconds = np.mean(pairs, axis=0)
        print(
            f"{name:18} {title:22} error {error:8.4g}   CPU {seconds:7.2f} s{chosen(model)}",
            flush=True,
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--splits", type=int, default=1)
    arguments = parser.parse_args()
    compile_loops()
    for name in arguments.sets:
        compare(arguments.data, name, arguments.splits)


if __name__ == "__main__":
    main()
