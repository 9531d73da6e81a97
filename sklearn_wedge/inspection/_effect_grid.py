"""An effect of a network on a grid: the values that its curve or map is drawn of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge.inspection._effects import Columns, Effects

Array = NDArray[np.float64]

# Levels of a category that are drawn: those of the most rows.
MOST_LEVELS_DRAWN = 20


@dataclass(frozen=True, repr=False)
class EffectGrid:
    """One effect on a grid.

    Attributes
    ----------
    names : tuple of str
        Its one or two inputs.
    ticks : tuple of ndarray
        Values of each input, in original units: over the training data, clipped, and the knots of
        its encoding, if it has one. Of an input that takes two values these two; of one of which
        single values matter those that recur.
    values : ndarray of shape (n,) or (m, n)
        The effect; rows go with the second input.
    deciles : tuple of ndarray
        Of each input in the training data: the mean of each tenth.
    two_valued : tuple of bool
        Whether each input takes only two values in the training data, as an indicator does.
    missing : float or None
        Of one input, the effect where its value is missing, if an indicator says so, and all others
        are at their means; else None.
    levels : tuple of tuple of str or None
        Of each input that is a category, the names of its levels; ticks count them.
    n_levels : tuple of int
        How many levels each input has in the training data, of which those of the most rows are
        here; 0 of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> from sklearn_wedge.inspection import EffectDisplay
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(100, 2))
    >>> model = WedgeReLURegressor(alpha=1e-2).fit(X, np.abs(X[:, 0] - X[:, 1]))
    >>> grid = EffectDisplay.from_estimator(model).effects[0]
    >>> grid.names, grid.values.shape == tuple(len(ticks) for ticks in grid.ticks)
    (('x0', 'x1'), True)
    >>> grid.two_valued
    (False, False)
    """

    names: tuple[str, ...]
    ticks: tuple[Array, ...]
    values: Array
    deciles: tuple[Array, ...]
    two_valued: tuple[bool, ...]
    missing: float | None = None
    levels: tuple[tuple[str, ...] | None, ...] = ()
    n_levels: tuple[int, ...] = ()

    @property
    def is_discrete(self) -> tuple[bool, ...]:
        """Whether there is nothing between the values of each input."""
        levels = self.levels or (None,) * len(self.names)
        return tuple(
            two or own is not None for two, own in zip(self.two_valued, levels, strict=True)
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The inputs by name, with a note where levels are left out."""
        drawn = zip(self.names, self.levels, self.n_levels, strict=False)
        notes = [
            f"{name} ({len(levels)} of {n} levels)" if levels and len(levels) < n else name
            for name, levels, n in drawn
        ]
        return tuple(notes) or self.names

    def __repr__(self) -> str:
        return f"EffectGrid(names={self.names}, shape={self.values.shape})"


def on_grid(
    network: Effects,
    columns: Columns,
    marginals: Sequence[Any],
    names: Sequence[str],
    output: int,
    resolution: int,
) -> EffectGrid:
    """An effect over the range of its columns."""
    axes = [_axis(network, k, marginals, resolution) for k in columns]
    ticks, deciles, levels, n_levels = zip(*axes, strict=True)
    two_valued = tuple(
        names is None and len(values) == 2 for values, names in zip(ticks, levels, strict=True)
    )
    values = network.at(columns, grid_points(ticks))[:, output]
    lacked = len(columns) == 1 and _lacked(network.table, columns[0])
    missing = network.at(columns, np.full((1, 1), np.nan))[0, output] if lacked else None
    ticks = tuple(
        own if names is None else np.arange(len(names))
        for own, names in zip(ticks, levels, strict=True)
    )
    return EffectGrid(
        names=tuple(names[k] for k in columns),
        ticks=ticks,
        values=values.reshape([len(values_of_input) for values_of_input in reversed(ticks)]),
        deciles=deciles,
        two_valued=two_valued,
        missing=None if missing is None else float(missing),
        levels=levels,
        n_levels=n_levels,
    )


def grid_points(ticks: Sequence[Array]) -> Array:
    """All points of a grid, rows of the last input first."""
    return np.stack(np.meshgrid(*ticks), axis=-1).reshape(-1, len(ticks))


def _lacked(table: Any, column: int) -> bool:
    """Whether a column lacked a value in training."""
    category = table.category_of(column)
    return category.lacks_values if category else column in table.with_indicator


def _axis(
    network: Effects, column: int, marginals: Sequence[Any], resolution: int
) -> tuple[Array, Array, tuple[str, ...] | None, int]:
    """Values of a column to draw effects at, its deciles, names of levels and how many there are.

    Of many levels those of the most rows.
    """
    category = network.table.category_of(column)
    if category is not None:
        shares = category.shares[: len(category.levels)]
        most = np.sort(np.argsort(-shares, kind="stable")[:MOST_LEVELS_DRAWN])
        most = most[shares[most] > 0]
        names = tuple(category.names()[k].removeprefix(" = ") for k in most)
        return most.astype(np.float64), np.empty(0), names, int(np.count_nonzero(shares))
    which = network.table.inputs_of(column)[0]
    own = marginals[which]
    deciles = own.compressed(10).values
    if len(own.values) == 2:
        return own.values, deciles, None, 0
    recurring = network.table.values_of(column)
    if recurring is not None:  # between which nothing was seen
        return recurring, deciles, None, 0
    even = _ticks(own.values[[0, -1]], resolution, network.encoding.knots[which])
    return even, deciles, None, 0


def _ticks(ends: Array, resolution: int, knots: Array) -> Array:
    """Evenly spaced values of an input, and those within at which its encoding bends."""
    even = np.linspace(*ends, resolution)
    inside = knots[(knots > ends[0]) & (knots < ends[1])]
    return np.union1d(even, inside) if len(inside) else even
