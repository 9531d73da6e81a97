"""What the benchmarks share: real tables with published splits, and rivals on the same splits.

A folder holds ``NAME.npz`` files with ``X, y, train, test`` (one row of indices a split, padded
with -1), and optionally ``baselines.json`` and ``published_uci_rmse.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

# One kind of network for the CV estimators, of which they choose the penalty.
ONE_KIND = {
    "interaction_order": 2,
    "norm": "l1",
    "n_blocks": 1,
    "encoding": None,
    "clip_quantile": 0.005,
}


def rows_of_split(
    folder: Path, name: str, validation: bool = False
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test rows of each split; or of the training rows a fifth as test rows."""
    table = np.load(folder / f"{name}.npz", allow_pickle=True)
    splits = [(a[a >= 0], b[b >= 0]) for a, b in zip(table["train"], table["test"], strict=True)]
    if validation:
        rng = np.random.default_rng(0)
        splits = [tuple(np.split(rng.permutation(a), [len(a) * 4 // 5])) for a, _ in splits]
    return splits


def load(folder: Path, name: str, split: int):
    """Training and test part of one split."""
    table = np.load(folder / f"{name}.npz", allow_pickle=True)
    train, test = (part[part >= 0] for part in (table["train"][split], table["test"][split]))
    X, y = table["X"].astype(float), table["y"]
    return X[train], y[train], X[test], y[test]


def n_splits(folder: Path, name: str) -> int:
    """How many splits a table has."""
    return len(np.load(folder / f"{name}.npz", allow_pickle=True)["train"])


def baseline_scores(folder: Path, name: str, splits: int) -> dict[str, np.ndarray]:
    """Scores of scikit-learn's models on the first splits, one array a model."""
    file = folder / "baselines.json"
    if not file.exists():
        return {}
    models = json.loads(file.read_text())[name]["models"]
    return {
        model: np.array(entry["scores"][:splits])
        for model, entry in models.items()
        if "scores" in entry
    }


def published_rmse(folder: Path, name: str) -> dict[str, float]:
    """RMSE of published networks on all splits of a table."""
    file = folder / "published_uci_rmse.json"
    if not file.exists():
        return {}
    return {
        paper: entry["rmse"][name][0]
        for paper, entry in json.loads(file.read_text()).items()
        if name in entry["rmse"] and entry["provenance"].startswith(("READ", "COMPUTED"))
    }


def standard_error(scores) -> float:
    """Standard error of a mean over splits."""
    return float(np.std(scores, ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else np.nan
