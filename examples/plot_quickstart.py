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

from sklearn.datasets import load_diabetes
from sklearn.linear_model import LassoCV
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import WedgeReLURegressorCV

diabetes = load_diabetes(scaled=False)
X_train, X_test, y_train, y_test = train_test_split(
    diabetes.data, diabetes.target, test_size=0.2, random_state=0
)

wedge = WedgeReLURegressorCV(
    interaction_order=2, norm="l1", n_blocks=1, encoding=None, n_jobs=-1
).fit(X_train, y_train)
lasso = make_pipeline(StandardScaler(), LassoCV()).fit(X_train, y_train)
network = MLPRegressor(hidden_layer_sizes=(50,), solver="lbfgs", max_iter=10000, random_state=0)
mlp = GridSearchCV(
    make_pipeline(StandardScaler(), network),
    {"mlpregressor__alpha": [3e2, 1e3, 3e3]},
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
print(f"\nalpha chosen: {wedge.alpha_:.4g}")
print(f"objective    {certificate.objective:.8f}")
print(f"lower bound  {certificate.lower_bound:.8f}")
print(f"relative gap {certificate.relative_gap:.1e}")

# %%
# The network in words, in the units of the table. The coefficient of a neuron is its slope along
# the input that moves it most; ``(·)₊`` is the ReLU.

print(f"\n{wedge.summary(diabetes.feature_names)}")

# sphinx_gallery_thumbnail_path = "images/certificate.png"
