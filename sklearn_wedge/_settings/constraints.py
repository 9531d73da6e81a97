"""Interaction and monotone constraints as users write them, resolved to columns.

Both are written as in scikit-learn's ``HistGradientBoostingRegressor``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions

from sklearn_wedge._settings.options import FitOptions

CONSTRAINT_PARAMETERS: dict[str, list[Any]] = {
    "interaction_cst": ["array-like", StrOptions({"pairwise", "no_interactions"}), None],
    "monotonic_cst": ["array-like", dict, None],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
}

# Unknown names listed in an error; the others are counted.
NAMES_SHOWN = 5


def constrained(
    options: FitOptions,
    interaction_cst: str | Iterable[Iterable[int | str]] | None,
    monotonic_cst: ArrayLike | dict[str, int] | None,
    columns: tuple[int, Sequence[str] | None],
    n_outputs: int,
) -> FitOptions:
    """Options with constraints as a user writes them.

    Parameters
    ----------
    options : FitOptions
    interaction_cst, monotonic_cst
        See :func:`interaction_groups` and :func:`monotone_directions`.
    columns : tuple of int and sequence of str (or None)
        Number of columns of X, and their names if it has any.
    n_outputs : int
        Of the network.

    Raises
    ------
    ValueError
        If a constraint is malformed, or does not combine with the norm, the number of outputs or
        further blocks.
    """
    groups = interaction_groups(interaction_cst, *columns)
    monotone = monotone_directions(monotonic_cst, *columns)
    if monotone is not None and options.norm != "l1":
        raise ValueError(
            f"monotonic_cst and norm={options.norm!r} do not combine: the neurons of a monotone "
            "network are known under norm='l1' only."
        )
    if monotone is not None and n_outputs > 1:
        raise ValueError(
            f"monotonic_cst and {n_outputs} outputs (several targets, quantiles or classes) do not "
            "combine: they share their neurons, and a constraint could not hold for each. Use one "
            "target and quantile, or two classes."
        )
    given = {"interaction_cst": interaction_cst, "monotonic_cst": monotone}
    for name, constraint in given.items():
        if constraint is not None and options.n_blocks > 1:
            raise ValueError(
                f"{name} and n_blocks={options.n_blocks} do not combine: the neurons of further "
                "blocks see activations that may mix all inputs. Use n_blocks=1."
            )
    order = limited_order(interaction_cst, options.interaction_order)
    return replace(options, interaction_order=order, groups=groups, monotone=monotone)


def monotone_directions(
    monotonic_cst: ArrayLike | dict[str, int] | None,
    n_features: int,
    feature_names: Sequence[str] | None,
) -> tuple[int, ...] | None:
    """The direction in which the prediction must go with each column.

    Parameters
    ----------
    monotonic_cst : array-like of shape (n_features,), dict of str to int, or None
        -1 (falling), 0 (no constraint) or 1 (rising): for each column, or for columns by name, the
        others having no constraint.
    n_features : int
        Columns of X.
    feature_names : sequence of str, or None
        Their names, if X has any.

    Returns
    -------
    tuple of int, or None
        One of -1, 0, 1 per column; None if no column is constrained.

    Raises
    ------
    ValueError
        If a value is not -1, 0 or 1, there are not as many as columns, or a name is not known.
    """
    if monotonic_cst is None:
        return None
    if isinstance(monotonic_cst, dict):
        directions = _directions_by_name(monotonic_cst, n_features, feature_names)
    else:
        directions = _directions_by_position(monotonic_cst, n_features)
    return tuple(directions) if any(directions) else None


def _directions_by_name(
    monotonic_cst: dict[str, int], n_features: int, feature_names: Sequence[str] | None
) -> list[int]:
    positions = _positions("monotonic_cst", monotonic_cst, feature_names)
    directions = [0] * n_features
    for name, direction in monotonic_cst.items():
        if not _is_direction(direction):
            raise ValueError(
                f"monotonic_cst[{name!r}] is {direction!r}; it must be -1 (falling), 0 (no "
                "constraint) or 1 (rising)."
            )
        directions[positions[name]] = int(direction)
    return directions


def _directions_by_position(monotonic_cst: ArrayLike, n_features: int) -> list[int]:
    values = _as_sequence(monotonic_cst)
    if values is None:
        raise ValueError(
            "monotonic_cst must be a one-dimensional array-like of -1, 0 and 1, one per column of "
            f"X, or a dict from feature names to these; got {monotonic_cst!r}."
        )
    for column, value in enumerate(values):
        if not _is_direction(value):
            raise ValueError(
                f"monotonic_cst has {value!r} for column {column}; every entry must be -1 "
                "(falling), 0 (no constraint) or 1 (rising)."
            )
    if len(values) != n_features:
        raise ValueError(
            f"monotonic_cst has {len(values)} entries, but X has {n_features} columns: give one "
            "entry per column, 0 for those without a constraint."
        )
    return [int(value) for value in values]


def _as_sequence(values: Any) -> list | None:
    """Its entries, if it is a one-dimensional array-like; they are not converted."""
    if isinstance(values, str | bytes | set | frozenset) or not isinstance(values, Iterable):
        return None
    if np.ndim(np.asarray(values, dtype=object)) != 1:
        return None
    return list(values)


def _is_direction(value: Any) -> bool:
    return isinstance(value, Integral | float | np.floating) and value in (-1, 0, 1)


def interaction_groups(
    interaction_cst: str | Iterable[Iterable[int | str]] | None,
    n_features: int,
    feature_names: Sequence[str] | None,
) -> tuple[tuple[int, ...], ...] | None:
    """The groups of columns within which a neuron may combine inputs.

    Parameters
    ----------
    interaction_cst : {"pairwise", "no_interactions"}, sequence of lists/tuples/sets, or None
        Groups of columns, by index or by name, that may overlap; the columns that are in none of
        them form one more. ``"no_interactions"``: each column alone. ``"pairwise"`` groups nothing:
        that all pairs may interact, and no more, is a limit on the order; see
        :func:`limited_order`.
    n_features : int
        Columns of X.
    feature_names : sequence of str, or None
        Their names, if X has any.

    Returns
    -------
    tuple of tuple of int, or None
        Groups in canonical order, without those inside others; None if they exclude nothing.

    Raises
    ------
    ValueError
        If it is no such sequence, a group is empty, or a column does not exist.
    """
    if interaction_cst is None:
        return None
    if isinstance(interaction_cst, str):
        if interaction_cst == "no_interactions":
            return _canonical([{k} for k in range(n_features)], n_features)
        if interaction_cst == "pairwise":
            return None
        raise ValueError(_not_groups(interaction_cst))
    if isinstance(interaction_cst, dict) or not isinstance(interaction_cst, Iterable):
        raise ValueError(_not_groups(interaction_cst))
    groups = [
        _columns_of(number, group, n_features, feature_names)
        for number, group in enumerate(interaction_cst)
    ]
    rest = set(range(n_features)).difference(*groups)
    return _canonical([*groups, rest] if rest else groups, n_features)


def limited_order(
    interaction_cst: str | Iterable[Iterable[int | str]] | None, interaction_order: int | None
) -> int | None:
    """The interaction order under these constraints: at most 2 if they are ``"pairwise"``.

    Parameters
    ----------
    interaction_cst : {"pairwise", "no_interactions"}, sequence of lists/tuples/sets, or None
        Other constraints leave the order as it is: groups limit it by their size.
    interaction_order : int or None
        None: any number of inputs.

    Returns
    -------
    int or None
    """
    if isinstance(interaction_cst, str) and interaction_cst == "pairwise":
        return 2 if interaction_order is None else min(interaction_order, 2)
    return interaction_order


def _not_groups(interaction_cst: Any) -> str:
    return (
        "interaction_cst must be 'pairwise', 'no_interactions' or a sequence of lists, tuples or "
        f"sets of column indices or feature names, such as [(0, 1), (1, 2)]; got "
        f"{interaction_cst!r}."
    )


def _columns_of(
    number: int, group: Any, n_features: int, feature_names: Sequence[str] | None
) -> set[int]:
    """The columns of one group."""
    where = f"interaction_cst[{number}]"
    if not isinstance(group, list | tuple | set | frozenset | range | np.ndarray):
        raise ValueError(
            f"{where} is {group!r}; each group must be a list, tuple or set of column indices or "
            "feature names."
        )
    members = list(group)
    if not members:
        raise ValueError(f"{where} is an empty group: leave it out, or list columns in it.")
    names = [member for member in members if isinstance(member, str)]
    positions = _positions(where, names, feature_names) if names else {}
    columns = set()
    for member in members:
        if isinstance(member, str):
            columns.add(positions[member])
        elif not isinstance(member, Integral) or isinstance(member, bool):
            raise ValueError(
                f"{where} has {member!r}; it must list column indices (integers) or feature names."
            )
        elif not 0 <= member < n_features:
            raise ValueError(
                f"{where} has column {member}, but X has columns 0 to {n_features - 1}."
            )
        else:
            columns.add(int(member))
    return columns


def _positions(
    where: str, names: Iterable[str], feature_names: Sequence[str] | NDArray | None
) -> dict[str, int]:
    """Column of each feature name, if all the names given are among them."""
    if feature_names is None:
        raise ValueError(
            f"{where} names features, but X has no feature names: pass X as a data frame whose "
            "columns are all named by strings, or give columns by position (monotonic_cst: a list "
            "with one entry per column)."
        )
    positions = {name: column for column, name in enumerate(feature_names)}
    unknown = sorted({str(name) for name in names if name not in positions})
    if unknown:
        shown = ", ".join(map(repr, unknown[:NAMES_SHOWN]))
        more = f" and {len(unknown) - NAMES_SHOWN} more" if len(unknown) > NAMES_SHOWN else ""
        raise ValueError(f"{where} names features that X does not have: {shown}{more}.")
    return positions


def _canonical(groups: list[set[int]], n_features: int) -> tuple[tuple[int, ...], ...] | None:
    """The groups that are not inside others, in order; None if one holds every column."""
    largest_first = sorted({tuple(sorted(group)) for group in groups}, key=lambda g: (-len(g), g))
    kept: list[tuple[int, ...]] = []
    holding: dict[int, list[set[int]]] = {k: [] for k in range(n_features)}
    for group in largest_first:
        # Whatever holds the group holds its first column.
        if any(other.issuperset(group) for other in holding[group[0]]):
            continue
        kept.append(group)
        for column in group:
            holding[column].append(set(group))
    return None if any(len(group) == n_features for group in kept) else tuple(sorted(kept))
