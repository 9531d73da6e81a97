"""The active-set method of ``_master.active_set``, which says what it does and why.

The upper triangular factor ``R`` of the ridged Gram matrix of the active columns, ``RᵀR``, follows
the set: a column that enters is one substitution, one that leaves a few rotations of rows. Rows of
the whole Gram matrix are contiguous, so products with it are sums of rows; one for each move gives
the gradient of every column.
"""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled

EPS = np.finfo(np.float64).eps
# A column enters if it violates the optimality conditions by more than this fraction of alpha,
STATIONARITY_TOLERANCE = 1e-10
# and than what rounding leaves of a gradient, in units of eps × Σ|z| × the largest Gram entry.
ROUNDING = 4.0
# Descents, and moves of one: far more than any real problem takes.
MAX_ROUNDS = 2_000
# Full steps on one sign pattern before it counts as solved to machine precision.
MAX_REFINEMENTS = 5
# Violations are told apart to so many parts: dependent columns have equal gradients, and rounding
# must not choose among them.
PARTS = 1e9


@compiled()
def _update_gradient(gram, linear, coef, gradient):
    """``Gz - b``, in place."""
    gradient[:] = -linear
    for j in range(len(coef)):
        value = coef[j]
        if value != 0.0:
            for k in range(len(gradient)):
                gradient[k] += value * gram[j, k]


@compiled()
def _push(gradient, required):
    """What ``alpha`` limits: the gradient, or where a sign is required that towards it."""
    return abs(gradient) if required == 0 else -required * gradient


@compiled()
def _append(factor, active, k, column, gram, ridge):
    """Factor one more column, in place; False where rounding makes the matrix indefinite."""
    row = gram[column]
    entry = np.empty(k)
    for i in range(k):
        entry[i] = row[active[i]]
    rest = row[column] + ridge
    for i in range(k):
        value = entry[i] / factor[i, i]
        entry[i] = value
        rest -= value * value
        for j in range(i + 1, k):
            entry[j] -= value * factor[i, j]
    if not rest > 0.0:
        return False
    factor[:k, k] = entry
    factor[k, k] = np.sqrt(rest)
    active[k] = column
    return True


@compiled()
def _remove(factor, active, k, place):
    """Let the column at a place leave: rotations make the factor triangular again."""
    active[place : k - 1] = active[place + 1 : k]
    for i in range(k):
        first = max(place, i - 1)
        for j in range(first, k - 1):
            factor[i, j] = factor[i, j + 1]
    for i in range(place, k - 1):
        upper, lower = factor[i, i], factor[i + 1, i]
        length = np.hypot(upper, lower)
        cosine, sine = upper / length, lower / length
        factor[i, i] = length
        for j in range(i + 1, k - 1):
            above, below = factor[i, j], factor[i + 1, j]
            factor[i, j] = cosine * above + sine * below
            factor[i + 1, j] = cosine * below - sine * above


@compiled()
def _factor_anew(factor, active, columns, gram, ridge):
    """Factor these columns; returns the ridge, larger if rounding asks for it."""
    done = 0
    while done < len(columns):
        if _append(factor, active, done, columns[done], gram, ridge):
            done += 1
        else:
            # Every ridge has the same fixed point; a larger one only takes more steps to reach it.
            ridge *= 10
            done = 0
    return ridge


@compiled()
def _proximal_step(factor, k, residual):
    """``(gram + ridge)⁻¹ residual``."""
    step = residual.copy()
    for i in range(k):
        value = step[i] / factor[i, i]
        step[i] = value
        for j in range(i + 1, k):
            step[j] -= value * factor[i, j]
    for i in range(k - 1, -1, -1):
        rest = step[i] - np.dot(factor[i, i + 1 : k], step[i + 1 : k])
        step[i] = rest / factor[i, i]
    return step


@compiled("Tuple((f8, b1))(f8[::1], f8[::1], f8, f8, f8, i1[::1])")
def line_search(start, step, slope, curvature, alpha, required):
    """Exact minimiser on [0, 1] of the piecewise quadratic along ``step``.

    ``slope`` and ``curvature`` are those of the smooth part at 0; the l1 term has a kink wherever
    ``start + tau step`` changes sign. There is no passing where a sign is required. Returns how
    far, and whether no kink ended it.
    """
    for i in range(len(start)):
        slope += alpha * step[i] * (np.sign(start[i]) if start[i] != 0.0 else np.sign(step[i]))
    if slope >= 0.0:
        return 0.0, False
    opposed = np.flatnonzero(start * step < 0.0)
    turns = -start[opposed] / step[opposed]
    order = np.argsort(turns, kind="mergesort")
    passed = 0
    while passed < len(order) and turns[order[passed]] < 1.0:
        turn, which = turns[order[passed]], opposed[order[passed]]
        if slope + curvature * turn > 0.0 and curvature > 0.0:
            return -slope / curvature, False
        jump = np.inf if required[which] != 0 else 2.0 * alpha * abs(step[which])
        # The slope just after the kink: not negative, so the descent ends there.
        if slope + curvature * turn + jump >= 0.0:
            return turn, False
        slope += jump
        passed += 1
    if slope + curvature > 0.0 and curvature > 0.0:
        return -slope / curvature, False
    return 1.0, passed == 0


@compiled()
def _is_enough(coef, gradient, linear, required, alpha, half_square, accuracy):
    """Whether the duality gap is at most the accuracy."""
    largest, fitted, product, total = 0.0, 0.0, 0.0, 0.0
    for j in range(len(coef)):
        largest = max(largest, _push(gradient[j], required[j]))
        fitted += linear[j] * coef[j]
        product += gradient[j] * coef[j]
        total += abs(coef[j])
    half_residual = half_square + 0.5 * (product - fitted)
    shrink = min(1.0, alpha / largest) if largest > 0.0 else 1.0
    bound = shrink * (2.0 * half_square - fitted) - shrink * shrink * half_residual
    return half_residual + alpha * total - bound <= accuracy


@compiled()
def _violators(coef, gradient, allowed, at_most, required):
    """The zero coefficients whose gradient is beyond ``allowed`` by most, worst first."""
    beyond = np.empty(len(coef), dtype=np.int64)
    size = np.empty(len(coef))
    count = 0
    for j in range(len(coef)):
        pushed = _push(gradient[j], required[j])
        if coef[j] == 0.0 and pushed > allowed:
            beyond[count] = j
            size[count] = -np.rint(PARTS * pushed / allowed)
            count += 1
    worst = np.argsort(size[:count], kind="mergesort")[:at_most]
    return beyond[worst]


@compiled()
def _leave(factor, active, k, stays):
    """Let the columns leave that do not stay; returns how many are left."""
    for place in range(k - 1, -1, -1):
        if not stays[place]:
            _remove(factor, active, k, place)
            k -= 1
    return k


@compiled()
def _moved(start, step, length, required):
    """Where a move ends: 0 for what is zero but for rounding, or has a sign that it must not."""
    moved = start + length * step
    for i in range(len(moved)):
        if abs(moved[i]) <= 8.0 * EPS * abs(start[i]) or required[i] * moved[i] < 0.0:
            moved[i] = 0.0
    return moved


@compiled()
def _descend(factor, active, k, gram, linear, coef, gradient, ridge, alpha, rounding, required):
    """Optimise the active coefficients in place; those at zero leave.

    Returns how many are active, and whether there was any progress. ``gradient`` is that of all
    columns, before and after. On the way that of the active ones is carried along by what the
    linear system says of it, and computed anew before the end is believed.
    """
    columns = active[:k]
    z, slope = coef[columns], gradient[columns]
    sign = np.where(z != 0.0, np.sign(z), -np.sign(slope))
    progress, refinements, is_exact = False, 0, True
    for _ in range(MAX_ROUNDS):
        if k == 0 or refinements > MAX_REFINEMENTS:
            break
        residual = -slope - alpha * sign
        # Down to rounding: a column that depends on the active ones can be told from a violator
        # only if these are solved much better than it is judged.
        solved = np.abs(residual).max() <= rounding * np.abs(z).sum()
        if not (solved and is_exact):
            own = required[active[:k]]
            step = _proximal_step(factor, k, residual)
            right = (z != 0.0) | (own * step >= 0.0)
            if not right.all():
                # Of several that enter together some may be of no use beside the others. Without
                # the others each would move as required: one at a time they get on.
                if (z[right] != 0.0).all():
                    break
                k = _leave(factor, active, k, right)
                z, sign, slope = z[right], sign[right], slope[right]
                continue
            along = residual - ridge * step
            curvature = max(np.dot(along, step), 0.0)
            length, full = line_search(z, step, np.dot(slope, step), curvature, alpha, own)
            solved = length == 0.0
        if solved:
            if is_exact:
                break
            _update_gradient(gram, linear, coef, gradient)
            slope, is_exact = gradient[active[:k]], True
            continue
        progress, refinements = True, refinements + 1 if full else 0
        moved = _moved(z, step, length, own)
        coef[active[:k]] = moved
        stays = moved != 0.0
        slope, is_exact = (slope + length * along)[stays], False
        z, sign = moved[stays], np.sign(moved[stays])
        k = _leave(factor, active, k, stays)
        if full:
            _update_gradient(gram, linear, coef, gradient)
            slope, is_exact = gradient[active[:k]], True
    if not is_exact:
        _update_gradient(gram, linear, coef, gradient)
    return _leave(factor, active, k, z != 0.0), progress


@compiled("void(f8[:,::1], f8[::1], f8, f8[::1], i1[::1], f8[:,::1], f8, f8, f8, i8)")
def solve(gram, linear, alpha, coef, required, start, ridge, half_square, accuracy, enter_at_once):
    """See ``active_set.solve_quadratic_l1``; ``coef`` is changed in place.

    ``start`` is the factor of the columns in use; an accuracy of 0 stands for an exact solution.
    """
    rounding = ROUNDING * EPS * np.abs(gram).max()
    in_use = np.flatnonzero(coef)
    k, capacity = len(in_use), len(start)
    factor, active = start, np.empty(len(coef), dtype=np.int64)
    active[:k] = in_use
    gradient = np.empty(len(coef))
    _update_gradient(gram, linear, coef, gradient)
    k, _ = _descend(
        factor, active, k, gram, linear, coef, gradient, ridge, alpha, rounding, required
    )
    entering = enter_at_once
    for _ in range(MAX_ROUNDS):
        if accuracy > 0.0 and _is_enough(
            coef, gradient, linear, required, alpha, half_square, accuracy
        ):
            return
        allowed = (1.0 + STATIONARITY_TOLERANCE) * alpha + rounding * np.abs(coef).sum()
        violators = _violators(coef, gradient, allowed, entering, required)
        if len(violators) == 0:
            return
        if k + len(violators) > capacity:
            capacity = min(2 * (k + len(violators)), len(coef))
            larger = np.zeros((capacity, capacity))
            larger[:k, :k] = factor[:k, :k]
            factor = larger
        for column in violators:
            if not _append(factor, active, k, column, gram, ridge):
                columns = np.append(active[:k], column)
                ridge = _factor_anew(factor, active, columns, gram, 10.0 * ridge)
            k += 1
        k, progress = _descend(
            factor, active, k, gram, linear, coef, gradient, ridge, alpha, rounding, required
        )
        if progress:
            entering = min(2 * entering, enter_at_once)
        elif entering == 1:
            return  # not even one makes progress: the rest is rounding
        else:
            entering = 1
