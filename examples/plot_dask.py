"""
Data on several workers
=======================

A fit takes dask arrays: their chunks stay on the workers that have them. Each round sends neurons
out and brings back only sums, so that no machine needs to hold all the rows. It is the algorithm
that fits a file too large for memory, and the objective is the same.
"""

# %%
# A cluster of two workers, here threads of one process. Every worker makes its own chunks of rows;
# the client never sees them.

import sys

import joblib
import matplotlib.pyplot as plt
import numpy as np
import sklearn
from dask import array
from dask.distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from sklearn_wedge import WedgeReLURegressor

BLOCK, N_BLOCKS = 4000, 6


def inputs_of_chunk(block_info=None):
    """Rows of three inputs, the same whenever they are asked for."""
    number = block_info[None]["chunk-location"][0]
    return np.random.default_rng(number).uniform(-2, 2, size=(BLOCK, 3)).astype(np.float32)


def surface(X):
    """A ridge and a valley."""
    return np.abs(X[:, 0] - X[:, 1]) - np.maximum(X[:, 2], 0)


cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0")
client = Client(cluster)
chunks = ((BLOCK,) * N_BLOCKS, (3,))
X = array.map_blocks(inputs_of_chunk, chunks=chunks, dtype=np.float32)
noise = array.random.default_rng(0).normal(scale=0.2, size=len(X), chunks=BLOCK)
# Kept: random numbers would be drawn anew.
y = (surface(X) + noise).persist()

# %%
# The same call as for arrays in memory. Predictions are dask arrays too, chunk by chunk.

model = WedgeReLURegressor(alpha=0.01).fit(X, y)
predicted = model.predict(X)
error = float(array.sqrt(array.mean((predicted - y) ** 2)).compute())
print(f"on two workers: {model.certificate_}")
print(f"{model.n_neurons_} neurons; error {error:.3f}, of which the noise is 0.2")

# %%
# The same rows as one array on this machine, in chunks because the memory is limited.

with sklearn.config_context(working_memory=16):
    here = WedgeReLURegressor(alpha=0.01).fit(X.compute(), y.compute())
difference = model.certificate_.objective - here.certificate_.objective
print(f"the objective on one machine differs by {abs(difference):.1e}")

# %%
# For data that fit into memory, a search shares out its fits over the workers through
# joblib: here a sample of the rows, to choose alpha.

sample = np.asarray(X[:1000]), np.asarray(y[:1000])
grid = {"alpha": np.geomspace(0.1, 1e-3, 5)}
with joblib.parallel_config(backend="dask"):
    search = GridSearchCV(WedgeReLURegressor(tol=1e-3), grid, cv=3).fit(*sample)
print(f"alpha chosen on a sample: {search.best_params_['alpha']:.4g}")

# %%
# Neurons pass through rows of the data, wherever these are.

line = np.linspace(-2, 2, 200)
plane = np.column_stack([line, np.zeros(200), np.full(200, -1.0)])
figure, panel = plt.subplots(figsize=(6, 3.6), layout="constrained")
panel.plot(line, np.abs(line), color="0.6", label="truth")
panel.plot(line, model.predict(plane), label="network fitted on two workers")
panel.set(xlabel="first input", ylabel="prediction")
panel.legend()

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=120)
plt.show()
client.close()
cluster.close()
