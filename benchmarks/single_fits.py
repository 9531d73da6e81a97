"""One fit at a given penalty on larger tables, beside boosting at its defaults.

All are fitted on the training part of each split, in turn and in one run. Printed are the score on
the test part, wall and CPU seconds, and ratios of these to CatBoost's (if it is installed) and to
those of scikit-learn's histogram gradient boosting. Settings were chosen on a fifth of the first
training part. Before, all models but CatBoost are fitted to 1,000 rows: the first fit in a process
starts threads and imports what it needs.

    python benchmarks/single_fits.py --data PATH [--tables pol letter] [--splits 1]
        [--rivals CatBoost]

``PATH`` is described in ``tables.py``; ``friedman`` is not in it but drawn: a million rows of
Friedman's function of ten inputs with noise of standard deviation 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.datasets import make_friedman1
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


def on_normal_quantiles(model: BaseEstimator) -> Pipeline:
    """Inputs as quantiles of a normal distribution."""
    transformer = QuantileTransformer(output_distribution="normal", random_state=0)
    return make_pipeline(transformer, model)


NETWORKS: dict[str, BaseEstimator] = {
    "california_housing": on_normal_quantiles(WedgeReLURegressor(1e-4, tol=0.01)),
    "bike_noleak": WedgeReLURegressor(1e-4, interaction_order=3, tol=0.02),
    "power-plant": on_quantiles(WedgeReLURegressor(2e-5, tol=5e-3)),
    "pol": WedgeReLURegressor(2e-4, tol=0.01, **DENSE),
    "kin8nm": WedgeReLURegressor(7e-4, tol=0.01, **DENSE),
    "mnist_t10k": WedgeReLUClassifier(0.02, tol=0.03, **PIXELS),
    # Frequencies of words, most of them 0 and a few large.
    "spambase": make_pipeline(FunctionTransformer(np.log1p), WedgeReLUClassifier(8e-4, tol=0.01)),
    "letter": WedgeReLUClassifier(2e-4, tol=0.03, **DENSE),
    "friedman": WedgeReLURegressor(1e-3),
}
# Rows of Friedman's function to be fitted, and to be predicted.
FRIEDMAN_ROWS, FRIEDMAN_TEST_ROWS = 1_000_000, 100_000


def table(folder: Path, name: str, split: int):
    """Training and test part of one split."""
    if name != "friedman":
        return load(folder, name, split)
    n_rows = FRIEDMAN_ROWS + FRIEDMAN_TEST_ROWS
    X, y = make_friedman1(n_rows, n_features=10, noise=1.0, random_state=split)
    return X[:FRIEDMAN_ROWS], y[:FRIEDMAN_ROWS], X[FRIEDMAN_ROWS:], y[FRIEDMAN_ROWS:]


def timed(model: BaseEstimator, X, y) -> tuple[float, float]:
    """Wall and CPU seconds of a fit."""
    began, cpu = time.perf_counter(), time.process_time()
    model.fit(X, y)
    return time.perf_counter() - began, time.process_time() - cpu


def rivals(name: str, classes: bool) -> dict[str, BaseEstimator]:
    """What the network is compared with; time ratios are to boosting."""
    boosting = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    found: dict[str, BaseEstimator] = {"histogram boosting": boosting(random_state=0)}
    if importlib.util.find_spec("catboost"):
        import catboost

        kind = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
        found["CatBoost"] = kind(verbose=False, random_seed=0, allow_writing_files=False)
    if name == "kin8nm":
        mlp = MLPRegressor(hidden_layer_sizes=(50,), solver="lbfgs", max_iter=1000, random_state=0)
        found["MLP"] = make_pipeline(StandardScaler(), mlp)
    return found


def run_split(
    folder: Path, name: str, split: int, wanted: list[str] | None
) -> tuple[float, dict[str, float]]:
    """Score on one split, and wall time as a multiple of that of each rival that is wanted."""
    X, y, X_test, y_test = table(folder, name, split)
    model = NETWORKS[name]
    network = model[-1] if isinstance(model, Pipeline) else model
    network.set_params(pricing="search")
    classes = is_classifier(network)
    metric = accuracy_score if classes else root_mean_squared_error
    contenders = {**rivals(name, classes), "network": model}
    if wanted is not None:
        contenders = {label: contenders[label] for label in (*wanted, "network")}
    scores, seconds = {}, {}
    for label, contender in contenders.items():
        if label != "CatBoost":
            clone(contender).fit(X[:1000], y[:1000])  # the first fit in a process starts threads
        seconds[label] = timed(contender, X, y)
        scores[label] = metric(y_test, np.ravel(contender.predict(X_test)))
    wall, cpu = seconds.pop("network")
    ratios = {label: wall / of_rival for label, (of_rival, _) in seconds.items()}
    words = [
        f"{label} {scores[label]:.4f} ({its_wall:.1f} s, {its_cpu:.1f} s CPU: "
        f"{wall / its_wall:.2f} times, {cpu / its_cpu:.2f} CPU)"
        for label, (its_wall, its_cpu) in seconds.items()
    ]
    print(
        f"  {name} split {split}: network {scores['network']:.4f} ({wall:.1f} s, {cpu:.1f} s CPU, "
        f"{network.n_neurons_} neurons); {', '.join(words)}",
        flush=True,
    )
    return scores["network"], ratios


def main() -> None:
    """Run the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--rivals", nargs="+", help="names as printed; all, if not given")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in options.tables:
        found = [
            run_split(options.data, name, split, options.rivals) for split in range(options.splits)
        ]
        scores, ratios = zip(*found, strict=True)
        medians = [
            f"{np.median([of_split[label] for of_split in ratios]):.2f} times {label}"
            for label in ratios[0]
        ]
        print(
            f"{name}: {np.mean(scores):.4f} ± {standard_error(scores):.4f} over {len(scores)} "
            f"splits, median time {', '.join(medians)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
