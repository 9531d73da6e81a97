"""One fit at a given penalty on larger tables, beside one of histogram gradient boosting.

Both are fitted on the training part of each split, in turn and in one run; the time ratio is that
of the wedge network to boosting at its defaults. Settings were chosen on a fifth of the first
training part. Before, all models of a regression are fitted to 1,000 rows: the first fit in a
process starts threads and imports what it needs.

    python benchmarks/single_fits.py --data PATH [--tables pol letter] [--splits 1]

``PATH`` is described in ``tables.py``.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler
from tables import load, standard_error

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor

# Neurons of any number of inputs, of unit length in l2.
DENSE = {"norm": "l2", "interaction_order": None}
# Pixels are in one unit already.
PIXELS = {**DENSE, "standardize": False, "clip_quantile": None}


def on_quantiles(model: BaseEstimator) -> Pipeline:
    """Inputs as their shares of smaller training rows, so none lies far out."""
    return make_pipeline(QuantileTransformer(subsample=None), model.set_params(clip_quantile=None))


NETWORKS: dict[str, BaseEstimator] = {
    "california_housing": on_quantiles(WedgeReLURegressor(1e-4, tol=0.1)),
    "bike_noleak": WedgeReLURegressor(1e-4, interaction_order=3, tol=0.02),
    "power-plant": on_quantiles(WedgeReLURegressor(2e-5, tol=5e-3)),
    "pol": WedgeReLURegressor(2e-4, tol=0.01, **DENSE),
    "kin8nm": WedgeReLURegressor(7e-4, tol=0.03, **DENSE),
    "mnist_t10k": WedgeReLUClassifier(0.02, tol=0.01, **PIXELS),
    # Frequencies of words, most of them 0 and a few large.
    "spambase": make_pipeline(FunctionTransformer(np.log1p), WedgeReLUClassifier(8e-4, tol=0.01)),
    "letter": WedgeReLUClassifier(3e-4, tol=0.03),
}


def timed(model: BaseEstimator, X, y) -> float:
    """Seconds of a fit."""
    began = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - began


def rivals(name: str, classes: bool) -> list[BaseEstimator]:
    """What the network is compared with; the first sets the time ratio."""
    boosting = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    mlp = MLPRegressor(hidden_layer_sizes=(50,), solver="lbfgs", max_iter=1000, random_state=0)
    others = [make_pipeline(StandardScaler(), mlp)] if name == "kin8nm" else []
    return [boosting(random_state=0), *others]


def run_split(folder: Path, name: str, split: int) -> tuple[float, float]:
    """Score and time ratio on one split."""
    X, y, X_test, y_test = load(folder, name, split)
    model = NETWORKS[name]
    network = model[-1] if isinstance(model, Pipeline) else model
    network.set_params(pricing="search")
    classes = is_classifier(network)
    metric = accuracy_score if classes else root_mean_squared_error
    lines, first = [], None
    others = rivals(name, classes)
    if not classes:
        for each in [model, *others]:
            clone(each).fit(X[:1000], y[:1000])  # the first fit in a process starts threads
    for rival in others:
        seconds = timed(rival, X, y)
        first = first or seconds
        label = type(rival[-1] if isinstance(rival, Pipeline) else rival).__name__
        lines.append(f"{label} {metric(y_test, rival.predict(X_test)):.4f} ({seconds:.1f} s)")
    seconds = timed(model, X, y)
    score = metric(y_test, model.predict(X_test))
    print(
        f"  {name} split {split}: network {score:.4f} ({seconds:.1f} s, {network.n_neurons_} "
        f"neurons), {', '.join(lines)}; time ratio to boosting {seconds / first:.1f}",
        flush=True,
    )
    return score, seconds / first


def main() -> None:
    """Run the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--splits", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in options.tables:
        found = [run_split(options.data, name, split) for split in range(options.splits)]
        scores, ratios = zip(*found, strict=True)
        print(
            f"{name}: {np.mean(scores):.4f} ± {standard_error(scores):.4f} over {len(scores)} "
            f"splits, median time ratio {np.median(ratios):.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
