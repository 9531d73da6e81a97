"""
Two spirals, certified
======================

Two interleaved spirals are the classic problem on which gradient descent gets stuck. This network
is the best of all ReLU networks of any width under an l2 penalty, with a bound that says so. In two
dimensions each neuron is a line, and the samples that it passes through define it.
"""

# %%
# 160 samples, labels -1 and 1 as a regression, no scaling: the paper's setting.

import sys

import matplotlib.pyplot as plt
import numpy as np

from sklearn_wedge import WedgeReLURegressor

step = np.arange(80)
angle, radius = step * np.pi / 16, (104 - step) / 104
spiral = (radius * [np.cos(angle), np.sin(angle)]).T
X, y = np.vstack([spiral, -spiral]), np.repeat([1.0, -1.0], 80)

model = WedgeReLURegressor(
    alpha=1e-3 / (2 * len(y)), norm="l2", standardize=False, clip_quantile=None, tol=1e-8
).fit(X, y)
certificate = model.certificate_
print(f"{model.n_neurons_} neurons, {certificate}")
print(f"2n * objective: {2 * len(y) * certificate.objective:.6f}")
print(f"correct on {np.mean(np.sign(model.predict(X)) == y):.0%} of the samples")

# %%
# Left: the decision regions. Right: the line of each neuron, and the samples that define it.

ticks = np.linspace(-1.15, 1.15, 400)
grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)
output = model.predict(grid.reshape(-1, 2)).reshape(400, 400)

figure, panels = plt.subplots(1, 2, figsize=(10, 5), sharex=True, sharey=True, layout="constrained")
extent = [ticks[0], ticks[-1]] * 2
panels[0].imshow(output > 0, extent=extent, origin="lower", cmap="coolwarm", alpha=0.35)
panels[0].set_title(f"optimal network, relative gap {certificate.relative_gap:.0e}")
(weights, _), (biases, _) = model.coefs_, model.intercepts_
for normal, bias in zip(weights.T, biases, strict=True):
    foot = -bias * normal / (normal @ normal)
    along = np.array([-normal[1], normal[0]]) / np.linalg.norm(normal)
    panels[1].plot(*np.transpose([foot - 3 * along, foot + 3 * along]), color="0.8", linewidth=0.5)
panels[1].plot(*X[model.support_].T, "o", markerfacecolor="none", color="0.2", markersize=7)
panels[1].set_title(f"{model.n_neurons_} neurons through {len(model.support_)} samples")
for panel in panels:
    panel.scatter(*X.T, c=y, cmap="coolwarm", s=12, zorder=3)
    panel.set(xlim=extent[:2], ylim=extent[:2], aspect="equal", xticks=[], yticks=[])

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=110)
plt.show()
