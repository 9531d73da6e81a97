"""Networks and boosting under the same monotone constraints.

    OMP_NUM_THREADS=1 python benchmarks/monotone.py [--data FOLDER] [--splits 3]

First a table whose truth is known: 600 rows of ``2 sigmoid(4 x0) + tanh(2 x1) + 0.3 x2``, uniform
on ±3, noise 0.1, which rises with each of the three inputs and is S-shaped in two. Printed are the
error against the truth on 20,000 other points, neurons, and how many of 10,000 random pairs of
points, one above the other, are predicted the wrong way round. Networks are fitted at a few
penalties and at the one that they choose.

With a folder (``tables.py`` says what is in it) then two real tables, at the penalty that the
network chooses: strength of concrete, which rises with cement and age and falls with water, by
RMSE; and credits that go bad (``german_credit_raw.csv.gz``), the more likely the longer, the larger
and the faster to be paid back they are, and the younger who has them, by log loss and accuracy.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from raw_tables import raw_table
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss, root_mean_squared_error
from tables import load, rows_of_split, standard_error

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor

ALPHAS = (2e-3, 1.5e-3, 1e-3)
RISING = [1, 1, 1]
CONCRETE = [1, 0, 0, -1, 0, 0, 0, 1]
CREDIT = {"duration": 1, "amount": 1, "rate": 1, "age": -1}


def s_shaped(X: np.ndarray) -> np.ndarray:
    """The truth of the made table."""
    return 2 / (1 + np.exp(-4 * X[:, 0])) + np.tanh(2 * X[:, 1]) + 0.3 * X[:, 2]


def made_table() -> None:
    """Errors on the table whose truth is known."""
    rng = np.random.default_rng(0)
    X, unseen = rng.uniform(-3, 3, size=(600, 3)), rng.uniform(-3, 3, size=(20_000, 3))
    y = s_shaped(X) + 0.1 * rng.standard_normal(600)
    low = rng.uniform(-3, 3, size=(10_000, 3))
    high = low + rng.exponential(size=low.shape) * rng.integers(0, 2, size=low.shape)
    models: dict[str, Any] = {
        f"network, alpha={alpha:g}": WedgeReLURegressor(alpha, monotonic_cst=RISING)
        for alpha in ALPHAS
    }
    models |= {
        "network, alpha chosen": WedgeReLURegressor(monotonic_cst=RISING),
        "network without ramps": WedgeReLURegressor(monotonic_cst=RISING, ramps=False),
        "network, unconstrained": WedgeReLURegressor(),
        "network, unconstrained, ramps": WedgeReLURegressor(ramps=True),
        "boosting": HistGradientBoostingRegressor(monotonic_cst=RISING),
    }
    print("S-shaped: error against the truth, neurons (ramps), pairs the wrong way, CPU s")
    for name, model in models.items():
        began = time.process_time()
        model.fit(X, y)
        seconds = time.process_time() - began
        error = root_mean_squared_error(s_shaped(unseen), model.predict(unseen))
        wrong = np.sum(model.predict(high) < model.predict(low) - 1e-12)
        neurons = getattr(model, "neurons_", None)
        size = "" if neurons is None else f"{len(neurons)} ({neurons.are_ramps.sum()})"
        print(f"  {name:30} {error:.4f}  {size:8} {wrong:5}  {seconds:.1f}", flush=True)


def concrete(folder: Path, splits: int) -> Iterator[tuple[str, Any, tuple]]:
    """Models with the parts of each split."""
    for split in range(splits):
        data = load(folder, "concrete", split)
        yield "network", WedgeReLURegressor(monotonic_cst=CONCRETE), data
        yield "without ramps", WedgeReLURegressor(monotonic_cst=CONCRETE, ramps=False), data
        yield "boosting", HistGradientBoostingRegressor(monotonic_cst=CONCRETE), data


def german_credit(folder: Path, splits: int) -> Iterator[tuple[str, Any, tuple]]:
    """Likewise; text columns are categories to both."""
    table = raw_table(folder, "german_credit")
    frame = table.frame
    for name in frame.columns[[not pd.api.types.is_numeric_dtype(t) for t in frame.dtypes]]:
        frame[name] = frame[name].astype("category")
    bad = (table.labels == "bad") * 1
    for train, test in rows_of_split(folder, "german_credit")[:splits]:
        data = frame.iloc[train], bad[train], frame.iloc[test], bad[test]
        yield "network", WedgeReLUClassifier(monotonic_cst=CREDIT), data
        yield "without ramps", WedgeReLUClassifier(monotonic_cst=CREDIT, ramps=False), data
        yield "boosting", HistGradientBoostingClassifier(monotonic_cst=CREDIT), data


def scores_of(model: Any, X: Any, y: np.ndarray) -> list[float]:
    """RMSE, or log loss and accuracy."""
    if not hasattr(model, "predict_proba"):
        return [float(root_mean_squared_error(y, model.predict(X)))]
    probability = model.predict_proba(X)[:, 1]
    return [float(log_loss(y, probability)), float(accuracy_score(y, probability > 0.5))]


def real_table(title: str, runs: Iterator[tuple[str, Any, tuple]]) -> None:
    """Means over the splits, with standard errors."""
    found: dict[str, list[list[float]]] = {}
    for name, model, (X, y, X_test, y_test) in runs:
        began = time.process_time()
        model.fit(X, y)
        seconds = time.process_time() - began
        found.setdefault(name, []).append([*scores_of(model, X_test, y_test), seconds])
        print(f"  ({name}: {found[name][-1]})", flush=True)
    print(title)
    for name, rows in found.items():
        *scores, seconds = np.array(rows).T
        words = [f"{np.mean(each):.4f} ± {standard_error(each):.4f}" for each in scores]
        print(f"  {name:15} {'  '.join(words)}  {np.mean(seconds):.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the real tables")
    parser.add_argument("--splits", type=int, default=3, help="of these")
    parser.add_argument("--tables", nargs="*", default=["made", "concrete", "german_credit"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if "made" in arguments.tables:
        made_table()
    if arguments.data is None:
        return
    if "concrete" in arguments.tables:
        runs = concrete(arguments.data, arguments.splits)
        real_table("concrete: RMSE, CPU s", runs)
    if "german_credit" in arguments.tables:
        runs = german_credit(arguments.data, arguments.splits)
        real_table("german_credit: log loss, accuracy, CPU s", runs)


if __name__ == "__main__":
    main()
