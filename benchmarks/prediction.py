"""Time to predict 100,000 rows, beside random forests and boosting, on one core and on all.

Friedman's first function with noise: ten inputs, five of which matter, fitted on 3,000 rows. The
network is fitted at two penalties, so that it has few and many neurons.

    python benchmarks/prediction.py [--rows 100000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.datasets import make_friedman1
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.metrics import root_mean_squared_error
from threadpoolctl import threadpool_limits

from sklearn_wedge import WedgeReLURegressor

TRAINING_ROWS = 3000
REPEATS = 5
MODELS = {
    "wedge network, alpha 3e-3": WedgeReLURegressor(3e-3, tol=1e-2, pricing="search"),
    "wedge network, alpha 1e-4": WedgeReLURegressor(1e-4, tol=1e-2, pricing="search"),
    "HistGradientBoostingRegressor": HistGradientBoostingRegressor(random_state=0),
    "RandomForestRegressor(300)": RandomForestRegressor(300, random_state=0),
}


def median_seconds(model: RegressorMixin, X) -> float:
    """Of a few predictions."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        model.predict(X)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def main() -> None:
    """Fit all, then time all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    X, y = make_friedman1(TRAINING_ROWS, noise=1.0, random_state=0)
    X_test, y_test = make_friedman1(rows, noise=1.0, random_state=1)
    forest = MODELS["RandomForestRegressor(300)"]
    for model in MODELS.values():
        model.fit(X, y)
    for cores, jobs in ((1, 1), (None, -1)):
        print(f"{rows:,} rows, {'all cores' if cores is None else 'one core'}")
        forest.set_params(n_jobs=jobs)
        with threadpool_limits(cores):
            seconds = {name: median_seconds(model, X_test) for name, model in MODELS.items()}
        for name, model in MODELS.items():
            neurons = getattr(model, "n_neurons_", None)
            print(
                f"  {name:30s} {seconds[name]:.3f} s, RMSE "
                f"{root_mean_squared_error(y_test, model.predict(X_test)):.3f}"
                + (f", {neurons} neurons" if neurons else "")
            )


if __name__ == "__main__":
    main()
