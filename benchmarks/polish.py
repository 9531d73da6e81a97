"""How far from optimal are trained networks? Five of scikit-learn's, on two tables each.

Each network has 50 hidden ReLUs and is trained with weight decay by L-BFGS, or by Adam, from five
seeds; columns and target are standardised before. ``polish`` then says what its objective was, what
the best one on its hyperplanes is, and what the optimum is.

    python benchmarks/polish.py --data FOLDER

With ``--layers``: networks of two hidden layers of 50 ReLUs each, trained by Adam from five seeds
on 500 rows of all columns. All layers move; what is certified is the gap of the last hidden layer
over its own neurons and all neurons of a single input, and what exports predict is compared with
the polished network on other rows.

    python benchmarks/polish.py --data FOLDER --layers [--tables concrete kin8nm]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler, scale
from tables import load

from sklearn_wedge import polish

ALPHA = 1e-3
TOLERANCE = 1e-5
SEEDS = range(5)
WIDTH = 50
# Of networks of two hidden layers.
ROWS, TOLERANCE_OF_LAYERS = 500, 1e-3


def tables(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two standardised columns and the standardised target of each table."""
    diabetes = load_diabetes(as_frame=True)
    concrete = np.load(folder / "concrete.npz", allow_pickle=True)
    of_concrete = np.flatnonzero(np.isin(concrete["feature_names"], ["cement", "age"]))
    chosen = {
        "diabetes (bmi, s5)": (diabetes.data[["bmi", "s5"]].to_numpy(), diabetes.target),
        "concrete (cement, age)": (concrete["X"][:, of_concrete], concrete["y"]),
    }
    return {
        name: (scale(np.asarray(X, float)), scale(np.asarray(y, float).ravel()))
        for name, (X, y) in chosen.items()
    }


def trained(X, y, solver: str, seed: int, widths: int | tuple[int, ...] = WIDTH) -> MLPRegressor:
    """A network of the same training problem, as scikit-learn writes it."""
    # scikit-learn divides its penalty by the rows of a batch (the last one of an epoch is smaller);
    # L-BFGS takes all at once.
    batch = len(X) if solver == "lbfgs" else 200
    network = MLPRegressor(
        hidden_layer_sizes=widths,
        solver=solver,
        alpha=ALPHA * batch,
        batch_size=batch,
        max_iter=20_000 if solver == "lbfgs" else 1000,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(X, y)


def report(name: str, X, y, solver: str) -> None:
    """A line per seed, and how far the polished networks are apart."""
    print(f"\n{name}: {len(X)} rows, networks trained by {solver}, alpha={ALPHA:g}")
    print(
        "seed  network   restricted  polished   bound      gap of network  rounds    train   polish"
    )
    objectives = []
    for seed in SEEDS:
        start = time.perf_counter()
        network = trained(X, y, solver, seed)
        middle = time.perf_counter()
        result = polish(network, X, y, alpha=ALPHA, tol=TOLERANCE)
        end = time.perf_counter()
        own, restricted = result.objective_of_network, result.objective_on_its_hyperplanes
        assert result.lower_bound <= result.objective <= restricted <= own
        assert result.certificate.exact
        objectives.append(result.objective)
        print(
            f"{seed:4}  {own:.6f}  {restricted:.6f}    {result.objective:.6f}   "
            f"{result.lower_bound:.6f}   {result.relative_gap_of_network:13.2%}  "
            f"{result.estimator.n_iter_:6}  {middle - start:6.1f}s  {end - middle:7.1f}s",
            flush=True,
        )
    apart = (max(objectives) - min(objectives)) / min(objectives)
    print(f"polished objectives are within {apart:.1e} of one another (relative)")


def standardised(folder: Path, name: str) -> tuple[np.ndarray, ...]:
    """Training and test part of the first split, in units of the training part."""
    X, y, X_test, y_test = load(folder, name, 0)
    rows = np.random.default_rng(0).permutation(len(y))[:ROWS]
    inputs, target = StandardScaler().fit(X[rows]), StandardScaler().fit(y[rows, None])
    scaled = (inputs.transform(X[rows]), target.transform(y[rows, None])[:, 0])
    return *scaled, inputs.transform(X_test), target.transform(y_test[:, None])[:, 0]


def predicted_by_record(record: dict, X) -> np.ndarray:
    """What a network written as plain data predicts: neurons one after the other."""
    values = {entry["name"]: column for entry, column in zip(record["inputs"], X.T, strict=True)}

    def combined(unit: dict) -> np.ndarray:
        return unit["bias"] + sum(by * values[name] for name, by in unit["weights"].items())

    for neuron in record["neurons"]:
        values[neuron["name"]] = np.maximum(combined(neuron), 0.0)
    return combined(record["outputs"][0])


def predicted_by_onnx(estimator, X) -> np.ndarray:
    """What ONNX Runtime predicts, in double precision."""
    from onnxruntime import InferenceSession

    model = estimator.to_onnx("float64")
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X})[0][:, 0]


def apart_in_exports(estimator, X) -> float:
    """The largest difference between what exports predict and the estimator does."""
    expected = estimator.predict(X)
    record = json.loads(json.dumps(estimator.to_dict()))
    found = [estimator.to_mlp().predict(X), predicted_by_record(record, X)]
    if find_spec("onnxruntime") and find_spec("skl2onnx"):
        found.append(predicted_by_onnx(estimator, X))
    if find_spec("torch"):
        from torch import tensor

        found.append(estimator.to_torch()(tensor(X)).detach().numpy()[:, 0])
    return max(float(np.abs(one - expected).max()) for one in found)


def report_layers(name: str, folder: Path) -> None:
    """A line per seed of networks of two hidden layers."""
    X, y, X_test, y_test = standardised(folder, name)
    print(f"\n{name}: {len(X)} rows, two hidden layers of {WIDTH}, alpha={ALPHA:g}")
    print(
        "seed  network   restricted  polished   last layer: certified gap  estimated  "
        "test RMSE before, after  exports apart  CPU"
    )
    for seed in SEEDS:
        network = trained(X, y, "adam", seed, (WIDTH, WIDTH))
        start = time.process_time()
        result = polish(network, X, y, alpha=ALPHA, tol=TOLERANCE_OF_LAYERS)
        seconds = time.process_time() - start
        own, restricted = result.objective_of_network, result.objective_on_its_hyperplanes
        assert result.lower_bound_of_last_layer <= result.objective <= restricted <= own
        assert result.objective < own
        estimator = result.estimator
        errors = [
            root_mean_squared_error(y_test, model.predict(X_test)) for model in (network, estimator)
        ]
        print(
            f"{seed:4}  {own:.6f}  {restricted:.6f}    {result.objective:.6f}   "
            f"{result.relative_gap_of_last_layer:25.1e}  {result.certificate.relative_gap:9.1%}  "
            f"{errors[0]:16.3f}, {errors[1]:.3f}  {apart_in_exports(estimator, X_test):13.1e}  "
            f"{seconds:.1f}s",
            flush=True,
        )


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with concrete.npz")
    parser.add_argument("--layers", action="store_true", help="networks of two hidden layers")
    parser.add_argument("--tables", nargs="+", default=["concrete", "kin8nm"], help="of these")
    options = parser.parse_args()
    if options.layers:
        for name in options.tables:
            report_layers(name, options.data)
        return
    for name, (X, y) in tables(options.data).items():
        for solver in ("lbfgs", "adam"):
            report(name, X, y, solver)


if __name__ == "__main__":
    main()
