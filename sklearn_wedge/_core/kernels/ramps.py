"""Ramps along given directions, and along all directions of two inputs.

With ``H(c) = V·(u·x - c)_+`` a ramp from ``a`` to ``b`` has the product ``H(a) - H(b)`` with a dual
point: the best one of a direction joins two places that are farthest apart in ``H``.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled
from sklearn_wedge._core.kernels.rounding import TIE

# Of several outputs, ramps are not looked at closely below this fraction of the best one.
NEARLY_BEST = 0.9


@compiled()
def hinge_products(positions, dual, found):
    """``H`` at every position, ascending; ``dual`` and ``found``, (q, m), of the same order."""
    n_positions = len(positions)
    for k in range(len(dual)):
        so_far, value = 0.0, 0.0
        found[k, n_positions - 1] = 0.0
        for p in range(n_positions - 2, -1, -1):
            so_far += dual[k, p + 1]
            value += so_far * (positions[p + 1] - positions[p])
            found[k, p] = value


@compiled()
def farthest_in_line(values, begin, end, direction):
    """Two places of a sequence, of which the second is less by most (direction 1), more by most
    (-1), or either (0); and by how much.
    """
    best, start, stop = 0.0, begin, begin
    low = high = begin
    for p in range(begin + 1, end):
        if values[p] < values[low]:
            low = p
        if values[p] > values[high]:
            high = p
        if direction >= 0 and values[high] - values[p] > best:
            best, start, stop = values[high] - values[p], high, p
        if direction <= 0 and values[p] - values[low] > best:
            best, start, stop = values[p] - values[low], low, p
    return best, start, stop


@compiled()
def distance(values, p, q):
    """Between two columns of ``values``, (q, m)."""
    square = 0.0
    for k in range(len(values)):
        difference = values[k, p] - values[k, q]
        square += difference * difference
    return sqrt(square)


@compiled()
def farthest_in_space(values, begin, end, least):
    """Two columns of ``values``, (q, m), that are farthest apart, and their distance.

    If all are within a box whose diagonal is at most ``least``: minus that diagonal, and no pair.
    """
    n_outputs, square = len(values), 0.0
    centre = np.empty(n_outputs)
    best, start, stop = 0.0, begin, begin
    for k in range(n_outputs):
        low = high = begin
        for p in range(begin + 1, end):
            if values[k, p] < values[k, low]:
                low = p
            if values[k, p] > values[k, high]:
                high = p
        width = values[k, high] - values[k, low]
        square += width * width
        centre[k] = values[k, low] + width / 2
        apart = distance(values, low, high)
        if apart > best:
            best, start, stop = apart, min(low, high), max(low, high)
    if sqrt(square) <= least:
        return -sqrt(square), begin, begin
    # Two columns are at most as far apart as both from the centre together.
    away, farthest = np.empty(end - begin), 0.0
    for p in range(begin, end):
        square = 0.0
        for k in range(n_outputs):
            square += (values[k, p] - centre[k]) ** 2
        away[p - begin] = sqrt(square)
        farthest = max(farthest, away[p - begin])
    far = np.empty(end - begin, dtype=np.int64)
    n_far = 0
    for p in range(begin, end):
        if away[p - begin] + farthest <= best:
            continue
        for j in range(n_far):
            if away[far[j] - begin] + away[p - begin] > best:
                apart = distance(values, far[j], p)
                if apart > best:
                    best, start, stop = apart, far[j], p
        far[n_far] = p
        n_far += 1
    return best, start, stop


@compiled()
def farthest(values, begin, end, direction, least):
    """The best ramp between two of some positions, given ``H``, (q, m): value, start and end.

    Of several outputs minus an upper bound, and no ramp, if none is worth more than ``least``.
    """
    if len(values) == 1:
        return farthest_in_line(values[0], begin, end, direction)
    return farthest_in_space(values, begin, end, least)


@compiled("void(f8[::1], f8[:,::1], i8, i8[:,::1], f8[::1], i8[:,::1])")
def between(positions, dual, direction, parts, values, pairs):
    """The best ramp within each of some stretches of one sorted input.

    Each next stretch is what the one at ``parts[k, 0]`` leaves before (``parts[k, 1]`` is 0) or
    after (1) its ramp; the first one is the whole.

    Parameters
    ----------
    positions : (m,)
        Ascending.
    dual : (q, m)
        Summed at each position.
    direction : int
        Of the coefficient with which a ramp rises or falls; 0: any.
    parts : (k, 2)
        See above.
    values : (k,)
        The value of each ramp.
    pairs : (k, 2)
        Its two positions; the same twice if there is none.
    """
    found = np.empty(dual.shape)
    hinge_products(positions, dual, found)
    stretches = np.empty((len(parts), 2), dtype=np.int64)
    for k in range(len(parts)):
        begin, end = 0, len(positions)
        if k > 0:
            parent = parts[k, 0]
            begin, end = stretches[parent, 0], stretches[parent, 1]
            if parts[k, 1] == 0:
                end = pairs[parent, 0] + 1
            else:
                begin = pairs[parent, 1]
        stretches[k, 0], stretches[k, 1] = begin, end
        values[k], pairs[k, 0], pairs[k, 1] = farthest(found, begin, end, direction, 0.0)


@compiled("void(f8[:,::1], u4[:,::1], f8[:,::1], i8[::1], f8[::1], i8[:,::1])")
def along(reach, order, dual, directions, values, pairs):
    """The best ramp along each of some directions.

    Parameters
    ----------
    reach : (B, m)
        Projections of the samples.
    order : (B, m)
        What sorts them.
    dual : (q, m)
        Dual point.
    directions : (B,)
        Of the coefficient, see ``between``.
    values : (B,)
        The value of each ramp.
    pairs : (B, 2)
        The samples at which it begins and ends.
    """
    n_directions, n_positions = reach.shape
    positions = np.empty(n_positions)
    ordered, found = np.empty((2, len(dual), n_positions))
    for b in range(n_directions):
        for p in range(n_positions):
            i = order[b, p]
            positions[p] = reach[b, i]
            for k in range(len(dual)):
                ordered[k, p] = dual[k, i]
        hinge_products(positions, ordered, found)
        values[b], start, stop = farthest(found, 0, n_positions, directions[b], 0.0)
        pairs[b, 0], pairs[b, 1] = order[b, start], order[b, stop]


@compiled("void(f8[:,::1], f8[:,::1], u4[::1], f8[::1], f8[::1], i8[::1], f8[::1], i8[:,::1])")
def around(columns, dual, order, slopes, sizes, directions, values, pairs):
    """The best ramp along each of many directions ``(slope, 1)`` of two inputs, in turn.

    From one direction to the next the order of the samples hardly changes: it is mended by
    insertion, which takes as many steps as samples change places.

    Parameters
    ----------
    columns : (2, m)
        Samples.
    dual : (q, m)
        Dual point.
    order : (m,)
        What sorts them along the first direction; changed.
    slopes : (B,)
        Ascending or descending.
    sizes : (B,)
        The norm of ``(slope, 1)``.
    directions : (B,)
        Of the coefficient, see ``between``.
    values : (B,)
        The value of each ramp; minus an upper bound of it where that is far below the largest.
    pairs : (B, 2)
        The samples at which it begins and ends.
    """
    n_positions = len(order)
    positions = np.empty(n_positions)
    ordered, found = np.empty((2, len(dual), n_positions))
    largest = 0.0
    for b in range(len(slopes)):
        slope = slopes[b]
        for p in range(n_positions):
            i = order[p]
            reach = slope * columns[0, i] + columns[1, i]
            place = p
            while place > 0 and positions[place - 1] > reach:
                positions[place], order[place] = positions[place - 1], order[place - 1]
                place -= 1
            positions[place], order[place] = reach, i
        for k in range(len(dual)):
            for p in range(n_positions):
                ordered[k, p] = dual[k, order[p]]
        hinge_products(positions, ordered, found)
        least = NEARLY_BEST * largest * sizes[b]
        value, start, stop = farthest(found, 0, n_positions, directions[b], least)
        values[b] = value / sizes[b]
        largest = max(largest, values[b])
        pairs[b, 0], pairs[b, 1] = order[start], order[stop]


@compiled()
def flips(x, y, point, angles, begin, active):
    """When, on half a turn of a line through a point, which samples change sides.

    Writes the cotangent of the direction for each sample and whether it is active at first.
    """
    for i in range(len(x)):
        dx, dy = x[i] - x[point], y[i] - y[point]
        active[begin + i] = dx > 0.0 or (dx == 0.0 and dy > 0.0)
        # Directions (cos, sin) go from angle 0 on: those that turn back to an axis count there.
        angles[begin + i] = dy / dx if dx != 0.0 else np.inf


@compiled()
def move(pull, dual, x, y, pair, which, enters):
    """Add or take off what a sample adds to the product of a ramp, per unit of the direction."""
    n = len(x)
    at_end = which >= n
    i = which - n if at_end else which
    point = pair[1] if at_end else pair[0]
    sign = 1.0 if at_end != enters else -1.0
    for k in range(len(dual)):
        pull[k, 0] += sign * dual[k, i] * (x[i] - x[point])
        pull[k, 1] += sign * dual[k, i] * (y[i] - y[point])


@compiled()
def weighed(pull, slope, directions, l2, width):
    """The value of a ramp of direction ``(slope, 1)``, of unit norm; 0 if it is of one input.

    Below 0 if its coefficient would have to have the other sign.
    """
    follows, second = np.sign(slope) * directions[0], directions[1]
    if slope == 0.0 or follows * second < 0.0:
        return 0.0
    size = sqrt(slope * slope + 1.0) if l2 else abs(slope) + 1.0
    if follows + second != 0.0:
        # Seen from the end, a ramp is one minus itself.
        forward = np.sign(slope * width[0] + width[1])
        return np.sign(follows + second) * forward * (pull[0, 0] * slope + pull[0, 1]) / size
    square = 0.0
    for k in range(len(pull)):
        product = pull[k, 0] * slope + pull[k, 1]
        square += product * product
    return sqrt(square) / size


@compiled("void(f8[:,::1], f8[:,::1], i8[:,::1], i8[:,::1], f8[:,::1], b1, f8[::1], f8[:,::1])")
def turned(columns, dual, inputs, pairs, directions, l2, values, normals):
    """The best direction of ramps that begin and end at two given samples, in two inputs each.

    Parameters
    ----------
    columns : (d, m)
        Samples.
    dual : (q, m)
        Dual point.
    inputs : (B, 2)
        The two inputs of each ramp.
    pairs : (B, 2)
        The samples at which it begins and ends.
    directions : (B, 2)
        Constraint of each input: -1, 0, 1.
    l2 : bool
        Norm of directions: l2, else l1. Under l2 directions between those of samples count, of one
        output.
    values : (B,)
        Of the best one of two inputs; 0 if there is none.
    normals : (B, 2)
        Its direction.
    """
    n_outputs, n = dual.shape
    angles, active = np.empty(2 * n), np.empty(2 * n, dtype=np.bool_)
    pull = np.empty((n_outputs, 2))
    for b in range(len(inputs)):
        x, y = columns[inputs[b, 0]], columns[inputs[b, 1]]
        flips(x, y, pairs[b, 0], angles, 0, active)
        flips(x, y, pairs[b, 1], angles, n, active)
        width = x[pairs[b, 1]] - x[pairs[b, 0]], y[pairs[b, 1]] - y[pairs[b, 0]]
        pull[:] = 0.0
        for which in range(2 * n):
            if active[which]:
                move(pull, dual, x, y, pairs[b], which, True)
        # u = (cos, sin) is orthogonal to (dx, dy) where -cos/sin is dy/dx: this ascends.
        order = np.argsort(angles)
        best, before = 0.0, -np.inf
        for place in range(2 * n):
            which = order[place]
            slope = -angles[which]
            if slope == -np.inf:
                break
            value = weighed(pull, slope, directions[b], l2, width)
            if value > best * (1.0 + TIE):
                best, normals[b, 0], normals[b, 1] = value, slope, 1.0
            if l2 and n_outputs == 1 and pull[0, 1] != 0.0:
                between_them = pull[0, 0] / pull[0, 1]
                if -before > between_them > slope:
                    value = weighed(pull, between_them, directions[b], l2, width)
                    if value > best * (1.0 + TIE):
                        best, normals[b, 0], normals[b, 1] = value, between_them, 1.0
            before = angles[which]
            active[which] = not active[which]
            move(pull, dual, x, y, pairs[b], which, active[which])
        values[b] = best
