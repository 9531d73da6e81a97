"""Whether a fit is as good as it says, by enumeration and CLARABEL, in the units it was solved in.

What rounding may do is computed for each problem. Before a fit, inputs, targets and weights are
rounded to 2^-34 of a standard deviation: a network of sizes ``Σ‖z‖`` then moves by at most so many
times that, and its loss by what the loss of each sample changes over such a distance. A prediction
in original units moves by the rounding of ``w·x + b``, which is large where columns have offsets.
The bounds on the optimum are both of feasible points: how accurate CLARABEL is does not matter.
"""

import warnings
from dataclasses import dataclass, field

import cvxpy
import numpy as np
import optima
from hard_problems import LOSSES
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

EPS = np.finfo(float).eps
RESOLUTION = 2.0**-34
# Of bounds and objectives, relative to the objective of the constant model, and to the largest term
# of a loss: sums of rounded terms.
ROUNDING, ROUNDING_OF_TERMS = 1e-10, 64 * EPS
# Of a violation of the dual constraint, relative to ``Σ|v|`` × the range of the inputs.
ROUNDING_OF_VALUES = 1e-11
# Of a violation, as a fraction of alpha at a tolerance of 1e-6.
LAST_STEP = 1e-5
# Rounding of predictions up to which they tell a dual point.
READABLE = 1e-4
# A column whose deviation is this fraction of 1 in the units of the fit was left as constant.
CONSTANT = 0.5
LOG_LINK = ("Poisson", "gamma", "Poisson of several", "gamma of several")
# Working memory in MiB: so little that every fit goes through the rows in blocks that can.
LITTLE, PLENTY = 1e-4, 1024


@dataclass
class Verdict:
    """What is wrong with a fit, and how far apart the bounds on the optimum are."""

    failures: list = field(default_factory=list)
    converged: bool = True
    exact: bool = True
    oracle_gap: float = 0.0

    def unless(self, right, message):
        if not right:
            self.failures.append(message)


def fitted(problem):
    """The estimator, and whether it says that it met its tolerance.

    With little memory it goes through the rows in blocks where that can be.
    """
    memory = LITTLE if problem.words["memory"] == "little" else PLENTY
    with warnings.catch_warnings(record=True) as caught, config_context(working_memory=memory):
        warnings.simplefilter("always")
        model = problem.estimator.fit(problem.X, problem.y, problem.weight)
    return model, not any(issubclass(w.category, ConvergenceWarning) for w in caught)


class Reading:
    """A fitted estimator in the units in which its problem was solved."""

    def __init__(self, problem, model):
        kind = LOSSES[problem.loss]
        weight = np.ones(len(problem.y)) if problem.weight is None else problem.weight
        rows = weight > 0
        self.model, self.loss_name = model, problem.loss
        self.rows = problem.X[rows].astype(float)
        self.weight = weight[rows] / weight[rows].sum()
        inputs = (np.clip(self.rows, *model.clip_bounds_) - model.x_mean_) / model.x_scale_
        if model.standardize:
            mean = self.weight @ inputs
            inputs[:, np.sqrt(self.weight @ (inputs - mean) ** 2) < CONSTANT] = 0.0
        self.y_mean, self.y_scale = getattr(model, "y_mean_", 0.0), getattr(model, "y_scale_", 1.0)
        loss = kind.loss
        if problem.loss.startswith("Huber"):
            loss = optima.huber(model.epsilon / self.y_scale)
        self.task = optima.Task(
            X=inputs,
            target=self._target(problem.y[rows]),
            weight=self.weight,
            loss=loss,
            alpha=model.alpha,
            order=problem.order,
            norm=model.norm,
            groups=model.interaction_cst,
            monotone=model.monotonic_cst,
            ramps="ramps" in model.certificate_.scope,
        )

    def _target(self, y):
        if hasattr(self.model, "classes_"):
            classes = self.model.classes_
            return (y[:, None] == (classes[1:] if len(classes) == 2 else classes)) * 1.0
        return ((y - self.y_mean) / self.y_scale).reshape(len(y), -1)

    def outputs(self):
        """Outputs of the network at the rows, (n, q), as a user can ask for them."""
        if hasattr(self.model, "classes_"):
            return self.model.decision_function(self.rows).reshape(self.task.target.shape)
        prediction = self.model.predict(self.rows)
        if self.loss_name in LOG_LINK:
            return np.log(prediction / self.y_scale).reshape(self.task.target.shape)
        return ((prediction - self.y_mean) / self.y_scale).reshape(self.task.target.shape)

    def layers(self):
        """Hidden weights (d, m) and output weights (m, q) in the units of the problem."""
        # The second neurons of ramps come last: a ramp has the penalty of one neuron.
        n_neurons = self.model.n_neurons_
        hidden, out = self.model.coefs_[0][:, :n_neurons], self.model.coefs_[1][:n_neurons]
        out = out if self.loss_name in LOG_LINK else out / self.y_scale
        return hidden * self.model.x_scale_[:, None], out

    def penalty(self):
        hidden, out = self.layers()
        size = np.linalg.norm(hidden, ord=1 if self.model.norm == "l1" else 2, axis=0)
        return 0.5 * self.task.alpha * ((size**2).sum() + (out**2).sum())

    def rounding(self):
        """What outputs may be off by, (n, q)."""
        (hidden, out), (bias, intercept) = self.model.coefs_, self.model.intercepts_
        inputs = np.abs(np.clip(self.rows, *self.model.clip_bounds_))
        terms = (inputs @ np.abs(hidden) + np.abs(bias)) @ np.abs(out) + np.abs(intercept)
        in_units = 1.0 if self.loss_name in LOG_LINK else self.y_scale
        size = self.penalty() / self.task.alpha
        of_data = RESOLUTION * (1.0 + size) if self.model.standardize else 0.0
        return 4 * EPS * (terms / in_units + 1.0) + of_data

    def moved(self, outputs, distance):
        """Outputs of which one has moved up or down by so much."""
        for k in range(outputs.shape[1]):
            for side in (-1.0, 1.0):
                moved = outputs.copy()
                moved[:, k] += side * distance[:, k]
                yield moved

    def change_of_loss(self, outputs, distance):
        """How much the loss can change if outputs move by so much."""
        task = self.task

        def losses(at):
            return task.loss.expression(cvxpy.Constant(at), task.target).value

        here, distance = losses(outputs), np.broadcast_to(distance, outputs.shape)
        change = sum(np.abs(losses(at) - here) for at in self.moved(outputs, distance))
        return float(task.weight @ change)


def judged(problem):
    """Fit a problem and hold everything it says against the oracles."""
    try:
        model, converged = fitted(problem)
    except RuntimeError as error:  # its own bound is refuted by the fit itself
        return Verdict(failures=[str(error)], exact=False)
    certificate, reading = model.certificate_, Reading(problem, model)
    task = reading.task
    verdict = Verdict(converged=converged, exact=certificate.exact)
    _judge_class(verdict, reading)
    outputs, distance = reading.outputs(), reading.rounding()
    constant = task.constant.objective
    of_data = 4 * RESOLUTION if model.standardize else 0.0
    of_sums = ROUNDING * constant + ROUNDING_OF_TERMS * (1.0 + np.abs(outputs).max())
    slack = reading.change_of_loss(outputs, distance) + of_data * constant + of_sums
    objective = task.loss.value(outputs, task.target, task.weight) + reading.penalty()
    verdict.unless(
        abs(certificate.objective - objective) <= slack,
        f"the objective of the network is {objective!r}, not {certificate.objective!r} "
        f"(allowed: {slack:.1e})",
    )
    if certificate.exact:
        bounds = optima.bounds_on_optimum(task)
        moved = reading.change_of_loss(bounds.outputs, of_data * (1.0 + bounds.size))
        slack = moved + of_data * constant + of_sums
        verdict.oracle_gap = (bounds.upper - bounds.lower) / task.unit
        _judge_bounds(verdict, model, converged, bounds, slack, constant)
        _judge_violation(verdict, reading, outputs, distance)
    _judge_rounds(verdict, model, constant)
    return verdict


def _judge_class(verdict, reading):
    """Every neuron is of the class."""
    task, (hidden, out) = reading.task, reading.layers()
    used = hidden != 0
    verdict.unless(np.all(used.sum(axis=0) <= task.order), "a neuron has more inputs than allowed")
    if task.groups is not None:
        outside = [np.delete(used, group, axis=0).any(axis=0) for group in task.groups]
        verdict.unless(not np.all(outside, axis=0).any(), "a neuron has inputs of no one group")
    if task.monotone is not None:
        rises = hidden * out.T * np.array(task.monotone)[:, None]
        verdict.unless(np.all(rises >= 0), "a neuron is not monotone as constrained")


def _judge_bounds(verdict, model, converged, bounds, slack, constant):
    certificate = model.certificate_
    highest = max(certificate.lower_bound, *(r.lower_bound for r in model.history_))
    verdict.unless(
        highest <= bounds.upper + slack,
        f"a lower bound {highest!r} is above the optimum, at most {bounds.upper!r} (allowed: "
        f"{slack:.1e})",
    )
    verdict.unless(
        certificate.objective >= bounds.lower - slack,
        f"the objective {certificate.objective!r} is below the optimum, at least "
        f"{bounds.lower!r} (allowed: {slack:.1e})",
    )
    if converged:
        allowed = model.tol * constant + slack
        verdict.unless(
            certificate.objective <= bounds.upper + allowed,
            f"the fit says that it converged, but its objective {certificate.objective!r} is above "
            f"the optimum {bounds.upper!r} (allowed: {allowed:.1e})",
        )
        verdict.unless(
            certificate.gap <= allowed,
            f"the fit says that it converged with a gap of {certificate.gap:.3e} "
            f"(allowed: {allowed:.1e})",
        )


def _judge_violation(verdict, reading, outputs, distance):
    """The violation reported is that of the network's own dual point, where it has only one."""
    task, model = reading.task, reading.model
    # A solver has a dual point of its own; predictions that are mostly rounding do not tell theirs.
    if task.loss.slope is None or model.solver == "cvxpy" or distance.max() > READABLE:
        return

    def dual_point(at):
        dual = task.weight[:, None] * task.loss.slope(at, task.target)
        return task.loss.feasible(dual, task.target, task.weight)

    dual = dual_point(outputs)
    off = sum(np.abs(dual_point(at) - dual).sum() for at in reading.moved(outputs, distance))
    pull = np.abs(dual).sum()
    reach = np.linalg.norm(np.ptp(task.X, axis=0))
    rounding = off * reach + pull * (4 * RESOLUTION + ROUNDING_OF_VALUES * reach)
    if reading.loss_name not in ("squared", "several targets"):
        # A Newton step may follow the last pricing, when redundant neurons are dropped.
        rounding += LAST_STEP * task.alpha * (model.tol / 1e-6) ** 0.5
    largest = task.largest_value(dual)
    said = task.alpha * (1 + model.certificate_.max_violation)
    verdict.unless(
        abs(said - largest) <= rounding,
        f"the largest value of a neuron is {largest!r}, not {said!r} (allowed: {rounding:.1e})",
    )


def _judge_rounds(verdict, model, constant):
    """The objective never rises, the bound never falls, but an estimate that is refuted does."""
    objectives = np.array([r.objective for r in model.history_])
    bounds = np.array([r.lower_bound for r in model.history_])
    verdict.unless(
        np.all(np.diff(objectives) <= (ROUNDING + 0.1 * model.tol) * constant),
        "a round raises the objective",
    )
    refuted = (bounds[:-1] > objectives[1:]) & (not model.certificate_.exact)
    verdict.unless(np.all((bounds[1:] >= bounds[:-1]) | refuted), "a round lowers the bound")
