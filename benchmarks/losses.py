"""Do the losses give what they promise, and how fast? Speed, coverage of quantiles, counts.

Speed: losses with kinks beside the squared error, on parts of california_housing, and the hinge
beside the log loss, on 10,000 rows of adult. The penalty of the squared error (log loss) is the one
of a grid whose network has the number of neurons nearest to that of the other; times are CPU time.
Three quantiles at once are beside the slowest of them alone, at the same penalty.

Quantiles: networks at 0.1, 0.5 and 0.9 by ``WedgeReLURegressorCV`` at its defaults, and boosting at
its own, on the first split of three tables: pinball loss and the share of held-out rows below.

Counts: on the ring counts of abalone, the Poisson deviance of networks fitted with the Poisson loss
and with the squared error. There both penalties are chosen by 3-fold cross-validation of the
Poisson deviance on the training part, from the same number of alphas.

    python benchmarks/losses.py --data FOLDER
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import make_scorer, mean_pinball_loss, mean_poisson_deviance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import ONE_KIND, load, standard_error

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor, WedgeReLURegressorCV

TABLES_OF_QUANTILES, QUANTILES = ("abalone", "california_housing", "bike_noleak"), (0.1, 0.5, 0.9)
SPEED_FIT = {"pricing": "search", "tol": 1e-2}
# Penalties that give some 160 neurons on 1,000 rows; those of squares are looked for.
KINKED = {
    "absolute error": {"loss": "absolute_error", "alpha": 2e-3},
    "quantile 0.1": {"loss": "quantile", "quantile": 0.1, "alpha": 7e-4},
    "quantile 0.9": {"loss": "quantile", "quantile": 0.9, "alpha": 1e-3},
}
ALPHAS_OF_SQUARES = np.geomspace(4e-3, 1e-4, 12)
ROWS_OF_JOINT, ALPHAS_OF_JOINT = (240, 1000, 3000), (1e-2, 1e-3)
ROWS, ROWS_OF_ADULT, ALPHA_OF_HINGE = (1000, 3000, 16512), 10_000, 1e-2
ALPHAS_OF_LOG_LOSS = np.geomspace(2e-2, 3e-3, 6)
COUNT_FIT = {"alphas": 12, "eps": 1e-3, "cv": 3, "pricing": "search", "tol": 1e-3}
# Of a fold: a network for the squared error may predict that there are none.
LEAST_RINGS = 0.5


def poisson_deviance(y, prediction) -> float:
    """Of predictions kept away from zero, where the deviance is infinite."""
    return mean_poisson_deviance(y, np.maximum(prediction, LEAST_RINGS))


def timed(model, X, y):
    """The fitted model, and the CPU time that it took."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.process_time()
        return model.fit(X, y), time.process_time() - start


def report(name: str, model, taken: float) -> None:
    """One line."""
    certificate = model.certificate_
    print(
        f"  {name:16s} alpha {model.alpha_:.2g}: {taken:6.2f} s, {model.n_neurons_:4d} neurons, "
        f"gap {certificate.gap / certificate.tolerance:.2f} of what tol allows",
        flush=True,
    )


def beside(smooth, alphas, kinked: dict, X, y) -> None:
    """Losses with kinks, each beside the smooth one at about as many neurons."""
    timed(sklearn.clone(smooth).set_params(alpha=0.1), X, y)  # what is compiled, is compiled
    known = [timed(sklearn.clone(smooth).set_params(alpha=a), X, y) for a in alphas]
    for name, parameters in kinked.items():
        model, taken = timed(sklearn.clone(smooth).set_params(**parameters), X, y)
        report(name, model, taken)
        other, of_other = min(known, key=lambda k: abs(k[0].n_neurons_ - model.n_neurons_))
        report(f"{other.loss}", other, of_other)
        print(f"    {taken / of_other:.2f} times as long")


def speed(folder: Path) -> None:
    """Losses with kinks beside smooth ones."""
    X, y, _, _ = load(folder, "california_housing", 0)
    for n in ROWS:
        print(f"california_housing, {n} rows")
        beside(WedgeReLURegressor(**SPEED_FIT), ALPHAS_OF_SQUARES, KINKED, X[:n], y[:n])
    X, y, _, _ = load(folder, "adult", 0)
    print(f"adult, {ROWS_OF_ADULT} rows")
    hinge = {"hinge": {"loss": "hinge", "alpha": ALPHA_OF_HINGE}}
    X, y, smooth = X[:ROWS_OF_ADULT], y[:ROWS_OF_ADULT], WedgeReLUClassifier(**SPEED_FIT)
    beside(smooth, ALPHAS_OF_LOG_LOSS, hinge, X, y)


def joint(folder: Path) -> None:
    """Three quantiles at once, beside the slowest of them alone."""
    X, y, _, _ = load(folder, "california_housing", 0)
    model = WedgeReLURegressor(loss="quantile", **SPEED_FIT)
    several = sklearn.clone(model).set_params(quantile=QUANTILES)
    for each in (model, several):  # what is compiled, is
        timed(sklearn.clone(each).set_params(alpha=0.1), X[:240], y[:240])
    for n in ROWS_OF_JOINT:
        print(f"california_housing, {n} rows, three quantiles at once")
        for alpha in ALPHAS_OF_JOINT:
            alone = [sklearn.clone(model).set_params(alpha=alpha, quantile=q) for q in QUANTILES]
            slowest, of_slowest = max(
                (timed(single, X[:n], y[:n]) for single in alone), key=lambda fit: fit[1]
            )
            report(f"slowest: {slowest.quantile}", slowest, of_slowest)
            fitted, taken = timed(several.set_params(alpha=alpha), X[:n], y[:n])
            report("at once", fitted, taken)
            print(f"    {taken / of_slowest:.2f} times as long")


def quality(y, predicted, quantile: float) -> str:
    """Loss and coverage of predictions of a quantile."""
    pinball = mean_pinball_loss(y, predicted, alpha=quantile)
    return f"pinball loss {pinball:.5f}, covers {np.mean(y <= predicted):.3f}"


def quantile_fit(table: str, quantile: float, parts) -> None:
    """One quantile, before and after the shift, beside boosting: on held-out rows."""
    X, y, X_test, y_test = parts
    objective, said = {"loss": "quantile", "quantile": quantile}, []
    for model in (WedgeReLURegressorCV(**objective), HistGradientBoostingRegressor(**objective)):
        fitted, taken = timed(model, X, y)
        predicted = fitted.predict(X_test)
        said.append(f"{quality(y_test, predicted, quantile)}, {taken:6.1f} s")
        if shift := getattr(fitted, "held_out_shift_", 0.0):
            said[-1] += f" (before: {quality(y_test, predicted - shift, quantile)})"
    print(f"{table:20s} {quantile}: {said[0]}; boosting: {said[1]}", flush=True)


def quantiles(folder: Path, tables: Sequence[str]) -> None:
    """Networks of which everything is chosen, and how long that takes for squares."""
    for table in tables:
        parts = load(folder, table, 0)
        timed(WedgeReLURegressor(alpha=0.1, loss="quantile"), *parts[:2])  # what is compiled, is
        taken = timed(WedgeReLURegressorCV(), *parts[:2])[1]
        print(f"{table:20s} {len(parts[1])} rows; squared error {taken:.1f} s", flush=True)
        for quantile in QUANTILES:
            quantile_fit(table, quantile, parts)


def counts(folder: Path, splits: int) -> None:
    """Poisson deviance on held-out rows."""
    scoring = make_scorer(poisson_deviance, greater_is_better=False)
    models = {
        "wedge, Poisson": WedgeReLURegressorCV(
            loss="poisson", scoring=scoring, **(ONE_KIND | COUNT_FIT)
        ),
        "wedge, squared error": WedgeReLURegressorCV(scoring=scoring, **(ONE_KIND | COUNT_FIT)),
        "boosting, Poisson": HistGradientBoostingRegressor(loss="poisson"),
        "linear, Poisson": make_pipeline(StandardScaler(), PoissonRegressor(alpha=1e-3)),
    }
    deviances = {name: [] for name in models}
    for split in range(splits):
        X, y, X_test, y_test = load(folder, "abalone", split)
        for name, model in models.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y)
            deviances[name].append(poisson_deviance(y_test, model.predict(X_test)))
    print(f"abalone: Poisson deviance of ring counts, {splits} splits")
    for name, values in deviances.items():
        each = " ".join(f"{value:.4f}" for value in values)
        print(f"  {name:22s} {np.mean(values):.4f} ± {standard_error(values):.4f}   {each}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the tables")
    parser.add_argument("--splits", type=int, default=3, help="splits of abalone")
    parser.add_argument(
        "--tables", nargs="+", default=TABLES_OF_QUANTILES, help="tables of quantiles"
    )
    parser.add_argument("--only", choices=["speed", "joint", "quantiles", "counts"])
    arguments = parser.parse_args()
    if arguments.only in (None, "speed"):
        speed(arguments.data)
    if arguments.only in (None, "joint"):
        joint(arguments.data)
    if arguments.only in (None, "quantiles"):
        quantiles(arguments.data, arguments.tables)
    if arguments.only in (None, "counts"):
        counts(arguments.data, arguments.splits)


if __name__ == "__main__":
    main()
