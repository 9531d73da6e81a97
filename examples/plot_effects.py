"""
What each input does: effects, explanations, importances
========================================================

A network of hinges on one or two inputs is a sum of functions of one and of two inputs. They can be
computed exactly, drawn, and added up to each single prediction. Here: how the diabetes of 442
patients progressed within a year.
"""

# %%
# The diabetes data of scikit-learn in their original units.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from sklearn_wedge import WedgeReLURegressor
from sklearn_wedge.inspection import EffectDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X = X.rename(
    columns={
        "age": "age in years",
        "bmi": "body mass index",
        "bp": "blood pressure",
        "s1": "total cholesterol",
        "s2": "LDL",
        "s3": "HDL",
        "s4": "cholesterol / HDL",
        "s5": "log of triglycerides",
        "s6": "blood sugar",
    }
)
model = WedgeReLURegressor(alpha=0.02).fit(X, y)
print(model.summary())

# %%
# Four main effects and two interactions. Curves are main effects: what an input does on average
# over the others. Maps are interactions: what two inputs do together beyond that. Every effect has
# mean zero over the training data, whose tenths are the marks on the axes.

drawn = [
    "body mass index",
    "log of triglycerides",
    "blood pressure",
    "HDL",
    ("body mass index", "blood pressure"),
    ("age in years", "sex"),
]
display = EffectDisplay.from_estimator(model, drawn, target_name="progression")
if len(sys.argv) > 1:
    display.figure_.savefig(sys.argv[1], dpi=110)

# %%
# The prediction for one patient as a sum. It is exact: nothing is sampled.

explanation = model.explain(X.iloc[:1])
print(f"\nThe first patient\n{explanation.summary(most=6)}")
remainder = explanation.to_frame().iloc[0].sum() - model.predict(X.iloc[:1])[0]

# %%
# Importances: shares of the variance of the predictions. They sum to one.

importances = model.feature_importances_
print("\nShares of the variance")
for k in np.argsort(-importances):
    print(f"  {importances[k]:+.3f}  {X.columns[k]}")

plt.show()
