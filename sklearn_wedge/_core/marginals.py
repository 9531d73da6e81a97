"""The distribution of each input in the training data, small enough to be kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# An input of no more distinct values is kept as it is.
MOST_VALUES = 1000
# In fractions of a bin: where weights end between two bins, rounding must not decide.
TIE_TOLERANCE = 1e-6


@dataclass(frozen=True, repr=False)
class Marginal:
    """The distribution of one input in the training data: what effects are centred on.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        Ascending, in original units, clipped.
    weights : ndarray of shape (n_values,)
        Positive, summing to 1.

    Examples
    --------
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> X, y = [[1.0], [2.0], [2.0], [3.0]], [0.0, 0.0, 0.0, 1.0]
    >>> (marginal,) = WedgeReLURegressor(alpha=0.1, clip_quantile=None).fit(X, y).marginals_
    >>> marginal.values.round(6), marginal.weights
    (array([1., 2., 3.]), array([0.25, 0.5 , 0.25]))
    >>> round(marginal.mean, 6)
    2.0
    """

    values: Array
    weights: Array

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        least, largest = self.values[[0, -1]]
        return f"Marginal(n_values={len(self)}, least={least:.4g}, largest={largest:.4g})"

    @property
    def mean(self) -> float:
        """The weighted mean."""
        return float(self.weights @ (self.values - self.values[0]) + self.values[0])

    @property
    def median(self) -> float:
        """The least value that half of the weight does not exceed, as far as values are kept."""
        reached = np.searchsorted(np.cumsum(self.weights), 0.5 - TIE_TOLERANCE)
        return float(self.values[min(reached, len(self) - 1)])

    def compressed(self, at_most: int) -> Marginal:
        """The same mean on fewer values, each standing for its neighbours.

        Values are merged into bins of about equal weight; the mean of each bin stands for it.
        Means of functions that are linear within the bins do not change.

        Parameters
        ----------
        at_most : int
            So many values at most.

        Returns
        -------
        Marginal
            This one, if it has no more values.
        """
        if len(self) <= at_most:
            return self
        middle = np.cumsum(self.weights) - self.weights / 2
        bins = np.minimum((middle * at_most + TIE_TOLERANCE).astype(np.intp), at_most - 1)
        _, bins = np.unique(bins, return_inverse=True)
        weights = np.bincount(bins, self.weights)
        centre = self.mean
        values = centre + np.bincount(bins, self.weights * (self.values - centre)) / weights
        return Marginal(values, weights)


def marginal(values: Array, weight: Array) -> Marginal:
    """The distribution of values, (n,), of positive weights, on at most ``MOST_VALUES`` of them."""
    distinct, place = np.unique(values, return_inverse=True)
    weights = np.bincount(place, weight)
    return Marginal(distinct, weights / weights.sum()).compressed(MOST_VALUES)
