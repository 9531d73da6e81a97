"""
Prediction intervals with guaranteed coverage
=============================================

A band between two quantiles covers what it promises on the rows that it was fitted on; on others it
is often too narrow. *Conformalised*, it covers at least its share of new rows on average, whatever
the noise, as long as rows are exchangeable: by how much the band misses rows that were kept aside
says by how much to widen it (Y. Romano, E. Patterson and E. Candès, NeurIPS 2019). Boosting is
widened in the same way, beside it.
"""

# %%
# Few samples train the models, some widen their bands, the others test them.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from sklearn_wedge import WedgeReLURegressor

rng = np.random.default_rng(0)
x = rng.uniform(0, 4, size=1600)[:, None]
y = np.sin(2 * x[:, 0]) + 0.15 * (1 + x[:, 0]) * rng.gumbel(size=1600)
train, aside, test = slice(0, 200), slice(200, 600), slice(600, None)
levels = (0.05, 0.95)

# %%
# The network has both quantiles as outputs, which share their neurons and never cross. Boosting
# needs a model for each.

network = WedgeReLURegressor(0.001, loss="quantile", quantile=levels, tol=1e-3)
network.fit(x[train], y[train])
boosted = [
    HistGradientBoostingRegressor(loss="quantile", quantile=level, random_state=0)
    for level in levels
]
for model in boosted:
    model.fit(x[train], y[train])
bands = {
    "network": network.predict,
    "boosting": lambda rows: np.sort([model.predict(rows) for model in boosted], axis=0).T,
}
print(network.summary())


# %%
# A row that was kept aside is missed by the distance to the nearer bound, which is negative inside.
# Nine in ten of these distances are at most the margin that both bounds are moved by.


def margin(band, confidence=0.9):
    low, high = band(x[aside]).T
    missed = np.sort(np.maximum(low - y[aside], y[aside] - high))
    return missed[int(np.ceil((len(missed) + 1) * confidence)) - 1]


coverage, width, margins = {}, {}, {name: margin(band) for name, band in bands.items()}
for name, band in bands.items():
    for kind, by in ((name, 0.0), (f"{name}, conformalised", margins[name])):
        low, high = band(x[test]).T + np.array([[-by], [by]])
        coverage[kind] = np.mean((low <= y[test]) & (y[test] <= high))
        width[kind] = np.mean(high - low)
        print(f"{kind:24s} covers {coverage[kind]:.1%}, mean width {width[kind]:.3f}")

# %%
# Both cover nine in ten rows now, and some more; that of the network is smooth, and narrower.

figure, panels = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
grid = np.linspace(0, 4, 500)[:, None]
for panel, (name, band) in zip(panels, bands.items(), strict=True):
    low, high = band(grid).T + np.array([[-margins[name]], [margins[name]]])
    panel.plot(x[test], y[test], "o", color="0.75", markersize=2.5)
    panel.fill_between(grid[:, 0], low, high, color="#56B4E9", alpha=0.4)
    kind = f"{name}, conformalised"
    panel.set(title=f"{name}: {coverage[kind]:.0%} inside, width {width[kind]:.2f}", xlabel="x")
panels[0].set_ylabel("y")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
