"""Slow and simple answers to compare with: enumeration, an interior-point solver, random search.

Nothing here uses the package's own geometry or pricing.
"""

from dataclasses import dataclass
from itertools import combinations

import clarabel
import numpy as np
from scipy import sparse

# Edges of unit length whose minors are all below this span no hyperplane.
DEPENDENT_EDGES = 1e-9
# Weights below this are rounding.
NO_WEIGHT = 1e-10


@dataclass(frozen=True)
class Dictionary:
    """Neurons ``min((u·x + c)_+, h)`` in the open: ``weights`` (m, d), ``offsets`` (m,).

    ``heights``, (m,), are infinite unless there are ramps.
    """

    weights: np.ndarray
    offsets: np.ndarray
    heights: np.ndarray | float = np.inf

    def __len__(self):
        return len(self.offsets)

    def activations(self, X):
        """Shape (m, n)."""
        height = np.broadcast_to(self.heights, self.offsets.shape)[:, None]
        return np.clip(self.weights @ X.T + self.offsets[:, None], 0.0, height)

    def values(self, X, dual):
        """``‖V·h‖`` of the activations ``h`` of every neuron."""
        return np.linalg.norm(self.activations(X) @ dual, axis=1)

    def take(self, which):
        heights = np.broadcast_to(self.heights, self.offsets.shape)
        return Dictionary(self.weights[which], self.offsets[which], heights[which])

    def both_orientations(self):
        """Of hyperplanes, which are no ramps."""
        return Dictionary(
            np.concatenate([self.weights, -self.weights]),
            np.concatenate([self.offsets, -self.offsets]),
        )


def normals_through(corners):
    """Unit-l1 normals of hyperplanes through ``s`` points in R^s: (m, s, s) -> (m, s), by minors.

    The second result says which sets of points span a hyperplane.
    """
    edges = corners[:, 1:] - corners[:, :1]
    length = np.linalg.norm(edges, axis=2, keepdims=True)
    edges = edges / np.where(length > 0, length, 1.0)
    s = corners.shape[2]
    minors = [(-1) ** k * np.linalg.det(np.delete(edges, k, axis=2)) for k in range(s)]
    normal = np.stack(minors, axis=1)
    size = np.abs(normal).sum(axis=1)
    defined = size > DEPENDENT_EDGES
    return normal / np.where(defined, size, 1.0)[:, None], defined


def every_neuron(points, order):
    """All neurons of the theorem: every ``s <= order``, ``s`` inputs, ``s`` points, orientation."""
    n, d = points.shape
    weights, offsets = [np.empty((0, d))], [np.empty(0)]
    for s in range(1, min(order, d, n) + 1):
        chosen = np.array(list(combinations(range(n), s)))
        for inputs in combinations(range(d), s):
            corners = points[chosen][:, :, inputs]
            normal, defined = normals_through(corners)
            full = np.zeros((defined.sum(), d))
            full[:, inputs] = normal[defined]
            weights.append(full)
            offsets.append(-np.einsum("ms,ms->m", normal, corners[:, 0])[defined])
    return Dictionary(np.concatenate(weights), np.concatenate(offsets)).both_orientations()


def every_ramp(points, order):
    """All ramps of the theorem, of at most two inputs: between any two parallel lines through
    points, in directions of inputs and of lines through two points.
    """
    n, d = points.shape
    directions = np.concatenate([np.eye(d), np.empty((0, d))])
    if order > 1 and n > 1:
        wedges = every_neuron(points, 2).weights
        directions = np.concatenate([directions, wedges[(wedges != 0).sum(axis=1) == 2]])
    found = [Dictionary(np.empty((0, d)), np.empty(0), np.empty(0))]
    for direction in directions:
        reach = np.unique(points @ direction)
        begin, end = (reach[k] for k in np.triu_indices(len(reach), 1))
        weights = np.tile(direction, (len(begin), 1))
        found.append(Dictionary(weights, -begin, end - begin))
    return joined(*found)


def signs_required(neurons, monotone):
    """Of each neuron: may its coefficient be positive, may it be negative? Two masks."""
    direction = np.where(np.abs(neurons.weights) > NO_WEIGHT, np.sign(neurons.weights), 0.0)
    direction = direction * np.asarray(monotone)
    return ~(direction < 0).any(axis=1), ~(direction > 0).any(axis=1)


def in_a_group(neurons, groups):
    """Whether all inputs of a neuron lie in one of the groups."""
    used = np.abs(neurons.weights) > NO_WEIGHT
    outside = [np.delete(used, list(group), axis=1).any(axis=1) for group in groups]
    return ~np.all(outside, axis=0)


def of_class(neurons, groups, monotone):
    """The neurons that constraints allow, and the signs, (m,), required of their coefficients."""
    groups = [range(neurons.weights.shape[1])] if groups is None else groups
    monotone = np.zeros(neurons.weights.shape[1]) if monotone is None else monotone
    up, down = signs_required(neurons, monotone)
    allowed = in_a_group(neurons, groups) & (up | down)
    signs = (up * 1 - down * 1)[allowed]
    return neurons.take(allowed), signs


def signed_values(products, signs):
    """``‖V·h‖``; times the sign where one is required."""
    return np.where(signs == 0, np.linalg.norm(products, axis=1), signs * products[:, 0])


def unit_l2(dictionary):
    """The same hyperplanes with weights of unit l2 norm."""
    length = np.linalg.norm(dictionary.weights, axis=1)
    heights = dictionary.heights / length
    return Dictionary(dictionary.weights / length[:, None], dictionary.offsets / length, heights)


def joined(*parts):
    parts = [part.take(slice(None)) for part in parts]
    names = "weights", "offsets", "heights"
    return Dictionary(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def normals_between_events(Z):
    """A normal in every interval of angles between two that are orthogonal to samples, (m, 2)."""
    Z = Z[np.any(Z != 0, axis=1)]
    events = np.unique((np.arctan2(Z[:, 1], Z[:, 0]) + np.pi / 2) % np.pi)
    middle = (events + np.append(events[1:], events[:1] + np.pi)) / 2
    middle = np.concatenate([middle, middle + np.pi])
    return np.column_stack([np.cos(middle), np.sin(middle)])


def moments(Z, active, dual):
    """``Σ (x_i - x_j) V_i^T`` over the active samples, term by term: (m, s, q)."""
    return np.einsum("mi,is,iq->msq", np.asarray(active, float), Z, dual)


def rejections(points, dual):
    """Neurons along the moment of every interval of every pivot in every pair of inputs."""
    d = points.shape[1]
    parts = [Dictionary(np.empty((0, d)), np.empty(0))]
    for inputs in combinations(range(d), 2):
        for pivot in points[:, inputs]:
            Z = points[:, inputs] - pivot
            active = normals_between_events(Z) @ Z.T > 0
            leading = np.linalg.svd(moments(Z, active, dual))[0][:, :, 0]
            weights = np.zeros((len(leading), d))
            weights[:, inputs] = leading
            parts.append(Dictionary(weights, -leading @ pivot))
    return joined(*parts).both_orientations()


def class_of_pairs(points, dual):
    """Neurons among which the best of at most two inputs must be."""
    return joined(unit_l2(every_neuron(points, 2)), rejections(points, dual))


def random_neurons(rng, points, order, how_many):
    """Random unit-l1 neurons with at most ``order`` inputs, through a sample each."""
    n, d = points.shape
    weights = rng.standard_normal((how_many, d))
    sizes = rng.integers(1, min(order, d) + 1, size=how_many)
    rank = np.argsort(rng.random((how_many, d)), axis=1)
    weights[rank >= sizes[:, None]] = 0.0
    weights /= np.abs(weights).sum(axis=1, keepdims=True)
    pivots = points[rng.integers(n, size=how_many)]
    return Dictionary(weights, -np.einsum("md,md->m", weights, pivots)).both_orientations()


@dataclass(frozen=True)
class Optimum:
    """Bounds on the optimum, both from feasible points, so that they hold however good the solver.

    ``upper`` is the objective of ``coef`` with its best intercept; ``lower`` the dual value of a
    feasible dual point.
    """

    lower: float
    upper: float
    coef: np.ndarray

    @property
    def relative_gap(self):
        return (self.upper - self.lower) / max(self.upper, np.finfo(float).tiny)


def l1_objective(activations, target, weight, alpha, coef):
    """``Σ w (Kz + t - y)² / 2 + α‖z‖₁`` at the best intercept."""
    residual = target - activations.T @ coef
    residual = residual - weight @ residual
    return 0.5 * weight @ residual**2 + alpha * np.abs(coef).sum()


def optimum(activations, target, weight, alpha, signs=None):
    """Solve ``min Σ w (Kz + t - y)² / 2 + α‖z‖₁`` on explicit columns, (m, n), with CLARABEL.

    The dual is solved: ``max v·y - Σ v²/(2w)`` with ``|Kᵀv| <= α`` and ``Σ v = 0``; the multipliers
    of the inequalities are z. Where ``signs`` requires one, only one of the two inequalities is
    there.
    """
    weight = weight / weight.sum()
    m, n = activations.shape
    signs = np.zeros(m) if signs is None else signs
    centred = target - weight @ target
    unit = np.sqrt(weight @ centred**2) or 1.0
    # In u = v / (√w unit), on unique columns of unit length: well scaled, however small the rest.
    rows = (activations - (activations @ weight)[:, None]) * np.sqrt(weight)
    limit = np.full(m, alpha / unit)
    length = np.linalg.norm(rows, axis=1)
    usable = np.flatnonzero(length > 1e-13 * length.max(initial=0.0))
    rows, limit = rows[usable] / length[usable, None], limit[usable] / length[usable]
    keys = np.column_stack([rows, limit / limit.max(initial=1.0), signs[usable]])
    keys = np.round(keys, 12)
    _, unique = np.unique(keys, axis=0, return_index=True)
    usable, rows, limit = usable[unique], rows[unique], limit[unique]

    up, down = np.flatnonzero(signs[usable] >= 0), np.flatnonzero(signs[usable] <= 0)
    constraints = sparse.csc_matrix(np.vstack([np.sqrt(weight)[None], rows[up], -rows[down]]))
    right = np.concatenate([[0.0], limit[up], limit[down]])
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(len(up) + len(down))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
    solver = clarabel.DefaultSolver(
        sparse.eye(n, format="csc"),
        -np.sqrt(weight) * centred / unit,
        constraints,
        right,
        cones,
        settings,
    )
    found = solver.solve()
    multipliers = np.array(found.z)[1:]
    coef = np.zeros(m)
    coef[usable[up]] += multipliers[: len(up)] / length[usable[up]] * unit
    coef[usable[down]] -= multipliers[len(up) :] / length[usable[down]] * unit
    dual = np.array(found.x) * np.sqrt(weight) * unit
    dual = dual - weight * dual.sum()
    dual = dual / max(
        1.0, signed_values((activations @ dual)[:, None], signs).max(initial=0) / alpha
    )
    return Optimum(
        lower=max(0.0, dual @ centred - 0.5 * dual**2 @ (1 / weight)),
        upper=l1_objective(activations, target, weight, alpha, coef),
        coef=coef,
    )


def canonical(X):
    """Distinct rows in lexicographic order, centred: the points that pricing expects."""
    points = np.unique(np.asarray(X, dtype=float), axis=0)
    return points - points.mean(axis=0)


def standardized(X):
    """Unit variance: ties that were exact in integers are then ties up to rounding."""
    scale = np.std(X, axis=0)
    return X / np.where(scale > 0, scale, 1.0)


def grid(*sides):
    """All points of an integer grid."""
    return np.stack(np.meshgrid(*map(np.arange, sides)), axis=-1).reshape(-1, len(sides))


def awkward_tables():
    """Name -> points of tables as they come: ties, dependent columns, few rows, few values."""
    rng = np.random.default_rng(0)
    generic = rng.standard_normal((9, 3))
    one_hot = np.eye(3)[np.arange(9) % 3]
    few_values = rng.integers(0, 3, size=(9, 4))
    line = np.arange(7.0)[:, None]
    rank_two = rng.standard_normal((8, 2)) @ rng.standard_normal((2, 3))
    raw = {
        "generic 1 input": rng.standard_normal((12, 1)),
        "generic 2 inputs": rng.standard_normal((10, 2)),
        "generic 3 inputs": rng.standard_normal((8, 3)),
        "generic 4 inputs": rng.standard_normal((7, 4)),
        "grid of 2 inputs": grid(4, 4),
        "standardised grid of 2 inputs": standardized(grid(5, 3)),
        "grid of 3 inputs": grid(3, 3, 2),
        "standardised grid of 3 inputs": standardized(grid(3, 2, 2)),
        "few values in 4 inputs": few_values,
        "standardised few values": standardized(few_values),
        "repeated values in 1 input": rng.integers(0, 5, size=(12, 1)),
        "duplicated column": generic[:, [0, 1, 0]],
        "negated column": np.column_stack([generic[:, 0], -generic[:, 0], generic[:, 1]]),
        "sum of columns": np.column_stack([generic[:, :2], generic[:, 0] + generic[:, 1]]),
        "binary": grid(2, 2, 2, 2),
        "standardised binary": standardized(rng.integers(0, 2, size=(10, 4)) * 1.0),
        "one-hot and a number": np.column_stack([one_hot, rng.standard_normal(9)]),
        "one-hot and an integer": np.column_stack([one_hot, np.arange(9) // 3]),
        "constant column": np.column_stack([generic[:, 0], np.full(9, 2.0), generic[:, 1]]),
        "points on a line": line @ [[1.0, 2.0]],
        "points on a slanted line": line @ rng.standard_normal((1, 3)),
        "points in a plane": rank_two,
        "points on two lines": np.concatenate([line @ [[1.0, 1.0]], line @ [[1.0, -1.0]]]),
        "fewer rows than inputs": rng.standard_normal((3, 4)),
        "two points": rng.standard_normal((2, 3)),
        "one point": rng.standard_normal((1, 3)),
        "columns of very different size": generic * [1e-3, 1.0, 1e3],
        "heavy tails": np.exp(2 * rng.standard_normal((9, 3))),
    }
    return {name: canonical(X) for name, X in raw.items()}


def random_dual(rng, n_points, n_outputs, kind="normal"):
    """A dual point (p, q) that sums to zero: normal, sparse, or of small integers."""
    if kind == "integer":
        dual = rng.integers(-2, 3, size=(n_points, n_outputs)).astype(float)
    else:
        dual = rng.standard_normal((n_points, n_outputs))
    if kind == "sparse":
        dual[rng.random((n_points, n_outputs)) < 0.6] = 0.0
    # The last point balances: exact for integers, and it keeps the zeros.
    dual[-1] -= dual.sum(axis=0)
    return dual
