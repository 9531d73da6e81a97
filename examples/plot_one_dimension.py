"""
Knots at training samples
=========================

In one dimension the globally optimal ReLU network is a continuous, piecewise linear curve whose
knots lie at training samples: the theorem can be seen. The l1 penalty keeps a few of them.
"""

# %%
# Noisy samples of a smooth curve, and the network at two penalties.

import sys

import matplotlib.pyplot as plt
import numpy as np

from sklearn_wedge import WedgeReLURegressor
from sklearn_wedge.inspection import NeuronDisplay

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-3, 3, size=80))
y = np.sinc(x) + 0.08 * rng.normal(size=80)

# %%
# Each neuron is a hinge through one row of the data: its knot is that row's x.

figure, panels = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
for panel, alpha in zip(panels, [0.03, 0.001], strict=True):
    model = WedgeReLURegressor(alpha, clip_quantile=None, tol=1e-8).fit(x[:, None], y)
    NeuronDisplay.from_estimator(
        model, x[:, None], y, feature_names=["x"], target_name="y", ax=panel
    )
    gap = model.certificate_.relative_gap
    panel.set_title(f"alpha = {alpha:g}: {model.n_neurons_} neurons, relative gap {gap:.0e}")
    print(f"alpha {alpha:g}: {model.n_neurons_} neurons, {model.certificate_}")
panels[1].get_legend().remove()
panels[1].set_ylabel("")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
