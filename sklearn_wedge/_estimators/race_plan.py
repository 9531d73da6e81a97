"""How a race goes: what runs, on how many rows, and how many stay; counts of work, never clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import ceil, comb
from typing import Any

from sklearn_wedge._core.stopping import ROUGHLY

AUTO = "auto"
EFFORTS = ("fast", "balanced", "thorough")

# Kinds of networks: order and norm. Simple ones first.
FEW_KINDS = ((1, "l1"), (2, "l1"))
SHALLOW_KINDS = (*FEW_KINDS, (None, "l2"))
KINDS = (*SHALLOW_KINDS, (3, "l1"))
ALL_KINDS = (*KINDS, (2, "l2"))
# What inputs are clipped to, if they are.
CLIP = 0.005
# Values of other parameters that are tried after the kind, of the candidates that are left then.
VARIANTS: dict[str, tuple] = {
    "encoding": (None, "normal", "uniform"),
    "n_blocks": (1, 2, 3),
    "clip_quantile": (CLIP, None),
}
MORE_VARIANTS = {**VARIANTS, "encoding": (*VARIANTS["encoding"], "robust")}
# Blocks of neurons of any number of inputs, at most: further ones cost several times the others.
MOST_BLOCKS_OF_ANY_ORDER = 2
# Neurons of three inputs run if triples × rows to fit are at most so many, of two if there are at
# most so many pairs.
MOST_TRIPLES = 400_000
MOST_PAIRS = 20_000
# Distinct rows below which nothing is validated, and below which the fewest kinds run.
LEAST_ROWS = 10
ROWS_OF_FEW_KINDS = 100
# Distinct rows below which only shallow networks of the first kinds run, on inputs as they are: of
# so few no quantile of a half per cent is inside.
SMALL_ROWS = 250
# Rows of a stage for each of several outputs, at least. Of ten classes of pictures, networks of
# directions are far behind those of single inputs on 40 rows a class, and ahead on 120.
ROWS_PER_OUTPUT = 120
# Parts of the rows; a fold holds out one of them.
PARTS = 5
# What fits of the last stage may leave to gain, as a part of their own objective: rougher ones have
# too few neurons at small penalties, so that larger ones, and kinds that need fewer, seem better.
# On fifths held out networks chosen by fits to 0.03 are worse by 3 % of the error (California
# housing), 2 % (concrete) and 0.4 % (bike_noleak).
CLOSELY = 0.01


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
    n_varied : int
        How many of the best candidates are varied.
    variants : dict
        Of parameters by name values that these are tried with, at the penalty that was best.
    kinds_first : bool
        Whether the best of each kind goes on, and a variant only if it is clearly better than what
        is simpler; else those that are close to the best one, whatever they are.
    roughly : float
        What a fit may leave to gain, as a part of its own objective.
    n_first : int or None
        Folds that all candidates have; those that are kept have the others too. None: all.
    is_last : bool
        Whether the race ends with it.
    """

    n_rows: int | None
    n_folds: int | None
    n_kept: int
    n_varied: int = 0
    variants: dict[str, tuple] = field(default_factory=dict)
    kinds_first: bool = True
    roughly: float = ROUGHLY
    n_first: int | None = None
    is_last: bool = False

    def has_more_than(self, other: Stage) -> bool:
        """Whether there are more rows to fit, or to score by all candidates."""
        return self.n_rows > other.n_rows or self.n_first > other.n_first

    def sees_more_than(self, other: Stage) -> bool:
        """The same, or more rows to score by any, or fits are closer to the optimum."""
        is_longer = self.n_folds > other.n_folds or self.roughly < other.roughly
        return is_longer or self.has_more_than(other)


@dataclass(frozen=True)
class Size:
    """What the cost of a fit depends on: distinct rows, inputs, outputs and the loss.

    ``cost_of_loss`` is 1, and more for losses that are hard to minimise.
    """

    n_rows: int
    n_inputs: int
    n_outputs: int = 1
    cost_of_loss: float = 1.0

    @property
    def cost(self) -> float:
        """How many rows of one output and a cheap loss one row is worth."""
        return self.n_outputs**0.5 * self.cost_of_loss

    @property
    def rows_per_cost(self) -> float:
        """Rows, of several outputs or of a costly loss fewer."""
        return self.n_rows / self.cost

    def to_fit(self, n_rows: int) -> int:
        """Rows to fit where so many of one output are."""
        enough = ROWS_PER_OUTPUT * self.n_outputs / self.cost_of_loss
        return int(min(max(n_rows / self.cost, enough), self.n_rows))


@dataclass(frozen=True)
class FoldCounts:
    """The folds at hand: how many, distinct rows that one scores, and whether users give them."""

    n: int
    n_scored: float
    are_given: bool

    def that_score(self, n_rows: float) -> int:
        """How many it takes to score so many rows; all if that is too few."""
        return min(ceil(n_rows / self.n_scored), self.n)


@dataclass(frozen=True)
class Counts:
    """How much a stage does.

    Attributes
    ----------
    n_rows : int
        Distinct rows that a fold is fitted on, at most.
    n_scored : int
        Distinct rows that score a candidate: there are as many folds as that takes.
    n_kept : int
        Candidates that go on.
    n_varied : int
        How many of the best candidates are varied.
    varied : tuple of str
        Parameters that are varied, one at a time.
    kinds_first, roughly
        See ``Stage``.
    """

    n_rows: int
    n_scored: int
    n_kept: int
    n_varied: int = 0
    varied: tuple[str, ...] = ()
    kinds_first: bool = True
    roughly: float = ROUGHLY

    def stage(self, n_rows: int, n_folds: int, n_first: int) -> Stage:
        """Of a table that has so many rows and folds, with nothing to vary yet."""
        how = self.kinds_first, self.roughly, n_first
        return Stage(n_rows, n_folds, self.n_kept, self.n_varied, {}, *how)


@dataclass(frozen=True)
class Effort:
    """The stages, the most folds of one, the kinds that run, how they are varied, and averaged."""

    stages: tuple[Counts, ...]
    n_folds: int
    kinds: tuple[tuple, ...]
    variants: dict[str, tuple]
    blends: bool = True


BY_EFFORT = {
    "fast": Effort(
        (
            Counts(800, 200, 2),
            Counts(800, 200, 2, 1, ("encoding",)),
            Counts(3_000, 500, 1),
        ),
        5,
        SHALLOW_KINDS,
        VARIANTS,
        blends=False,
    ),
    "balanced": Effort(
        (
            Counts(1_200, 250, 3),
            Counts(2_000, 250, 3, 3, ("encoding",)),
            Counts(2_000, 250, 3, 1, ("n_blocks", "clip_quantile")),
            Counts(4_000, 800, 4, 1, ("encoding",), kinds_first=False),
            Counts(20_000, 1_600, 4, kinds_first=False, roughly=CLOSELY),
        ),
        10,
        KINDS,
        VARIANTS,
    ),
    "thorough": Effort(
        (
            Counts(2_400, 1_000, 5),
            Counts(4_000, 1_000, 5, 5, ("encoding",)),
            Counts(4_000, 1_000, 4, 3, ("n_blocks", "clip_quantile")),
            Counts(20_000, 5_000, 4, kinds_first=False, roughly=CLOSELY),
        ),
        20,
        ALL_KINDS,
        MORE_VARIANTS,
    ),
}


def most_folds(effort: str) -> int:
    """Folds that any stage may have."""
    return BY_EFFORT[effort].n_folds


def may_blend(effort: str, cost_of_loss: float) -> bool:
    """Whether networks of other kinds may be averaged with the one chosen."""
    return BY_EFFORT[effort].blends and cost_of_loss == 1.0


def planned(
    effort: str,
    size: Size,
    folds: FoldCounts,
    given: dict[str, Sequence],
    limits: dict[str, Any],
) -> tuple[list[Stage], list[dict[str, Any]]]:
    """The stages of a race, and the candidates of the first.

    Parameters
    ----------
    effort : str
        One of ``EFFORTS``.
    size : Size
    folds : FoldCounts
    given : dict
        Candidates that users give for parameters, by name.
    limits : dict
        Values of parameters that the other ones leave no choice of, unless users give some.
    """
    given = {**{name: [value] for name, value in limits.items()}, **given}
    variants = BY_EFFORT[effort].variants
    auto = {name: values for name, values in variants.items() if name not in given}
    stages = _stages(effort, size, folds, auto)
    kinds = _kinds(effort, size, stages[0].n_rows)
    first = {name: [values[0]] for name, values in auto.items()}
    return stages, with_given(kinds, {**first, **given})


def _stages(effort: str, size: Size, folds: FoldCounts, auto: dict[str, tuple]) -> list[Stage]:
    """Those in which there is something to vary, more rows or folds, or closer fits."""
    names = auto if size.rows_per_cost >= SMALL_ROWS else {}
    *early, last = BY_EFFORT[effort].stages
    stages: list[Stage] = []
    for counts in (*early, last):
        stage = _stage(counts, size, folds, counts is last)
        varied = {
            name
            for before in stages
            for name in before.variants
            if not stage.has_more_than(before)  # was varied on as much
        }
        variants = {name: names[name] for name in counts.varied if name in names.keys() - varied}
        stage = replace(stage, variants=variants)
        if len(stages) < 2 or variants or stage.sees_more_than(stages[-1]):
            stages.append(stage)
    *early, last = _without_a_rough_twin(stages)
    return [*early, replace(last, is_last=True)]


def _stage(counts: Counts, size: Size, folds: FoldCounts, is_last: bool) -> Stage:
    """With nothing to vary. Only the last stage has all folds that users give, or many of ours."""
    # What is chosen in the end is chosen on as many rows whatever a fit costs for its outputs.
    n_folds = folds.that_score(counts.n_scored / (size.cost_of_loss if is_last else size.cost))
    if folds.are_given:
        n_folds = folds.n if is_last else n_folds  # the choice is to be made on them
        n_first = n_folds
    else:
        n_first = min(n_folds, PARTS)
        n_folds = n_folds if is_last else n_first
    return counts.stage(size.to_fit(counts.n_rows), n_folds, n_first)


def _without_a_rough_twin(stages: Sequence[Stage]) -> list[Stage]:
    """What is varied on all that the last stage sees is varied in that, on closer fits."""
    *early, twin, last = stages
    if not early or last.variants or last.has_more_than(twin):
        return list(stages)
    return [*early, replace(last, n_varied=twin.n_varied, variants=twin.variants)]


def _kinds(effort: str, size: Size, n_rows: int) -> list[dict[str, Any]]:
    """The kinds of networks that run on a table of this size, as parameters."""
    kinds = BY_EFFORT[effort].kinds
    if size.rows_per_cost < SMALL_ROWS:
        kinds = FEW_KINDS if size.rows_per_cost < ROWS_OF_FEW_KINDS else SHALLOW_KINDS
    return [
        dict(zip(("interaction_order", "norm"), kind, strict=True))
        for kind in kinds
        if _is_affordable(kind[0], size, n_rows)
    ]


def _is_affordable(order: int | None, size: Size, n_rows: int) -> bool:
    if order == 2:
        return comb(size.n_inputs, 2) <= MOST_PAIRS
    return order != 3 or comb(size.n_inputs, 3) * n_rows * size.cost <= MOST_TRIPLES


def others(name: str, values: tuple, parameters: dict[str, Any]) -> list[Any]:
    """What a candidate is tried with instead of its value of one parameter."""
    is_limited = name == "n_blocks" and parameters["interaction_order"] is None
    most = MOST_BLOCKS_OF_ANY_ORDER if is_limited else None
    return [value for value in values if value != parameters[name] and not (most and value > most)]


def with_given(kinds: Sequence[dict[str, Any]], given: dict[str, Sequence]) -> list[dict[str, Any]]:
    """The kinds with the values that users give instead of their own, each once."""
    found = []
    for kind, values in product(kinds, product(*given.values())):
        each = {**kind, **dict(zip(given, values, strict=True))}
        if each not in found:
            found.append(each)
    return found
