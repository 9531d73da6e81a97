"""How every loop is compiled."""

from __future__ import annotations

from numba import njit


def compiled(signature: str | None = None):
    """Decorator: compiled for one signature, kept on disk, without the GIL.

    Without a signature: a part of other loops, put into them.
    """
    if signature is None:
        return njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
    return njit(signature, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
