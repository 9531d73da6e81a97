"""Tables as they come from a file: the networks, boosting with its categories, indicators by hand.

    OMP_NUM_THREADS=1 python benchmarks/raw_tables.py --data FOLDER --tables german_credit adult

The folder holds ``NAME_raw.csv.gz``, whose last column is the class, beside the ``NAME.npz`` that
``tables.py`` describes, with the same rows as indicators made by hand. Printed are accuracy, log
loss and CPU seconds of a fit, means over the splits; of the networks on raw rows also the share of
a fit that the encoding takes, and of all others how much better the networks that choose for
themselves are, with the standard error over the splits. CatBoost takes part if it is installed.
With ``--validation`` a fifth of the training rows stands for the test rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss
from tables import rows_of_split, standard_error

from sklearn_wedge import WedgeReLUClassifier, WedgeReLUClassifierCV

OURS = "network, CV"


@dataclass
class Table:
    """Raw rows, the same as indicators made by hand, and labels."""

    frame: pd.DataFrame
    by_hand: np.ndarray
    labels: np.ndarray


@dataclass
class Result:
    """Scores of one model, a number a split."""

    accuracy: list[float] = field(default_factory=list)
    log_loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    encoding: list[float] = field(default_factory=list)


def raw_table(folder: Path, name: str) -> Table:
    """A table as it comes from its file."""
    frame = pd.read_csv(folder / f"{name}_raw.csv.gz", skipinitialspace=True)
    labels = frame.pop(frame.columns[-1]).str.rstrip(".").to_numpy(object)
    by_hand = np.load(folder / f"{name}.npz", allow_pickle=True)["X"].astype(float)
    return Table(frame, by_hand, labels)


# --- contenders -----------------------------------------------------------------------------------


def for_boosting(frame: pd.DataFrame) -> pd.DataFrame:
    """Text as categories, of which scikit-learn's boosting takes no other kind."""
    text = frame.select_dtypes(exclude="number").columns
    return frame.astype(dict.fromkeys(text, "category"))


def for_catboost(frame: pd.DataFrame) -> pd.DataFrame:
    """Text without gaps, which CatBoost does not take in categories."""
    text = frame.select_dtypes(exclude="number").columns
    return frame.assign(**{name: frame[name].astype(object).fillna("missing") for name in text})


def catboost(frame: pd.DataFrame) -> Any:
    """CatBoost with the categories of a table."""
    from catboost import CatBoostClassifier

    text = list(frame.select_dtypes(exclude="number").columns)
    options = {"verbose": False, "random_seed": 0, "allow_writing_files": False, "thread_count": 1}
    return CatBoostClassifier(cat_features=text, **options)


def contenders(table: Table, by_hand: bool) -> dict[str, tuple[Callable[[], Any], Any]]:
    """How each model is made, and the inputs it takes, by name."""
    frame = table.frame
    boosting = HistGradientBoostingClassifier
    found = {
        OURS: (WedgeReLUClassifierCV, frame),
        "network": (WedgeReLUClassifier, frame),
        "histogram boosting": (lambda: boosting(random_state=0), for_boosting(frame)),
    }
    if find_spec("catboost"):
        found["CatBoost"] = (lambda: catboost(frame), for_catboost(frame))
    if by_hand:
        found["network, CV, by hand"] = (WedgeReLUClassifierCV, table.by_hand)
    return found


# --- measuring ------------------------------------------------------------------------------------


class Stopwatch:
    """CPU seconds of some methods of a model."""

    def __init__(self, model: Any, methods: tuple[str, ...]) -> None:
        self.seconds = 0.0
        for name in methods:
            if hasattr(model, name):
                setattr(model, name, self._timed(getattr(model, name)))

    def _timed(self, method: Callable) -> Callable:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - start

        return timed


def rows_of(X: Any, rows: np.ndarray) -> Any:
    """Some rows of a frame or an array."""
    return X.iloc[rows].reset_index(drop=True) if hasattr(X, "iloc") else X[rows]


def measure(made: Callable[[], Any], X: Any, y: np.ndarray, split: tuple, result: Result) -> Any:
    """Fit on one split, and add its scores."""
    train, test = split
    model = made()
    encoding = Stopwatch(model, ("_coded", "_inputs_to_fit"))
    start = time.process_time()
    model.fit(rows_of(X, train), y[train])
    result.seconds.append(time.process_time() - start)
    result.encoding.append(encoding.seconds)
    probabilities = model.predict_proba(rows_of(X, test))
    labels = model.classes_[probabilities.argmax(axis=1)]
    result.accuracy.append(accuracy_score(y[test], labels))
    result.log_loss.append(log_loss(y[test], probabilities, labels=list(model.classes_)))
    return model


def chosen(model: Any) -> str:
    """What a network is, if this is one."""
    if not hasattr(model, "alpha_"):
        return ""
    return f"{getattr(model, 'best_params_', {})} {model.n_neurons_} neurons"


# --- reports --------------------------------------------------------------------------------------


def report(name: str, results: dict[str, Result]) -> None:
    """A line a model."""
    ours = results.get(OURS)
    for title, result in results.items():
        seconds = np.mean(result.seconds)
        line = (
            f"{name:14} {title:22} accuracy {np.mean(result.accuracy):.4f}   "
            f"log loss {np.mean(result.log_loss):.4f}   CPU {seconds:7.2f} s"
        )
        if any(result.encoding):
            line += f"   encoding {np.mean(result.encoding) / seconds:.1%}"
        if ours is not None and title != OURS:
            line += f"   {better(ours, result)}"
        print(line, flush=True)


def better(ours: Result, other: Result) -> str:
    """How much better we are, in accuracy and log loss, and how many times as long it takes."""
    gains = np.subtract(ours.accuracy, other.accuracy), np.subtract(other.log_loss, ours.log_loss)
    words = [f"{np.mean(gain):+.4f} ± {standard_error(gain):.4f}" for gain in gains]
    times = np.mean(ours.seconds) / np.mean(other.seconds)
    return f"{OURS} better by {words[0]}, {words[1]}; {times:.1f} times its CPU"


def compare(arguments: argparse.Namespace, name: str) -> None:
    """All contenders on one table."""
    table = raw_table(arguments.data, name)
    splits = rows_of_split(arguments.data, name, arguments.validation)
    results = {}
    for title, (made, X) in contenders(table, arguments.by_hand).items():
        if arguments.only and title not in arguments.only:
            continue
        result = results[title] = Result()
        for number, split in enumerate(splits[: arguments.splits]):
            model = measure(made, X, table.labels, split, result)
            if chosen(model):
                print(f"  split {number}, {title}: {chosen(model)}", flush=True)
    report(name, results)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", default=["german_credit", "adult"])
    parser.add_argument("--splits", type=int, default=5, help="at most so many splits")
    parser.add_argument("--by-hand", action="store_true", help="also fit indicators made by hand")
    parser.add_argument("--only", nargs="+", help="contenders by name")
    parser.add_argument("--validation", action="store_true", help="on training rows alone")
    arguments = parser.parse_args()
    warm = np.random.default_rng(0).normal(size=(200, 3))
    WedgeReLUClassifier(max_iter=2).fit(warm, warm[:, 0] > 0)  # loops are compiled once
    for name in arguments.tables:
        compare(arguments, name)


if __name__ == "__main__":
    main()
