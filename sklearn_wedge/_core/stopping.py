"""When a fit is over: the gap that it may leave, and whether a bound can be true at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklearn_wedge._core.problem import Effort, Problem
from sklearn_wedge._core.solution import Solution, Watch, nobody_watches

# The gap may be this fraction of what the network's own objective is above the least possible, or
# so many times the tolerance if that is more: who asks for little is not kept waiting.
OF_OWN_OBJECTIVE = 0.01
OF_OWN_PER_TOLERANCE = 100.0
# A search through a continuum of directions misses some of the gap: it may see so much of what may
# be left elsewhere. On concrete at alpha=3e-5, any number of inputs, where a search saw 1 % of the
# objective, ten times the climbs took 1.4 % off it.
SEEN_IN_CONTINUUM = 0.4
# The gap of such a search is told as this fraction of the objective at the least: longer searches
# take 0.2 % off fits that ended closer to what they saw.
RESOLUTION = SEEN_IN_CONTINUUM * OF_OWN_OBJECTIVE
# Of a rough network it may be this fraction of its own objective.
ROUGHLY = 0.1
# A gap of this fraction of the objective of the constant model is rounding.
ROUNDING = 1e-12
# A bound above the objective by this fraction of the larger one, own or constant, is none.
INVALID = 1e-8
# Or by this part of the terms that a loss sums: of a target that is constant they cancel.
ROUNDING_OF_TERMS = 1e-13
LARGEST_LOGARITHM = 700.0
# What helps a fit that ended above its tolerance, by what ended it.
ADVICE = {
    "max_iter": "Increase max_iter, or accept the gap with a larger tol.",
    "no progress": "More rounds would not help: accept the gap with a larger tol.",
    "coefficients": (
        "More rounds would not help: it is the coefficients of the neurons at hand that the solver "
        "leaves so far from the best ones. Use a larger alpha or, of few rows, the other solver "
        "('cvxpy' or 'active_set'), or accept the gap with a larger tol."
    ),
}


@dataclass(frozen=True)
class StoppingRule:
    """When to stop: at a gap, after so many rounds, or on request.

    The gap is at most ``tolerance`` × the scale of the problem and, where a fit has something to
    prove, small beside the objective reached: where a network explains nearly everything, the
    constant model is no measure of how good it is. A ``rough`` network is one to be scored: local
    moves find its neurons, and its gap may be ``roughly`` this part of its own objective if this is
    more.
    """

    tolerance: float
    max_rounds: int
    watch: Watch = nobody_watches
    proves: bool = True
    rough: bool = False
    roughly: float = ROUGHLY

    @property
    def thorough(self) -> bool:
        """Whether much is asked for: who asks for little is not kept waiting."""
        return self.proves and not self.rough and _fraction_of_own(self.tolerance) is not None

    def efforts(self, problem: Problem) -> list[Effort]:
        """What a round may have to go through."""
        efforts = problem.efforts(self.proves)
        if not self.thorough:
            efforts = [effort for effort in efforts if effort is not Effort.CONFIRMATION]
        return efforts[:1] if self.rough else efforts

    def gap_wanted(self, problem: Problem, objective: float) -> float:
        """The gap at which a network of this objective is good enough."""
        if self.rough:
            of_own = self.roughly * above_floor(problem, objective)
            return max(self.tolerance * problem.scale, of_own)
        return min(self.tolerance * problem.scale, self._of_own(problem, objective))

    def gap_allowed(self, problem: Problem, objective: float) -> float:
        """The same; at the least, what rounding leaves."""
        return max(self.gap_wanted(problem, objective), _rounding(problem))

    def criterion(self, problem: Problem, objective: float) -> str:
        """What the gap allowed comes from; see ``Certificate.stopped_by``."""
        if self.gap_wanted(problem, objective) < _rounding(problem):
            return "rounding"
        own = self._of_own(problem, objective) < self.tolerance * problem.scale
        return "own objective" if own else "constant model"

    def fraction_of_own(self, problem: Problem) -> float | None:
        """What the gap may be of the own objective of a network; None: anything."""
        fraction = _fraction_of_own(self.tolerance)
        if not self.proves or fraction is None:
            return None
        return SEEN_IN_CONTINUUM * fraction if problem.climbs else fraction

    def _of_own(self, problem: Problem, objective: float) -> float:
        fraction = self.fraction_of_own(problem)
        return np.inf if fraction is None else fraction * above_floor(problem, objective)


def above_floor(problem: Problem, objective: float) -> float:
    """An objective, counted from what no loss can be below."""
    return max(objective - (problem.constant.objective - problem.scale), 0.0)


def gap_told(
    problem: Problem, rule: StoppingRule, objective: float, bound: float
) -> tuple[float, float]:
    """A gap and its tolerance as they are published.

    A search in a continuum of directions, or in sets of three inputs or more, ends once it sees no
    more than is allowed. What it then sees is luck: two searches may find nothing at all where a
    third one finds some of it. So it is told as what was allowed, or as what such a search cannot
    tell from nothing.
    """
    seen, allowed = objective - bound, rule.gap_allowed(problem, objective)
    if not problem.is_sampled:
        return seen, allowed
    above = above_floor(problem, objective)
    told = max(seen, min(allowed, OF_OWN_OBJECTIVE * above), RESOLUTION * above)
    return told, max(allowed, told) if seen <= allowed else allowed


def _fraction_of_own(tolerance: float) -> float | None:
    """What the gap may be of the own objective where it is a proof; None: anything."""
    fraction = max(OF_OWN_OBJECTIVE, OF_OWN_PER_TOLERANCE * tolerance)
    # The least possible is a bound, too: a gap of the whole objective is no news.
    return fraction if fraction < 1.0 else None


def shortfall(solution: Solution, tol: float) -> str:
    """What a fit that ended above its tolerance has to say."""
    certificate, fraction = solution.certificate, solution.fraction_of_own
    kind = "a " if certificate.exact else "an estimated "
    allowed = f"tol={tol:g} times the objective of the best constant model"
    if fraction is not None:
        allowed += f", or {fraction:.3g} times that of the network if this is less"
    advice = ADVICE.get(certificate.stopped_by, ADVICE["no progress"])
    return (
        f"stopped after {len(solution.history)} pricing rounds at alpha={solution.alpha:g} with "
        f"{kind}duality gap of {certificate.gap:.3e}; the tolerance is "
        f"{certificate.tolerance:.3e} ({allowed}). {advice}"
    )


def _rounding(problem: Problem) -> float:
    return ROUNDING * abs(problem.constant.objective)


def _size_of_terms(problem: Problem) -> float:
    """What terms of a loss are like, roughly: where they cancel, rounding is a part of this."""
    constant = problem.constant.intercept
    if problem.loss.target_scaling == "mean":  # predictions are logarithms
        constant = np.exp(np.minimum(constant, LARGEST_LOGARITHM))
    return 1.0 + float(np.abs(constant).max())


def check_bound(problem: Problem, objective: float, bound: float) -> None:
    """Raise if a lower bound cannot be one.

    Raises
    ------
    RuntimeError
        If it is above the objective by more than rounding, or one of them is not a number.
    """
    size = max(abs(objective), abs(problem.constant.objective))
    # Written so that NaN does not pass.
    if bound - objective <= INVALID * size + ROUNDING_OF_TERMS * _size_of_terms(problem):
        return
    raise RuntimeError(
        f"The lower bound {bound!r} is above the objective {objective!r} (constant model: "
        f"{problem.constant.objective!r}), or one of them is not a number: this network cannot be "
        f"judged, over {problem.scope}. It is a bug in sklearn_wedge, unless inputs, targets or "
        "weights differ by so many powers of ten that sums of them overflow. Please report this "
        "message, the parameters of the estimator and, if you can, the data."
    )
