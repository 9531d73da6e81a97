"""Rows, in one chunk or many: what is known of them, and what is computed from them."""

from sklearn_wedge._core.rows.activations import (
    Activations,
    ComputedActivations,
    KeptActivations,
)
from sklearn_wedge._core.rows.chunked import GOLDEN_RATIO, ChunkedSample, chunked_sample
from sklearn_wedge._core.rows.chunks import (
    EXPECTED_COLUMNS,
    Chunk,
    Kept,
    LocalChunks,
    MappedRows,
    OneChunk,
    Rows,
    added,
    is_mapped,
    release,
    rows_per_chunk,
)
from sklearn_wedge._core.rows.hashes import bits_of, hashes_of_rows, mixed
from sklearn_wedge._core.rows.quantiles import column_quantiles
from sklearn_wedge._core.rows.samples import (
    Sample,
    TrainingSample,
    canonical_sample,
    group_starts,
    merge_samples,
    rounded,
)
from sklearn_wedge._core.rows.scaling import SampleOptions, Scaling, range_of, whole_range

__all__ = [
    "EXPECTED_COLUMNS",
    "GOLDEN_RATIO",
    "Activations",
    "Chunk",
    "ChunkedSample",
    "ComputedActivations",
    "Kept",
    "KeptActivations",
    "LocalChunks",
    "MappedRows",
    "OneChunk",
    "Rows",
    "Sample",
    "SampleOptions",
    "Scaling",
    "TrainingSample",
    "added",
    "bits_of",
    "canonical_sample",
    "chunked_sample",
    "column_quantiles",
    "group_starts",
    "hashes_of_rows",
    "is_mapped",
    "merge_samples",
    "mixed",
    "range_of",
    "release",
    "rounded",
    "rows_per_chunk",
    "whole_range",
]
