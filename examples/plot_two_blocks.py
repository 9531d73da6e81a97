"""
Two blocks: kinks of kinks
==========================

One hidden layer of pairwise neurons adds up functions of two inputs each. The function
``||x0| - |x1 + x2||`` is none: its kinks depend on all three inputs. A second block has the
activations of the first as inputs and folds what these have folded.
"""

# %%
# The same simple rule for both depths: the penalty of the best validation error, but two blocks may
# have no more hidden neurons in all than the single one.

import sys

import matplotlib.pyplot as plt
import numpy as np

from sklearn_wedge import WedgeReLURegressor


def composed(X):
    """An absolute value of a difference of absolute values."""
    return np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1] + X[:, 2]))


def rmse(model, X, y):
    """Root mean squared error."""
    return np.sqrt(np.mean((model.predict(X) - y) ** 2))


def width(model):
    """Hidden neurons of all layers."""
    return sum(map(len, model.intercepts_[:-1]))


rng = np.random.default_rng(0)
X, X_valid, X_test = (rng.uniform(-1, 1, size=(n, 3)) for n in (400, 200, 5000))
y, y_valid = (composed(part) + 0.02 * rng.normal(size=len(part)) for part in (X, X_valid))


def best(n_blocks, at_most=np.inf):
    """The network of the best validation error among those that are not too wide."""
    fits = [
        WedgeReLURegressor(alpha, n_blocks=n_blocks, pricing="search", tol=1e-3).fit(X, y)
        for alpha in (3e-3, 2e-3, 1e-3)
    ]
    return min(
        (model for model in fits if width(model) <= at_most),
        key=lambda model: rmse(model, X_valid, y_valid),
    )


one = best(n_blocks=1)
two = best(n_blocks=2, at_most=width(one))
for model in (one, two):
    print(
        f"{model.n_blocks_} block(s), alpha {model.alpha:.2g}: test RMSE "
        f"{rmse(model, X_test, composed(X_test)):.3f}, {width(model)} hidden neurons"
    )

# %%
# At the same penalty the second block takes this much off the objective. The certificate of the
# deep network says what it is about: the last block, given the activations before it.

for block in two.blocks_:
    print(f"objective {block.certificate.objective:.4f}, of {block.n_neurons} neurons")
print(two.certificate_)

# %%
# A section through the cube.

side = np.linspace(-1, 1, 201)
a, b = np.meshgrid(side, side)
section = np.column_stack([a.ravel(), b.ravel(), np.full(a.size, 0.3)])
shown = {
    "||x0| - |x1 + 0.3||": composed(section),
    f"one block, {width(one)} neurons": one.predict(section),
    f"two blocks, {width(two)} neurons": two.predict(section),
}
figure, panels = plt.subplots(1, 3, figsize=(11, 3.8), sharey=True, layout="constrained")
for panel, (title, values) in zip(panels, shown.items(), strict=True):
    levels = np.linspace(-0.2, 1.4, 17)
    filled = panel.contourf(a, b, values.reshape(a.shape), levels=levels, extend="both")
    panel.set(title=title, xlabel="x0", aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
panels[0].set_ylabel("x1")
figure.colorbar(filled, ax=panels, shrink=0.8)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
