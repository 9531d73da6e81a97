"""Fits of rows in blocks, of a file or on a cluster: no array has an entry per row and neuron."""

from sklearn_wedge._streaming.blocks import (
    EXPECTED_COLUMNS,
    Block,
    LocalBlocks,
    RowBlocks,
    added,
    release,
    rows_per_block,
)
from sklearn_wedge._streaming.problem import StreamedProblem
from sklearn_wedge._streaming.sample import StreamedSample, range_of, streamed_sample, whole_range

__all__ = [
    "EXPECTED_COLUMNS",
    "Block",
    "LocalBlocks",
    "RowBlocks",
    "StreamedProblem",
    "StreamedSample",
    "added",
    "range_of",
    "release",
    "rows_per_block",
    "streamed_sample",
    "whole_range",
]
