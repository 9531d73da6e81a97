"""How soon is a network near the optimum, and how true is its estimated bound?

Unit l2 norms, any number of inputs per neuron. Each row is done in parts, which are kept in a file
as they end: started again, the benchmark goes on where it was.

- *fit*: traced round by round until it ends or its time is up. Then a *longer search* goes on from
  where it ended: ten times the climbs, from other seeds.
- *L-BFGS*: SciPy, all defaults, double precision, blocks of rows that stay in the cache, trains a
  network of twice the neurons that the fit ended with (in hundreds), in the same units, from random
  weights, from three seeds: the best objective counts, and the time of one run.
- *l1*: fits under unit l1 norms of order 2 and 3, for which there is no L-BFGS; to be compared with
  those of another version, whose results are in another file.

A row passes if the fit is below L-BFGS when that ends (*then*), at most 2 % above the best
objective that anyone reached after four times as long (*later*), at most 0.5 % above what the
longer search makes of it (*longer*), and if its estimated bound is not above the best objective
known (*bound*). All times are CPU seconds of one core.

    OMP_NUM_THREADS=1 python benchmarks/optimum.py --data PATH --results FILE
        [--rows kin8nm-7e-04 ...] [--seconds 100] [--longer 100] [--against FILE]

``PATH`` is described in ``tables.py``. Needs the callbacks of scikit-learn 1.9.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from tables import load

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge._core import warm_path
from sklearn_wedge._core.pricing import Pricing

# Tables with the rows used of the training part of their first split, and the penalties.
REGRESSION = {
    "kin8nm": (None, (7e-4, 1e-4)),
    "pol": (3000, (2e-4,)),
    "concrete": (None, (1e-4, 3e-5)),
    "yacht": (None, (1e-4, 3e-5)),
}
CLASSIFICATION = {"phoneme": (None, (1e-3, 2e-4)), "spambase": (None, (1e-3, 2e-4))}
ROWS = {
    f"{table}-{alpha:.0e}": (table, n_rows, alpha)
    for table, (n_rows, alphas) in (REGRESSION | CLASSIFICATION).items()
    for alpha in alphas
}
SEEDS, WIDER, LATER, LONGER = range(3), 2, 4, 10
NEAR, LITTLE = 0.02, 0.005
# Rounds after which those of the longer search are counted: no fit has so many.
OTHER_SEEDS = 10**6
BLOCK = 2**16


def estimator(table: str, alpha: float):
    """As a user calls it."""
    make = WedgeReLUClassifier if table in CLASSIFICATION else WedgeReLURegressor
    return make(alpha=alpha, norm="l2", interaction_order=None, max_iter=10_000)


class Clock:
    """A callback: CPU seconds at the end of each round; asks to stop when the time is up."""

    def __init__(self, seconds: float):
        self.seconds, self.ends = seconds, []
        self.began = time.process_time()

    def setup(self, estimator, context) -> None:
        """Of no interest."""

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context) -> bool:
        """Note the time."""
        if context.task_name == "round":
            self.ends.append(time.process_time() - self.began)
        return time.process_time() - self.began > self.seconds


@dataclass
class Trace:
    """Objectives over seconds."""

    seconds: list[float]
    objectives: list[float]

    def at(self, seconds: float) -> float:
        """The objective reached by then."""
        reached = [f for t, f in zip(self.seconds, self.objectives, strict=True) if t <= seconds]
        return min(reached, default=np.nan)

    def passes(self, objective: float) -> float:
        """When the objective was no more than that."""
        there = [t for t, f in zip(self.seconds, self.objectives, strict=True) if f <= objective]
        return there[0] if there else np.nan


def traced(model, X, y, seconds: float) -> Trace:
    """Fit, at most so long."""
    clock = Clock(seconds)
    model.set_callbacks(clock).fit(X, y)
    objectives = [entry.objective for entry in model.history_]
    # Of the rounds, those at the last penalty have a history; the way there counts in the time.
    return Trace(clock.ends[-len(objectives) :], objectives)


@contextmanager
def kept_end():
    """A list that gets the problem, the last state and the stopping rule of fits."""
    ends, solve_from = [], warm_path.solve_from

    def solved(problem, state, rule, verbose=0):
        state, reached = solve_from(problem, state, rule, verbose)
        ends.append((problem, state, rule))
        return state, reached

    warm_path.solve_from = solved
    try:
        yield ends
    finally:
        warm_path.solve_from = solve_from


def searched_longer(problem, state, rule, seconds: float):
    """What ten times the climbs from other seeds make of the end of a fit, in so many seconds."""
    old = problem.pricing
    budget = replace(
        old.budget,
        climbs_at_the_end=LONGER * old.budget.climbs_at_the_end,
        climbs_per_neuron=LONGER * old.budget.climbs_per_neuron,
        positions_of_climbs=LONGER * old.budget.positions_of_climbs,
    )
    pricing = Pricing(old.table.points, old.neuron_class, 1, budget)
    began = time.process_time()
    rule = replace(rule, max_rounds=10_000, watch=lambda _: time.process_time() - began > seconds)
    state = replace(state, turn=OTHER_SEEDS, lower_bound=-np.inf, priced=None, rounds=())
    return warm_path.solve_from(replace(problem, pricing=pricing), state, rule)[1]


class TrainingProblem:
    """Mean loss and weight decay of a network of one hidden layer, and the gradient."""

    def __init__(self, model, X, y):
        inputs = (np.clip(X, *model.clip_bounds_) - model.x_mean_) / model.x_scale_
        self.inputs = np.hstack([inputs, np.ones((len(X), 1))])
        self.classifies = is_classifier(model)
        self.target = (
            (y == model.classes_[1]) * 1.0
            if self.classifies
            else (y - model.y_mean_) / model.y_scale_
        )
        self.alpha = model.alpha

    def start(self, width: int, seed: int) -> np.ndarray:
        """Random weights, both layers of each neuron of the same norm; kinks among the rows."""
        rng, d = np.random.default_rng(seed), self.inputs.shape[1] - 1
        hidden = rng.normal(size=(d, width))
        hidden /= np.linalg.norm(hidden, axis=0)
        bias = -np.einsum(
            "ik,ki->i", self.inputs[rng.integers(len(self.inputs), size=width), :d], hidden
        )
        size = width**-0.5
        outer = size * rng.choice([-1.0, 1.0], width)
        return np.concatenate([size * hidden.ravel(), size * bias, outer, [self.target.mean()]])

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """Objective and gradient."""
        width = (len(vector) - 1) // (self.inputs.shape[1] + 1)
        hidden, outer = vector[: -width - 1].reshape(-1, width), vector[-width - 1 : -1]
        slope, loss, of_intercept = np.zeros_like(hidden), 0.0, 0.0
        step = max(64, BLOCK // width)
        room = np.empty((step, width))
        for begin in range(0, len(self.inputs), step):
            rows = slice(begin, begin + step)
            inputs, target = self.inputs[rows], self.target[rows]
            active = np.matmul(inputs, hidden, out=room[: len(inputs)])
            np.maximum(active, 0.0, out=active)
            output = active @ outer + vector[-1]
            if self.classifies:
                loss += np.logaddexp(0.0, output).sum() - target @ output
                pull = expit(output) - target
            else:
                pull = output - target
                loss += 0.5 * (pull @ pull)
            np.greater(active, 0.0, out=active, casting="unsafe")
            slope += (inputs * pull[:, None]).T @ active
            of_intercept += pull.sum()
        n = len(self.inputs)
        of_outer = (hidden * slope).sum(axis=0) / n + self.alpha * outer
        slope *= outer / n
        slope[:-1] += self.alpha * hidden[:-1]
        penalty = 0.5 * self.alpha * ((hidden[:-1] ** 2).sum() + outer @ outer)
        return loss / n + penalty, np.concatenate([slope.ravel(), of_outer, [of_intercept / n]])


def trained(problem: TrainingProblem, width: int, seed: int) -> Trace:
    """L-BFGS from random weights until it ends."""
    seconds, objectives, began = [], [], time.process_time()

    def note(intermediate_result) -> None:
        seconds.append(time.process_time() - began)
        objectives.append(float(intermediate_result.fun))

    start = problem.start(width, seed)
    minimize(problem, start, jac=True, method="L-BFGS-B", callback=note)
    return Trace(seconds, objectives)


def rows_of(name: str, options: argparse.Namespace):
    """Inputs and target of a row, and its penalty."""
    table, n_rows, alpha = ROWS[name]
    X, y, _, _ = load(options.data, table, 0)
    rows = np.random.default_rng(0).permutation(len(y))[:n_rows]
    X, y = X[rows], y[rows]
    return X, y if table in CLASSIFICATION else y.astype(float), alpha


class Results:
    """Parts that are done, one a line of a file."""

    def __init__(self, file: Path):
        self.file = file
        lines = file.read_text().splitlines() if file.exists() else []
        self.parts = {tuple(entry["part"]): entry for entry in map(json.loads, lines)}

    def part(self, *key, make):
        """What was kept under a key, or is made now."""
        if key not in self.parts:
            entry = {"part": key, **make()}
            with self.file.open("a") as file:
                print(json.dumps(entry), file=file)
            self.parts[key] = entry
        return self.parts[key]


def fitted(name: str, options: argparse.Namespace) -> dict:
    """The fit, and the longer search after it."""
    X, y, alpha = rows_of(name, options)
    model = estimator(ROWS[name][0], alpha)
    with kept_end() as ends:
        trace = traced(model, X, y, options.seconds)
    longer = searched_longer(*ends[-1], options.longer)
    return {
        **vars(trace),
        "neurons": len(model.intercepts_[0]),
        "bound": model.certificate_.lower_bound,
        "stopped_by": model.certificate_.stopped_by,
        "longer": longer.certificate.objective,
        "bound_of_longer": longer.certificate.lower_bound,
        "stopped_by_longer": longer.certificate.stopped_by,
    }


def rival(name: str, width: int, seed: int, options: argparse.Namespace) -> dict:
    """One run of L-BFGS."""
    X, y, alpha = rows_of(name, options)
    model = estimator(ROWS[name][0], alpha).set_params(max_iter=1)
    trace = trained(TrainingProblem(model.fit(X, y), X, y), width, seed)
    return {"seconds": trace.seconds[-1], "objective": trace.objectives[-1]}


def under_l1(name: str, order: int, options: argparse.Namespace) -> dict:
    """A fit under l1 norms of limited order."""
    X, y, alpha = rows_of(name, options)
    model = estimator(ROWS[name][0], alpha).set_params(norm="l1", interaction_order=order)
    trace = traced(model, X, y, options.seconds)
    certificate = model.certificate_
    return {**vars(trace), "bound": certificate.lower_bound, "stopped_by": certificate.stopped_by}


def passed(value: str, passes: bool) -> str:
    """A figure, and whether it is as it should be."""
    return f"{value} {'ok' if passes else '**no**'}"


def row(name: str, options: argparse.Namespace, results: Results) -> list[str]:
    """One row of the table."""
    ours = results.part("fit", name, make=lambda: fitted(name, options))
    width = max(100, 100 * round(WIDER * ours["neurons"] / 100))
    runs = [
        results.part(
            "L-BFGS", name, width, seed, make=lambda seed=seed: rival(name, width, seed, options)
        )
        for seed in SEEDS
    ]
    ends = float(np.median([run["seconds"] for run in runs]))
    theirs = min(run["objective"] for run in runs)
    trace = Trace(ours["seconds"], ours["objectives"])
    then, later, last = trace.at(ends), trace.at(LATER * ends), trace.objectives[-1]
    best = min(*trace.objectives, theirs, ours["longer"])
    return [
        name,
        f"{ends:.1f} s, {theirs:.4g}",
        passed(f"{then:.4g}", then < theirs),
        f"{trace.passes(theirs):.1f} s",
        passed(f"{later / best - 1:.2%}", later <= (1 + NEAR) * best),
        f"{trace.seconds[-1]:.1f} s, {last:.4g}, {ours['stopped_by']}",
        passed(f"{1 - ours['longer'] / last:.2%}", ours["longer"] >= (1 - LITTLE) * last),
        passed(f"{1 - ours['bound'] / best:.2%}", ours["bound"] <= best),
    ]


HEADS = (
    "row",
    f"L-BFGS, {WIDER} times as wide",
    "then",
    "passes it at",
    f"{LATER} times later, above the best",
    "ends",
    "longer search lowers by",
    "bound below the best by",
)


def l1_row(name: str, order: int, options: argparse.Namespace, results: Results) -> list[str]:
    """One row of the table of fits under l1 norms."""
    ours = results.part("l1", name, order, make=lambda: under_l1(name, order, options))
    cells = [name, str(order), f"{ours['seconds'][-1]:.1f} s, {ours['objectives'][-1]:.5g}"]
    if options.against is not None:
        theirs = Results(options.against).parts["l1", name, order]
        at_end = Trace(ours["seconds"], ours["objectives"]).passes(theirs["objectives"][-1])
        cells += [
            f"{theirs['seconds'][-1]:.1f} s, {theirs['objectives'][-1]:.5g}",
            f"{at_end:.1f} s",
        ]
    return cells


def line(cells: Iterable[str]) -> str:
    """Of a table."""
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Run and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True, help="where parts are kept")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--seconds", type=float, default=100.0, help="of a fit at most")
    parser.add_argument("--longer", type=float, default=100.0, help="of the longer search at most")
    parser.add_argument("--orders", nargs="*", type=int, default=(), help="of fits under l1 norms")
    parser.add_argument("--against", type=Path, help="results of another version under l1 norms")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    results = Results(options.results)
    rng = np.random.default_rng(0)
    for table in ("kin8nm", "phoneme"):  # compiles what a fit needs
        X = rng.normal(size=(200, 3))
        estimator(table, 1e-2).fit(X, (X[:, 0] > X[:, 1]) * 1.0)
    if options.orders:
        for name in options.rows:
            for order in options.orders:
                print(line(l1_row(name, order, options, results)), flush=True)
        return
    print(line(HEADS) + "\n|" + " --- |" * len(HEADS))
    for name in options.rows:
        print(line(row(name, options, results)), flush=True)


if __name__ == "__main__":
    main()
