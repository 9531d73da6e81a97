"""The pictures of doc/theory.md, drawn beside this file: ``python doc/images/theory.py``."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from sklearn_wedge import WedgeReLURegressor, alpha_max
from sklearn_wedge.geometry._hulls import signed_simplex_volume

FOLDER = Path(__file__).parent
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.65"


def saved(figure, name):
    figure.savefig(FOLDER / name, dpi=110, facecolor="white")
    plt.close(figure)


def hinge():
    """A neuron in one input, and the correlation of all of them with the residuals."""
    rng = np.random.default_rng(4)
    x = np.sort(rng.uniform(-1, 1, 12))
    y = np.abs(x) + 0.1 * rng.normal(size=12)
    v = (y - y.mean()) / 12
    knots = np.linspace(-1.2, 1.2, 2000)
    value = np.maximum(x - knots[:, None], 0) @ v
    best = np.argmax(np.abs(np.maximum(x - x[:, None], 0) @ v))

    figure, panels = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
    panels[0].plot(x, y, "o", color=GREY, label="samples")
    panels[0].plot(knots, np.maximum(knots - x[best], 0), color=BLUE, label="the hinge $(x - c)_+$")
    panels[0].plot(x[best], 0, "D", color=ORANGE, label="its knot, at a sample")
    panels[0].set(xlabel="x", title="a neuron with one input is a hinge")
    panels[0].legend(frameon=False)
    panels[1].plot(knots, value, color=BLUE)
    panels[1].plot(x, np.maximum(x - x[:, None], 0) @ v, "o", color=GREY, label="knot at a sample")
    panels[1].plot(x[best], value[np.argmin(np.abs(knots - x[best]))], "D", color=ORANGE)
    panels[1].axhline(0, color="0.8", linewidth=0.8)
    panels[1].set(xlabel="knot c", title="$\\sum_i v_i (x_i - c)_+$ bends at samples only")
    panels[1].legend(frameon=False)
    saved(figure, "hinge.png")


def triangle():
    """The activation of a neuron through two samples is the area of a triangle over a length."""
    a, b = np.array([0.2, 0.1]), np.array([0.9, 0.5])
    points = {"+": np.array([0.35, 0.8]), "−": np.array([0.75, 0.05])}
    figure, panel = plt.subplots(figsize=(5, 4), layout="constrained")
    along = np.linspace(-0.4, 1.5, 2)[:, None]
    line = a + along * (b - a)
    panel.plot(*line.T, color=BLUE, linewidth=2)
    panel.fill_between(line[:, 0], line[:, 1], 1.1, color=BLUE, alpha=0.06)
    for (sign, x), color in zip(points.items(), [GREEN, GREY], strict=True):
        panel.fill(*np.array([a, b, x]).T, color=color, alpha=0.35)
        panel.plot(*x, "o", color=color)
        area = signed_simplex_volume(np.array([a, b, x]))
        panel.annotate(
            f"x, area {area:+.2f}".replace("-", "−"), x, (6, 4), textcoords="offset points"
        )
        assert (area > 0) == (sign == "+")
    for name, x in (("$x_1$", a), ("$x_2$", b)):
        panel.plot(*x, "D", color=ORANGE)
        panel.annotate(name, x, (2, -16), textcoords="offset points", color=ORANGE)
    panel.text(0.03, 0.98, "active: area > 0", color=BLUE, transform=panel.transAxes, va="top")
    panel.text(0.97, 0.02, "inactive: area < 0", color="0.4", transform=panel.transAxes, ha="right")
    panel.set(xlim=(0, 1.1), ylim=(-0.1, 1), xticks=[], yticks=[], aspect="equal")
    saved(figure, "triangle.png")


def pencil():
    """All lines through one sample: one sort, and a cumulative sum has every value."""
    rng = np.random.default_rng(12)
    X = rng.uniform(-1, 1, (9, 2))
    v = np.abs(X[:, 0] - X[:, 1])
    v -= v.mean()
    pivot = np.argmin(np.abs(X).sum(axis=1))
    Z = X - X[pivot]

    def value(angle):
        normal = np.array([np.cos(angle), np.sin(angle)])
        return np.maximum(Z @ normal, 0) @ v / np.abs(normal).sum()

    others = np.delete(np.arange(9), pivot)
    events = np.mod(np.arctan2(Z[others, 1], Z[others, 0]) + np.pi / 2, np.pi)
    events = np.sort(np.concatenate([events, events + np.pi]))
    angles = np.linspace(0, 2 * np.pi, 3000)
    values = np.array([value(angle) for angle in angles])
    candidates = np.concatenate([events, np.arange(4) * np.pi / 2])
    best = candidates[np.argmax([abs(value(angle)) for angle in candidates])]

    figure, panels = plt.subplots(
        1, 2, figsize=(10, 3.8), layout="constrained", width_ratios=[1, 1.6]
    )
    for angle in events[: len(others)]:
        along = np.array([-np.sin(angle), np.cos(angle)])
        panels[0].plot(
            *np.transpose([X[pivot] - 3 * along, X[pivot] + 3 * along]), color="0.85", lw=1
        )
    along, normal = np.array([-np.sin(best), np.cos(best)]), np.array([np.cos(best), np.sin(best)])
    panels[0].plot(*np.transpose([X[pivot] - 3 * along, X[pivot] + 3 * along]), color=BLUE, lw=2)
    panels[0].annotate(
        "", X[pivot] + 0.45 * normal, X[pivot], arrowprops={"arrowstyle": "->", "color": BLUE}
    )
    panels[0].scatter(*X[others].T, c=v[others], cmap="coolwarm", s=45, edgecolors="0.3", zorder=3)
    panels[0].plot(*X[pivot], "D", color=ORANGE, zorder=4)
    panels[0].set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), xticks=[], yticks=[], aspect="equal")
    panels[0].set_title("a pencil: the lines through one sample")
    panels[1].plot(angles, values, color=BLUE)
    panels[1].plot(
        events,
        [value(angle) for angle in events],
        "o",
        color=GREY,
        label="line through a second sample",
    )
    panels[1].plot(best, value(best), "D", color=ORANGE, label="the best")
    panels[1].axhline(0, color="0.8", linewidth=0.8)
    panels[1].set(xlabel="direction in which the line looks", title="what each is worth")
    panels[1].set_xticks(np.arange(5) * np.pi / 2, ["0", "π/2", "π", "3π/2", "2π"])
    panels[1].legend(frameon=False)
    assert np.abs(values).max() <= abs(value(best)) + 1e-9
    saved(figure, "pencil.png")


def certificate():
    """Objective and bound of each round, until they meet."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200, 4))
    y = np.abs(X[:, 0] - X[:, 1]) + X[:, 2] * X[:, 3] + 0.1 * rng.normal(size=200)
    model = WedgeReLURegressor(alpha=alpha_max(X, y) / 300, tol=1e-6).fit(X, y)
    history, best = model.history_, model.certificate_
    rounds = np.arange(1, len(history) + 1)
    bound = np.maximum.accumulate([entry.estimate for entry in history])
    proved = [k for k, entry in enumerate(history) if entry.pricing == "exact"]

    figure, panel = plt.subplots(figsize=(7, 3.6), layout="constrained")
    panel.plot(rounds, [entry.objective for entry in history], "o-", color=BLUE, label="objective")
    panel.plot(rounds, bound, ".--", color=GREY, label="bound over the neurons searched")
    panel.plot(rounds[proved], [history[k].lower_bound for k in proved], "D", color=ORANGE,
               label="proved bound: all neurons priced")  # fmt: skip
    low = min(bound[len(bound) // 3 :].min(), best.lower_bound)
    high = history[min(2, len(history) - 1)].objective
    panel.set(xlabel="pricing round", ylim=(low - 0.1 * (high - low), high + 0.1 * (high - low)))
    panel.set_title(f"{model.n_neurons_} neurons, relative gap {best.relative_gap:.0e}")
    panel.legend(frameon=False)
    assert best.exact
    saved(figure, "certificate.png")


if __name__ == "__main__":
    matplotlib.use("agg")
    for draw in (hinge, triangle, pencil, certificate):
        draw()
