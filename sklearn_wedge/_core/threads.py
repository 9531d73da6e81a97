"""Linear algebra on one thread, for as long as anybody in the process needs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import Lock

from threadpoolctl import LibController, ThreadpoolController

# Libraries, and how many threads each had.
Before = list[tuple[LibController, int]]


def _limited(libraries: Iterable[LibController]) -> Before:
    """Libraries set to one thread, with what they had."""
    before = [(library, library.get_num_threads()) for library in libraries]
    for library, _ in before:
        _set(library, 1)
    return before


def _restored(before: Before) -> None:
    for library, n_threads in before:
        _set(library, n_threads)
        _let_others_set(library)


def _set(library: LibController, n_threads: int) -> None:
    _let_others_set(library)
    library.set_num_threads(n_threads)


def _let_others_set(library: LibController) -> None:
    """From version 3.8 on threadpoolctl ignores threads other than the one that set a limit."""
    if hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread(force=True)


def _is_of_thread(library: LibController) -> bool:
    """Whether a limit is one of the calling thread: as versions since 3.8 set it on OpenMP."""
    since_3_8 = hasattr(library, "clear_controlling_thread")
    return since_3_8 and library.threading_layer == "openmp"


class _OneThread:
    """A limit that is shared by everybody inside: first in sets, last out restores.

    If each saved and restored it, those that overlap would restore what others had set.
    """

    def __init__(self):
        self._lock = Lock()
        self._n_inside = 0
        self._before: Before = []

    @cached_property
    def _libraries(self) -> list[LibController]:
        # Looked for once: that takes longer than a prediction.
        return ThreadpoolController().select(user_api="blas").lib_controllers

    def enter(self) -> Before:
        """Limit; what is to be handed back."""
        with self._lock:
            if self._n_inside == 0:
                libraries = [each for each in self._libraries if not _is_of_thread(each)]
                self._before = _limited(libraries)
            self._n_inside += 1
            return _limited(filter(_is_of_thread, self._libraries))

    def leave(self, before: Before) -> None:
        """Restore what nobody needs any more."""
        with self._lock:
            _restored(before)
            self._n_inside -= 1
            if self._n_inside == 0:
                _restored(self._before)


_ONE_THREAD = _OneThread()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Context in which linear algebra runs on one thread.

    The matrices of the restricted problem are small: threads cost more than they bring (five times
    the time of a fit on two cores) and let the number of cores decide the rounding. As a rule a
    limit is one of the process; contexts may overlap in any order, in any threads.
    """
    before = _ONE_THREAD.enter()
    try:
        yield
    finally:
        _ONE_THREAD.leave(before)
