"""The active-set method of ``restricted.active_set``, which says what it does and why.

The upper triangular factor ``R`` of the ridged Gram matrix of the active columns, ``RᵀR``, follows
the set: a column that enters is one substitution, one that leaves a few rotations of rows. Rows of
the whole Gram matrix are contiguous, so products with it are sums of rows; one for each move gives
the gradient of every column. Plain loops throughout: expressions of arrays, sorts and checks of
shapes took half of the time of all compilation.
"""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled
from sklearn_wedge._core.kernels.sums import dot

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
    for k in range(len(gradient)):
        gradient[k] = -linear[k]
    for j in range(len(coef)):
        value = coef[j]
        if value != 0.0:
            for k in range(len(gradient)):
                gradient[k] += value * gram[j, k]


@compiled()
def _largest(gram):
    """Its largest entry: as a product of two columns, on the diagonal."""
    largest = 0.0
    for j in range(len(gram)):
        largest = max(largest, gram[j, j])
    return largest


@compiled()
def _in_use(coef, active):
    """The columns whose coefficient is not zero, in place; returns how many."""
    k = np.int64(0)
    for j in range(len(coef)):
        if coef[j] != 0.0:
            active[k] = j
            k += 1
    return k


@compiled()
def _size(coef):
    """The sum of absolute values."""
    total = 0.0
    for value in coef:
        total += abs(value)
    return total


@compiled()
def _push(gradient, required):
    """What ``alpha`` limits: the gradient, or where a sign is required that towards it."""
    return abs(gradient) if required == 0 else -required * gradient


@compiled()
def _append(factor, active, k, column, gram, ridge, least):
    """Factor one more column, in place; False if no more than ``least`` of its variance is left."""
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
    if not rest > least:
        return False
    for i in range(k):
        factor[i, k] = entry[i]
    factor[k, k] = np.sqrt(rest)
    active[k] = column
    return True


@compiled()
def _remove(factor, active, k, place):
    """Let the column at a place leave: rotations make the factor triangular again."""
    for i in range(place, k - 1):
        active[i] = active[i + 1]
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
def _factor_anew(factor, active, k, gram, ridge):
    """Factor the active columns; returns the ridge, larger if rounding asks for it."""
    done = np.int64(0)
    while done < k:
        if _append(factor, active, done, active[done], gram, ridge, 0.0):
            done += 1
        else:
            # Every ridge has the same fixed point; a larger one only takes more steps to reach it.
            ridge *= 10
            done = np.int64(0)
    return ridge


@compiled()
def _proximal_step(factor, k, residual, step):
    """``(gram + ridge)⁻¹ residual``, in place."""
    for i in range(k):
        step[i] = residual[i]
    for i in range(k):
        value = step[i] / factor[i, i]
        step[i] = value
        for j in range(i + 1, k):
            step[j] -= value * factor[i, j]
    for i in range(k - 1, -1, -1):
        step[i] = (step[i] - dot(factor[i, i + 1 : k], step[i + 1 : k])) / factor[i, i]


@compiled()
def _next_kink(start, step, last, last_which):
    """The first kink before 1 after the last one, and whose; of equal ones in order."""
    first, which = 1.0, -1
    for i in range(len(start)):
        if start[i] * step[i] < 0.0:
            turn = -start[i] / step[i]
            if turn < first and (turn > last or (turn == last and i > last_which)):
                first, which = turn, i
    return first, which


@compiled("Tuple((f8, b1))(f8[::1], f8[::1], f8, f8, f8, i1[::1])")
def line_search(start, step, slope, curvature, alpha, required):
    """Exact minimiser on [0, 1] of the piecewise quadratic along ``step``.

    ``slope`` and ``curvature`` are those of the smooth part at 0; the l1 term has a kink wherever
    ``start + tau step`` changes sign. There is no passing where a sign is required. Returns how
    far, and whether no kink ended it.
    """
    for i in range(len(start)):
        slope += alpha * step[i] * np.sign(start[i] if start[i] != 0.0 else step[i])
    if slope >= 0.0:
        return 0.0, False
    turn, which = _next_kink(start, step, 0.0, -1)
    full = which < 0
    while which >= 0:
        if slope + curvature * turn > 0.0 and curvature > 0.0:
            return -slope / curvature, False
        jump = np.inf if required[which] != 0 else 2.0 * alpha * abs(step[which])
        # The slope just after the kink: not negative, so the descent ends there.
        if slope + curvature * turn + jump >= 0.0:
            return turn, False
        slope += jump
        turn, which = _next_kink(start, step, turn, which)
    if slope + curvature > 0.0 and curvature > 0.0:
        return -slope / curvature, False
    return 1.0, full


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
def _violators(coef, gradient, allowed, required, violators):
    """The zero coefficients whose gradient is beyond ``allowed`` by most, worst first.

    In place, at most as many as there is room for; returns how many.
    """
    count, last, last_which = np.int64(0), np.inf, -1
    while count < len(violators):
        most, which = 0.0, -1
        for j in range(len(coef)):
            pushed = _push(gradient[j], required[j])
            if coef[j] == 0.0 and pushed > allowed:
                size = np.rint(PARTS * pushed / allowed)
                if size > most and (size < last or (size == last and j > last_which)):
                    most, which = size, j
        if which < 0:
            break
        violators[count] = which
        last, last_which = most, which
        count += 1
    return count


@compiled()
def _leave(factor, active, k, stays):
    """Let the columns leave that do not stay; returns how many are left."""
    for place in range(k - 1, -1, -1):
        if not stays[place]:
            _remove(factor, active, k, place)
            k -= 1
    return k


@compiled()
def _residual(coef, gradient, active, k, alpha, residual):
    """What the linear system of the active columns is short of, in place; largest, and Σ|z|."""
    largest, total = 0.0, 0.0
    for i in range(k):
        z, slope = coef[active[i]], gradient[active[i]]
        # A column that enters will have the sign that its gradient asks for.
        residual[i] = -slope - alpha * (np.sign(z) if z != 0.0 else -np.sign(slope))
        largest, total = max(largest, abs(residual[i])), total + abs(z)
    return largest, total


@compiled()
def _tell_useless(coef, required, active, k, step, stays):
    """Which columns stay that enter together: those that move as required.

    Of several some may be of no use beside the others. Without the others each would move as
    required: one at a time they get on. Returns whether any is of no use, and whether any other
    enters.
    """
    useless, enters = False, False
    for i in range(k):
        zero = coef[active[i]] == 0.0
        stays[i] = not (zero and required[active[i]] * step[i] < 0.0)
        useless |= not stays[i]
        enters |= zero and stays[i]
    return useless, enters


@compiled()
def _best_length(coef, gradient, required, active, k, alpha, step, curved):
    """``line_search`` along a step of the active columns, ``curved`` being the Hessian times it."""
    start, own = np.empty(k), np.empty(k, dtype=np.int8)
    slope, curvature = 0.0, 0.0
    for i in range(k):
        start[i], own[i] = coef[active[i]], required[active[i]]
        slope += gradient[active[i]] * step[i]
        curvature += curved[i] * step[i]
    return line_search(start, step[:k], slope, max(curvature, 0.0), alpha, own)


@compiled()
def _move(coef, gradient, required, active, k, length, step, curved, stays):
    """Move the active columns; 0 is what is zero but for rounding, or has a sign it must not."""
    for i in range(k):
        j = active[i]
        moved = coef[j] + length * step[i]
        if abs(moved) <= 8.0 * EPS * abs(coef[j]) or required[j] * moved < 0.0:
            moved = 0.0
        coef[j] = moved
        gradient[j] += length * curved[i]
        stays[i] = moved != 0.0


@compiled()
def _descend(factor, active, k, gram, linear, coef, gradient, ridge, alpha, rounding, required):
    """Optimise the active coefficients in place; those at zero leave.

    Returns how many are active, and whether there was any progress. ``gradient`` is that of all
    columns, before and after. On the way that of the active ones is carried along by what the
    linear system says of it, and computed anew before the end is believed.
    """
    residual, step, stays = np.empty(k), np.empty(k), np.empty(k, dtype=np.bool_)
    progress, refinements, is_exact = False, 0, True
    for _ in range(MAX_ROUNDS):
        if k == 0 or refinements > MAX_REFINEMENTS:
            break
        missing, total = _residual(coef, gradient, active, k, alpha, residual)
        # Down to rounding: a column that depends on the active ones can be told from a violator
        # only if these are solved much better than it is judged.
        solved = missing <= rounding * total
        if solved and is_exact:
            break
        length, full, useless = 0.0, False, False
        if not solved:
            _proximal_step(factor, k, residual, step)
            useless, others = _tell_useless(coef, required, active, k, step, stays)
            if useless and not others:
                break
            if not useless:
                for i in range(k):
                    residual[i] -= ridge * step[i]
                length, full = _best_length(
                    coef, gradient, required, active, k, alpha, step, residual
                )
                if length == 0.0 and is_exact:
                    break
        if length > 0.0:
            progress, refinements, is_exact = True, refinements + 1 if full else 0, False
            _move(coef, gradient, required, active, k, length, step, residual, stays)
        if length > 0.0 or useless:
            k = _leave(factor, active, k, stays)
        if full or not (length > 0.0 or useless):
            _update_gradient(gram, linear, coef, gradient)
            is_exact = True
    if not is_exact:
        _update_gradient(gram, linear, coef, gradient)
    for i in range(k):
        stays[i] = coef[active[i]] != 0.0
    return _leave(factor, active, k, stays), progress


@compiled()
def _enter(factor, active, k, columns, gram, ridge):
    """Let columns enter, one after the other; returns the ridge, larger if rounding asks for it."""
    for column in columns:
        if not _append(factor, active, k, column, gram, ridge, 0.0):
            active[k] = column
            ridge = _factor_anew(factor, active, k + 1, gram, 10.0 * ridge)
        k += 1
    return ridge


@compiled()
def _with_room(factor, k, needed, most):
    """The factor, or a copy with room for as many columns as needed."""
    if needed <= len(factor):
        return factor
    capacity = min(2 * needed, most)
    larger = np.empty((capacity, capacity))
    for i in range(k):
        for j in range(i, k):
            larger[i, j] = factor[i, j]
    return larger


@compiled("void(f8[:,::1], f8[::1], f8, f8[::1], i1[::1], f8[:,::1], f8, f8, f8, i8)")
def solve(gram, linear, alpha, coef, required, start, ridge, half_square, accuracy, enter_at_once):
    """See ``active_set.solve_quadratic_l1``; ``coef`` is changed in place.

    ``start`` is the factor of the columns in use; an accuracy of 0 stands for an exact solution.
    """
    factor, gradient, active = start, np.empty(len(coef)), np.empty(len(coef), dtype=np.int64)
    violators = np.empty(enter_at_once, dtype=np.int64)
    k = _in_use(coef, active)
    rounding = ROUNDING * EPS * _largest(gram)
    _update_gradient(gram, linear, coef, gradient)
    entering, entered = enter_at_once, np.int64(0)
    for _ in range(MAX_ROUNDS):
        k, progress = _descend(
            factor,
            active,
            k + entered,
            gram,
            linear,
            coef,
            gradient,
            ridge,
            alpha,
            rounding,
            required,
        )
        if progress:
            entering = min(2 * entering, enter_at_once)
        elif entered > 0:
            if entering == 1:
                return  # not even one makes progress: the rest is rounding
            entering = 1
        if accuracy > 0.0 and _is_enough(
            coef, gradient, linear, required, alpha, half_square, accuracy
        ):
            return
        allowed = (1.0 + STATIONARITY_TOLERANCE) * alpha + rounding * _size(coef)
        entered = _violators(coef, gradient, allowed, required, violators[:entering])
        if entered == 0:
            return
        factor = _with_room(factor, k, k + entered, len(coef))
        ridge = _enter(factor, active, k, violators[:entered], gram, ridge)


@compiled("UniTuple(i8, 2)(f8[:,::1], i8[::1], i8, f8[:,::1], i8[::1], i8, f8, f8[::1])")
def add_independent(gram, columns, begin, factor, kept, k, dependent, combination):
    """Factor columns from one on, in place, up to the first that depends on those before it.

    That is one of whose variance no more than the fraction ``dependent`` is left. Returns which
    column it is, as a combination of the first ``k`` of ``kept``, and ``k``.
    """
    for at in range(begin, len(columns)):
        column = columns[at]
        row = gram[column]
        if not _append(factor, kept, k, column, gram, 0.0, dependent * row[column]):
            products = np.empty(k)
            for i in range(k):
                products[i] = row[kept[i]]
            _proximal_step(factor, k, products, combination)
            return at, k
        k += 1
    return len(columns), k
