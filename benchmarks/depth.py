"""One, two and three blocks on regression tables: objective, test RMSE, and what a block costs.

On each split, for each depth, ``alpha`` is chosen by squared error on a validation part of a fifth
of the training part, from seven penalties down to 1e-4 or, beyond 500 rows, the five down to 5e-4;
test RMSE is that of the fit at it on all of the training part. At the penalty chosen for one block
all depths are fitted once more: their training objectives must not rise from depth to depth (the
run stops if one does), and the time of the second block is that of two blocks less that of one.
Order 2, ``pricing="search"`` (these last fits: ``--pricing``); of larger tables a random part of
the training rows, and above 2,000 rows a looser tolerance.

    python benchmarks/depth.py --data PATH [--tables yacht concrete] [--splits 5] [--rows 4000]
        [--jobs 2] [--pricing auto] [--results depth.jsonl]
    python benchmarks/depth.py --report depth.jsonl
    python benchmarks/depth.py --composed

``PATH`` is described in ``tables.py``. Results are appended to a file of JSON lines as they come,
and what is there is skipped: a run may be interrupted. ``--composed`` needs no data: a function of
kinks of kinks that one block of order 2 cannot represent, over five seeds, where two blocks may
have no more hidden neurons in all than the single one.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from suite import read
from tables import ONE_KIND, load, n_splits, standard_error

from sklearn_wedge import WedgeReLURegressor, WedgeReLURegressorCV

TABLES = (
    "yacht",
    "bostonHousing",
    "concrete",
    "permeability_qsar",
    "abalone",
    "kin8nm",
    "power-plant",
    "california_housing",
    "bike_noleak",
    "pol",
)
DEPTHS = (1, 2, 3)
# Penalties, and how many of them are tried: the smallest only where rows are few.
ALPHAS = np.geomspace(1e-2, 1e-4, 7)
FEW_ROWS, FOR_MORE_ROWS = 500, 5
SMALL, TOLERANCE, LOOSE_TOLERANCE = 2000, 1e-3, 5e-3
SEEDS = 5


def network(
    alpha: float, n_blocks: int, n_rows: int, pricing: str = "search"
) -> WedgeReLURegressor:
    """The network of this depth, at the tolerance for so many rows."""
    tol = TOLERANCE if n_rows <= SMALL else LOOSE_TOLERANCE
    return WedgeReLURegressor(alpha, n_blocks=n_blocks, pricing=pricing, tol=tol)


def chosen_alphas(X, y, jobs: int | None) -> list[float]:
    """The penalty of each depth by validation."""
    rows = np.random.default_rng(0).permutation(len(y))
    held_out = len(y) // 5
    model = WedgeReLURegressorCV(
        ALPHAS if len(y) <= FEW_ROWS else ALPHAS[:FOR_MORE_ROWS],
        **(ONE_KIND | {"n_blocks": DEPTHS}),
        pricing="search",
        tol=network(1.0, 1, len(y)).tol,
        cv=[(rows[held_out:], rows[:held_out])],
        n_jobs=jobs,
    ).fit(X, y)
    best = model.score_path_[:, :, 0].argmax(axis=1)
    return [float(model.alphas_[depth, at]) for depth, at in enumerate(best)]


def objectives_and_seconds(
    X, y, alpha: float, pricing: str
) -> tuple[list[float], list[float], list[int]]:
    """Training objective, seconds and blocks kept at each depth, at one penalty."""
    objectives, seconds, kept = [], [], []
    for depth in DEPTHS:
        began = time.perf_counter()
        model = network(alpha, depth, len(y), pricing).fit(X, y)
        seconds.append(time.perf_counter() - began)
        objectives.append(model.certificate_.objective)
        kept.append(model.n_blocks_)
    if np.any(np.diff(objectives) > 0):
        raise AssertionError(f"the objective rises with depth: {objectives}")
    return objectives, seconds, kept


def run_split(table: str, split: int, options: argparse.Namespace) -> dict:
    """All depths on one split."""
    X, y, X_test, y_test = load(options.data, table, split)
    rows = np.random.default_rng(0).permutation(len(y))[: options.rows]
    X, y = X[rows], y[rows].astype(float)
    alphas = chosen_alphas(X, y, options.jobs)
    errors = [
        root_mean_squared_error(y_test, network(alpha, depth, len(y)).fit(X, y).predict(X_test))
        for depth, alpha in zip(DEPTHS, alphas, strict=True)
    ]
    objectives, seconds, kept = objectives_and_seconds(X, y, alphas[0], options.pricing)
    return {
        "table": table,
        "split": split,
        "n_train": len(y),
        "alphas": alphas,
        "rmse": errors,
        "objectives": objectives,
        "seconds": seconds,
        "blocks_kept": kept,
    }


def line(entry: dict) -> str:
    """One split in words."""
    shown = {
        "alphas": "alpha {:.1e}",
        "rmse": "RMSE {:.4g}",
        "objectives": "objective {:.6g}",
        "seconds": "{:.2f} s",
        "blocks_kept": "{} kept",
    }
    parts = (", ".join(map(form.format, entry[name])) for name, form in shown.items())
    return f"{entry['table']} split {entry['split']}: " + "; ".join(parts)


def summary(entries: list[dict]) -> str:
    """The splits of one table as a row."""
    errors = np.array([entry["rmse"] for entry in entries])
    objectives = np.array([entry["objectives"] for entry in entries])
    seconds = np.array([entry["seconds"] for entry in entries])
    fall = np.median(1 - objectives[:, 1:] / objectives[:, :1], axis=0)
    second = np.median((seconds[:, 1] - seconds[:, 0]) / seconds[:, 0])
    cells = [entries[0]["table"], f"{entries[0]['n_train']:,}", str(len(entries))]
    cells += [f"{e.mean():.4g} ± {standard_error(e):.2g}" for e in errors.T]
    cells += [f"{of_depth:.1%}" for of_depth in fall]
    monotone = "yes" if np.all(np.diff(objectives, axis=1) <= 0) else "NO"
    return " | ".join(["", *cells, monotone, f"{second:.1f}", ""]).strip()


def print_report(entries: list[dict]) -> None:
    """A table over all tables."""
    heads = ["table", "rows", "splits", *(f"RMSE, {depth} block(s)" for depth in DEPTHS)]
    heads += [f"{depth} blocks take off the objective" for depth in DEPTHS[1:]]
    heads += ["never rises", "block 2, times block 1"]
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for table in dict.fromkeys(entry["table"] for entry in entries):
        print(summary([entry for entry in entries if entry["table"] == table]))


def composed(X):
    """``||x0| - |x1 + x2||``."""
    return np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1] + X[:, 2]))


def composed_fits(seed: int) -> Iterator[tuple[float, int]]:
    """Test RMSE and hidden neurons of one block, then of two that have no more of them."""
    rng = np.random.default_rng(seed)
    X, valid, test = (rng.uniform(-1, 1, size=(n, 3)) for n in (400, 200, 5000))
    y, y_valid = (composed(part) + 0.02 * rng.normal(size=len(part)) for part in (X, valid))
    at_most = np.inf
    for depth in (1, 2):
        found = []
        for alpha in np.geomspace(5e-2, 1e-3, 11):
            model = network(alpha, depth, len(y)).fit(X, y)
            error = root_mean_squared_error(y_valid, model.predict(valid))
            on_test = root_mean_squared_error(composed(test), model.predict(test))
            found.append((error, on_test, sum(map(len, model.intercepts_[:-1]))))
        _, on_test, at_most = min(entry for entry in found if entry[2] <= at_most)
        yield on_test, at_most


def print_composed() -> None:
    """The composed function over several seeds."""
    for seed in range(SEEDS):
        (one, width), (two, deep_width) = composed_fits(seed)
        print(
            f"seed {seed}: test RMSE {one:.3f} with {width} neurons in one block, {two:.3f} with "
            f"{deep_width} in two: ratio {two / one:.2f}",
            flush=True,
        )


def main() -> None:
    """Run and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--pricing", choices=("search", "auto"), default="search")
    parser.add_argument("--rows", type=int, default=4000, help="training rows at most")
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--results", type=Path, default=Path("depth.jsonl"))
    parser.add_argument("--report", type=Path, help="only print the table of this file")
    parser.add_argument("--composed", action="store_true", help="the composed function")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if options.composed:
        print_composed()
        return
    if options.report is None and options.data is None:
        parser.error("give --data, --report or --composed")
    if options.report is None:
        known = {(entry["table"], entry["split"]) for entry in read(options.results)}
        for table in options.tables:
            for split in range(min(options.splits, n_splits(options.data, table))):
                if (table, split) in known:
                    continue
                entry = run_split(table, split, options)
                with options.results.open("a") as stream:
                    stream.write(json.dumps(entry, default=float) + "\n")
                print(line(entry), flush=True)
    print_report(read(options.report or options.results))


if __name__ == "__main__":
    main()
