"""
How good was my network?
========================

A network trained by gradients ends somewhere: another seed, another objective. ``polish`` takes the
hidden hyperplanes of such a network, finds the best coefficients on them, and goes on to the global
optimum of the training problem, with a proof. Here are networks of scikit-learn from five seeds, on
two columns of the diabetes data, trained with two solvers.
"""

# %%
# Two columns and the target, standardised: the penalty is in the unit of the mean loss.

import sys
import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import scale

from sklearn_wedge import polish

data, target = load_diabetes(return_X_y=True, as_frame=True)
X, y = scale(data[["bmi", "s5"]].to_numpy()), scale(target)
alpha = 1e-3

# %%
# scikit-learn divides its ``alpha`` by the number of rows of a batch. L-BFGS takes all rows at
# once; for Adam the batches are given.

warnings.simplefilter("ignore", ConvergenceWarning)
batch_size = {"lbfgs": len(X), "adam": 200}
results = {}
for solver, rows in batch_size.items():
    for seed in range(5):
        network = MLPRegressor(
            hidden_layer_sizes=50,
            solver=solver,
            alpha=alpha * rows,
            batch_size=rows,
            max_iter=1000,
            random_state=seed,
        )
        results[solver, seed] = polish(network.fit(X, y), X, y, alpha=alpha, tol=1e-5)
for (solver, seed), result in results.items():
    print(f"{solver}, seed {seed}: {result}")

# %%
# Wherever they started, all end at the same objective, and no network is below the bound.

steps = {
    "as trained": "objective_of_network",
    "best on its\nhyperplanes": "objective_on_its_hyperplanes",
    "polished": "objective",
}
bound = max(result.lower_bound for result in results.values())
figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
for (solver, seed), result in results.items():
    color = "#0072B2" if solver == "lbfgs" else "#D55E00"
    heights = [getattr(result, name) for name in steps.values()]
    label = f"trained by {solver}" if seed == 0 else None
    panel.plot(list(steps), heights, "o-", color=color, alpha=0.7, label=label)
panel.axhline(bound, color="black", linestyle="--", label="certified lower bound")
panel.set_ylabel("mean loss + penalty")
panel.set_title("Five seeds each, 50 hidden neurons")
panel.legend(frameon=False)

# %%
# What the seeds had left on the table.

for solver in batch_size:
    gaps = [results[solver, seed].relative_gap_of_network for seed in range(5)]
    print(f"{solver}: {min(gaps):.1%} to {max(gaps):.1%} of the objective")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
