"""
Prediction bands from a quantile network
========================================

The 10 %, 50 % and 90 % quantiles of noise that grows with x, as three outputs of one network.
Between the outer ones lie four in five of the samples, on rows that were held out as well.
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
# One fit: the outputs share their neurons, and ``predict`` sorts them: they never cross. How
# often that is needed is told.

levels = (0.1, 0.5, 0.9)
model = WedgeReLURegressor(0.003, loss="quantile", quantile=levels, tol=1e-3)
model.fit(x_train[:, None], y_train)
print(f"{model.n_neurons_} neurons, {model.certificate_}")
print(f"before they are sorted, outputs cross on {model.crossing_:.1%} of the rows")
curves = model.predict(x_test[:, None]).T
for level, curve in zip(levels, curves, strict=True):
    share = np.mean(y_test <= curve)
    print(f"{level:.0%} quantile: {share:.1%} of the held-out rows lie below")
inside = np.mean((y_test >= curves[0]) & (y_test <= curves[2]))
print(f"band: {inside:.1%} of the held-out rows lie inside, 80% wanted")

# %%
# The band widens where the noise does, above the median more than below.

figure, panel = plt.subplots(figsize=(7, 3.6), layout="constrained")
grid = np.linspace(0, 4, 500)
low, median, high = model.predict(grid[:, None]).T
panel.plot(x_test, y_test, "o", color="0.75", markersize=3, label="held-out samples")
panel.fill_between(grid, low, high, color="#56B4E9", alpha=0.35, label="10 % to 90 %")
panel.plot(grid, median, color="#0072B2", linewidth=2, label="median")
panel.set(xlabel="x", ylabel="y")
panel.legend(frameon=False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
