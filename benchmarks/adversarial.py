"""Random small problems made to be hard: is every fit as good as it says?

Ties, near-duplicates, offsets of 1e8, weights over seven decades, single precision, neurons of one
to three inputs, both norms, every loss, constraints, and fits that are stopped early. Each is
fitted by an estimator as users call it and held against what can be had without the package: all
neurons by enumeration (under l2, of up to two inputs, every face of the arrangement), and CLARABEL
on them, whose answer is turned into two bounds on the optimum that hold however accurate it is.
Checked is that the lower bound of the fit is at most the optimum and the optimum at most its
objective, in every round; that the objective is that of the network, as ``predict`` and the layers
have it; that a fit which says that it converged is within its tolerance; that the violation of the
dual constraint is the one that enumeration finds; and that every neuron is of its class. What
rounding may do is computed for each problem (``tests/verdict.py``).

    python benchmarks/adversarial.py [--seed 0] [--count 1500]
    python benchmarks/adversarial.py --tables 2000

Problems have numbers, ``seed`` to ``seed + count - 1``: a failure prints the command that repeats
it, and what the problem is. With ``--tables`` so many tables are drawn by hypothesis instead, of
all types of columns that pandas and polars have (``tests/odd_tables.py``): each must end in a fit
that predicts, or in an error that says what is wrong, where, and what to do. Ends with status 1 if
there is a failure.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from hard_problems import HardProblem, hard_problem
from verdict import Verdict, judged


def verdict_on(problem: HardProblem) -> Verdict:
    """The verdict; an error anywhere is a failure too."""
    try:
        return judged(problem)
    except Exception:
        return Verdict(failures=[traceback.format_exc()], exact=False)


def report(problem: HardProblem, verdict: Verdict) -> None:
    """What is wrong, and how to see it again."""
    print(f"FAILED {problem}\n  {problem.estimator!r}")
    for failure in verdict.failures:
        print(f"  {failure}")
    print(
        f"  python benchmarks/adversarial.py --seed {problem.number} --count 1\n"
        f"  PYTHONPATH=tests python -c 'from hard_problems import hard_problem as p; "
        f"h = p({problem.number}); h.estimator.fit(h.X, h.y, h.weight)'",
        flush=True,
    )


def odd(count: int) -> int:
    """Draw tables, and say what became of them; of a failure hypothesis prints the smallest."""
    # What problems do without.
    from hypothesis import HealthCheck, Phase, given, settings
    from odd_tables import odd_tables, outcome

    began, found = time.perf_counter(), Counter()

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(odd_tables())
    def tried(table):
        found[outcome(table)] += 1

    try:
        tried()
    except Exception:
        traceback.print_exc()
        return 1
    for what, times in found.most_common():
        print(f"{times:5}  {what}")
    print(f"{sum(found.values())} tables in {time.perf_counter() - began:.0f} s: 0 failed")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="number of the first problem")
    parser.add_argument("--count", type=int, default=1500, help="how many problems")
    parser.add_argument("--tables", type=int, default=0, help="draw so many tables instead")
    arguments = parser.parse_args()
    if arguments.tables:
        return odd(arguments.tables)
    began, kinds, verdicts = time.perf_counter(), Counter(), []
    for number in range(arguments.seed, arguments.seed + arguments.count):
        problem = hard_problem(number)
        verdict = verdict_on(problem)
        verdicts.append(verdict)
        kinds.update((name, str(word)) for name, word in problem.words.items())
        if verdict.failures:
            report(problem, verdict)
    for name in dict.fromkeys(name for name, _ in kinds):
        counts = sorted((word, count) for (of, word), count in kinds.items() if of == name)
        print(f"{name}: " + ", ".join(f"{word} {count}" for word, count in counts))
    failed = sum(bool(verdict.failures) for verdict in verdicts)
    gaps = [verdict.oracle_gap for verdict in verdicts if verdict.exact] or [0.0]
    print(
        f"{len(verdicts)} problems in {time.perf_counter() - began:.0f} s: {failed} failed; "
        f"{sum(v.exact for v in verdicts)} certified, "
        f"{sum(not v.converged for v in verdicts)} said that they did not converge; distance of "
        f"the bounds on the optimum, as a fraction of the objective of the constant model: median "
        f"{np.median(gaps):.0e}, 99 % {np.quantile(gaps, 0.99):.0e}, largest {max(gaps):.0e}"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
