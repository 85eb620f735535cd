"""BLAS on one thread, for matrices of few columns."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread, in a ``with`` block or as a decorator.

    Its own threads bring matrices of few columns nothing, and wait in busy loops: that was two fifths of a catalogue's
    processor time.

    Examples
    --------
    >>> from skdistmass.networks.blas import one_blas_thread
    >>> with one_blas_thread():
    ...     pass
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    """Find the libraries once, which takes ninety times as long as to set a limit."""
    return ThreadpoolController()
