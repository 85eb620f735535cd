"""Compile numerical loops with numba, cached on disk where that is possible."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["compiled"]


def compiled(**options: Any) -> Callable[[Callable], Callable]:
    """Make a decorator that compiles a function with numba when it is first called.

    Parameters
    ----------
    **options
        Options of `numba.njit`, such as ``nogil=True`` or ``fastmath=True``.

    Returns
    -------
    decorator : callable
        Turns a function into a compiled one, which other compiled functions can call. The machine code is kept in
        numba's cache until a module of the function's folder changes, so that later processes start at once. If the
        cache can't be written or read (a read-only installation, a full disk, a damaged file), the code is in memory
        only.

    Notes
    -----
    Using the decorator imports numba. So modules that use it are imported only where they are needed.

    Examples
    --------
    >>> from skdistmass._compiled import compiled
    >>> @compiled()
    ... def add(a, b):
    ...     return a + b
    >>> add.py_func(1, 2)
    3
    """
    import numba

    def decorator(function: Callable) -> Callable:
        try:
            dispatcher = numba.njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return numba.njit(**options)(function)
        # Compiled functions are part of those that call them, often from another module of the folder.
        file = dispatcher._cache._cache_file
        file._source_stamp = file._source_stamp, _stamp_of(Path(function.__code__.co_filename).parent)
        dispatcher._cache = _OptionalCache(dispatcher._cache)
        return dispatcher

    return decorator


@cache
def _stamp_of(folder: Path) -> tuple[tuple[str, float, int], ...]:
    """Return what changes when a module of a folder does."""
    found = [(path.name, path.stat()) for path in sorted(folder.glob("*.py"))]
    return tuple((name, stat.st_mtime, stat.st_size) for name, stat in found)


class _OptionalCache:
    """A cache of numba whose failures only mean that the machine code is not cached."""

    def __init__(self, cache):
        self._cache = cache

    def __getattr__(self, name):
        return getattr(self._cache, name)

    def load_overload(self, signature, target_context):
        try:
            return self._cache.load_overload(signature, target_context)
        except Exception:  # what unpickling a damaged file raises is not limited to a few types
            return None

    def save_overload(self, signature, data):
        try:
            self._cache.save_overload(signature, data)
        except Exception:  # a full disk; or the index, which is read first, is damaged
            return
