import os
import subprocess
import sys

import numba
import pytest

from skdistmass._compiled import compiled

pytestmark = pytest.mark.slow


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


_COMPILE = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if sys.argv[1] == "full":  # every write to a file fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
sys.path.insert(0, sys.argv[2])
import doubled
print(doubled.twice(21), sum(doubled.twice.stats.cache_hits.values()))
"""
_PART = """
from skdistmass._compiled import compiled

@compiled()
def double(x):
    return 2 * x
"""
_MODULE = """
from skdistmass._compiled import compiled
from part import double

@compiled()
def twice(x):
    return double(x)
"""


def test_a_full_disk_or_a_damaged_cache_is_no_obstacle(tmp_path):
    pytest.importorskip("resource")
    (tmp_path / "doubled.py").write_text(_MODULE)
    (tmp_path / "part.py").write_text(_PART)
    folder = tmp_path / "cache"

    def run(disk):
        command = [sys.executable, "-c", _COMPILE, disk, str(tmp_path)]
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert run("full") == ["42", "0"]
    assert run("free") == ["42", "0"]
    assert run("free") == ["42", "1"]
    # A change of a function that another module's calls: its old machine code is not used.
    (tmp_path / "part.py").write_text(_PART.replace("2 * x", "3 * x + 0"))
    assert run("free") == ["63", "0"]
    for path in folder.rglob("*.nb?"):
        path.write_bytes(path.read_bytes()[:30])
    assert run("free") == ["63", "0"]


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
