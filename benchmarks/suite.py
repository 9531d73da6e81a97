"""The public suite: wedge networks beside scikit-learn's models on 20 tables, on the same splits.

    python benchmarks/suite.py --data PATH [--tables yacht abalone] [--splits 3]
        [--splits-of-large 1] [--jobs 2] [--models wedge linear] [--results suite.jsonl] [--rerun]
    python benchmarks/suite.py --report suite.jsonl [--data PATH]

``PATH`` is described in ``tables.py``. Results are appended to a file of JSON lines as they come,
and what is there is skipped: a run may be interrupted. The tables are printed from that file.

The wedge network is ``WedgeReLURegressorCV()`` or ``WedgeReLUClassifierCV()``, which choose
everything on the training part; ``wedge_fast`` is the same with ``effort="fast"``, ``wedge_plain``
the estimator without CV. Each of the three is ranked among the rivals without the other two.

Rivals: linear (RidgeCV, LogisticRegressionCV), SVM, MLP of 50 units and k-neighbours tuned by
validation, histogram gradient boosting, random forest and extra trees; CatBoost, LightGBM,
XGBoost and explainable boosting at their defaults, where they are installed (extra ``bench``), and
RealMLP with its tuned defaults on up to 6,000 rows (extra ``realmlp``). If ``PATH`` has a
``baselines.json``, scores are read from it: its models are tuned by validation too, but some are
fitted on 10,000 rows of larger tables (marked *), and of its two MLPs (lbfgs, Adam) the better *on
the test parts* counts. ``--fit-missing`` fits the models and splits that it lacks here, ``--rerun``
all of them; so does a folder without that file.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, root_mean_squared_error
from suite_models import MODELS, is_labels
from suite_report import print_report
from tables import load, n_splits

TABLES = (
    "yacht",
    "bostonHousing",
    "concrete",
    "permeability_qsar",
    "abalone",
    "kin8nm",
    "power-plant",
    "california_housing",
    "bike_noleak",
    "pol",
    "german_credit",
    "banana",
    "phoneme",
    "spambase",
    "ringnorm",
    "adult",
    "trec_questions",
    "covtype20k",
    "letter",
    "mnist_t10k",
)
# More rows to fit make a table large.
LARGE = 6_000
# Names in baselines.json.
RECORDED = {
    "linear": ("linear",),
    "svm": ("svm",),
    "mlp": ("mlp_lbfgs", "mlp"),
    "boosting": ("hgb",),
    "forest": ("rf",),
    "extra_trees": ("et",),
    "neighbours": ("knn",),
}


def measured(model: str, folder: Path, table: str, split: int, jobs: int | None) -> dict | None:
    """Fit and score a model here; None if it is not for data of this size."""
    X, y, X_test, y_test = load(folder, table, split)
    began = time.perf_counter()
    fitted = MODELS[model](X, y, jobs)
    if fitted is None:
        return None
    fit_seconds = time.perf_counter() - began
    began = time.perf_counter()
    prediction = fitted[0].predict(X_test)
    predict_seconds = time.perf_counter() - began
    metric = accuracy_score if is_labels(y) else root_mean_squared_error
    return {
        "score": float(metric(y_test, prediction)),
        "fit_s": fit_seconds,
        "predict_s": predict_seconds,
        "choice": fitted[1],
        "source": "here",
    }


def better_entry(entries: list[dict], is_error: bool) -> dict:
    """Of several recorded models the better on the splits that they share."""
    shared = min(len(entry["scores"]) for entry in entries)
    sign = -1.0 if is_error else 1.0
    return max(entries, key=lambda entry: sign * np.mean(entry["scores"][:shared]))


def recorded(folder: Path, table: str) -> Iterator[tuple[str, int, dict]]:
    """Scores of rivals in ``baselines.json``, if there is one: model, split, result."""
    file = folder / "baselines.json"
    found = json.loads(file.read_text()).get(table) if file.exists() else None
    if found is None:
        return
    for model, names in RECORDED.items():
        entries = [found["models"].get(name, {}) for name in names]
        entries = [entry for entry in entries if entry.get("scores")]
        if not entries:
            continue
        entry = better_entry(entries, found["metric"] == "rmse")
        for split, score in enumerate(entry["scores"]):
            yield (
                model,
                split,
                {
                    "score": score,
                    "fit_s": entry["fit_s"],
                    "predict_s": None,
                    "choice": entry["params"][split],
                    "source": "baselines.json",
                    "subsampled": entry["subsampled"],
                },
            )


def read(results: Path) -> list[dict]:
    """What has been written so far; a last line cut short is left out."""
    lines = results.read_text().splitlines(keepends=True) if results.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


class Results:
    """A file of JSON lines that grows, and what it has."""

    def __init__(self, file: Path):
        self.file = file
        entries = read(file)
        self.known = {(e["table"], e["split"], e["model"], e["source"]) for e in entries}
        # Without the rest of a line cut short.
        if file.exists():
            file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))

    def has(self, table: str, split: int, model: str, *sources: str) -> bool:
        """Whether there is a result from one of these sources."""
        return any((table, split, model, source) in self.known for source in sources)

    def add(self, table: str, split: int, model: str, result: dict, size: dict) -> None:
        """Write a result."""
        entry = {"table": table, "split": split, "model": model, **size, **result}
        with self.file.open("a") as stream:
            stream.write(json.dumps(entry, default=float) + "\n")
        self.known.add((table, split, model, result["source"]))


def size_of(folder: Path, table: str) -> dict:
    """What a report says about a table."""
    X, y, _, _ = load(folder, table, 0)
    metric = "accuracy" if is_labels(y) else "rmse"
    return {"metric": metric, "n_train": len(y), "d": X.shape[1]}


def copy_recorded(table: str, splits: range, options: argparse.Namespace, results: Results) -> None:
    """Take over what ``baselines.json`` has."""
    size = size_of(options.data, table)
    for model, split, result in recorded(options.data, table):
        wanted = model in options.models and split in splits
        if wanted and not results.has(table, split, model, "here", "baselines.json"):
            results.add(table, split, model, result, size)


def run_table(table: str, options: argparse.Namespace, results: Results) -> None:
    """All models on the splits of a table."""
    size = size_of(options.data, table)
    wanted = options.splits_of_large if size["n_train"] > LARGE else options.splits
    splits = range(min(wanted, n_splits(options.data, table)))
    models, enough = options.models, ("here",)
    if not options.rerun and (options.data / "baselines.json").exists():
        copy_recorded(table, splits, options, results)
        enough = ("here", "baselines.json")
        if not options.fit_missing:
            models = [model for model in models if model not in RECORDED]
    for split, model in product(splits, models):
        if results.has(table, split, model, *enough):
            continue
        result = measured(model, options.data, table, split, options.jobs)
        if result is None:
            continue
        results.add(table, split, model, result, size)
        print(
            f"{table} split {split}: {model} {result['score']:.4g}, fit {result['fit_s']:.1f} s, "
            f"predict {result['predict_s']:.3f} s, {result['choice']}",
            flush=True,
        )


def main() -> None:
    """Run and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--splits-of-large", type=int, default=1)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--results", type=Path, default=Path("suite.jsonl"))
    parser.add_argument("--rerun", action="store_true", help="fit the rivals here")
    parser.add_argument(
        "--fit-missing", action="store_true", help="fit what baselines.json lacks here"
    )
    parser.add_argument("--report", type=Path, help="only print the tables of this file")
    options = parser.parse_args()
    if options.report is None:
        if options.data is None:
            parser.error("give --data, or --report")
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", FutureWarning)
        results = Results(options.results)
        for table in options.tables:
            run_table(table, options, results)
    print_report(read(options.report or options.results), options.data)


if __name__ == "__main__":
    main()
