"""Two spirals (n = 160): the wedge fit beside CLARABEL on all 25,440 wedge neurons, in one run.

Both solve ``min Σ (f - y)² + β Σ |z|`` over lines through two samples (unit l2 normals, free
intercept, β = 1e-3), each in a process of its own, so that peak memory can be told apart.

    python benchmarks/two_spirals.py
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import combinations

import numpy as np

BETA = 1e-3


def spirals() -> tuple[np.ndarray, np.ndarray]:
    """Points and labels."""
    step = np.arange(80)
    angle, radius = step * np.pi / 16, (104 - step) / 104
    spiral = (radius * [np.cos(angle), np.sin(angle)]).T
    return np.vstack([spiral, -spiral]), np.repeat([1.0, -1.0], 80)


def wedge_fit(dictionary: str) -> dict[str, float]:
    """Objective (as a sum over samples), relative gap and seconds of the path with one penalty."""
    from sklearn_wedge import wedge_relu_path

    X, y = spirals()
    scale = 2 * len(y)
    began = time.perf_counter()
    path = wedge_relu_path(
        X,
        y,
        [BETA / scale],
        norm="l2",
        dictionary=dictionary,
        standardize=False,
        clip_quantile=None,
        tol=1e-8,
    )
    seconds = time.perf_counter() - began
    certificate = path.certificates[0]
    return {
        "objective": scale * certificate.objective,
        "gap": certificate.relative_gap,
        "seconds": seconds,
        "neurons": len(path.networks[0].neurons),
    }


def explicit_fit() -> dict[str, float]:
    """CLARABEL, through CVXPY, on the explicit matrix of all lines through two samples."""
    import cvxpy

    X, y = spirals()
    first, second = np.array(list(combinations(range(len(X)), 2))).T
    normal = (X[second] - X[first])[:, ::-1] * [1.0, -1.0]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    reach = (X - X[first][:, None]) @ normal[:, :, None]
    features = np.maximum(np.concatenate([reach, -reach])[:, :, 0], 0.0).T
    began = time.perf_counter()
    z, t = cvxpy.Variable(features.shape[1]), cvxpy.Variable()
    problem = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.sum_squares(features @ z + t - y) + BETA * cvxpy.norm1(z))
    )
    problem.solve(solver=cvxpy.CLARABEL)
    return {"objective": float(problem.value), "seconds": time.perf_counter() - began}


FITS = {
    "wedge network, lines through two samples": lambda: wedge_fit("wedge"),
    "wedge network, all lines": lambda: wedge_fit("full"),
    "CLARABEL, explicit matrix": explicit_fit,
}


def in_a_process(name: str) -> dict[str, float]:
    """Run one of the fits in a process of its own."""
    command = [sys.executable, __file__, "--fit", name]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main() -> None:
    """Print the table, or run one fit for it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fit", choices=FITS)
    arguments = parser.parse_args()
    if arguments.fit:
        result = FITS[arguments.fit]()
        result["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    results = {name: in_a_process(name) for name in FITS}
    for name, result in results.items():
        extra = f", relative gap {result['gap']:.0e}" if "gap" in result else ""
        print(
            f"{name:42s} objective {result['objective']:.6f}{extra}, {result['seconds']:.2f} s, "
            f"peak {result['megabytes']:.0f} MB",
            flush=True,
        )
    wedge, _, explicit = results.values()
    print(f"CLARABEL takes {explicit['seconds'] / wedge['seconds']:.0f} times as long")


if __name__ == "__main__":
    main()
