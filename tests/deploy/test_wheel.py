"""The wheel holds the trained models, and onnxruntime and numpy are enough to use them, from any folder and offline."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"

# Stands for a machine without a network, and with nothing installed but numpy and onnxruntime.
_ALONE = """
import importlib.abc, socket, sys

ABSENT = set("sklearn skl2onnx onnx scipy astropy pandas pyarrow joblib numba matplotlib skops click tqdm".split())

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"no {fullname} here", name=fullname)

def no_network(*_, **__):
    raise OSError("no network here")

sys.meta_path.insert(0, Absent())
socket.socket.connect = socket.getaddrinfo = no_network

import numpy as np
import skdistmass

assert skdistmass.__file__.startswith(sys.argv[1]), skdistmass.__file__
stars = np.genfromtxt(sys.argv[2] + "/stars.csv", delimiter=",", names=True)
expected = np.genfromtxt(sys.argv[2] + "/catalog.csv", delimiter=",", names=True)
found = skdistmass.load_pretrained("kepler-giants").predict(stars)
assert list(found) == list(expected.dtype.names)
for name, values in found.items():
    np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
"""


def _run(*command, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, check=False, **options
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package installed from a wheel that was built from a copy of the repository."""
    pytest.importorskip("pip", reason="this environment has no pip to build a wheel with")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(REPOSITORY / "skdistmass", source / "skdistmass", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    code, said = _run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, source, cwd=folder)
    if code and "No matching distribution found for setuptools" in said:
        pytest.skip("pip can't fetch the setuptools to build a wheel with: is there a network?")
    assert code == 0, said
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    code, said = _run(*pip, "install", "--no-deps", "--no-index", "--target", target, wheel, cwd=folder)
    assert code == 0, said
    return target


def test_installed_wheel_predicts_alone(installed, tmp_path):
    newest = max(path for path in GOLDEN.iterdir() if path.is_dir())
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    code, said = _run(sys.executable, "-c", _ALONE, installed, newest, cwd=tmp_path, env=environment)
    assert code == 0, said


def test_wheel_holds_all_data(installed):
    """All files that are no code are in the wheel, among them the models."""

    def data(folder):
        files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(folder).as_posix() for path in files if path.suffix not in (".py", ".pyc")}

    assert data(installed / "skdistmass") == data(REPOSITORY / "skdistmass")
    assert "deploy/models/kepler-giants.onnx" in data(installed / "skdistmass")
