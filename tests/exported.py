"""Fitted networks of every kind to export, deep ones too, and what they must predict."""

import copy
from collections import ChainMap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from plain_cv import classifier_cv, regressor_cv
from scipy.special import expit, softmax

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLURegressor,
)

DOUBLE, SINGLE = 1e-10, 1e-5
NEVER = -3.4028234663852886e38


def data():
    """Three columns: one far from zero, one tiny, one of two values."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(2000, 10, 90), rng.normal(0, 1e-3, 90), rng.random(90) < 0.15])
    signal = np.abs(X[:, 0] - 2000) / 10 + 500 * np.maximum(X[:, 1], 0) + X[:, 2]
    return X, signal + 0.1 * rng.normal(size=90)


def table():
    X, _ = data()
    return pd.DataFrame(X, columns=["year", "h1", "is_new"])


def incomplete():
    """The same with missing values in two of the columns."""
    X, y = data()
    gaps = np.random.default_rng(2).random(X.shape) < [0.2, 0.0, 0.1]
    return np.where(gaps, np.nan, X), y + gaps[:, 0]


def rows(clipped):
    """A thousand rows; of clipped columns some far outside."""
    X, _ = data()
    rng = np.random.default_rng(1)
    spread = X.std(axis=0) * rng.choice([1.0, 3.0, 30.0], size=(1000, 1))
    X = X.mean(axis=0) + spread * rng.normal(size=(1000, 3))
    if clipped:
        X[:60, :2] = rng.choice([-1e30, -1e9, 1e5, 1e30], size=(60, 2))
    return X.astype(np.float32).astype(np.float64)  # what both arithmetics can hold


class Lazy(Mapping):
    """Models by name, each made when it is first asked for."""

    def __init__(self, makers):
        self.makers, self.made = makers, {}

    def __getitem__(self, name):
        if name not in self.made:
            self.made[name] = self.makers[name]()
        return self.made[name]

    def __iter__(self):
        return iter(self.makers)

    def __len__(self):
        return len(self.makers)


def fitted():
    X, y = data()
    names = np.array(["low", "middle", "high"])[np.digitize(y, [0.8, 1.8])]
    three, two = np.digitize(y, [0.8, 1.8]) * 10 - 10, np.where(y > 1.2, "yes", "no")
    both = np.column_stack([y, X[:, 0]])
    outer, low = 1.0 * (names != "middle"), 1.0 * (names == "low")
    short = {"alphas": [0.1, 0.03], "cv": 2}
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    kinks = np.abs(np.abs(np.abs(scaled[:, 0]) - np.abs(scaled[:, 1])) - 0.5)
    thirds = np.quantile(kinks, [1 / 3, 2 / 3])
    deep = {"alpha": 0.003, "n_blocks": 2, "tol": 0.01}
    return Lazy(
        {
            "regression": lambda: WedgeReLURegressor(0.01).fit(X, y),
            "clipped hard": lambda: WedgeReLURegressor(0.01, clip_quantile=0.2).fit(table(), y),
            "not clipped": lambda: WedgeReLURegressor(0.01, clip_quantile=None).fit(X, y),
            "not standardised": lambda: WedgeReLURegressor(1e-4, standardize=False).fit(X, y),
            "of order 3": lambda: WedgeReLURegressor(0.01, interaction_order=None).fit(X, y),
            "median": lambda: WedgeReLURegressor(0.02, loss="absolute_error").fit(X, y),
            "poisson": lambda: WedgeReLURegressor(0.01, loss="poisson").fit(X, np.round(np.abs(y))),
            "gamma": lambda: WedgeReLURegressor(0.01, loss="gamma").fit(X, np.abs(y) + 0.1),
            "two targets": lambda: WedgeReLURegressor(0.01).fit(X, both),
            "encoded": lambda: WedgeReLURegressor(0.01, encoding="normal").fit(table(), y),
            "encoded, not clipped": lambda: WedgeReLURegressor(
                0.01, encoding="robust", clip_quantile=None
            ).fit(X, y),
            "encoded, two blocks": lambda: WedgeReLURegressor(**deep, encoding="uniform").fit(
                X, kinks
            ),
            "encoded classes": lambda: WedgeReLUClassifier(0.01, encoding="uniform").fit(X, names),
            "constant": lambda: WedgeReLURegressor(10.0).fit(X, y),
            "constant classes": lambda: WedgeReLUClassifier(10.0).fit(X, two),
            "two classes": lambda: WedgeReLUClassifier(0.01).fit(X, two),
            "two classes, bool": lambda: WedgeReLUClassifier(0.01).fit(X, y > 1.2),
            "three classes, str": lambda: WedgeReLUClassifier(0.01).fit(X, names),
            "three classes, int": lambda: WedgeReLUClassifier(0.01, clip_quantile=None).fit(
                X, three
            ),
            "four classes, three with weight": lambda: WedgeReLUClassifier(0.01).fit(
                X, np.digitize(y, [0.5, 0.9, 1.8]), np.where(y < 0.5, 0.0, 1.0)
            ),
            "three classes, two with weight": lambda: WedgeReLUClassifier(0.01).fit(
                X, names, outer
            ),
            "hinge, three classes, two with weight": lambda: WedgeReLUClassifier(
                0.01, loss="squared_hinge", class_weight={0: 0}
            ).fit(X, three),
            "three classes, one with weight": lambda: WedgeReLUClassifier(0.01).fit(X, names, low),
            "two classes, one with weight": lambda: WedgeReLUClassifier(0.01).fit(
                X, y > 1.2, 1.0 * (y > 1.2)
            ),
            "hinge": lambda: WedgeReLUClassifier(0.01, loss="squared_hinge").fit(X, two),
            "hinge, three classes": lambda: WedgeReLUClassifier(0.01, loss="squared_hinge").fit(
                X, three
            ),
            "two blocks, fitted": lambda: WedgeReLURegressor(**deep).fit(X, kinks),
            "two blocks, two targets": lambda: WedgeReLURegressor(**deep).fit(
                X, np.column_stack([kinks, y])
            ),
            "two blocks, two classes": lambda: WedgeReLUClassifier(**deep).fit(
                X, kinks > np.median(kinks)
            ),
            "two blocks, classes": lambda: WedgeReLUClassifier(**{**deep, "alpha": 0.03}).fit(
                X, np.digitize(kinks, thirds)
            ),
            "missing values": lambda: WedgeReLURegressor(0.01, encoding="normal").fit(
                *incomplete()
            ),
            "missing values, not clipped": lambda: WedgeReLURegressor(0.01, clip_quantile=None).fit(
                *incomplete()
            ),
            "missing values, two blocks": lambda: WedgeReLURegressor(**deep).fit(*incomplete()),
            "missing values, classes": lambda: WedgeReLUClassifier(0.02).fit(
                incomplete()[0], names
            ),
            "regression by CV": lambda: regressor_cv(**short).fit(X, y),
            "classes by CV": lambda: classifier_cv(**short).fit(X, two),
        }
    )


def deepened(model, widths, seed=0):
    """A copy with more hidden layers, each of which sees the inputs and all layers before it."""
    rng = np.random.default_rng(seed)
    deep = copy.deepcopy(model)
    d, first = model.coefs_[0].shape
    coefs, intercepts, seen = [model.coefs_[0]], [model.intercepts_[0]], d + first
    for width in widths:
        coef = rng.normal(size=(seen, width)) * (rng.random((seen, width)) < 0.5)
        coef[:d] /= 20 * model.x_scale_[:, None]
        coefs.append(coef)
        intercepts.append(rng.normal(size=width) - model.x_mean_ @ coef[:d])
        seen += width
    q = len(model.intercepts_[-1])
    deep.coefs_ = [*coefs, rng.normal(size=(widths[-1], q))]
    deep.intercepts_ = [*intercepts, rng.normal(size=q)]
    return deep


def completed(model, X):
    """Missing values filled in row by row, and then the indicators, as ``table_`` says."""
    table, filling = model.table_, model.table_.filling
    rows = np.where(np.isnan(X), table.medians, X)
    for row, given in zip(rows, X, strict=True):
        gaps = np.flatnonzero(np.isnan(given))
        if filling is not None and len(gaps):
            z = (np.clip(given, filling.lower, filling.upper) - filling.means) / filling.scales
            z[gaps] = 0
            for _ in range(filling.sweeps):
                z[gaps] = (filling.weights @ z)[gaps]
            row[gaps] = (filling.means + filling.scales * z)[gaps]
    return np.hstack([rows, np.isnan(X)[:, table.with_indicator]])


def filled_by_hand(record, row):
    """A row by name with all of its numbers, in plain Python; None where a value is missing."""
    if record["filling"] is None:
        medians = {column["name"]: column["median"] for column in record["columns"]}
        return {name: medians[name] if x is None else x for name, x in row.items()}
    columns, z = record["filling"]["columns"], {}
    for c in columns:
        x = c["mean"] if row[c["name"]] is None else row[c["name"]]
        z[c["name"]] = (min(max(x, c["lower"]), c["upper"]) - c["mean"]) / c["scale"]
    gaps = [c for c in columns if row[c["name"]] is None]
    for c in gaps:
        z[c["name"]] = 0.0
    for _ in range(record["filling"]["sweeps"]):
        z |= {c["name"]: sum(w * z[name] for name, w in c["weights"].items()) for c in gaps}
    return row | {c["name"]: c["mean"] + c["scale"] * z[c["name"]] for c in gaps}


def forward(model, X):
    """The outputs as the documentation of ``coefs_`` says, an oracle for deep networks."""
    signals = np.clip(completed(model, X), *model.clip_bounds_)
    curves = zip(model.encoding_.knots, model.encoding_.values, strict=True)
    for column, (knots, values) in enumerate(curves):
        if len(knots):
            signals[:, column] = np.interp(signals[:, column], knots, values)
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        hidden = np.maximum(signals @ coef + intercept, 0)
        signals = np.hstack([signals, hidden])
    return hidden @ model.coefs_[-1] + model.intercepts_[-1]


FITTED = fitted()
SHALLOW = sorted(FITTED)
DEEP = Lazy(
    {
        "two blocks": lambda: deepened(FITTED["clipped hard"], [4]),
        "two blocks, not clipped": lambda: deepened(FITTED["not clipped"], [4]),
        "three blocks": lambda: deepened(FITTED["clipped hard"], [5, 3]),
        "three blocks, encoded": lambda: deepened(FITTED["encoded"], [5, 3]),
        "three blocks, not clipped": lambda: deepened(FITTED["not clipped"], [5, 3]),
        "a block without neurons first": lambda: deepened(FITTED["constant"], [4], seed=2),
        "no neurons in the last block": lambda: deepened(FITTED["regression"], [3, 0]),
        "two blocks, three classes": lambda: deepened(FITTED["three classes, str"], [4]),
    }
)
MODELS = ChainMap(FITTED, DEEP)
ALL = sorted(MODELS)


def case(name):
    """The model, rows, and outputs (n, q) of its network on them."""
    model = MODELS[name]
    X = rows(bool(np.isfinite(model.clip_bounds_).any() or model.encoding_.columns))
    if len(model.table_.lacking):  # a column that was complete in training lacks some, too
        X[np.random.default_rng(3).random(X.shape) < 0.2] = np.nan
    output = about_all_classes(model, forward(model, X))
    if hasattr(model, "feature_names_in_"):
        return model, pd.DataFrame(X, columns=model.feature_names_in_), output
    return model, X, output


def about_all_classes(model, output):
    """Outputs of a network are about the classes with weight: the others never happen."""
    if not hasattr(model, "classes_") or len(model.fitted_classes_) == len(model.classes_):
        return output
    if len(model.classes_) == 2:
        sign = -1 if model.fitted_classes_ == model.classes_[1] else 1
        return np.full((len(output), 1), sign * NEVER)
    if len(model.fitted_classes_) == 2:
        share = 0.5 if model.loss == "log_loss" else 1.0
        output = np.hstack([-share * output, share * output])
    columns = dict(zip(model.fitted_classes_, output.T, strict=True))
    absent = np.full(len(output), NEVER)
    return np.column_stack([columns.get(label, absent) for label in model.classes_])


def labels(model, output):
    chosen = output[:, 0] > 0 if output.shape[1] == 1 else output.argmax(axis=1)
    return model.classes_[chosen.astype(int)]


def probabilities(output):
    if output.shape[1] == 1:
        return np.hstack([expit(-output), expit(output)])
    return softmax(output, axis=1)


def predictions(model, output):
    return np.exp(output) if model.loss in ("poisson", "gamma") else output


def agree(got, wanted, tolerance):
    assert np.shape(got) == np.shape(wanted)
    never = np.abs(wanted) == -NEVER
    assert np.array_equal(got[never], wanted[never])
    got, wanted = got[~never], wanted[~never]
    scale = float(np.abs(wanted).max(initial=1.0))
    assert np.abs(got - wanted).max(initial=0.0) <= tolerance * scale


def decided(output):
    """Rows whose label does not hang on the last digit."""
    if output.shape[1] == 1:
        return np.abs(output[:, 0]) > 1e-4
    best = np.sort(output, axis=1)
    return best[:, -1] - best[:, -2] > 1e-4


def agree_in_single(level, x):
    """Whether a level is a number with a fraction that single precision does not tell from x."""
    return (
        not isinstance(level, str) and np.float32(level) % 1 and np.float32(level) == np.float32(x)
    )


def predict_by_hand(record, row):
    """One prediction of a row by name, None where a value is missing."""
    values, filled = {}, filled_by_hand(record, row)
    for unit in record["inputs"]:
        x = row[unit["column"]]
        if unit["is_missing"]:
            x = float(x is None)
        elif unit["values"] is None:
            x = filled[unit["column"]]
        elif x is None:
            x = unit["values"]["missing"]
        else:
            levels = unit["values"]["levels"]
            known = [k for k, level in enumerate(levels) if level == x]
            known += [k for k, level in enumerate(levels) if agree_in_single(level, x)]
            x = unit["values"]["of_levels"][known[0]] if known else unit["values"]["of_others"]
        x = x if unit["lower"] is None else max(x, unit["lower"])
        values[unit["name"]] = x if unit["upper"] is None else min(x, unit["upper"])
    for neuron in record["neurons"]:
        total = sum(weight * values[name] for name, weight in neuron["weights"].items())
        values[neuron["name"]] = max(0.0, neuron["bias"] + total)
    (output,) = record["outputs"]
    return output["bias"] + sum(w * values[name] for name, w in output["weights"].items())
