"""Do the losses give what they promise? Coverage of quantiles, and the deviance of counts.

Quantile networks at 0.1, 0.5 and 0.9 on california_housing, with the share of held-out rows below
each; and, on the ring counts of abalone, the Poisson deviance of networks fitted with the Poisson
loss and with the squared error. There both penalties are chosen by 3-fold cross-validation of the
Poisson deviance on the training part, from the same number of alphas.

    python benchmarks/losses.py --data FOLDER
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import make_scorer, mean_pinball_loss, mean_poisson_deviance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import ONE_KIND, load, standard_error

from sklearn_wedge import WedgeReLURegressor, WedgeReLURegressorCV

# For the quantiles: large enough for a fit through an interior-point method to take a minute.
QUANTILE_FIT = {"alpha": 2e-3, "pricing": "search", "tol": 0.03}
COUNT_FIT = {"alphas": 12, "eps": 1e-3, "cv": 3, "pricing": "search", "tol": 1e-3}
# Of a fold: a network for the squared error may predict that there are none.
LEAST_RINGS = 0.5


def poisson_deviance(y, prediction) -> float:
    """Of predictions kept away from zero, where the deviance is infinite."""
    return mean_poisson_deviance(y, np.maximum(prediction, LEAST_RINGS))


def quantiles(folder: Path) -> None:
    """Coverage and pinball loss on held-out rows."""
    X, y, X_test, y_test = load(folder, "california_housing", 0)
    print(f"california_housing: {len(y)} rows to fit, {len(y_test)} held out")
    for quantile in (0.1, 0.5, 0.9):
        start = time.perf_counter()
        network = WedgeReLURegressor(loss="quantile", quantile=quantile, **QUANTILE_FIT).fit(X, y)
        taken = time.perf_counter() - start
        boosting = HistGradientBoostingRegressor(loss="quantile", quantile=quantile).fit(X, y)
        covered = [np.mean(y_test <= model.predict(X_test)) for model in (network, boosting)]
        pinball = [
            mean_pinball_loss(y_test, model.predict(X_test), alpha=quantile)
            for model in (network, boosting)
        ]
        print(
            f"  quantile {quantile}: covers {covered[0]:.3f} (boosting {covered[1]:.3f}), pinball "
            f"loss {pinball[0]:.4f} ({pinball[1]:.4f}), {network.n_neurons_} neurons, "
            f"{taken:.0f} s",
            flush=True,
        )


def counts(folder: Path, splits: int) -> None:
    """Poisson deviance on held-out rows."""
    scoring = make_scorer(poisson_deviance, greater_is_better=False)
    models = {
        "wedge, Poisson": WedgeReLURegressorCV(
            loss="poisson", scoring=scoring, **(ONE_KIND | COUNT_FIT)
        ),
        "wedge, squared error": WedgeReLURegressorCV(scoring=scoring, **(ONE_KIND | COUNT_FIT)),
        "boosting, Poisson": HistGradientBoostingRegressor(loss="poisson"),
        "linear, Poisson": make_pipeline(StandardScaler(), PoissonRegressor(alpha=1e-3)),
    }
    deviances = {name: [] for name in models}
    for split in range(splits):
        X, y, X_test, y_test = load(folder, "abalone", split)
        for name, model in models.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y)
            deviances[name].append(poisson_deviance(y_test, model.predict(X_test)))
    print(f"abalone: Poisson deviance of ring counts, {splits} splits")
    for name, values in deviances.items():
        each = " ".join(f"{value:.4f}" for value in values)
        print(f"  {name:22s} {np.mean(values):.4f} ± {standard_error(values):.4f}   {each}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the tables")
    parser.add_argument("--splits", type=int, default=3, help="splits of abalone")
    parser.add_argument("--only", choices=["quantiles", "counts"])
    arguments = parser.parse_args()
    if arguments.only != "counts":
        quantiles(arguments.data)
    if arguments.only != "quantiles":
        counts(arguments.data, arguments.splits)


if __name__ == "__main__":
    main()
