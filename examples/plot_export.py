"""
The same network elsewhere
==========================

A fitted network is a few numbers. It leaves this package as a scikit-learn MLP, as an ONNX model
(PyTorch goes the same way), or as JSON that three dozen lines of any language can evaluate.
"""

# %%
# A network of the diabetes data.

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

from sklearn_wedge import WedgeReLURegressor

X, y = load_diabetes(return_X_y=True, scaled=False)
model = WedgeReLURegressor(alpha=0.03).fit(X, y)
print(f"{model.n_neurons_} neurons, {model.certificate_}")

# %%
# As scikit-learn's ``MLPRegressor``. Inputs are clipped to ``clip_bounds_`` first, which takes two
# more layers; with ``clip_quantile=None`` its weights would be ``coefs_``.

mlp = model.to_mlp()
print(f"MLPRegressor with hidden layers of {mlp.hidden_layer_sizes}")

# %%
# As ONNX, in single precision, if it can be run here (``pip install ".[onnx]"``). To convert a
# whole pipeline, call ``sklearn_wedge.export.register_onnx_converters()``, then
# ``skl2onnx.to_onnx``. Of a table with text there is an input for each column: the user guide feeds
# one.

exported = {"MLPRegressor": (mlp.predict(X), model.predict(X))}
if find_spec("skl2onnx") and find_spec("onnxruntime"):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    predicted = session.run(None, {"X": X.astype(np.float32)})[0][:, 0]
    exported["ONNX"] = predicted, model.predict(X)

# %%
# As JSON: what stands for missing values, inputs, neurons, outputs, all in original units. Here of
# a table with text and empty cells, by the names of its columns.

table = pd.read_csv(Path(sys.argv[0]).parent / "data" / "flats.csv")  # beside this script
rent = table.pop("rent")
of_rents = WedgeReLURegressor(alpha=0.03).fit(table, rent)
text = json.dumps(of_rents.to_dict(), allow_nan=False)
record = json.loads(text)
print(f"{len(text)} characters of JSON; the first neuron is {record['neurons'][0]}")

# %%
# Two functions predict from it, whatever the table and the network: one for what is missing, one
# for the rest. A row is a dict by column, in which None and NaN are missing values.


def expected(record, known):
    """What stands for missing numbers of a row, by column, given the values that are known."""
    if record["filling"] is None:
        return {column["name"]: column["median"] for column in record["columns"]}
    columns, z = record["filling"]["columns"], {}
    for of in columns:
        x = min(max(known.get(of["name"], of["mean"]), of["lower"]), of["upper"])
        z[of["name"]] = (x - of["mean"]) / of["scale"] if of["name"] in known else 0.0
    gaps = [of for of in columns if of["name"] not in known]
    for _ in range(record["filling"]["sweeps"]):  # all gaps at once
        z |= {of["name"]: sum(w * z[name] for name, w in of["weights"].items()) for of in gaps}
    return {of["name"]: of["mean"] + of["scale"] * z[of["name"]] for of in gaps}


def outputs(record, row):
    """The outputs of the network; what they stand for says ``record["link"]``."""
    known = {name: x for name, x in row.items() if x is not None and x == x}
    instead, values = expected(record, known), {}
    for unit in record["inputs"]:
        column, of = unit["column"], unit["values"]
        if unit["is_missing"]:
            x = float(column not in known)
        elif of is None:
            x = known[column] if column in known else instead[column]
        elif column in known:
            levels = dict(zip(of["levels"], of["of_levels"], strict=True))
            x = levels.get(known[column], of["of_others"])
        else:
            x = of["missing"]
        if unit["lower"] is not None:
            x = min(max(x, unit["lower"]), unit["upper"])
        if unit["encoding"] is not None:
            x = np.interp(x, unit["encoding"]["knots"], unit["encoding"]["values"])
        values[unit["name"]] = x

    def total(unit):
        return unit["bias"] + sum(w * values[name] for name, w in unit["weights"].items())

    for neuron in record["neurons"]:
        values[neuron["name"]] = max(0.0, total(neuron))
    return [total(output) for output in record["outputs"]]


# %%
# With more cells empty, and a district that no flat was in.

other = table.mask(np.random.default_rng(0).random(table.shape) < 0.2)
other.loc[:20, "district"] = "nowhere"
by_hand = np.array([outputs(record, row)[0] for row in other.to_dict("records")])
exported["JSON"] = by_hand, of_rents.predict(other)

# %%
# All predict the same, up to the rounding of their arithmetic.

differences = {name: np.abs(there - here) for name, (there, here) in exported.items()}
for name, difference in differences.items():
    largest = exported[name][1].max()
    print(f"{name}: differs by at most {difference.max():.1e} of predictions up to {largest:.0f}")

figure, panel = plt.subplots(figsize=(6, 3.4), layout="constrained")
for (name, difference), color in zip(
    differences.items(), ["#0072B2", "#D55E00", "#009E73"], strict=False
):
    curve = np.sort(np.maximum(difference, 1e-15))
    panel.semilogx(curve, np.linspace(0, 1, len(curve)), color=color, linewidth=2, label=name)
panel.set(xlabel="difference to the estimator's prediction", ylabel="share of the rows")
panel.legend(frameon=False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
