"""Fits with this version beside those with another source tree, in one interleaved run.

    git worktree add /tmp/before COMMIT
    python benchmarks/engine.py --data PATH --before /tmp/before [--cores 1] [--runs 5]

``PATH`` is described in ``tables.py``. Each fit is a process of its own, with the tree first on
``PYTHONPATH`` and ``OMP_NUM_THREADS`` set to the number of cores; versions take turns. Printed are
medians of CPU and wall time of both versions, their ratios, and the objectives. Compilation is not
counted in these, and printed apart: the first fit with an empty cache of compiled code, the first
fit of a later process, and imports. Without ``--before`` only this version is timed.

The two spirals are also solved by CLARABEL on the explicit matrix (see ``two_spirals.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).resolve().parent
# Rows of the fit before the one that is timed: it loads and compiles everything.
ROWS_TO_START = 300


def table(folder: Path, name: str):
    """Training part of the first split."""
    from tables import load

    return load(folder, name, 0)[:2]


def california(folder: Path):
    """Normal quantiles, order 2."""
    from sklearn.preprocessing import QuantileTransformer

    from sklearn_wedge import WedgeReLURegressor

    X, y = table(folder, "california_housing")
    X = QuantileTransformer(output_distribution="normal", random_state=0).fit_transform(X)
    return WedgeReLURegressor(1e-4, tol=1e-2, pricing="search"), X, y


def concrete(folder: Path):
    """Order 3."""
    from sklearn_wedge import WedgeReLURegressor

    return WedgeReLURegressor(1e-4, interaction_order=3), *table(folder, "concrete")


def kin8nm(folder: Path):
    """Unit length in l2, any order."""
    from sklearn_wedge import WedgeReLURegressor

    model = WedgeReLURegressor(7e-4, norm="l2", interaction_order=None)
    return model, *table(folder, "kin8nm")


def letter(folder: Path):
    """26 classes."""
    from sklearn_wedge import WedgeReLUClassifier

    return WedgeReLUClassifier(3e-4), *table(folder, "letter")


def diabetes(folder: Path):
    """Everything at its default."""
    from sklearn.datasets import load_diabetes

    from sklearn_wedge import WedgeReLURegressor

    return WedgeReLURegressor(0.01), *load_diabetes(return_X_y=True)


FITS: dict[str, Callable] = {
    "california": california,
    "concrete": concrete,
    "kin8nm": kin8nm,
    "letter": letter,
    "diabetes": diabetes,
}


def timed(work: Callable[[], object]) -> dict[str, float]:
    """CPU and wall time."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def run_fit(name: str, folder: Path) -> dict[str, float]:
    """One fit, after a small one."""
    from sklearn.base import clone

    model, X, y = FITS[name](folder)
    rows = np.arange(min(ROWS_TO_START, len(X)))
    clone(model).set_params(max_iter=2).fit(X[rows], y[rows])
    found = timed(lambda: model.fit(X, y))
    return {**found, "objective": model.certificate_.objective}


def run_spirals(name: str) -> dict[str, float]:
    """The wedge fit, or CLARABEL."""
    import two_spirals

    if name == "clarabel":
        found = {}
        times = timed(lambda: found.update(two_spirals.interior_point()))
        return {**times, "wall": found["seconds"], "objective": found["objective"]}
    two_spirals.wedge_fit("wedge")
    found = {}
    times = timed(lambda: found.update(two_spirals.wedge_fit("wedge")))
    return {**times, "objective": found["objective"]}


def run_first() -> dict[str, float]:
    """Import, then the first small fits of a process: l1 and l2."""
    importing = timed(lambda: __import__("sklearn_wedge"))
    from sklearn.datasets import make_regression

    from sklearn_wedge import WedgeReLURegressor

    X, y = make_regression(120, 4, random_state=0)
    first = timed(lambda: WedgeReLURegressor(0.01, max_iter=2).fit(X, y))
    l2 = WedgeReLURegressor(0.01, max_iter=2, norm="l2", interaction_order=None)
    second = timed(lambda: l2.fit(X, y))
    return {
        "import": importing["cpu"],
        "import_wall": importing["wall"],
        "cpu": first["cpu"] + second["cpu"],
        "wall": first["wall"] + second["wall"],
        "numba": "numba" in sys.modules,
    }


def in_a_process(tree: Path, cores: int, *arguments: str, **environment: str) -> dict[str, float]:
    """What this file prints with these arguments, with the package of a source tree."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "OMP_NUM_THREADS": str(cores),
        **environment,
    }
    command = [sys.executable, str(HERE / "engine.py"), *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=variables)
    return json.loads(done.stdout.decode().splitlines()[-1])


def compare(trees: dict[str, Path], cores: int, runs: int, *arguments: str) -> dict[str, dict]:
    """Medians of each version, which take turns."""
    found: dict[str, list] = {version: [] for version in trees}
    for _ in range(runs):
        for version, tree in trees.items():
            found[version].append(in_a_process(tree, cores, *arguments))
    return {
        version: {key: median(run[key] for run in results) for key in results[0]}
        for version, results in found.items()
    }


def report(name: str, found: dict[str, dict]) -> None:
    """A row: both versions and their ratios."""
    now = found["now"]
    row = f"{name:12s} now {now['cpu']:8.2f} s CPU {now['wall']:8.2f} s wall {now['objective']:.8g}"
    if "before" in found:
        before = found["before"]
        row += (
            f" | before {before['cpu']:8.2f} {before['wall']:8.2f} {before['objective']:.8g}"
            f" | ratio {before['cpu'] / now['cpu']:.2f} CPU {before['wall'] / now['wall']:.2f} wall"
        )
    print(row, flush=True)


def report_first(trees: dict[str, Path], runs: int) -> None:
    """Costs of compilation."""
    for version, tree in trees.items():
        with tempfile.TemporaryDirectory() as cache:
            first = in_a_process(tree, 1, "--first", NUMBA_CACHE_DIR=cache)
            later = [in_a_process(tree, 1, "--first", NUMBA_CACHE_DIR=cache) for _ in range(runs)]
        seconds = {key: median(run[key] for run in later) for key in ("cpu", "wall", "import")}
        print(
            f"{version}: first fits with nothing compiled {first['cpu']:.2f} s CPU "
            f"{first['wall']:.2f} s wall, of a later process {seconds['cpu']:.2f} s CPU "
            f"{seconds['wall']:.2f} s wall; import {seconds['import']:.2f} s CPU",
            flush=True,
        )


def main() -> None:
    """Print the table, or run one fit for it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fits", nargs="*", choices=[*FITS, "spirals"])
    parser.add_argument("--fit", choices=FITS, help=argparse.SUPPRESS)
    parser.add_argument("--spirals", choices=["wedge", "clarabel"], help=argparse.SUPPRESS)
    parser.add_argument("--first", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.fit:
        print(json.dumps(run_fit(options.fit, options.data)))
        return
    if options.spirals:
        print(json.dumps(run_spirals(options.spirals)))
        return
    if options.first:
        print(json.dumps(run_first()))
        return
    trees = {"now": HERE.parent}
    if options.before:
        trees["before"] = options.before.resolve()
    report_first(trees, options.runs)
    for name in options.fits if options.fits is not None else [*FITS, "spirals"]:
        if name == "spirals":
            found = compare(trees, options.cores, options.runs, "--spirals", "wedge")
            report(name, found)
            rival = in_a_process(trees["now"], options.cores, "--spirals", "clarabel")
            print(
                f"CLARABEL takes {rival['wall'] / found['now']['wall']:.0f} times as long "
                f"(objective {rival['objective']:.8g})",
                flush=True,
            )
            continue
        arguments = "--fit", name, "--data", str(options.data)
        report(name, compare(trees, options.cores, options.runs, *arguments))


if __name__ == "__main__":
    main()
