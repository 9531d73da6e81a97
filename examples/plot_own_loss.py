"""
A loss of your own: expectiles
==============================

Any convex loss that CVXPY can express can be minimised, with the same certificate. Expectiles are
to the mean what quantiles are to the median: errors are squared, and those above the curve weigh
``level`` against ``1 - level`` below it.
"""

# %%
# A loss takes predictions (a CVXPY expression) and targets (an array), and returns one loss per
# sample. The network minimises their weighted mean plus the penalty.

import sys
from functools import partial

import cvxpy as cp
import matplotlib.pyplot as plt
import numpy as np

from sklearn_wedge import WedgeReLURegressor


def expectile(f, y, level):
    """Half the squared error, weighted by the side on which the target lies."""
    return level * cp.square(cp.pos(y - f)) + (1 - level) * cp.square(cp.pos(f - y))


rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 4, size=200))
y = np.sin(2 * x) + 0.2 * (1 + x) * rng.normal(size=200)

# %%
# The intercept is not penalised. So the errors above and below the optimal curve balance, when
# they are weighted like the loss: the moment condition that defines an expectile.

alpha, levels = 0.004, [0.1, 0.5, 0.9]
models = {
    level: WedgeReLURegressor(alpha, loss=partial(expectile, level=level), tol=1e-6).fit(
        x[:, None], y
    )
    for level in levels
}
moments = {}
for level, model in models.items():
    error = y - model.predict(x[:, None])
    above, below = level * np.maximum(error, 0).mean(), (1 - level) * np.maximum(-error, 0).mean()
    moments[level] = above, below
    print(f"level {level}: weighted error above {above:.6f}, below {below:.6f}")
    print(f"  {model.n_neurons_} neurons, {model.certificate_}")

# %%
# At level 0.5 the loss is half the squared error. That one scales the target to unit variance,
# which a loss of your own does not: the penalty is the same times the standard deviation.

squared = WedgeReLURegressor(alpha / y.std(), tol=1e-6).fit(x[:, None], y)
difference = models[0.5].predict(x[:, None]) - squared.predict(x[:, None])
print(f"largest difference to loss='squared_error': {np.abs(difference).max():.1e}")

# %%
# The three expectiles.

figure, panel = plt.subplots(figsize=(7, 3.6), layout="constrained")
grid = np.linspace(0, 4, 500)
panel.plot(x, y, "o", color="0.75", markersize=4, label="samples")
for level, color in zip(levels, ["#56B4E9", "#0072B2", "#D55E00"], strict=True):
    curve = models[level].predict(grid[:, None])
    panel.plot(grid, curve, color=color, linewidth=2, label=f"expectile {level}")
panel.set(xlabel="x", ylabel="y")
panel.legend(frameon=False, ncols=2)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
