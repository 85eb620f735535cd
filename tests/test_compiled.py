import subprocess
import sys

import numba
import pytest

from skdistmass._compiled import compiled


def _double(x):
    return 2 * x


def test_compiles_and_keeps_options():
    function = compiled(nogil=True)(_double)
    assert function(3) == 6
    assert function.targetoptions["nogil"]
    assert function.py_func is _double


def test_without_a_cache_folder(monkeypatch):
    real = numba.njit

    def njit(cache=False, **options):
        def decorator(function):
            if cache:
                raise RuntimeError("cannot cache function '_double': no locator available")
            return real(**options)(function)

        return decorator

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled()(_double)(4) == 8


def test_other_errors_are_not_hidden(monkeypatch):
    def njit(**options):
        def decorator(function):
            raise RuntimeError("something else")

        return decorator

    monkeypatch.setattr(numba, "njit", njit)
    with pytest.raises(RuntimeError, match="something else"):
        compiled()(_double)


def test_importing_the_isochrones_does_not_import_numba():
    code = "import sys, skdistmass.isochrones; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
