"""How time and memory grow with the number of rows and of inputs, and one input beside boosting.

    python benchmarks/scaling.py [--parts rows inputs one] [--most-rows 100000] [--most-inputs 1000]

Rows: ten inputs (Friedman's first function), order 2. Inputs: 2,000 rows. Both with
``pricing="search"`` at a given penalty, every size in a process of its own. Exponents are slopes of
least-squares lines in the logarithms.

One input: three kinks and noise, certified, beside one fit of ``HistGradientBoostingRegressor``,
and at 1,000 rows beside CVXPY on all 2,000 hinges.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.ensemble import HistGradientBoostingRegressor

from sklearn_wedge import WedgeReLURegressor

ROWS = (100, 1_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
INPUTS = (2, 10, 30, 100, 300, 1000)
ONE_INPUT = (1_000, 10_000, 100_000, 1_000_000)
ROWS_OF_INPUTS = 2_000
# The exponent in the number of rows is taken from here on.
LARGE = 10_000
ALPHA, TOLERANCE = 5e-3, 1e-2
# One input: the tolerance is relative to the constant model, the gap wanted to the objective.
ALPHA_OF_ONE, TOLERANCE_OF_ONE = 1e-3, 1e-5


def fit_table(n: int, d: int) -> dict[str, float]:
    """One fit on a table of this size."""
    X, y = make_friedman1(n, n_features=max(d, 5), noise=1.0, random_state=0)
    X = X[:, :d]
    model = WedgeReLURegressor(ALPHA, pricing="search", tol=TOLERANCE)
    model.fit(X[:100], y[:100])  # the first in a process pays for imports
    began = time.perf_counter()
    model.fit(X, y)
    return {"seconds": time.perf_counter() - began, "neurons": model.n_neurons_}


def kinked_line(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Three kinks and noise."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, n)
    y = np.maximum(x + 1, 0) - 2 * np.maximum(x, 0) + 1.5 * np.maximum(x - 1.5, 0)
    return x[:, None], y + 0.1 * rng.standard_normal(n)


def fit_line(n: int, d: int) -> dict[str, float]:
    """One fit on one input, and one of boosting."""
    X, y = kinked_line(n)
    boosting = HistGradientBoostingRegressor(random_state=0)
    boosting.fit(X[:1000], y[:1000])  # the first in a process starts threads
    began = time.perf_counter()
    boosting.fit(X, y)
    rival = time.perf_counter() - began
    model = WedgeReLURegressor(ALPHA_OF_ONE, tol=TOLERANCE_OF_ONE)
    began = time.perf_counter()
    certificate = model.fit(X, y).certificate_
    return {
        "seconds": time.perf_counter() - began,
        "neurons": model.n_neurons_,
        "rival": rival,
        "gap": certificate.relative_gap,
        "certified": certificate.exact,
    }


def all_hinges(n: int) -> tuple[float, float]:
    """Objective of the fit on one input, and that of CVXPY on the two hinges at every sample."""
    import cvxpy

    X, y = kinked_line(n)
    model = WedgeReLURegressor(ALPHA_OF_ONE, tol=1e-7, clip_quantile=None).fit(X, y)
    x, target = (v - v.mean() for v in (X[:, 0], y))
    x, target = x / x.std(), target / target.std()
    features = np.maximum(np.hstack([x[:, None] - x, x - x[:, None]]), 0.0)
    z, t = cvxpy.Variable(2 * n), cvxpy.Variable()
    loss = cvxpy.sum_squares(features @ z + t - target) / (2 * n)
    problem = cvxpy.Problem(cvxpy.Minimize(loss + ALPHA_OF_ONE * cvxpy.norm1(z)))
    problem.solve(solver=cvxpy.CLARABEL)
    return model.certificate_.objective, float(problem.value)


FITS = {"table": fit_table, "line": fit_line}


def in_a_process(fit: str, n: int, d: int) -> dict[str, float]:
    """Run a fit in a process of its own."""
    command = [sys.executable, __file__, "--fit", fit, str(n), str(d)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def exponent(sizes: list[int], values: list[float]) -> float:
    """Slope in the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def grow(sizes: list[tuple[int, int]], varied: int, count_from: int) -> None:
    """Fit tables of these sizes (rows, inputs), of which one is varied, and print the exponents."""
    found = []
    for n, d in sizes:
        result = in_a_process("table", n, d)
        found.append((n, d, result["seconds"], result["megabytes"]))
        print(
            f"  {n:>9,} rows, {d:>4} inputs: {result['seconds']:8.2f} s, peak "
            f"{result['megabytes']:6.0f} MB, {result['neurons']} neurons",
            flush=True,
        )
    large = [row for row in found if row[varied] >= count_from]
    if len(large) > 1:
        slopes = [exponent([r[varied] for r in large], [r[k] for r in large]) for k in (2, 3)]
        name = ("rows", "inputs")[varied]
        print(
            f"  exponents from {count_from:,} {name} on: {slopes[0]:.2f} time, {slopes[1]:.2f} peak"
        )


def one_input(most_rows: int) -> None:
    """One input beside boosting and CVXPY."""
    for n in (size for size in ONE_INPUT if size <= most_rows):
        result = in_a_process("line", n, 1)
        print(
            f"  {n:>9,} rows: {result['seconds']:6.2f} s, boosting {result['rival']:6.2f} s, ratio "
            f"{result['seconds'] / result['rival']:.1f}; relative gap {result['gap']:.0e}, "
            f"{'certified' if result['certified'] else 'estimated'}, {result['neurons']} neurons, "
            f"peak {result['megabytes']:.0f} MB",
            flush=True,
        )
    objective, optimum = all_hinges(ONE_INPUT[0])
    print(
        f"  {ONE_INPUT[0]:,} rows: objective {objective:.9f}, CVXPY on all hinges {optimum:.9f}, "
        f"relative difference {abs(objective / optimum - 1):.0e}"
    )


def main() -> None:
    """Print the tables, or run one fit for them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = ("rows", "inputs", "one")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--most-rows", type=int, default=100_000)
    parser.add_argument("--most-inputs", type=int, default=1000)
    parser.add_argument("--fit", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        fit, n, d = options.fit
        result = FITS[fit](int(n), int(d))
        result["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    if "rows" in options.parts:
        print("rows")
        grow([(n, 10) for n in ROWS if n <= options.most_rows], 0, LARGE)
    if "inputs" in options.parts:
        print("inputs")
        inputs = [d for d in INPUTS if d <= options.most_inputs]
        grow([(ROWS_OF_INPUTS, d) for d in inputs], 1, INPUTS[1])
    if "one" in options.parts:
        print("one input")
        one_input(options.most_rows)


if __name__ == "__main__":
    main()
