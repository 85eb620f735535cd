"""Compile numerical loops with numba, cached on disk where that is possible."""

__all__ = ["compiled"]


def compiled(**options):
    """Make a decorator that compiles a function with numba when it is first called.

    Parameters
    ----------
    **options
        Options of `numba.njit`, such as ``nogil=True`` or ``fastmath=True``.

    Returns
    -------
    decorator : callable
        Turns a function into a compiled one, which other compiled functions can call. The machine code is
        kept in numba's cache, so that later processes start at once; where no cache folder can be written, as
        in a read-only installation, it lives in memory only.

    Notes
    -----
    Using the decorator imports numba. Modules that do so are themselves imported where they are needed only.

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

    def decorator(function):
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return numba.njit(**options)(function)

    return decorator
