"""
From the penalty to the proof
=============================

The penalty decides how many neurons a network keeps. Cross-validation walks down a path of
penalties; the network that it chooses comes with a certificate, and rests on a few training rows.
"""

# %%
# Additive networks and networks with pairs of inputs, on the same folds.

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes

from sklearn_wedge import WedgeReLURegressorCV
from sklearn_wedge.inspection import CertificateDisplay, PathDisplay, SupportDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True)
kinds = {"interaction_order": (1, 2), "norm": "l1", "n_blocks": 1}
inputs = {"encoding": None, "clip_quantile": 0.005}
model = WedgeReLURegressorCV(alphas=8, eps=0.01, cv=5, **kinds, **inputs).fit(X, y)
print(f"alpha {model.alpha_:.3g}, order {model.interaction_order_}: {model.certificate_}")

# %%
# Scores with their standard errors, and neurons, by penalty.

PathDisplay.from_estimator(model, score_name="minus mean squared error")

# %%
# Left: objective and bound of the chosen network, by round of column generation. The bound that is
# certified comes from the last round, which prices every neuron there is. Right: the training rows
# that the neurons pass through, in the plane of the first two principal components. The larger the
# ring, the more of the network rests on the row.

figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
CertificateDisplay.from_estimator(model, ax=panels[0])
support = SupportDisplay.from_estimator(model, X, ax=panels[1])
print(f"{len(support.rows)} of {len(X)} rows define the network")

plt.show()
