"""CVXPY as it is called here: with CLARABEL, from any thread, without a word."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import cvxpy

FAILED = "failed"
# While it compiles a problem, some versions of CVXPY take parameters for variables in all threads:
# nobody may state a problem with parameters then.
ONE_AT_A_TIME = RLock()


def solve_in_place(problem: cvxpy.Problem, **settings: float) -> str:
    """Solve in place, as well as it goes; how that ended.

    ``problem.solve`` would warn of tolerances that rounding does not allow (the duality gap of a
    fit says how far it got), and to silence a warning is to change what the whole process is warned
    of: threads that overlap do not put it back.
    """
    import cvxpy

    with ONE_AT_A_TIME:
        try:
            data, chain, inverse = problem.get_problem_data(cvxpy.CLARABEL, solver_opts=settings)
            found = chain.solve_via_data(problem, data, warm_start=True, solver_opts=settings)
            solution = chain.invert(found, inverse)
        except cvxpy.SolverError:
            return FAILED
        if solution.status in cvxpy.settings.ERROR:
            return FAILED
        problem.unpack(solution)
        return problem.status
