"""
The same network elsewhere
==========================

A fitted network is a few numbers. It leaves this package as a scikit-learn MLP, as an ONNX model
(PyTorch goes the same way), or as JSON that twenty lines of any language can evaluate.
"""

# %%
# A network of the diabetes data.

import json
import sys
from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np
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
# As JSON: inputs with their bounds, neurons, outputs, all in original units. After a fit to a data
# frame the inputs have the names of its columns.

text = json.dumps(model.to_dict(), allow_nan=False)
record = json.loads(text)
print(f"{len(text)} characters of JSON; the first neuron is {record['neurons'][0]}")


def predict(record, row):
    """One prediction from the JSON, in plain Python."""
    values = {}
    for column, x in zip(record["inputs"], row, strict=True):
        x = x if column["lower"] is None else max(x, column["lower"])
        x = x if column["upper"] is None else min(x, column["upper"])
        values[column["name"]] = x

    def total(unit):
        return unit["bias"] + sum(weight * values[name] for name, weight in unit["weights"].items())

    for neuron in record["neurons"]:
        values[neuron["name"]] = max(0.0, total(neuron))
    return total(record["outputs"][0])


# %%
# As ONNX, in single precision, if it can be run here (``pip install ".[onnx]"``). To
# convert a whole pipeline, call ``sklearn_wedge.export.register_onnx_converters()``, then
# ``skl2onnx.to_onnx``.

exported = {
    "MLPRegressor": mlp.predict(X),
    "JSON": np.array([predict(record, row) for row in X.tolist()]),
}
if find_spec("skl2onnx") and find_spec("onnxruntime"):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    exported["ONNX"] = session.run(None, {"X": X.astype(np.float32)})[0][:, 0]

# %%
# All predict the same, up to the rounding of their arithmetic.

differences = {name: np.abs(values - model.predict(X)) for name, values in exported.items()}
for name, difference in differences.items():
    print(f"{name}: differs by at most {difference.max():.1e} of targets up to {y.max():.0f}")

figure, panel = plt.subplots(figsize=(6, 3.4), layout="constrained")
for (name, difference), color in zip(
    differences.items(), ["#0072B2", "#D55E00", "#009E73"], strict=False
):
    curve = np.sort(np.maximum(difference, 1e-15))
    panel.semilogx(curve, np.linspace(0, 1, len(curve)), color=color, linewidth=2, label=name)
panel.set(xlabel="difference to the estimator's prediction", ylabel="share of the patients")
panel.legend(frameon=False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
