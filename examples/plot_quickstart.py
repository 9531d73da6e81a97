"""
A globally optimal network on a real table, with its proof
==========================================================

The diabetes data of scikit-learn: 442 patients, ten inputs, one target. The penalty is chosen by
cross-validation; the network comes with a certificate of global optimality, and its neurons can be
read: each is a hinge on one or two inputs, through one or two named training rows.
"""

# %%
# Fit, and compare on held-out rows with a linear model and with a multi-layer perceptron that is
# tuned over the same folds.

import warnings

from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import WedgeReLURegressorCV

diabetes = load_diabetes()
X_train, X_test, y_train, y_test = train_test_split(
    diabetes.data, diabetes.target, test_size=0.2, random_state=0
)

wedge = WedgeReLURegressorCV(alphas=20, eps=1e-3, n_jobs=-1).fit(X_train, y_train)
lasso = LassoCV().fit(X_train, y_train)
network = MLPRegressor(hidden_layer_sizes=(50,), solver="lbfgs", max_iter=1000, random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    mlp = GridSearchCV(
        make_pipeline(StandardScaler(), network),
        {"mlpregressor__alpha": [1.0, 10.0, 100.0]},
        n_jobs=-1,
    ).fit(X_train, y_train)

print(f"Held-out R² on {len(X_test)} rows")
for name, model in [
    ("WedgeReLURegressorCV", wedge),
    ("LassoCV", lasso),
    ("MLPRegressor, tuned", mlp),
]:
    print(f"  {name:22s} {model.score(X_test, y_test):.3f}")

# %%
# The certificate: no network of any width, with at most two inputs per neuron, has an objective
# below the lower bound.

certificate = wedge.certificate_
print(f"\nalpha chosen: {wedge.alpha_:.4g}; {wedge.n_neurons_} neurons")
print(f"objective    {certificate.objective:.8f}")
print(f"lower bound  {certificate.lower_bound:.8f}")
print(f"relative gap {certificate.relative_gap:.1e}")
print(f"certified    {certificate.exact}, over {certificate.scope}")

# %%
# The strongest neurons in words. Inputs are in standard deviations from their means, the
# coefficient in standard deviations of the target.


def in_words(neurons, j: int, names) -> str:
    """Neuron ``j`` as a formula with the rows that define it."""
    used = neurons.inputs[j] >= 0
    terms = [
        f"{weight:+.2f}·{names[k]}"
        for k, weight in zip(neurons.inputs[j][used], neurons.weights[j][used], strict=True)
    ]
    rows = [str(row) for row in neurons.rows[j] if row >= 0]
    through = ("row " if len(rows) == 1 else "rows ") + " and ".join(rows)
    formula = f"{' '.join(terms)} {neurons.offsets[j]:+.2f}"
    return f"{neurons.coef[j, 0]:+.3f} · ({formula})₊ through {through}"


print("\nThe strongest neurons")
for j in range(min(5, wedge.n_neurons_)):
    print("  " + in_words(wedge.neurons_, j, diabetes.feature_names))

# sphinx_gallery_thumbnail_path = "images/certificate.png"
