"""Parts of the rows, each of which has target means of the others: by the values of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows import Chunk, OneChunk, Rows, bits_of, hashes_of_rows, mixed
from sklearn_wedge._tables.categories import MOST_LEVELS, PARTS

Array = NDArray[np.float64]
Hashes = NDArray[np.uint64]

# Rows that differ in their target alone are dealt one by one if there are no more than so many
# distinct other ones a level, or so many targets to each.
ROWS_PER_LEVEL = 2
MANY_TARGETS = 1.05
# Distinct rows in chunks of which these are counted, about.
COUNTED_ROWS = 100_000


def _is_the_rule(n_distinct: float, n_with_target: float, n_levels: int) -> bool:
    """Whether rows that differ in their target alone are.

    Where a category is the only column, or one of few, all rows of a level may be of one hash:
    together in a part, they would have no rows of their level in the other parts.
    """
    return n_distinct <= ROWS_PER_LEVEL * n_levels or n_with_target >= MANY_TARGETS * n_distinct


# --- of rows in one chunk -------------------------------------------------------------------------


@dataclass(frozen=True)
class PartsByRank:
    """Parts of the rows of one chunk, whatever their order.

    Attributes
    ----------
    part : int ndarray of shape (n,)
    """

    part: NDArray[np.intp]

    def __call__(self, chunk: Chunk) -> NDArray[np.intp]:
        """Of the very chunk."""
        return self.part


def parts_by_rank(rows: OneChunk, n_levels: int) -> PartsByRank:
    """Rows in parts by their values, whatever their order.

    Of values ranks count, a missing one being the largest: units do not matter. A target of few
    values must not count: of two classes the other parts would have the rows of the other class,
    and means would tell the class. So rows that differ in nothing else are in one part, and copies
    are as good as a weight, unless too many of the rows are of this kind.
    """
    X, target, ranks, few = rows.chunk.inputs, rows.chunk.target, [], False
    for column, values in enumerate((*X.T, *target.T)):
        distinct, its_ranks = np.unique(values, return_inverse=True)
        if column < X.shape[1] or len(distinct) > MOST_LEVELS:
            ranks.append(its_ranks.ravel().astype(np.uint64))
        else:
            few = True
    hashes = hashes_of_rows(ranks, len(X))
    if few:
        hashes = _dealt_if_repeated(hashes, target, rows.chunk.weight, n_levels)
    return PartsByRank((hashes % np.uint64(PARTS)).astype(np.intp))


def _dealt_if_repeated(hashes: Hashes, target: Array, weight: Array, n_levels: int) -> Hashes:
    """Hashes by which rows of one hash are dealt one by one, if such rows are the rule."""
    order = np.lexsort((weight, *target.T, hashes))
    place = np.arange(len(order))
    first = np.diff(hashes[order], prepend=~hashes[order[:1]]) != 0
    other = np.any(np.diff(target[order], axis=0, prepend=np.nan) != 0, axis=1)
    n_distinct, n_with_target = np.count_nonzero(first), np.count_nonzero(first | other)
    if not _is_the_rule(n_distinct, n_with_target, n_levels):
        return hashes
    among = np.empty(len(order), dtype=np.uint64)
    among[order] = place - np.maximum.accumulate(np.where(first, place, 0))
    return mixed(hashes ^ among)


# --- of rows in many chunks -----------------------------------------------------------------------


@dataclass(frozen=True)
class PartsByContent:
    """Parts of rows, each found from that row alone: in chunks nothing is sorted.

    The values themselves count instead of their ranks and, where rows are dealt one by one, their
    places.

    Attributes
    ----------
    counted : bool ndarray of shape (q,)
        Which targets count.
    one_by_one : bool
    """

    counted: NDArray[np.bool_]
    one_by_one: bool = False

    def __call__(self, chunk: Chunk) -> NDArray[np.intp]:
        """The part of each row."""
        hashes = self.hashes(chunk)
        if self.one_by_one:
            hashes = mixed(hashes ^ chunk.rows.astype(np.uint64))
        return (hashes % np.uint64(PARTS)).astype(np.intp)

    def hashes(self, chunk: Chunk) -> Hashes:
        """Of what counts."""
        columns = (*chunk.inputs.T, *chunk.target.T[self.counted])
        return hashes_of_rows(map(bits_of, columns), len(chunk.rows))


def parts_by_content(rows: Rows, n_levels: int) -> PartsByContent:
    """As ``parts_by_rank``, of rows in chunks: what is the rule is counted on a sample of them."""
    by_column = zip(*rows.map(_few_values), strict=True)
    n_values = np.array([len(np.unique(np.concatenate(values))) for values in by_column])
    parts = PartsByContent(n_values > MOST_LEVELS)
    if parts.counted.all():
        return parts
    share = min(1.0, COUNTED_ROWS / rows.n_rows)
    found = np.unique(np.concatenate(rows.map(_sampled, parts, share)), axis=0)
    n_distinct = len(np.unique(found[:, 0]))
    one_by_one = _is_the_rule(n_distinct / share, len(found) / share, n_levels)
    return PartsByContent(parts.counted, one_by_one)


def _few_values(chunk: Chunk) -> list[Array]:
    """Values of each target, one more than are few at most."""
    return [np.unique(column)[: MOST_LEVELS + 1] for column in chunk.target.T]


def _sampled(chunk: Chunk, parts: PartsByContent, share: float) -> Hashes:
    """Distinct pairs of hashes, (k, 2), without and with all targets, of a share of the former."""
    hashes = parts.hashes(chunk)
    limit = np.uint64(min(share * 2.0**64, 2**64 - 1))
    with_target = hashes_of_rows(map(bits_of, chunk.target.T), len(hashes)) ^ hashes
    return np.unique(np.column_stack([hashes, with_target])[hashes <= limit], axis=0)
