"""How far from optimal are trained networks? Five of scikit-learn's, on two columns of two tables.

Each network has 50 hidden ReLUs and is trained with weight decay by L-BFGS, or by Adam, from five
seeds; columns and target are standardised before. ``polish`` then says what its objective was, what
the best one on its hyperplanes is, and what the optimum is.

    python benchmarks/polish.py --data FOLDER
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import scale

from sklearn_wedge import polish

ALPHA = 1e-3
TOLERANCE = 1e-5
SEEDS = range(5)
WIDTH = 50


def tables(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two standardised columns and the standardised target of each table."""
    diabetes = load_diabetes(as_frame=True)
    concrete = np.load(folder / "concrete.npz", allow_pickle=True)
    of_concrete = np.flatnonzero(np.isin(concrete["feature_names"], ["cement", "age"]))
    chosen = {
        "diabetes (bmi, s5)": (diabetes.data[["bmi", "s5"]].to_numpy(), diabetes.target),
        "concrete (cement, age)": (concrete["X"][:, of_concrete], concrete["y"]),
    }
    return {
        name: (scale(np.asarray(X, float)), scale(np.asarray(y, float).ravel()))
        for name, (X, y) in chosen.items()
    }


def trained(X, y, solver: str, seed: int) -> MLPRegressor:
    """A network of the same training problem, as scikit-learn writes it."""
    # scikit-learn divides its penalty by the rows of a batch (the last one of an epoch is smaller);
    # L-BFGS takes all at once.
    batch = len(X) if solver == "lbfgs" else 200
    network = MLPRegressor(
        hidden_layer_sizes=WIDTH,
        solver=solver,
        alpha=ALPHA * batch,
        batch_size=batch,
        max_iter=20_000 if solver == "lbfgs" else 1000,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(X, y)


def report(name: str, X, y, solver: str) -> None:
    """A line per seed, and how far the polished networks are apart."""
    print(f"\n{name}: {len(X)} rows, networks trained by {solver}, alpha={ALPHA:g}")
    print(
        "seed  network   restricted  polished   bound      gap of network  rounds    train   polish"
    )
    objectives = []
    for seed in SEEDS:
        start = time.perf_counter()
        network = trained(X, y, solver, seed)
        middle = time.perf_counter()
        result = polish(network, X, y, alpha=ALPHA, tol=TOLERANCE)
        end = time.perf_counter()
        own, restricted = result.objective_of_network, result.objective_on_its_hyperplanes
        assert result.lower_bound <= result.objective <= restricted <= own
        assert result.certificate.exact
        objectives.append(result.objective)
        print(
            f"{seed:4}  {own:.6f}  {restricted:.6f}    {result.objective:.6f}   "
            f"{result.lower_bound:.6f}   {result.relative_gap_of_network:13.2%}  "
            f"{result.estimator.n_iter_:6}  {middle - start:6.1f}s  {end - middle:7.1f}s",
            flush=True,
        )
    apart = (max(objectives) - min(objectives)) / min(objectives)
    print(f"polished objectives are within {apart:.1e} of one another (relative)")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with concrete.npz")
    for name, (X, y) in tables(parser.parse_args().data).items():
        for solver in ("lbfgs", "adam"):
            report(name, X, y, solver)


if __name__ == "__main__":
    main()
