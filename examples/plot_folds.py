"""
What a second layer sees: folded lines
======================================

A neuron of the first layer switches along a line. One of the second layer has the columns and the
activations of the first as inputs: it switches along a line that is folded wherever it meets a line
of the first layer. Here is a function of two columns whose ridges are folded, and the neurons of a
network of two layers, drawn in the plane of the columns.
"""

# %%
# A pyramid that has been folded twice. Both layers are trained by the same convex problem, and move
# together; what is proved is about the second, given the activations of the first.

import sys

import matplotlib.pyplot as plt
import numpy as np

from sklearn_wedge import WedgeReLURegressor


def folded(X):
    """Ridges where ``|x0| + |x1|`` is 0.4 and 1.2, a valley where it is 0.8."""
    return np.abs(np.abs(np.abs(X).sum(axis=1) - 0.8) - 0.4)


rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, size=(200, 2))
y = folded(X) + 0.01 * rng.normal(size=len(X))
model = WedgeReLURegressor(alpha=2e-3, n_blocks=2, tol=1e-3, clip_quantile=None).fit(X, y)
print(model.certificate_)
new = rng.uniform(-1, 1, size=(5000, 2))
error = np.sqrt(np.mean((model.predict(new) - folded(new)) ** 2))
print(f"RMSE {error:.3f}, {[len(bias) for bias in model.intercepts_[:-1]]} neurons")

# %%
# Arguments of both layers on a grid, from nothing but the layer weights. A neuron is active where
# its argument is positive.

(first, second, _), (first_bias, second_bias, _) = model.coefs_, model.intercepts_
side = np.linspace(-1, 1, 301)
a, b = np.meshgrid(side, side)
grid = np.column_stack([a.ravel(), b.ravel()])


def arguments(points):
    """Of the neurons of the first layer and of the second, (n, m) each."""
    before = points @ first + first_bias
    seen = np.hstack([points, np.maximum(before, 0)])
    return before, seen @ second + second_bias


lines, folds = arguments(grid)

# %%
# The strongest neurons of the second layer whose line is folded, at a line of the first layer that
# it crosses. Shaded: where each is active, and how much; black: where it switches. Grey: the lines
# of the first-layer neurons that it has as inputs. Dots: the samples that its line passes through,
# which define it. A neuron that was moved by gradients passes through none.


def is_folded(j):
    """Whether the line of a neuron has parts on both sides of a first-layer line that it sees."""
    above = folds[:, j].reshape(a.shape) > 0
    on_line = np.zeros_like(above)
    on_line[:, 1:] = above[:, 1:] != above[:, :-1]
    on_line[1:] |= above[1:] != above[:-1]
    sides = lines[on_line.ravel()][:, second[2:, j] != 0] > 0
    return bool(np.any(sides.any(axis=0) & ~sides.all(axis=0)))


shown = [j for j in range(model.n_neurons_) if is_folded(j)][:6]  # the strongest come first
figure, panels = plt.subplots(2, 3, figsize=(10, 7), sharex=True, sharey=True, layout="constrained")
for panel, j in zip(panels.ravel(), shown, strict=False):
    values = folds[:, j].reshape(a.shape)
    panel.contourf(a, b, np.maximum(values, 0), levels=12, cmap="Blues")
    for k in np.flatnonzero(second[2:, j]):
        panel.contour(a, b, lines[:, k].reshape(a.shape), levels=[0], colors="grey", linestyles=":")
    panel.contour(a, b, values, levels=[0], colors="black", linewidths=2)
    rows = model.neurons_.rows[j]
    rows = rows[rows >= 0]
    panel.plot(*X[rows].T, "o", color="#D55E00")
    through = f"through rows {', '.join(map(str, rows))}" if len(rows) else "moved"
    panel.set(title=f"neuron {j}, {through}", aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
figure.supxlabel("x0")
figure.supylabel("x1")

# %%
# Such a line does pass through its samples: there the argument of the neuron is zero.

named = [(j, row) for j in shown for row in model.neurons_.rows[j] if row >= 0]
distance = max(abs(arguments(X[[row]])[1][0, j]) for j, row in named)
print(f"{len(shown)} folded lines, {len(named)} samples on them, at most {distance:.0e} away")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
