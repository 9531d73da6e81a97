"""One, two and three blocks on regression tables: blocks that stay, and layers that move together.

*Greedy* blocks are solved one after the other, and stay as they are: what is switched off for them
is a function of the package, the turns in which all layers move. On each split ``alpha`` and the
depth of both are chosen by ``WedgeReLURegressorCV`` by squared error on a validation part of a
fifth of the training part, from seven penalties down to 1e-4 or, beyond 500 rows, the five down to
5e-4; test RMSE is that of the fit on all of the training part. At the penalty that was chosen for
one block both are fitted once more, with three blocks: their training objectives at each depth, and
CPU seconds, are compared. Order 2, ``pricing="search"``; of larger tables a random part of the
training rows, and above 2,000 rows a looser tolerance.

    python benchmarks/depth.py --data PATH [--tables yacht concrete] [--splits 3] [--rows 600]
        [--results depth.jsonl]
    python benchmarks/depth.py --report depth.jsonl
    python benchmarks/depth.py --composed

``PATH`` is described in ``tables.py``. Results are appended to a file of JSON lines as they come,
and what is there is skipped: a run may be interrupted, or be of one table. ``--composed`` needs no
data: a function of kinks of kinks that one block of order 2 cannot represent, over five seeds,
where two blocks may have no more hidden neurons in all than the single one.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from suite import read
from tables import ONE_KIND, load, n_splits, standard_error

from sklearn_wedge import WedgeReLURegressor, WedgeReLURegressorCV
from sklearn_wedge._core import deep

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


def network(alpha: float, n_blocks: int, n_rows: int) -> WedgeReLURegressor:
    """The network of this depth, at the tolerance for so many rows."""
    tol = TOLERANCE if n_rows <= SMALL else LOOSE_TOLERANCE
    return WedgeReLURegressor(alpha, n_blocks=n_blocks, pricing="search", tol=tol)


@contextmanager
def blocks_that_stay() -> Iterator[None]:
    """Blocks are solved one after the other, and none of them moves."""
    alternated, deep.alternated = deep.alternated, lambda whole, build, rule: whole
    try:
        yield
    finally:
        deep.alternated = alternated


KINDS = {"greedy": blocks_that_stay, "together": nullcontext}


def chosen(X, y) -> WedgeReLURegressorCV:
    """Penalty and depth by validation, fitted to all rows."""
    rows = np.random.default_rng(0).permutation(len(y))
    held_out = len(y) // 5
    return WedgeReLURegressorCV(
        ALPHAS if len(y) <= FEW_ROWS else ALPHAS[:FOR_MORE_ROWS],
        **(ONE_KIND | {"n_blocks": DEPTHS}),
        pricing="search",
        tol=network(1.0, 1, len(y)).tol,
        cv=[(rows[held_out:], rows[:held_out])],
    ).fit(X, y)


def alpha_of_one_block(model: WedgeReLURegressorCV) -> float:
    """The penalty chosen for one block."""
    return float(model.alphas_[0, model.score_path_[0, :, 0].argmax()])


def objectives_and_seconds(X, y, alpha: float) -> tuple[list[float], float]:
    """Training objective at each depth, that of the last kept for deeper ones, and CPU seconds.

    A block of which nothing is passed on to the last one is not a layer, and is left out.
    """
    began = time.process_time()
    model = network(alpha, DEPTHS[-1], len(y)).fit(X, y)
    seconds = time.process_time() - began
    objectives = [block.certificate.objective for block in model.blocks_]
    return objectives + (len(DEPTHS) - len(objectives)) * objectives[-1:], seconds


def run_split(table: str, split: int, options: argparse.Namespace) -> dict:
    """Both kinds at all depths on one split."""
    X, y, X_test, y_test = load(options.data, table, split)
    rows = np.random.default_rng(0).permutation(len(y))[: options.rows]
    X, y = X[rows], y[rows].astype(float)
    entry = {"table": table, "split": split, "n_train": len(y)}
    for kind, context in KINDS.items():
        with context():
            model = chosen(X, y)
            alpha = alpha_of_one_block(model)
            objectives, seconds = objectives_and_seconds(X, y, alpha)
        entry[kind] = {
            "alpha": model.alpha_,
            "depth": model.n_blocks_,
            "rmse": root_mean_squared_error(y_test, model.predict(X_test)),
            "objectives": objectives,
            "seconds": seconds,
        }
    one = network(alpha, 1, len(y)).fit(X, y)  # which neither moves nor stays
    return entry | {"rmse of one": root_mean_squared_error(y_test, one.predict(X_test))}


def line(entry: dict) -> str:
    """One split in words."""
    said = [f"{entry['table']} split {entry['split']}: RMSE {entry['rmse of one']:.4g} of one"]
    for kind in KINDS:
        own = entry[kind]
        objectives = ", ".join(f"{value:.6g}" for value in own["objectives"])
        said.append(
            f"{kind}: RMSE {own['rmse']:.4g} ({own['depth']} block(s), alpha {own['alpha']:.1e}), "
            f"objective {objectives} in {own['seconds']:.2f} s"
        )
    return "; ".join(said)


def ratios(entries: list[dict]) -> np.ndarray:
    """Of each split, together by greedy: objectives of two and of three blocks, RMSE, seconds."""
    greedy, together = (
        np.array(
            [[*e[kind]["objectives"][1:], e[kind]["rmse"], e[kind]["seconds"]] for e in entries]
        )
        for kind in KINDS
    )
    return together / greedy


def errors_of(entries: list[dict]) -> list[list[float]]:
    """Test RMSE of one block and of the depths chosen, by split; nothing of many tables."""
    if len({entry["table"] for entry in entries}) > 1:
        return []
    of_kinds = ([entry[kind]["rmse"] for entry in entries] for kind in KINDS)
    return [[entry["rmse of one"] for entry in entries], *of_kinds]


def summary(name: str, entries: list[dict]) -> str:
    """The splits of one table, or of all, as a row."""
    of_splits = ratios(entries)
    cells = [name, str(len(entries))]
    for of_kind in errors_of(entries):
        cells.append(f"{np.mean(of_kind):.4g} ± {standard_error(of_kind):.2g}")
    cells += (5 - len(cells)) * [""]
    cells.append(f"{of_splits[:, 2].mean() - 1:+.1%}")
    for of_depth in of_splits[:, :2].T:
        cells.append(f"{np.median(of_depth) - 1:+.1%} ({of_depth.max() - 1:+.1%})")
    cells.append(f"{np.median(of_splits[:, 3]):.1f}")
    return "| " + " | ".join(cells) + " |"


def print_report(entries: list[dict]) -> None:
    """A table over all tables; ``together`` compared with ``greedy``."""
    heads = ["table (rows)", "splits", "RMSE, 1 block", "best greedy depth", "best depth together"]
    heads += ["RMSE", *(f"objective, {depth} blocks (worst split)" for depth in DEPTHS[1:]), "time"]
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for table in dict.fromkeys(entry["table"] for entry in entries):
        own = [entry for entry in entries if entry["table"] == table]
        print(summary(f"{table} ({own[0]['n_train']:,})", own))
    print(summary("all", entries))


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
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--rows", type=int, default=600, help="training rows at most")
    parser.add_argument("--results", type=Path, default=Path("depth.jsonl"))
    parser.add_argument("--report", type=Path, help="only print the table of this file")
    parser.add_argument("--composed", action="store_true", help="the composed function")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "The best alpha|.*penalt")
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
