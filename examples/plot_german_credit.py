"""
Mixed columns, costs and a grid search on German credit data
============================================================

A thousand applicants for credit, seven numbers and thirteen categories of each, good or bad. To
call a bad one good costs five times as much as the reverse. The costs are sample weights, which
scikit-learn's metadata routing carries through the grid search to every fit and every score. The
search chooses among penalties, interaction orders and losses.
"""

# %%
# The table is taken as it is: columns of text are categories, and numbers are scaled by the network
# itself. The target is ``good`` or ``bad``; the weights are the costs of a mistake.

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
from sklearn.metrics import accuracy_score, get_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split

from sklearn_wedge import WedgeReLUClassifier

# Beside this script.
table = pd.read_csv(Path(sys.argv[0]).parent / "data" / "german_credit.csv")
X, y = table.iloc[:, :-1], table.iloc[:, -1].to_numpy(str)
cost = np.where(y == "bad", 5.0, 1.0)
X_train, X_test, y_train, y_test, cost_train, cost_test = train_test_split(
    X, y, cost, test_size=0.25, stratify=y, random_state=0
)

# %%
# Who takes the weights: the classifier in ``fit``, and the scorer. Accuracy with these weights is
# one minus the cost, as a share of the largest; it needs no probabilities, so that the squared
# hinge can take part. Pairs of inputs, which take longest, are tried at one penalty.

sklearn.set_config(enable_metadata_routing=True)
classifier = WedgeReLUClassifier(pricing="search", tol=1e-2).set_fit_request(sample_weight=True)
scoring = get_scorer("accuracy").set_score_request(sample_weight=True)
smooth = ["log_loss", "squared_hinge"]
grid = [
    {"loss": smooth, "alpha": [0.1, 0.03], "interaction_order": [1]},
    {"loss": smooth, "alpha": [0.03], "interaction_order": [2]},
]
search = GridSearchCV(
    classifier,
    grid,
    scoring=scoring,
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
)
search.fit(X_train, y_train, sample_weight=cost_train)

best, network = search.best_params_, search.best_estimator_
print(f"Best of {len(search.cv_results_['params'])} by cost over 3 folds: {best}")
print(f"{network.n_neurons_} neurons, {network.certificate_}")

# %%
# Did the weights arrive? In the fit, if a classifier that is given them directly is the same and
# one without them is another; in the score, if it is that of the folds done by hand.

direct = WedgeReLUClassifier(pricing="search", tol=1e-2, **best)
searched = search.decision_function(X_train)
with_costs = direct.fit(X_train, y_train, cost_train).decision_function(X_train)
by_costs = direct.predict(X_test)
without = direct.fit(X_train, y_train).decision_function(X_train)
by_counts = direct.predict(X_test)
print("\nLargest difference of the log odds or margins")
print(f"  to a direct fit with the weights  {np.abs(searched - with_costs).max():.3f}")
print(f"  to a direct fit without           {np.abs(searched - without).max():.3f}")

scores = []
for kept, held_out in search.cv.split(X_train, y_train):
    direct.fit(X_train.iloc[kept], y_train[kept], cost_train[kept])
    labels = direct.predict(X_train.iloc[held_out])
    scores.append(accuracy_score(y_train[held_out], labels, sample_weight=cost_train[held_out]))
print(f"Best score {search.best_score_:.4f}, by hand {np.mean(scores):.4f}")

# %%
# What it is worth on the rows held out. Without weights the network is cautious about calling
# anyone bad, who are three in ten.

decisions = {
    "all good": np.full(len(y_test), "good"),
    "all bad": np.full(len(y_test), "bad"),
    "network without weights": by_counts,
    "network with weights": by_costs,
}
costs = {name: cost_test @ (labels != y_test) / len(y_test) for name, labels in decisions.items()}
print(f"\nCost per applicant on {len(y_test)} rows held out")
for name, value in costs.items():
    print(f"  {name:24s} {value:.3f}")

figure, panel = plt.subplots(figsize=(7, 2.6), layout="constrained")
panel.barh(list(costs), list(costs.values()), color=["0.75", "0.75", "0.55", "#0072B2"])
panel.invert_yaxis()
panel.set_xlabel("cost per applicant, held out")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
