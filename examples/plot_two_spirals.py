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
from sklearn_wedge.inspection import NeuronDisplay

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
# Left: where the network is positive and negative. Right: the line of each neuron, and the samples
# that define it.

figure, panels = plt.subplots(
    1, 2, figsize=(10, 4.9), sharex=True, sharey=True, layout="constrained"
)
two_colors = {"cmap": "PuOr_r", "vmin": -1e-9, "vmax": 1e-9, "alpha": 0.35}
shared = {"grid_resolution": 400, "colorbar": False, "surface_kw": two_colors}
NeuronDisplay.from_estimator(model, X, y, ax=panels[0], neurons=False, **shared)
panels[0].set_title(f"optimal network, relative gap {certificate.relative_gap:.0e}")
NeuronDisplay.from_estimator(model, X, y, ax=panels[1], surface=False, **shared)
panels[1].set_title(f"{model.n_neurons_} neurons through {len(model.support_)} samples")
for panel in panels:
    panel.set(aspect="equal", xticks=[], yticks=[], xlabel="", ylabel="")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=110)
plt.show()
