"""Small problems made to be hard: ties, near-ties, offsets, weights over decades, every loss."""

from dataclasses import dataclass
from math import comb

import numpy as np
import optima
from cvxpy import abs as absolute
from cvxpy import pos, square

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor

OFFSET = 1e8
# Enumeration and CLARABEL take about a second for so many columns.
MOST_COLUMNS = 800
LEAST_WEIGHT = 1e-7


def expectile(f, y):
    """A loss of the user's own, as an estimator takes it."""
    return 0.9 * square(pos(y - f)) + 0.1 * square(pos(f - y))


def insensitive(f, y):
    """Another one, with kinks."""
    return pos(absolute(f - y) - 0.2)


@dataclass(frozen=True)
class Expectile:
    """The expectile loss with its derivatives and conjugate."""

    above: float
    below: float

    def _side(self, above):
        return np.where(above, self.above, self.below)

    def value(self, f, y):
        return self._side(y > f) * (y - f) ** 2

    def gradient(self, f, y):
        return 2 * self._side(y > f) * (f - y)

    def curvature(self, f, y):
        return 2 * self._side(y > f)

    def conjugate(self, slope, y):
        return slope * y + slope**2 / (4 * self._side(slope < 0))


@dataclass(frozen=True)
class Kind:
    """A loss by name: the parameters of the estimator, the oracle's loss, the kind of target."""

    parameters: dict
    loss: optima.Loss
    target: str = "number"

    @property
    def classifies(self):
        return "classes" in self.target

    def estimator(self, **parameters):
        """Not fitted, with the loss and more parameters."""
        make = WedgeReLUClassifier if self.classifies else WedgeReLURegressor
        return make(**{**self.parameters, **parameters})


LOSSES = {
    "squared": Kind({}, optima.squared()),
    "several targets": Kind({}, optima.squared(), "vectors"),
    "absolute": Kind({"loss": "absolute_error"}, optima.pinball(1.0, 1.0)),
    "Huber": Kind({"loss": "huber", "epsilon": 0.3}, optima.huber(0.3)),
    "quantile": Kind({"loss": "quantile", "quantile": 0.8}, optima.pinball(0.8, 0.2)),
    "Poisson": Kind({"loss": "poisson"}, optima.poisson(), "counts"),
    "gamma": Kind({"loss": "gamma"}, optima.gamma(), "positive"),
    "own": Kind({"loss": expectile}, optima.expectile(0.9, 0.1)),
    "own with a gradient": Kind({"loss": Expectile(0.9, 0.1)}, optima.expectile(0.9, 0.1)),
    "own with kinks": Kind({"loss": insensitive}, optima.insensitive(0.2)),
    "log loss": Kind({}, optima.logistic(), "two classes"),
    "multinomial": Kind({}, optima.multinomial(), "three classes"),
    "hinge": Kind({"loss": "hinge"}, optima.hinge(), "two classes"),
    "hinge of several": Kind({"loss": "hinge"}, optima.hinge(), "three classes"),
    "squared hinge": Kind({"loss": "squared_hinge"}, optima.squared_hinge(), "two classes"),
    "squared hinge of several": Kind(
        {"loss": "squared_hinge"}, optima.squared_hinge(), "three classes"
    ),
    "absolute of several": Kind({"loss": "absolute_error"}, optima.pinball(1.0, 1.0), "vectors"),
    "Huber of several": Kind({"loss": "huber", "epsilon": 0.3}, optima.huber(0.3), "vectors"),
    "quantile of several": Kind(
        {"loss": "quantile", "quantile": 0.8}, optima.pinball(0.8, 0.2), "vectors"
    ),
    "Poisson of several": Kind({"loss": "poisson"}, optima.poisson(), "vectors of counts"),
    "gamma of several": Kind({"loss": "gamma"}, optima.gamma(), "vectors of positive"),
}
# What takes the place of a loss every other turn.
INSTEAD = {
    "own": "own with a gradient",
    "absolute": "absolute of several",
    "Huber": "Huber of several",
    "quantile": "quantile of several",
    "Poisson": "Poisson of several",
    "gamma": "gamma of several",
}
# Losses by turns.
TURNS = [name for name in LOSSES if name not in INSTEAD.values()]


# --- inputs -------------------------------------------------------------------------------------


def generic(rng, n, d):
    return rng.standard_normal((n, d))


def ties(rng, n, d):
    return rng.integers(0, 3, size=(n, d)) * 1.0


def binary(rng, n, d):
    return rng.integers(0, 2, size=(n, d)) * 1.0


def near_duplicates(rng, n, d):
    """Some rows are others, moved by 1e-15 to 1e-4."""
    X = rng.standard_normal((n, d))
    copies, of = rng.random(n) < 0.5, rng.integers(n, size=n)
    moved = X[of] + 10.0 ** rng.uniform(-15, -4, size=(n, 1)) * rng.standard_normal((n, d))
    return np.where(copies[:, None], moved, X)


def near_ties(rng, n, d):
    """Integers moved by 1e-15 to 1e-6: columns and lines meet almost."""
    return ties(rng, n, d) + 10.0 ** rng.uniform(-15, -6) * rng.standard_normal((n, d))


def near_line(rng, n, d):
    """Rows along a line, exactly or up to 1e-14 to 1e-4."""
    off = rng.choice([0.0, 10.0 ** rng.uniform(-14, -4)])
    line = rng.standard_normal((n, 1)) * rng.integers(-2, 3, size=(1, d))
    return line + off * rng.standard_normal((n, d))


def dependent_columns(rng, n, d):
    """Columns that repeat, negate or add up others; one may be constant."""
    X = rng.standard_normal((n, d))
    mixing = rng.integers(-1, 2, size=(d, d)) * 1.0
    return X @ np.where(rng.random(d) < 0.5, np.eye(d), mixing)


def heavy_tails(rng, n, d):
    return np.exp(3 * rng.standard_normal((n, d)))


TABLES = {
    "generic": generic,
    "ties": ties,
    "binary": binary,
    "near-duplicates": near_duplicates,
    "near-ties": near_ties,
    "near a line": near_line,
    "dependent columns": dependent_columns,
    "heavy tails": heavy_tails,
}


def in_units(rng, X, units):
    """Columns with an offset of 1e8, sizes over sixteen decades, or one that is constant."""
    d = X.shape[1]
    if "offset" in units:
        X = X + OFFSET * rng.choice([-1.0, 0.0, 1.0], size=d, p=[0.3, 0.2, 0.5])
    if "sizes" in units:
        X = X * 10.0 ** rng.uniform(-8, 8, size=d)
    if units == "one constant":
        X = X.copy()
        X[:, rng.integers(d)] = 0.1
    return X


# --- weights ------------------------------------------------------------------------------------


WEIGHTS = ("none", "seven decades", "counts, some 0", "ordinary")


def weights_of(rng, n, kind):
    if kind == "none":
        return None
    if kind == "seven decades":
        return LEAST_WEIGHT ** rng.random(n)
    if kind == "ordinary":
        return rng.uniform(0.1, 3.0, size=n)
    weight = rng.integers(0, 4, size=n) * 1.0
    weight[rng.integers(n)] += 1.0
    return weight


# --- targets ------------------------------------------------------------------------------------


def numbers(rng, score, kind):
    return {
        "plain": score,
        "offset": score + OFFSET,
        "tied": np.round(score),
        "tiny": 1e-9 * score,
        "huge": 1e9 * score,
        "heavy tails": np.exp(4 * score),
        "noise": rng.standard_normal(len(score)),
        "constant": np.full(len(score), 0.3),
    }[kind]


def target_of(rng, base, kind, numbers_kind):
    """Targets that the inputs explain in part."""
    size = np.abs(base).max(axis=0)
    base = base / np.where(size > 0, size, 1.0)
    score = np.sin(4 * base[:, 0]) + np.abs(base[:, -1]) + 0.4 * rng.standard_normal(len(base))
    if kind == "number":
        return numbers(rng, score, numbers_kind)
    one = {
        "vectors": lambda s: numbers(rng, s, numbers_kind),
        "counts": lambda s: counts(rng, s),
        "positive": lambda s: positive(rng, s),
    }
    if "vectors" in kind:
        make, other = one[kind.removeprefix("vectors of ")], rng.standard_normal(len(base))
        return np.column_stack([make(s) for s in (score, other, -score)])
    if kind in one:
        return one[kind](score)
    return classes(rng, score, 2 if kind == "two classes" else 3)


def counts(rng, score):
    """Not all of them zero."""
    y = rng.poisson(np.exp(2 * score)) * 1.0
    y[rng.integers(len(y))] += 1.0
    return y


def positive(rng, score):
    return np.exp(score) * rng.gamma(rng.choice([0.3, 3.0]), size=len(score)) + 1e-6


def classes(rng, score, how_many):
    """Labels by the score or by chance; each class is there, perhaps with one row."""
    if rng.random() < 0.3:
        score = rng.standard_normal(len(score))
    shares = np.sort(rng.uniform(0.05, 0.95, size=how_many - 1))
    y = np.digitize(score, np.quantile(score, shares))
    y[rng.permutation(len(y))[:how_many]] = np.arange(how_many)
    return y


# --- problems -----------------------------------------------------------------------------------


STOPS = {
    "solved": lambda rng: {"tol": 1e-6, "max_iter": 200},
    "few rounds": lambda rng: {"tol": 1e-6, "max_iter": int(rng.integers(1, 4))},
    "loose": lambda rng: {"tol": float(10.0 ** rng.uniform(-3, -0.5)), "max_iter": 200},
}
# What a problem may be, and how often.
CHOICES = {
    "table": dict.fromkeys(TABLES, 1),
    "units": {"plain": 7, "offset": 5, "sizes": 3, "offset and sizes": 3, "one constant": 2},
    "type": {"float64": 3, "float32": 1},
    "weights": dict.fromkeys(WEIGHTS, 1),
    "norm": {"l1": 2, "l2": 1},
    "order": {1: 2, 2: 5, 3: 3},
    "standardize": {True: 3, False: 1},
    "clip": {None: 5, 0.005: 3, 0.1: 2},
    "target": {"plain": 6, "offset": 3, "tied": 3, "tiny": 2, "huge": 2, "heavy tails": 2}
    | {"noise": 1, "constant": 1},
    "solver": {"auto": 6, "cvxpy": 1},
    "pricing": {"auto": 6, "exact": 3, "search": 1},
    "stop": {"solved": 3, "few rounds": 1, "loose": 1},
    "memory": {"plenty": 6, "little": 1},
}


@dataclass(frozen=True)
class HardProblem:
    """Data, an estimator that is not fitted, and in words what they are."""

    number: int
    estimator: WedgeReLURegressor | WedgeReLUClassifier
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    words: dict

    @property
    def loss(self):
        return self.words["loss"]

    @property
    def order(self):
        """The largest number of inputs of a neuron that there can be."""
        return min(self.words["order"], self.X.shape[1])

    def __str__(self):
        words = ", ".join(f"{name} {word}" for name, word in self.words.items())
        return f"problem {self.number} of shape {self.X.shape}: {words}"


def loss_of(number):
    """Losses take turns; of some it is another one every other time."""
    turn, place = divmod(number, len(TURNS))
    name = TURNS[place]
    return INSTEAD.get(name, name) if turn % 2 else name


def hard_problem(number):
    """The problem of a number: the same everywhere."""
    rng = np.random.default_rng([20, number])
    words = {"loss": loss_of(number), **chosen_words(rng)}
    kind = LOSSES[words["loss"]]
    if not words["standardize"]:
        words["units"] = "offset" if "offset" in words["units"] else "plain"
    if not words["standardize"] or "own" in words["loss"]:
        words["target"] = "plain"  # else alpha would have to be in their units
    if words["loss"] == "own with a gradient":
        words["solver"] = "auto"  # CVXPY, which needs an expression, is refused
    n, d = size_of(rng, words["order"], 3 if kind.classifies else 1)
    base = TABLES[words["table"]](rng, n, d)
    y = target_of(rng, base, kind.target, words["target"])
    X = in_units(rng, base, words["units"]).astype(words["type"])
    weight = with_every_class(weights_of(rng, n, words["weights"]), y, kind)
    alpha = float(10.0 ** rng.uniform(-4, -0.3))
    if not words["standardize"]:
        alpha *= float(np.abs(X - X.mean(axis=0, dtype=float)).mean()) or 1.0
    several = "vectors" in kind.target or kind.target == "three classes"
    limits = constraints(rng, d, words["norm"], not several)
    words["constraints"] = " and ".join(limits) or "none"
    if kind.target not in ("number", "vectors"):
        words["target"] = kind.target
    stop = STOPS[words["stop"]](rng)
    estimator = kind.estimator(alpha=alpha, **parameters(words), **limits, **stop)
    return HardProblem(number, estimator, X, y, weight, words)


def chosen_words(rng):
    """One of each of the choices."""
    words = {}
    for name, choices in CHOICES.items():
        shares = np.array(list(choices.values())) / sum(choices.values())
        words[name] = list(choices)[rng.choice(len(choices), p=shares)]
    if words["norm"] == "l2" and words["order"] > 2 and words["pricing"] == "exact":
        words["pricing"] = "auto"  # which is refused
    return words


def parameters(words):
    """Those of the estimator that words say as they are."""
    return {
        "norm": words["norm"],
        "interaction_order": words["order"],
        "standardize": words["standardize"],
        "clip_quantile": words["clip"],
        "pricing": words["pricing"],
        "solver": words["solver"],
    }


def size_of(rng, order, at_least):
    """Rows and inputs such that every hyperplane can be enumerated."""
    while True:
        n, d = int(rng.integers(at_least, 14)), int(rng.integers(1, 5))
        sizes = range(1, min(order, d) + 1)
        if 2 * sum(comb(n, s) * comb(d, s) for s in sizes) <= MOST_COLUMNS:
            return n, d


def with_every_class(weight, y, kind):
    """Weights with which every class, or a positive count, is there."""
    if weight is None:
        return None
    needed = [np.argmax(y == label) for label in np.unique(y)] if kind.classifies else []
    needed += np.argmax(y.reshape(len(y), -1), axis=0).tolist() if "counts" in kind.target else []
    weight[needed] = np.maximum(weight[needed], LEAST_WEIGHT)
    return weight


def constraints(rng, d, norm, one_output):
    """Parameters of constraints, for a share of the problems."""
    chosen = {}
    if d > 1 and rng.random() < 0.3:
        split = int(rng.integers(1, d))
        chosen["interaction_cst"] = [list(range(split)), list(range(split - 1, d))]
    if norm == "l1" and one_output and rng.random() < 0.4:
        chosen["monotonic_cst"] = [int(s) for s in rng.integers(-1, 2, size=d)]
    return chosen
