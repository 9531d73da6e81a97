"""
From a CSV with categories and gaps to a network in words
=========================================================

Rents of 400 flats, as a file that a spreadsheet has written: numbers, categories, and cells that
are empty. The network takes the table as it is, and says what it has found by its columns.
"""

# %%
# The table. A year or a heating that is not known is an empty cell.

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklearn_wedge import WedgeReLURegressorCV
from sklearn_wedge.inspection import EffectDisplay

# Beside this script.
flats = pd.read_csv(Path(sys.argv[0]).parent / "data" / "flats.csv")
print(flats.head(4).to_string(index=False))
print(f"\nEmpty cells: {flats.isna().sum()[lambda gaps: gaps > 0].to_dict()}")
X_train, X_test, y_train, y_test = train_test_split(
    flats.drop(columns="rent"), flats["rent"], test_size=0.25, random_state=0
)

# %%
# Columns of text are categories, each level of which becomes an input of its own; where a year is
# not known, it is filled in from the other numbers, and where that tells of the rent one more input
# says so. Nothing has to be scaled. For a linear model and for boosting transformers make the like.

columns = make_column_transformer(
    (SimpleImputer(add_indicator=True), make_column_selector(dtype_include="number")),
    (
        OneHotEncoder(drop="if_binary", sparse_output=False, handle_unknown="ignore"),
        make_column_selector(dtype_exclude="number"),
    ),
)
network = WedgeReLURegressorCV(interaction_order=2, norm="l1", n_blocks=1, encoding=None)
models = {
    "WedgeReLURegressorCV": network,
    "RidgeCV": make_pipeline(columns, RidgeCV()),
    "HistGradientBoosting": make_pipeline(columns, HistGradientBoostingRegressor(random_state=0)),
}
for model in models.values():
    model.fit(X_train, y_train)
print(f"\nHeld-out R² on {len(X_test)} flats")
for name, model in models.items():
    print(f"  {name:22s} {model.score(X_test, y_test):.3f}")

# %%
# The network in words. ``heating is missing`` and ``year is missing`` are the empty cells, and the
# target is called as its column was.

fitted = models["WedgeReLURegressorCV"]
print(f"\n{fitted.summary()}")

# %%
# What moves the rent: the largest effects, and what area does in each district. A dashed line is
# the effect of a value that is not known.

pairs = ["area", "year", "district", ("area", "district")]
display = EffectDisplay.from_estimator(fitted, pairs, n_cols=2)
if len(sys.argv) > 1:
    display.figure_.savefig(sys.argv[1], dpi=110)

# %%
# One flat: its rent as a sum of what each column contributes, the largest first.

flat = X_test.iloc[[0]]
explanation = fitted.explain(flat)
print(f"\n{flat.to_string()}\n\n{explanation.summary(most=6)}")

plt.show()
