"""The tables that ``suite.py`` prints.

Not every model has a score on every split. Means of a table are those of an additive model, score =
model + split, whose split effects come from the models that have every split: a model is compared
on the splits that it has. A model without any score on a table is left out of its ranks, and its
mean rank is over the other tables.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from suite_models import MODELS, OTHER_WEDGES, RIVALS, SMOOTH
from tables import published_rmse, standard_error

# score[model][split]
Scores = dict[str, dict[int, float]]


@dataclass(frozen=True)
class Table:
    """Results on one table."""

    name: str
    metric: str
    n_train: int
    d: int
    entries: dict[str, list[dict]]
    means: dict[str, float]

    @property
    def is_error(self) -> bool:
        """Whether less is better."""
        return self.metric == "rmse"

    def ranks(self, models: list[str]) -> dict[str, float]:
        """Of those of these models that have a score; ties have the average of their ranks."""
        present = [model for model in models if model in self.means]
        values = np.array([self.means[model] for model in present])
        ranks = rankdata(values if self.is_error else -values)
        return dict(zip(present, ranks.tolist(), strict=True))

    def distance(self, model: str, other: str) -> str:
        """From the mean of another, as a share of it or in points of accuracy."""
        ours, theirs = self.means[model], self.means[other]
        if self.is_error:
            return f"{100 * (ours / theirs - 1):+.1f} %"
        return f"{100 * (theirs - ours):+.2f} points"

    def is_behind(self, model: str, other: str) -> bool:
        """Whether the mean is worse than that of another."""
        sign = 1.0 if self.is_error else -1.0
        return sign * self.means[model] > sign * self.means[other]


def adjusted_means(scores: Scores) -> dict[str, float]:
    """Means as if every model had every split."""
    splits = sorted(set().union(*scores.values()))
    complete = [model for model, found in scores.items() if len(found) == len(splits)]
    if not complete:
        return {model: float(np.mean(list(found.values()))) for model, found in scores.items()}
    of_split = {s: np.mean([scores[model][s] for model in complete]) for s in splits}
    level = np.mean(list(of_split.values()))
    return {
        model: float(level + np.mean([found[s] - of_split[s] for s in found]))
        for model, found in scores.items()
    }


def tables_of(results: list[dict]) -> list[Table]:
    """Results by table; what was fitted here comes before what was recorded."""
    found: dict = defaultdict(lambda: defaultdict(dict))
    for result in sorted(results, key=lambda each: each["source"] == "here"):
        found[result["table"]][result["model"]][result["split"]] = result
    tables = []
    for name, models in found.items():
        entries = {m: [models[m][s] for s in sorted(models[m])] for m in MODELS if m in models}
        scores = {m: {e["split"]: e["score"] for e in each} for m, each in entries.items()}
        first = next(iter(entries.values()))[0]
        size = first["metric"], first["n_train"], first["d"]
        tables.append(Table(name, *size, entries, adjusted_means(scores)))
    return tables


def print_table(table: Table, published: dict[str, float]) -> None:
    """One table, the best first."""
    print(f"\n{table.name} (n = {table.n_train:,}, d = {table.d}): {table.metric}")
    ranks = table.ranks(list(table.means))
    for model in sorted(ranks, key=ranks.get):
        entries = table.entries[model]
        scores = [entry["score"] for entry in entries]
        predict = [e["predict_s"] for e in entries if e["predict_s"] is not None]
        seconds = f"fit {np.mean([e['fit_s'] for e in entries]):8.2f} s"
        seconds += f", predict {np.mean(predict):.3f} s" if predict else ""
        mark = "*" if any(entry.get("subsampled") for entry in entries) else " "
        print(
            f"  {model + mark:12s} {table.means[model]:8.4f} ± {standard_error(scores):.4f}  "
            f"{len(scores)} splits, {seconds}"
        )
    for entry in table.entries.get("wedge", []):
        choice = {k: f"{v:.2g}" if isinstance(v, float) else v for k, v in entry["choice"].items()}
        print(f"    wedge, split {entry['split']}: {choice}")
    if published and "wedge" in table.means:
        listed = ", ".join(f"{paper} {value:.2f}" for paper, value in published.items())
        print(
            f"  published networks, most of 50 units, 20 splits: {listed}; ours "
            f"{table.means['wedge']:.3f}"
        )


def mean_ranks(tables: list[Table], models: list[str]) -> None:
    """Mean rank of each model over the tables on which it has a score."""
    ranks = defaultdict(list)
    for table in tables:
        for model, rank in table.ranks(models).items():
            ranks[model].append(rank)
    for model, each in sorted(ranks.items(), key=lambda item: np.mean(item[1])):
        print(f"  {model:12s} {np.mean(each):.2f} over {len(each)} tables")


def print_duels(tables: list[Table], wedge: str) -> None:
    """On how many tables the network is better and worse than each rival."""
    print(f"{wedge} against each: tables won, lost")
    for rival in RIVALS:
        both = [table for table in tables if rival in table.means]
        won = sum(table.is_behind(rival, wedge) for table in both)
        lost = sum(table.is_behind(wedge, rival) for table in both)
        if both:
            print(f"  {rival:12s} {won:2d}, {lost:2d}")


def print_times(tables: list[Table], wedge: str) -> None:
    """Seconds of choosing and fitting beside CatBoost's."""
    times = {
        table.name: fit_seconds(table, wedge) / fit_seconds(table, "catboost")
        for table in tables
        if "catboost" in table.means
    }
    if times:
        listed = ", ".join(f"{name} {ratio:.1f}" for name, ratio in times.items())
        print(f"{wedge}: time / CatBoost's, median {np.median(list(times.values())):.1f}: {listed}")


def fit_seconds(table: Table, model: str) -> float:
    """Mean over the splits."""
    return float(np.mean([entry["fit_s"] for entry in table.entries[model]]))


def print_distances(tables: list[Table]) -> None:
    """Where the network stands on each table."""
    print("wedge: rank, rank among the smooth, distance from the best")
    for table in tables:
        ranks, smooth = table.ranks(["wedge", *RIVALS]), table.ranks(list(SMOOTH))
        best = min(ranks, key=ranks.get)
        print(
            f"  {table.name:20s} {ranks['wedge']:.1f} of {len(ranks)}, {smooth['wedge']:.1f} of "
            f"{len(smooth)}, {table.distance('wedge', best)} from {best}"
        )


def print_summary(tables: list[Table]) -> None:
    """Ranks, duels, times and distances over the tables that have a wedge score."""
    for wedge in ("wedge", *OTHER_WEDGES):
        fitted = [table for table in tables if wedge in table.means]
        if not fitted:
            continue
        print(f"\nSummary of {len(fitted)} tables with a score of {wedge}")
        print(
            "Mean rank (ties averaged; a model without a score on a table is not ranked on it, and "
            "the others move up)"
        )
        mean_ranks(fitted, [wedge, *RIVALS])
        print_duels(fitted, wedge)
        print_times(fitted, wedge)
        if wedge == "wedge":
            print(f"Mean rank among the smooth models ({', '.join(SMOOTH)})")
            mean_ranks(fitted, list(SMOOTH))
            print_distances(fitted)


def print_report(results: list[dict], folder: Path | None) -> None:
    """One table per set, and a summary."""
    tables = tables_of(results)
    for table in tables:
        print_table(table, published_rmse(folder, table.name) if folder else {})
    if any(entry.get("subsampled") for entry in results):
        print("\n* fitted on 10,000 rows of the training part")
    print_summary(tables)
