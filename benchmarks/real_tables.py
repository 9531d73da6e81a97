"""Test RMSE on real tables, beside scikit-learn's models and published networks on the same splits.

On every split ``alpha``, ``clip_quantile`` and ``interaction_order`` are chosen by cross-validation
on the training part, from one grid for all tables. Larger ones are in ``single_fits.py``.

    python benchmarks/real_tables.py --data PATH [--tables yacht concrete] [--splits 5] [--jobs 2]

``PATH`` is described in ``tables.py``.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold
from tables import ONE_KIND, baseline_scores, load, published_rmse, standard_error

from sklearn_wedge import WedgeReLURegressor, WedgeReLURegressorCV


@dataclass(frozen=True)
class Protocol:
    """What is tried on a table, by 10-fold cross-validation on the training part of each split.

    First every clip quantile at the first order, then the other orders at the better of these.
    """

    alphas: tuple[float, ...] = (1e-3, 5e-4, 2e-4, 1e-4, 7e-5, 5e-5, 3e-5)
    orders: tuple[int, ...] = (2, 3)
    clips: tuple[float | None, ...] = (0.005, None)


# While choosing; the final fit keeps the default tolerance and may take all rounds that it needs.
TOLERANCE = 2e-4
MAX_ROUNDS = 500

CHOSEN_BY_CV = {name: Protocol() for name in ("concrete", "yacht", "bostonHousing")}


def choose(protocol: Protocol, X, y, jobs: int | None) -> WedgeReLURegressor:
    """The best penalty, clipping and order by cross-validation, fitted on all these rows."""

    def tried(order: int, clip: float | None) -> WedgeReLURegressorCV:
        return WedgeReLURegressorCV(
            protocol.alphas,
            **(ONE_KIND | {"interaction_order": order, "clip_quantile": clip}),
            pricing="search",
            tol=TOLERANCE,
            cv=KFold(10, shuffle=True, random_state=0),
            n_jobs=jobs,
        ).fit(X, y)

    def best_of(models: list[WedgeReLURegressorCV]) -> WedgeReLURegressorCV:
        return max(models, key=lambda model: model.best_score_)

    first, *others = protocol.orders
    best = best_of([tried(first, clip) for clip in protocol.clips])
    best = best_of([best, *(tried(order, best.clip_quantile) for order in others)])
    return WedgeReLURegressor(
        best.alpha_,
        interaction_order=best.interaction_order,
        clip_quantile=best.clip_quantile,
        pricing="search",
        max_iter=MAX_ROUNDS,
    ).fit(X, y)


def chosen_by_cv(folder: Path, name: str, splits: int, jobs: int) -> list[float]:
    """Test RMSE per split, all settings chosen on the training part."""
    errors = []
    for split in range(splits):
        X, y, X_test, y_test = load(folder, name, split)
        began = time.perf_counter()
        model = choose(CHOSEN_BY_CV[name], X, y, jobs)
        errors.append(root_mean_squared_error(y_test, model.predict(X_test)))
        print(
            f"  {name} split {split}: RMSE {errors[-1]:.3f}  alpha {model.alpha:g}, "
            f"order {model.interaction_order}, clip {model.clip_quantile}, "
            f"{model.n_neurons_} neurons, "
            f"{time.perf_counter() - began:.0f} s",
            flush=True,
        )
    return errors


def rivals(folder: Path, name: str, splits: int) -> list[str]:
    """Lines on scikit-learn's models and published networks."""
    scores = {model: s.mean() for model, s in baseline_scores(folder, name, splits).items()}
    ranked = sorted(scores.items(), key=lambda item: item[1])
    published = published_rmse(folder, name).items()
    lines = []
    if ranked:
        lines.append("  scikit-learn: " + ", ".join(f"{m} {s:.3f}" for m, s in ranked))
    if published:
        lines.append("  published (20 splits): " + ", ".join(f"{p} {s:.2f}" for p, s in published))
    return lines


def main() -> None:
    """Run the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", choices=CHOSEN_BY_CV, default=list(CHOSEN_BY_CV))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=None)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in arguments.tables:
        errors = chosen_by_cv(arguments.data, name, arguments.splits, arguments.jobs)
        error = standard_error(errors)
        print(f"{name}: wedge network RMSE {np.mean(errors):.4g} ± {error:.2g} (standard error)")
        print("\n".join(rivals(arguments.data, name, arguments.splits)), flush=True)


if __name__ == "__main__":
    main()
