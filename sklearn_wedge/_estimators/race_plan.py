"""How a race goes: what runs, on how many rows, and how many stay; counts of work, never clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from math import comb
from typing import Any

AUTO = "auto"
EFFORTS = ("fast", "balanced", "thorough")

# Kinds of networks: order, norm, number of blocks. Simple ones first.
FEW_KINDS = ((1, "l1", 1), (2, "l1", 1))
SHALLOW_KINDS = (*FEW_KINDS, (None, "l2", 1))
KINDS = (*SHALLOW_KINDS, (2, "l1", 2))
MORE_KINDS = ((3, "l1", 1), (2, "l1", 3), (None, "l2", 2))
ALL_KINDS = ((2, "l2", 1), (3, "l1", 2), (1, "l1", 2))
# What inputs are clipped to, if they are.
CLIP = 0.005
# Values of other parameters that are tried after the kind, one parameter after the other.
VARIANTS: dict[str, tuple] = {
    "encoding": (None, "normal", "uniform", "robust"),
    "clip_quantile": (CLIP, None),
}
# Neurons of three inputs run if triples × rows to fit are at most so many, of two if there are at
# most so many pairs.
MOST_TRIPLES = 400_000
MOST_PAIRS = 20_000
# Distinct rows below which nothing is validated, and below which the fewest kinds run.
LEAST_ROWS = 10
FEW_ROWS = 100
# Distinct rows below which only shallow networks of the first kinds run, on inputs as they are: of
# so few no quantile of a half per cent is inside.
SMALL_ROWS = 250
# What a path costs besides its rows, in rows.
OF_A_PATH = 500


@dataclass(frozen=True)
class Stage:
    """One stage of a race.

    Attributes
    ----------
    n_rows : int or None
        Distinct rows that a fold is fitted on, at most; None: all.
    n_folds : int or None
        At most; None: all.
    n_kept : int
        Candidates that go on.
    variants : dict
        Of parameters by name values that each candidate is tried with.
    """

    n_rows: int | None
    n_folds: int | None
    n_kept: int
    variants: dict[str, tuple] = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """What the cost of a fit depends on: distinct rows, inputs, and how many rows one row is worth.

    ``cost`` is the root of the number of outputs, more for losses that are hard to minimise.
    """

    n_rows: int
    n_inputs: int
    cost: float

    @property
    def rows_per_cost(self) -> float:
        """Rows, of several outputs or of a costly loss fewer."""
        return self.n_rows / self.cost


@dataclass(frozen=True)
class Effort:
    """Counts of an effort: by stage rows of a fold, of all folds of a candidate, and who stays.

    ``n_folds`` is the most folds of a stage.
    """

    rows: tuple[int, ...]
    rows_of_folds: tuple[int, ...]
    n_kept: tuple[int, ...]
    n_folds: int
    kinds: tuple[tuple, ...]


BY_EFFORT = {
    "fast": Effort((800, 4_000), (800, 4_000), (1, 1), 5, KINDS),
    "balanced": Effort(
        (1_200, 4_000, 10_000), (2_500, 3_000, 10_000), (3, 2, 1), 10, KINDS + MORE_KINDS
    ),
    "thorough": Effort(
        (2_400, 8_000, 10_000),
        (8_000, 16_000, 60_000),
        (5, 3, 1),
        20,
        KINDS + MORE_KINDS + ALL_KINDS,
    ),
}


def most_folds(effort: str) -> int:
    """Folds that any stage may have."""
    return BY_EFFORT[effort].n_folds


def planned(
    effort: str, size: Size, given: dict[str, Sequence], limits: dict[str, Any]
) -> tuple[list[Stage], list[dict[str, Any]]]:
    """The stages of a race, and the candidates of the first.

    Parameters
    ----------
    effort : str
        One of ``EFFORTS``.
    size : Size
    given : dict
        Candidates that users give for parameters, by name.
    limits : dict
        Values of parameters that the other ones leave no choice of, unless users give some.
    """
    given = {**{name: [value] for name, value in limits.items()}, **given}
    auto = {name: values for name, values in VARIANTS.items() if name not in given}
    stages = _stages(effort, size, auto)
    kinds = _kinds(effort, size, stages[0].n_rows)
    first = {name: [values[0]] for name, values in auto.items()}
    return stages, with_given(kinds, {**first, **given})


def _stages(effort: str, size: Size, auto: dict[str, tuple]) -> list[Stage]:
    """Variants are tried from the second stage on, one parameter a stage, in the last the rest."""
    counts, n_stages = BY_EFFORT[effort], len(BY_EFFORT[effort].rows)
    names = list(auto) if size.rows_per_cost >= SMALL_ROWS else []
    stages = []
    for k in range(n_stages):
        n_rows = int(min(counts.rows[k] / size.cost, size.n_rows))
        of_all = int(counts.rows_of_folds[k] / size.cost) // (n_rows + OF_A_PATH)
        n_folds = min(max(of_all, 1), counts.n_folds)
        is_last = k == n_stages - 1
        mine = names[max(k - 1, 0) :] if is_last else names[:k][-1:]
        variants = {name: auto[name] for name in mine}
        stages.append(Stage(n_rows, n_folds, counts.n_kept[k], variants))
    return stages


def _kinds(effort: str, size: Size, n_rows: int) -> list[dict[str, Any]]:
    """The kinds of networks that run on a table of this size, as parameters."""
    kinds = BY_EFFORT[effort].kinds
    if size.rows_per_cost < SMALL_ROWS:
        kinds = FEW_KINDS if size.rows_per_cost < FEW_ROWS else SHALLOW_KINDS
    return [
        dict(zip(("interaction_order", "norm", "n_blocks"), kind, strict=True))
        for kind in kinds
        if _is_affordable(kind[0], size, n_rows)
    ]


def _is_affordable(order: int | None, size: Size, n_rows: int) -> bool:
    if order == 2:
        return comb(size.n_inputs, 2) <= MOST_PAIRS
    return order != 3 or comb(size.n_inputs, 3) * n_rows * size.cost <= MOST_TRIPLES


def with_given(kinds: Sequence[dict[str, Any]], given: dict[str, Sequence]) -> list[dict[str, Any]]:
    """The kinds with the values that users give instead of their own, each once."""
    found = []
    for kind, values in product(kinds, product(*given.values())):
        each = {**kind, **dict(zip(given, values, strict=True))}
        if each not in found:
            found.append(each)
    return found
