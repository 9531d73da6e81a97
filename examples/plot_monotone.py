"""
What is known beforehand: monotone and interaction constraints
==============================================================

A simulated dose-response study. More of the drug has more effect, the more so in light patients;
the hour of day matters, but not to the drug. A hundred noisy samples do not show that on their own,
so the network is told.
"""

# %%
# 100 noisy samples of dose, body weight and hour, and many exact ones to compare with.

import sys

import matplotlib.pyplot as plt
import numpy as np

from sklearn_wedge import WedgeReLURegressor

rng = np.random.default_rng(0)


def draw(n):
    """Inputs: dose in mg, weight in kg, hour of day."""
    return np.column_stack([rng.uniform(1, 100, n), rng.normal(75, 12, n), rng.uniform(8, 20, n)])


def response(X):
    """The effect that a noiseless study would measure."""
    dose, weight, hour = X.T
    return 10 * dose / (dose + 0.2 * weight) + np.cos((hour - 8) * np.pi / 12)


X, X_test = draw(100), draw(5000)
y = response(X) + 1.5 * rng.normal(size=100)

# %%
# One direction for each column: 1 rising, -1 falling, 0 either. Groups of columns may share a
# neuron; here dose and weight, and the hour alone. With a data frame both go by name as well:
# ``monotonic_cst={"dose": 1, "weight": -1}, interaction_cst=[("dose", "weight"), ("hour",)]``.
#
# The directions are those of each neuron. That makes the whole network monotone. Neurons of such a
# network may be ramps, which rise and then end: sums of them are monotone curves of any shape.

constraints = {
    "unconstrained": {},
    "monotone": {"monotonic_cst": [1, -1, 0]},
    "monotone, in groups": {"monotonic_cst": [1, -1, 0], "interaction_cst": [(0, 1), (2,)]},
}
models = {
    name: WedgeReLURegressor(alpha=0.003, tol=1e-3, **parameters).fit(X, y)
    for name, parameters in constraints.items()
}

# %%
# Error against the noiseless response, and how often a little more of the drug is predicted to
# have less effect.

more = X_test + [5.0, 0.0, 0.0]
errors, falls, mixed = {}, {}, {}
for name, model in models.items():
    prediction = model.predict(X_test)
    errors[name] = np.sqrt(np.mean((prediction - response(X_test)) ** 2))
    falls[name] = np.mean(model.predict(more) < prediction - 1e-9)
    used = model.coefs_[0] != 0
    mixed[name] = np.sum(used[2] & (used[0] | used[1]))
    print(
        f"{name}: error {errors[name]:.2f}, falls with the dose at {falls[name]:.0%} of the points"
    )
    print(f"  {model.n_neurons_} neurons, {mixed[name]} of them mix the hour with another input")
    print(f"  {model.certificate_}")

# %%
# Dose-response curves of three patients at noon.

figure, panels = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
dose = np.linspace(1, 100, 200)
for panel, name in zip(panels, ["unconstrained", "monotone, in groups"], strict=True):
    for weight, color in zip([60, 75, 90], ["#D55E00", "#0072B2", "#009E73"], strict=True):
        patient = np.column_stack([dose, np.full(200, weight), np.full(200, 12.0)])
        panel.plot(dose, response(patient), "--", color=color, linewidth=1)
        panel.plot(dose, models[name].predict(patient), color=color, label=f"{weight} kg")
    panel.set(title=name, xlabel="dose in mg")
panels[0].set_ylabel("response (dashed: noiseless)")
panels[0].legend(frameon=False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
