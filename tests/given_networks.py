"""Trained networks for the tests of polishing: random ones, their targets, their outputs."""

import numpy as np

LOSS_OF = {
    "one target": "squared_error",
    "two targets": "squared_error",
    "counts": "poisson",
    "two classes": "log_loss",
    "three classes": "log_loss",
}
N_OUTPUTS = dict.fromkeys(LOSS_OF, 1) | {"two targets": 2, "three classes": 3}


def targets(rng, kind, n):
    if kind == "counts":
        return rng.poisson(2.0, size=n)
    if kind.endswith("classes"):
        k = {"two": 2, "three": 3}[kind.split()[0]]
        return np.array(list("abc"))[np.arange(n) % k]
    y = rng.standard_normal((n, N_OUTPUTS[kind]))
    return y[:, 0] if kind == "one target" else y


def random_network(rng, d, m, q):
    coefs = [rng.standard_normal((d, m)), rng.standard_normal((m, q))]
    return coefs, [rng.standard_normal(m), rng.standard_normal(q)]


def forward(network, X):
    (hidden, output), (hidden_bias, output_bias) = network
    return np.maximum(X @ hidden + hidden_bias, 0) @ output + output_bias
