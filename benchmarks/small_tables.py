"""One fit on small tables, in the time of one MLP; what its certificate and a path cost.

``alpha`` is chosen by 10-fold cross-validation on the training part of each split, order 2. Then,
in turn and on one core: one fit at that penalty with ``pricing="search"``; one of
``MLPRegressor(hidden_layer_sizes=(50,), solver="lbfgs", max_iter=1000)`` at its default penalty;
the same fit with ``pricing="exact"``, whose time beyond that of the search is the price of the
certificate; and a path of 30 penalties down to the one chosen. RMSE stands beside that of MLPs
with their penalty tuned, on the splits that both have.

    python benchmarks/small_tables.py --data PATH [--tables yacht concrete] [--splits 5] [--tol 0.1]

``PATH`` is described in ``tables.py``.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import ONE_KIND, baseline_scores, load, standard_error
from threadpoolctl import threadpool_limits

from sklearn_wedge import WedgeReLURegressor, WedgeReLURegressorCV, alpha_max, wedge_relu_path

TABLES = ("yacht", "concrete", "bostonHousing")
PENALTIES = 30
REPEATS = 3


def least_seconds(run: Callable[[], object]) -> float:
    """The time of the fastest of a few runs."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def chosen_alpha(X, y, tol: float, jobs: int | None) -> float:
    """The penalty that cross-validation chooses."""
    folds = KFold(10, shuffle=True, random_state=0)
    model = WedgeReLURegressorCV(
        30, **ONE_KIND, pricing="search", tol=tol, cv=folds, patience=None, n_jobs=jobs
    )
    return model.fit(X, y).alpha_


def times(X, y, network: WedgeReLURegressor) -> dict[str, float]:
    """Seconds of the fits in turn; ``network`` ends up fitted with exact pricing."""
    mlp = MLPRegressor(
        hidden_layer_sizes=(50,), solver="lbfgs", max_iter=1000, alpha=1e-4, random_state=0
    )
    largest = alpha_max(X, y, pricing="search")
    alphas = np.geomspace(largest, network.alpha, PENALTIES)
    network.fit(X, y)  # the first in a process pays for imports
    found = {
        "network": least_seconds(lambda: network.set_params(pricing="search").fit(X, y)),
        "MLP": least_seconds(lambda: make_pipeline(StandardScaler(), mlp).fit(X, y)),
        "path": least_seconds(
            lambda: wedge_relu_path(X, y, alphas, pricing="search", tol=network.tol)
        ),
    }
    exact = least_seconds(lambda: network.set_params(pricing="exact").fit(X, y))
    return {**found, "certificate": exact - found["network"]}


def rivals(folder: Path, name: str, splits: int) -> dict[str, np.ndarray]:
    """RMSE of tuned MLPs by solver, on the first splits: on as many of them as there are."""
    known = baseline_scores(folder, name, splits)
    return {label: known[key] for label, key in (("lbfgs", "mlp_lbfgs"), ("Adam", "mlp"))}


def run_split(folder: Path, name: str, split: int, options: argparse.Namespace) -> dict[str, float]:
    """Error and times on one split."""
    X, y, X_test, y_test = load(folder, name, split)
    alpha = chosen_alpha(X, y, options.tol, options.jobs)
    network = WedgeReLURegressor(alpha, pricing="search", tol=options.tol).fit(X, y)
    error = root_mean_squared_error(y_test, network.predict(X_test))
    with threadpool_limits(1):
        seconds = times(X, y, network)
    certificate = network.certificate_
    print(
        f"  {name} split {split}: alpha {alpha:.2g}, RMSE {error:.3f}, "
        + ", ".join(f"{label} {value:.2f} s" for label, value in seconds.items())
        + f"; {certificate}",
        flush=True,
    )
    return {"error": error, **seconds}


def main() -> None:
    """Run the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--tol", type=float, default=0.1)
    parser.add_argument("--jobs", type=int, default=None)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in options.tables:
        rows = [run_split(options.data, name, split, options) for split in range(options.splits)]
        errors = [row["error"] for row in rows]
        ratio = {
            label: np.median([row[label] / row[of] for row in rows])
            for label, of in (("network", "MLP"), ("certificate", "network"), ("path", "network"))
        }
        beside = "; ".join(
            f"{label} {np.mean(theirs):.3f}, network {np.mean(errors[: len(theirs)]):.3f}"
            f" on {len(theirs)} splits"
            for label, theirs in rivals(options.data, name, options.splits).items()
        )
        print(
            f"{name}: RMSE {np.mean(errors):.3f} ± {standard_error(errors):.3f} "
            f"(tuned MLP: {beside}); median ratios of time: "
            f"network to MLP {ratio['network']:.2f}, "
            f"certificate to network {ratio['certificate']:.2f}, "
            f"path of {PENALTIES} to network {ratio['path']:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
