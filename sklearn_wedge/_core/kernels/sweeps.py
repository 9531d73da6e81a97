"""The loops of a pencil sweep: coordinates, keys to sort by, and once around each pencil.

``b`` counts pencils of a batch, ``i`` positions, ``p`` places in the order of the slopes, ``k``
outputs. See ``pricing.sweep`` for what is computed.
"""

from __future__ import annotations

from math import hypot, sqrt

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled
from sklearn_wedge._core.kernels.rounding import TIE, ZERO_COMPONENT

# Stands for a vertical line; finite, so that no product with it is undefined.
VERTICAL = 1e100

_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)


@compiled("void(f8[:,::1], i8[:,::1], i8[::1], f8[:,:,::1], f8[::1], f8[:,::1], f8[:,::1])")
def project(columns, inputs, pivots, basis, tiny, x, y):
    """Coordinates ``x, y``, (B, m), of all positions in the plane of each pencil.

    ``basis``, (B, s, 2), spans the plane; for two inputs it is not looked at.
    """
    n_pencils, size = inputs.shape
    n_positions = columns.shape[1]
    for b in range(n_pencils):
        if size == 2:
            for axis, out in enumerate((x, y)):
                column = columns[inputs[b, axis]]
                pivot = column[pivots[b]]
                for i in range(n_positions):
                    out[b, i] = column[i] - pivot
            continue
        for axis, out in enumerate((x, y)):
            row = out[b]
            row[:] = 0.0
            for j in range(size):
                column, weight = columns[inputs[b, j]], basis[b, j, axis]
                pivot = column[pivots[b]]
                for i in range(n_positions):
                    row[i] += weight * (column[i] - pivot)
            for i in range(n_positions):
                row[i] = 0.0 if abs(row[i]) <= tiny[b] else row[i]


@compiled("void(f8[:,::1], i8[:,::1])")
def order_keys(values, keys):
    """Integers in the order of the values of each row; their last bits give way to the index."""
    n_rows, n_columns = values.shape
    low = np.int64(1)
    while low < n_columns:
        low <<= 1
    low -= 1
    floats = keys.view(np.float64)
    for row in range(n_rows):
        for i in range(n_columns):
            floats[row, i] = values[row, i] + 0.0  # -0.0 and 0.0 are one value
        for i in range(n_columns):
            bits = keys[row, i]
            keys[row, i] = ((bits ^ ((bits >> 63) & _MAGNITUDE)) & ~low) | i


@compiled("void(f8[:,::1], f8[:,::1], f8[:,::1])")
def slopes(x, y, slope):
    """``y / x``, with one value for the vertical direction and for the pivot itself."""
    n_rows, n_columns = x.shape
    for row in range(n_rows):
        for i in range(n_columns):
            ratio = VERTICAL if x[row, i] == 0 else y[row, i] / x[row, i]
            slope[row, i] = min(max(ratio, -VERTICAL), VERTICAL)


@compiled("void(i8[:,::1], u4[:,::1])")
def order_of(keys, order):
    """Which index each sorted key belongs to."""
    n_rows, n_columns = keys.shape
    low = np.int64(1)
    while low < n_columns:
        low <<= 1
    low -= 1
    for row in range(n_rows):
        for i in range(n_columns):
            order[row, i] = keys[row, i] & low


@compiled()
def _gather(x, y, order, slope, right_x, right_y, sign):
    """Positions in the order of their slopes, turned into the right half-plane."""
    for p in range(len(order)):
        i = order[p]
        first, second = x[i], y[i]
        left = first < 0 or (first == 0 and second < 0)
        side = -1.0 if left else 1.0
        first, second = side * first, side * second
        right_x[p], right_y[p] = first, second
        sign[p] = 0.0 if first == 0 and second == 0 else side
    for p in range(len(order)):
        ratio = VERTICAL if right_x[p] == 0 else right_y[p] / right_x[p]
        slope[p] = min(max(ratio, -VERTICAL), VERTICAL)


@compiled()
def _cumulate(v, order, right_x, right_y, sign, sum_x, sum_y):
    """Sums of ``v Z`` of samples up to each place; ``v`` counts on the right side."""
    so_far_x, so_far_y = 0.0, 0.0
    for p in range(len(order)):
        turned = v[order[p]]
        so_far_x += turned * right_x[p]
        so_far_y += turned * right_y[p]
        sum_x[p], sum_y[p] = so_far_x, so_far_y


@compiled()
def _cumulate_cells(v, cells, pivot_x, pivot_y, order, sign, sum_x, sum_y):
    """The same of cells, whose first moments are given in absolute coordinates."""
    so_far_x, so_far_y = 0.0, 0.0
    for p in range(len(order)):
        i = order[p]
        so_far_x += sign[p] * (cells[0, i] - pivot_x * v[i])
        so_far_y += sign[p] * (cells[1, i] - pivot_y * v[i])
        sum_x[p], sum_y[p] = so_far_x, so_far_y


@compiled()
def _lengths_l1(basis, slope, sign, length):
    """Norm of the weights ``Q (-slope, 1)``; 0 where one of them is zero or there is no line."""
    n_positions = len(slope)
    if basis.shape[0] == 2:
        for p in range(n_positions):
            size = abs(slope[p])
            total = size + 1.0
            counts = min(size, 1.0) > ZERO_COMPONENT * total and sign[p] != 0
            length[p] = total if counts else 0.0
        return
    for p in range(n_positions):
        total, smallest = 0.0, np.inf
        for j in range(basis.shape[0]):
            weight = abs(basis[j, 1] - slope[p] * basis[j, 0])
            total += weight
            smallest = min(smallest, weight)
        counts = smallest > ZERO_COMPONENT * total and sign[p] != 0
        length[p] = total if counts else 0.0


@compiled()
def _lengths_l2(slope, sign, length):
    """The same under l2; whether a weight is zero is asked of the best line only."""
    for p in range(len(slope)):
        size = sqrt(slope[p] * slope[p] + 1.0)  # Q has orthonormal columns
        length[p] = size if sign[p] != 0 else 0.0


@compiled()
def _invert(length):
    """One over each length in place, 0 where there is none: once for all outputs."""
    for p in range(len(length)):
        length[p] = 0.0 if length[p] == 0 else 1.0 / length[p]


@compiled()
def _sides(slope, length, sum_x, sum_y, total_x, total_y, value, opposite):
    """What the dual makes of the two orientations of each line, of one output."""
    last = len(slope) - 1
    # At first the right half-plane is active: (sum of both sides + their difference) / 2.
    start_x, start_y = (total_x + sum_x[last]) / 2, (total_y + sum_y[last]) / 2
    for p in range(len(slope)):
        active = (start_y - sum_y[p]) - slope[p] * (start_x - sum_x[p])
        inactive = active - (total_y - slope[p] * total_x)
        inverse = 0.0 if length[p] == 0 else 1.0 / length[p]
        value[p] = active * inverse
        opposite[p] = inactive * inverse


@compiled()
def _add_sides(slope, inverse, sum_x, sum_y, total_x, total_y, squares, opposite_squares):
    """Add the squares of the same of one of several outputs."""
    last = len(slope) - 1
    start_x, start_y = (total_x + sum_x[last]) / 2, (total_y + sum_y[last]) / 2
    for p in range(len(slope)):
        active = (start_y - sum_y[p]) - slope[p] * (start_x - sum_x[p])
        inactive = active - (total_y - slope[p] * total_x)
        squares[p] += (active * inverse[p]) * (active * inverse[p])
        opposite_squares[p] += (inactive * inverse[p]) * (inactive * inverse[p])


@compiled()
def _monotone(basis, slope, directions, value, opposite, values):
    """Values with coefficients of the sign that the weights require; at least 0.

    0 where some weights follow the directions of their inputs and others oppose them: with no
    coefficient is such a neuron monotone.
    """
    n_constrained = 0.0
    for j in range(len(directions)):
        n_constrained += abs(directions[j])
    for p in range(len(slope)):
        agreement = 0.0
        for j in range(len(directions)):
            agreement += directions[j] * np.sign(basis[j, 1] - slope[p] * basis[j, 0])
        if n_constrained == 0:
            values[p] = max(abs(value[p]), abs(opposite[p]))
        elif abs(agreement) < n_constrained:
            values[p] = 0.0
        else:
            # The other orientation has the opposite weights.
            sign = np.sign(agreement)
            values[p] = max(sign * value[p], -sign * opposite[p], 0.0)


@compiled()
def largest(values):
    """The largest of values that are not negative."""
    most = np.int64(0)
    bits = values.view(np.int64)  # in the same order, and faster to compare
    for p in range(len(bits)):
        most = max(most, bits[p])
    found = np.empty(1, dtype=np.int64)
    found[0] = most
    return found.view(np.float64)[0]


@compiled()
def _first_position(values, threshold, order):
    """Of hyperplanes that are equally good but for rounding, that through the first sample."""
    first = np.uint32(0xFFFF_FFFF)
    for p in range(len(values)):
        first = min(first, order[p] if values[p] >= threshold else np.uint32(0xFFFF_FFFF))
    return first


@compiled()
def _add_products(sum_x, sum_y, total_x, total_y, squares):
    """Add the entries of ``G G^T`` of one output, before the first place and after each.

    ``squares``, (2, 3, m + 1), of either side.
    """
    last = len(sum_x) - 1
    start_x, start_y = (total_x + sum_x[last]) / 2, (total_y + sum_y[last]) / 2
    for side in range(2):
        for p in range(len(sum_x) + 1):
            x, y = start_x - side * total_x, start_y - side * total_y
            if p > 0:
                x, y = x - sum_x[p - 1], y - sum_y[p - 1]
            squares[side, 0, p] += x * x
            squares[side, 1, p] += x * y
            squares[side, 2, p] += y * y


@compiled()
def _leading(first, mixed, second):
    """Slope of a normal along the leading eigenvector of ``G G^T``, and its singular value."""
    half_difference = (first - second) / 2
    radius = hypot(half_difference, mixed)
    # The eigenvector, in that of its two forms that does not cancel.
    if half_difference >= 0:
        rise, run = half_difference + radius, mixed
    else:
        rise, run = mixed, radius - half_difference
    slope = VERTICAL if run == 0 else min(max(-rise / run, -VERTICAL), VERTICAL)
    return slope, sqrt((first + second) / 2 + radius)


@compiled()
def _between(slope, one_output, sum_x, sum_y, total_x, total_y, squares, value_of, slope_of):
    """The best hyperplane strictly between two events, for every interval; 0 if there is none.

    With the active set of an interval, the value is the length of the projection of its moment onto
    the normal: largest, under l2, for the normal along the moment (for several outputs: along the
    leading singular vector). It is a hyperplane of the interval only if its slope lies in it.
    """
    n_positions = len(slope)
    start_x, start_y = (total_x + sum_x[-1]) / 2, (total_y + sum_y[-1]) / 2
    for p in range(n_positions + 1):
        low = -np.inf if p == 0 else slope[p - 1]
        high = np.inf if p == n_positions else slope[p]
        best, at = 0.0, 0.0
        for side in range(2):
            if one_output:
                x, y = start_x, start_y
                if p > 0:
                    x, y = x - sum_x[p - 1], y - sum_y[p - 1]
                x, y = x - side * total_x, y - side * total_y
                line = VERTICAL if y == 0 else min(max(-x / y, -VERTICAL), VERTICAL)
                if not low <= line <= high:
                    continue
                value = hypot(x, y)
            else:
                of_side = squares[side]
                line, value = _leading(of_side[0, p], of_side[1, p], of_side[2, p])
            if low <= line <= high and value > best:
                best, at = value, line
        value_of[p], slope_of[p] = best, at


@compiled()
def _uses_all(basis, slope):
    """Whether none of the weights of a line is zero. Else it is of a lower order.

    The best of a pencil is then found there, with the same value, and is not missed here.
    """
    total, smallest = 0.0, np.inf
    for j in range(basis.shape[0]):
        weight = abs(basis[j, 1] - slope * basis[j, 0])
        total += weight
        smallest = min(smallest, weight)
    return smallest > ZERO_COMPONENT * total


@compiled(
    "void(f8[:,::1], f8[:,::1], u4[:,::1], f8[:,:,::1], f8[:,::1], f8[:,:,::1], f8[:,::1],"
    " f8[:,:,::1], f8[:,::1], b1, b1, f8[::1], i8[::1], f8[::1])"
)
def turn(
    x, y, order, basis, dual, cells, pivots, total, directions, l2, rejections, values, events, at
):
    """Once around each pencil: its largest value, the position that completes it, the slope.

    Parameters
    ----------
    x, y : (B, m)
        Positions in the plane of each pencil.
    order : (B, m)
        Positions by slope.
    basis : (B, s, 2)
        From a direction of the plane to weights.
    dual : (q, m)
        Dual point.
    cells : (q, 2, m), or (0, 2, 0)
        First moments of cells, if positions stand for cells.
    pivots : (B, 2)
        What they are relative to.
    total : (B, q, 2)
        ``Σ v Z`` over all positions.
    directions : (B, s), or (B, 0)
        Those in which inputs are constrained.
    l2, rejections : bool
        The norm; whether hyperplanes between two positions count.
    values, events, at : (B,)
        What is found; the event is -1 for a hyperplane between two positions.
    """
    n_pencils, n_positions = order.shape
    n_outputs = len(dual)
    slope, length, sign = np.empty((3, n_positions))
    right_x, right_y, sum_x, sum_y = np.empty((4, n_positions))
    value, opposite, squares, opposite_squares, found = np.empty((5, n_positions))
    products = np.empty((2, 3, n_positions + 1 if rejections and n_outputs > 1 else 0))
    between, their_slopes = np.empty((2, n_positions + 1))
    for b in range(n_pencils):
        _gather(x[b], y[b], order[b], slope, right_x, right_y, sign)
        if l2:
            _lengths_l2(slope, sign, length)
        else:
            _lengths_l1(basis[b], slope, sign, length)
        if n_outputs > 1:
            _invert(length)
            squares[:] = 0.0
            opposite_squares[:] = 0.0
            products[:] = 0.0
        for k in range(n_outputs):
            if len(cells) > 0:
                _cumulate_cells(
                    dual[k], cells[k], pivots[b, 0], pivots[b, 1], order[b], sign, sum_x, sum_y
                )
            else:
                _cumulate(dual[k], order[b], right_x, right_y, sign, sum_x, sum_y)
            total_x, total_y = total[b, k, 0], total[b, k, 1]
            sums = sum_x, sum_y, total_x, total_y
            if n_outputs == 1:
                _sides(slope, length, *sums, value, opposite)
                continue
            _add_sides(slope, length, *sums, squares, opposite_squares)
            if rejections:
                _add_products(*sums, products)
        if n_outputs > 1:
            for p in range(n_positions):
                found[p] = max(squares[p], opposite_squares[p])
        elif directions.shape[1] > 0:
            _monotone(basis[b], slope, directions[b], value, opposite, found)
        else:
            for p in range(n_positions):
                found[p] = max(abs(value[p]), abs(opposite[p]))
        best, tied = largest(found), 1 - TIE
        if n_outputs > 1:
            tied *= tied  # of squares
        event = np.int64(_first_position(found, tied * best, order[b]))
        best = sqrt(best) if n_outputs > 1 else best
        slope_at = VERTICAL if x[b, event] == 0 else y[b, event] / x[b, event]
        slope_at = min(max(slope_at, -VERTICAL), VERTICAL)
        if rejections:
            _between(
                slope,
                n_outputs == 1,
                sum_x,
                sum_y,
                total[b, 0, 0],
                total[b, 0, 1],
                products,
                between,
                their_slopes,
            )
            most = largest(between)
            if most > (1 + TIE) * best:
                event = np.int64(-1)
                for p in range(n_positions + 1):
                    if between[p] >= (1 - TIE) * most:
                        slope_at = their_slopes[p]
                        break
            best = max(best, most)
        if l2 and not _uses_all(basis[b], slope_at):
            best = 0.0
        values[b], events[b], at[b] = best, event, slope_at
