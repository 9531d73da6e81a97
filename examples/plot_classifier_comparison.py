"""
Classifier comparison
=====================

scikit-learn's comparison of classifiers on three synthetic data sets, with a wedge network in the
last column. Colours are what a classifier predicts, from surely red to surely blue; solid points
were fitted, transparent ones held out, and the number is the accuracy on these.

Two dimensions say little about accuracy on real tables, for which see the benchmarks. What can be
seen here is the shape of the decisions: few straight edges, each a line through training samples.
"""

# %%
# The classifiers, with the settings of scikit-learn's example; the wedge network has its defaults.

import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.base import clone
from sklearn.datasets import make_circles, make_classification, make_moons
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_wedge import WedgeReLUClassifier

classifiers = {
    "Nearest neighbours": KNeighborsClassifier(3),
    "RBF SVM": SVC(gamma=2, C=1, random_state=42),
    "Gaussian process": GaussianProcessClassifier(1.0 * RBF(1.0), random_state=42),
    "Decision tree": DecisionTreeClassifier(max_depth=5, random_state=42),
    "Random forest": RandomForestClassifier(max_depth=5, max_features=1, random_state=42),
    "MLP": MLPClassifier(alpha=1, max_iter=1000, random_state=42),
    "AdaBoost": AdaBoostClassifier(random_state=42),
    "Naive Bayes": GaussianNB(),
    "Wedge network": WedgeReLUClassifier(0.01),
}

# %%
# Three data sets: two moons, a circle in another, and two clouds that a line nearly separates.

rng = np.random.RandomState(2)
X, y = make_classification(
    n_features=2, n_redundant=0, n_informative=2, random_state=1, n_clusters_per_class=1
)
data_sets = {
    "moons": make_moons(noise=0.3, random_state=0),
    "circles": make_circles(noise=0.2, factor=0.5, random_state=1),
    "linear": (X + 2 * rng.uniform(size=X.shape), y),
}

# %%
# Fit all of them. The network needs no scaling before it; the others get it.

fitted, accuracy = {}, {}
parts = {
    name: train_test_split(*data, test_size=0.4, random_state=42)
    for name, data in data_sets.items()
}
for data, (X_train, X_test, y_train, y_test) in parts.items():
    for name, classifier in classifiers.items():
        model = clone(classifier)
        if name != "Wedge network":
            model = make_pipeline(StandardScaler(), model)
        fitted[data, name] = model.fit(X_train, y_train)
        accuracy[data, name] = model.score(X_test, y_test)
    print(f"{data}: {model.n_neurons_} neurons, {model.certificate_}")

# %%
# 40 points are held out: a difference of 0.05 is two of them.

for data in data_sets:
    best = max(classifiers, key=lambda name: accuracy[data, name])
    print(
        f"{data}: wedge network {accuracy[data, 'Wedge network']:.2f}, "
        f"best {accuracy[data, best]:.2f} ({best})"
    )

# %%
# The pictures.

bright = ListedColormap(["#FF0000", "#0000FF"])
figure, panels = plt.subplots(3, len(classifiers), figsize=(20, 7), layout="constrained")
for row, (data, (X_train, X_test, y_train, y_test)) in zip(panels, parts.items(), strict=True):
    for panel, name in zip(row, classifiers, strict=True):
        DecisionBoundaryDisplay.from_estimator(
            fitted[data, name],
            np.vstack([X_train, X_test]),
            cmap="RdBu",
            alpha=0.8,
            ax=panel,
            eps=0.5,
        )
        panel.scatter(*X_train.T, c=y_train, cmap=bright, edgecolors="k", s=20)
        panel.scatter(*X_test.T, c=y_test, cmap=bright, edgecolors="k", alpha=0.6, s=20)
        panel.set(xticks=[], yticks=[])
        text = f"{accuracy[data, name]:.2f}".lstrip("0")
        panel.text(0.97, 0.03, text, size=15, ha="right", transform=panel.transAxes)
        if panel in panels[0]:
            panel.set_title(name)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=70)
plt.show()
