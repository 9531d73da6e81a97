"""Activations of columns on the rows: kept by the one chunk of a table, or computed when needed.

``values`` are an array of shape (m, r), a row per column. They are taken relative to a *centre*
close to their means before they are multiplied, so that nothing cancels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.rows.chunks import Array, Chunk
from sklearn_wedge._core.rows.scaling import Scaling

# Columns that are kept are copied to leave out those not in use if fewer than this share are: a
# copy costs as much as three products.
LEAST_SHARE_IN_USE = 0.3


class Activations(Protocol):
    """The activations of m columns."""

    def __len__(self) -> int: ...

    def take(self, which: NDArray) -> Activations:
        """The columns at these indices (or where a mask is true)."""

    def joined(self, kept: NDArray[np.intp], more: Activations) -> Activations:
        """The columns at the indices kept (from 0, no mask), then more."""

    def rounded(self) -> Activations:
        """The same, in single precision where they are kept: products take half the time."""

    def values(self, chunk: Chunk) -> Array:
        """On the rows of a chunk, (m, r); not to be changed."""

    def of_rows(self, chunk: Chunk, which: NDArray[np.intp]) -> Array:
        """On some rows of a chunk, (m, k)."""

    def part(self, chunk: Chunk, columns: NDArray[np.intp], rows: NDArray[np.intp]) -> Array:
        """Of some columns on some rows of a chunk."""

    def centres(self, chunk: Chunk) -> Array:
        """What values may be taken relative to on the rows of a chunk, (m,)."""

    def combined(self, chunk: Chunk, coef: Array) -> Array:
        """``Σ_j coef_j h_j`` on the rows of a chunk, (r, q), of coefficients (m, q)."""

    def centre(self, values: Array, weight: Array, begin: int = 0) -> Array:
        """What to take values relative to, from a column on; weights are those of the rows."""

    def products(self, chunk: Chunk, dual: Array) -> Array:
        """``V·h`` over the rows of a chunk, (m, q)."""


@dataclass(frozen=True)
class KeptActivations:
    """Activations that stay in memory; see ``Activations``.

    Attributes
    ----------
    array : ndarray of shape (m, n)
    """

    array: Array

    def __len__(self) -> int:
        return len(self.array)

    def take(self, which: NDArray) -> KeptActivations:
        """See ``Activations``."""
        return KeptActivations(self.array[which])

    def joined(self, kept: NDArray[np.intp], more: KeptActivations) -> KeptActivations:
        """See ``Activations``.

        In one go: these are the largest arrays of a fit, and new memory costs more than copies.
        """
        joined = np.empty((len(kept) + len(more), more.array.shape[1]))
        # Other modes of take go through a buffer.
        np.take(self.array, kept, axis=0, out=joined[: len(kept)], mode="clip")
        joined[len(kept) :] = more.array
        return KeptActivations(joined)

    def rounded(self) -> KeptActivations:
        """See ``Activations``."""
        return KeptActivations(self.array.astype(np.float32))

    def values(self, chunk: Chunk) -> Array:
        """See ``Activations``."""
        return self.array

    def of_rows(self, chunk: Chunk, which: NDArray[np.intp]) -> Array:
        """See ``Activations``."""
        return self.array[:, which]

    def part(self, chunk: Chunk, columns: NDArray[np.intp], rows: NDArray[np.intp]) -> Array:
        """See ``Activations``."""
        return self.array[np.ix_(columns, rows)]

    def centres(self, chunk: Chunk) -> Array:
        """See ``Activations``: the means."""
        return self.centre(self.array, chunk.weight)

    def combined(self, chunk: Chunk, coef: Array) -> Array:
        """See ``Activations``."""
        used = np.flatnonzero(coef.any(axis=1))
        if len(used) > LEAST_SHARE_IN_USE * len(coef):
            return self.array.T @ coef
        return self.array[used].T @ coef[used]

    def centre(self, values: Array, weight: Array, begin: int = 0) -> Array:
        """See ``Activations``: the means."""
        return values[begin:] @ (weight / weight.sum())

    def products(self, chunk: Chunk, dual: Array) -> Array:
        """See ``Activations``."""
        return self.array @ dual


@dataclass(frozen=True)
class ComputedActivations:
    """Activations that are computed anew: they are large, and cheap beside what is done with them.

    See ``Activations``.

    Attributes
    ----------
    neurons : Neurons
        m of them.
    scaling : Scaling
        Of the inputs of a chunk.
    means : ndarray of shape (m,)
        About those of the activations, the same in every chunk.
    """

    neurons: Neurons
    scaling: Scaling
    means: Array

    def __len__(self) -> int:
        return len(self.neurons)

    def take(self, which: NDArray) -> ComputedActivations:
        """See ``Activations``."""
        return ComputedActivations(self.neurons.take(which), self.scaling, self.means[which])

    def joined(self, kept: NDArray[np.intp], more: ComputedActivations) -> ComputedActivations:
        """See ``Activations``."""
        neurons = self.neurons.take(kept).join(more.neurons)
        return ComputedActivations(neurons, self.scaling, np.append(self.means[kept], more.means))

    def rounded(self) -> ComputedActivations:
        """See ``Activations``."""
        return self

    def values(self, chunk: Chunk) -> Array:
        """See ``Activations``."""
        return self.neurons.activations(self.scaling.columns(chunk.inputs))

    def of_rows(self, chunk: Chunk, which: NDArray[np.intp]) -> Array:
        """See ``Activations``."""
        return self.neurons.activations(self.scaling.columns(chunk.inputs[which]))

    def part(self, chunk: Chunk, columns: NDArray[np.intp], rows: NDArray[np.intp]) -> Array:
        """See ``Activations``."""
        return self.take(columns).of_rows(chunk, rows)

    def centres(self, chunk: Chunk) -> Array:
        """See ``Activations``."""
        return self.means

    def combined(self, chunk: Chunk, coef: Array) -> Array:
        """See ``Activations``."""
        used = np.flatnonzero(coef.any(axis=1))
        return self.take(used).values(chunk).T @ coef[used]

    def centre(self, values: Array, weight: Array, begin: int = 0) -> Array:
        """See ``Activations``."""
        return self.means[begin:]

    def products(self, chunk: Chunk, dual: Array) -> Array:
        """See ``Activations``."""
        return self.neurons.products(self.scaling.columns(chunk.inputs), dual)
