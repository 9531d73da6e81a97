"""What column generation returns: a network as unit-norm neurons, its certificate, its history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import Neurons

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Certificate:
    """How far a network can be from the best network of any width.

    Everything is in the units of the problem solved: inputs, and the target as far as its loss
    allows, standardised if ``standardize=True``; weights summing to 1.

    Attributes
    ----------
    objective : float
        Mean loss plus penalty of the network.
    lower_bound : float
        No network in ``scope`` has a lower objective; an estimate unless ``exact``.
    gap : float
        ``objective - lower_bound``.
    relative_gap : float
        ``gap / |objective|``, a fraction of the network's own objective, where ``tol`` is one of
        that of the best constant model; 0 for an objective of 0.
    max_violation : float
        ``M / alpha - 1``, the largest relative violation of the dual constraint.
    exact : bool
        Whether the whole class was priced. If not, bound and gap are estimates over the neurons
        priced.
    scope : str
        The class of networks that the bound is about, in words.
    tolerance : float
        The gap that was allowed: ``tol`` times the objective of the best constant model or 1 % of
        ``objective`` (``100 * tol`` of it, if that is more; two fifths of this where directions are
        a continuum that is searched), whichever is less; all counted from what no loss can be
        below. Never less than rounding or, of such a search that has met it, 0.4 % of
        ``objective``.
    stopped_by : str
        Why the fit ended. If the gap is within the tolerance, what this came from: ``"constant
        model"``, ``"own objective"`` or ``"rounding"``. Otherwise ``"coefficients"`` if those of
        the neurons at hand were not solved for as closely, which happens where a loss has kinks and
        the penalty is tiny; ``"max_iter"``; ``"no progress"`` if nothing was found that would close
        the gap; ``"request"`` if a callback asked for it.

    References
    ----------
    The dual problem of the convex training problem: M. Pilanci, "From Complexity to Clarity",
    arXiv 2309.16512.

    Examples
    --------
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> model = WedgeReLURegressor(alpha=0.1).fit([[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0])
    >>> certificate = model.certificate_
    >>> certificate.exact
    True
    >>> bool(0 <= certificate.gap <= certificate.tolerance)
    True
    >>> certificate.stopped_by
    'constant model'
    """

    objective: float
    lower_bound: float
    gap: float
    relative_gap: float
    max_violation: float
    exact: bool
    scope: str
    tolerance: float
    stopped_by: str

    def __str__(self) -> str:
        kind = "certified bound" if self.exact else "estimated bound, not certified"
        return (
            f"objective {self.objective:.6g}, lower bound {self.lower_bound:.6g}, "
            f"relative gap {self.relative_gap:.2e} ({kind}): {self.scope}"
        )


@dataclass(frozen=True)
class Round:
    """One pricing round.

    Attributes
    ----------
    objective : float
        Of the restricted problem: never rises.
    lower_bound : float
        The best bound so far; ``-inf`` before the first pricing that counts.
    estimate : float
        The bound as it looked in this round alone, over what was priced.
    n_columns, n_neurons : int
        Columns of the restricted problem, and those with a coefficient.
    pricing : str
        ``"local moves"``, ``"search"`` (with the binned sweep), ``"long search"`` (in many more
        directions), ``"repeated long search"`` (in others again) or ``"exact"``.

    Examples
    --------
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> model = WedgeReLURegressor(alpha=0.1).fit([[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0])
    >>> model.history_[-1].pricing
    'exact'
    """

    objective: float
    lower_bound: float
    estimate: float
    n_columns: int
    n_neurons: int
    pricing: str


@dataclass(frozen=True)
class WarmStart:
    """What the search at a smaller penalty starts from.

    Attributes
    ----------
    neurons : Neurons
        The columns at hand, also those without a coefficient.
    coef : ndarray of shape (m, q)
    intercept : ndarray of shape (q,)
    turn : int
        Pricing rounds so far.
    """

    neurons: Neurons
    coef: Array
    intercept: Array
    turn: int


@dataclass(frozen=True)
class Solution:
    """The network at one penalty, as unit-norm neurons with coefficients.

    Attributes
    ----------
    alpha : float
        Penalty, in the units of the problem solved.
    neurons : Neurons
        Those with a non-zero coefficient, most important first.
    coef : ndarray of shape (m, q)
        ``z``.
    intercept : ndarray of shape (q,)
        ``t``.
    certificate : Certificate
    largest_value : float
        ``M``, of the dual constraint: of a constant network the least penalty at which it is one.
    history : tuple of Round
        One entry per pricing round.
    converged : bool
        Whether the gap is within the tolerance of the certificate.
    fraction_of_own : float or None
        What the gap may be of the objective, as far as this counts.
    warm_start : WarmStart
        For a path that goes on from here.
    """

    alpha: float
    neurons: Neurons
    coef: Array
    intercept: Array
    certificate: Certificate
    largest_value: float
    history: tuple[Round, ...]
    converged: bool
    fraction_of_own: float | None
    warm_start: WarmStart


@dataclass(frozen=True)
class Progress:
    """Where column generation is at one penalty, for those who watch it.

    Attributes
    ----------
    alpha : float
        The penalty, in the units of the problem solved.
    n_rounds : int
        Pricing rounds so far; 0: about to start.
    max_rounds : int
        At most so many.
    finished : bool
        Whether these were all.
    reached : callable
        The solution if this were the end.
    """

    alpha: float
    n_rounds: int
    max_rounds: int
    finished: bool
    reached: Callable[[], Solution]


# Called at the start of each penalty and after each round; True: no more rounds at this penalty.
Watch = Callable[[Progress], bool]


def nobody_watches(progress: Progress) -> bool:
    """Go on."""
    return False
