"""How soon is a network near the optimum? Fits beside L-BFGS on the same training problem.

Unit l2 norms, any number of inputs per neuron. A fit is traced round by round until it ends or its
time is up; L-BFGS (SciPy, all defaults, double precision, blocks of rows that stay in the cache)
trains a network of twice the neurons that the fit ended with, in the same units, from random
weights, from three seeds: its best objective counts, and the time of one run. Printed are the
objectives of both when L-BFGS ends, that of the fit after four times as long, the distance of that
from the best objective that either reached at any time, the estimated bound, and the times at which
the fit passed what L-BFGS ended with. All times are CPU seconds of one core.

    OMP_NUM_THREADS=1 python benchmarks/optimum.py --data PATH [--rows kin8nm-7e-04 ...]
        [--seconds 60]

``PATH`` is described in ``tables.py``. Needs the callbacks of scikit-learn 1.9.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from tables import load

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor

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
SEEDS, WIDER, LATER = range(3), 2, 4
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

    seconds: np.ndarray
    objectives: np.ndarray

    def at(self, seconds: float) -> float:
        """The objective reached by then."""
        reached = self.objectives[self.seconds <= seconds]
        return float(reached.min()) if len(reached) else np.nan

    def passes(self, objective: float) -> float:
        """When the objective was no more than that."""
        there = self.seconds[self.objectives <= objective]
        return float(there[0]) if len(there) else np.nan


def traced(model, X, y, seconds: float) -> Trace:
    """Fit, at most so long."""
    clock = Clock(seconds)
    model.set_callbacks(clock).fit(X, y)
    objectives = [entry.objective for entry in model.history_]
    # Of the rounds, those at the last penalty have a history; the way there counts in the time.
    return Trace(np.array(clock.ends[-len(objectives) :]), np.array(objectives))


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
        objectives.append(intermediate_result.fun)

    start = problem.start(width, seed)
    minimize(problem, start, jac=True, method="L-BFGS-B", callback=note)
    return Trace(np.array(seconds), np.array(objectives))


def run(name: str, options: argparse.Namespace) -> str:
    """One row of the table."""
    table, n_rows, alpha = ROWS[name]
    X, y, _, _ = load(options.data, table, 0)
    rows = np.random.default_rng(0).permutation(len(y))[:n_rows]
    X, y = X[rows], y[rows]
    y = y if table in CLASSIFICATION else y.astype(float)
    model = estimator(table, alpha)
    ours = traced(model, X, y, options.seconds)
    width = WIDER * len(model.intercepts_[0])
    problem = TrainingProblem(model, X, y)
    runs = [trained(problem, width, seed) for seed in SEEDS]
    theirs = min(runs, key=lambda trace: trace.objectives[-1])
    ends, reached = float(np.median([trace.seconds[-1] for trace in runs])), theirs.objectives[-1]
    later = ours.at(LATER * ends)
    best = min(ours.objectives.min(), reached)
    cells = [
        name,
        str(width),
        f"{ends:.1f} s",
        f"{reached:.5f}",
        f"{ours.at(ends):.5f}",
        f"{ours.passes(reached):.1f} s",
        f"{later:.5f}",
        f"{later / best - 1:.1%}",
        f"{model.certificate_.lower_bound:.5f}",
        f"{ours.seconds[-1]:.1f} s, {ours.objectives[-1]:.5f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEADS = (
    "row",
    "its neurons",
    "L-BFGS ends",
    "at",
    "the fit then",
    "passes that after",
    f"{LATER} times as long",
    "above the best",
    "bound",
    "the fit ends",
)


def main() -> None:
    """Run and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a fit at most")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    for table in ("kin8nm", "phoneme"):  # compiles what a fit needs
        X = rng.normal(size=(200, 3))
        estimator(table, 1e-2).fit(X, (X[:, 0] > X[:, 1]) * 1.0)
    print("| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS))
    for name in options.rows:
        print(run(name, options), flush=True)


if __name__ == "__main__":
    main()
