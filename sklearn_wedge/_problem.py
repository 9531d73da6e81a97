"""What column generation solves, and what it asks of that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._neurons import NeuronClass, Neurons
from sklearn_wedge._pricing import Priced

Array = NDArray[np.float64]


class Effort(Enum):
    """How much of the class of neurons a pricing looks at."""

    LOCAL_MOVES = "local moves"
    SEARCH = "search"
    EXACT = "exact"


@dataclass(frozen=True)
class Restricted:
    """Solution of a restricted problem.

    Attributes
    ----------
    coef : ndarray of shape (m, q)
    intercept : ndarray of shape (q,)
    objective : float
    dual : object
        The dual point, summing to zero, as the problem keeps it: the loop only hands it back.
    values : ndarray of shape (m,)
        ``‖V·(Xu + c)_+‖`` of the columns, signed where the coefficient must have a sign.
    """

    coef: Array
    intercept: Array
    objective: float
    dual: Any
    values: Array


class Problem(Protocol):
    """What is solved. Everything that has an entry per row stays behind it.

    Attributes
    ----------
    neuron_class : NeuronClass
    exact : bool
        Whether the whole class of neurons is priced in the end.
    scope : str
        What a bound is about, in words.
    dual_is_unique : bool
        Whether columns that do not lower the objective leave the dual point where it is.
    constant_objective : float
        Objective of the best constant model.
    scale : float
        What tolerances are relative to: the same, above what no loss can be below.
    n_samples : int
    least : float
        A bound that always holds.
    efforts : list of Effort
        What a round may have to go through, by increasing effort; the last one counts.
    """

    neuron_class: NeuronClass
    exact: bool
    scope: str

    @property
    def dual_is_unique(self) -> bool: ...

    @property
    def constant_objective(self) -> float: ...

    @property
    def scale(self) -> float: ...

    @property
    def n_samples(self) -> int: ...

    @property
    def least(self) -> float: ...

    @property
    def efforts(self) -> list[Effort]: ...

    def constant_model(self) -> Array:
        """The best constant prediction, or a start towards it, (q,)."""

    def no_columns(self) -> Any:
        """Columns of no neuron. Columns have a length and can be taken from by index."""

    def extend(self, columns: Any, neurons: Neurons, kept: NDArray[np.intp] | None = None) -> Any:
        """The columns at the indices kept, if None all, with those of more neurons at the end."""

    def solve(
        self, columns: Any, alpha: float, coef: Array, intercept: Array, accuracy: float
    ) -> Restricted:
        """Optimal coefficients and intercept, or ones whose objective is above by ``accuracy``."""

    def means(self, columns: Any) -> Array:
        """Weighted means of columns, (m,)."""

    def covariance(self, columns: Any) -> Array:
        """Weighted covariances of columns, (m, m)."""

    def bound(self, dual: Any, shrink: float) -> float:
        """The dual value of a dual point times a number between 0 and 1."""

    def price(
        self, dual: Any, effort: Effort, tight: Neurons, turn: int, known: Priced | None
    ) -> Priced:
        """Price a dual point; a search looks around the tight neurons, in turn.

        ``known`` is what less effort has found at this dual point in this round, if anything.
        """

    def diverse(self, neurons: Neurons, at_most: int) -> NDArray[np.intp]:
        """Indices of neurons, best first, none of which does nearly the work of another."""
