"""A file larger than the memory allowed, and the same data as dask arrays on two workers.

    python benchmarks/out_of_core.py [--rows 671088] [--memory 64] [--skip-dask]

The file has 100 columns of float32: with the rows of the default, four times the working memory.
The fit runs in a process of its own; what counts is its peak beyond what the process had before.
On the cluster, the peaks of the workers and of the client are those beyond what they had before
the blocks were loaded. Linux only: peaks are read from ``/proc``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import sklearn

from sklearn_wedge import WedgeReLURegressor

COLUMNS = 100
ALPHA, TOLERANCE = 2e-2, 1e-3
MEBIBYTE = 2**20
# Vectors with an entry per row that a fit holds: weights and targets, as given and scaled, the
# prediction, and two dual points while one is made to sum to zero.
VECTORS = 8


def write_table(path: Path, n: int) -> None:
    """Inputs with ten columns that matter, and a target."""
    X = np.lib.format.open_memmap(path / "X.npy", "w+", np.float32, (n, COLUMNS))
    y = np.empty(n)
    for begin in range(0, n, 8192):
        rng = np.random.default_rng(begin)
        rows = slice(begin, min(begin + 8192, n))
        block = rng.standard_normal((rows.stop - begin, COLUMNS), dtype=np.float32)
        X[rows] = block
        y[rows] = (
            np.maximum(block[:, 0] + block[:, 1], 0)
            - np.maximum(block[:, 2] - 0.5, 0)
            + np.abs(block[:, 3]) * 0.5
            + 0.2 * block[:, 4:10].sum(axis=1)
            + 0.5 * rng.standard_normal(len(block))
        )
    X.flush()
    np.save(path / "y.npy", y)


def memory(kind: str) -> float:
    """Memory of this process in MiB: ``VmRSS`` now, or ``VmHWM``, the peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{kind} is not in /proc/self/status")


def forget_peak() -> float:
    """Let the peak begin anew; returns the memory in use, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def model() -> WedgeReLURegressor:
    """What is fitted."""
    return WedgeReLURegressor(ALPHA, tol=TOLERANCE)


def fit_file(path: str, working_memory: float) -> dict[str, float]:
    """One fit of the file, with the peak beyond what the process had before."""
    X = np.load(Path(path) / "X.npy", mmap_mode="r")
    y = np.load(Path(path) / "y.npy")
    # The first in a process pays for imports; a small one, of which no freed memory is left over.
    model().fit(np.asarray(X[:200, :2]), y[:200])
    base = forget_peak()
    began = time.perf_counter()
    with sklearn.config_context(working_memory=working_memory):
        fitted = model().fit(X, y)
    return {
        "seconds": time.perf_counter() - began,
        "peak": memory("VmHWM") - base,
        "objective": fitted.certificate_.objective,
        "gap": fitted.certificate_.relative_gap,
        "neurons": fitted.n_neurons_,
        "rounds": fitted.n_iter_,
    }


def read_rows(path: str, begin: int, end: int) -> np.ndarray:
    """Some rows of the file."""
    with (Path(path) / "X.npy").open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        file.seek(file.tell() + 4 * COLUMNS * begin)
        return np.fromfile(file, np.float32, COLUMNS * (end - begin)).reshape(-1, COLUMNS)


def inputs_held(dask_worker: object) -> float:
    """MiB of blocks of inputs that a worker has."""
    held = (value for value in dask_worker.data.values() if isinstance(value, np.ndarray))
    return sum(a.nbytes for a in held if a.shape[1:] == (COLUMNS,)) / MEBIBYTE


class Witness:
    """Asks the workers again and again how much of the inputs they have."""

    def __init__(self, client: object):
        self.client, self.most, self.ended = client, 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self.ended.wait(2.0):
            self.most = max(self.most, *self.client.run(inputs_held).values())

    def __enter__(self) -> Witness:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()


def on_a_cluster(path: str, n: int, working_memory: float) -> dict[str, float]:
    """The same fit of dask arrays on two workers, each of which reads half of the rows."""
    from dask import array, delayed
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        edges = np.linspace(0, n, 9).astype(int)
        blocks = [
            array.from_delayed(
                delayed(read_rows)(path, int(a), int(b)), (int(b - a), COLUMNS), np.float32
            )
            for a, b in pairwise(edges)
        ]
        X = array.concatenate(blocks)
        y = array.from_array(np.load(Path(path) / "y.npy"), chunks=(X.chunks[0],))
        client.run(model)  # imports
        base, own = client.run(forget_peak), forget_peak()
        began = time.perf_counter()
        with sklearn.config_context(working_memory=working_memory), Witness(client) as witness:
            fitted = model().fit(X, y)
        seconds = time.perf_counter() - began
        peaks = client.run(memory, "VmHWM")
        return {
            "seconds": seconds,
            "peaks": [peaks[worker] - base[worker] for worker in peaks],
            "client": memory("VmHWM") - own,
            "held": witness.most,
            "objective": fitted.certificate_.objective,
        }


def main() -> None:
    """Print both fits, or run the first one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=4 * 64 * MEBIBYTE // (4 * COLUMNS))
    parser.add_argument("--memory", type=float, default=64)
    parser.add_argument("--skip-dask", action="store_true")
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        print(json.dumps(fit_file(options.fit, options.memory)))
        return
    n = options.rows
    size = 4 * n * COLUMNS / MEBIBYTE
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder), n)
        command = [sys.executable, __file__, "--fit", folder, "--memory", str(options.memory)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        found = json.loads(output)
        vectors = VECTORS * 8 * n / MEBIBYTE
        limit = 2 * options.memory + vectors
        print(
            f"file of {n:,} rows, {COLUMNS} columns, {size:.0f} MiB; working_memory "
            f"{options.memory:g} MiB\n"
            f"  {found['seconds']:.0f} s, {found['rounds']} rounds, {found['neurons']} neurons, "
            f"objective {found['objective']:.10g}, relative gap {found['gap']:.1e}\n"
            f"  peak beyond the base process {found['peak']:.0f} MiB; limit {limit:.0f} MiB "
            f"(2 × working_memory + {vectors:.0f} MiB of vectors)",
            flush=True,
        )
        if options.skip_dask:
            return
        other = on_a_cluster(folder, n, options.memory)
        workers = ", ".join(f"{peak:.0f}" for peak in other["peaks"])
        print(
            f"dask arrays on two workers\n"
            f"  {other['seconds']:.0f} s, objective {other['objective']:.10g}, difference "
            f"{other['objective'] - found['objective']:.1e}\n"
            f"  at most {other['held']:.0f} MiB of the {size:.0f} MiB of X on one worker; peak "
            f"beyond the base: workers {workers} MiB, client with scheduler {other['client']:.0f} "
            "MiB"
        )


if __name__ == "__main__":
    main()
