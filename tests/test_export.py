"""Exports predict what the estimators do: checked against ``predict`` and against plain Python."""

import ast
import copy
import inspect
import json
import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exported import (
    ALL,
    DOUBLE,
    FITTED,
    MODELS,
    NEVER,
    SHALLOW,
    SINGLE,
    agree,
    case,
    data,
    decided,
    deepened,
    filled_by_hand,
    forward,
    labels,
    predictions,
    probabilities,
    rows,
)
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

import sklearn_wedge
from sklearn_wedge import WedgeFeatures, WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge.export import register_onnx_converters

OLD_MLP = "loss" not in inspect.signature(MLPRegressor).parameters


# --- the oracle ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHALLOW)
def test_the_oracle_agrees_with_the_estimator(name):
    model, X, output = case(name)
    if is_classifier(model):
        assert np.array_equal(model.predict(X), labels(model, output))
        if model.loss == "log_loss":
            agree(model.predict_proba(X), probabilities(output), DOUBLE)
    else:
        agree(model.predict(X).reshape(len(X), -1), predictions(model, output), DOUBLE)


def test_the_cases_tell_exports_apart():
    assert FITTED["constant"].n_neurons_ == FITTED["constant classes"].n_neurons_ == 0
    hard = FITTED["clipped hard"].clip_bounds_
    assert np.isfinite(hard[:, :2]).all() and np.isinf(hard[:, 2]).all()
    constant = {name for name in ALL if name.startswith("constant") or "one with" in name}
    for name in set(ALL) - constant - {"no neurons in the last block"}:
        output = case(name)[2]
        assert np.ptp(output[:, output[0] != NEVER], axis=0).min() > 0.1, name
    for name in ("fitted", "two targets", "two classes", "classes"):
        assert FITTED[f"two blocks, {name}"].n_blocks_ == 2
    for name in ("two blocks", "three blocks"):
        assert MODELS[name].coefs_[1][:2].any() and MODELS[name].coefs_[1][3:].any()


# --- scikit-learn -------------------------------------------------------------------------------


def mlp_of(name):
    model, X, output = case(name)
    if OLD_MLP and model.loss in ("poisson", "gamma"):
        pytest.skip("scikit-learn 1.6 has no such MLPRegressor; see the test that it is refused")
    if model.loss == "squared_hinge":
        with pytest.warns(UserWarning, match="predict_proba is of no use"):
            return model.to_mlp(), model, X, output
    if len(model.table_.lacking):
        complete = ~np.isnan(X).any(axis=1)
        with pytest.warns(UserWarning, match="refuse rows with missing values"):
            return model.to_mlp(), model, X[complete], output[complete]
    return model.to_mlp(), model, X, output


@pytest.mark.parametrize("name", ALL)
def test_an_mlp_predicts_the_same(name):
    mlp, model, X, output = mlp_of(name)
    assert type(mlp) is (MLPClassifier if is_classifier(model) else MLPRegressor)
    if is_classifier(model):
        got = mlp.predict(X)
        assert np.array_equal(got, labels(model, output)) and got.dtype == model.classes_.dtype
        agree(mlp.predict_proba(X), probabilities(output), DOUBLE)
    else:
        wanted = predictions(model, output)
        agree(mlp.predict(X), wanted[:, 0] if wanted.shape[1] == 1 else wanted, DOUBLE)


@pytest.mark.parametrize(
    "name", ["regression", "two classes", "three classes, str", "clipped hard"]
)
def test_an_mlp_has_what_a_fitted_one_has(name):
    mlp, model, X, output = mlp_of(name)
    again = pickle.loads(pickle.dumps(mlp))
    assert np.array_equal(again.predict(X), mlp.predict(X))
    target = labels(model, output) if is_classifier(model) else output[:, 0]
    assert mlp.score(X, target) == pytest.approx(1.0)
    unfitted = clone(mlp)
    assert unfitted.hidden_layer_sizes == tuple(len(b) for b in mlp.intercepts_[:-1])
    with pytest.warns(ConvergenceWarning):
        fresh = unfitted.set_params(max_iter=1).fit(X, target)
    missing = {key for key in vars(fresh) if key.endswith("_")} - vars(mlp).keys()
    assert missing <= {"loss_", "validation_scores_", "best_validation_score_"}
    assert (fresh.out_activation_, fresh.n_outputs_) == (mlp.out_activation_, mlp.n_outputs_)
    assert [c.shape for c in fresh.coefs_] == [c.shape for c in mlp.coefs_]


@pytest.mark.parametrize("name", ["regression", "three classes, str"])
def test_an_mlp_goes_on_when_it_is_trained_further(name):
    mlp, model, _, _ = mlp_of(name)
    X, _ = data()
    target = model.predict(X)
    mlp.set_params(learning_rate_init=1e-9).partial_fit(X, target)
    assert mlp.score(X, target) > 0.99


def test_an_unclipped_network_gets_its_layers_only():
    model = FITTED["not clipped"]
    mlp = model.to_mlp()
    assert mlp.hidden_layer_sizes == (model.n_neurons_,)
    for got, wanted in zip(
        mlp.coefs_ + mlp.intercepts_, model.coefs_ + model.intercepts_, strict=True
    ):
        assert np.array_equal(got, wanted) and not np.shares_memory(got, wanted)


def test_an_mlp_of_a_constant_network_has_one_idle_neuron():
    assert FITTED["constant"].to_mlp().hidden_layer_sizes == (1,)


@pytest.mark.skipif(not OLD_MLP, reason="MLPRegressor has a log link since scikit-learn 1.7")
def test_a_log_link_is_refused_before_scikit_learn_1_7():
    with pytest.raises(ValueError, match=r"scikit-learn 1\.7"):
        FITTED["poisson"].to_mlp()


def test_a_loss_with_a_log_link_is_refused_where_the_mlp_has_none(monkeypatch):
    class Old(MLPRegressor):
        def __init__(self, hidden_layer_sizes=(100,)):
            pass

    monkeypatch.setattr("sklearn_wedge.export._mlp.MLPRegressor", Old)
    with pytest.raises(ValueError, match=r"loss='gamma'.*scikit-learn 1\.7.*to_onnx"):
        FITTED["gamma"].to_mlp()


def test_one_sided_bounds_are_clipped():
    model = copy.deepcopy(FITTED["not clipped"])
    model.clip_bounds_ = np.array([[1990.0, -np.inf, -np.inf], [np.inf, 5e-4, np.inf]])
    X = rows(False)
    assert model.coefs_[0][:2].any(axis=1).all()
    agree(model.to_mlp().predict(X), forward(model, X)[:, 0], DOUBLE)
    deep = deepened(model, [4])
    agree(deep.to_mlp().predict(X), forward(deep, X)[:, 0], DOUBLE)


# --- torch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_torch_module_predicts_the_same(name):
    torch = pytest.importorskip("torch")
    model, X, output = case(name)
    wanted = predictions(model, output)
    for module, dtype, tolerance in (
        (model.to_torch(), torch.float64, DOUBLE),
        (model.to_torch(torch.float32), torch.float32, SINGLE),
    ):
        got = module(torch.tensor(np.asarray(X), dtype=dtype)).detach()
        assert got.dtype == dtype
        agree(got.numpy(), wanted, tolerance)


def test_a_torch_module_can_be_saved_and_trained(tmp_path):
    torch = pytest.importorskip("torch")
    module = FITTED["clipped hard"].to_torch()
    torch.save(module, tmp_path / "module.pt")
    again = torch.load(tmp_path / "module.pt", weights_only=False)
    inputs = torch.tensor(rows(True))
    assert torch.equal(again(inputs), module(inputs))
    assert {name.split(".")[0] for name, _ in module.named_parameters()} == {"hidden_1", "output"}
    module(inputs).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


# --- ONNX ---------------------------------------------------------------------------------------


def run_onnx(onnx_model, X, dtype):
    import onnx
    import onnxruntime as runtime

    onnx.checker.check_model(onnx_model, full_check=True)
    session = runtime.InferenceSession(
        onnx_model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": np.asarray(X, dtype=dtype)})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ALL)
def test_an_onnx_model_predicts_the_same(name, dtype):
    model, X, output = case(name)
    tolerance = SINGLE if dtype == "float32" else DOUBLE
    results = run_onnx(model.to_onnx(dtype), X, dtype)
    assert results[-1].dtype == dtype
    if is_classifier(model):
        got, second = results
        sure = decided(output)
        assert sure.mean() > 0.95
        assert np.array_equal(got[sure], labels(model, output)[sure])
        margins = np.hstack([-output, output]) if output.shape[1] == 1 else output
        wanted = margins if model.loss == "squared_hinge" else probabilities(output)
        agree(second, wanted, tolerance)
    else:
        agree(results[0], predictions(model, output), tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_pipeline_converts(dtype):
    import skl2onnx

    X, y = data()
    two = np.where(y > 1.2, "yes", "no")
    pipeline = make_pipeline(StandardScaler(), WedgeReLUClassifier(0.01)).fit(X, two)
    register_onnx_converters()
    converted = skl2onnx.to_onnx(pipeline, X[:1].astype(dtype), options={"zipmap": False})
    got, second = run_onnx(converted, X, dtype)
    assert np.array_equal(got, pipeline.predict(X))
    agree(second, pipeline.predict_proba(X), 1e-4 if dtype == "float32" else DOUBLE)


FEATURES = {
    "of a regression": WedgeReLURegressor(0.01),
    "of three classes": WedgeReLUClassifier(0.01),
    "of two blocks": WedgeReLURegressor(0.003, n_blocks=2, tol=0.01),
    "none": WedgeReLURegressor(10.0),
}


@pytest.mark.filterwarnings("ignore:The network is constant")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", FEATURES.values(), ids=FEATURES)
def test_a_pipeline_with_features_converts(network, dtype):
    import skl2onnx

    X, y = data()
    target = np.digitize(y, [0.8, 1.8]) if is_classifier(network) else y
    features = make_union(WedgeFeatures(network), StandardScaler()).fit(X, target)
    pipeline = make_pipeline(features, Ridge(0.1)).fit(X, target)
    register_onnx_converters()
    tolerance = 1e-4 if dtype == "float32" else DOUBLE
    for model, wanted in ((features, features.transform), (pipeline, pipeline.predict)):
        (got,) = run_onnx(skl2onnx.to_onnx(model, X[:1].astype(dtype)), X, dtype)
        agree(got.reshape(wanted(X).shape), wanted(X), tolerance)


def test_the_options_of_onnx_classifiers_are_heeded():
    import skl2onnx

    model, X, output = case("three classes, str")
    register_onnx_converters()

    def run(**options):
        made = skl2onnx.to_onnx(model, X[:1].astype("float32"), options={id(model): options})
        return run_onnx(made, X, "float32")

    (row, *_), wanted = run(zipmap=True)[1], probabilities(output)
    assert row == pytest.approx(dict(zip(model.classes_, wanted[0], strict=True)), abs=SINGLE)
    agree(run(zipmap=False, raw_scores=True)[1], output, SINGLE)
    sure, got = decided(output), model.classes_[run(zipmap=False, nocl=True)[0]]
    assert np.array_equal(got[sure], labels(model, output)[sure])
    assert list(run(zipmap=False, output_class_labels=True)[2]) == list(model.classes_)
    assert len(run(zipmap="columns")) == 4


def test_whole_numbers_are_taken_by_onnx():
    import skl2onnx

    X = np.arange(-20, 21)[:, None]
    model = WedgeReLURegressor(0.01).fit(X, np.abs(X[:, 0]))
    register_onnx_converters()
    got = run_onnx(skl2onnx.to_onnx(model, X), X, "int64")[0]
    agree(got[:, 0], model.predict(X), SINGLE)


def test_another_dtype_is_refused_for_onnx():
    with pytest.raises(ValueError, match="'float32' or 'float64'"):
        FITTED["regression"].to_onnx("float16")
    for dtype in (None, "nonsense"):
        with pytest.raises(ValueError, match="'float32' or 'float64'"):
            FITTED["regression"].to_onnx(dtype)


def test_operators_too_old_for_missing_values_are_refused_for_onnx():
    model, X, output = case("regression")
    agree(run_onnx(model.to_onnx("float32", 9), X, "float32")[0], output, SINGLE)
    with pytest.raises(ValueError, match=r"target_opset=8 cannot prepare.*9 or newer"):
        model.to_onnx("float32", 8)


# --- plain data ---------------------------------------------------------------------------------


def outputs_by_hand(record, row):
    """Some lines that anyone could write in another language."""
    values, names = {}, [column["name"] for column in record["columns"]]
    given = {n: None if math.isnan(x) else x for n, x in zip(names, row, strict=True)}
    filled = filled_by_hand(record, given)
    for unit in record["inputs"]:
        x = filled[unit["column"]]
        if unit["is_missing"]:
            x = 1.0 if given[unit["column"]] is None else 0.0
        if unit["lower"] is not None:
            x = max(x, unit["lower"])
        if unit["upper"] is not None:
            x = min(x, unit["upper"])
        if unit["encoding"] is not None:
            x = on_the_line(x, **unit["encoding"])
        values[unit["name"]] = x

    def total(unit):
        return unit["bias"] + sum(w * values[name] for name, w in unit["weights"].items())

    for neuron in record["neurons"]:
        values[neuron["name"]] = max(0.0, total(neuron))
    return [total(output) for output in record["outputs"]]


def on_the_line(x, kind, knots, values):
    """What a piecewise linear curve says, constant beyond its ends."""
    if x <= knots[0]:
        return values[0]
    for left, right, low, high in zip(knots, knots[1:], values, values[1:], strict=False):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return values[-1]


def predict_by_hand(record, row):
    outputs = outputs_by_hand(record, row)
    if record["link"] == "identity":
        return outputs
    if record["link"] == "log":
        return [math.exp(output) for output in outputs]
    if len(outputs) == 1:
        return record["classes"][int(outputs[0] > 0)]
    return record["classes"][outputs.index(max(outputs))]


@pytest.mark.parametrize("name", ALL)
def test_some_lines_of_python_predict_the_same_from_the_json(name):
    model, X, output = case(name)
    record = json.loads(json.dumps(model.to_dict(), allow_nan=False))
    assert (record["format"], record["version"]) == ("sklearn_wedge.network", 5)
    got = [predict_by_hand(record, row) for row in np.asarray(X).tolist()]
    if is_classifier(model):
        assert np.array_equal(got, labels(model, output))
    else:
        agree(np.array(got), predictions(model, output), DOUBLE)


def test_the_record_names_inputs_and_neurons():
    record = MODELS["two blocks"].to_dict()
    names = ["year", "h1", "is_new"]
    assert [column["name"] for column in record["inputs"]] == names
    assert [column["lower"] is None for column in record["inputs"]] == [False, False, True]
    own = [neuron["name"] for neuron in record["neurons"]]
    assert len(set(own + names)) == len(own) + len(names)
    last = {neuron["name"] for neuron in record["neurons"] if neuron["block"] == 2}
    assert set(record["outputs"][0]["weights"]) <= last and len(last) == 4


def test_the_record_names_the_link_and_the_classes():
    links = {
        "regression": "identity",
        "gamma": "log",
        "two classes": "logit",
        "three classes, int": "softmax",
        "hinge": "margin",
    }
    assert {name: FITTED[name].to_dict()["link"] for name in links} == links
    assert FITTED["three classes, int"].to_dict()["classes"] == [-10, 0, 10]
    assert FITTED["two classes, bool"].to_dict()["classes"] == [False, True]
    assert "classes" not in FITTED["regression"].to_dict()
    model = copy.deepcopy(FITTED["two classes"])
    model.classes_ = np.array([np.int64(3), np.int64(5)], dtype=object)
    assert json.loads(json.dumps(model.to_dict()))["classes"] == [3, 5]


def test_columns_of_one_name_are_refused():
    model = copy.deepcopy(FITTED["clipped hard"])
    model.feature_names_in_ = np.array(["a", "b", "a"], dtype=object)
    with pytest.raises(ValueError, match=r"\['a'\]"):
        model.to_dict()


def test_labels_that_json_cannot_hold_are_refused():
    model = copy.deepcopy(FITTED["two classes"])
    model.classes_ = np.array([(1, 2), (3, 4)], dtype="i,i")
    with pytest.raises(ValueError, match="of type tuple"):
        model.to_dict()


# --- all of them --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["to_mlp", "to_torch", "to_onnx", "to_dict"])
def test_an_unfitted_estimator_is_not_exported(method):
    with pytest.raises(NotFittedError):
        getattr(WedgeReLURegressor(0.01), method)()


@pytest.mark.parametrize(
    ("package", "module", "method", "extra"),
    [
        ("torch", "sklearn_wedge.export._torch", "to_torch", "torch"),
        ("skl2onnx", "sklearn_wedge.export._onnx", "to_onnx", "onnx"),
    ],
)
def test_a_missing_package_is_named(package, module, method, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    wanted = rf'{method} needs .*pip install "\.\[{extra}\]" in a clone'
    with pytest.raises(ImportError, match=wanted):
        getattr(FITTED["regression"], method)()


def test_the_package_does_not_import_what_few_need():
    heavy = "{'torch', 'onnx', 'skl2onnx', 'onnxruntime'}"
    code = f"import sys, sklearn_wedge.export; sys.exit(str({heavy} & sys.modules.keys() or ''))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr.strip() == ""


def test_exporting_reads_nothing_private():
    """Of a model; ``mlp._label_binarizer`` and the like are written, as scikit-learn needs them."""
    for path in (Path(sklearn_wedge.__file__).parent / "export").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                private = node.attr.startswith("_") and not node.attr.startswith("__")
                assert not (private and node.value.id in ("model", "self")), (path.name, node.attr)
