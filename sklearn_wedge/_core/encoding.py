"""Inputs encoded by fixed piecewise linear maps: a first layer of ReLUs that is not trained.

Each input has a map of its own with knots at quantiles of the training rows. A network on encoded
inputs is a ReLU network on the inputs as given, with more layers: nothing of it is lost where that
is written out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
# From levels to the quantiles of every column, (levels, d).
Quantiles = Callable[[tuple[float, ...]], Array]

KINDS = ("uniform", "normal", "robust")
# Knots of an input at most. On five splits of California housing errors are 0.3 % below those of
# 33 knots, and those of 129 and of 1,000 are no smaller.
MOST_KNOTS = 65
# Normal scores of the least and the largest value, where all values differ: the median of the
# largest of a thousand.
EXTREME_SCORE = 3.2
# Distances from the median beyond this, in interquartile ranges, are as good as infinite.
FARTHEST = 1e150
# Values that are closer than this fraction of their size (128 units in the last place) are one but
# for rounding. By values, not by variance: weights and copies cannot matter.
ROUNDING = 2.0**-45
# Where the curve t / sqrt(1 + (t / 3)²) is cut into lines, in interquartile ranges from the median
# (D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default", arXiv 2407.04491).
LIMIT = 3.0
CUTS = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 15.0, 30.0])

EVEN = np.linspace(0.0, 1.0, MOST_KNOTS)
# Levels of the quantiles that are looked at, by kind; the first and the last are the extremes.
LEVELS = {
    "uniform": EVEN,
    "normal": ndtr(np.linspace(-EXTREME_SCORE, EXTREME_SCORE, MOST_KNOTS)),
    "robust": EVEN,
}


@dataclass(frozen=True, repr=False)
class Encoding:
    """Piecewise linear maps of the inputs, one for each column.

    Clip inputs to ``clip_bounds_`` first. Maps rise from knot to knot, and are constant below the
    first and above the last one: the extremes of the clipped training data.

    Attributes
    ----------
    kind : {"uniform", "normal", "robust"} or None
        What the values are; None: all columns are left as they are.
    knots : tuple of ndarray
        Of each column, ascending; none of one that is left as it is.
    values : tuple of ndarray
        What each knot is mapped to, ascending; linear in between.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> x = np.exp(np.linspace(-3, 3, 200))
    >>> model = WedgeReLURegressor(alpha=0.01, encoding="normal").fit(x[:, None], np.log(x))
    >>> model.encoding_
    Encoding(kind='normal', columns=[0])
    >>> bool(model.encoding_.transform(x[:, None]).std().round(1) == 1.0)
    True
    """

    kind: str | None
    knots: tuple[Array, ...]
    values: tuple[Array, ...]

    def __repr__(self) -> str:
        return f"Encoding(kind={self.kind!r}, columns={self.columns})"

    @property
    def columns(self) -> list[int]:
        """Those that are encoded."""
        return [column for column, knots in enumerate(self.knots) if len(knots)]

    def transform(self, X: NDArray) -> Array:
        """Inputs (n, d) encoded, an array of the same shape."""
        rows = np.array(X, dtype=np.float64)
        for column in self.columns:
            rows[:, column] = self.transform_column(rows[:, column], column)
        return rows

    def transform_column(self, values: Array, column: int) -> Array:
        """Values (n,) of one of the columns encoded."""
        knots = self.knots[column]
        return np.interp(values, knots, self.values[column]) if len(knots) else values

    def transform_in_place(self, columns: Array) -> None:
        """Inputs given by columns, (d, n)."""
        for column in self.columns:
            columns[column] = self.transform_column(columns[column], column)

    def inverse_transform(self, encoded: NDArray) -> Array:
        """The inputs (n, d), between the extreme knots, of encoded ones."""
        rows = np.array(encoded, dtype=np.float64)
        for column in self.columns:
            rows[:, column] = np.interp(rows[:, column], self.values[column], self.knots[column])
        return rows


# Of columns that are left as they are, however many.
PLAIN = Encoding(None, (), ())


def are_equal(low: Array, high: Array) -> NDArray[np.bool_]:
    """Where two values, the second not below the first, differ by rounding at their size only."""
    # Halves: the difference must not overflow.
    return high / 2 - low / 2 <= ROUNDING / 2 * np.maximum(np.abs(low), np.abs(high))


def fitted_encoding(
    kind: str | None,
    bounds: tuple[Array, Array],
    extremes: tuple[Array, Array],
    quantiles: Quantiles,
) -> Encoding:
    """The encoding of columns by their quantiles; those of two values at most have none.

    Parameters
    ----------
    kind : {"uniform", "normal", "robust"} or None
    bounds : tuple of ndarrays of shape (d,)
        What the columns are clipped to.
    extremes : tuple of ndarrays of shape (d,)
        Least and largest values.
    quantiles : callable
        From levels to the quantiles of every column, (levels, d).
    """
    if kind is None:
        none = tuple(np.empty(0) for _ in extremes[0])
        return Encoding(None, none, none)
    low, high = extremes
    inner = quantiles(tuple(LEVELS[kind][1:-1].tolist()))
    at = np.clip(np.vstack([low, inner, high]), *bounds)
    make = _squashing if kind == "robust" else _scores
    maps = [make(kind, column) for column in at.T]
    return Encoding(kind, tuple(knots for knots, _ in maps), tuple(values for _, values in maps))


def _starts(ascending: Array) -> NDArray[np.intp]:
    """Where runs of values begin that are equal but for rounding."""
    starts = [0]
    for place, value in enumerate(ascending):
        if not are_equal(ascending[starts[-1]], value):
            starts.append(place)
    return np.array(starts)


def _scores(kind: str, at: Array) -> tuple[Array, Array]:
    """Knots at distinct quantiles; of one that is several levels, their middle is its score."""
    starts = _starts(at)
    if len(starts) <= 2:
        return np.empty(0), np.empty(0)
    levels, ends = LEVELS[kind], np.append(starts[1:], len(at)) - 1
    middle = (levels[starts] + levels[ends]) / 2
    return at[starts], middle if kind == "uniform" else ndtri(middle)


def _squashing(kind: str, at: Array) -> tuple[Array, Array]:
    """Linear up to an interquartile range from the median, then the flatter the farther away."""
    if len(_starts(at)) <= 2:
        return np.empty(0), np.empty(0)
    first, median, third = at[[len(at) // 4, len(at) // 2, -1 - len(at) // 4]]
    if are_equal(first, third):  # as there: half the range
        first, third = at[0] / 2, at[-1] / 2
    spread = third - first
    with np.errstate(over="ignore"):
        cuts = median + spread * np.concatenate([-CUTS[::-1], CUTS])
        knots = np.concatenate([at[:1], cuts[(cuts > at[0]) & (cuts < at[-1])], at[-1:]])
        knots = knots[_starts(knots)]
        distances = np.clip((knots - median) / spread, -FARTHEST, FARTHEST)
    return knots, distances / np.hypot(1.0, distances / LIMIT)
