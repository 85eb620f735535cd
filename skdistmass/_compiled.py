"""Compile a numerical loop with numba, cached on disk where that is possible."""

from functools import wraps

__all__ = ["compiled"]


def compiled(**njit_options):
    """Make a decorator that compiles a function with numba when it is first called.

    Importing the module that holds the function costs nothing; numba is imported at the first call. The
    machine code is kept in numba's cache, so that later processes start at once; where no cache folder can be
    written (a read-only installation), it lives in memory only.

    Parameters
    ----------
    **njit_options
        Options of `numba.njit`, such as ``parallel=True`` or ``fastmath=True``.

    Returns
    -------
    decorator : callable
        Turns a function into one that is compiled on demand. Functions called from inside another compiled
        function must be plain: pass them through `numba.njit` inside, or write them as closures of one
        module-level function.

    Examples
    --------
    >>> from skdistmass._compiled import compiled
    >>> @compiled()
    ... def add(a, b):
    ...     return a + b
    >>> add.py_func(1, 2)
    3
    """

    def decorator(function):
        kernel = None

        @wraps(function)
        def call(*args):
            nonlocal kernel
            if kernel is None:
                kernel = _compile(function, njit_options)
            return kernel(*args)

        call.py_func = function
        return call

    return decorator


def _compile(function, options):
    """Hand a function to numba, with the cache if there is a place for it."""
    import numba

    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return numba.njit(**options)(function)
