"""What stands for missing numbers: what is expected of them, given the other numbers of the row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.rows import Chunk, Rows
from sklearn_wedge._tables.categories import ROWS_OF_PRIOR

Array = NDArray[np.float64]

# Sweeps by which a row is filled: what is left to gain is then far below what is not known.
SWEEPS = 20
# More columns of numbers are not filled from each other: their sums and sweeps would take as long
# as the fit.
MOST_COLUMNS = 100
# Numbers count up to these quantiles of their column when others are filled from them.
ENDS = 0.005, 0.995
# The least eigenvalue of the correlations, at the least.
LEAST_EIGENVALUE = 0.01
# Of a variance on a scale on which the ends are one apart: less is rounding.
LEAST_VARIANCE = 1e-6
# Digits of sums that are kept: neither the order of the rows nor what copies round shows in them.
DIGITS = 12


@dataclass(frozen=True, repr=False)
class Filling:
    """The numbers of a row filled in from each other, as if they were jointly normal.

    A row is put on a common scale, ``z = (clip(x, lower, upper) - means) / scales``, and 0 where a
    value is missing. Then, in each of ``sweeps`` sweeps, its missing entries become those of
    ``weights @ z``; they tend to their means given the other entries. What stands for a missing
    value is ``means + scales * z``.

    Attributes
    ----------
    means, scales : ndarray of shape (n_numbers,)
        Means and standard deviations of the columns that are numbers, once they are clipped. Of a
        column that tells nothing of others, nor they of it, the mean is its median.
    lower, upper : ndarray of shape (n_numbers,)
        Bounds within which values count: quantiles at 0.5 and 99.5 %.
    weights : ndarray of shape (n_numbers, n_numbers)
    sweeps : int

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> x = np.arange(100.0)
    >>> X = np.column_stack([x, np.where(x % 5 == 0, np.nan, 2 * x)])
    >>> filling = WedgeReLURegressor(alpha=0.1).fit(X, x).table_.filling
    >>> filling
    Filling(n_numbers=2, sweeps=20)
    >>> filling.complete(np.array([[70.0, np.nan]])).round(-1)
    array([[ 70., 140.]])
    """

    means: Array
    scales: Array
    lower: Array
    upper: Array
    weights: Array
    sweeps: int = SWEEPS

    def __repr__(self) -> str:
        return f"Filling(n_numbers={len(self.means)}, sweeps={self.sweeps})"

    @property
    def is_used(self) -> NDArray[np.bool_]:
        """Which columns are filled from others, or others from them."""
        return np.any(self.weights - np.diag(np.diag(self.weights)), axis=1)

    def complete(self, numbers: NDArray) -> Array:
        """Numbers, (n, n_numbers), without missing values."""
        numbers = np.array(numbers, dtype=np.float64, order="C")
        lacking = np.flatnonzero(np.isnan(numbers).any(axis=1))
        if len(lacking):
            rows = numbers[lacking]
            missing = np.isnan(rows)
            z = (np.clip(rows, self.lower, self.upper) - self.means) / self.scales
            z = np.ascontiguousarray(np.where(missing, 0.0, z))
            kernels.filling.fill(z, missing, kernels.ready(self.weights), self.sweeps)
            numbers[lacking] = np.where(missing, self.means + self.scales * z, rows)
        return numbers


@dataclass(frozen=True)
class _Scale:
    """Columns on a scale on which their ends are about one apart, and their median is 0."""

    median: Array
    lower: Array
    upper: Array
    span: Array

    @classmethod
    def of(cls, quantiles: Array) -> _Scale:
        """From the lower end, the median and the upper end of each column, (3, d).

        Columns whose ends are equal, or too far apart to be subtracted, are all 0.
        """
        lower, median, upper = quantiles
        with np.errstate(over="ignore", divide="ignore"):
            span = upper - lower
            usable = np.isfinite(span) & np.isfinite(1 / span)
        ends = (np.where(usable, each, median) for each in (lower, upper))
        return cls(median, *ends, np.where(usable, span, 1.0))

    def __call__(self, inputs: NDArray) -> Array:
        """0 where a value is missing."""
        x = np.asarray(inputs, dtype=np.float64)
        return np.nan_to_num((np.clip(x, self.lower, self.upper) - self.median) / self.span)


def _products(chunk: Chunk, scale: _Scale) -> tuple[Array, Array, Array]:
    """Of pairs of columns, over rows that have both: weights, sums of the first, of products."""
    z, known = scale(chunk.inputs), (~np.isnan(chunk.inputs)).astype(np.float64)
    weighted = chunk.weight[:, None] * z
    return known.T @ (chunk.weight[:, None] * known), weighted.T @ known, weighted.T @ z


def fitted_filling(rows: Rows, quantiles: Array, row: float) -> Filling | None:
    """How the columns of some rows are filled from each other; None if they tell nothing.

    Correlations are those of the rows that have both values, shrunk as if by ten rows without one
    and, of many columns, by the part that these are of columns and rows together.

    Parameters
    ----------
    rows : Rows
        Of numbers only.
    quantiles : ndarray of shape (3, d)
        The ends of each column, and between them its median.
    row : float
        The weight that counts as one row.
    """
    if not 2 <= rows.n_inputs <= MOST_COLUMNS:
        return None
    scale = _Scale.of(quantiles)
    weights, sums, products = rows.sum(_products, scale)
    own = np.diag(weights)
    mean = np.round(np.diag(sums) / own, DIGITS)
    variance = np.round(np.diag(products) / own - mean**2, DIGITS)
    varies = variance > LEAST_VARIANCE
    deviation = np.sqrt(np.where(varies, variance, 1.0))
    covariance = products - sums * mean - (sums * mean).T + np.outer(mean, mean) * weights
    covariance /= weights + ROWS_OF_PRIOR * row
    correlation = np.where(np.outer(varies, varies), covariance, 0.0)
    correlation = np.clip(correlation / np.outer(deviation, deviation), -1.0, 1.0)
    correlation = _shrunk(np.round(correlation, DIGITS), own.max() / row)
    if not np.any(correlation - np.eye(len(own))):
        return None
    return Filling(
        np.where(varies, scale.median + scale.span * mean, scale.median),
        scale.span * deviation,
        np.where(varies, scale.lower, scale.median),
        np.where(varies, scale.upper, scale.median),
        _weights(correlation),
    )


def _shrunk(correlation: Array, n_rows: float) -> Array:
    """Correlations towards 0, so that their matrix is positive definite."""
    np.fill_diagonal(correlation, 1.0)
    least = np.linalg.eigvalsh(correlation)[0]
    part = len(correlation) / (len(correlation) + n_rows)
    if least < LEAST_EIGENVALUE:
        part = max(part, (LEAST_EIGENVALUE - least) / (1 - least))
    return (1 - part) * correlation + part * np.eye(len(correlation))


def _weights(correlation: Array) -> Array:
    """Those of a sweep, by which any missing entries of a row tend to their conditional means.

    These minimise the square that is given by the inverse of the correlations. A sweep is a step
    along its gradient, on a scale on which all curvatures are 1, of the length that does the most.
    """
    inverse = np.linalg.inv(correlation)
    curvature = np.diag(inverse)
    steps = np.linalg.eigvalsh(inverse / np.sqrt(np.outer(curvature, curvature)))
    length = 2.0 / (steps[0] + steps[-1])
    return np.eye(len(inverse)) - length * inverse / curvature[:, None]
