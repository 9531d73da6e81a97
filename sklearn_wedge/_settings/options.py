"""What a fit is told besides the data, and the limits that decide whether it can be certified."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from numbers import Integral, Real
from threading import current_thread, main_thread
from typing import Any, Literal

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from sklearn_wedge._core.encoding import KINDS
from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.neurons import NeuronClass, Norm
from sklearn_wedge._core.pricing import SearchBudget, n_pencils, n_steps
from sklearn_wedge._core.restricted import Solver
from sklearn_wedge._core.rows import SampleOptions
from sklearn_wedge._core.solution import Watch, nobody_watches
from sklearn_wedge._core.stopping import ROUGHLY

# Of scikit-learn's working memory, what pricing may keep between rounds: activations need the rest.
SHARE_OF_CACHES = 0.25
# "auto" certifies if exact pricing takes at most this many pencils × points. Never a clock: the
# same data must give the same certificate on every machine.
AUTO_EXACT_LIMIT = 2e8
# "exact" is refused beyond this many.
EXACT_LIMIT = 1e10


class NumberIn(Interval):
    """An interval of numbers; to scikit-learn's, True is 1."""

    def is_satisfied_by(self, value: Any) -> bool:
        """Whether a value is such a number, and no boolean."""
        return not isinstance(value, bool) and super().is_satisfied_by(value)


OPTION_CONSTRAINTS: dict[str, list[Any]] = {
    "n_blocks": [NumberIn(Integral, 1, None, closed="left")],
    "interaction_order": [NumberIn(Integral, 1, None, closed="left"), None],
    "norm": [StrOptions({"l1", "l2"})],
    "standardize": ["boolean"],
    "clip_quantile": [NumberIn(Real, 0, 0.5, closed="left"), None],
    "encoding": [StrOptions(set(KINDS)), None],
    "ramps": ["boolean", StrOptions({"auto"})],
    "pricing": [StrOptions({"auto", "exact", "search"})],
    "solver": [StrOptions({"auto", "active_set", "cvxpy"})],
    "tol": [NumberIn(Real, 0, None, closed="neither")],
    "max_iter": [NumberIn(Integral, 1, None, closed="left")],
    "n_jobs": [NumberIn(Integral, None, None, closed="neither"), None],
    "verbose": ["verbose"],
}


@dataclass(frozen=True)
class FitOptions:
    """Parameters of a fit other than the penalty; see ``WedgeReLURegressor`` for their meaning.

    ``watch`` is told of every pricing round, see ``Progress``. ``groups``, ``monotone`` and
    ``apart``, see ``NeuronClass``, are constraints as ``constraints`` resolves them: not what
    users write, and not validated again. ``proves`` says whether the gap must be small beside the
    objective of the network too, ``rough`` whether a network is only to be scored, ``roughly`` what
    its gap may be; see ``StoppingRule``. Up to ``certified_up_to`` pencils × points
    ``pricing="auto"`` is exact; None: up to ``AUTO_EXACT_LIMIT``.
    """

    interaction_order: int | None = 2
    norm: Norm = "l1"
    standardize: bool = True
    clip_quantile: float | None = 0.005
    pricing: Literal["auto", "exact", "search"] = "auto"
    solver: Solver = "auto"
    tol: float = 1e-4
    max_iter: int = 100
    n_jobs: int | None = None
    verbose: int = 0
    n_blocks: int = 1
    encoding: str | None = None
    ramps: bool | Literal["auto"] = "auto"
    watch: Watch = nobody_watches
    proves: bool = True
    rough: bool = False
    roughly: float = ROUGHLY
    groups: tuple[tuple[int, ...], ...] | None = None
    monotone: tuple[int, ...] | None = None
    apart: tuple[int, ...] | None = None
    certified_up_to: float | None = None

    def validated(self, caller: str) -> FitOptions:
        """These options, if they are valid; else the error that an estimator would raise."""
        validate_parameter_constraints(OPTION_CONSTRAINTS, asdict(self), caller_name=caller)
        return self

    def n_threads(self) -> int:
        """Threads that the fit may use; what it finds does not depend on it.

        Without ``n_jobs`` as many as scikit-learn's boosting would: ``OMP_NUM_THREADS``, a limit of
        the container, and what joblib leaves to each of its processes count. What already is one of
        several threads of joblib has no others.
        """
        if self.n_jobs is not None:
            return effective_n_jobs(self.n_jobs)
        backend, _ = get_active_backend()
        if backend.nesting_level and current_thread() is not main_thread():
            return 1
        return _openmp_effective_n_threads()

    def sample_options(self, loss: Loss) -> SampleOptions:
        """How inputs and the target of a loss are prepared."""
        return SampleOptions(
            self.standardize, self.clip_quantile, loss.target_scaling, self.encoding
        )

    def search_budget(self) -> SearchBudget:
        """How far a search goes, with caches within scikit-learn's ``working_memory``."""
        megabytes = SHARE_OF_CACHES * get_config()["working_memory"]
        return SearchBudget(cache_bytes=int(megabytes * 2**20))

    def neuron_class(self, n_inputs: int, wedge: bool) -> NeuronClass:
        """The neurons that may enter; their order is at most the size of the largest group.

        ``ramps="auto"`` has ramps among them if they are to be monotone, but not where this would
        leave ``pricing="exact"`` without an answer.
        """
        order = n_inputs if self.interaction_order is None else self.interaction_order
        largest = n_inputs if self.groups is None else max(map(len, self.groups))
        order = min(order, largest, n_inputs)
        ramps = self.ramps
        if ramps == "auto":
            ramps = self.monotone is not None and (order <= 2 or self.pricing != "exact")
        constraints = self.groups, self.monotone, self.apart
        return NeuronClass(order, self.norm, wedge, *constraints, bool(ramps) and not wedge)


def certifies(options: FitOptions, neuron_class: NeuronClass, n_points: int, n_inputs: int) -> bool:
    """Whether these options ask for exact pricing of data of this size.

    Raises
    ------
    ValueError
        If ``pricing="exact"`` is out of reach.
    """
    if options.pricing == "search":
        return False
    order = neuron_class.order
    if not neuron_class.is_enumerable:
        if options.pricing == "exact":
            what = "ramps" if neuron_class.ramps else "norm='l2'"
            instead = "ramps=False" if neuron_class.ramps else "norm='l1'"
            raise ValueError(
                f"pricing='exact' is out of reach with {what} beyond interaction_order=2 "
                f"(here {order} of {n_inputs} inputs): the best neurons may lie between samples "
                "and are searched for. Use pricing='search' or 'auto' (no certificate), "
                f"interaction_order=2, or {instead}."
            )
        return False
    steps = n_steps(n_points, n_inputs, neuron_class)
    if options.pricing == "auto":
        limit = options.certified_up_to
        return steps <= (AUTO_EXACT_LIMIT if limit is None else limit)
    if steps > EXACT_LIMIT:
        pencils = n_pencils(n_points, n_inputs, neuron_class)
        what = f"{pencils:,} pencils of hyperplanes"
        if neuron_class.ramps:
            what += " and all directions of ramps"
        raise ValueError(
            f"pricing='exact' is out of reach here: {what} over "
            f"{n_points:,} distinct samples ({n_inputs} inputs, interaction order {order}) are "
            f"{steps:.1e} steps a round, and at most {EXACT_LIMIT:.0e} are allowed. Use "
            "pricing='search' (no certificate) or pricing='auto', lower interaction_order, or fit "
            "on fewer rows or columns."
        )
    return True


def scope(neuron_class: NeuronClass, n_inputs: int, exact: bool) -> str:
    """The class of networks that a bound is about, in words."""
    order = neuron_class.order
    inputs = "any number of inputs" if order >= n_inputs else f"at most {order} input"
    inputs += "s" if 1 < order < n_inputs else ""
    networks = (
        f"ReLU networks with one hidden layer of any width and {inputs} per neuron "
        f"({neuron_class.norm} norm)"
    )
    if neuron_class.norm == "l2" and neuron_class.wedge:
        networks += ", each hyperplane through as many samples as it has inputs"
    if neuron_class.groups is not None:
        networks += ", whose inputs share one of the interaction groups"
    if neuron_class.monotone is not None:
        networks += ", every neuron monotone as constrained"
    if neuron_class.ramps:
        networks += ", each of which may be bounded by a second, parallel hyperplane (ramps)"
    if neuron_class.apart is not None:
        networks += ", no neuron with two levels of a category"
    if exact:
        return f"all {networks}"
    return f"{networks}; of their neurons only those found by search were priced"


def descending_alphas(alphas: ArrayLike) -> NDArray[np.float64]:
    """Penalties in descending order.

    Raises
    ------
    ValueError
        If they are not a non-empty sequence of positive, finite numbers.
    """
    try:
        values = np.asarray(alphas, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or len(values) == 0 or not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(
            f"alphas must be a sequence of positive, finite penalties, got {alphas!r}."
        )
    return np.sort(values)[::-1]
