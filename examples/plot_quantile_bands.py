"""
Prediction bands from quantile networks
=======================================

Three networks, for the 10 %, 50 % and 90 % quantiles of noise that grows with x. Between the outer
ones lie four in five of the samples, on rows that were held out as well.
"""

# %%
# Half of the samples train the networks, half test them.

import sys

import matplotlib.pyplot as plt
import numpy as np

from sklearn_wedge import WedgeReLURegressor

rng = np.random.default_rng(0)
x = rng.uniform(0, 4, size=2000)
y = np.sin(2 * x) + 0.15 * (1 + x) * rng.gumbel(size=2000)
x_train, y_train, x_test, y_test = x[:1000], y[:1000], x[1000:], y[1000:]

# %%
# One network per quantile. Nothing keeps them from crossing, so that is counted too.

levels = [0.1, 0.5, 0.9]
models = [
    WedgeReLURegressor(0.001, loss="quantile", quantile=level, tol=1e-3).fit(
        x_train[:, None], y_train
    )
    for level in levels
]
curves = np.array([model.predict(x_test[:, None]) for model in models])
for level, model, curve in zip(levels, models, curves, strict=True):
    share = np.mean(y_test <= curve)
    print(f"{level:.0%} quantile: {share:.1%} of the held-out rows lie below")
    print(f"  {model.n_neurons_} neurons, {model.certificate_}")
inside = np.mean((y_test >= curves[0]) & (y_test <= curves[2]))
print(f"band: {inside:.1%} of the held-out rows lie inside, 80% wanted")
print(f"curves cross on {np.mean(np.any(np.diff(curves, axis=0) < 0, axis=0)):.1%} of them")

# %%
# The band widens where the noise does, above the median more than below.

figure, panel = plt.subplots(figsize=(7, 3.6), layout="constrained")
grid = np.linspace(0, 4, 500)
low, median, high = (model.predict(grid[:, None]) for model in models)
panel.plot(x_test, y_test, "o", color="0.75", markersize=3, label="held-out samples")
panel.fill_between(grid, low, high, color="#56B4E9", alpha=0.35, label="10 % to 90 %")
panel.plot(grid, median, color="#0072B2", linewidth=2, label="median")
panel.set(xlabel="x", ylabel="y")
panel.legend(frameon=False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
