"""What ``suite.py`` fits: the wedge networks by one protocol, and scikit-learn's models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import product
from math import comb
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC, SVR

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)

# --- the wedge networks --------------------------------------------------------------------------

# Rows to choose on at most (of several classes: half), and up to how many by ten folds or by five
# instead of one split.
CHOOSING_ROWS, TEN_FOLDS, FIVE_FOLDS = 3_000, 300, 1_200
# Order 3 is a candidate if rows times triples of inputs are at most this many, and from the start
# if they are few; order 2 if there are at most so many pairs.
TRIPLES, FEW_TRIPLES, PAIRS = 200_000, 20_000, 10_000
# Rows times inputs times outputs up to which a table is small: there tolerances are tighter.
SMALL = 20_000
# Rows times outputs up to which alpha is chosen again on more rows, and how often it is halved;
# that are so many times as many at least, unless they are all.
AGAIN, HALVINGS, MORE = 40_000, 4, 2
# Penalties: two a decade, from alpha_max two decades down, then one at a time.
FIRST, STEP = 5, 10**-0.5
# Tolerances as a share of what the network leaves unexplained, and the least of them.
TIGHT, LEAST_TOL = 0.02, 1e-6
# How often smaller penalties are tried for neurons of any number of inputs, which are many then.
STEPS_L2 = 1
# Distributions that inputs may be given by their quantiles, and how many quantiles at most.
BY_QUANTILES, QUANTILES = ("uniform", "normal"), 1_000
# Pricing rounds while choosing and for the final fit.
CHOOSING_ROUNDS, FINAL_ROUNDS = 30, 200


@dataclass(frozen=True)
class Plan:
    """How a network is chosen and fitted: by the size of the training part alone.

    ``kinds`` are combinations of order and norm, ``triples`` says whether order 3 is tried in the
    end, ``tol`` is while choosing, ``final_tol`` after, ``tight`` whether they follow what is left
    unexplained, ``steps`` is how often smaller penalties may be tried under l1, ``rows_again`` on
    how many rows alpha is chosen again.
    """

    kinds: tuple[dict[str, Any], ...]
    triples: bool
    rows: int
    folds: int
    tol: float
    final_tol: float
    tight: bool
    steps: int
    rows_again: int


def plan_for(n: int, d: int, n_outputs: int) -> Plan:
    """The protocol at this size: ``n`` training rows, ``d`` inputs."""
    rows = min(n, CHOOSING_ROWS if n_outputs == 1 else CHOOSING_ROWS // 2)
    order = 2 if comb(d, 2) <= PAIRS else 1
    orders = [1, order] if n_outputs == 1 else [order]
    triples = n * comb(d, 3) if d >= 3 and n_outputs == 1 else np.inf
    if triples <= FEW_TRIPLES:
        orders.append(3)
    small = n * d * n_outputs <= SMALL
    one = n_outputs == 1
    rows_again = min(n, AGAIN // n_outputs)
    if rows_again < min(n, MORE * rows):
        rows_again = rows
    return Plan(
        kinds=(
            {"interaction_order": tuple(dict.fromkeys(orders)), "norm": "l1"},
            {"interaction_order": (None,), "norm": "l2"},
        ),
        triples=FEW_TRIPLES < triples <= TRIPLES,
        rows=rows,
        folds=10 if n <= TEN_FOLDS else 5 if n <= FIVE_FOLDS else 1,
        tol=1e-3 if small else 5e-3 if one else 2e-2,
        final_tol=1e-4 if small else 2e-3 if one else 1e-2,
        tight=one or small,
        steps=5 if one else 3,
        rows_again=rows_again,
    )


@dataclass(frozen=True)
class Choice:
    """A setting and its mean validation score.

    ``quantiles`` is the distribution that inputs are given, None if they are left as they are.
    """

    score: float
    alpha: float
    order: int | None
    norm: str
    clip: float | None
    quantiles: str | None


def is_binary(X: np.ndarray) -> bool:
    """Whether no input has more than two values: its quantiles are then itself."""
    low, high = X.min(axis=0), X.max(axis=0)
    return bool(np.all((low == X) | (high == X)))


def better(one: Choice, other: Choice) -> Choice:
    """The one of the better score."""
    return max(one, other, key=lambda choice: choice.score)


def by_quantiles(distribution: str, n: int) -> QuantileTransformer:
    """Of ``n`` rows, so that every row has its say in few."""
    return QuantileTransformer(
        n_quantiles=min(QUANTILES, n), subsample=None, output_distribution=distribution
    )


class Search:
    """Validation scores on some rows of a training part, on the same folds for all settings."""

    def __init__(self, X, y, rows: int, folds: int, tol: float, jobs: int | None):
        self.classes = is_labels(y)
        chosen = subsample(X, y, rows)
        self.X, self.y = X[chosen], y[chosen]
        self.cv = list(inner_splits(self.y, folds, self.classes))
        self.options = {
            "pricing": "search",
            "tol": tol,
            "max_iter": CHOOSING_ROUNDS,
            "cv": self.cv,
            "n_jobs": jobs,
        }

    def inputs(self, quantiles: str | None) -> np.ndarray:
        """As they are, or of this distribution; quantiles are of all rows here."""
        if quantiles is None:
            return self.X
        return by_quantiles(quantiles, len(self.y)).fit_transform(self.X)

    def paths(
        self, alphas: Any, clip: float | None = 0.005, quantiles: str | None = None, **kind
    ) -> Iterable[tuple]:
        """The best of each combination, and its penalties."""
        kind = {"eps": 1e-2, "clip_quantile": clip, **kind}
        with_cv = WedgeReLUClassifierCV if self.classes else WedgeReLURegressorCV
        model = with_cv(alphas, **kind, **self.options).fit(self.inputs(quantiles), self.y)
        scores = model.score_path_.reshape(len(model.combinations_), -1, len(self.cv))
        penalties = model.alphas_.reshape(len(model.combinations_), -1)
        for (order, norm, _), means, tried in zip(
            model.combinations_, scores.mean(axis=2), penalties, strict=True
        ):
            best = int(np.argmax(means))
            score, alpha = float(means[best]), float(tried[best])
            yield Choice(score, alpha, order, norm, clip, quantiles), tried[-1]

    def around(self, choice: Choice, factors: tuple[float, ...], **instead) -> Choice:
        """The best of some multiples of the penalty of a choice, other parameters as said."""
        kind = {
            "interaction_order": choice.order,
            "norm": choice.norm,
            "clip": choice.clip,
            "quantiles": choice.quantiles,
        }
        ((found, _),) = self.paths(choice.alpha * np.array(factors), **{**kind, **instead})
        return found

    def unexplained(self, choice: Choice) -> float:
        """Validation loss as a share of that of the constant model."""
        if self.classes:
            shares = np.unique(self.y, return_counts=True)[1] / len(self.y)
            return -choice.score / float(-(shares * np.log(shares)).sum())
        return -choice.score / float(np.var(self.y))

    def deepest(self, choice: Choice, smallest: float, steps: int, factor: float = STEP) -> Choice:
        """The best of a combination, with smaller penalties as long as the smallest is best."""
        for _ in range(steps):
            if choice.alpha > smallest:
                break
            further = self.around(choice, (factor,))
            smallest, choice = further.alpha, better(choice, further)
        return choice


def best_combination(search: Search, plan: Plan) -> Choice:
    """The best order and norm, each at its best penalty."""
    return max(
        (
            search.deepest(found, smallest, plan.steps if found.norm == "l1" else STEPS_L2)
            for kind in plan.kinds
            for found, smallest in search.paths(FIRST, **kind)
        ),
        key=lambda each: each.score,
    )


def chosen_setting(X, y, plan: Plan, jobs: int | None) -> tuple[Choice, float]:
    """Order, norm, alpha and clipping by validation on the training part; a tolerance for the fit.

    A tolerance is relative to the constant model: where the network explains nearly everything it
    must be tighter, and combinations are compared again.
    """
    search = Search(X, y, plan.rows, plan.folds, plan.tol, jobs)
    choice = best_combination(search, plan)
    tol = max(TIGHT * search.unexplained(choice), LEAST_TOL) if plan.tight else plan.tol
    if tol < plan.tol:
        search = Search(X, y, plan.rows, plan.folds, tol, jobs)
        choice = best_combination(search, plan)
    if not is_binary(X):
        for quantiles in BY_QUANTILES:
            found = search.around(choice, (1.0, STEP), quantiles=quantiles)
            choice = better(choice, found)
    choice = better(choice, search.around(choice, (STEP**-0.5, STEP**0.5)))
    if plan.triples and choice.order == 2:
        choice = better(choice, search.around(choice, (1.0, STEP), interaction_order=3))
    choice = better(choice, search.around(choice, (1.0,), clip=None))
    if plan.rows_again > plan.rows:
        on_more = Search(X, y, plan.rows_again, 1, search.options["tol"], jobs)
        choice = on_more.around(choice, (1.0,))
        choice = on_more.deepest(choice, choice.alpha, HALVINGS, 0.5)
    shrink = (plan.rows_again / len(y)) ** 0.5
    return replace(choice, alpha=shrink * choice.alpha), min(plan.final_tol, tol)


def fit_wedge(X, y, jobs: int | None) -> tuple[Any, dict]:
    """The network by the protocol, and what was chosen."""
    n_classes = len(np.unique(y)) if is_labels(y) else 0
    n_outputs = n_classes if n_classes > 2 else 1
    plan = plan_for(*X.shape, n_outputs)
    choice, tol = chosen_setting(X, y, plan, jobs)
    single = WedgeReLUClassifier if n_classes else WedgeReLURegressor
    model = single(
        choice.alpha,
        interaction_order=choice.order,
        norm=choice.norm,
        clip_quantile=choice.clip,
        pricing="search",
        tol=tol,
        max_iter=FINAL_ROUNDS,
    )
    inputs = by_quantiles(choice.quantiles, len(y)) if choice.quantiles else "passthrough"
    fitted = make_pipeline(inputs, model).fit(X, y)
    found = {
        "alpha": choice.alpha,
        "interaction_order": choice.order,
        "norm": choice.norm,
        "clip_quantile": choice.clip,
        "quantiles": choice.quantiles,
        "n_neurons": model.n_neurons_,
        "relative_gap": model.certificate_.relative_gap,
    }
    return fitted, found


# --- what is shared ------------------------------------------------------------------------------


def is_labels(y: np.ndarray) -> bool:
    """Whether these are labels of classes."""
    return y.dtype.kind != "f"


def subsample(X, y, rows: int) -> np.ndarray:
    """Indices of so many rows, of every class its share."""
    if rows >= len(y):
        return np.arange(len(y))
    split = StratifiedShuffleSplit if is_labels(y) else ShuffleSplit
    return next(split(1, train_size=rows, random_state=0).split(X, y))[0]


def inner_splits(y, folds: int, classes: bool) -> Iterable[tuple]:
    """So many folds; if one, a part of a fifth to validate on."""
    if folds > 1:
        kind = (StratifiedKFold if classes else KFold)(folds, shuffle=True, random_state=0)
    else:
        split = StratifiedShuffleSplit if classes else ShuffleSplit
        kind = split(1, test_size=0.2, random_state=0)
    return kind.split(np.zeros((len(y), 1)), y)


# --- scikit-learn's models -----------------------------------------------------------------------

# Kernel machines on more rows than this are left out.
KERNEL_ROWS = 12_000
# Rows to tune on at most.
TUNING_ROWS = 5_000


def scaled(model, classes: bool):
    """On standardised inputs and, in a regression, target."""
    if classes:
        return make_pipeline(StandardScaler(), model)
    return TransformedTargetRegressor(
        make_pipeline(StandardScaler(), model), transformer=StandardScaler()
    )


def tuned(X, y, candidates: list[tuple[dict, Any]]) -> tuple[Any, dict]:
    """The candidate of the best validation score on at most so many rows, fitted on all."""
    rows = subsample(X, y, TUNING_ROWS)
    ((train, test),) = inner_splits(y[rows], 1, is_labels(y))
    train, test = rows[train], rows[test]
    scores = [model.fit(X[train], y[train]).score(X[test], y[test]) for _, model in candidates]
    parameters, model = candidates[int(np.argmax(scores))]
    return model.fit(X, y), parameters


def fit_linear(X, y, jobs: int | None) -> tuple[Any, dict]:
    """Penalty by cross-validation."""
    if is_labels(y):
        model = LogisticRegressionCV(
            Cs=(1e-2, 1e-1, 1.0, 1e1, 1e2), cv=3, scoring="neg_log_loss", max_iter=1000, n_jobs=jobs
        )
    else:
        model = RidgeCV(np.geomspace(1e-4, 1e4, 17))
    return scaled(model, is_labels(y)).fit(X, y), {}


def fit_svm(X, y, jobs: int | None) -> tuple[Any, dict] | None:
    """Radial kernel, penalty and width by validation."""
    if len(y) > KERNEL_ROWS:
        return None
    machine = SVC if is_labels(y) else SVR
    grid = [
        {"C": c, "gamma": factor / X.shape[1]} for c in (1, 10, 100) for factor in (0.3, 1.0, 3.0)
    ]
    return tuned(X, y, [(each, scaled(machine(**each), is_labels(y))) for each in grid])


def fit_mlp(X, y, jobs: int | None) -> tuple[Any, dict]:
    """Fifty hidden units; solver and penalty by validation."""
    network = MLPClassifier if is_labels(y) else MLPRegressor
    grid = [
        {"solver": solver, "alpha": alpha}
        for solver, alpha in product(("lbfgs", "adam"), (1e-4, 1e-2, 1.0, 10.0))
    ]
    fixed = {"hidden_layer_sizes": (50,), "max_iter": 1000, "random_state": 0}
    models = [scaled(network(**each, **fixed), is_labels(y)) for each in grid]
    return tuned(X, y, list(zip(grid, models, strict=True)))


def fit_neighbours(X, y, jobs: int | None) -> tuple[Any, dict]:
    """Number of neighbours by validation."""
    kind = KNeighborsClassifier if is_labels(y) else KNeighborsRegressor
    grid = [{"n_neighbors": k} for k in (1, 5, 15)]
    return tuned(X, y, [(each, scaled(kind(**each), is_labels(y))) for each in grid])


def fit_boosting(X, y, jobs: int | None) -> tuple[Any, dict]:
    """At its defaults."""
    kind = HistGradientBoostingClassifier if is_labels(y) else HistGradientBoostingRegressor
    return kind(random_state=0).fit(X, y), {}


def fit_forest(X, y, jobs: int | None) -> tuple[Any, dict]:
    """300 trees."""
    kind = RandomForestClassifier if is_labels(y) else RandomForestRegressor
    return kind(300, n_jobs=jobs, random_state=0).fit(X, y), {}


def fit_extra_trees(X, y, jobs: int | None) -> tuple[Any, dict]:
    """300 trees."""
    kind = ExtraTreesClassifier if is_labels(y) else ExtraTreesRegressor
    return kind(300, n_jobs=jobs, random_state=0).fit(X, y), {}


Fit = Callable[[np.ndarray, np.ndarray, int | None], tuple[Any, dict] | None]
MODELS: dict[str, Fit] = {
    "wedge": fit_wedge,
    "linear": fit_linear,
    "svm": fit_svm,
    "mlp": fit_mlp,
    "boosting": fit_boosting,
    "forest": fit_forest,
    "extra_trees": fit_extra_trees,
    "neighbours": fit_neighbours,
}
SMOOTH = ("linear", "svm", "mlp", "wedge")
