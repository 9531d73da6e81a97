"""Who computes on dask arrays: the workers of a cluster, or a scheduler of this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol

Handle = Any


class Engine(Protocol):
    """Where tasks run. Handles stand for results that stay there."""

    def submit(self, function: Callable, *args: Any, near: Handle = None) -> Handle:
        """A task; arguments may be handles, or lists of them."""

    def changed(self, function: Callable, chunks: list[Handle], *along: list) -> list[Handle]:
        """What a function makes of chunks, and of what goes along, each where that chunk is."""

    def settled(self, handles: list[Handle]) -> list[Handle]:
        """The same handles, once their results are there and stay."""

    def gather(self, handles: list[Handle]) -> list:
        """Results."""


class Cluster:
    """Workers of ``dask.distributed``."""

    def __init__(self, client: Any):
        self.client = client
        self._places: dict[str, list[str]] = {}

    def start(self, delayed: list) -> list[Handle]:
        """Compute chunks, each on a worker of its own choice, and remember where they are."""
        futures = self.client.compute(delayed)
        self._wait(futures)
        self._places = {key: list(at) for key, at in self.client.who_has(futures).items()}
        return futures

    def _wait(self, futures: list) -> None:
        from distributed import wait

        wait(futures)
        for future in futures:
            if future.status == "error":
                future.result()

    def submit(self, function: Callable, *args: Any, near: Handle = None) -> Handle:
        """See ``Engine``; run where the chunk is that the task is about."""
        workers = None if near is None else self._places.get(near.key)
        return self.client.submit(
            function,
            *args,
            pure=False,
            workers=workers,
            allow_other_workers=workers is not None,
        )

    def changed(self, function: Callable, chunks: list[Handle], *along: list) -> list[Handle]:
        """See ``Engine``."""
        args = zip(chunks, *along, strict=True)
        futures = [self.submit(function, *each, near=each[0]) for each in args]
        for chunk, future in zip(chunks, futures, strict=True):
            self._places[future.key] = self._places.get(chunk.key)
        return futures

    def settled(self, handles: list[Handle]) -> list[Handle]:
        """See ``Engine``: futures are computed once anyway."""
        return handles

    def gather(self, handles: list[Handle]) -> list:
        """See ``Engine``."""
        return self.client.gather(handles)


class Scheduler:
    """dask without a cluster, on threads whatever is configured: processes would copy chunks."""

    def start(self, delayed: list) -> list[Handle]:
        """Chunks are computed anew when they are needed: they need not fit into memory."""
        return delayed

    def submit(self, function: Callable, *args: Any, near: Handle = None) -> Handle:
        """See ``Engine``."""
        from dask import delayed

        return delayed(function, pure=False)(*args)

    def changed(self, function: Callable, chunks: list[Handle], *along: list) -> list[Handle]:
        """See ``Engine``: made anew when they are needed, as chunks are."""
        return [self.submit(function, *each) for each in zip(chunks, *along, strict=True)]

    def settled(self, handles: list[Handle]) -> list[Handle]:
        """See ``Engine``."""
        from dask import persist

        return list(persist(*handles, scheduler="threads"))

    def gather(self, handles: list[Handle]) -> list:
        """See ``Engine``."""
        from dask import compute

        return list(compute(*handles, scheduler="threads"))


def engine_for() -> Cluster | Scheduler:
    # Nobody has a client who has not imported the package.
    if "distributed" in sys.modules:
        from distributed import get_client

        try:
            return Cluster(get_client())
        except ValueError:
            pass
    return Scheduler()
